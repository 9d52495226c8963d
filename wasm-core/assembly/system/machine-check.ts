/**
 * The machine-check banks as guests see them: IA32_MCG_*, IA32_MCi_*. An error is put into a bank by the control plane;
 * software may only clear what it has read. [SDM] vol. 3B, 16.3.
 */
import { Status, Vcpu, VcpuOff } from "../gen/layout";
import { Cr4 } from "../cpu/control-bits";
import { Vector } from "../cpu/faults";
import { MC_BANKS, MCG_CAP_VALUE, Msr } from "../cpu/msr";
import { deliverException } from "./delivery";
import { tripleFault } from "./hooks";

/** Registers of a bank, in MSR order. */
namespace Bank {
  export const CTL: u32 = 0;
  export const REGISTERS: u32 = 4;
}

/** RIPV, EIPV, MCIP */
const MCG_STATUS_WRITABLE: u64 = 7;
/** Corrected-error threshold and CMCI enable. */
const CTL2_WRITABLE: u64 = 0x40007fff;

@inline
function bankRegister(cpu: Vcpu, n: u32): usize {
  return changetype<usize>(cpu) + VcpuOff.mcBank + ((<usize>n) << 3);
}

@inline
function ctl2(cpu: Vcpu, bank: u32): usize {
  return changetype<usize>(cpu) + VcpuOff.mcCtl2 + ((<usize>bank) << 3);
}

/** RDMSR of a machine-check register; false when `msr` is none. */
export function readMachineCheck(cpu: Vcpu, msr: u32): bool {
  if (msr == Msr.MCG_CAP) cpu.msrValue = MCG_CAP_VALUE;
  else if (msr == Msr.MCG_STATUS) cpu.msrValue = cpu.mcgStatus;
  else if (msr - Msr.MC0_CTL2 < MC_BANKS) cpu.msrValue = load<u64>(ctl2(cpu, msr - Msr.MC0_CTL2));
  else if (msr - Msr.MC0_CTL < MC_BANKS * Bank.REGISTERS) {
    const n = msr - Msr.MC0_CTL;
    cpu.msrValue = n % Bank.REGISTERS == Bank.CTL ? <u64>-1 : load<u64>(bankRegister(cpu, n));
  } else return false;
  return true;
}

/** WRMSR of a machine-check register; false when it is none or the value is illegal. */
export function writeMachineCheck(cpu: Vcpu, msr: u32, value: u64): bool {
  if (msr == Msr.MCG_STATUS) {
    if (value & ~MCG_STATUS_WRITABLE) return false;
    cpu.mcgStatus = value;
  } else if (msr - Msr.MC0_CTL2 < MC_BANKS) {
    if (value & ~CTL2_WRITABLE) return false;
    store<u64>(ctl2(cpu, msr - Msr.MC0_CTL2), value);
  } else if (msr - Msr.MC0_CTL < MC_BANKS * Bank.REGISTERS) {
    const n = msr - Msr.MC0_CTL;
    if (n % Bank.REGISTERS == Bank.CTL) return true;
    if (value != 0) return false;
    store<u64>(bankRegister(cpu, n), 0);
  } else return false;
  return true;
}

/**
 * #MC, whose cause the injector has put into the banks and MCG_STATUS (MCIP included; it refuses while MCIP is set).
 * With CR4.MCE = 0 it is a shutdown.
 */
export function deliverMachineCheck(cpu: Vcpu): i32 {
  if (cpu.cr4 & Cr4.MCE) return deliverException(cpu, Vector.MC, false, 0);
  tripleFault(cpu);
  return Status.BRANCH;
}
