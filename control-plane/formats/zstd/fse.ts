// Finite state entropy tables [RFC 8878] 4.1: their description, and the decoding table made of it.
import { ForwardBits } from "./bits.js";

/** A decoding table: for each state the symbol, and how the next state is found. */
export interface FseTable {
  readonly accuracyLog: number;
  readonly symbols: Uint8Array;
  readonly bitCounts: Uint8Array;
  readonly baselines: Uint16Array;
}

const MIN_ACCURACY_LOG = 5;

/** Builds the decoding table of a normalized distribution, whose -1 means "less than one". */
export function buildFseTable(distribution: ArrayLike<number>, accuracyLog: number): FseTable {
  const size = 1 << accuracyLog;
  const symbols = new Uint8Array(size);
  const next = new Uint16Array(distribution.length);
  let high = size - 1;
  for (let symbol = 0; symbol < distribution.length; symbol++) {
    if (distribution[symbol] === -1) symbols[high--] = symbol;
    next[symbol] = Math.abs(distribution[symbol]!);
  }
  const step = (size >> 1) + (size >> 3) + 3;
  let pos = 0;
  for (let symbol = 0; symbol < distribution.length; symbol++) {
    for (let i = distribution[symbol]!; i > 0; i--) {
      symbols[pos] = symbol;
      do pos = (pos + step) & (size - 1);
      while (pos > high);
    }
  }
  const bitCounts = new Uint8Array(size);
  const baselines = new Uint16Array(size);
  for (let state = 0; state < size; state++) {
    const rank = next[symbols[state]!]!++;
    const bits = accuracyLog - (31 - Math.clz32(rank));
    bitCounts[state] = bits;
    baselines[state] = (rank << bits) - size;
  }
  return { accuracyLog, symbols, bitCounts, baselines };
}

/** The table that always gives `symbol` and reads no bits. */
export function constantFseTable(symbol: number): FseTable {
  return {
    accuracyLog: 0,
    symbols: Uint8Array.of(symbol),
    bitCounts: new Uint8Array(1),
    baselines: new Uint16Array(1),
  };
}

/** Reads a table description; undefined when it is malformed. `end` is where its bytes stop at the latest. */
export function readFseTable(
  bytes: Uint8Array,
  start: number,
  end: number,
  maxAccuracyLog: number,
  symbolCount: number,
): { table: FseTable; end: number } | undefined {
  const bits = new ForwardBits(bytes, start, end);
  const accuracyLog = bits.read(4) + MIN_ACCURACY_LOG;
  if (accuracyLog > maxAccuracyLog) return undefined;
  const distribution: number[] = [];
  let remaining = 1 << accuracyLog;
  while (remaining > 0 && distribution.length < symbolCount && !bits.overrun) {
    const probability = readProbability(bits, remaining);
    distribution.push(probability);
    remaining -= Math.abs(probability);
    if (probability === 0) readZeroRun(bits, distribution);
  }
  if (remaining !== 0 || distribution.length > symbolCount || bits.overrun) return undefined;
  return { table: buildFseTable(distribution, accuracyLog), end: bits.bytePos };
}

/** One probability out of `remaining` ones, in the variable-width code of [RFC 8878] 4.1.1. */
function readProbability(bits: ForwardBits, remaining: number): number {
  const values = remaining + 2;
  const width = 32 - Math.clz32(values - 1);
  const shortCodes = 2 ** width - values;
  const short = bits.peek(width - 1);
  if (short < shortCodes) {
    bits.skip(width - 1);
    return short - 1;
  }
  const long = bits.read(width);
  return (long < 2 ** (width - 1) ? long : long - shortCodes) - 1;
}

/** After a zero, two-bit counts of further zeros; three means that another count follows. */
function readZeroRun(bits: ForwardBits, distribution: number[]): void {
  for (let more = 3; more === 3 && !bits.overrun; ) {
    more = bits.read(2);
    for (let i = 0; i < more; i++) distribution.push(0);
  }
}
