/**
 * What SSE floating-point instructions share: MXCSR as a status word, the commit of flags or #XM, and the tests that
 * let the host's own arithmetic stand in for the soft float library. [SDM] vol. 1, 10.2.3, 11.5.
 *
 * The host path is taken when it is bit-identical, flags included: round to nearest, no DAZ or FTZ, every exception
 * masked, operands zero or normal, results that raise nothing but PE, which is already sticky or can be decided exactly
 * (sse-exact.ts). Everything else is done lane by lane in soft float, in Vcpu.sseTemp, and reaches the destination only
 * when no unmasked exception is met.
 */
import { Status, Vcpu, VcpuOff } from "../gen/layout";
import { Cr4 } from "../cpu/control-bits";
import { Vector, raise } from "../cpu/faults";
import { Fp } from "../softfloat";

const PRE_COMPUTATION: u32 = Fp.IE | Fp.DE | Fp.ZE;
const HOST_BITS: u32 = Fp.MASKS | Fp.RC_MASK | Fp.DAZ | Fp.FTZ;

/** Operations that share a path, so that one function can be told which. */
export namespace FpOp {
  export const ADD: i32 = 0;
  export const SUB: i32 = 1;
  export const MUL: i32 = 2;
  export const DIV: i32 = 3;
  export const SQRT: i32 = 4;
  export const MIN: i32 = 5;
  export const MAX: i32 = 6;
  /** subtract in even lanes, add in odd ones */
  export const ADDSUB: i32 = 7;
}

/** Opens the status word of one instruction; returns its address. */
export function beginFp(cpu: Vcpu): usize {
  const mxcsr = cpu.mxcsr;
  // With everything masked the sticky flags stay in: soft float takes its own short cuts once PE is set.
  cpu.sseStatus = (mxcsr & Fp.MASKS) == Fp.MASKS ? mxcsr : mxcsr & ~Fp.FLAGS;
  return changetype<usize>(cpu) + VcpuOff.sseStatus;
}

/**
 * Closes it: makes the flags sticky, and raises #XM for an unmasked one. An unmasked pre-computation exception of any
 * element comes first, and then no post-computation flag is reported.
 */
export function endFp(cpu: Vcpu): i32 {
  const mxcsr = cpu.mxcsr;
  const flags = cpu.sseStatus & Fp.FLAGS;
  const unmasked = flags & ~(mxcsr >> Fp.MASK_SHIFT);
  if (unmasked == 0) {
    cpu.mxcsr = mxcsr | flags;
    return Status.NEXT;
  }
  cpu.mxcsr = mxcsr | ((unmasked & PRE_COMPUTATION) != 0 ? flags & PRE_COMPUTATION : flags);
  return raise(cpu, (cpu.cr4 & Cr4.OSXMMEXCPT) != 0 ? Vector.XM : Vector.UD);
}

/** Sixteen aligned bytes for the first operand and then the result; the second operand's follow. */
@inline
export function fpTemp(cpu: Vcpu): usize {
  return changetype<usize>(cpu) + VcpuOff.sseTemp;
}

/** Ends an instruction whose result lies in the temporary: copies `size` bytes of it to `d` unless it faults. */
export function commitFp(cpu: Vcpu, d: usize, size: usize): i32 {
  const status = endFp(cpu);
  if (status != Status.NEXT) return status;
  const t = fpTemp(cpu);
  if (size == 4) store<u32>(d, load<u32>(t));
  else if (size == 8) store<u64>(d, load<u64>(t));
  else v128.store(d, v128.load(t));
  return Status.NEXT;
}

/** True when the host rounds as the guest does and no exception is visible but PE. */
@inline
export function hostMode(cpu: Vcpu): bool {
  return (cpu.mxcsr & HOST_BITS) == Fp.MASKS;
}

/** PE is sticky already: in hostMode, inexact results leave no trace. */
@inline
export function stickyPrecision(cpu: Vcpu): bool {
  return (cpu.mxcsr & Fp.PE) != 0;
}

/** Both at once. */
@inline
export function hostInexact(cpu: Vcpu): bool {
  return (cpu.mxcsr & (HOST_BITS | Fp.PE)) == (Fp.MASKS | Fp.PE);
}

/** Smallest normal number. */
@inline
export function minNormal<F>(): F {
  return sizeof<F>() == 4 ? <F>reinterpret<f32>(0x00800000) : <F>reinterpret<f64>(0x0010000000000000);
}

@inline
export function infinity<F>(): F {
  return sizeof<F>() == 4 ? <F>reinterpret<f32>(0x7f800000) : <F>reinterpret<f64>(0x7ff0000000000000);
}

/** All ones in the lanes of `a` that hold a denormal. */
@inline
export function denormals<F>(a: v128): v128 {
  const tiny = v128.lt<F>(v128.abs<F>(a), v128.splat<F>(minNormal<F>()));
  return v128.and(tiny, v128.ne<F>(a, v128.splat<F>(<F>0)));
}

/** All ones in the lanes of `a` that hold neither infinity nor NaN. */
@inline
export function finites<F>(a: v128): v128 {
  return v128.lt<F>(v128.abs<F>(a), v128.splat<F>(infinity<F>()));
}

@inline
export function isDenormalHost<F>(a: F): bool {
  return abs<F>(a) < minNormal<F>() && a != <F>0;
}
