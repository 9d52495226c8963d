/**
 * SSE floating-point arithmetic: ADD, SUB, MUL, DIV, SQRT, MIN, MAX, horizontal and alternating sums, in packed and
 * scalar form. A host path in wasm SIMD, and a soft float path for all else (sse-fp.ts). [SDM] vol. 1, 10.4, 11.4, 12.3.
 */
import { Status, Vcpu } from "../gen/layout";
import { Rec } from "../decode/record";
import { fAdd, fCompare, fDiv, fMul, fSqrt, fSub, flushInput, Order } from "../softfloat";
import { noteProduct, noteSum } from "./sse-exact";
import {
  FpOp,
  beginFp,
  commitFp,
  denormals,
  finites,
  fpTemp,
  hostMode,
  infinity,
  isDenormalHost,
  minNormal,
  stickyPrecision,
} from "./sse-fp";

/** MIN and MAX: the second operand when either is a NaN or both are zeros. A NaN of any kind raises IE. */
function select<T>(st: usize, a: T, b: T, wanted: i32): T {
  const r = fCompare<T>(st, a, b, true) == wanted ? a : b;
  return <T>flushInput<T>(load<u32>(st), <u64>r);
}

/** One lane in soft float; T is u32 or u64. */
function lane<T>(op: i32, st: usize, a: T, b: T): T {
  switch (op) {
    case FpOp.ADD:
      return fAdd<T>(st, a, b);
    case FpOp.SUB:
      return fSub<T>(st, a, b);
    case FpOp.MUL:
      return fMul<T>(st, a, b);
    case FpOp.DIV:
      return fDiv<T>(st, a, b);
    case FpOp.SQRT:
      return fSqrt<T>(st, b);
    case FpOp.MIN:
      return select<T>(st, a, b, Order.LESS);
    default:
      return select<T>(st, a, b, Order.GREATER);
  }
}

/** A packed operation in soft float, into `d`. */
function softPacked<T>(cpu: Vcpu, op: i32, d: usize, a: v128, b: v128): i32 {
  const st = beginFp(cpu);
  const t = fpTemp(cpu);
  v128.store(t, a);
  v128.store(t, b, 16);
  for (let i: usize = 0; i < 16; i += sizeof<T>()) {
    const laneOp = op == FpOp.ADDSUB ? ((i & sizeof<T>()) != 0 ? FpOp.ADD : FpOp.SUB) : op;
    store<T>(t + i, lane<T>(laneOp, st, load<T>(t + i), load<T>(t + i, 16)));
  }
  return commitFp(cpu, d, 16);
}

/** A scalar operation in soft float, into the low lane of `d`. */
function softScalar<T>(cpu: Vcpu, op: i32, d: usize, s: usize): i32 {
  const st = beginFp(cpu);
  store<T>(fpTemp(cpu), lane<T>(op, st, load<T>(d), load<T>(s)));
  return commitFp(cpu, d, sizeof<T>());
}

/** Lanes that the host computed as the guest's processor would: F is f32 or f64, `op` a constant. */
@inline
function goodLanes<F>(op: i32, a: v128, b: v128, r: v128): v128 {
  if (op == FpOp.SQRT) return v128.andnot(finites<F>(r), denormals<F>(b));
  const tiny = v128.or(denormals<F>(a), denormals<F>(b));
  if (op != FpOp.MUL && op != FpOp.DIV) return v128.andnot(finites<F>(r), tiny);
  // A zero is exact only when it comes from a zero; the smallest normal number may have been rounded up to.
  const zero = v128.splat<F>(<F>0);
  const fromZero = op == FpOp.MUL ? v128.or(v128.eq<F>(a, zero), v128.eq<F>(b, zero)) : v128.eq<F>(a, zero);
  const normal = v128.gt<F>(v128.abs<F>(r), v128.splat<F>(minNormal<F>()));
  return v128.andnot(v128.and(finites<F>(r), v128.or(normal, fromZero)), tiny);
}

