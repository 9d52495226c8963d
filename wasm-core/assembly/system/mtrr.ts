/**
 * The memory-type range registers: kept and checked, without effect, since all memory here is write-back.
 * [SDM] vol. 3A, 12.11.
 */
import { Vcpu, VcpuOff } from "../gen/layout";
import { Msr } from "../cpu/msr";

const VARIABLE_REGISTERS: u32 = 16;
const NONE: u32 = 0xffffffff;
/** Type, fixed-range enable, enable. */
const DEF_TYPE_WRITABLE: u64 = 0xcff;
/** Address bits of a range, 46-bit physical. */
const ADDRESS: u64 = 0x00003ffffffff000;
const VALID: u64 = 0x800;

@inline
function typeOk(type: u32): bool {
  return type <= 6 && type != 2 && type != 3;
}

/** Position of a fixed-range register in Vcpu.mtrrFixed, NONE when `msr` is none. */
function fixedIndex(msr: u32): u32 {
  if (msr == Msr.MTRR_FIX64K) return 0;
  if (msr - Msr.MTRR_FIX16K < 2) return 1 + msr - Msr.MTRR_FIX16K;
  return msr - Msr.MTRR_FIX4K < 8 ? 3 + msr - Msr.MTRR_FIX4K : NONE;
}

@inline
function slot(cpu: Vcpu, off: usize, n: u32): usize {
  return changetype<usize>(cpu) + off + ((<usize>n) << 3);
}

/** RDMSR of an MTRR; false when `msr` is none. */
export function readMtrr(cpu: Vcpu, msr: u32): bool {
  const fixed = fixedIndex(msr);
  if (msr == Msr.MTRR_DEF_TYPE) cpu.msrValue = cpu.mtrrDefType;
  else if (msr - Msr.MTRR_PHYS_BASE0 < VARIABLE_REGISTERS) {
    cpu.msrValue = load<u64>(slot(cpu, VcpuOff.mtrrVar, msr - Msr.MTRR_PHYS_BASE0));
  } else if (fixed != NONE) cpu.msrValue = load<u64>(slot(cpu, VcpuOff.mtrrFixed, fixed));
  else return false;
  return true;
}

/** WRMSR of an MTRR; false when it is none or the value is illegal. */
export function writeMtrr(cpu: Vcpu, msr: u32, value: u64): bool {
  const fixed = fixedIndex(msr);
  if (msr == Msr.MTRR_DEF_TYPE) {
    if (value & ~DEF_TYPE_WRITABLE || !typeOk((<u32>value) & 0xff)) return false;
    cpu.mtrrDefType = value;
  } else if (msr - Msr.MTRR_PHYS_BASE0 < VARIABLE_REGISTERS) {
    const mask = (msr & 1) != 0;
    if (value & ~(ADDRESS | (mask ? VALID : 0xff)) || (!mask && !typeOk((<u32>value) & 0xff))) return false;
    store<u64>(slot(cpu, VcpuOff.mtrrVar, msr - Msr.MTRR_PHYS_BASE0), value);
  } else if (fixed != NONE) {
    for (let i: u64 = 0; i < 64; i += 8) if (!typeOk((<u32>(value >> i)) & 0xff)) return false;
    store<u64>(slot(cpu, VcpuOff.mtrrFixed, fixed), value);
  } else return false;
  return true;
}
