// The .xz container's small structures [XZ-FORMAT] 2 to 4: stream header and footer, block header, index.
//
// All of them end in a CRC32 of their own, which is checked here; unknown filters and reserved bits are refused.
import { ok, type Result } from "../../util/index.js";
import { crc32 } from "../checksum/crc32.js";
import { corrupt, type FormatErrorCode, truncated, unsupported } from "../errors.js";

/** Stream header and footer are both twelve bytes. */
export const HEADER_BYTES = 12;

/** Bytes of the integrity check for each check id; ids we do not compute still have a size. */
const CHECK_SIZES = [0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64];
export const CHECK_CRC32 = 1;
export const CHECK_CRC64 = 4;
export const CHECK_SHA256 = 10;

const FILTER_DELTA = 0x03;
const FILTER_BCJ_X86 = 0x04;
const FILTER_LZMA2 = 0x21;

/** One filter before LZMA2, in the order of decoding (last first). */
export type Filter =
  | { readonly kind: "bcj-x86"; readonly startOffset: number }
  | { readonly kind: "delta"; readonly distance: number };

/** What a block header says. */
export interface BlockHeader {
  readonly headerBytes: number;
  readonly packedBytes: number | undefined;
  readonly unpackedBytes: number | undefined;
  readonly filters: readonly Filter[];
  readonly dictSize: number;
}

/** Sizes of one block, as the index repeats them. */
export interface IndexRecord {
  readonly unpaddedBytes: number;
  readonly unpackedBytes: number;
}

/** Little-endian 32-bit word at `off`; the caller has checked the length. */
function readU32(bytes: Uint8Array, off: number): number {
  return (bytes[off]! | (bytes[off + 1]! << 8) | (bytes[off + 2]! << 16) | (bytes[off + 3]! << 24)) >>> 0;
}

/** Size in bytes of the check with this id. */
export function checkBytes(checkId: number): number {
  return CHECK_SIZES[checkId]!;
}

/** True when `bytes` at `pos` starts with the magic of .xz. */
export function hasXzMagic(bytes: Uint8Array, pos = 0): boolean {
  const magic = [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00];
  return magic.every((byte, i) => bytes[pos + i] === byte);
}

/** Reads the stream header at `pos`; returns the check id. */
export function readStreamHeader(bytes: Uint8Array, pos: number): Result<number, FormatErrorCode> {
  if (pos + HEADER_BYTES > bytes.length) return truncated("xz stream header");
  if (!hasXzMagic(bytes, pos)) return corrupt("xz magic is missing");
  if (crc32(bytes.subarray(pos + 6, pos + 8)) !== readU32(bytes, pos + 8)) return corrupt("xz header checksum differs");
  const flags = bytes[pos + 7]!;
  if (bytes[pos + 6] !== 0 || flags > 15) return unsupported("xz stream flags are from a later version");
  return ok(flags);
}

/** Checks the stream footer at `pos` against the header's check id and the size of the index before it. */
export function checkStreamFooter(
  bytes: Uint8Array,
  pos: number,
  checkId: number,
  indexBytes: number,
): Result<void, FormatErrorCode> {
  if (pos + HEADER_BYTES > bytes.length) return truncated("xz stream footer");
  if (bytes[pos + 10] !== 0x59 || bytes[pos + 11] !== 0x5a) return corrupt("xz footer magic is missing");
  if (crc32(bytes.subarray(pos + 4, pos + 10)) !== readU32(bytes, pos)) return corrupt("xz footer checksum differs");
  if (bytes[pos + 8] !== 0 || bytes[pos + 9] !== checkId) return corrupt("xz footer and header differ");
  if ((readU32(bytes, pos + 4) + 1) * 4 !== indexBytes) return corrupt("xz index size is wrong");
  return ok(undefined);
}

/** A cursor over a region whose end is known: reads past it give undefined. */
class FieldReader {
  constructor(
    private readonly bytes: Uint8Array,
    public pos: number,
    private readonly end: number,
  ) {}

  byte(): number | undefined {
    return this.pos < this.end ? this.bytes[this.pos++] : undefined;
  }

  /** Variable-length integer [XZ-FORMAT] 1.2; undefined also when it exceeds 2^53. */
  integer(): number | undefined {
    let value = 0;
    let scale = 1;
    for (let i = 0; i < 9; i++) {
      const byte = this.byte();
      if (byte === undefined || (byte === 0 && i > 0)) return undefined;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value <= Number.MAX_SAFE_INTEGER ? value : undefined;
      scale *= 128;
    }
    return undefined;
  }

