// XZ decompression [XZ-FORMAT]: streams, blocks, LZMA2 with the x86 branch and delta filters, and the integrity checks.
//
// Debian's packages and its full kernel image use it; no library we could depend on decodes the branch filter. Blocks are
// decoded whole, which lets the filters run in place.
import { ok, type Result } from "../../util/index.js";
import { crc32 } from "../checksum/crc32.js";
import { crc64 } from "../checksum/crc64.js";
import { sha256 } from "../checksum/sha256.js";
import { corrupt, type FormatErrorCode, truncated, unsupported } from "../errors.js";
import { OutputBuffer } from "../output-buffer.js";
import { decodeBcjX86 } from "./bcj-x86.js";
import {
  CHECK_CRC32,
  CHECK_CRC64,
  CHECK_SHA256,
  checkBytes,
  checkIndex,
  checkStreamFooter,
  type Filter,
  HEADER_BYTES,
  hasXzMagic,
  type IndexRecord,
  readBlockHeader,
  readStreamHeader,
} from "./container.js";
import { decodeLzma2 } from "./lzma2.js";

export { hasXzMagic } from "./container.js";

/** Options of {@link decompressXz}. */
export interface XzOptions {
  /** Accept and ignore what follows the first stream (Linux appends the unpacked size to its kernel payloads). */
  readonly ignoreTrailing?: boolean;
}

/** Decompresses all streams of an .xz file; refuses to unpack more than `limitBytes`. */
export function decompressXz(
  input: Uint8Array,
  limitBytes: number,
  options: XzOptions = {},
): Result<Uint8Array, FormatErrorCode> {
  const steps = decompressXzSteps(input, limitBytes, options);
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
  }
}

/** The same in steps of some tens of kilobytes, which yield how much of the input is read: for pauses and progress. */
export function* decompressXzSteps(
  input: Uint8Array,
  limitBytes: number,
  options: XzOptions = {},
): Generator<number, Result<Uint8Array, FormatErrorCode>> {
  const out = new OutputBuffer(limitBytes, input.length * 4);
  let pos = 0;
  do {
    const end = yield* decodeStream(input, pos, out, limitBytes);
    if (!end.ok) return end;
    pos = end.value;
    if (options.ignoreTrailing) break;
    const padding = skipStreamPadding(input, pos);
    if (!padding.ok) return padding;
    pos = padding.value;
  } while (pos < input.length);
  return ok(out.finish());
}

/** Between and after streams there may be zero bytes, a multiple of four. */
function skipStreamPadding(input: Uint8Array, pos: number): Result<number, FormatErrorCode> {
  const start = pos;
  while (pos < input.length && input[pos] === 0) pos++;
  const aligned = (pos - start) % 4 === 0;
  if (!aligned || (pos < input.length && !hasXzMagic(input, pos))) return corrupt("data follows the xz stream");
  return ok(pos);
}

function* decodeStream(
  input: Uint8Array,
  pos: number,
  out: OutputBuffer,
  limitBytes: number,
): Generator<number, Result<number, FormatErrorCode>> {
  const checkId = readStreamHeader(input, pos);
  if (!checkId.ok) return checkId;
  pos += HEADER_BYTES;
  const blocks: IndexRecord[] = [];
  for (;;) {
    const first = input[pos];
    if (first === undefined) return truncated("xz stream");
    if (first === 0) break;
    const block = yield* decodeBlock(input, pos, checkId.value, out, limitBytes);
    if (!block.ok) return block;
    blocks.push(block.value.record);
    pos = block.value.end;
  }
  const indexBytes = checkIndex(input, pos, blocks);
  if (!indexBytes.ok) return indexBytes;
  const footerPos = pos + indexBytes.value;
  const footer = checkStreamFooter(input, footerPos, checkId.value, indexBytes.value);
  return footer.ok ? ok(footerPos + HEADER_BYTES) : footer;
}

interface DecodedBlock {
  readonly record: IndexRecord;
  readonly end: number;
}

function* decodeBlock(
  input: Uint8Array,
  pos: number,
  checkId: number,
  out: OutputBuffer,
  limitBytes: number,
): Generator<number, Result<DecodedBlock, FormatErrorCode>> {
  const header = readBlockHeader(input, pos);
  if (!header.ok) return header;
  const { headerBytes, packedBytes, unpackedBytes, filters, dictSize } = header.value;
  const dataStart = pos + headerBytes;
  const unpackedStart = out.length;
  const dataEnd = yield* decodeLzma2(input, dataStart, dictSize, out, limitBytes);
  if (!dataEnd.ok) return dataEnd;
  const actualPacked = dataEnd.value - dataStart;
  const actualUnpacked = out.length - unpackedStart;
  if ((packedBytes ?? actualPacked) !== actualPacked || (unpackedBytes ?? actualUnpacked) !== actualUnpacked) {
    return corrupt("xz block sizes differ from its header");
  }
  const checkPos = dataStart + ((actualPacked + 3) & ~3);
  for (let i = dataEnd.value; i < checkPos; i++) if (input[i] !== 0) return corrupt("xz block padding is not zero");
  const end = checkPos + checkBytes(checkId);
  if (end > input.length) return truncated("xz block check");
  const unpacked = out.bytes.subarray(unpackedStart, out.length);
  for (const filter of filters) undoFilter(filter, unpacked);
  const verdict = verifyCheck(checkId, unpacked, input.subarray(checkPos, end));
  if (!verdict.ok) return verdict;
  const unpaddedBytes = headerBytes + actualPacked + checkBytes(checkId);
  return ok({ record: { unpaddedBytes, unpackedBytes: actualUnpacked }, end });
}

function undoFilter(filter: Filter, block: Uint8Array): void {
  if (filter.kind === "bcj-x86") decodeBcjX86(block, filter.startOffset);
  else for (let i = filter.distance; i < block.length; i++) block[i] = block[i]! + block[i - filter.distance]!;
}

function verifyCheck(checkId: number, data: Uint8Array, stored: Uint8Array): Result<void, FormatErrorCode> {
  if (checkId === 0) return ok(undefined);
  const computed = computeCheck(checkId, data);
  if (!computed) return unsupported(`xz integrity check ${checkId}`);
  return computed.every((byte, i) => byte === stored[i]) ? ok(undefined) : corrupt("xz integrity check differs");
}

function computeCheck(checkId: number, data: Uint8Array): Uint8Array | undefined {
  if (checkId === CHECK_SHA256) return sha256(data);
  const words = checkId === CHECK_CRC32 ? [crc32(data)] : checkId === CHECK_CRC64 ? crc64(data) : undefined;
  return words && Uint8Array.from(words.flatMap((word) => [word, word >>> 8, word >>> 16, word >>> 24]));
}
