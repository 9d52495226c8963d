// Huffman-coded literals [RFC 8878] 4.2: the weights that describe a tree, its decoding table, and the streams.
import { BackwardBits } from "./bits.js";
import { type FseTable, readFseTable } from "./fse.js";

const MAX_BITS = 11;
const MAX_WEIGHT_ACCURACY_LOG = 6;

/** For each `maxBits`-bit prefix: the symbol in the low byte, its length above. */
export interface HuffmanTable {
  readonly maxBits: number;
  readonly entries: Uint16Array;
}

/** Reads a tree description; undefined when it is malformed. */
export function readHuffmanTable(
  bytes: Uint8Array,
  start: number,
  end: number,
): { table: HuffmanTable; end: number } | undefined {
  if (start >= end) return undefined;
  const header = bytes[start]!;
  const isDirect = header >= 128;
  const weightsStart = start + 1;
  const weightsEnd = weightsStart + (isDirect ? (header - 126) >> 1 : header);
  if (weightsEnd > end) return undefined;
  const weights = isDirect
    ? readDirectWeights(bytes, weightsStart, header - 127)
    : readFseWeights(bytes, weightsStart, weightsEnd);
  const table = weights && buildHuffmanTable(weights);
  return table && { table, end: weightsEnd };
}

function readDirectWeights(bytes: Uint8Array, start: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => (bytes[start + (i >> 1)]! >> (i & 1 ? 0 : 4)) & 15);
}

/** Weights by two interleaved states; they end when the next state's bits are not there. */
function readFseWeights(bytes: Uint8Array, start: number, end: number): number[] | undefined {
  const description = readFseTable(bytes, start, end, MAX_WEIGHT_ACCURACY_LOG, 256);
  if (!description) return undefined;
  const { table } = description;
  const bits = new BackwardBits(bytes, description.end, end);
  const states = [bits.read(table.accuracyLog), bits.read(table.accuracyLog)];
  if (bits.left < 0) return undefined;
  const weights: number[] = [];
  for (let turn = 0; weights.length < 255; turn ^= 1) {
    const state = states[turn]!;
    weights.push(table.symbols[state]!);
    states[turn] = nextState(table, state, bits);
    if (bits.left < 0) {
      weights.push(table.symbols[states[turn ^ 1]!]!);
      return weights;
    }
  }
  return undefined;
}

function nextState(table: FseTable, state: number, bits: BackwardBits): number {
  return table.baselines[state]! + bits.read(table.bitCounts[state]!);
}

/** The last symbol's weight is not stored: it is what makes the total a power of two. */
function buildHuffmanTable(weights: number[]): HuffmanTable | undefined {
  if (weights.length > 255 || weights.some((weight) => weight > MAX_BITS)) return undefined;
  const sum = weights.reduce((total, weight) => total + (weight > 0 ? 1 << (weight - 1) : 0), 0);
  if (sum === 0) return undefined;
  const maxBits = 32 - Math.clz32(sum);
  const rest = (1 << maxBits) - sum;
  if (maxBits > MAX_BITS || (rest & (rest - 1)) !== 0) return undefined;
  const all = [...weights, 32 - Math.clz32(rest)];
  const entries = new Uint16Array(1 << maxBits);
  let pos = 0;
  for (let weight = 1; weight <= maxBits; weight++) {
    const entryBits = (maxBits + 1 - weight) << 8;
    all.forEach((symbolWeight, symbol) => {
      if (symbolWeight !== weight) return;
      entries.fill(entryBits | symbol, pos, pos + (1 << (weight - 1)));
      pos += 1 << (weight - 1);
    });
  }
  return { maxBits, entries };
}

/** Decodes one stream into `out[from, to)`; false unless it gives exactly that many symbols. */
export function decodeHuffmanStream(
  table: HuffmanTable,
  bytes: Uint8Array,
  start: number,
  end: number,
  out: Uint8Array,
  from: number,
  to: number,
): boolean {
  const { entries, maxBits } = table;
  const bits = new BackwardBits(bytes, start, end);
  for (let pos = from; pos < to; pos++) {
    const entry = entries[bits.peek(maxBits)]!;
    out[pos] = entry;
    bits.left -= entry >> 8;
    if (bits.left < 0) return false;
  }
  return bits.left === 0;
}