@inline
function hostPacked<F>(op: i32, a: v128, b: v128): v128 {
  if (op == FpOp.ADD) return v128.add<F>(a, b);
  if (op == FpOp.SUB) return v128.sub<F>(a, b);
  if (op == FpOp.MUL) return v128.mul<F>(a, b);
  if (op == FpOp.DIV) return v128.div<F>(a, b);
  if (op == FpOp.SQRT) return v128.sqrt<F>(b);
  return v128.add<F>(a, addend<F>(op, b));
}

/** What ADD, SUB and ADDSUB add to the first operand. */
@inline
function addend<F>(op: i32, b: v128): v128 {
  if (op == FpOp.ADD) return b;
  if (op == FpOp.SUB) return v128.neg<F>(b);
  const sign = sizeof<F>() == 4 ? i32x4(i32.MIN_VALUE, 0, i32.MIN_VALUE, 0) : i64x2(i64.MIN_VALUE, 0);
  return v128.xor(b, sign);
}

/** Decides PE of a host result and notes it; false when soft float has to. */
function noteInexact<F>(cpu: Vcpu, op: i32, a: v128, b: v128, r: v128): bool {
  if (op == FpOp.MUL || op == FpOp.DIV) return noteProduct<F>(cpu, op, a, b, r);
  if (op == FpOp.SQRT) return noteProduct<F>(cpu, op, b, b, r);
  return noteSum<F>(cpu, a, addend<F>(op, b), r);
}

/** A packed operation on `a` and `b` into `d`. F is f32 or f64, T the unsigned integer of its size. */
@inline
function packed<F, T>(cpu: Vcpu, op: i32, d: usize, a: v128, b: v128): i32 {
  if (hostMode(cpu)) {
    const r = hostPacked<F>(op, a, b);
    if (v128.all_true<T>(goodLanes<F>(op, a, b, r)) && (stickyPrecision(cpu) || noteInexact<F>(cpu, op, a, b, r))) {
      v128.store(d, r);
      return Status.NEXT;
    }
  }
  return softPacked<T>(cpu, op, d, a, b);
}

@inline
function hostScalar<F>(op: i32, a: F, b: F): F {
  if (op == FpOp.ADD) return a + b;
  if (op == FpOp.SUB) return a - b;
  if (op == FpOp.MUL) return a * b;
  if (op == FpOp.DIV) return a / b;
  return sqrt<F>(b);
}

@inline
function goodScalar<F>(op: i32, a: F, b: F, r: F): bool {
  if (!(abs<F>(r) < infinity<F>()) || isDenormalHost<F>(b)) return false;
  if (op == FpOp.SQRT) return true;
  if (isDenormalHost<F>(a)) return false;
  if (op == FpOp.ADD || op == FpOp.SUB) return true;
  return abs<F>(r) > minNormal<F>() || a == <F>0 || (op == FpOp.MUL && b == <F>0);
}

function noteScalar<F>(cpu: Vcpu, op: i32, a: F, b: F, r: F): bool {
  return noteInexact<F>(cpu, op, v128.splat<F>(a), v128.splat<F>(b), v128.splat<F>(r));
}

@inline
function scalar<F, T>(cpu: Vcpu, op: i32, d: usize, s: usize): i32 {
  if (hostMode(cpu)) {
    const a = load<F>(d);
    const b = load<F>(s);
    const r = hostScalar<F>(op, a, b);
    if (goodScalar<F>(op, a, b, r) && (stickyPrecision(cpu) || noteScalar<F>(cpu, op, a, b, r))) {
      store<F>(d, r);
      return Status.NEXT;
    }
  }
  return softScalar<T>(cpu, op, d, s);
}

/** Lanes whose minimum or maximum raises nothing. */
@inline
function plainLanes<F>(a: v128, b: v128): v128 {
  const ordered = v128.and(v128.eq<F>(a, a), v128.eq<F>(b, b));
  return v128.andnot(ordered, v128.or(denormals<F>(a), denormals<F>(b)));
}

