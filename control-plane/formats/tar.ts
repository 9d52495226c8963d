// The tar reader: POSIX ustar, pax extended headers (path, linkpath, size) and GNU long names, as dpkg and GNU tar write.
//
//   0 name[100] | 100 mode[8] | 108 uid[8] | 116 gid[8] | 124 size[12] | 136 mtime[12] | 148 checksum[8] | 156 type
//   157 linkname[100] | 257 "ustar" | 265 uname[32] | 297 gname[32] | 329 major[8] | 337 minor[8] | 345 prefix[155]
import { err, ok, type Result } from "../util/index.js";
import { type ArchiveEntry, normalizePath, S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFREG } from "./archive.js";
import { corrupt, type FormatErrorCode, truncated } from "./errors.js";
import { decodeUtf8, encodeUtf8, readAscii, readCString } from "./text.js";

const BLOCK_BYTES = 512;
/** Names and pax records are this long at most; a hostile archive could otherwise make one of the whole file. */
const LONG_NAME_LIMIT_BYTES = 64 * 1024;

const TYPE_BITS: Readonly<Record<string, number>> = {
  "\0": S_IFREG,
  "0": S_IFREG,
  "1": S_IFREG,
  "2": S_IFLNK,
  "3": S_IFCHR,
  "4": S_IFBLK,
  "5": S_IFDIR,
  "6": S_IFIFO,
  "7": S_IFREG,
};

/** Fields that a header before the entry has set for it. */
interface Overrides {
  path?: string;
  linkPath?: string;
  sizeBytes?: number;
}

/** Reads all entries of a tar archive; contents are views, not copies. */
export function readTar(bytes: Uint8Array): Result<ArchiveEntry[], FormatErrorCode> {
  const entries: ArchiveEntry[] = [];
  let overrides: Overrides = {};
  for (let pos = 0; pos < bytes.length; ) {
    if (pos + BLOCK_BYTES > bytes.length) return truncated("tar header");
    if (bytes[pos] === 0 && isZeroBlock(bytes, pos)) return ok(entries);
    if (!checksumMatches(bytes, pos)) return corrupt("tar header checksum differs");
    const type = readAscii(bytes, pos + 156, 1);
    const isMeta = "xgLK".includes(type);
    const size = isMeta ? readNumber(bytes, pos + 124, 12) : (overrides.sizeBytes ?? readNumber(bytes, pos + 124, 12));
    if (size === undefined) return corrupt("tar size field is malformed");
    const dataBytes = hasData(type) ? size : 0;
    const dataPos = pos + BLOCK_BYTES;
    if (dataPos + dataBytes > bytes.length) return truncated("tar entry");
    const data = bytes.subarray(dataPos, dataPos + dataBytes);
    if (isMeta) {
      const meta = readMeta(type, data, overrides);
      if (!meta.ok) return meta;
      overrides = meta.value;
    } else {
      const entry = readEntry(bytes, pos, type, data, overrides);
      if (!entry.ok) return entry;
      entries.push(entry.value);
      overrides = {};
    }
    pos = dataPos + Math.ceil(dataBytes / BLOCK_BYTES) * BLOCK_BYTES;
  }
  return ok(entries);
}

/** Links, devices and directories have no content, whatever their size field says. */
function hasData(type: string): boolean {
  return !"123456".includes(type);
}

function isZeroBlock(bytes: Uint8Array, pos: number): boolean {
  return bytes.subarray(pos, pos + BLOCK_BYTES).every((byte) => byte === 0);
}

/** The checksum is the sum of all header bytes, with its own field counted as blanks. */
function checksumMatches(bytes: Uint8Array, pos: number): boolean {
  let sum = 0;
  for (let i = 0; i < BLOCK_BYTES; i++) sum += i >= 148 && i < 156 ? 32 : bytes[pos + i]!;
  return sum === readNumber(bytes, pos + 148, 8);
}

