/**
 * The x87 80-bit format: classes, NaN rule, rounding and packing. A number lies in a 16-byte slot: u64 significand with an
 * explicit integer bit at +0, u16 sign and exponent at +8. Functions take addresses and write the result last, so that
 * the destination may be an operand. [SDM] 1 4.2.2, 4.8.3, 8.2, 8.5
 *
 *   exponent  integer bit
 *   0         0            zero, denormal            0x7fff  1   infinity, NaN
 *   0         1            pseudo-denormal (valid)   0x7fff  0   pseudo-infinity, pseudo-NaN (unsupported)
 *   others    1            normal                    others  0   unnormal (unsupported)
 */
import { Fp, Rc, raiseFp, roundingOf } from "./status";
import { highOf, lowOf, wideShiftRightJam } from "./wide";

export const F80_BIAS: i32 = 0x3fff;
export const F80_EXP_MAX: i32 = 0x7fff;
export const INTEGER_BIT: u64 = 0x8000000000000000;
export const F80_QUIET: u64 = 0x4000000000000000;
/** Added to the exponent of a result whose underflow is unmasked, and taken away on overflow. [SDM] 1 8.5.4 */
const WRAP: i32 = 0x6000;

@inline
export function sigOf(a: usize): u64 {
  return load<u64>(a);
}

/** Sign and exponent. */
@inline
export function seOf(a: usize): u32 {
  return load<u16>(a, 8);
}

@inline
export function exponentOf(a: usize): i32 {
  return <i32>(load<u16>(a, 8) & 0x7fff);
}

@inline
export function negativeOf(a: usize): u32 {
  return (<u32>load<u16>(a, 8)) >> 15;
}

@inline
export function put(d: usize, sign: u32, exp: i32, sig: u64): void {
  store<u64>(d, sig);
  store<u16>(d, <u16>((sign << 15) | (<u32>exp)), 8);
}

@inline
export function f80Copy(d: usize, a: usize): void {
  const se = load<u16>(a, 8);
  store<u64>(d, load<u64>(a));
  store<u16>(d, se, 8);
}

@inline
export function isUnsupported(a: usize): bool {
  return exponentOf(a) != 0 && <i64>sigOf(a) >= 0;
}

@inline
export function isNan80(a: usize): bool {
  return exponentOf(a) == F80_EXP_MAX && sigOf(a) > INTEGER_BIT;
}

@inline
export function isSignalling80(a: usize): bool {
  return isNan80(a) && (sigOf(a) & F80_QUIET) == 0;
}

@inline
export function isInf80(a: usize): bool {
  return exponentOf(a) == F80_EXP_MAX && sigOf(a) == INTEGER_BIT;
}

@inline
export function isZero80(a: usize): bool {
  return exponentOf(a) == 0 && sigOf(a) == 0;
}

/** Denormal or pseudo-denormal: raises DE as an operand. */
@inline
export function isDenormal80(a: usize): bool {
  return exponentOf(a) == 0 && sigOf(a) != 0;
}

/** NaN or unsupported: the operation has no number to work on. */
@inline
export function isNotNumber(a: usize): bool {
  return isNan80(a) || isUnsupported(a);
}

/** Biased exponent of a nonzero finite number whose significand is shifted up to the integer bit. */
@inline
export function normalExp80(a: usize): i32 {
  return max(exponentOf(a), 1) - <i32>clz(sigOf(a));
}

@inline
export function normalSig80(a: usize): u64 {
  const sig = sigOf(a);
  return sig << clz(sig);
}

@inline
export function putZero(d: usize, sign: u32): void {
  put(d, sign, 0, 0);
}

@inline
export function putInf(d: usize, sign: u32): void {
  put(d, sign, F80_EXP_MAX, INTEGER_BIT);
}

/** The real indefinite. */
@inline
export function putDefaultNan(d: usize): void {
  put(d, 1, F80_EXP_MAX, INTEGER_BIT | F80_QUIET);
}

/** An invalid operation: IE and the real indefinite. */
export function invalid80(st: usize, d: usize): void {
  raiseFp(st, Fp.IE);
  putDefaultNan(d);
}

/** Result of a two-operand instruction when an operand is a NaN or unsupported. [SDM] 1 table 4-7 */
export function propagateNan80(st: usize, d: usize, a: usize, b: usize): void {
  if (isUnsupported(a) || isUnsupported(b)) return invalid80(st, d);
  const aSignals = isSignalling80(a);
  const bSignals = isSignalling80(b);
  if (aSignals || bSignals) raiseFp(st, Fp.IE);
  const nan = !isNan80(b) ? a : !isNan80(a) ? b : aSignals != bSignals ? (aSignals ? b : a) : largerNan(a, b);
  put(d, negativeOf(nan), F80_EXP_MAX, sigOf(nan) | F80_QUIET);
}

