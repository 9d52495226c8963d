/**
 * Raising exceptions. A handler that cannot complete records the vector here and returns Status.FAULT; the run loop
 * then delivers it with RIP at the instruction. Faults are values: nothing unwinds. [SDM] vol. 3A, 6.
 */
import { Status, Vcpu } from "../gen/layout";

export namespace Vector {
  export const DE: u32 = 0;
  export const DB: u32 = 1;
  export const NMI: u32 = 2;
  export const BP: u32 = 3;
  export const OF: u32 = 4;
  export const BR: u32 = 5;
  export const UD: u32 = 6;
  export const NM: u32 = 7;
  export const DF: u32 = 8;
  export const TS: u32 = 10;
  export const NP: u32 = 11;
  export const SS: u32 = 12;
  export const GP: u32 = 13;
  export const PF: u32 = 14;
  export const MF: u32 = 16;
  export const AC: u32 = 17;
  export const MC: u32 = 18;
  export const XM: u32 = 19;
}

/** Raises an exception without an error code; returns Status.FAULT. */
export function raise(cpu: Vcpu, vector: u32): i32 {
  cpu.faultVector = <u8>vector;
  cpu.faultHasError = 0;
  cpu.faultError = 0;
  return Status.FAULT;
}

/** Raises an exception that pushes `error`; returns Status.FAULT. */
export function raiseError(cpu: Vcpu, vector: u32, error: u32): i32 {
  cpu.faultVector = <u8>vector;
  cpu.faultHasError = 1;
  cpu.faultError = error;
  return Status.FAULT;
}

/** Raises #PF for linear address `lin`; CR2 is written when it is delivered, that is now. Returns Status.FAULT. */
export function raisePageFault(cpu: Vcpu, lin: u64, error: u32): i32 {
  cpu.cr2 = lin;
  return raiseError(cpu, Vector.PF, error);
}

/** The exception that a nonzero FpuBlock stands for; returns Status.FAULT. */
export function raiseFpuBlock(cpu: Vcpu, block: u32): i32 {
  return raise(cpu, block == 1 ? Vector.UD : block == 2 ? Vector.NM : Vector.MF);
}
