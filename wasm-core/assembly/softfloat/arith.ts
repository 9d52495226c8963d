/**
 * Add, subtract, multiply, divide, square root for binary32 and binary64 (T is u32 or u64, bit patterns), as SSE
 * computes them. Flags accumulate in the status word at `st` (status.ts). The host's own arithmetic is used where it is
 * provably the same: round to nearest, normal operands and result, and the only flag that could appear, PE, already set.
 */
import {
  absOf,
  biasOf,
  expMax,
  expOf,
  flushInput,
  fracBits,
  hiddenBit,
  infBits,
  invalid,
  isDenormal,
  isInf,
  isNan,
  isZero,
  normalExp,
  normalSig,
  propagateNan,
  roundPack,
  signBit,
  signOf,
} from "./binary";
import { Fp, Rc, raiseFp, raiseStops, roundingOf } from "./status";
import { divWide, highOf, lowOf, mulHigh, shiftRightJam, sqrtWide } from "./wide";

/** True when the host may compute: PE is masked and set, rounding is to nearest. */
@inline
function hostRounds(st: usize): bool {
  return (load<u32>(st) & (Fp.RC_MASK | Fp.PM | Fp.PE)) == (Fp.PM | Fp.PE);
}

@inline
function isNormal<T>(a: T): bool {
  return <u32>(expMax<T>() - 1) > <u32>(expOf<T>(<u64>a) - 1);
}

/** Finite and far enough from the denormals that no tiny value was rounded up to it. */
@inline
function isSafeResult<T>(r: T): bool {
  return <u32>(expMax<T>() - 2) > <u32>(expOf<T>(<u64>r) - 2);
}

/** Denormal operands: DE, unless DAZ already made them zeros. True when the operation ends there. */
@inline
function denormalStops<T>(st: usize, a: u64, b: u64): bool {
  return (isDenormal<T>(a) || isDenormal<T>(b)) && raiseStops(st, Fp.DE);
}

/** a + b. */
export function fAdd<T>(st: usize, a: T, b: T): T {
  if (hostRounds(st) && isNormal<T>(a) && isNormal<T>(b)) {
    const r =
      sizeof<T>() == 8
        ? <T>reinterpret<u64>(reinterpret<f64>(<u64>a) + reinterpret<f64>(<u64>b))
        : <T>reinterpret<u32>(reinterpret<f32>(<u32>a) + reinterpret<f32>(<u32>b));
    if (isSafeResult<T>(r)) return r;
  }
  return <T>addSigned<T>(st, <u64>a, <u64>b, 0);
}

/** a - b. */
export function fSub<T>(st: usize, a: T, b: T): T {
  if (hostRounds(st) && isNormal<T>(a) && isNormal<T>(b)) {
    const r =
      sizeof<T>() == 8
        ? <T>reinterpret<u64>(reinterpret<f64>(<u64>a) - reinterpret<f64>(<u64>b))
        : <T>reinterpret<u32>(reinterpret<f32>(<u32>a) - reinterpret<f32>(<u32>b));
    if (isSafeResult<T>(r)) return r;
  }
  return <T>addSigned<T>(st, <u64>a, <u64>b, signBit<T>());
}

function addSigned<T>(st: usize, a: u64, b: u64, flip: u64): u64 {
  if (isNan<T>(a) || isNan<T>(b)) return propagateNan<T>(st, a, b);
  const status = load<u32>(st);
  a = flushInput<T>(status, a);
  b = flushInput<T>(status, b) ^ flip;
  const aInf = isInf<T>(a);
  const bInf = isInf<T>(b);
  if (aInf && bInf && a != b) return invalid<T>(st);
  if (denormalStops<T>(st, a, b)) return a;
  if (aInf || bInf) return aInf ? a : b;
  return (a ^ b) & signBit<T>() ? subMagnitudes<T>(st, a, b) : addMagnitudes<T>(st, a, b);
}

/** Significand at bit 62 without normalising a denormal, to go with max(exponent, 1). */
@inline
function rawSig<T>(a: u64): u64 {
  const frac = a & (hiddenBit<T>() - 1);
  return (expOf<T>(a) != 0 ? frac | hiddenBit<T>() : frac) << (62 - fracBits<T>());
}

function addMagnitudes<T>(st: usize, a: u64, b: u64): u64 {
  if (absOf<T>(a) < absOf<T>(b)) {
    const t = a;
    a = b;
    b = t;
  }
  if (isZero<T>(a)) return a;
  let exp = max(expOf<T>(a), 1);
  let sig = rawSig<T>(a) + shiftRightJam(rawSig<T>(b), exp - max(expOf<T>(b), 1));
  const shift = <i32>clz(sig) - 1;
  sig = shift < 0 ? shiftRightJam(sig, 1) : sig << shift;
  return roundPack<T>(st, signOf<T>(a), exp - shift, sig);
}

function subMagnitudes<T>(st: usize, a: u64, b: u64): u64 {
  if (absOf<T>(a) == absOf<T>(b)) return roundingOf(load<u32>(st)) == Rc.DOWN ? signBit<T>() : 0;
  if (absOf<T>(a) < absOf<T>(b)) {
    const t = a;
    a = b;
    b = t;
  }
  const exp = max(expOf<T>(a), 1);
  const sig = rawSig<T>(a) - shiftRightJam(rawSig<T>(b), exp - max(expOf<T>(b), 1));
  const shift = <i32>clz(sig) - 1;
  return roundPack<T>(st, signOf<T>(a), exp - shift, sig << shift);
}

