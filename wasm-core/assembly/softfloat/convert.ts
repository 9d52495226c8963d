/**
 * Conversions of binary32 and binary64 among themselves, to and from integers, and rounding to an integral value.
 * T is u32 or u64 (bit patterns), I is i32 or i64. An integer that does not fit becomes the integer indefinite with IE.
 */
import {
  absOf,
  biasOf,
  expOf,
  flushInput,
  fracBits,
  hiddenBit,
  isDenormal,
  isNan,
  isSignalling,
  normalExp,
  normalSig,
  roundPack,
  signBit,
  signOf,
  propagateNan,
} from "./binary";
import { Fp, Rc, raiseFp, raiseStops, roundIncrement, roundingOf } from "./status";
import { shiftRightJam } from "./wide";

/** binary32 to binary64: exact. */
export function f32ToF64(st: usize, a: u32): u64 {
  let v = <u64>a;
  const sign = (<u64>signOf<u32>(v)) << 63;
  if (isNan<u32>(v)) {
    if (isSignalling<u32>(v)) raiseFp(st, Fp.IE);
    return sign | 0x7ff8000000000000 | ((v & 0x7fffff) << 29);
  }
  v = flushInput<u32>(load<u32>(st), v);
  if (isDenormal<u32>(v)) raiseFp(st, Fp.DE);
  return reinterpret<u64>(<f64>reinterpret<f32>(<u32>v));
}

/** binary64 to binary32. */
export function f64ToF32(st: usize, a: u64): u32 {
  const sign = signOf<u64>(a) << 31;
  if (isNan<u64>(a)) {
    if (isSignalling<u64>(a)) raiseFp(st, Fp.IE);
    return sign | 0x7fc00000 | ((<u32>(a >> 29)) & 0x3fffff);
  }
  a = flushInput<u64>(load<u32>(st), a);
  if (isDenormal<u64>(a) && raiseStops(st, Fp.DE)) return sign;
  if (absOf<u64>(a) == 0) return sign;
  if (expOf<u64>(a) == 0x7ff) return sign | 0x7f800000;
  return <u32>roundPack<u32>(st, sign >> 31, normalExp<u64>(a) - 1023 + 127, normalSig<u64>(a));
}

/**
 * Integer part of |a| under rounding mode rc, with PE when inexact; all ones when it has 65 bits or more.
 * The sign matters to the directed modes.
 */
function magnitude<T>(st: usize, a: u64, rc: u32): u64 {
  const e = expOf<T>(a) - biasOf<T>();
  if (e > 63) return U64.MAX_VALUE;
  const frac = a & (hiddenBit<T>() - 1);
  const full = expOf<T>(a) != 0 ? frac | hiddenBit<T>() : frac;
  if (e >= fracBits<T>()) return full << (e - fracBits<T>());
  // Two fraction bits suffice: half and sticky.
  const fixed = shiftRightJam(full << 2, min(fracBits<T>() - max(e, -70), 127));
  if ((fixed & 3) == 0) return fixed >> 2;
  raiseFp(st, Fp.PE);
  const r = (fixed + roundIncrement(rc, signOf<T>(a), 3)) >> 2;
  return rc == Rc.NEAREST && (fixed & 3) == 2 ? r & ~1 : r;
}

/** To a signed integer, by the rounding mode or truncating. */
export function fToInt<T, I>(st: usize, a: T, truncate: bool): I {
  const status = load<u32>(st);
  const v = flushInput<T>(status, <u64>a);
  const negative = signOf<T>(v);
  const top: u64 = sizeof<I>() * 8 - 1;
  const limit = ((<u64>1) << top) - u64(negative == 0);
  const m = isNan<T>(v) ? U64.MAX_VALUE : magnitude<T>(st, v, truncate ? Rc.ZERO : roundingOf(status));
  if (m > limit) {
    store<u32>(st, status | Fp.IE);
    return <I>((<u64>1) << top);
  }
  return <I>(negative ? 0 - m : m);
}

/** From a signed integer. */
export function fFromInt<T, I>(st: usize, v: I): T {
  if (v == 0) return 0;
  const negative = u32(v < 0);
  const m = negative ? 0 - <u64>(<i64>v) : <u64>(<i64>v);
  const shift = <i32>clz(m);
  const sig = shift == 0 ? shiftRightJam(m, 1) : m << (shift - 1);
  return <T>roundPack<T>(st, negative, biasOf<T>() + 63 - shift, sig);
}

/** To an integral value. `imm` as in ROUNDSD: 1:0 rounding control, 2 use the status word's instead, 3 suppress PE. */
export function fRoundToIntegral<T>(st: usize, a: T, imm: u32): T {
  const status = load<u32>(st);
  const v = flushInput<T>(status, <u64>a);
  if (isNan<T>(v)) return <T>propagateNan<T>(st, v, v);
  const e = expOf<T>(v) - biasOf<T>();
  if (e >= fracBits<T>()) return <T>v;
  const rc = (imm & 4) != 0 ? roundingOf(status) : imm & 3;
  const m = magnitude<T>(st, v, rc);
  if ((imm & 8) != 0) store<u32>(st, status);
  const sign = v & signBit<T>();
  if (m == 0) return <T>sign;
  const top = 63 - <i32>clz(m);
  const up = fracBits<T>() - top;
  const frac = (m << up) & (hiddenBit<T>() - 1);
  return <T>(sign | ((<u64>(top + biasOf<T>())) << fracBits<T>()) | frac);
}
