/** The header of a qcow2 image, versions 2 and 3. [QCOW-FORMAT] "Header". Numbers are big-endian. */
import { byteString, textOfByteString } from "../../util/index.js";
import { SECTOR_BYTES } from "../disk.js";
import { StorageError, type StorageErrorCode } from "../errors.js";
import type { ImageFile } from "../image-file.js";

export type Qcow2Compression = "deflate" | "zstd";

export interface Qcow2Header {
  readonly clusterBits: number;
  /** Bytes. */
  readonly size: number;
  readonly l1Entries: number;
  readonly l1Offset: number;
  readonly compression: Qcow2Compression;
  /** Where the image says its backing file is; null without one. */
  readonly backingFile: string | null;
  readonly backingFormat: string | null;
}

const MAGIC = 0x514649fb;
const V2_BYTES = 72;
const MOST_HEADER_BYTES = 64 * 1024;
/** [QCOW-FORMAT]: at most 1023 bytes. */
const LONGEST_BACKING = 1023;
/** 32 MiB of them, as other programs allow. */
const MOST_L1_ENTRIES = 4 * 1024 * 1024;

const Extension = { END: 0, BACKING_FORMAT: 0xe2792aca, FEATURE_NAMES: 0x6803f857 } as const;

/** Incompatible features that change nothing for one who only reads. */
const HARMLESS = 0b011n;
const COMPRESSION_TYPE = 0b1000n;
const FEATURES: Readonly<Record<number, string>> = {
  2: "external data file",
  4: "extended L2 entries (subclusters)",
};

export async function readQcow2Header(file: ImageFile): Promise<Qcow2Header> {
  const bytes = new Uint8Array(Math.min(file.size, MOST_HEADER_BYTES));
  await file.read(0, [bytes]);
  const view = new DataView(bytes.buffer);
  const fail = failer(file.name);
  if (bytes.length < V2_BYTES || view.getUint32(0) !== MAGIC) fail("corrupt", "this is no qcow2 image", "magic");
  const version = view.getUint32(4);
  if (version !== 2 && version !== 3)
    fail("unsupported", "another version of qcow2", "version", `${version}`, "2 or 3");
  const clusterBits = view.getUint32(20);
  if (clusterBits < 9 || clusterBits > 21) {
    fail("corrupt", "impossible cluster size", "cluster_bits", `${clusterBits}`, "9 to 21");
  }
  const crypt = view.getUint32(32);
  if (crypt !== 0) fail("unsupported", "the image is encrypted", "crypt_method", `${crypt}`, "0");
  const headerLength = version === 2 ? V2_BYTES : view.getUint32(100);
  if (headerLength < V2_BYTES || headerLength > bytes.length) {
    fail("corrupt", "impossible header length", "header_length", `${headerLength}`, `at most ${bytes.length}`);
  }
  const extensions = readExtensions(bytes, headerLength);
  if (version === 3) checkFeatures(view.getBigUint64(72), extensions.get(Extension.FEATURE_NAMES), fail);
  const compression = version === 3 && (view.getBigUint64(72) & COMPRESSION_TYPE) !== 0n ? bytes[104]! : 0;
  if (compression > 1) fail("unsupported", "unknown compression", "compression_type", `${compression}`, "0 or 1");
  const format = extensions.get(Extension.BACKING_FORMAT);
  return {
    clusterBits,
    compression: compression === 1 ? "zstd" : "deflate",
    backingFile: backingFile(view, bytes, fail),
    backingFormat: format === undefined ? null : textOfByteString(byteString(format)),
    ...tableOf(view, file.size, clusterBits, fail),
  };
}

type Fail = (code: StorageErrorCode, what: string, field: string, found?: string, expected?: string) => never;

function failer(file: string): Fail {
  return (code, what, field, found, expected) => {
    throw new StorageError(code, what, {
      file,
      field,
      ...(found !== undefined && { found }),
      ...(expected !== undefined && { expected }),
    });
  };
}

/** Size and level 1 table, which must cover it and be in the file. */
function tableOf(view: DataView, fileSize: number, clusterBits: number, fail: Fail) {
  const size = view.getBigUint64(24);
  if (size > BigInt(Number.MAX_SAFE_INTEGER)) fail("limit", "the size overflows", "size", `${size}`);
  if (size % BigInt(SECTOR_BYTES) !== 0n) fail("corrupt", "the size is no whole number of sectors", "size", `${size}`);
  const l1Entries = view.getUint32(36);
  const covered = 2 ** (clusterBits + clusterBits - 3);
  const needed = Math.ceil(Number(size) / covered);
  if (l1Entries < needed || l1Entries > MOST_L1_ENTRIES) {
    const expected = `${needed} to ${MOST_L1_ENTRIES}`;
    fail("corrupt", "the level 1 table does not fit the disk", "l1_size", `${l1Entries}`, expected);
  }
  const l1Offset = view.getBigUint64(40);
  if (l1Offset + BigInt(needed * 8) > BigInt(fileSize)) {
    fail(
      "corrupt",
      "the level 1 table is outside of the file",
      "l1_table_offset",
      `${l1Offset}`,
      `in ${fileSize} bytes`,
    );
  }
  return { size: Number(size), l1Entries: needed, l1Offset: Number(l1Offset) };
}

function backingFile(view: DataView, bytes: Uint8Array, fail: Fail): string | null {
  const offset = view.getBigUint64(8);
  const length = view.getUint32(16);
  if (offset === 0n || length === 0) return null;
  if (length > LONGEST_BACKING || offset + BigInt(length) > BigInt(bytes.length)) {
    fail("corrupt", "the backing file's name is outside of the header", "backing_file_offset", `${offset}, ${length}`);
  }
  return textOfByteString(byteString(bytes.subarray(Number(offset), Number(offset) + length)));
}

function readExtensions(bytes: Uint8Array, from: number): Map<number, Uint8Array> {
  const view = new DataView(bytes.buffer);
  const found = new Map<number, Uint8Array>();
  for (let at = from; at + 8 <= bytes.length; ) {
    const type = view.getUint32(at);
    const length = view.getUint32(at + 4);
    if (type === Extension.END || at + 8 + length > bytes.length) break;
    found.set(type, bytes.subarray(at + 8, at + 8 + length));
    at += 8 + Math.ceil(length / 8) * 8;
  }
  return found;
}

const FEATURE_NAME_BYTES = 48;

function checkFeatures(incompatible: bigint, names: Uint8Array | undefined, fail: Fail): void {
  const strange = incompatible & ~(HARMLESS | COMPRESSION_TYPE);
  if (strange === 0n) return;
  const told: string[] = [];
  for (let bit = 0; bit < 64; bit++) {
    if (((strange >> BigInt(bit)) & 1n) === 0n) continue;
    told.push(FEATURES[bit] ?? nameOf(names, bit) ?? `bit ${bit}`);
  }
  fail("unsupported", "the image needs features that are not here", "incompatible_features", told.join(", "));
}

/** The image's own name for an incompatible feature. */
function nameOf(names: Uint8Array | undefined, bit: number): string | undefined {
  for (let at = 0; names !== undefined && at + FEATURE_NAME_BYTES <= names.length; at += FEATURE_NAME_BYTES) {
    if (names[at] !== 0 || names[at + 1] !== bit) continue;
    return byteString(names.subarray(at + 2, at + FEATURE_NAME_BYTES)).replace(/\0.*$/s, "");
  }
  return undefined;
}
