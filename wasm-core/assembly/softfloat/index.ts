/**
 * Soft floating point with the results and exception flags of an x86 processor. Values are bit patterns: T is u32 for
 * binary32 and u64 for binary64; an 80-bit number lies in memory, 16 bytes a slot (u64 significand, u16 sign and exponent).
 *
 * Every function works under a status word in memory, `st` (status.ts): a copy of MXCSR. The caller copies MXCSR there,
 * runs one operation for each element, takes the flags, and raises #XM before it commits anything when a *new* flag is
 * unmasked: with an unmasked exception in MXCSR, clear the flag bits (5:0) of the copy first. With all exceptions
 * masked, leave them in: PE already set is what lets the host's own arithmetic be used.
 */
export { Fp, Rc, raiseFp, roundingOf } from "./status";
export { fAdd, fDiv, fMul, fSqrt, fSub } from "./arith";
export { Order, fCompare } from "./compare";
export { f32ToF64, f64ToF32, fFromInt, fRoundToIntegral, fToInt } from "./convert";
export {
  defaultNan,
  flushInput,
  infBits,
  isDenormal,
  isInf,
  isNan,
  isSignalling,
  isZero,
  propagateNan,
  quietBit,
  signBit,
} from "./binary";
export { f80Add, f80Compare, f80Div, f80Mul, f80Sqrt, f80Sub } from "./f80-arith";
export { f80FromBcd, f80FromF, f80FromInt, f80RoundToIntegral, f80ToBcd, f80ToF, f80ToInt } from "./f80-convert";
export { REM_INCOMPLETE, REM_NONE, f80Extract, f80Rem, f80Scale } from "./f80-rem";
export {
  F80_EXP_MAX,
  F80_QUIET,
  exponentOf,
  f80Copy,
  isInf80,
  isNan80,
  isSignalling80,
  isUnsupported,
  isZero80,
  negativeOf,
  put,
  putDefaultNan,
  putZero,
} from "./f80";
export { Trig, f80Trig } from "./trig";
export { f80Exp2m1, f80Yl2x, f80Yl2xp1 } from "./exp-log";
export { f80Atan } from "./atan";
