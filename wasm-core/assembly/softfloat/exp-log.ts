/**
 * F2XM1, FYL2X, FYL2XP1. Logarithms are taken of m / c with c the nearest eighth, as twice an inverse hyperbolic
 * tangent; powers as the series of e^t - 1. [SDM] vol. 1, 8.3.9; vol. 2, F2XM1, FYL2X, FYL2XP1
 */
import {
  F80_BIAS,
  INTEGER_BIT,
  exponentOf,
  f80Copy,
  invalid80,
  isDenormal80,
  isInf80,
  isNotNumber,
  isZero80,
  negativeOf,
  propagateNan80,
  put,
  putInf,
  putZero,
  sigOf,
} from "./f80";
import { Fp, raiseFp, raiseStops } from "./status";
import {
  ONE_HIGH,
  fixedAdd,
  fixedDiv,
  fixedMul,
  fixedOne,
  fixedSub,
  slotOf,
  xAdd,
  xDiv,
  xExp,
  xFromF80,
  xFromFixed,
  xFromInt,
  xHigh,
  xMul,
  xScale,
  xSet,
  xSign,
  xSub,
  xToF80,
  xToFixed,
} from "./extended";

const LN2_HIGH: u64 = 0xb17217f7d1cf79ab;
const LN2_LOW: u64 = 0xc9e3b39803f2f6af;
const LOG2E_HIGH: u64 = 0xb8aa3b295c17f0bb;
const LOG2E_LOW: u64 = 0xbe87fed0691d3e89;
/** (ln 2)^27 / 27! is below 2^-107. */
const EXP_TERMS: u64 = 27;
/** |s| is below 1/22, so s^26 / 27 is below 2^-120. */
const LOG_TERMS: i32 = 27;

/** log2(c / 8) for c = 6 to 11: sign, exponent, significand. */
const LOG2_TABLE: usize = memory.data<u64>([
  1,
  <u64>-2,
  0xd47fcb8c0852f0c0,
  0xbfe9dbebf2e8a45e,
  1,
  <u64>-3,
  0xc544c055fde99333,
  0x54dbf16fb0695ee3,
  0,
  0,
  0,
  0,
  0,
  <u64>-3,
  0xae00d1cfdeb43cfd,
  0x00589050345d6e89,
  0,
  <u64>-2,
  0xa4d3c25e68dc57f2,
  0x495fb7fa6d7eda67,
  0,
  <u64>-2,
  0xeb3a9f01975077f1,
  0xf5f0cc82aaa9ad7e,
]);

/** Working slots. */
namespace Slot {
  export const X: usize = 0;
  export const LOG: usize = 1;
  export const C: usize = 2;
  export const NUM: usize = 3;
  export const DEN: usize = 4;
  export const WORK: usize = 5;
}

/** LOG = log2 of (c/8 + num) where X holds the number itself, near c/8, and NUM its exact distance. */
function logNear(st: usize, c: i32): void {
  const x = slotOf(st, Slot.X);
  const num = slotOf(st, Slot.NUM);
  const den = slotOf(st, Slot.DEN);
  const s = slotOf(st, Slot.WORK);
  const log = slotOf(st, Slot.LOG);
  xAdd(den, x, slotOf(st, Slot.C));
  xDiv(s, num, den);
  xMul(den, s, s);
  const z = xToFixed(den);
  // atanh s = s * (1 + z/3 + z^2/5 + ...)
  let sum = fixedDiv(fixedOne(), LOG_TERMS);
  for (let k = LOG_TERMS - 2; k > 0; k -= 2) sum = fixedAdd(fixedDiv(fixedOne(), k), fixedMul(z, sum));
  xFromFixed(den, 0, sum);
  xMul(log, s, den);
  xSet(den, 0, 0, LOG2E_HIGH, LOG2E_LOW);
  xMul(log, log, den);
  if (xHigh(log) != 0) xScale(log, 1);
  const entry = LOG2_TABLE + <usize>(c - 6) * 32;
  xSet(den, <u32>load<u64>(entry), <i32>load<u64>(entry, 8), load<u64>(entry, 16), load<u64>(entry, 24));
  xAdd(log, log, den);
}

/** LOG = log2 of slot X, positive. True when the result is exact. */
function log2Of(st: usize): bool {
  const x = slotOf(st, Slot.X);
  let n = xExp(x);
  const power = xHigh(x) == ONE_HIGH && load<u64>(x, 8) == 0;
  // m in [1/2, 1) above sqrt 2, so that n + log2 m never cancels.
  const high = xHigh(x) > 0xb504f333f9de6484;
  if (high) n++;
  store<i32>(x, high ? -1 : 0, 16);
  const c = (<i32>((xHigh(x) >> (high ? 60 : 59)) + 1)) >> 1;
  const nearest = slotOf(st, Slot.C);
  xFromInt(nearest, c);
  xScale(nearest, -3);
  xSub(slotOf(st, Slot.NUM), x, nearest);
  logNear(st, c);
  xFromInt(slotOf(st, Slot.WORK), n);
  xAdd(slotOf(st, Slot.LOG), slotOf(st, Slot.LOG), slotOf(st, Slot.WORK));
  return power;
}

