/** Partial remainder, scale and extract on 80-bit numbers: exact operations that precision control does not touch. */
import {
  F80_BIAS,
  exponentOf,
  f80Copy,
  invalid80,
  isDenormal80,
  isInf80,
  isNotNumber,
  isZero80,
  negativeOf,
  normalExp80,
  normalSig80,
  propagateNan80,
  put,
  putInf,
  putZero,
  roundPack80,
  sigOf,
} from "./f80";
import { f80FromInt } from "./f80-convert";
import { Fp, raiseFp, raiseStops } from "./status";
import { divWide } from "./wide";

/** f80Rem's answer when the reduction is incomplete (C2); otherwise it is the low three quotient bits. */
export const REM_INCOMPLETE: i32 = 8;
/** f80Rem's answer when there is no quotient: a NaN, an invalid operation. */
export const REM_NONE: i32 = 16;

/**
 * FPREM (truncating) and FPREM1 (`nearest`): d = a - b * Q, exact. When the exponents differ by 64 or more, the quotient
 * is taken 32 to 63 bits at a time and REM_INCOMPLETE returned.
 */
export function f80Rem(st: usize, d: usize, a: usize, b: usize, nearest: bool): i32 {
  if (isNotNumber(a) || isNotNumber(b)) {
    propagateNan80(st, d, a, b);
    return REM_NONE;
  }
  if (isInf80(a) || isZero80(b)) {
    invalid80(st, d);
    return REM_NONE;
  }
  if ((isDenormal80(a) || isDenormal80(b)) && raiseStops(st, Fp.DE)) return REM_NONE;
  if (isZero80(a) || isInf80(b)) {
    if (isDenormal80(a)) roundPack80(st, d, negativeOf(a), normalExp80(a), normalSig80(a), 0, 64);
    else f80Copy(d, a);
    return 0;
  }
  const diff = normalExp80(a) - normalExp80(b);
  if (diff >= 64) return partial(st, d, a, b, diff);
  if (diff < 0) return small(st, d, a, b, diff, nearest);
  return complete(st, d, a, b, diff, nearest);
}

/** Stores rem * 2^(exp of the unit), where rem is relative to a significand with the integer bit at 63. */
function putRest(st: usize, d: usize, sign: u32, exp: i32, rem: u64): void {
  if (rem == 0) return putZero(d, sign);
  const shift = <i32>clz(rem);
  roundPack80(st, d, sign, exp - shift, rem << shift, 0, 64);
}

function complete(st: usize, d: usize, a: usize, b: usize, diff: i32, nearest: bool): i32 {
  const sb = normalSig80(b);
  let sa = normalSig80(a);
  let q: u64 = 0;
  if (sa >= sb) {
    sa -= sb;
    q = (<u64>1) << diff;
  }
  let rem = sa;
  if (diff != 0) {
    const lo = sa << diff;
    const low = divWide(sa >> (64 - diff), lo, sb);
    rem = lo - low * sb;
    q += low;
  }
  let sign = negativeOf(a);
  if (nearest && (rem > sb - rem || (rem == sb - rem && (q & 1) != 0))) {
    rem = sb - rem;
    sign ^= 1;
    q++;
  }
  putRest(st, d, rem == 0 ? negativeOf(a) : sign, normalExp80(b), rem);
  return <i32>(q & 7);
}

/** |a| < |b|: the quotient is 0, or 1 for FPREM1 when |a| is above half of |b|. */
function small(st: usize, d: usize, a: usize, b: usize, diff: i32, nearest: bool): i32 {
  const sa = normalSig80(a);
  const sb = normalSig80(b);
  if (nearest && diff == -1 && sa > sb) {
    // In units of half of b's: 2 sb - sa, which is below sb.
    putRest(st, d, negativeOf(a) ^ 1, normalExp80(a), sb - (sa - sb));
    return 1;
  }
  roundPack80(st, d, negativeOf(a), normalExp80(a), sa, 0, 64);
  return 0;
}

function partial(st: usize, d: usize, a: usize, b: usize, diff: i32): i32 {
  const bits = (diff & 31) | 32;
  const sb = normalSig80(b);
  let sa = normalSig80(a);
  if (sa >= sb) sa -= sb;
  const lo = sa << bits;
  const rem = lo - divWide(sa >> (64 - bits), lo, sb) * sb;
  putRest(st, d, negativeOf(a), normalExp80(a) - bits, rem);
  return REM_INCOMPLETE;
}

/** FSCALE: d = a * 2^trunc(b). */
export function f80Scale(st: usize, d: usize, a: usize, b: usize): void {
  if (isNotNumber(a) || isNotNumber(b)) return propagateNan80(st, d, a, b);
  if (isInf80(b)) {
    const down = negativeOf(b) != 0;
    if (down ? isInf80(a) : isZero80(a)) return invalid80(st, d);
    if (isDenormal80(a) && raiseStops(st, Fp.DE)) return;
    return down ? putZero(d, negativeOf(a)) : putInf(d, negativeOf(a));
  }
  if ((isDenormal80(a) || isDenormal80(b)) && raiseStops(st, Fp.DE)) return;
  if (isInf80(a) || isZero80(a)) return f80Copy(d, a);
  const e = exponentOf(b) - F80_BIAS;
  // Beyond 2^16 every result overflows or underflows, and even the wrapped exponent of an unmasked one does.
  const n = e < 0 ? 0 : e > 16 ? 0x20000 : <i32>(sigOf(b) >> (63 - e));
  roundPack80(st, d, negativeOf(a), normalExp80(a) + (negativeOf(b) ? -n : n), normalSig80(a), 0, 64);
}

/** FXTRACT: `e` gets the unbiased exponent of a, `s` its significand with a zero exponent. `s` may be a. */
export function f80Extract(st: usize, e: usize, s: usize, a: usize): void {
  if (isNotNumber(a)) {
    propagateNan80(st, e, a, a);
    return f80Copy(s, e);
  }
  const sign = negativeOf(a);
  if (isZero80(a)) {
    raiseFp(st, Fp.ZE);
    putInf(e, 1);
    return putZero(s, sign);
  }
  if (isInf80(a)) {
    putInf(e, 0);
    return putInf(s, sign);
  }
  if (isDenormal80(a) && raiseStops(st, Fp.DE)) return;
  const exp = normalExp80(a) - F80_BIAS;
  const sig = normalSig80(a);
  f80FromInt(e, exp);
  put(s, sign, F80_BIAS, sig);
}
