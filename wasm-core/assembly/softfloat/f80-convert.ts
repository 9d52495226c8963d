/**
 * 80-bit numbers to and from binary32, binary64, integers and packed BCD, and rounding to integral. Loads are exact;
 * stores round by the rounding control and report in C1 whether the magnitude rose. [SDM] 1 4.7, 8.1.3, table 4-4
 */
import { absOf, biasOf, expMax, expOf, fracBits, hiddenBit, infBits, quietBit, roundPack, signBit } from "./binary";
import {
  F80_BIAS,
  F80_EXP_MAX,
  INTEGER_BIT,
  exponentOf,
  f80Copy,
  isDenormal80,
  isInf80,
  isNan80,
  isNotNumber,
  isSignalling80,
  isUnsupported,
  isZero80,
  negativeOf,
  normalExp80,
  normalSig80,
  propagateNan80,
  put,
  putZero,
  sigOf,
} from "./f80";
import { Fp, Rc, raiseFp, raiseStops, roundingOf } from "./status";
import { shiftRightJam } from "./wide";

/**
 * From binary32 or binary64 (T is u32 or u64). Exact; a denormal is noted (Fp.DIN). A NaN keeps its quiet bit: FLD quiets it
 * afterwards, arithmetic wants to see a signalling one.
 */
export function f80FromF<T>(st: usize, d: usize, value: T): void {
  const v = <u64>value;
  const sign = <u32>(v >> (sizeof<T>() * 8 - 1));
  const e = expOf<T>(v);
  const sig = (v & (hiddenBit<T>() - 1)) << (63 - fracBits<T>());
  if (e == expMax<T>()) return put(d, sign, F80_EXP_MAX, sig | INTEGER_BIT);
  if (absOf<T>(v) == 0) return putZero(d, sign);
  if (e != 0) return put(d, sign, e - biasOf<T>() + F80_BIAS, sig | INTEGER_BIT);
  raiseFp(st, Fp.DIN);
  const shift = <i32>clz(sig);
  put(d, sign, 1 - biasOf<T>() + F80_BIAS - shift, sig << shift);
}

/** To binary32 or binary64. */
export function f80ToF<T>(st: usize, a: usize): T {
  const sign: u64 = negativeOf(a) ? signBit<T>() : 0;
  if (isUnsupported(a)) {
    raiseFp(st, Fp.IE);
    return <T>(signBit<T>() | infBits<T>() | quietBit<T>());
  }
  if (isNan80(a)) {
    if (isSignalling80(a)) raiseFp(st, Fp.IE);
    return <T>(sign | infBits<T>() | quietBit<T>() | ((sigOf(a) & ~INTEGER_BIT) >> (63 - fracBits<T>())));
  }
  if (isInf80(a)) return <T>(sign | infBits<T>());
  if (isZero80(a)) return <T>sign;
  const exp = normalExp80(a) - F80_BIAS + biasOf<T>();
  const sig = shiftRightJam(normalSig80(a), 1);
  const before = load<u32>(st);
  const r = roundPack<T>(st, u32(sign != 0), exp, sig);
  const after = load<u32>(st);
  if ((after & ~(after >> Fp.MASK_SHIFT) & (Fp.OE | Fp.UE)) != 0) {
    // Nothing is stored, so nothing was rounded.
    store<u32>(st, after & ~Fp.PE);
  } else if ((after & Fp.PE) != 0) {
    // C1: the rounded magnitude is above the truncated one.
    store<u32>(st, before | Fp.RC_MASK);
    const truncated = roundPack<T>(st, u32(sign != 0), exp, sig);
    store<u32>(st, after | (r != truncated ? Fp.C1 : 0));
  }
  return <T>r;
}

/** From a signed integer: exact. */
export function f80FromInt(d: usize, v: i64): void {
  if (v == 0) return putZero(d, 0);
  const sign = u32(v < 0);
  const m = <u64>(sign ? 0 - v : v);
  const shift = <i32>clz(m);
  put(d, sign, F80_BIAS + 63 - shift, m << shift);
}