/** MIN and MAX: wasm's pseudo-minimum with its operands exchanged is x86's. */
@inline
function packedSelect<F, T>(cpu: Vcpu, op: i32, d: usize, s: usize): i32 {
  const a = v128.load(d);
  const b = v128.load(s);
  if (hostMode(cpu) && v128.all_true<T>(plainLanes<F>(a, b))) {
    v128.store(d, op == FpOp.MIN ? v128.pmin<F>(b, a) : v128.pmax<F>(b, a));
    return Status.NEXT;
  }
  return softPacked<T>(cpu, op, d, a, b);
}

@inline
function scalarSelect<F, T>(cpu: Vcpu, op: i32, d: usize, s: usize): i32 {
  const a = load<F>(d);
  const b = load<F>(s);
  if (hostMode(cpu) && a == a && b == b && !isDenormalHost<F>(a) && !isDenormalHost<F>(b)) {
    store<F>(d, (op == FpOp.MIN ? a < b : a > b) ? a : b);
    return Status.NEXT;
  }
  return softScalar<T>(cpu, op, d, s);
}

export function addps(cpu: Vcpu, rec: Rec, d: usize, s: usize): i32 {
  return packed<f32, u32>(cpu, FpOp.ADD, d, v128.load(d), v128.load(s));
}

export function addpd(cpu: Vcpu, rec: Rec, d: usize, s: usize): i32 {
  return packed<f64, u64>(cpu, FpOp.ADD, d, v128.load(d), v128.load(s));
}

export function addss(cpu: Vcpu, rec: Rec, d: usize, s: usize): i32 {
  return scalar<f32, u32>(cpu, FpOp.ADD, d, s);
}

export function addsd(cpu: Vcpu, rec: Rec, d: usize, s: usize): i32 {
  return scalar<f64, u64>(cpu, FpOp.ADD, d, s);
}

export function subps(cpu: Vcpu, rec: Rec, d: usize, s: usize): i32 {
  return packed<f32, u32>(cpu, FpOp.SUB, d, v128.load(d), v128.load(s));
}

export function subpd(cpu: Vcpu, rec: Rec, d: usize, s: usize): i32 {
  return packed<f64, u64>(cpu, FpOp.SUB, d, v128.load(d), v128.load(s));
}

export function subss(cpu: Vcpu, rec: Rec, d: usize, s: usize): i32 {
  return scalar<f32, u32>(cpu, FpOp.SUB, d, s);
}

export function subsd(cpu: Vcpu, rec: Rec, d: usize, s: usize): i32 {
  return scalar<f64, u64>(cpu, FpOp.SUB, d, s);
}

export function mulps(cpu: Vcpu, rec: Rec, d: usize, s: usize): i32 {
  return packed<f32, u32>(cpu, FpOp.MUL, d, v128.load(d), v128.load(s));
}

export function mulpd(cpu: Vcpu, rec: Rec, d: usize, s: usize): i32 {
  return packed<f64, u64>(cpu, FpOp.MUL, d, v128.load(d), v128.load(s));
}

export function mulss(cpu: Vcpu, rec: Rec, d: usize, s: usize): i32 {
  return scalar<f32, u32>(cpu, FpOp.MUL, d, s);
}

export function mulsd(cpu: Vcpu, rec: Rec, d: usize, s: usize): i32 {
  return scalar<f64, u64>(cpu, FpOp.MUL, d, s);
}

export function divps(cpu: Vcpu, rec: Rec, d: usize, s: usize): i32 {
  return packed<f32, u32>(cpu, FpOp.DIV, d, v128.load(d), v128.load(s));
}

export function divpd(cpu: Vcpu, rec: Rec, d: usize, s: usize): i32 {
  return packed<f64, u64>(cpu, FpOp.DIV, d, v128.load(d), v128.load(s));
}

export function divss(cpu: Vcpu, rec: Rec, d: usize, s: usize): i32 {
  return scalar<f32, u32>(cpu, FpOp.DIV, d, s);
}

export function divsd(cpu: Vcpu, rec: Rec, d: usize, s: usize): i32 {
  return scalar<f64, u64>(cpu, FpOp.DIV, d, s);
}

export function sqrtps(cpu: Vcpu, rec: Rec, d: usize, s: usize): i32 {
  return packed<f32, u32>(cpu, FpOp.SQRT, d, v128.load(d), v128.load(s));
}

