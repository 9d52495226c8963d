/** Add, subtract, multiply, divide, square root and compare on 80-bit numbers, rounded by precision control. */
import { Order } from "./compare";
import {
  F80_BIAS,
  exponentOf,
  f80Copy,
  invalid80,
  isDenormal80,
  isInf80,
  isNotNumber,
  isSignalling80,
  isUnsupported,
  isZero80,
  negativeOf,
  normalExp80,
  normalSig80,
  precisionOf,
  propagateNan80,
  putInf,
  putZero,
  roundPack80,
  sigOf,
} from "./f80";
import { Fp, Rc, raiseFp, raiseStops, roundingOf } from "./status";
import { divWide, highOf, lowOf, mulHigh, sqrtWide, wideShiftLeft, wideShiftRightJam } from "./wide";

@inline
function denormalStops(st: usize, a: usize, b: usize): bool {
  return (isDenormal80(a) || isDenormal80(b) || (load<u32>(st) & Fp.DIN) != 0) && raiseStops(st, Fp.DE);
}

/** d = a + b. */
export function f80Add(st: usize, d: usize, a: usize, b: usize): void {
  addSigned(st, d, a, b, 0);
}

/** d = a - b. */
export function f80Sub(st: usize, d: usize, a: usize, b: usize): void {
  addSigned(st, d, a, b, 1);
}

function addSigned(st: usize, d: usize, a: usize, b: usize, flip: u32): void {
  if (isNotNumber(a) || isNotNumber(b)) return propagateNan80(st, d, a, b);
  const aSign = negativeOf(a);
  const bSign = negativeOf(b) ^ flip;
  const aInf = isInf80(a);
  const bInf = isInf80(b);
  if (aInf && bInf && aSign != bSign) return invalid80(st, d);
  if (denormalStops(st, a, b)) return;
  if (aInf || bInf) return putInf(d, aInf ? aSign : bSign);
  const aExp = max(exponentOf(a), 1);
  const bExp = max(exponentOf(b), 1);
  const swap = bExp > aExp || (bExp == aExp && sigOf(b) > sigOf(a));
  const big = swap ? sigOf(b) : sigOf(a);
  const small = wideShiftRightJam(swap ? sigOf(a) : sigOf(b), 0, abs(aExp - bExp));
  const exp = swap ? bExp : aExp;
  const sign = swap ? bSign : aSign;
  if (aSign == bSign) addMagnitudes(st, d, sign, exp, big, highOf(small), lowOf(small));
  else subMagnitudes(st, d, sign, exp, big, highOf(small), lowOf(small));
}

function addMagnitudes(st: usize, d: usize, sign: u32, exp: i32, big: u64, hi: u64, lo: u64): void {
  const sum = big + hi;
  if ((sum | lo) == 0 && big == 0) return putZero(d, sign);
  if (sum < big) {
    const v = wideShiftRightJam(sum, lo, 1);
    return roundPack80(st, d, sign, exp + 1, highOf(v) | 0x8000000000000000, lowOf(v), precisionOf(st));
  }
  const shift = <i32>clz(sum);
  const v = wideShiftLeft(sum, lo, shift);
  roundPack80(st, d, sign, exp - shift, highOf(v), lowOf(v), precisionOf(st));
}

function subMagnitudes(st: usize, d: usize, sign: u32, exp: i32, big: u64, hi: u64, lo: u64): void {
  const low = 0 - lo;
  const high = big - hi - u64(lo != 0);
  if ((high | low) == 0) return putZero(d, u32(roundingOf(load<u32>(st)) == Rc.DOWN));
  const shift = <i32>(high != 0 ? clz(high) : 64 + clz(low));
  const v = wideShiftLeft(high, low, shift);
  roundPack80(st, d, sign, exp - shift, highOf(v), lowOf(v), precisionOf(st));
}

