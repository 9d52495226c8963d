// The literals section of a compressed block [RFC 8878] 3.1.1.3.1.
//
//   type (2 bits: 0 raw, 1 one byte repeated, 2 Huffman, 3 Huffman with the table before), size format (2 bits), sizes
import { decodeHuffmanStream, type HuffmanTable, readHuffmanTable } from "./huffman.js";

const TYPE_RAW = 0;
const TYPE_RLE = 1;
const TYPE_TREELESS = 3;
export const BLOCK_LIMIT_BYTES = 128 * 1024;

/** Decoded literals, the table for blocks after this one, and where the section ends. */
export interface Literals {
  readonly bytes: Uint8Array;
  readonly table: HuffmanTable | undefined;
  readonly end: number;
}

/** Reads the section in `input[pos, end)`; undefined when it is malformed. */
export function readLiterals(
  input: Uint8Array,
  pos: number,
  end: number,
  previous: HuffmanTable | undefined,
): Literals | undefined {
  if (pos >= end) return undefined;
  const type = input[pos]! & 3;
  return type <= TYPE_RLE
    ? readPlain(input, pos, end, type, previous)
    : readCompressed(input, pos, end, type === TYPE_TREELESS ? previous : undefined, type);
}

/** A little-endian header of `count` bytes without its four low bits. */
function readHeader(input: Uint8Array, pos: number, count: number): number {
  let value = 0;
  for (let i = 0; i < count; i++) value += input[pos + i]! * 256 ** i;
  return Math.floor(value / 16);
}

function readPlain(
  input: Uint8Array,
  pos: number,
  end: number,
  type: number,
  previous: HuffmanTable | undefined,
): Literals | undefined {
  const format = (input[pos]! >> 2) & 3;
  const headerBytes = [1, 2, 1, 3][format]!;
  const start = pos + headerBytes;
  if (start > end) return undefined;
  const size = headerBytes === 1 ? input[pos]! >> 3 : readHeader(input, pos, headerBytes);
  const stored = type === TYPE_RAW ? size : 1;
  if (size > BLOCK_LIMIT_BYTES || start + stored > end) return undefined;
  const bytes = type === TYPE_RAW ? input.subarray(start, start + size) : new Uint8Array(size).fill(input[start]!);
  return { bytes, table: previous, end: start + stored };
}

function readCompressed(
  input: Uint8Array,
  pos: number,
  end: number,
  previous: HuffmanTable | undefined,
  type: number,
): Literals | undefined {
  const format = (input[pos]! >> 2) & 3;
  const headerBytes = [3, 3, 4, 5][format]!;
  const sizeBits = [10, 10, 14, 18][format]!;
  if (pos + headerBytes > end) return undefined;
  const sizes = readHeader(input, pos, headerBytes);
  const unpackedBytes = sizes % 2 ** sizeBits;
  const streamsEnd = pos + headerBytes + Math.floor(sizes / 2 ** sizeBits);
  if (unpackedBytes > BLOCK_LIMIT_BYTES || streamsEnd > end) return undefined;
  let start = pos + headerBytes;
  let table = previous;
  if (type !== TYPE_TREELESS) {
    const description = readHuffmanTable(input, start, streamsEnd);
    if (!description) return undefined;
    table = description.table;
    start = description.end;
  }
  if (!table) return undefined;
  const bytes = new Uint8Array(unpackedBytes);
  const good =
    format === 0
      ? decodeHuffmanStream(table, input, start, streamsEnd, bytes, 0, unpackedBytes)
      : decodeFourStreams(table, input, start, streamsEnd, bytes);
  return good ? { bytes, table, end: streamsEnd } : undefined;
}

/** Four streams, each for a quarter of the literals, behind a table with the sizes of the first three. */
function decodeFourStreams(
  table: HuffmanTable,
  input: Uint8Array,
  start: number,
  end: number,
  out: Uint8Array,
): boolean {
  const quarter = (out.length + 3) >> 2;
  let pos = start + 6;
  if (pos > end || quarter * 3 > out.length) return false;
  for (let i = 0; i < 4; i++) {
    const size = input[start + i * 2]! | (input[start + i * 2 + 1]! << 8);
    const streamEnd = i === 3 ? end : pos + size;
    const to = i === 3 ? out.length : quarter * (i + 1);
    if (streamEnd > end || !decodeHuffmanStream(table, input, pos, streamEnd, out, quarter * i, to)) return false;
    pos = streamEnd;
  }
  return true;
}