/** An octal field, or GNU's big-endian binary one, marked by its top bit; undefined when it is neither or too large. */
function readNumber(bytes: Uint8Array, off: number, length: number): number | undefined {
  if (bytes[off]! & 0x80) {
    let value = bytes[off]! & 0x7f;
    for (let i = 1; i < length; i++) value = value * 256 + bytes[off + i]!;
    return Number.isSafeInteger(value) ? value : undefined;
  }
  const text = readAscii(bytes, off, length)
    .replace(/[\0 ]+$/, "")
    .trimStart();
  if (text === "") return 0;
  return /^[0-7]+$/.test(text) ? Number.parseInt(text, 8) : undefined;
}

function readMeta(type: string, data: Uint8Array, overrides: Overrides): Result<Overrides, FormatErrorCode> {
  if (data.length > LONG_NAME_LIMIT_BYTES) return err("limit", "tar extended header is larger than 64 KiB");
  if (type === "L") return ok({ ...overrides, path: readCString(data, 0, data.length) });
  if (type === "K") return ok({ ...overrides, linkPath: readCString(data, 0, data.length) });
  // A global header holds defaults such as a comment; nothing of it concerns us.
  return type === "g" ? ok(overrides) : readPax(data, overrides);
}

/** Pax records: "LENGTH KEY=VALUE\n", with LENGTH counting the whole record. */
function readPax(data: Uint8Array, overrides: Overrides): Result<Overrides, FormatErrorCode> {
  const result: Overrides = { ...overrides };
  for (let pos = 0; pos < data.length; ) {
    const space = data.indexOf(32, pos);
    const lengthText = space < 0 ? "" : readAscii(data, pos, space - pos);
    const length = /^\d{1,6}$/.test(lengthText) ? Number(lengthText) : 0;
    const end = pos + length;
    if (end <= space + 1 || end > data.length || data[end - 1] !== 10) return corrupt("tar pax record is malformed");
    const record = decodeUtf8(data.subarray(space + 1, end - 1));
    const equals = record.indexOf("=");
    const value = record.slice(equals + 1);
    switch (record.slice(0, Math.max(equals, 0))) {
      case "path":
        result.path = value;
        break;
      case "linkpath":
        result.linkPath = value;
        break;
      case "size":
        if (!/^\d{1,15}$/.test(value)) return corrupt("tar pax size is malformed");
        result.sizeBytes = Number(value);
        break;
    }
    pos = end;
  }
  return ok(result);
}

function readEntry(
  bytes: Uint8Array,
  pos: number,
  type: string,
  data: Uint8Array,
  overrides: Overrides,
): Result<ArchiveEntry, FormatErrorCode> {
  const [mode, uid, gid, mtime] = [
    readNumber(bytes, pos + 100, 8),
    readNumber(bytes, pos + 108, 8),
    readNumber(bytes, pos + 116, 8),
    readNumber(bytes, pos + 136, 12),
  ];
  if (mode === undefined || uid === undefined || gid === undefined || mtime === undefined) {
    return corrupt("tar header has a malformed number");
  }
  const isPosix = readAscii(bytes, pos + 257, 6) === "ustar\0";
  const prefix = isPosix ? readCString(bytes, pos + 345, 155) : "";
  const name = readCString(bytes, pos, 100);
  const path = normalizePath(overrides.path ?? (prefix === "" ? name : `${prefix}/${name}`));
  const linkPath = overrides.linkPath ?? readCString(bytes, pos + 157, 100);
  const typeBits = TYPE_BITS[type] ?? S_IFREG;
  const common = { path, mode: typeBits | (mode & 0o7777), uid, gid, mtimeSeconds: mtime };
  if (type === "1") return ok({ ...common, data, hardLinkTo: normalizePath(linkPath) });
  if (typeBits === S_IFLNK) return ok({ ...common, data: encodeUtf8(linkPath) });
  if (typeBits === S_IFCHR || typeBits === S_IFBLK) {
    const deviceMajor = readNumber(bytes, pos + 329, 8) ?? 0;
    const deviceMinor = readNumber(bytes, pos + 337, 8) ?? 0;
    return ok({ ...common, data, deviceMajor, deviceMinor });
  }
  return ok({ ...common, data });
}
