/**
 * IEEE 754 binary32 and binary64 as bit patterns: classes, NaN rules of SSE, rounding and packing. T is u32 or u64.
 * Inside, a finite number is sign, biased exponent and a significand whose leading one stands at bit 62, with a sticky
 * lowest bit. Tininess is detected after rounding, as x86 does. [SDM] 1 4.8, 4.9, 11.5
 */
import { Fp, Rc, raiseFp, roundIncrement, roundingOf } from "./status";
import { shiftRightJam } from "./wide";

@inline
export function fracBits<T>(): i32 {
  return sizeof<T>() == 8 ? 52 : 23;
}

@inline
export function expMax<T>(): i32 {
  return sizeof<T>() == 8 ? 0x7ff : 0xff;
}

@inline
export function biasOf<T>(): i32 {
  return sizeof<T>() == 8 ? 1023 : 127;
}

@inline
export function signBit<T>(): u64 {
  return sizeof<T>() == 8 ? 0x8000000000000000 : 0x80000000;
}

@inline
export function hiddenBit<T>(): u64 {
  return (<u64>1) << fracBits<T>();
}

@inline
export function quietBit<T>(): u64 {
  return hiddenBit<T>() >> 1;
}

@inline
export function infBits<T>(): u64 {
  return (<u64>expMax<T>()) << fracBits<T>();
}

/** The default NaN: negative, quiet, payload zero. */
@inline
export function defaultNan<T>(): u64 {
  return signBit<T>() | infBits<T>() | quietBit<T>();
}

@inline
export function signOf<T>(a: u64): u32 {
  return <u32>(a >> (sizeof<T>() * 8 - 1));
}

@inline
export function expOf<T>(a: u64): i32 {
  return (<i32>(a >> fracBits<T>())) & expMax<T>();
}

@inline
export function absOf<T>(a: u64): u64 {
  return a & (signBit<T>() - 1);
}

@inline
export function isNan<T>(a: u64): bool {
  return absOf<T>(a) > infBits<T>();
}

@inline
export function isSignalling<T>(a: u64): bool {
  return isNan<T>(a) && (a & quietBit<T>()) == 0;
}

@inline
export function isInf<T>(a: u64): bool {
  return absOf<T>(a) == infBits<T>();
}

@inline
export function isZero<T>(a: u64): bool {
  return absOf<T>(a) == 0;
}

@inline
export function isDenormal<T>(a: u64): bool {
  return absOf<T>(a) - 1 < hiddenBit<T>() - 1;
}

/** Replaces a denormal by a zero of its sign under DAZ. */
@inline
export function flushInput<T>(status: u32, a: u64): u64 {
  return (status & Fp.DAZ) != 0 && isDenormal<T>(a) ? a & signBit<T>() : a;
}

/** Result of an operation with a NaN operand: the first operand's NaN if it is one, else the second's, quieted. */
export function propagateNan<T>(st: usize, a: u64, b: u64): u64 {
  if (isSignalling<T>(a) || isSignalling<T>(b)) raiseFp(st, Fp.IE);
  return (isNan<T>(a) ? a : b) | quietBit<T>();
}

/** An invalid operation: IE and the default NaN. */
export function invalid<T>(st: usize): u64 {
  raiseFp(st, Fp.IE);
  return defaultNan<T>();
}

/** Biased exponent of a nonzero finite number as if its range had no lower end. */
export function normalExp<T>(a: u64): i32 {
  const e = expOf<T>(a);
  return e != 0 ? e : 1 - <i32>clz(absOf<T>(a)) + (63 - fracBits<T>());
}

/** Significand of a nonzero finite number with its leading one at bit 62. */
export function normalSig<T>(a: u64): u64 {
  const frac = a & (hiddenBit<T>() - 1);
  if (expOf<T>(a) != 0) return (frac | hiddenBit<T>()) << (62 - fracBits<T>());
  return frac << (clz(frac) - 1);
}

@inline
function pack<T>(sign: u32, exp: i32, sig: u64): u64 {
  return (sign != 0 ? signBit<T>() : 0) + ((<u64>exp) << fracBits<T>()) + sig;
}

/** Drops the low bits of a significand under a rounding increment; ties go to even. */
@inline
function roundOff<T>(sig: u64, inc: u64, rc: u32): u64 {
  const drop = 62 - fracBits<T>();
  const mask = ((<u64>1) << drop) - 1;
  const r = (sig + inc) >> drop;
  return rc == Rc.NEAREST && (sig & mask) == (mask >> 1) + 1 ? r & ~1 : r;
}

function overflow<T>(st: usize, sign: u32, rc: u32, inexact: bool): u64 {
  const masked = (load<u32>(st) & Fp.OM) != 0;
  raiseFp(st, masked || inexact ? Fp.OE | Fp.PE : Fp.OE);
  const toInf = rc == Rc.NEAREST || (rc == Rc.UP && sign == 0) || (rc == Rc.DOWN && sign != 0);
  return pack<T>(sign, expMax<T>(), 0) - u64(!toInf);
}

function underflow<T>(st: usize, status: u32, sign: u32, exp: i32, sig: u64, inc: u64): u64 {
  const rc = roundingOf(status);
  const mask = ((<u64>1) << (62 - fracBits<T>())) - 1;
  const tiny = exp < 0 || roundOff<T>(sig, inc, rc) >> (fracBits<T>() + 1) == 0;
  if (tiny && (status & Fp.UM) == 0) {
    raiseFp(st, (sig & mask) != 0 ? Fp.UE | Fp.PE : Fp.UE);
    return pack<T>(sign, 0, 0);
  }
  if (tiny && (status & Fp.FTZ) != 0) {
    raiseFp(st, Fp.UE | Fp.PE);
    return pack<T>(sign, 0, 0);
  }
  const shifted = shiftRightJam(sig, 1 - exp);
  if ((shifted & mask) != 0) raiseFp(st, tiny ? Fp.UE | Fp.PE : Fp.PE);
  return pack<T>(sign, 0, roundOff<T>(shifted, inc, rc));
}

/** Rounds and packs sign, biased exponent and a significand with its leading one at bit 62 (lowest bit sticky). */
export function roundPack<T>(st: usize, sign: u32, exp: i32, sig: u64): u64 {
  const status = load<u32>(st);
  const rc = roundingOf(status);
  const mask = ((<u64>1) << (62 - fracBits<T>())) - 1;
  const inc = roundIncrement(rc, sign, mask);
  if (exp <= 0) return underflow<T>(st, status, sign, exp, sig, inc);
  const r = roundOff<T>(sig, inc, rc);
  const inexact = (sig & mask) != 0;
  if (exp + <i32>(r >> (fracBits<T>() + 1)) >= expMax<T>()) return overflow<T>(st, sign, rc, inexact);
  if (inexact) raiseFp(st, Fp.PE);
  // The hidden bit of r adds one to the exponent field; a carry out of the significand adds one more.
  return pack<T>(sign, exp - 1, r);
}
