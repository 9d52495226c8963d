/**
 * FSIN, FCOS, FSINCOS, FPTAN. The argument is reduced by the 66-bit value of pi that x87 processors use, exactly; then
 * both functions are summed as Taylor series on [0, pi/4]. [SDM] vol. 1, 8.3.8; vol. 2, FSIN
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
  normalExp80,
  normalSig80,
  propagateNan80,
  put,
  putZero,
} from "./f80";
import { Fp, raiseStops } from "./status";
import {
  fixedDiv,
  fixedMul,
  fixedOne,
  fixedSub,
  slotOf,
  xCopy,
  xDiv,
  xExp,
  xFromF80,
  xFromFixed,
  xMul,
  xSign,
  xToF80,
  xToFixed,
} from "./extended";
import { highOf, wide } from "./wide";

/** pi/2 in units of 2^-65: 66 bits. */
const HALF_PI_HIGH: u64 = 3;
const HALF_PI_LOW: u64 = 0x243f6a8885a308d3;
/** Last term of the series: (pi/4)^28 / 28! is below 2^-107. */
const LAST_TERM: i32 = 28;
/** Below 2^TINY the next term is less than a sticky bit. */
const TINY: i32 = -62;

/** Working slots. */
namespace Slot {
  export const ANGLE: usize = 0;
  export const SINE: usize = 1;
  export const COSINE: usize = 2;
  export const WORK: usize = 3;
}

/** What to compute, and what f80Trig answers. */
export namespace Trig {
  export const SIN: u32 = 0;
  export const COS: u32 = 1;
  export const SINCOS: u32 = 2;
  export const TAN: u32 = 3;
  /** done, nothing more to push */
  export const DONE: i32 = 0;
  /** the second result is valid */
  export const TWO: i32 = 1;
  /** |a| is 2^63 or more: C2, nothing changed */
  export const OUT_OF_RANGE: i32 = 2;
}

/** Reduces a finite a: |r| into slot ANGLE, r = a - quadrant * pi/2, sign in the slot. Returns the quadrant modulo 4. */
function reduce(st: usize, a: usize): u32 {
  const angle = slotOf(st, Slot.ANGLE);
  const shift = normalExp80(a) - F80_BIAS + 2;
  xFromF80(angle, a);
  if (shift < 0) return 0;
  let hi: u64 = 0;
  let lo = normalSig80(a);
  let quadrant: u32 = 0;
  for (let i = 0; i < shift; i++) {
    hi = (hi << 1) | (lo >> 63);
    lo <<= 1;
    quadrant <<= 1;
    if (hi > HALF_PI_HIGH || (hi == HALF_PI_HIGH && lo >= HALF_PI_LOW)) {
      hi -= HALF_PI_HIGH + u64(lo < HALF_PI_LOW);
      lo -= HALF_PI_LOW;
      quadrant |= 1;
    }
  }
  let sign = negativeOf(a);
  // Above pi/4 the distance to the next multiple is shorter.
  const restLo = HALF_PI_LOW - lo;
  const restHi = HALF_PI_HIGH - hi - u64(HALF_PI_LOW < lo);
  if (restHi < hi || (restHi == hi && restLo < lo)) {
    hi = restHi;
    lo = restLo;
    sign ^= 1;
    quadrant++;
  }
  xFromFixed(angle, sign, wide(hi, lo));
  // The unit is 2^-65, that of a Q1.127 number 2^-127.
  store<i32>(angle, xExp(angle) + 62, 16);
  return negativeOf(a) ? (0 - quadrant) & 3 : quadrant & 3;
}

/** 1 - z/(first * (first + 1)) * (1 - z/((first + 2)(first + 3)) * ...), never quite 1. */
function series(z: v128, first: i32): v128 {
  let sum = fixedOne();
  for (let k = LAST_TERM - (first & 1 ? 1 : 0); k >= first; k -= 2) {
    sum = fixedSub(fixedOne(), fixedDiv(fixedMul(z, sum), <u64>(k * (k + 1))));
  }
  return highOf(sum) >> 63 != 0 ? fixedSub(sum, wide(0, 1)) : sum;
}

