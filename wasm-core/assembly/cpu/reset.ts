/**
 * The processor after power-up, after INIT, and in the state in which a PVH guest enters. [SDM] vol. 3A, table 9-1;
 * [XEN] docs/misc/pvh.
 */
import { SegIndex, Vcpu, VcpuOff } from "../gen/layout";
import { Cr0 } from "./control-bits";
import { setDr, Dr6, Dr7 } from "./debug";
import { fpuInit, updateFpuBlocked } from "./fpu-state";
import { updateModeKey } from "./modes";
import { ATTR_FLAT_DATA, ATTR_REAL, setSegment } from "./segments";

/** CPUID.1:EAX, which EDX holds after reset: family 6, model 2Eh, stepping 6. */
export const CPU_SIGNATURE: u64 = 0x000206e6;
const CR0_RESET: u64 = 0x60000010;
const EFLAGS_RESET: u32 = 2;
const PAT_RESET: u64 = 0x0007040600070406;
const MXCSR_RESET: u32 = 0x1f80;
const FCW_RESET: u16 = 0x0040;
/** Code, readable, accessed, present. */
const ATTR_REAL_CODE: u32 = 0x9b;
const ATTR_LDT: u32 = 0x82;
const ATTR_BUSY_TSS: u32 = 0x8b;
const ATTR_FLAT_CODE32: u32 = 0xc9b;
/** IA32_MISC_ENABLE: fast strings, and MONITOR is there. */
const MISC_ENABLE_RESET: u64 = 1 | (1 << 18);
const NO_MONITOR: u64 = u64.MAX_VALUE;

/** Power-up. Identity, addresses of the vCPU's structures and counters stay. */
export function vcpuReset(cpu: Vcpu): void {
  vcpuInit(cpu);
  cpu.cr0 = CR0_RESET;
  cpu.xcr0 = 1;
  const self = changetype<usize>(cpu);
  memory.fill(self + VcpuOff.vec, 0, 16 * 32);
  memory.fill(self + VcpuOff.fpr, 0, 8 * 16);
  fpuInit(cpu);
  cpu.fcw = FCW_RESET;
  cpu.mxcsr = MXCSR_RESET;
  resetMsrs(cpu);
  updateFpuBlocked(cpu);
  updateModeKey(cpu);
}

function resetMsrs(cpu: Vcpu): void {
  const self = changetype<usize>(cpu);
  cpu.star = 0;
  cpu.lstar = 0;
  cpu.cstar = 0;
  cpu.fmask = 0;
  cpu.kernelGsBase = 0;
  cpu.sysenterCs = 0;
  cpu.sysenterEsp = 0;
  cpu.sysenterEip = 0;
  cpu.pat = PAT_RESET;
  cpu.tscAux = 0;
  cpu.tscOffset = 0;
  cpu.tscAdjust = 0;
  cpu.miscEnable = MISC_ENABLE_RESET;
  cpu.specCtrl = 0;
  cpu.featureControl = 0;
  cpu.debugCtl = 0;
  cpu.miscFeatures = 0;
  cpu.mcgStatus = 0;
  cpu.mtrrDefType = 0;
  memory.fill(self + VcpuOff.mtrrFixed, 0, 11 * 8);
  memory.fill(self + VcpuOff.mtrrVar, 0, 16 * 8);
  memory.fill(self + VcpuOff.mcBank, 0, 8 * 8);
  memory.fill(self + VcpuOff.mcCtl2, 0, 2 * 8);
}

/**
 * INIT: what a reset does but for x87, SSE, MSRs, and CR0's cache bits, which stay. The caller drops the TLB and
 * resets the local APIC. Waiting for SIPI is the caller's too.
 */
