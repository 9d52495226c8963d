/**
 * The recorded vectors as files, one for each family of instructions. A state is kept as its difference from another:
 * before from the base state, after from before. A file is Brotli over: u32 length of a JSON head, the head, the vectors
 * of each row one after the other.
 *
 *   vector   u8 mode / 16 | code length << 3, code, difference, difference
 *   difference   runs of (varint bytes equal, varint bytes different, those bytes), ended by two zeroes
 */
import { brotliCompressSync, brotliDecompressSync, constants } from "node:zlib";
import { baseState, type Mode, STATE_BYTES, type State, type Vector } from "./layout.js";

/** The vectors of one row, which is known by its text. */
export interface Recorded {
  /** rowKey() of the row. */
  readonly row: string;
  readonly vectors: readonly Vector[];
}

interface Head {
  readonly cpu: string;
  readonly rows: readonly { readonly row: string; readonly count: number }[];
}

class Writer {
  private bytes = new Uint8Array(1 << 16);
  at = 0;
  put(value: number): void {
    if (this.at === this.bytes.length) {
      const wider = new Uint8Array(this.bytes.length * 2);
      wider.set(this.bytes);
      this.bytes = wider;
    }
    this.bytes[this.at++] = value;
  }
  varint(value: number): void {
    let v = value;
    while (v >= 0x80) {
      this.put((v & 0x7f) | 0x80);
      v >>>= 7;
    }
    this.put(v);
  }
  all(): Uint8Array {
    return this.bytes.subarray(0, this.at);
  }
}

/** Equal bytes that do not end a run of different ones: cheaper than beginning another. */
const BRIDGE = 2;

function writeDifference(out: Writer, from: Uint8Array, to: Uint8Array): void {
  let at = 0;
  while (true) {
    let start = at;
    while (start < STATE_BYTES && from[start] === to[start]) start++;
    if (start === STATE_BYTES) break;
    let end = start + 1;
    for (let i = end; i < STATE_BYTES && i - end <= BRIDGE; i++) if (from[i] !== to[i]) end = i + 1;
    out.varint(start - at);
    out.varint(end - start);
    for (let i = start; i < end; i++) out.put(to[i]!);
    at = end;
  }
  out.put(0);
  out.put(0);
}

class Reader {
  at = 0;
  constructor(readonly bytes: Uint8Array) {}
  take(): number {
    const byte = this.bytes[this.at++];
    if (byte === undefined) throw new Error("vector file ends early");
    return byte;
  }
  varint(): number {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.take();
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  }
}

function readDifference(from: Reader, base: State): State {
  const out = base.copy();
  let at = 0;
  while (true) {
    at += from.varint();
    const length = from.varint();
    if (length === 0) return out;
    out.bytes.set(from.bytes.subarray(from.at, from.at + length), at);
    from.at += length;
    at += length;
  }
}

const u32 = (value: number): Uint8Array => new Uint8Array(Uint32Array.of(value).buffer);

/** A family's file. */
export function packVectors(cpu: string, rows: readonly Recorded[]): Uint8Array {
  const out = new Writer();
  const base = baseState();
  for (const { vectors } of rows) {
    for (const v of vectors) {
      out.put((v.mode >> 4) | (v.code.length << 3));
      for (const byte of v.code) out.put(byte);
      writeDifference(out, base.bytes, v.before.bytes);
      writeDifference(out, v.before.bytes, v.after.bytes);
    }
  }
  const head: Head = { cpu, rows: rows.map((r) => ({ row: r.row, count: r.vectors.length })) };
  const text = new TextEncoder().encode(JSON.stringify(head));
  const body = Buffer.concat([u32(text.length), text, out.all()]);
  return brotliCompressSync(body, {
    params: {
      [constants.BROTLI_PARAM_QUALITY]: 10,
      [constants.BROTLI_PARAM_LGWIN]: 24,
      [constants.BROTLI_PARAM_SIZE_HINT]: body.length,
    },
  });
}

/** A file's head and its vectors in order, each made when it is asked for. */
export function unpackVectors(file: Uint8Array): {
  cpu: string;
  rows: Head["rows"];
  vectors: Generator<[row: string, vector: Vector]>;
} {
  const body = brotliDecompressSync(file);
  const length = body.readUInt32LE(0);
  const head = JSON.parse(body.subarray(4, 4 + length).toString()) as Head;
  return { ...head, vectors: readVectors(new Reader(body.subarray(4 + length)), head.rows) };
}

function* readVectors(from: Reader, rows: Head["rows"]): Generator<[string, Vector]> {
  const base = baseState();
  for (const { row, count } of rows) {
    for (let i = 0; i < count; i++) {
      const first = from.take();
      const size = first >> 3;
      const code = from.bytes.slice(from.at, from.at + size);
      from.at += size;
      const before = readDifference(from, base);
      yield [row, { mode: ((first & 7) << 4) as Mode, code, before, after: readDifference(from, before) }];
    }
  }
}
