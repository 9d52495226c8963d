/**
 * Whether the host's rounding lost anything, for the time before PE becomes sticky: the residue of an operation is
 * computed exactly in the same format (two-sum of Knuth, product of Dekker with Veltkamp's splitting), lane by lane.
 * Operands and results are zero or normal and round to nearest; where a residue could overflow or underflow the answer
 * is "unknown", and soft float decides.
 */
import { Vcpu } from "../gen/layout";
import { Fp } from "../softfloat";
import { FpOp } from "./sse-fp";

/** Largest and smallest magnitudes for which residues are exact. */
@inline
function highLimit<F>(): v128 {
  return sizeof<F>() == 4
    ? f32x4.splat(reinterpret<f32>(0x71800000))
    : f64x2.splat(reinterpret<f64>(0x7830000000000000));
}

@inline
function lowLimit<F>(): v128 {
  return sizeof<F>() == 4
    ? f32x4.splat(reinterpret<f32>(0x1c800000))
    : f64x2.splat(reinterpret<f64>(0x07b0000000000000));
}

/** 2 to the power of half the precision, plus one. */
@inline
function splitter<F>(): v128 {
  return sizeof<F>() == 4 ? f32x4.splat(4097) : f64x2.splat(134217729);
}

@inline
function belowLimit<F>(a: v128): v128 {
  return v128.lt<F>(v128.abs<F>(a), highLimit<F>());
}

/** Lanes whose products have an exact residue. */
@inline
function withinLimits<F>(a: v128): v128 {
  const nonzero = v128.gt<F>(v128.abs<F>(a), lowLimit<F>());
  return v128.and(belowLimit<F>(a), v128.or(nonzero, v128.eq<F>(a, v128.splat<F>(<F>0))));
}

/** a + b - r. */
@inline
function sumResidue<F>(a: v128, b: v128, r: v128): v128 {
  const fromB = v128.sub<F>(r, a);
  const fromA = v128.sub<F>(r, fromB);
  return v128.add<F>(v128.sub<F>(a, fromA), v128.sub<F>(b, fromB));
}

/** The upper half of each lane's significand. */
@inline
function upperHalf<F>(a: v128): v128 {
  const c = v128.mul<F>(a, splitter<F>());
  return v128.sub<F>(c, v128.sub<F>(c, a));
}

/** a * b - r. */
@inline
function productResidue<F>(a: v128, b: v128, r: v128): v128 {
  const ah = upperHalf<F>(a);
  const bh = upperHalf<F>(b);
  const al = v128.sub<F>(a, ah);
  const bl = v128.sub<F>(b, bh);
  const high = v128.sub<F>(v128.mul<F>(ah, bh), r);
  const middle = v128.add<F>(v128.add<F>(high, v128.mul<F>(ah, bl)), v128.mul<F>(al, bh));
  return v128.add<F>(middle, v128.mul<F>(al, bl));
}

@inline
function nonzero<F>(a: v128): v128 {
  return v128.ne<F>(a, v128.splat<F>(<F>0));
}

/** Lanes in which q * b is not exactly `a`. */
@inline
function quotientInexact<F>(a: v128, b: v128, q: v128): v128 {
  const p = v128.mul<F>(q, b);
  return v128.or(v128.ne<F>(p, a), nonzero<F>(productResidue<F>(q, b, p)));
}

/** Notes PE when some lane of `r`, the sum of `a` and `b`, was rounded. False when it cannot be told. */
@inline
export function noteSum<F>(cpu: Vcpu, a: v128, b: v128, r: v128): bool {
  const known = v128.and(v128.and(belowLimit<F>(a), belowLimit<F>(b)), belowLimit<F>(r));
  if (!allLanes<F>(known)) return false;
  if (v128.any_true(nonzero<F>(sumResidue<F>(a, b, r)))) cpu.mxcsr |= Fp.PE;
  return true;
}

/** The same for a product, a quotient, or the square root of `b`, by `op`. */
@inline
export function noteProduct<F>(cpu: Vcpu, op: i32, a: v128, b: v128, r: v128): bool {
  const known = v128.and(v128.and(withinLimits<F>(a), withinLimits<F>(b)), withinLimits<F>(r));
  if (!allLanes<F>(known)) return false;
  let inexact: v128;
  if (op == FpOp.MUL) inexact = nonzero<F>(productResidue<F>(a, b, r));
  else if (op == FpOp.DIV) inexact = quotientInexact<F>(a, b, r);
  else inexact = quotientInexact<F>(b, r, r);
  if (v128.any_true(inexact)) cpu.mxcsr |= Fp.PE;
  return true;
}

@inline
function allLanes<F>(mask: v128): bool {
  return sizeof<F>() == 4 ? i32x4.all_true(mask) : i64x2.all_true(mask);
}

/** Whether an integer of magnitude `m` has at most `precision` significant bits. */
@inline
export function fitsPrecision(m: u64, precision: u64): bool {
  return m == 0 || 64 - clz<u64>(m) - ctz<u64>(m) <= precision;
}