/** Sine and cosine of slot ANGLE into SINE and COSINE. */
function evaluate(st: usize): void {
  const angle = slotOf(st, Slot.ANGLE);
  const work = slotOf(st, Slot.WORK);
  xMul(work, angle, angle);
  const z = xToFixed(work);
  xFromFixed(work, 0, series(z, 2));
  xMul(slotOf(st, Slot.SINE), angle, work);
  xFromFixed(slotOf(st, Slot.COSINE), 0, series(z, 1));
}

/** sin(r + quadrant pi/2); the slots are left as they were. */
function putSine(st: usize, d: usize, quadrant: u32): void {
  const slot = slotOf(st, quadrant & 1 ? Slot.COSINE : Slot.SINE);
  const sign = xSign(slot);
  store<u32>(slot, sign ^ ((quadrant >> 1) & 1), 20);
  xToF80(st, d, slot, true);
  store<u32>(slot, sign, 20);
}

/** cos x = sin(x + pi/2) */
function putCosine(st: usize, d: usize, quadrant: u32): void {
  putSine(st, d, quadrant + 1);
}

function putTangent(st: usize, d: usize, quadrant: u32): void {
  const sine = slotOf(st, Slot.SINE);
  const cosine = slotOf(st, Slot.COSINE);
  const result = slotOf(st, Slot.WORK);
  if (quadrant & 1) {
    xDiv(result, cosine, sine);
    store<u32>(result, xSign(result) ^ 1, 20);
  } else if (xExp(slotOf(st, Slot.ANGLE)) < TINY) {
    // tan r = r + r^3/3: just above r.
    xCopy(result, slotOf(st, Slot.ANGLE));
  } else xDiv(result, sine, cosine);
  xToF80(st, d, result, true);
}

/** Results for zeros: sin 0 = tan 0 = 0 with its sign, cos 0 = 1. */
function atZero(d: usize, second: usize, sign: u32, what: u32): i32 {
  if (what == Trig.COS) put(d, 0, F80_BIAS, INTEGER_BIT);
  else putZero(d, sign);
  put(second, 0, F80_BIAS, INTEGER_BIT);
  return Trig.TWO;
}

/**
 * The functions of a, by `what`: d = sin, cos or tan; `second` = cos for SINCOS and 1 for TAN. d is written after a is read.
 */
export function f80Trig(st: usize, d: usize, second: usize, a: usize, what: u32): i32 {
  if (isNotNumber(a)) {
    propagateNan80(st, d, a, a);
    f80Copy(second, d);
    return Trig.TWO;
  }
  if (isInf80(a)) {
    invalid80(st, d);
    f80Copy(second, d);
    return Trig.TWO;
  }
  if (exponentOf(a) >= F80_BIAS + 63) return Trig.OUT_OF_RANGE;
  if (isZero80(a)) return atZero(d, second, negativeOf(a), what);
  if (isDenormal80(a) && raiseStops(st, Fp.DE)) return Trig.DONE;
  const quadrant = reduce(st, a);
  evaluate(st);
  if (what == Trig.TAN) {
    putTangent(st, d, quadrant);
    put(second, 0, F80_BIAS, INTEGER_BIT);
    return Trig.TWO;
  }
  if (what == Trig.SINCOS) {
    // C1 tells of the cosine, which becomes the stack top.
    putSine(st, d, quadrant);
    store<u32>(st, load<u32>(st) & ~Fp.C1);
    putCosine(st, second, quadrant);
    return Trig.TWO;
  }
  if (what == Trig.COS) putCosine(st, d, quadrant);
  else putSine(st, d, quadrant);
  return Trig.DONE;
}
