/**
 * General-register access by byte offset into the vCPU (the form in which instruction records name registers).
 * A 32-bit write clears the upper half, narrower writes keep it. [SDM] vol. 1, 3.4.1.1.
 */
import { Vcpu, VcpuOff, SegmentReg } from "../gen/layout";

export namespace Gpr {
  export const RAX: usize = 0;
  export const RCX: usize = 8;
  export const RDX: usize = 16;
  export const RBX: usize = 24;
  export const RSP: usize = 32;
  export const RBP: usize = 40;
  export const RSI: usize = 48;
  export const RDI: usize = 56;
  export const R8: usize = 64;
  export const R10: usize = 80;
  export const R11: usize = 88;
}

@inline
export function getReg<T>(cpu: Vcpu, off: usize): T {
  return load<T>(changetype<usize>(cpu) + off);
}

@inline
export function setReg<T>(cpu: Vcpu, off: usize, v: T): void {
  if (sizeof<T>() == 4) store<u64>(changetype<usize>(cpu) + off, <u64>(<u32>v));
  else store<T>(changetype<usize>(cpu) + off, v);
}

/** The segment register with index `seg` (SegIndex). */
@inline
export function segReg(cpu: Vcpu, seg: u32): SegmentReg {
  return changetype<SegmentReg>(changetype<usize>(cpu) + VcpuOff.seg + ((<usize>seg) << 4));
}
