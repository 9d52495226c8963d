// The newc cpio format, both ways: what Linux unpacks as an initramfs [linux: initramfs buffer format].
//
//   "070701", then 13 fields of 8 hexadecimal digits: ino mode uid gid nlink mtime filesize devmajor devminor rdevmajor
//   rdevminor namesize check; then the name with its NUL, padded to 4; then the data, padded to 4. "TRAILER!!!" ends it.
import { ok, type Result } from "../util/index.js";
import { type ArchiveEntry, normalizePath, S_IFBLK, S_IFCHR, S_IFDIR, S_IFMT } from "./archive.js";
import { corrupt, type FormatErrorCode, truncated } from "./errors.js";
import { encodeUtf8, readAscii, readCString } from "./text.js";

const MAGIC = "070701";
const MAGIC_WITH_CHECKSUM = "070702";
const HEADER_BYTES = 110;
const TRAILER = "TRAILER!!!";
/** The kernel's PATH_MAX: it refuses longer names too. */
const NAME_LIMIT_BYTES = 4096;

function align4(n: number): number {
  return (n + 3) & ~3;
}

/** Writes a newc archive; the entries stand in it in the order given, so put directories before their content. */
export function writeCpio(entries: readonly ArchiveEntry[]): Uint8Array {
  const names = entries.map((entry) => encodeUtf8(`${entry.path}\0`));
  const trailerName = encodeUtf8(`${TRAILER}\0`);
  let size = align4(HEADER_BYTES + trailerName.length);
  entries.forEach((entry, i) => {
    size += align4(HEADER_BYTES + names[i]!.length) + align4(entry.data.length);
  });
  const out = new Uint8Array(size);
  let pos = 0;
  entries.forEach((entry, i) => {
    pos = writeEntry(out, pos, entry, names[i]!, i + 1);
  });
  writeEntry(out, pos, { path: TRAILER, mode: 0, data: new Uint8Array(0) }, trailerName, 0);
  return out;
}

function writeEntry(out: Uint8Array, pos: number, entry: ArchiveEntry, name: Uint8Array, inode: number): number {
  const isDevice = (entry.mode & S_IFMT) === S_IFCHR || (entry.mode & S_IFMT) === S_IFBLK;
  const fields = [
    inode,
    entry.mode,
    entry.uid ?? 0,
    entry.gid ?? 0,
    (entry.mode & S_IFMT) === S_IFDIR ? 2 : 1,
    entry.mtimeSeconds ?? 0,
    entry.data.length,
    0,
    0,
    isDevice ? (entry.deviceMajor ?? 0) : 0,
    isDevice ? (entry.deviceMinor ?? 0) : 0,
    name.length,
    0,
  ];
  const header = MAGIC + fields.map((field) => field.toString(16).padStart(8, "0")).join("");
  out.set(encodeUtf8(header), pos);
  out.set(name, pos + HEADER_BYTES);
  const dataPos = pos + align4(HEADER_BYTES + name.length);
  out.set(entry.data, dataPos);
  return dataPos + align4(entry.data.length);
}

/** Reads a newc archive up to its trailer; contents are views, not copies. */
export function readCpio(bytes: Uint8Array): Result<ArchiveEntry[], FormatErrorCode> {
  const entries: ArchiveEntry[] = [];
  for (let pos = 0; ; ) {
    if (pos + HEADER_BYTES > bytes.length) return truncated("cpio header");
    const magic = readAscii(bytes, pos, 6);
    if (magic !== MAGIC && magic !== MAGIC_WITH_CHECKSUM) return corrupt("cpio magic is missing");
    const digits = readAscii(bytes, pos + 6, 104);
    if (!/^[0-9a-fA-F]{104}$/.test(digits)) return corrupt("cpio header is malformed");
    const field = (i: number) => Number.parseInt(digits.slice(i * 8, i * 8 + 8), 16);
    const nameBytes = field(11);
    if (nameBytes === 0 || nameBytes > NAME_LIMIT_BYTES) return corrupt("cpio name is too long");
    const dataPos = pos + align4(HEADER_BYTES + nameBytes);
    const dataEnd = dataPos + field(6);
    if (dataEnd > bytes.length) return truncated("cpio entry");
    const name = readCString(bytes, pos + HEADER_BYTES, nameBytes);
    if (name === TRAILER) return ok(entries);
    const entry = {
      path: normalizePath(name),
      mode: field(1),
      uid: field(2),
      gid: field(3),
      mtimeSeconds: field(5),
      data: bytes.subarray(dataPos, dataEnd),
    };
    const isDevice = (entry.mode & S_IFMT) === S_IFCHR || (entry.mode & S_IFMT) === S_IFBLK;
    entries.push(isDevice ? { ...entry, deviceMajor: field(9), deviceMinor: field(10) } : entry);
    pos = align4(dataEnd);
  }
}
