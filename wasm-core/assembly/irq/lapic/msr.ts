/**
 * The local APIC through MSRs: IA32_APIC_BASE and the x2APIC register range 0x800-0x8ff. [SDM] 3A 11.4.4, 11.12.
 * Everything reserved is #GP here, told by `false`; the caller has checked that x2APIC mode is on.
 */
import { Vcpu } from "../../gen/layout";
import { ApicBase, lapicOf, Message } from "../message";
import { lapicInitReset, lapicRead, lapicWrite, lvtIndex, lvtWritable, sendCommand } from "./device";
import { Icr, LapicReg, LVT_STATUS, LvtIndex, X2APIC_MSR_BASE } from "./regs";

const PHYSICAL_ADDRESS_BITS: u32 = 46;

@inline
function offsetOf(msr: u32): u32 {
  return (msr - X2APIC_MSR_BASE) << 4;
}

/** True when RDMSR of `msr` (0x800-0x8ff) gives a value in x2APIC mode; otherwise it is #GP. */
export function lapicMsrReadable(msr: u32): bool {
  const offset = offsetOf(msr);
  if (offset >= LapicReg.ISR && offset < LapicReg.ESR) return true;
  if (lvtIndex(offset) != LvtIndex.COUNT) return true;
  switch (offset) {
    case LapicReg.ID:
    case LapicReg.VERSION:
    case LapicReg.TPR:
    case LapicReg.PPR:
    case LapicReg.LDR:
    case LapicReg.SVR:
    case LapicReg.ESR:
    case LapicReg.ICR_LOW:
    case LapicReg.INITIAL_COUNT:
    case LapicReg.CURRENT_COUNT:
    case LapicReg.DIVIDE_CONFIG:
      return true;
    default:
      return false;
  }
}

/** RDMSR of a readable x2APIC register. */
export function lapicMsrRead(cpu: Vcpu, msr: u32): u64 {
  const offset = offsetOf(msr);
  if (offset == LapicReg.ICR_LOW) return ((<u64>lapicOf(cpu).icrHigh) << 32) | (<u64>lapicOf(cpu).icrLow);
  return <u64>lapicRead(cpu, offset);
}

/** Bits that must be zero in a write to `offset`; all ones when the register cannot be written. */
function reservedBits(offset: u32): u64 {
  const index = lvtIndex(offset);
  if (index != LvtIndex.COUNT) return ~(<u64>(lvtWritable(index) | LVT_STATUS));
  switch (offset) {
    case LapicReg.TPR:
      return ~(<u64>0xff);
    case LapicReg.SVR:
      return ~(<u64>0x13ff);
    case LapicReg.SELF_IPI:
      return ~(<u64>0xff);
    case LapicReg.INITIAL_COUNT:
      return ~(<u64>0xffffffff);
    case LapicReg.DIVIDE_CONFIG:
      return ~(<u64>0xb);
    case LapicReg.ICR_LOW:
      return <u64>Icr.RESERVED_MASK;
    default:
      return ~(<u64>0);
  }
}

/** True for the registers of which only a write of zero is legal: EOI and ESR. */
@inline
function isZeroOnly(offset: u32): bool {
  return offset == LapicReg.EOI || offset == LapicReg.ESR;
}

/** True when a register exists for writing. */
function isWritable(offset: u32): bool {
  return isZeroOnly(offset) || reservedBits(offset) != ~(<u64>0);
}

/** WRMSR of an x2APIC register; false = #GP, nothing was changed. */
export function lapicMsrWrite(cpu: Vcpu, msr: u32, value: u64): bool {
  const offset = offsetOf(msr);
  if (!isWritable(offset) || (value & reservedBits(offset)) != 0) return false;
  const apic = lapicOf(cpu);
  if (offset == LapicReg.ICR_LOW) {
    apic.icrLow = (<u32>value) & Icr.WRITABLE_MASK;
    apic.icrHigh = <u32>(value >> 32);
    sendCommand(cpu, apic.icrLow, apic.icrHigh);
  } else if (offset == LapicReg.SELF_IPI) {
    sendCommand(cpu, ((<u32>value) & Message.VECTOR_MASK) | Icr.SHORTHAND_SELF, 0);
  } else {
    lapicWrite(cpu, offset, <u32>value);
  }
  return true;
}

/**
 * WRMSR of IA32_APIC_BASE; false = #GP. Legal changes: disabled to and from xAPIC, xAPIC to x2APIC, x2APIC to disabled.
 * Disabling resets the registers; entering x2APIC mode keeps them but for the command's destination.
 */
export function lapicSetBase(cpu: Vcpu, value: u64): bool {
  const modes = <u64>(ApicBase.ENABLE | ApicBase.EXTD);
  const reserved = ~((((<u64>1) << PHYSICAL_ADDRESS_BITS) - 1) & ~(<u64>0xfff)) & ~(modes | ApicBase.BSP);
  if ((value & reserved) != 0) return false;
  const from = cpu.apicBase & modes;
  const to = value & modes;
  if (to == ApicBase.EXTD) return false;
  if (from == modes && to == ApicBase.ENABLE) return false;
  if (from == 0 && to == modes) return false;
  cpu.apicBase = value;
  if (from == to) return true;
  if (to == 0) lapicInitReset(cpu);
  else if (to == modes) lapicOf(cpu).icrHigh = 0;
  else lapicOf(cpu).id = cpu.apicId << 24;
  return true;
}
