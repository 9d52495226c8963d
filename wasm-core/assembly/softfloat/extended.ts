/**
 * Working precision of the transcendental functions: numbers with a 128-bit significand, in memory slots, and unsigned
 * fixed-point fractions with 127 fraction bits (Q1.127), as v128 values, for polynomials. Results are truncated: an error of one
 * unit here is 2^-63 of a unit in the last place of an 80-bit number.
 *
 *   slot of 32 bytes: +0 u64 high, +8 u64 low half of the significand, leading one at the top (0 for zero),
 *   +16 i32 exponent, +20 u32 sign; the value is (high:low) / 2^127 * 2^exponent
 */
import { F80_BIAS, isZero80, negativeOf, normalExp80, normalSig80, putZero, roundPack80 } from "./f80";
import { divWide, highOf, lowOf, mulHigh, wide, wideShiftLeft, wideShiftRightJam } from "./wide";

/** Working slots lie behind the status word and the temporaries of an instruction. */
const SLOTS: usize = 96;
const SLOT_SIZE: usize = 32;

/** Address of working slot n, 0 to 12. */
@inline
export function slotOf(st: usize, n: usize): usize {
  return st + SLOTS + n * SLOT_SIZE;
}

export const ONE_HIGH: u64 = 0x8000000000000000;

/** 1 in Q1.127. */
@inline
export function fixedOne(): v128 {
  return wide(ONE_HIGH, 0);
}

/** High half of a 128 by 128 bit product, twice: the product of two Q1.127 numbers. */
export function fixedMul(a: v128, b: v128): v128 {
  const p = mulHigh128(a, b);
  return wide((highOf(p) << 1) | (lowOf(p) >> 63), lowOf(p) << 1);
}

/** High 128 bits of the product, without the carry from the lowest 64 by 64 bits. */
function mulHigh128(a: v128, b: v128): v128 {
  const a1 = highOf(a);
  const a0 = lowOf(a);
  const b1 = highOf(b);
  const b0 = lowOf(b);
  const x = a1 * b0;
  const y = a0 * b1;
  const mid = x + y;
  const carry = u64(mid < x);
  const low = a1 * b1;
  const s = low + mulHigh(a1, b0);
  const t = s + mulHigh(a0, b1);
  const u = t + carry;
  return wide(mulHigh(a1, b1) + u64(s < low) + u64(t < s) + u64(u < t), u);
}

/** a / k for a small k. */
export function fixedDiv(a: v128, k: u64): v128 {
  const q = highOf(a) / k;
  return wide(q, divWide(highOf(a) - q * k, lowOf(a), k));
}

export function fixedAdd(a: v128, b: v128): v128 {
  const lo = lowOf(a) + lowOf(b);
  return wide(highOf(a) + highOf(b) + u64(lo < lowOf(a)), lo);
}

export function fixedSub(a: v128, b: v128): v128 {
  return wide(highOf(a) - highOf(b) - u64(lowOf(a) < lowOf(b)), lowOf(a) - lowOf(b));
}

@inline
export function xHigh(a: usize): u64 {
  return load<u64>(a);
}

@inline
export function xExp(a: usize): i32 {
  return load<i32>(a, 16);
}

@inline
export function xSign(a: usize): u32 {
  return load<u32>(a, 20);
}

@inline
export function xSet(d: usize, sign: u32, exp: i32, hi: u64, lo: u64): void {
  store<u64>(d, hi);
  store<u64>(d, lo, 8);
  store<i32>(d, exp, 16);
  store<u32>(d, sign, 20);
}

export function xCopy(d: usize, a: usize): void {
  memory.copy(d, a, SLOT_SIZE);
}

/** Normalises (hi:lo) into d. */
function xNormal(d: usize, sign: u32, exp: i32, hi: u64, lo: u64): void {
  if ((hi | lo) == 0) return xSet(d, 0, 0, 0, 0);
  const shift = <i32>(hi != 0 ? clz(hi) : 64 + clz(lo));
  const v = wideShiftLeft(hi, lo, shift);
  xSet(d, sign, exp - shift, highOf(v), lowOf(v));
}

/** From a finite 80-bit number. */
export function xFromF80(d: usize, a: usize): void {
  if (isZero80(a)) return xSet(d, 0, 0, 0, 0);
  xSet(d, negativeOf(a), normalExp80(a) - F80_BIAS, normalSig80(a), 0);
}

