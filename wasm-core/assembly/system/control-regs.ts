/**
 * Writing CR0, CR4, CR8 and EFER: legality, and everything derived from them. Functions return false when the value is
 * not allowed (#GP(0)) and then change nothing. [SDM] vol. 2, "MOV - Move to/from Control Registers"; vol. 3A, 9.8.5.
 */
import { Vcpu } from "../gen/layout";
import { Cr0, Cr3, Cr4, Efer } from "../cpu/control-bits";
import { updateFpuBlocked } from "../cpu/fpu-state";
import { is64, isLong } from "../cpu/modes";
import { csReg, SegAttr } from "../cpu/segments";
import { tlbFlushAll } from "../mmu/tlb";
import { pdptesOk } from "./address-space";
import { updateMode } from "./modes";

/** CR4 bits whose change invalidates translations. */
const CR4_PAGING: u64 = Cr4.PSE | Cr4.PAE | Cr4.PGE | Cr4.PCIDE | Cr4.SMEP | Cr4.SMAP;

export function setCr0(cpu: Vcpu, value: u64): bool {
  if (value >> 32) return false;
  const cr0 = (value & Cr0.ALL) | Cr0.ET;
  if (cr0 & Cr0.PG && !(cr0 & Cr0.PE)) return false;
  if (cr0 & Cr0.NW && !(cr0 & Cr0.CD)) return false;
  const changed = cr0 ^ cpu.cr0;
  if (changed & Cr0.PG && !(cr0 & Cr0.PG ? startPaging(cpu, cr0) : stopPaging(cpu))) return false;
  cpu.cr0 = cr0;
  if (changed & Cr0.PG) cpu.pdpteValid = 0;
  if (changed & (Cr0.PG | Cr0.WP | Cr0.PE)) tlbFlushAll(cpu);
  updateFpuBlocked(cpu);
  updateMode(cpu);
  return true;
}

/** Setting CR0.PG; with EFER.LME this enters long mode, from a 32-bit code segment only. */
function startPaging(cpu: Vcpu, cr0: u64): bool {
  if (!(cpu.efer & Efer.LME)) return pdptesOk(cpu, cr0, cpu.cr4, cpu.cr3);
  if (!(cpu.cr4 & Cr4.PAE) || codeIsLong(cpu)) return false;
  cpu.efer |= Efer.LMA;
  return true;
}

/** Clearing CR0.PG leaves long mode; 64-bit code cannot do it. */
function stopPaging(cpu: Vcpu): bool {
  if (cpu.cr4 & Cr4.PCIDE || is64(cpu)) return false;
  cpu.efer &= ~Efer.LMA;
  return true;
}

/** CS.L, which has no effect until long mode is on. */
function codeIsLong(cpu: Vcpu): bool {
  return ((<u32>csReg(cpu).attr) & SegAttr.LONG) != 0;
}

export function setCr4(cpu: Vcpu, value: u64): bool {
  if (value & ~Cr4.ALL) return false;
  const changed = value ^ cpu.cr4;
  if (isLong(cpu) && !(value & Cr4.PAE)) return false;
  if (changed & value & Cr4.PCIDE && (!isLong(cpu) || cpu.cr3 & Cr3.PCID_MASK)) return false;
  if (changed & (Cr4.PAE | Cr4.PGE | Cr4.PSE | Cr4.SMEP) && !pdptesOk(cpu, cpu.cr0, value, cpu.cr3)) return false;
  cpu.cr4 = value;
  if (changed & (Cr4.PAE | Cr4.PGE | Cr4.PSE | Cr4.SMEP)) cpu.pdpteValid = 0;
  if (changed & CR4_PAGING) tlbFlushAll(cpu);
  updateFpuBlocked(cpu);
  updateMode(cpu);
  return true;
}

/** WRMSR of IA32_EFER. LMA is read-only; LME cannot change while paging is on. */
export function setEfer(cpu: Vcpu, value: u64): bool {
  if (value & ~Efer.ALL) return false;
  const changed = value ^ cpu.efer;
  if (changed & Efer.LME && cpu.cr0 & Cr0.PG) return false;
  cpu.efer = (value & ~Efer.LMA) | (cpu.efer & Efer.LMA);
  if (changed & Efer.NXE) tlbFlushAll(cpu);
  return true;
}

/** LMSW: the low four bits of CR0; PE can be set but not cleared. */
export function loadMachineStatus(cpu: Vcpu, value: u32): bool {
  const low = Cr0.PE | Cr0.MP | Cr0.EM | Cr0.TS;
  const pe = cpu.cr0 & Cr0.PE;
  return setCr0(cpu, (cpu.cr0 & ~low) | ((<u64>value) & low) | pe);
}

/** CLTS. */
export function clearTaskSwitched(cpu: Vcpu): void {
  cpu.cr0 &= ~Cr0.TS;
  updateFpuBlocked(cpu);
}