function largerNan(a: usize, b: usize): usize {
  if (sigOf(a) != sigOf(b)) return sigOf(a) > sigOf(b) ? a : b;
  return negativeOf(a) ? b : a;
}

/** Result precision of the arithmetic instructions: 24, 53 or 64 bits, by precision control. */
export function precisionOf(st: usize): u32 {
  const pc = (load<u32>(st) >> Fp.PC_SHIFT) & 3;
  return pc == 0 ? 24 : pc == 2 ? 53 : 64;
}

/** Whether rounding (hi:lo) to `drop` fewer bits than 64 adds one unit. */
function roundsUp(rc: u32, sign: u32, hi: u64, lo: u64, drop: u32): bool {
  let rest = lo;
  let last = hi & 1;
  if (drop != 0) {
    rest = (hi << (64 - drop)) | u64(lo != 0);
    last = (hi >> drop) & 1;
  }
  if (rc == Rc.NEAREST) return rest > INTEGER_BIT || (rest == INTEGER_BIT && last != 0);
  if (rc == Rc.ZERO) return false;
  return (rc == Rc.UP) == (sign == 0) && rest != 0;
}

/** Rounds (hi:lo) to a significand; zero means a carry out of the top (the value is 2^64). Sets C1 when it rose. */
function roundOff80(st: usize, rc: u32, sign: u32, hi: u64, lo: u64, drop: u32): u64 {
  const unit = (<u64>1) << drop;
  const kept = hi & ~(unit - 1);
  if (!roundsUp(rc, sign, hi, lo, drop)) return kept;
  raiseFp(st, Fp.C1);
  return kept + unit;
}

/**
 * Rounds and packs a nonzero number: biased exponent, 128-bit significand (hi:lo) with the leading one at the top and a
 * sticky lowest bit, to `precision` bits. Handles overflow and underflow, masked or not.
 */
export function roundPack80(st: usize, d: usize, sign: u32, exp: i32, hi: u64, lo: u64, precision: u32): void {
  const status = load<u32>(st);
  const rc = roundingOf(status);
  const drop = 64 - precision;
  if (exp <= 0) {
    const allOnes = (hi | (((<u64>1) << drop) - 1)) == U64.MAX_VALUE;
    const tiny = exp < 0 || !allOnes || !roundsUp(rc, sign, hi, lo, drop);
    if (!tiny || (status & Fp.UM) != 0) return denormalise(st, d, sign, exp, hi, lo, drop, tiny);
    raiseFp(st, Fp.UE);
    exp += WRAP;
    if (exp <= 0) {
      // FSCALE beyond even the wrapped range.
      raiseFp(st, Fp.PE);
      return putZero(d, sign);
    }
  }
  let sig = roundOff80(st, rc, sign, hi, lo, drop);
  const inexact = lo != 0 || (hi & (((<u64>1) << drop) - 1)) != 0;
  if (inexact) raiseFp(st, Fp.PE);
  if (sig == 0) {
    sig = INTEGER_BIT;
    exp++;
  }
  if (exp >= F80_EXP_MAX) return overflow80(st, d, sign, exp, sig, drop);
  put(d, sign, exp, sig);
}

function denormalise(st: usize, d: usize, sign: u32, exp: i32, hi: u64, lo: u64, drop: u32, tiny: bool): void {
  const v = wideShiftRightJam(hi, lo, 1 - exp);
  const sig = roundOff80(st, roundingOf(load<u32>(st)), sign, highOf(v), lowOf(v), drop);
  const inexact = lowOf(v) != 0 || (highOf(v) & (((<u64>1) << drop) - 1)) != 0;
  if (inexact) raiseFp(st, tiny ? Fp.UE | Fp.PE : Fp.PE);
  put(d, sign, <i32>(sig >> 63), sig);
}

function overflow80(st: usize, d: usize, sign: u32, exp: i32, sig: u64, drop: u32): void {
  const status = load<u32>(st);
  if ((status & Fp.OM) == 0) {
    raiseFp(st, Fp.OE);
    exp -= WRAP;
    if (exp < F80_EXP_MAX) return put(d, sign, exp, sig);
    raiseFp(st, Fp.PE | Fp.C1);
    return putInf(d, sign);
  }
  const rc = roundingOf(status);
  const toInf = rc == Rc.NEAREST || (rc == Rc.UP && sign == 0) || (rc == Rc.DOWN && sign != 0);
  store<u32>(st, (status & ~Fp.C1) | Fp.OE | Fp.PE | (toInf ? Fp.C1 : 0));
  if (toInf) putInf(d, sign);
  else put(d, sign, F80_EXP_MAX - 1, ~(((<u64>1) << drop) - 1));
}