/** d = a * b. */
export function f80Mul(st: usize, d: usize, a: usize, b: usize): void {
  if (isNotNumber(a) || isNotNumber(b)) return propagateNan80(st, d, a, b);
  const sign = negativeOf(a) ^ negativeOf(b);
  const inf = isInf80(a) || isInf80(b);
  const zero = isZero80(a) || isZero80(b);
  if (inf && zero) return invalid80(st, d);
  if (denormalStops(st, a, b)) return;
  if (inf) return putInf(d, sign);
  if (zero) return putZero(d, sign);
  const sa = normalSig80(a);
  const sb = normalSig80(b);
  const exp = normalExp80(a) + normalExp80(b) - F80_BIAS;
  const hi = mulHigh(sa, sb);
  const lo = sa * sb;
  if (<i64>hi < 0) return roundPack80(st, d, sign, exp + 1, hi, lo, precisionOf(st));
  roundPack80(st, d, sign, exp, (hi << 1) | (lo >> 63), lo << 1, precisionOf(st));
}

/** d = a / b. */
export function f80Div(st: usize, d: usize, a: usize, b: usize): void {
  if (isNotNumber(a) || isNotNumber(b)) return propagateNan80(st, d, a, b);
  const sign = negativeOf(a) ^ negativeOf(b);
  if ((isInf80(a) && isInf80(b)) || (isZero80(a) && isZero80(b))) return invalid80(st, d);
  if (isZero80(b) && !isInf80(a)) {
    raiseFp(st, Fp.ZE);
    return putInf(d, sign);
  }
  if (denormalStops(st, a, b)) return;
  if (isInf80(a)) return putInf(d, sign);
  if (isInf80(b) || isZero80(a)) return putZero(d, sign);
  const sa = normalSig80(a);
  const sb = normalSig80(b);
  const less = u32(sa < sb);
  const lo = less ? 0 : sa << 63;
  const q = divWide(less ? sa : sa >> 1, lo, sb);
  const rem = lo - q * sb;
  const exp = normalExp80(a) - normalExp80(b) + F80_BIAS - less;
  // The rest of the quotient: one half bit and a sticky bit.
  const half = u64(rem >= sb - rem);
  roundPack80(st, d, sign, exp, q, (half << 63) | u64(rem != 0 && rem != sb - rem), precisionOf(st));
}

/** d = square root of a. */
export function f80Sqrt(st: usize, d: usize, a: usize): void {
  if (isNotNumber(a)) return propagateNan80(st, d, a, a);
  if (isZero80(a)) return f80Copy(d, a);
  if (negativeOf(a)) return invalid80(st, d);
  if (denormalStops(st, a, a)) return;
  if (isInf80(a)) return f80Copy(d, a);
  const e = normalExp80(a) - F80_BIAS;
  const odd = e & 1;
  const sig = normalSig80(a);
  const root = odd ? sqrtWide(sig, 0) : sqrtWide(sig >> 1, sig << 63);
  roundPack80(st, d, 0, ((e - odd) >> 1) + F80_BIAS, highOf(root), lowOf(root), precisionOf(st));
}

/** An Order. IE for signalling NaNs and unsupported operands, and for any NaN when `signalling`. */
export function f80Compare(st: usize, a: usize, b: usize, signalling: bool): i32 {
  if (isNotNumber(a) || isNotNumber(b)) {
    const invalid = isSignalling80(a) || isSignalling80(b) || isUnsupported(a) || isUnsupported(b);
    if (signalling || invalid) raiseFp(st, Fp.IE);
    return Order.UNORDERED;
  }
  denormalStops(st, a, b);
  if (isZero80(a) && isZero80(b)) return Order.EQUAL;
  const negative = negativeOf(a);
  if (negative != negativeOf(b)) return negative ? Order.LESS : Order.GREATER;
  const aExp = max(exponentOf(a), 1);
  const bExp = max(exponentOf(b), 1);
  if (aExp == bExp && sigOf(a) == sigOf(b)) return Order.EQUAL;
  const smaller = aExp != bExp ? aExp < bExp : sigOf(a) < sigOf(b);
  return smaller == (negative == 0) ? Order.LESS : Order.GREATER;
}
