// Zstandard decompression [RFC 8878]: fzstd decodes blocks; this file walks the frames first, so that sizes are checked
// against the caller's limit before anything is allocated, and gives Results. fzstd does not verify content checksums.
import { Decompress, decompress } from "fzstd";
import { ok, type Result } from "../util/result.js";
import { corrupt, type FormatErrorCode, overLimit, truncated, unsupported } from "./errors.js";
import { OutputBuffer } from "./output-buffer.js";

const MAGIC = 0xfd2fb528;
/** Skippable frames have this magic in their upper 28 bits. */
const SKIPPABLE_MAGIC = 0x184d2a5;
/** The window of `zstd --ultra -22 --long=27`, which Linux uses; larger ones are refused. */
const WINDOW_LIMIT_BYTES = 1 << 27;
const BLOCK_TYPE_RLE = 1;

interface Frame {
  readonly start: number;
  readonly end: number;
  /** Known when the frame says so. */
  readonly contentBytes: number | undefined;
}

/** Options of {@link decompressZstd}. */
export interface ZstdOptions {
  /** Accept and ignore what follows the first frame (Linux appends the unpacked size to its kernel payloads). */
  readonly ignoreTrailing?: boolean;
}

/** True when `bytes` starts with the magic of a Zstandard or skippable frame. */
export function hasZstdMagic(bytes: Uint8Array): boolean {
  return bytes.length >= 4 && (readU32(bytes, 0) === MAGIC || readU32(bytes, 0) >>> 4 === SKIPPABLE_MAGIC);
}

/** Decompresses all frames; refuses to unpack more than `limitBytes`. */
export function decompressZstd(
  input: Uint8Array,
  limitBytes: number,
  options: ZstdOptions = {},
): Result<Uint8Array, FormatErrorCode> {
  const out = new OutputBuffer(limitBytes, 0);
  for (let pos = 0; pos < input.length; ) {
    const frame = walkFrame(input, pos);
    if (!frame.ok) return frame;
    if (readU32(input, pos) === MAGIC) {
      const decoded = decodeFrame(input, frame.value, out, limitBytes);
      if (!decoded.ok) return decoded;
      if (options.ignoreTrailing) break;
    }
    pos = frame.value.end;
  }
  return ok(out.finish());
}

function decodeFrame(
  input: Uint8Array,
  frame: Frame,
  out: OutputBuffer,
  limitBytes: number,
): Result<void, FormatErrorCode> {
  const { contentBytes } = frame;
  if (contentBytes !== undefined && !out.reserve(contentBytes)) return overLimit("unpacked data", limitBytes);
  const packed = input.subarray(frame.start, frame.end);
  let overflow = false;
  try {
    if (contentBytes !== undefined) {
      decompress(packed, out.bytes.subarray(out.length, out.length + contentBytes));
      out.length += contentBytes;
    } else {
      const stream = new Decompress((chunk) => {
        if (out.append(chunk)) return;
        overflow = true;
        throw new Error("limit");
      });
      stream.push(packed, true);
    }
  } catch (error) {
    if (overflow) return overLimit("unpacked data", limitBytes);
    return corrupt(`zstd data is damaged (${error instanceof Error ? error.message : "unknown"})`);
  }
  return ok(undefined);
}

/** Finds where the frame at `pos` ends, checking its header and the sizes of its blocks. */
function walkFrame(input: Uint8Array, pos: number): Result<Frame, FormatErrorCode> {
  if (pos + 8 > input.length) return truncated("zstd frame");
  if (readU32(input, pos) >>> 4 === SKIPPABLE_MAGIC) {
    const end = pos + 8 + readU32(input, pos + 4);
    return end > input.length ? truncated("zstd frame") : ok({ start: pos, end, contentBytes: 0 });
  }
  if (readU32(input, pos) !== MAGIC) return corrupt("zstd magic is missing");
  const descriptor = input[pos + 4]!;
  if (descriptor & 8) return unsupported("zstd frame of a later version");
  const singleSegment = (descriptor >> 5) & 1;
  const dictionaryIdBytes = [0, 1, 2, 4][descriptor & 3]!;
  const sizeBytes = [singleSegment, 2, 4, 8][descriptor >> 6]!;
  if (dictionaryIdBytes > 0) return unsupported("zstd frame that needs a dictionary");
  const sizePos = pos + 6 - singleSegment;
  if (sizePos + sizeBytes > input.length) return truncated("zstd frame");
  const contentBytes = readContentSize(input, sizePos, sizeBytes);
  if (!singleSegment && windowBytes(input[pos + 5]!) > WINDOW_LIMIT_BYTES) return unsupported("zstd window this large");
  return walkBlocks(input, pos, sizePos + sizeBytes, (descriptor >> 2) & 1, contentBytes);
}

function walkBlocks(
  input: Uint8Array,
  start: number,
  pos: number,
  hasChecksum: number,
  contentBytes: number | undefined,
): Result<Frame, FormatErrorCode> {
  for (;;) {
    if (pos + 3 > input.length) return truncated("zstd block");
    const header = input[pos]! | (input[pos + 1]! << 8) | (input[pos + 2]! << 16);
    const type = (header >> 1) & 3;
    pos += 3 + (type === BLOCK_TYPE_RLE ? 1 : header >> 3);
    if (pos > input.length) return truncated("zstd block");
    if (header & 1) break;
  }
  const end = pos + hasChecksum * 4;
  return end > input.length ? truncated("zstd checksum") : ok({ start, end, contentBytes });
}

function windowBytes(descriptor: number): number {
  const base = 2 ** (10 + (descriptor >> 3));
  return base + (base / 8) * (descriptor & 7);
}

function readContentSize(input: Uint8Array, pos: number, sizeBytes: number): number | undefined {
  if (sizeBytes === 0) return undefined;
  let value = sizeBytes === 2 ? 256 : 0;
  for (let i = 0; i < sizeBytes; i++) value += input[pos + i]! * 256 ** i;
  return value;
}

function readU32(bytes: Uint8Array, off: number): number {
  return (bytes[off]! | (bytes[off + 1]! << 8) | (bytes[off + 2]! << 16) | (bytes[off + 3]! << 24)) >>> 0;
}
