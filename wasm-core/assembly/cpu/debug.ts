/** The debug registers and their bits. [SDM] vol. 3B, 18.2. */
import { Vcpu, VcpuOff } from "../gen/layout";

export namespace Dr6 {
  export const B_MASK: u64 = 0xf;
  export const BD: u64 = 1 << 13;
  export const BS: u64 = 1 << 14;
  export const BT: u64 = 1 << 15;
  /** Bits that read as one. */
  export const FIXED: u64 = 0xffff0ff0;
  export const WRITABLE: u64 = 0xe00f;
}

/** Vcpu.pendingDr6 holds BT, DR6 bit 15, in its top bit. */
export const PENDING_BT: u8 = 0x80;

export namespace Dr7 {
  export const ENABLES: u64 = 0xff;
  /** L0-L3 and LE, which a task switch clears. */
  export const LOCAL: u64 = 0x155;
  export const GD: u64 = 1 << 13;
  export const FIXED: u64 = 0x400;
  export const WRITABLE: u64 = 0xffff23ff;
}

@inline
export function getDr(cpu: Vcpu, n: u32): u64 {
  return load<u64>(changetype<usize>(cpu) + VcpuOff.dr + ((<usize>n) << 3));
}

@inline
export function setDr(cpu: Vcpu, n: u32, v: u64): void {
  store<u64>(changetype<usize>(cpu) + VcpuOff.dr + ((<usize>n) << 3), v);
}

/** Replaces DR6's breakpoint bits by those in `bits` and adds the others; BD, BS and BT are sticky. */
export function noteDebugConditions(cpu: Vcpu, bits: u64): void {
  setDr(cpu, 6, (getDr(cpu, 6) & ~Dr6.B_MASK) | bits | Dr6.FIXED);
}
