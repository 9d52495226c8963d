// The legacy LZ4 frame (`lz4 -l`), which Linux uses for its compressed kernels: magic 0x184c2102, then blocks of
// {packed size u32le, LZ4 block}, each unpacking to at most 8 MiB. It has no end mark and no checksum.
import { ok, type Result } from "../util/index.js";
import { corrupt, type FormatErrorCode, overLimit, truncated } from "./errors.js";
import { OutputBuffer } from "./output-buffer.js";

const MAGIC = 0x184c2102;
const BLOCK_LIMIT_BYTES = 8 << 20;
/** What a block of the largest size can grow to when it does not compress. */
const PACKED_BLOCK_LIMIT_BYTES = BLOCK_LIMIT_BYTES + BLOCK_LIMIT_BYTES / 255 + 16;
const MIN_MATCH = 4;
/** Bytes that are copied at once, more than asked for, where there is room for them. */
const CHUNK = 8;
const WORD = 4;
/** Repetitions of one byte that are filled: for fewer the call takes longer. */
const LONG_RUN = 32;
/** More than a kernel unpacks to, which is four to six times its size. */
const USUAL_RATIO = 8;

/** Options of {@link decompressLz4Legacy}. */
export interface Lz4LegacyOptions {
  /** Accept one last word after the blocks (Linux appends the unpacked size to its kernel payloads). */
  readonly ignoreTrailing?: boolean;
}

/** True when `bytes` starts with the magic of a legacy frame. */
export function hasLz4LegacyMagic(bytes: Uint8Array): boolean {
  return bytes.length >= 4 && readU32(bytes, 0) === MAGIC;
}

/** Decompresses all blocks of a legacy frame (or of several in a row); refuses to unpack more than `limitBytes`. */
export function decompressLz4Legacy(
  input: Uint8Array,
  limitBytes: number,
  options: Lz4LegacyOptions = {},
): Result<Uint8Array, FormatErrorCode> {
  if (!hasLz4LegacyMagic(input)) return corrupt("lz4 magic is missing");
  // Every block asks for all that it may need. Memory that is not written to costs nothing.
  const out = new OutputBuffer(limitBytes, input.length * USUAL_RATIO + BLOCK_LIMIT_BYTES);
  let pos = 4;
  while (pos < input.length) {
    if (pos + 4 > input.length) return truncated("lz4 data");
    const packedBytes = readU32(input, pos);
    pos += 4;
    if (packedBytes === MAGIC) continue;
    if (pos === input.length && options.ignoreTrailing) break;
    if (packedBytes > PACKED_BLOCK_LIMIT_BYTES) return corrupt("lz4 block is too large");
    if (pos + packedBytes > input.length) return truncated("lz4 data");
    const allowedBytes = Math.min(BLOCK_LIMIT_BYTES, limitBytes - out.length);
    const decoded = decodeBlock(input, pos, pos + packedBytes, out, allowedBytes);
    if (decoded === "limit") return overLimit("unpacked data", limitBytes);
    if (decoded === "corrupt") return corrupt("lz4 block is damaged");
    pos += packedBytes;
  }
  return ok(out.finish());
}

function readU32(bytes: Uint8Array, off: number): number {
  return (bytes[off]! | (bytes[off + 1]! << 8) | (bytes[off + 2]! << 16) | (bytes[off + 3]! << 24)) >>> 0;
}

/** Decodes the block in `input[pos, end)` onto `out`, adding at most `allowedBytes`. */
function decodeBlock(
  input: Uint8Array,
  pos: number,
  end: number,
  out: OutputBuffer,
  allowedBytes: number,
): "done" | "corrupt" | "limit" {
  // Nearly every block but the last is full size, so room for one is not waste.
  if (!out.reserve(allowedBytes)) return "limit";
  const { bytes } = out;
  const start = out.length;
  const stop = start + allowedBytes;
  const from = viewOf(input);
  const view = viewOf(bytes);
  // Behind these a whole chunk is more than there is, or has no room.
  const lastRead = input.length - CHUNK;
  const lastWrite = bytes.length - CHUNK;
  let to = start;
  while (pos < end) {
    const token = input[pos++]!;
    let literals = token >> 4;
    if (literals === 15) {
      for (let more = 255; more === 255 && pos < end; literals += more) more = input[pos++]!;
    }
    if (literals > end - pos) return "corrupt";
    if (literals > stop - to) return tooLong(allowedBytes);
    if (pos + literals <= lastRead && to + literals <= lastWrite) {
      for (let done = 0; done < literals; done += CHUNK) copyChunk(from, pos + done, view, to + done);
      pos += literals;
      to += literals;
    } else for (let i = literals; i > 0; i--) bytes[to++] = input[pos++]!;
    if (pos === end) break;
    if (pos + 2 > end) return "corrupt";
    const distance = input[pos]! | (input[pos + 1]! << 8);
    pos += 2;
    let length = (token & 15) + MIN_MATCH;
    if (length === 15 + MIN_MATCH) {
      for (let more = 255; more === 255 && pos < end; length += more) more = input[pos++]!;
    }
    if (distance === 0 || distance > to - start) return "corrupt";
    if (length > stop - to) return tooLong(allowedBytes);
    if (distance === 1 && length >= LONG_RUN) {
      const byte = bytes[to - 1]!;
      // A kernel has megabytes of zeros, and so has memory that nothing was written to but the end of the last chunk.
      bytes.fill(byte, to, to + (byte === 0 ? CHUNK : length));
      to += length;
    } else if (distance >= WORD && to + length <= lastWrite) {
      for (let done = 0; done < length; done += CHUNK) copyChunk(view, to - distance + done, view, to + done);
      to += length;
    } else for (let source = to - distance, last = to + length; to < last; ) bytes[to++] = bytes[source++]!;
  }
  out.length = to;
  return "done";
}

const viewOf = ({ buffer, byteOffset, length }: Uint8Array): DataView => new DataView(buffer, byteOffset, length);

/** Copies CHUNK bytes by words, the first first: what it writes may be what it reads WORD bytes later. */
function copyChunk(from: DataView, at: number, into: DataView, to: number): void {
  into.setUint32(to, from.getUint32(at, true), true);
  into.setUint32(to + 4, from.getUint32(at + 4, true), true);
}

/** A block may be too long for its format or for the caller's limit, whichever was smaller. */
function tooLong(allowedBytes: number): "corrupt" | "limit" {
  return allowedBytes < BLOCK_LIMIT_BYTES ? "limit" : "corrupt";
}
