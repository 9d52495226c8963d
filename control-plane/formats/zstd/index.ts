// Zstandard decompression [RFC 8878]: frames and their blocks.
//
// Our own, because kernels are packed with `zstd -22 --ultra` from a pipe: no content size and a 128 MiB window, which
// decoders for small files copy about for every block. Content checksums (XXH64) are not verified.
import { ok, type Result } from "../../util/index.js";
import { corrupt, type FormatErrorCode, overLimit, truncated, unsupported } from "../errors.js";
import { OutputBuffer } from "../output-buffer.js";
import type { HuffmanTable } from "./huffman.js";
import { BLOCK_LIMIT_BYTES, readLiterals } from "./literals.js";
import { decodeSequences, type FrameState } from "./sequences.js";

const MAGIC = 0xfd2fb528;
/** Skippable frames have this magic in their upper 28 bits. */
const SKIPPABLE_MAGIC = 0x184d2a5;
/** The window of `zstd --ultra -22 --long=27`, which Linux uses; larger ones are refused. */
const WINDOW_LIMIT_BYTES = 1 << 27;
const BLOCK_RAW = 0;
const BLOCK_RLE = 1;
const BLOCK_COMPRESSED = 2;

interface FrameHeader {
  readonly blocksStart: number;
  readonly windowBytes: number;
  readonly contentBytes: number | undefined;
  readonly checksumBytes: number;
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
  // A block's size is known only when it is decoded, so one block of slack lies above the limit.
  const out = new OutputBuffer(limitBytes + BLOCK_LIMIT_BYTES, input.length * 4);
  for (let pos = 0; pos < input.length; ) {
    if (pos + 8 > input.length) return truncated("zstd frame");
    const magic = readU32(input, pos);
    if (magic >>> 4 === SKIPPABLE_MAGIC) {
      pos += 8 + readU32(input, pos + 4);
      if (pos > input.length) return truncated("zstd frame");
      continue;
    }
    if (magic !== MAGIC) return corrupt("zstd magic is missing");
    const end = decodeFrame(input, pos, out, limitBytes);
    if (!end.ok) return end;
    pos = end.value;
    if (options.ignoreTrailing) break;
  }
  return ok(out.finish());
}

/** Decodes the frame at `pos`; returns where it ends. */
function decodeFrame(
  input: Uint8Array,
  pos: number,
  out: OutputBuffer,
  limitBytes: number,
): Result<number, FormatErrorCode> {
  const header = readFrameHeader(input, pos);
  if (!header.ok) return header;
  const { blocksStart, windowBytes, contentBytes, checksumBytes } = header.value;
  if (contentBytes !== undefined && contentBytes > limitBytes - out.length)
    return overLimit("unpacked data", limitBytes);
  const frameStart = out.length;
  const decoder = new BlockDecoder(input, out, frameStart, windowBytes);
  const end = decoder.decodeBlocks(blocksStart, limitBytes);
  if (!end.ok) return end;
  if (contentBytes !== undefined && out.length - frameStart !== contentBytes) {
    return corrupt("zstd content size differs from its header");
  }
  const frameEnd = end.value + checksumBytes;
  return frameEnd > input.length ? truncated("zstd checksum") : ok(frameEnd);
}

function readFrameHeader(input: Uint8Array, pos: number): Result<FrameHeader, FormatErrorCode> {
  const descriptor = input[pos + 4]!;
  if (descriptor & 8) return unsupported("zstd frame of a later version");
  if (descriptor & 3) return unsupported("zstd frame that needs a dictionary");
  const isSingleSegment = (descriptor >> 5) & 1;
  const sizeBytes = [isSingleSegment, 2, 4, 8][descriptor >> 6]!;
  const sizePos = pos + 6 - isSingleSegment;
  const blocksStart = sizePos + sizeBytes;
  if (blocksStart > input.length) return truncated("zstd frame");
  const contentBytes = readContentSize(input, sizePos, sizeBytes);
  const windowBytes = isSingleSegment ? contentBytes! : readWindowSize(input[pos + 5]!);
  if (!isSingleSegment && windowBytes > WINDOW_LIMIT_BYTES) return unsupported("zstd window this large");
  return ok({ blocksStart, windowBytes, contentBytes, checksumBytes: descriptor & 4 });
}

/** Decodes the blocks of one frame. */
class BlockDecoder {
  private readonly frame: FrameState;
  private huffman: HuffmanTable | undefined;

  constructor(
    private readonly input: Uint8Array,
    private readonly out: OutputBuffer,
    frameStart: number,
    windowBytes: number,
  ) {
    this.frame = { tables: undefined, offsets: [1, 4, 8], frameStart, windowBytes };
  }

  /** Decodes up to the block that says it is the last; returns where it ends. */
  decodeBlocks(pos: number, limitBytes: number): Result<number, FormatErrorCode> {
    const { input, out } = this;
    for (;;) {
      if (pos + 3 > input.length) return truncated("zstd block");
      const header = input[pos]! | (input[pos + 1]! << 8) | (input[pos + 2]! << 16);
      const type = (header >> 1) & 3;
      const size = header >> 3;
      const start = pos + 3;
      pos = start + (type === BLOCK_RLE ? 1 : size);
      if (pos > input.length) return truncated("zstd block");
      if (size > BLOCK_LIMIT_BYTES) return corrupt("zstd block is too large");
      if (type > BLOCK_COMPRESSED) return corrupt("zstd block type is undefined");
      if (type === BLOCK_COMPRESSED) {
        if (!this.decodeCompressed(start, pos)) return corrupt("zstd block is damaged");
      } else {
        const data = type === BLOCK_RAW ? input.subarray(start, pos) : new Uint8Array(size).fill(input[start]!);
        out.append(data);
      }
      if (out.length > limitBytes) return overLimit("unpacked data", limitBytes);
      if (header & 1) return ok(pos);
    }
  }

  private decodeCompressed(start: number, end: number): boolean {
    const { input, out } = this;
    const literals = readLiterals(input, start, end, this.huffman);
    if (!literals || !out.reserve(BLOCK_LIMIT_BYTES)) return false;
    this.huffman = literals.table;
    return decodeSequences(input, literals.end, end, literals.bytes, this.frame, out);
  }
}

function readWindowSize(descriptor: number): number {
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