export function vcpuInit(cpu: Vcpu): void {
  const self = changetype<usize>(cpu);
  memory.fill(self + VcpuOff.gpr, 0, 16 * 8);
  store<u64>(self + VcpuOff.gpr, CPU_SIGNATURE, 2 * 8);
  cpu.zero = 0;
  cpu.bias = 0x80000000;
  cpu.eflags = EFLAGS_RESET;
  cpu.ccOp = 0;
  cpu.rip = 0xfff0;
  cpu.cr0 = (cpu.cr0 & (Cr0.CD | Cr0.NW)) | Cr0.ET;
  cpu.cr2 = 0;
  cpu.cr3 = 0;
  cpu.cr4 = 0;
  cpu.efer = 0;
  cpu.cpl = 0;
  setSegment(cpu, SegIndex.CS, 0xf000, 0xffff0000, 0xffff, ATTR_REAL_CODE);
  setSegment(cpu, SegIndex.SS, 0, 0, 0xffff, ATTR_REAL);
  setSegment(cpu, SegIndex.DS, 0, 0, 0xffff, ATTR_REAL);
  setSegment(cpu, SegIndex.ES, 0, 0, 0xffff, ATTR_REAL);
  setSegment(cpu, SegIndex.FS, 0, 0, 0xffff, ATTR_REAL);
  setSegment(cpu, SegIndex.GS, 0, 0, 0xffff, ATTR_REAL);
  setSegment(cpu, SegIndex.LDTR, 0, 0, 0xffff, ATTR_LDT);
  setSegment(cpu, SegIndex.TR, 0, 0, 0xffff, ATTR_BUSY_TSS);
  cpu.gdtrBase = 0;
  cpu.gdtrLimit = 0xffff;
  cpu.idtrBase = 0;
  cpu.idtrLimit = 0xffff;
  for (let n: u32 = 0; n < 4; n++) setDr(cpu, n, 0);
  setDr(cpu, 6, Dr6.FIXED);
  setDr(cpu, 7, Dr7.FIXED);
  clearTransient(cpu);
  updateFpuBlocked(cpu);
  updateModeKey(cpu);
}

/** What belongs to the instruction or the wait that INIT cuts off. */
function clearTransient(cpu: Vcpu): void {
  cpu.curBlock = 0;
  cpu.interruptShadow = 0;
  cpu.halted = 0;
  cpu.mwait = 0;
  cpu.nmiBlocked = 0;
  cpu.nmiPending = 0;
  cpu.tfTrap = 0;
  cpu.dataBreakpoints = 0;
  cpu.pendingDr6 = 0;
  cpu.clacCount = 0;
  cpu.monitorGpa = NO_MONITOR;
}

/** Start-up IPI: real mode at page `vector`. [SDM] vol. 3A, 10.4.4. */
export function vcpuStartup(cpu: Vcpu, vector: u32): void {
  setSegment(cpu, SegIndex.CS, vector << 8, (<u64>vector) << 12, 0xffff, ATTR_REAL_CODE);
  cpu.rip = 0;
  cpu.waitForSipi = 0;
  cpu.online = 1;
  updateModeKey(cpu);
}

/** The PVH entry state: 32-bit protected mode, flat segments, paging off, EBX = address of hvm_start_info. */
export function vcpuStartPvh(cpu: Vcpu, eip: u32, ebx: u32): void {
  vcpuReset(cpu);
  const self = changetype<usize>(cpu);
  memory.fill(self + VcpuOff.gpr, 0, 16 * 8);
  store<u64>(self + VcpuOff.gpr, <u64>ebx, 3 * 8);
  cpu.cr0 = Cr0.PE | Cr0.ET;
  cpu.rip = eip;
  setSegment(cpu, SegIndex.CS, 0, 0, 0xffffffff, ATTR_FLAT_CODE32);
  setSegment(cpu, SegIndex.SS, 0, 0, 0xffffffff, ATTR_FLAT_DATA);
  setSegment(cpu, SegIndex.DS, 0, 0, 0xffffffff, ATTR_FLAT_DATA);
  setSegment(cpu, SegIndex.ES, 0, 0, 0xffffffff, ATTR_FLAT_DATA);
  setSegment(cpu, SegIndex.FS, 0, 0, 0xffffffff, ATTR_FLAT_DATA);
  setSegment(cpu, SegIndex.GS, 0, 0, 0xffffffff, ATTR_FLAT_DATA);
  setSegment(cpu, SegIndex.TR, 0, 0, 0x67, ATTR_BUSY_TSS);
  cpu.online = 1;
  cpu.waitForSipi = 0;
  updateFpuBlocked(cpu);
  updateModeKey(cpu);
}
