/**
 * Operands for replaying x87 and MMX instructions against results recorded on a processor, made by a fixed recipe so that
 * only hashes of the results need to be kept. An x87 state is an FNSAVE image in 32-bit protected-mode form; beside it go
 * 112 bytes of memory at [RDI] and EFLAGS. An MMX state uses the images of the registers alone.
 */

/** 28 bytes of environment, eight registers in stack order. */
export const IMAGE_SIZE = 108;
export const MEMORY_SIZE = 112;
export const VECTORS_PER_FORM = 48;

export interface X87Vector {
  readonly image: Uint8Array;
  readonly memory: Uint8Array;
  readonly eflags: number;
}

/** Marsaglia's xorshift32. */
class Random {
  constructor(private state: number) {}

  next(): number {
    let x = this.state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.state = x >>> 0;
    return this.state;
  }

  below(n: number): number {
    return this.next() % n;
  }

  big(): bigint {
    return (BigInt(this.next()) << 32n) | BigInt(this.next());
  }
}

/** Sign and exponent, significand: zeros, denormals, infinities, NaNs of both kinds, limits, unsupported forms. */
const SPECIALS: readonly (readonly [number, bigint])[] = [
  [0, 0n],
  [0x8000, 0n],
  [0, 1n],
  [0x8000, 0x7fffffffffffffffn],
  [0, 1n << 63n],
  [0x3fff, 1n << 63n],
  [0xbfff, 1n << 63n],
  [0x7fff, 1n << 63n],
  [0xffff, 1n << 63n],
  [0xffff, 3n << 62n],
  [0x7fff, 5n << 61n],
  [0xffff, 0xa000000000000001n],
  [0x7ffe, 0xffffffffffffffffn],
  [0x7fff, 0n],
  [0x3fff, 1n << 62n],
  [0x7fff, 0xc000000000000123n],
  [0x403a, 0xde0b6b3a763ffff0n],
  [0x403e, 1n << 63n],
  [0xc03e, 1n << 63n],
  [0xc01e, 1n << 63n],
  [0xc00e, 1n << 63n],
  [0x3ffe, 1n << 63n],
  [0x400d, 0xffff000000000000n],
];

function extended(r: Random): readonly [number, bigint] {
  const sign = r.below(2) << 15;
  switch (r.below(5)) {
    case 0:
      return SPECIALS[r.below(SPECIALS.length)]!;
    case 1:
      return [sign | (0x3fff - 20 + r.below(60)), r.big() | (1n << 63n)];
    case 2:
      return [sign | (0x3fff - 3 + r.below(6)), BigInt.asUintN(64, r.big() << BigInt(r.below(60))) | (1n << 63n)];
    case 3:
      return [sign | r.below(0x7fff), r.big() | (1n << 63n)];
    default:
      return [sign | r.below(0x8000), r.big() | (r.below(4) === 0 ? 0n : 1n << 63n)];
  }
}

function putExtended(view: DataView, at: number, [se, sig]: readonly [number, bigint]): void {
  view.setBigUint64(at, sig, true);
  view.setUint16(at + 8, se, true);
}

/** Environment and registers: random stack depth, rounding, precision, at most one exception unmasked, none pending. */
function image(r: Random): Uint8Array {
  const bytes = new Uint8Array(IMAGE_SIZE);
  const view = new DataView(bytes.buffer);
  const masks = r.below(3) === 0 ? 0x3f & ~(1 << r.below(6)) : 0x3f;
  const precision = r.below(2) === 0 ? 0x300 : [0, 0x200][r.below(2)]!;
  const fcw = 0x40 | masks | precision | (r.below(4) << 10);
  const fsw = (r.next() & 0x7f40) | (r.next() & masks);
  const top = (fsw >> 11) & 7;
  let tags = 0;
  for (let i = 0; i < 8; i++) {
    putExtended(view, 28 + 10 * i, extended(r));
    const used = i < 2 ? r.below(6) !== 0 : i === 7 ? r.below(4) === 0 : r.below(3) !== 0;
    if (!used) tags |= 3 << (((top + i) & 7) * 2);
  }
  view.setUint32(0, fcw | 0xffff0000, true);
  view.setUint32(4, fsw | 0xffff0000, true);
  view.setUint32(8, tags | 0xffff0000, true);
  view.setUint32(24, 0xffff0000, true);
  return bytes;
}

/** The memory operand: an 80-bit number, binary32 or binary64 bits, decimal digits, or for FRSTOR an image. */
function operand(r: Random, key: number): Uint8Array {
  const bytes = new Uint8Array(MEMORY_SIZE);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < MEMORY_SIZE; i += 4) view.setUint32(i, r.next(), true);
  const kind = r.below(4);
  if (kind === 0) putExtended(view, 0, extended(r));
  if (kind === 1) {
    view.setUint32(0, r.next() & [0x807fffff, 0xffffffff, 0xff800000][r.below(3)]!, true);
    view.setUint32(4, r.next() & [0x800fffff, 0xfff00fff, 0x7fffffff][r.below(3)]!, true);
  }
  if (kind === 2) for (let i = 0; i < 2; i++) view.setInt32(4 * i, (r.next() | 0) >> r.below(31), true);
  if (key === 0xdf27) for (let i = 0; i < 10; i++) bytes[i] = (r.below(10) << 4) | r.below(10);
  if (key === 0xd927 || key === 0xdd27) bytes.set(image(r));
  return bytes;
}

/** The inputs of one form: `key` is opcode and ModRM byte; memory forms use [RDI], ModRM xx111. */
export function x87Vectors(key: number): X87Vector[] {
  const r = new Random(((key * 0x9e3779b1) >>> 0) | 1);
  return Array.from({ length: VECTORS_PER_FORM }, () => ({
    image: image(r),
    memory: operand(r, key),
    eflags: (r.next() & 0x8d5) | 2,
  }));
}

/** Two MMX registers, 0 and 1, and an immediate. */
export interface MmxVector {
  readonly a: bigint;
  readonly b: bigint;
  readonly imm: number;
}

const LANES = [0x00, 0xff, 0x80, 0x7f, 0x01, 0xfe];

export function mmxVectors(seed: number): MmxVector[] {
  const r = new Random(((seed * 0x9e3779b1) >>> 0) | 1);
  const word = (): bigint => {
    if (r.below(3) === 0) return r.big();
    let v = 0n;
    for (let i = 0; i < 8; i++) v = (v << 8n) | BigInt(r.below(3) === 0 ? r.below(256) : LANES[r.below(LANES.length)]!);
    return r.below(4) === 0 ? BigInt(r.below(80)) : v;
  };
  return Array.from({ length: VECTORS_PER_FORM }, () => ({
    a: word(),
    b: word(),
    imm: r.below(2) === 0 ? r.below(20) : r.below(256),
  }));
}

/** Fowler-Noll-Vo hash (FNV-1a, 32 bits). */
export function hash(bytes: Uint8Array, seed = 0x811c9dc5): number {
  let h = seed;
  for (const b of bytes) h = Math.imul(h ^ b, 0x01000193) >>> 0;
  return h;
}
