/**
 * Operands for replaying SSE instructions against results recorded on a processor, made by a fixed recipe so that only
 * hashes of the results need to be kept. A vector is 128 bytes, before and after:
 *
 *   0          48        64    72    80    88      96      100    104   112
 *   +----------+---------+-----+-----+-----+-------+-------+------+-----+-----------+
 *   | XMM0-2   | MM1-2   | RAX | RCX | RDX | FLAGS | MXCSR | fault| imm | [RDI]     |
 *   +----------+---------+-----+-----+-----+-------+-------+------+-----+-----------+
 *
 * Register operands are numbers 1 (ModRM.reg) and 2 (ModRM.r/m): XMM1, MM1 or RCX, and XMM2, MM2 or RDX.
 */
import { matchOf } from "../../../isa/encoding.js";
import type { Form } from "./sse-core.js";

export const VECTOR_SIZE = 128;
export const At = { XMM: 0, MM: 48, GPR: 64, FLAGS: 88, MXCSR: 96, FAULT: 100, IMM: 104, MEM: 112 } as const;

/** Lanes that a form's operands are made of. */
type Lanes = "single" | "double" | "integer" | "string";

const SINGLES = [
  0, 0x80000000, 0x3f800000, 0xbf800000, 0x7f800000, 0xff800000, 0x7fc00000, 0xffc12345, 0x7f812345, 0xffb00001, 1,
  0x80000001, 0x7fffff, 0x807fffff, 0x400000, 0x800000, 0x80800000, 0x800001, 0x7f7fffff, 0xff7fffff, 0x4effffff,
  0x4f000000, 0xcf000000, 0xcf000001, 0x5f000000, 0xdf000000, 0x5effffff, 0x3f000000, 0xbf000000, 0x3fc00000,
  0x40200000, 0x1fffffff, 0x20000000, 0x5f7fffff, 0x33800000, 0x34000000, 0x3f7fffff, 0x3f800001, 0xffffff, 0x1000000,
];
const DOUBLES = [
  0n,
  1n << 63n,
  0x3ff0000000000000n,
  0xbff0000000000000n,
  0x7ff0000000000000n,
  0xfff0000000000000n,
  0x7ff8000000000000n,
  0xfff8123456789abcn,
  0x7ff0000000000001n,
  0xfff7123456789abcn,
  1n,
  0x8000000000000001n,
  0xfffffffffffffn,
  0x800fffffffffffffn,
  0x10000000000000n,
  0x8010000000000000n,
  0x10000000000001n,
  0x7fefffffffffffffn,
  0xffefffffffffffffn,
  0x41dfffffffc00000n,
  0x41dfffffffe00000n,
  0x41e0000000000000n,
  0xc1e0000000000000n,
  0xc1e0000000100000n,
  0xc1e0000000200000n,
  0x43e0000000000000n,
  0xc3e0000000000000n,
  0xc3e0000000000001n,
  0x43dfffffffffffffn,
  0x3fe0000000000000n,
  0xbfe0000000000000n,
  0x3ff8000000000000n,
  0x4004000000000000n,
  0x47efffffefffffffn,
  0x47efffffe0000000n,
  0x47effffff0000000n,
  0x47f0000000000000n,
  0x380fffffffffffffn,
  0x3810000000000000n,
  0x380ffffff0000000n,
  0x36a0000000000000n,
  0x369fffffffffffffn,
  0x3690000000000000n,
  0x3cb0000000000000n,
  0x1fffffffffffffffn,
  0x2000000000000000n,
];
const INTEGERS = [
  0, 0xff, 0x80, 0x7f, 0x8000, 0x7fff, 0xffff, 0x80000000, 0x7fffffff, 0xffffffff, 0x80808080, 0x7f7f7f7f, 0x80008000,
  0x00010001,
];

/** Marsaglia's xorshift32: a stream of 32-bit numbers that any tool can repeat. */
class Random {
  constructor(private state: number) {}

  next(): number {
    let x = this.state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.state = x;
    return x >>> 0;
  }

  below(n: number): number {
    return this.next() % n;
  }
}

const isFloat = (f: Form): boolean =>
  ["sse-arith", "sse-compare", "sse-convert", "sse-round", "sse-mmx"].includes(f.family.module);

function lanesOf(f: Form): Lanes {
  if (f.family.module === "sse-string") return "string";
  if (!isFloat(f) || /^CVT(SI|PI|DQ)2/.test(f.row.mnemonic)) return "integer";
  return /^CVTT?(SD|PD)2|^(?!CVT).*(SD|PD)$/.test(f.row.mnemonic) ? "double" : "single";
}

function single(r: Random): number {
  const kind = r.below(4);
  if (kind < 2) return SINGLES[r.below(SINGLES.length)]!;
  if (kind === 2) return r.next();
  return (r.next() & 0x807fffff) | ((0x70 + r.below(32)) << 23);
}

function double(r: Random): bigint {
  const kind = r.below(5);
  if (kind < 2) return DOUBLES[r.below(DOUBLES.length)]!;
  const low = BigInt(r.next());
  const high = r.next();
  if (kind === 2) return (BigInt(high) << 32n) | low;
  const exponent = kind === 3 ? 0x3f0 + r.below(32) : 0x362 + r.below(60);
  return (BigInt(((high & 0x800fffff) | (exponent << 20)) >>> 0) << 32n) | low;
}