/** a * b. */
export function fMul<T>(st: usize, a: T, b: T): T {
  if (hostRounds(st) && isNormal<T>(a) && isNormal<T>(b)) {
    const r =
      sizeof<T>() == 8
        ? <T>reinterpret<u64>(reinterpret<f64>(<u64>a) * reinterpret<f64>(<u64>b))
        : <T>reinterpret<u32>(reinterpret<f32>(<u32>a) * reinterpret<f32>(<u32>b));
    if (isSafeResult<T>(r)) return r;
  }
  return <T>mulBits<T>(st, <u64>a, <u64>b);
}

function mulBits<T>(st: usize, a: u64, b: u64): u64 {
  if (isNan<T>(a) || isNan<T>(b)) return propagateNan<T>(st, a, b);
  const status = load<u32>(st);
  a = flushInput<T>(status, a);
  b = flushInput<T>(status, b);
  const sign = (a ^ b) & signBit<T>();
  const inf = isInf<T>(a) || isInf<T>(b);
  const zero = isZero<T>(a) || isZero<T>(b);
  if (inf && zero) return invalid<T>(st);
  if (denormalStops<T>(st, a, b)) return a;
  if (inf) return sign | infBits<T>();
  if (zero) return sign;
  const exp = normalExp<T>(a) + normalExp<T>(b) - biasOf<T>();
  const sa = normalSig<T>(a) << 1;
  const sb = normalSig<T>(b) << 1;
  const sig = mulHigh(sa, sb) | u64(sa * sb != 0);
  const carry = <u32>(sig >> 63);
  return roundPack<T>(st, u32(sign != 0), exp + carry, shiftRightJam(sig, carry));
}

/** a / b. */
export function fDiv<T>(st: usize, a: T, b: T): T {
  if (hostRounds(st) && isNormal<T>(a) && isNormal<T>(b)) {
    const r =
      sizeof<T>() == 8
        ? <T>reinterpret<u64>(reinterpret<f64>(<u64>a) / reinterpret<f64>(<u64>b))
        : <T>reinterpret<u32>(reinterpret<f32>(<u32>a) / reinterpret<f32>(<u32>b));
    if (isSafeResult<T>(r)) return r;
  }
  return <T>divBits<T>(st, <u64>a, <u64>b);
}

function divBits<T>(st: usize, a: u64, b: u64): u64 {
  if (isNan<T>(a) || isNan<T>(b)) return propagateNan<T>(st, a, b);
  const status = load<u32>(st);
  a = flushInput<T>(status, a);
  b = flushInput<T>(status, b);
  const sign = (a ^ b) & signBit<T>();
  if ((isInf<T>(a) && isInf<T>(b)) || (isZero<T>(a) && isZero<T>(b))) return invalid<T>(st);
  if (isZero<T>(b) && !isInf<T>(a)) {
    raiseFp(st, Fp.ZE);
    return sign | infBits<T>();
  }
  if (denormalStops<T>(st, a, b)) return a;
  if (isInf<T>(a)) return sign | infBits<T>();
  if (isInf<T>(b) || isZero<T>(a)) return sign;
  const sa = normalSig<T>(a);
  const sb = normalSig<T>(b);
  const less = u32(sa < sb);
  const hi = sa >> (2 - less);
  const lo = sa << (62 + less);
  const q = divWide(hi, lo, sb);
  const exp = normalExp<T>(a) - normalExp<T>(b) + biasOf<T>() - less;
  return roundPack<T>(st, u32(sign != 0), exp, q | u64(lo - q * sb != 0));
}

/** Square root. */
export function fSqrt<T>(st: usize, a: T): T {
  if (hostRounds(st) && isNormal<T>(a) && signOf<T>(<u64>a) == 0) {
    return sizeof<T>() == 8
      ? <T>reinterpret<u64>(sqrt<f64>(reinterpret<f64>(<u64>a)))
      : <T>reinterpret<u32>(sqrt<f32>(reinterpret<f32>(<u32>a)));
  }
  return <T>sqrtBits<T>(st, <u64>a);
}

function sqrtBits<T>(st: usize, a: u64): u64 {
  if (isNan<T>(a)) return propagateNan<T>(st, a, a);
  a = flushInput<T>(load<u32>(st), a);
  if (isZero<T>(a)) return a;
  if (signOf<T>(a) != 0) return invalid<T>(st);
  if (denormalStops<T>(st, a, a) || isInf<T>(a)) return a;
  // sqrt(m * 2^e) with e made even; the 128-bit radicand has its leading one at bit 127 or 126.
  const e = normalExp<T>(a) - biasOf<T>();
  const odd = e & 1;
  const root = sqrtWide(normalSig<T>(a) << odd, 0);
  const sig = (highOf(root) >> 1) | u64((highOf(root) & 1) != 0 || lowOf(root) != 0);
  return roundPack<T>(st, 0, ((e - odd) >> 1) + biasOf<T>(), sig);
}