/** d = y * LOG. PE is set even when the logarithm of a power of two is exact, as processors do. */
function putProduct(st: usize, d: usize, y: usize, exact: bool): void {
  if (exact) raiseFp(st, Fp.PE);
  const work = slotOf(st, Slot.WORK);
  xFromF80(work, y);
  xMul(work, work, slotOf(st, Slot.LOG));
  xToF80(st, d, work, !exact);
}

/** Sign of log2(x) for x >= 0: negative below 1. */
@inline
function belowOne(x: usize): u32 {
  return u32(exponentOf(x) < F80_BIAS);
}

@inline
function isOne(x: usize): bool {
  return exponentOf(x) == F80_BIAS && sigOf(x) == INTEGER_BIT;
}

/** FYL2X where x is zero or infinite, or y is. */
function yl2xSpecial(st: usize, d: usize, x: usize, y: usize): void {
  const sign = negativeOf(y) ^ belowOne(x);
  if (isZero80(x)) {
    if (isZero80(y)) return invalid80(st, d);
    if (!isInf80(y)) raiseFp(st, Fp.ZE);
    return putInf(d, sign);
  }
  if (isInf80(x) ? isZero80(y) : isOne(x)) return invalid80(st, d);
  putInf(d, sign);
}

/** FYL2X: d = y * log2(x). */
export function f80Yl2x(st: usize, d: usize, x: usize, y: usize): void {
  if (isNotNumber(x) || isNotNumber(y)) return propagateNan80(st, d, x, y);
  if (negativeOf(x) && !isZero80(x)) return invalid80(st, d);
  const special = isZero80(x) || isInf80(x) || isInf80(y);
  if (special && isZero80(x) && !isInf80(y)) return yl2xSpecial(st, d, x, y);
  if ((isDenormal80(x) || isDenormal80(y)) && raiseStops(st, Fp.DE)) return;
  if (special) return yl2xSpecial(st, d, x, y);
  if (isZero80(y) || isOne(x)) return putZero(d, negativeOf(y) ^ belowOne(x));
  xFromF80(slotOf(st, Slot.X), x);
  putProduct(st, d, y, log2Of(st));
}

/** FYL2XP1: d = y * log2(x + 1); for |x| below 1/16 without ever adding the one. */
export function f80Yl2xp1(st: usize, d: usize, x: usize, y: usize): void {
  if (isNotNumber(x) || isNotNumber(y)) return propagateNan80(st, d, x, y);
  const sign = negativeOf(x) ^ negativeOf(y);
  if ((isZero80(x) && isInf80(y)) || (isInf80(x) && (negativeOf(x) || isZero80(y)))) return invalid80(st, d);
  if ((isDenormal80(x) || isDenormal80(y)) && raiseStops(st, Fp.DE)) return;
  if (isInf80(x) || isInf80(y)) return putInf(d, sign);
  if (isZero80(x) || isZero80(y)) return putZero(d, sign);
  if (negativeOf(x) && exponentOf(x) >= F80_BIAS) {
    // No logarithm, but not invalid either: processors hand x back.
    raiseFp(st, Fp.PE);
    return f80Copy(d, x);
  }
  const sum = slotOf(st, Slot.X);
  const one = slotOf(st, Slot.C);
  const e = slotOf(st, Slot.NUM);
  xFromF80(e, x);
  xFromInt(one, 1);
  xAdd(sum, one, e);
  if (exponentOf(x) < F80_BIAS - 4) {
    logNear(st, 8);
    putProduct(st, d, y, false);
  } else putProduct(st, d, y, log2Of(st));
}

/** F2XM1: d = 2^x - 1, for x from -1 to 1; beyond, where the manual promises nothing, x itself. */
export function f80Exp2m1(st: usize, d: usize, x: usize): void {
  if (isNotNumber(x)) return propagateNan80(st, d, x, x);
  if (isDenormal80(x) && raiseStops(st, Fp.DE)) return;
  const e = exponentOf(x) - F80_BIAS;
  if (isInf80(x)) return negativeOf(x) ? put(d, 1, F80_BIAS, INTEGER_BIT) : f80Copy(d, x);
  if (isZero80(x)) return putZero(d, negativeOf(x));
  if (e >= 0) {
    raiseFp(st, isOne(x) && negativeOf(x) == 0 ? Fp.PE | Fp.C1 : Fp.PE);
    return isOne(x) && negativeOf(x) ? put(d, 1, F80_BIAS - 1, INTEGER_BIT) : f80Copy(d, x);
  }
  const t = slotOf(st, Slot.X);
  const work = slotOf(st, Slot.WORK);
  xFromF80(t, x);
  xSet(work, 0, -1, LN2_HIGH, LN2_LOW);
  xMul(t, t, work);
  // (e^t - 1) / t = 1 + t/2 (1 + t/3 (1 + ...))
  const magnitude = xToFixed(t);
  const negative = xSign(t) != 0;
  let sum = fixedOne();
  for (let k = EXP_TERMS; k >= 2; k--) {
    const term = fixedDiv(fixedMul(magnitude, sum), k);
    sum = negative ? fixedSub(fixedOne(), term) : fixedAdd(fixedOne(), term);
  }
  xFromFixed(work, 0, sum);
  xMul(t, t, work);
  xToF80(st, d, t, true);
}