/** |a| rounded to an integer, all ones when it needs more than 64 bits. Raises PE and C1. */
function magnitude80(st: usize, a: usize, rc: u32): u64 {
  const e = exponentOf(a) - F80_BIAS;
  const sig = sigOf(a);
  if (sig == 0) return 0;
  if (e > 63) return U64.MAX_VALUE;
  if (e == 63) return sig;
  // Integer part, and a fraction of which the top bit is one half and the lowest is sticky.
  const whole = e < 0 ? 0 : sig >> (63 - e);
  const rest = e < 0 ? shiftRightJam(sig, min(-1 - e, 100)) : sig << (1 + e);
  if (rest == 0) return whole;
  const up =
    rc == Rc.NEAREST
      ? rest > INTEGER_BIT || (rest == INTEGER_BIT && (whole & 1) != 0)
      : rc != Rc.ZERO && (rc == Rc.UP) == (negativeOf(a) == 0);
  raiseFp(st, up ? Fp.PE | Fp.C1 : Fp.PE);
  return whole + u64(up);
}

/** To a signed integer of `bits` (16, 32, 64), by rounding control or truncating; the integer indefinite with IE. */
export function f80ToInt(st: usize, a: usize, bits: u32, truncate: bool): i64 {
  const status = load<u32>(st);
  const negative = negativeOf(a);
  const limit = ((<u64>1) << (bits - 1)) - u64(negative == 0);
  const m = isNotNumber(a) ? U64.MAX_VALUE : magnitude80(st, a, truncate ? Rc.ZERO : roundingOf(status));
  if (m > limit) {
    store<u32>(st, status | Fp.IE);
    return <i64>((<u64>1) << (bits - 1));
  }
  return <i64>(negative ? 0 - m : m);
}

/** FRNDINT: to an integral value by rounding control. */
export function f80RoundToIntegral(st: usize, d: usize, a: usize): void {
  if (isNotNumber(a)) return propagateNan80(st, d, a, a);
  if (isDenormal80(a) && raiseStops(st, Fp.DE)) return;
  const e = exponentOf(a) - F80_BIAS;
  if (e >= 63 || isZero80(a)) return f80Copy(d, a);
  const sign = negativeOf(a);
  const m = magnitude80(st, a, roundingOf(load<u32>(st)));
  if (m == 0) return putZero(d, sign);
  const shift = <i32>clz(m);
  put(d, sign, F80_BIAS + 63 - shift, m << shift);
}

const BCD_MAX: u64 = 999999999999999999;

/** FBSTP: stores ten bytes of packed BCD at p; the packed BCD indefinite with IE. Nothing is stored on an unmasked IE. */
export function f80ToBcd(st: usize, p: usize, a: usize): void {
  const status = load<u32>(st);
  let m = isNotNumber(a) ? U64.MAX_VALUE : magnitude80(st, a, roundingOf(status));
  if (m > BCD_MAX) {
    store<u32>(st, status | Fp.IE);
    store<u64>(p, 0xc000000000000000);
    store<u16>(p, 0xffff, 8);
    return;
  }
  for (let i: usize = 0; i < 9; i++) {
    const two = <u32>(m % 100);
    m /= 100;
    store<u8>(p + i, <u8>(((two / 10) << 4) | (two % 10)));
  }
  store<u8>(p, <u8>(negativeOf(a) << 7), 9);
}

/** FBLD: from ten bytes of packed BCD; exact. Digits above 9 count as their value. */
export function f80FromBcd(d: usize, p: usize): void {
  const sign = (<u32>load<u8>(p, 9)) >> 7;
  let m: u64 = 0;
  for (let i: i32 = 8; i >= 0; i--) {
    const byte = <u64>load<u8>(p + i);
    m = m * 100 + (byte >> 4) * 10 + (byte & 15);
  }
  f80FromInt(d, <i64>m);
  if (sign) store<u16>(d, load<u16>(d, 8) | 0x8000, 8);
}