  /** True when only zero bytes are left. */
  restIsZero(): boolean {
    while (this.pos < this.end) if (this.bytes[this.pos++] !== 0) return false;
    return true;
  }
}

/** Reads the block header at `pos`, whose first byte is known not to be zero. */
export function readBlockHeader(bytes: Uint8Array, pos: number): Result<BlockHeader, FormatErrorCode> {
  const headerBytes = (bytes[pos]! + 1) * 4;
  const end = pos + headerBytes - 4;
  if (end + 4 > bytes.length) return truncated("xz block header");
  if (crc32(bytes.subarray(pos, end)) !== readU32(bytes, end)) return corrupt("xz block header checksum differs");
  const flags = bytes[pos + 1]!;
  if (flags & 0x3c) return unsupported("xz block flags are from a later version");
  const fields = new FieldReader(bytes, pos + 2, end);
  const packedBytes = flags & 0x40 ? fields.integer() : undefined;
  const unpackedBytes = flags & 0x80 ? fields.integer() : undefined;
  if ((flags & 0x40 && !packedBytes) || (flags & 0x80 && unpackedBytes === undefined)) {
    return corrupt("xz block sizes are malformed");
  }
  const filters: Filter[] = [];
  for (let left = flags & 3; left > 0; left--) {
    const filter = readFilter(fields);
    if (!filter.ok) return filter;
    filters.unshift(filter.value);
  }
  const dictSize = readLzma2Filter(fields);
  if (!dictSize.ok) return dictSize;
  if (!fields.restIsZero()) return corrupt("xz block header padding is not zero");
  return ok({ headerBytes, packedBytes, unpackedBytes, filters, dictSize: dictSize.value });
}

function readFilter(fields: FieldReader): Result<Filter, FormatErrorCode> {
  const id = fields.integer();
  const propertyBytes = fields.integer();
  if (id === FILTER_DELTA && propertyBytes === 1) {
    const distance = fields.byte();
    return distance === undefined ? corrupt("xz filter is malformed") : ok({ kind: "delta", distance: distance + 1 });
  }
  if (id === FILTER_BCJ_X86 && propertyBytes === 0) return ok({ kind: "bcj-x86", startOffset: 0 });
  if (id === FILTER_BCJ_X86 && propertyBytes === 4) {
    const parts = [fields.byte(), fields.byte(), fields.byte(), fields.byte()];
    if (parts.includes(undefined)) return corrupt("xz filter is malformed");
    return ok({ kind: "bcj-x86", startOffset: parts.reduce<number>((sum, byte, i) => sum | (byte! << (8 * i)), 0) });
  }
  if (id === undefined || propertyBytes === undefined) return corrupt("xz filter is malformed");
  return unsupported(`xz filter 0x${id.toString(16)}`);
}

/** Reads the filter that every supported chain ends with; returns its dictionary size. */
function readLzma2Filter(fields: FieldReader): Result<number, FormatErrorCode> {
  const id = fields.integer();
  const propertyBytes = fields.integer();
  const size = fields.byte();
  if (id === undefined || size === undefined) return corrupt("xz filter is malformed");
  if (id !== FILTER_LZMA2) return unsupported(`xz filter 0x${id.toString(16)} in the last place`);
  if (propertyBytes !== 1 || size > 40) return corrupt("xz dictionary size is out of range");
  return ok(size === 40 ? 2 ** 32 - 1 : (2 | (size & 1)) * 2 ** ((size >> 1) + 11));
}

/** Checks the index at `pos` (its zero byte) against the blocks that were read; returns its size in bytes. */
export function checkIndex(
  bytes: Uint8Array,
  pos: number,
  blocks: readonly IndexRecord[],
): Result<number, FormatErrorCode> {
  const fields = new FieldReader(bytes, pos + 1, bytes.length);
  if (fields.integer() !== blocks.length) return corrupt("xz index and blocks differ");
  for (const block of blocks) {
    if (fields.integer() !== block.unpaddedBytes || fields.integer() !== block.unpackedBytes) {
      return corrupt("xz index and blocks differ");
    }
  }
  while ((fields.pos - pos) % 4 !== 0) if (fields.byte() !== 0) return corrupt("xz index padding is not zero");
  if (fields.pos + 4 > bytes.length) return truncated("xz index");
  if (crc32(bytes.subarray(pos, fields.pos)) !== readU32(bytes, fields.pos)) {
    return corrupt("xz index checksum differs");
  }
  return ok(fields.pos + 4 - pos);
}
