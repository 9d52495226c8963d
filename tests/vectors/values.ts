/** Operand values: boundaries of every kind of number, and seeded random ones. */
import type { Random } from "../support/random.js";

const u64 = (v: bigint): bigint => BigInt.asUintN(64, v);

/** Values at the edges of `bits` wide numbers. */
function edges(bits: number): bigint[] {
  const top = 1n << BigInt(bits - 1);
  return [
    0n,
    1n,
    2n,
    top - 1n,
    top,
    top + 1n,
    2n * top - 1n,
    2n * top - 2n,
    0x0fn,
    0x10n,
    0x5555555555555555n,
    0xaaaaaaaaaaaaaaaan,
  ];
}

/** An integer for an operand of `bits` bits; what lies above them is often not zero. */
export function integer(rng: Random, bits: number): bigint {
  if (rng.below(5) < 2) return rng.u64();
  const low = rng.pick(edges(Math.min(bits, 64)));
  if (bits >= 64 || rng.once(3)) return u64(low);
  const high = rng.pick([0n, -1n, 0x0123456789abcdefn]);
  return u64((high << BigInt(bits)) | (low & ((1n << BigInt(bits)) - 1n)));
}

const F32 = [
  0x00000000, 0x80000000, 0x3f800000, 0xbf800000, 0x00000001, 0x80000001, 0x007fffff, 0x00800000, 0x7f7fffff,
  0xff7fffff, 0x7f800000, 0xff800000, 0x7fc00000, 0xffc00000, 0x7f800001, 0x7fa12345, 0x3f000000, 0x3fc00000,
  0x40200000, 0xbf000000, 0x4f000000, 0xcf000000, 0x4effffff, 0x5f000000, 0x42f6e979, 0x3eaaaaab, 0x4b000001,
  0x33800000, 0x3f7fffff, 0x3f800001,
];
const F64 = [
  0n,
  0x8000000000000000n,
  0x3ff0000000000000n,
  0xbff0000000000000n,
  1n,
  0x8000000000000001n,
  0x000fffffffffffffn,
  0x0010000000000000n,
  0x7fefffffffffffffn,
  0xffefffffffffffffn,
  0x7ff0000000000000n,
  0xfff0000000000000n,
  0x7ff8000000000000n,
  0xfff8000000000000n,
  0x7ff0000000000001n,
  0x7ff4123456789abcn,
  0x3fe0000000000000n,
  0x3ff8000000000000n,
  0x4004000000000000n,
  0xbfe0000000000000n,
  0x41e0000000000000n,
  0xc1e0000000000000n,
  0x41dfffffffc00000n,
  0x43e0000000000000n,
  0x405edd2f1a9fbe77n,
  0x3fd5555555555555n,
  0x4330000000000001n,
  0x47efffffe0000000n,
  0x47effffff0000000n,
  0x36a0000000000000n,
  0x380fffffffffffffn,
  0x3810000000000000n,
];

/** An IEEE number of 32 or 64 bits. */
export function float(rng: Random, bits: 32 | 64): bigint {
  if (rng.once(4)) return bits === 32 ? BigInt(rng.u32()) : rng.u64();
  if (rng.once(4)) {
    const near = BigInt(rng.below(40)) - 20n;
    return bits === 32
      ? BigInt(0x3f800000 + rng.below(1 << 23)) + near * 0x800000n
      : 0x3ff0000000000000n + (rng.u64() >> 12n) + near * (1n << 52n);
  }
  return bits === 32 ? BigInt(rng.pick(F32)) : rng.pick(F64);
}

const bytesOf = (value: bigint, count: number): Uint8Array =>
  Uint8Array.from({ length: count }, (_, i) => Number((value >> BigInt(8 * i)) & 0xffn));

export const integerBytes = (value: bigint, bits: number): Uint8Array => bytesOf(value, bits / 8);

export type Lane = 8 | 16 | 32 | 64 | "f32" | "f64";

/** Sixteen bytes of lanes of one kind. */
export function lanes(rng: Random, lane: Lane): Uint8Array {
  const bits = lane === "f32" ? 32 : lane === "f64" ? 64 : lane;
  const out = new Uint8Array(16);
  for (let at = 0; at < 16; at += bits / 8) {
    const value = lane === "f32" || lane === "f64" ? float(rng, bits as 32 | 64) : integer(rng, bits);
    out.set(bytesOf(value, bits / 8), at);
  }
  return out;
}

const F80_EXPONENTS = [0, 1, 0x3fff, 0x3ffe, 0x4000, 0x400e, 0x401e, 0x403e, 0x7ffe, 0x7fff, 0x3c01, 0x43fe, 0x3f81];
const F80_SIGNIFICANDS = [
  0x8000000000000000n,
  0xffffffffffffffffn,
  0xc000000000000000n,
  0xa000000000000000n,
  0x8000000000000001n,
  0x4000000000000000n,
  0n,
  1n,
  0xc90fdaa22168c235n,
  0x8000010000000000n,
  0x8000000000000400n,
  0xfffffffffffffc00n,
];

/** Ten bytes of extended precision, unnormal and unsupported formats among them. */
export function extended(rng: Random): Uint8Array {
  const sign = rng.below(2) << 15;
  const out = new Uint8Array(10);
  const view = new DataView(out.buffer);
  const exponent = rng.once(3) ? 0x3fff - 8 + rng.below(16) : rng.pick(F80_EXPONENTS);
  const random = rng.once(3) ? rng.u64() | (1n << 63n) : rng.pick(F80_SIGNIFICANDS);
  // Mostly numbers: an integer bit that is missing makes an operand invalid.
  const significand = exponent !== 0 && !rng.once(8) ? random | (1n << 63n) : random;
  view.setBigUint64(0, significand, true);
  view.setUint16(8, sign | exponent, true);
  return out;
}

/** Packed decimal for FBLD. */
export function decimal(rng: Random): Uint8Array {
  const out = Uint8Array.from({ length: 10 }, () => rng.below(10) | (rng.below(10) << 4));
  out[9] = rng.below(2) << 7;
  return out;
}
