/** LAR, LSL, VERR and VERW: what software may learn of a descriptor without loading it. [SDM] vol. 3A, 5.10. */
import { Vcpu } from "../gen/layout";
import { descConforming, descDpl, descIsCode, descLimit, descType, SystemType } from "../cpu/descriptors";
import { isLong } from "../cpu/modes";
import { SegAttr } from "../cpu/segments";
import { descriptorLin, fetchDescriptor, NO_DESCRIPTOR } from "./tables";

/** Outcome of an inspection. */
export namespace Probe {
  /** not visible at this level, or of a kind that the instruction does not report: ZF = 0 */
  export const INVALID: u32 = 0;
  /** the answer is in cpu.popped: ZF = 1 */
  export const VALID: u32 = 1;
  /** reading the table faulted */
  export const FAULT: u32 = 2;
}

/** System types that LAR reports, a bit each: TSSs, LDT, call gates, task gate; fewer in long mode. */
const LAR_TYPES: u32 =
  (1 << SystemType.TSS16) |
  (1 << SystemType.LDT) |
  (1 << SystemType.TSS16_BUSY) |
  (1 << SystemType.CALL16) |
  (1 << SystemType.TASK_GATE) |
  (1 << SystemType.TSS32) |
  (1 << SystemType.TSS32_BUSY) |
  (1 << SystemType.CALL32);
const LONG_LAR_TYPES: u32 =
  (1 << SystemType.LDT) | (1 << SystemType.TSS32) | (1 << SystemType.TSS32_BUSY) | (1 << SystemType.CALL32);
/** Those that have a limit for LSL. */
const LSL_TYPES: u32 =
  (1 << SystemType.TSS16) |
  (1 << SystemType.LDT) |
  (1 << SystemType.TSS16_BUSY) |
  (1 << SystemType.TSS32) |
  (1 << SystemType.TSS32_BUSY);
const LONG_LSL_TYPES: u32 = (1 << SystemType.LDT) | (1 << SystemType.TSS32) | (1 << SystemType.TSS32_BUSY);

/** Bits of a descriptor's upper word that LAR returns. */
const RIGHTS: u64 = 0xf0ff00;

/** Finds the descriptor and reads it into descLow. */
function find(cpu: Vcpu, selector: u32): u32 {
  if (!(selector & 0xfffc)) return Probe.INVALID;
  const lin = descriptorLin(cpu, selector, 8);
  if (lin == NO_DESCRIPTOR) return Probe.INVALID;
  return fetchDescriptor(cpu, lin) ? Probe.VALID : Probe.FAULT;
}

/** Conforming code is visible to all, anything else when CPL and RPL do not exceed its DPL. */
function visible(cpu: Vcpu, selector: u32, desc: u64): bool {
  if (descIsCode(desc) && descConforming(desc)) return true;
  const dpl = descDpl(desc);
  return <u32>cpu.cpl <= dpl && (selector & 3) <= dpl;
}

function inspect(cpu: Vcpu, selector: u32, systemTypes: u32): u32 {
  const found = find(cpu, selector);
  if (found != Probe.VALID) return found;
  const desc = cpu.descLow;
  const type = descType(desc);
  if (type < 16 && !((systemTypes >> type) & 1)) return Probe.INVALID;
  return visible(cpu, selector, desc) ? Probe.VALID : Probe.INVALID;
}

/** LAR. */
export function accessRights(cpu: Vcpu, selector: u32): u32 {
  const probe = inspect(cpu, selector, isLong(cpu) ? LONG_LAR_TYPES : LAR_TYPES);
  if (probe == Probe.VALID) cpu.popped = (cpu.descLow >> 32) & RIGHTS;
  return probe;
}

/** LSL. */
export function segmentLimit(cpu: Vcpu, selector: u32): u32 {
  const probe = inspect(cpu, selector, isLong(cpu) ? LONG_LSL_TYPES : LSL_TYPES);
  if (probe == Probe.VALID) cpu.popped = <u64>descLimit(cpu.descLow);
  return probe;
}

/** VERR and VERW. */
export function verifySegment(cpu: Vcpu, selector: u32, write: bool): u32 {
  const probe = inspect(cpu, selector, 0);
  if (probe != Probe.VALID) return probe;
  const type = descType(cpu.descLow);
  const code = (type & SegAttr.CODE) != 0;
  const set = (type & SegAttr.WRITABLE) != 0;
  const ok = write ? !code && set : !code || set;
  return ok ? Probe.VALID : Probe.INVALID;
}
