// The sequences section of a compressed block [RFC 8878] 3.1.1.3.2: {literal length, match length, offset} triples by three
// interleaved FSE states, carried out as they are decoded.
import type { OutputBuffer } from "../output-buffer.js";
import { BackwardBits } from "./bits.js";
import { buildFseTable, constantFseTable, type FseTable, readFseTable } from "./fse.js";
import { BLOCK_LIMIT_BYTES } from "./literals.js";

/** What a length code stands for: a base and a number of extra bits. */
interface LengthCodes {
  readonly bases: Int32Array;
  readonly extraBits: Uint8Array;
}

/** Codes count up from `first` one by one, then by the extra bits of each. */
function lengthCodes(first: number, plainCodes: number, extraBits: readonly number[]): LengthCodes {
  const bits = Uint8Array.from([...new Array<number>(plainCodes).fill(0), ...extraBits]);
  const bases = new Int32Array(bits.length);
  for (let i = 0, base = first; i < bits.length; base += 1 << bits[i++]!) bases[i] = base;
  return { bases, extraBits: bits };
}

const LITERAL_LENGTHS = lengthCodes(0, 16, [1, 1, 1, 1, 2, 2, 3, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]);
const MATCH_LENGTHS = lengthCodes(3, 32, [1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]);

/** Which of the three tables: its limits and its predefined distribution. */
interface TableKind {
  readonly maxAccuracyLog: number;
  readonly symbolCount: number;
  readonly predefined: FseTable;
}

const repeat = (value: number, count: number) => new Array<number>(count).fill(value);

const LITERAL_KIND: TableKind = {
  maxAccuracyLog: 9,
  symbolCount: 36,
  predefined: buildFseTable(
    [4, 3, ...repeat(2, 11), 1, 1, 1, ...repeat(2, 9), 3, 2, ...repeat(1, 5), ...repeat(-1, 4)],
    6,
  ),
};
const OFFSET_KIND: TableKind = {
  maxAccuracyLog: 8,
  symbolCount: 32,
  predefined: buildFseTable([...repeat(1, 6), 2, 2, 2, ...repeat(1, 15), ...repeat(-1, 5)], 5),
};
const MATCH_KIND: TableKind = {
  maxAccuracyLog: 9,
  symbolCount: 53,
  predefined: buildFseTable([1, 4, 3, ...repeat(2, 6), ...repeat(1, 37), ...repeat(-1, 7)], 6),
};

/** The three tables in force, for the repeat mode of later blocks. */
export interface SequenceTables {
  readonly literal: FseTable;
  readonly offset: FseTable;
  readonly match: FseTable;
}

/** The state of one frame that sequences read and write. */
export interface FrameState {
  tables: SequenceTables | undefined;
  /** The three last offsets. */
  readonly offsets: [number, number, number];
  /** Where the frame starts in the output, and how far back it may reach. */
  readonly frameStart: number;
  readonly windowBytes: number;
}

/** Reads the table for one kind in its mode: 0 predefined, 1 one symbol, 2 described, 3 as before. */
function readTable(
  mode: number,
  kind: TableKind,
  previous: FseTable | undefined,
  input: Uint8Array,
  pos: number,
  end: number,
): { table: FseTable; end: number } | undefined {
  if (mode === 0) return { table: kind.predefined, end: pos };
  if (mode === 3) return previous && { table: previous, end: pos };
  if (mode === 2) return readFseTable(input, pos, end, kind.maxAccuracyLog, kind.symbolCount);
  if (pos >= end || input[pos]! >= kind.symbolCount) return undefined;
  return { table: constantFseTable(input[pos]!), end: pos + 1 };
}