function integer(r: Random): number {
  const kind = r.below(4);
  if (kind === 0) return INTEGERS[r.below(INTEGERS.length)]!;
  return kind === 1 ? r.below(70) : r.next();
}

function fill(v: DataView, at: number, bytes: number, lanes: Lanes, r: Random): void {
  if (lanes === "double") for (let i = 0; i < bytes; i += 8) v.setBigUint64(at + i, double(r), true);
  else if (lanes === "string") {
    const zeros = r.below(2) === 0 ? 12 : 200;
    for (let i = 0; i < bytes; i++)
      v.setUint8(at + i, r.below(zeros) === 0 ? 0 : r.below(9) === 0 ? 0x80 + r.below(4) : 0x61 + r.below(4));
  } else for (let i = 0; i < bytes; i += 4) v.setUint32(at + i, lanes === "single" ? single(r) : integer(r), true);
}

function mxcsr(r: Random, float: boolean): number {
  if (!float) return 0x1f80;
  const kind = r.below(4);
  if (kind === 0) return 0x1fa0;
  if (kind === 1) return 0x1f80;
  return kind === 2 ? 0x1f80 | (r.next() & 0xe07f) : r.next() & 0xffff;
}

/** A form's name, unique in the table. */
export function nameOf(f: Form): string {
  const operands = f.row.operands.map((o) => o.kind + o.size).join(" ");
  return `${f.row.mnemonic} ${operands}${f.variant.size === 0 ? "" : ` ${f.variant.size}`} ${f.variant.form}`;
}

/** Forms that can be replayed: those that run in user mode and whose result the architecture defines to the bit. */
export const isReplayed = (f: Form): boolean =>
  f.family.module.startsWith("sse-") && !f.row.notes.has("raw") && !/^R(CP|SQRT)/.test(f.row.mnemonic);

/** The instruction's bytes; an immediate is the last one, from the vector. */
export function bytesOf(f: Form): number[] {
  const m = matchOf(f.row);
  const reg = m.reg ?? 1;
  const prefix = m.prefix === undefined || m.prefix === "NP" ? [] : [Number.parseInt(m.prefix, 16)];
  const escape = m.map === "0F38" ? [0x0f, 0x38] : m.map === "0F3A" ? [0x0f, 0x3a] : [0x0f];
  const modrm = f.variant.form === "mem" ? (reg << 3) | 7 : 0xc0 | (reg << 3) | 2;
  return [
    ...prefix,
    ...(f.variant.size === 64 ? [0x48] : []),
    ...escape,
    m.opcodes[0]!,
    modrm,
    ...(hasImmediate(f) ? [0] : []),
  ];
}

export const hasImmediate = (f: Form): boolean => f.row.operands.some((o) => o.kind === "I");

/** Arithmetic flags that the row defines. */
export function definedFlags(f: Form): number {
  const bits = [0x800, 0x80, 0x40, 0x10, 4, 1];
  return bits.reduce((mask, bit, i) => ("m01".includes(f.row.flags[i] ?? "-") ? mask | bit : mask), 0);
}

/** The form's vectors, one after another. */
export function vectorsOf(f: Form): Uint8Array {
  const lanes = lanesOf(f);
  const float = isFloat(f);
  const count = lanes === "string" || float ? 1024 : 128;
  const r = new Random([...nameOf(f)].reduce((h, c) => Math.imul(h ^ c.charCodeAt(0), 0x01000193), 0x811c9dc5) || 1);
  const out = new Uint8Array(count * VECTOR_SIZE);
  for (let i = 0; i < count; i++) {
    const v = new DataView(out.buffer, i * VECTOR_SIZE, VECTOR_SIZE);
    fill(v, At.XMM, 48, lanes, r);
    fill(v, At.MM, 16, "integer", r);
    fill(v, At.GPR, 24, "integer", r);
    fill(v, At.MEM, 16, lanes, r);
    v.setUint32(At.FLAGS, 0x202 | (r.next() & 0x8d5), true);
    v.setUint32(At.MXCSR, mxcsr(r, float), true);
    v.setUint32(At.IMM, r.next() & 0xff, true);
  }
  return out;
}

/** FNV-1a over the words of results, flags the row does not define left out. */
export function hashResults(f: Form, results: Uint8Array, from: number, to: number): number {
  const v = new DataView(results.buffer, results.byteOffset, results.byteLength);
  const flags = definedFlags(f);
  let h = 0x811c9dc5;
  for (let at = from * VECTOR_SIZE; at < to * VECTOR_SIZE; at += 4) {
    const field = at % VECTOR_SIZE;
    if (field === At.FLAGS + 4 || field === At.IMM || field === At.IMM + 4) continue;
    const word = field === At.FLAGS ? v.getUint32(at, true) & flags : v.getUint32(at, true);
    h = Math.imul(h ^ word, 0x01000193);
    h ^= h >>> 15;
  }
  return h >>> 0;
}

/** Vectors that one recorded hash covers. */
export const BLOCK = 128;