export function xFromInt(d: usize, v: i32): void {
  xNormal(d, u32(v < 0), 63, <u64>abs(v), 0);
}

/** From a Q1.127 number. */
export function xFromFixed(d: usize, sign: u32, v: v128): void {
  xNormal(d, sign, 0, highOf(v), lowOf(v));
}

/** |a| below 2 as a Q1.127 number. */
export function xToFixed(a: usize): v128 {
  return wideShiftRightJam(load<u64>(a), load<u64>(a, 8), <u32>min(-xExp(a), 128));
}

export function xMul(d: usize, a: usize, b: usize): void {
  const p = mulHigh128(wide(load<u64>(a), load<u64>(a, 8)), wide(load<u64>(b), load<u64>(b, 8)));
  xNormal(d, xSign(a) ^ xSign(b), xExp(a) + xExp(b) + 1, highOf(p), lowOf(p));
}

export function xAdd(d: usize, a: usize, b: usize): void {
  addSigned(d, a, b, xSign(b));
}

export function xSub(d: usize, a: usize, b: usize): void {
  addSigned(d, a, b, xSign(b) ^ 1);
}

function addSigned(d: usize, a: usize, b: usize, bSign: u32): void {
  if (xHigh(b) == 0) return xCopy(d, a);
  const aSign = xSign(a);
  const aHi = load<u64>(a);
  const aLo = load<u64>(a, 8);
  const bHi = load<u64>(b);
  const bLo = load<u64>(b, 8);
  const bExp = xExp(b);
  if (aHi == 0) return xSet(d, bSign, bExp, bHi, bLo);
  const diff = xExp(a) - bExp;
  const swap = diff < 0 || (diff == 0 && (bHi > aHi || (bHi == aHi && bLo > aLo)));
  const exp = swap ? bExp : xExp(a);
  const big = swap ? wide(bHi, bLo) : wide(aHi, aLo);
  const small = wideShiftRightJam(swap ? aHi : bHi, swap ? aLo : bLo, <u32>min(abs(diff), 128));
  const sign = swap ? bSign : aSign;
  if (aSign != bSign) {
    const v = fixedSub(big, small);
    return xNormal(d, sign, exp, highOf(v), lowOf(v));
  }
  const v = fixedAdd(big, small);
  const carry = highOf(v) < highOf(big);
  if (!carry) return xSet(d, sign, exp, highOf(v), lowOf(v));
  const half = wideShiftRightJam(highOf(v), lowOf(v), 1);
  xSet(d, sign, exp + 1, highOf(half) | ONE_HIGH, lowOf(half));
}

/** a / b for a nonzero b, one quotient bit a round. */
export function xDiv(d: usize, a: usize, b: usize): void {
  if (xHigh(a) == 0) return xSet(d, 0, 0, 0, 0);
  const bHi = load<u64>(b);
  const bLo = load<u64>(b, 8);
  let hi = load<u64>(a);
  let lo = load<u64>(a, 8);
  let qHi: u64 = 0;
  let qLo: u64 = 0;
  let carry: u64 = 0;
  for (let i = 0; i < 128; i++) {
    qHi = (qHi << 1) | (qLo >> 63);
    qLo <<= 1;
    if (carry != 0 || hi > bHi || (hi == bHi && lo >= bLo)) {
      hi -= bHi + u64(lo < bLo);
      lo -= bLo;
      qLo |= 1;
    }
    carry = hi >> 63;
    hi = (hi << 1) | (lo >> 63);
    lo <<= 1;
  }
  xNormal(d, xSign(a) ^ xSign(b), xExp(a) - xExp(b), qHi, qLo);
}

/** Multiplies by 2^n. */
@inline
export function xScale(a: usize, n: i32): void {
  store<i32>(a, xExp(a) + n, 16);
}

/**
 * Rounds to an 80-bit number at full precision, whatever precision control says. `inexact` marks a value known to be
 * irrational, so that a result that happens to fit is still inexact.
 */
export function xToF80(st: usize, d: usize, a: usize, inexact: bool): void {
  if (xHigh(a) == 0) return putZero(d, xSign(a));
  roundPack80(st, d, xSign(a), xExp(a) + F80_BIAS, load<u64>(a), load<u64>(a, 8) | u64(inexact), 64);
}