/** Decodes the section in `input[pos, end)` onto `out`, in which a whole block has room; false when it is malformed. */
export function decodeSequences(
  input: Uint8Array,
  pos: number,
  end: number,
  literals: Uint8Array,
  frame: FrameState,
  out: OutputBuffer,
): boolean {
  if (pos >= end) return false;
  const first = input[pos]!;
  const headerBytes = first < 128 ? 1 : first < 255 ? 2 : 3;
  if (pos + headerBytes > end) return false;
  const [second, third] = [input[pos + 1]!, input[pos + 2]!];
  const count =
    headerBytes === 1 ? first : headerBytes === 2 ? ((first - 128) << 8) + second : second + (third << 8) + 0x7f00;
  pos += headerBytes;
  if (count === 0) return pos === end && appendLiterals(literals, 0, out);
  if (pos >= end || (input[pos]! & 3) !== 0) return false;
  const modes = input[pos]!;
  const literal = readTable(modes >> 6, LITERAL_KIND, frame.tables?.literal, input, pos + 1, end);
  const offset = literal && readTable((modes >> 4) & 3, OFFSET_KIND, frame.tables?.offset, input, literal.end, end);
  const match = offset && readTable((modes >> 2) & 3, MATCH_KIND, frame.tables?.match, input, offset.end, end);
  if (!match) return false;
  frame.tables = { literal: literal.table, offset: offset.table, match: match.table };
  const bits = new BackwardBits(input, match.end, end);
  const used = executeSequences(bits, count, frame.tables, literals, frame, out);
  return used !== undefined && appendLiterals(literals, used, out);
}

function appendLiterals(literals: Uint8Array, from: number, out: OutputBuffer): boolean {
  return out.append(literals.subarray(from));
}

/** Carries out `count` sequences; returns how many literals they used, or undefined when they are malformed. */
function executeSequences(
  bits: BackwardBits,
  count: number,
  tables: SequenceTables,
  literals: Uint8Array,
  frame: FrameState,
  out: OutputBuffer,
): number | undefined {
  const { literal, offset, match } = tables;
  let literalState = bits.read(literal.accuracyLog);
  let offsetState = bits.read(offset.accuracyLog);
  let matchState = bits.read(match.accuracyLog);
  const { bytes } = out;
  const stop = out.length + BLOCK_LIMIT_BYTES;
  let to = out.length;
  let used = 0;
  for (let i = 1; i <= count; i++) {
    const offsetCode = offset.symbols[offsetState]!;
    const matchCode = match.symbols[matchState]!;
    const literalCode = literal.symbols[literalState]!;
    const offsetValue = 2 ** offsetCode + bits.read(offsetCode);
    const matchLength = MATCH_LENGTHS.bases[matchCode]! + bits.read(MATCH_LENGTHS.extraBits[matchCode]!);
    const literalLength = LITERAL_LENGTHS.bases[literalCode]! + bits.read(LITERAL_LENGTHS.extraBits[literalCode]!);
    if (i < count) {
      literalState = literal.baselines[literalState]! + bits.read(literal.bitCounts[literalState]!);
      matchState = match.baselines[matchState]! + bits.read(match.bitCounts[matchState]!);
      offsetState = offset.baselines[offsetState]! + bits.read(offset.bitCounts[offsetState]!);
    }
    if (bits.left < 0) return undefined;
    const distance = resolveOffset(frame.offsets, offsetValue, literalLength);
    if (used + literalLength > literals.length || to + literalLength + matchLength > stop) return undefined;
    for (let left = literalLength; left > 0; left--) bytes[to++] = literals[used++]!;
    if (distance <= 0 || distance > to - frame.frameStart || distance > frame.windowBytes) return undefined;
    for (let source = to - distance, last = to + matchLength; to < last; ) bytes[to++] = bytes[source++]!;
  }
  if (bits.left !== 0 || to + literals.length - used > stop) return undefined;
  out.length = to;
  return used;
}

/** Values 1 to 3 name one of the last offsets [RFC 8878] 3.1.1.5; with no literals they mean the one after. */
function resolveOffset(offsets: FrameState["offsets"], value: number, literalLength: number): number {
  let distance: number;
  let moved: number;
  if (value > 3) {
    distance = value - 3;
    moved = 2;
  } else {
    const index = literalLength === 0 ? value : value - 1;
    distance = index === 3 ? offsets[0] - 1 : offsets[index as 0 | 1 | 2];
    moved = Math.min(index, 2);
  }
  if (moved === 2) offsets[2] = offsets[1];
  if (moved >= 1) offsets[1] = offsets[0];
  offsets[0] = distance;
  return distance;
}