export function sqrtpd(cpu: Vcpu, rec: Rec, d: usize, s: usize): i32 {
  return packed<f64, u64>(cpu, FpOp.SQRT, d, v128.load(d), v128.load(s));
}

export function sqrtss(cpu: Vcpu, rec: Rec, d: usize, s: usize): i32 {
  return scalar<f32, u32>(cpu, FpOp.SQRT, d, s);
}

export function sqrtsd(cpu: Vcpu, rec: Rec, d: usize, s: usize): i32 {
  return scalar<f64, u64>(cpu, FpOp.SQRT, d, s);
}

export function minps(cpu: Vcpu, rec: Rec, d: usize, s: usize): i32 {
  return packedSelect<f32, u32>(cpu, FpOp.MIN, d, s);
}

export function minpd(cpu: Vcpu, rec: Rec, d: usize, s: usize): i32 {
  return packedSelect<f64, u64>(cpu, FpOp.MIN, d, s);
}

export function minss(cpu: Vcpu, rec: Rec, d: usize, s: usize): i32 {
  return scalarSelect<f32, u32>(cpu, FpOp.MIN, d, s);
}

export function minsd(cpu: Vcpu, rec: Rec, d: usize, s: usize): i32 {
  return scalarSelect<f64, u64>(cpu, FpOp.MIN, d, s);
}

export function maxps(cpu: Vcpu, rec: Rec, d: usize, s: usize): i32 {
  return packedSelect<f32, u32>(cpu, FpOp.MAX, d, s);
}

export function maxpd(cpu: Vcpu, rec: Rec, d: usize, s: usize): i32 {
  return packedSelect<f64, u64>(cpu, FpOp.MAX, d, s);
}

export function maxss(cpu: Vcpu, rec: Rec, d: usize, s: usize): i32 {
  return scalarSelect<f32, u32>(cpu, FpOp.MAX, d, s);
}

export function maxsd(cpu: Vcpu, rec: Rec, d: usize, s: usize): i32 {
  return scalarSelect<f64, u64>(cpu, FpOp.MAX, d, s);
}

// Horizontal: pairs of the destination make the low half, pairs of the source the high half.

export function haddps(cpu: Vcpu, rec: Rec, d: usize, s: usize): i32 {
  const a = v128.load(d);
  const b = v128.load(s);
  const even = v128.shuffle<i32>(a, b, 0, 2, 4, 6);
  return packed<f32, u32>(cpu, FpOp.ADD, d, even, v128.shuffle<i32>(a, b, 1, 3, 5, 7));
}

export function haddpd(cpu: Vcpu, rec: Rec, d: usize, s: usize): i32 {
  const a = v128.load(d);
  const b = v128.load(s);
  return packed<f64, u64>(cpu, FpOp.ADD, d, v128.shuffle<i64>(a, b, 0, 2), v128.shuffle<i64>(a, b, 1, 3));
}

export function hsubps(cpu: Vcpu, rec: Rec, d: usize, s: usize): i32 {
  const a = v128.load(d);
  const b = v128.load(s);
  const even = v128.shuffle<i32>(a, b, 0, 2, 4, 6);
  return packed<f32, u32>(cpu, FpOp.SUB, d, even, v128.shuffle<i32>(a, b, 1, 3, 5, 7));
}

export function hsubpd(cpu: Vcpu, rec: Rec, d: usize, s: usize): i32 {
  const a = v128.load(d);
  const b = v128.load(s);
  return packed<f64, u64>(cpu, FpOp.SUB, d, v128.shuffle<i64>(a, b, 0, 2), v128.shuffle<i64>(a, b, 1, 3));
}

export function addsubps(cpu: Vcpu, rec: Rec, d: usize, s: usize): i32 {
  return packed<f32, u32>(cpu, FpOp.ADDSUB, d, v128.load(d), v128.load(s));
}

export function addsubpd(cpu: Vcpu, rec: Rec, d: usize, s: usize): i32 {
  return packed<f64, u64>(cpu, FpOp.ADDSUB, d, v128.load(d), v128.load(s));
}
