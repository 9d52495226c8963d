/**
 * Control and debug registers, MSRs, TLB and cache control, identification, time, random numbers, and the fast system
 * calls. [SDM] vol. 2 under each mnemonic.
 */
import { SegIndex, Status, Vcpu, VcpuOff } from "../gen/layout";
import { Cr4 } from "../cpu/control-bits";
import { cpuid as identify } from "../cpu/cpuid";
import { raise, raiseError, Vector } from "../cpu/faults";
import { Flag, setArith } from "../cpu/flags";
import { MiscEnable } from "../cpu/msr";
import { is64 } from "../cpu/modes";
import { getReg, Gpr, segReg, setReg } from "../cpu/regs";
import { nextRip, Rec } from "../decode/record";
import { linR, memAddr, memDone, memR, memSeg, memW } from "../mmu/access";
import { isCanonical } from "../mmu/canonical";
import { armMonitor, NO_MONITOR, waitForWrite } from "../mmu/monitor";
import { clacEvict, tlbInvlpg, tlbInvpcid } from "../mmu/tlb";
import { Access, walk } from "../mmu/walk";
import {
  clearTaskSwitched,
  giveWay,
  guestTsc,
  hypercall,
  loadMachineStatus,
  readControl,
  readDebug,
  readMsr,
  writeControl,
  writeDebug,
  writeMsr,
} from "../system";
import { machineRandom } from "../util/host";
import { hiddenFromUser } from "./segment";

const PCID_MASK: u64 = 0xfff;
/** The whole of RFLAGS' status bits as RDRAND leaves them when it succeeds. */
const RANDOM_OK: u32 = Flag.CF;

function gp(cpu: Vcpu): i32 {
  return raiseError(cpu, Vector.GP, 0);
}

/** A register operand as wide as the mode: 64 bits in 64-bit mode, else 32. */
function wideReg(cpu: Vcpu, off: usize): u64 {
  return is64(cpu) ? getReg<u64>(cpu, off) : <u64>getReg<u32>(cpu, off);
}

function setWideReg(cpu: Vcpu, off: usize, v: u64): void {
  if (is64(cpu)) setReg<u64>(cpu, off, v);
  else setReg<u32>(cpu, off, <u32>v);
}

export function movFromCr(cpu: Vcpu, rec: Rec): i32 {
  const n = <u32>rec.reg;
  if (n == 1 || (n > 4 && n != 8)) return raise(cpu, Vector.UD);
  if (cpu.cpl != 0) return gp(cpu);
  setWideReg(cpu, rec.rm, readControl(cpu, n));
  return Status.NEXT;
}

export function movToCr(cpu: Vcpu, rec: Rec): i32 {
  const n = <u32>rec.reg;
  if (n == 1 || (n > 4 && n != 8)) return raise(cpu, Vector.UD);
  if (cpu.cpl != 0) return gp(cpu);
  return writeControl(cpu, n, wideReg(cpu, rec.rm)) ? Status.NEXT : gp(cpu);
}

export function movFromDr(cpu: Vcpu, rec: Rec): i32 {
  if (cpu.cpl != 0) return gp(cpu);
  if (!readDebug(cpu, rec.reg)) return Status.FAULT;
  setWideReg(cpu, rec.rm, cpu.popped);
  return Status.NEXT;
}

export function movToDr(cpu: Vcpu, rec: Rec): i32 {
  if (cpu.cpl != 0) return gp(cpu);
  return writeDebug(cpu, rec.reg, wideReg(cpu, rec.rm)) ? Status.NEXT : Status.FAULT;
}

export function smsw<T>(cpu: Vcpu, rec: Rec, isMem: bool): i32 {
  if (hiddenFromUser(cpu)) return gp(cpu);
  if (!isMem) {
    setReg<T>(cpu, rec.rm, <T>cpu.cr0);
    return Status.NEXT;
  }
  const p = memW(cpu, rec, 2);
  if (p == 0) return Status.FAULT;
  store<u16>(p, <u16>cpu.cr0);
  memDone(cpu, p);
  return Status.NEXT;
}

export function lmsw(cpu: Vcpu, rec: Rec, value: u16): i32 {
  return loadMachineStatus(cpu, value) ? Status.NEXT : gp(cpu);
}

export function clts(cpu: Vcpu, rec: Rec): i32 {
  clearTaskSwitched(cpu);
  return Status.NEXT;
}

// --- translation and cache control

/** Linear address of the memory operand, without any check. */
function linearAddress(cpu: Vcpu, rec: Rec): u64 {
  const seg = memSeg(rec);
  const off = memAddr(cpu, rec);
  if (is64(cpu)) return seg < SegIndex.FS ? off : off + segReg(cpu, seg).base;
  return (off + segReg(cpu, seg).base) & 0xffffffff;
}

export function invlpg(cpu: Vcpu, rec: Rec): i32 {
  const lin = linearAddress(cpu, rec);
  if (isCanonical(lin)) tlbInvlpg(cpu, lin);
  return Status.NEXT;
}

/** INVPCID: the descriptor holds a PCID and a linear address. */
export function invpcid(cpu: Vcpu, rec: Rec): i32 {
  const p = memR(cpu, rec, 16);
  if (p == 0) return Status.FAULT;
  const pcid = load<u64>(p);
  const lin = load<u64>(p, 8);
  const type = wideReg(cpu, rec.reg);
  if (type > 3 || pcid & ~PCID_MASK) return gp(cpu);
  if (type < 2 && pcid != 0 && !(cpu.cr4 & Cr4.PCIDE)) return gp(cpu);
  if (type == 0 && !isCanonical(lin)) return gp(cpu);
  tlbInvpcid(cpu, <u32>type, <u32>pcid, lin);
  return Status.NEXT;
}

/** INVD, WBINVD: there is no cache to write back. */
export function cacheNop(cpu: Vcpu, rec: Rec): i32 {
  return Status.NEXT;
}

/** CLFLUSH and its kin check the access like a load of one byte. */
export function flushLine(cpu: Vcpu, rec: Rec): i32 {
  return memR(cpu, rec, 1) == 0 ? Status.FAULT : Status.NEXT;
}

/** Fences: an atomic update of the vCPU's own memory orders everything around it on the host too. */
export function fence(cpu: Vcpu, rec: Rec): i32 {
  atomic.or<u32>(changetype<usize>(cpu), 0, VcpuOff.events);
  return Status.NEXT;
}

/** PAUSE instructions after which a vCPU that spins gives way to those that wait for the pCPU. */
const PAUSE_WINDOW: u32 = 16;

/** PAUSE: whoever spins may be waiting for a vCPU that waits for this pCPU. [SDM] vol. 3C, 26.1.3 has the same for VMX. */
export function pause(cpu: Vcpu, rec: Rec): i32 {
  cpu.pauses += 1;
  if (cpu.pauses < PAUSE_WINDOW) return Status.NEXT;
  cpu.pauses = 0;
  return giveWay(cpu) ? Status.END : Status.NEXT;
}

export function hint(cpu: Vcpu, rec: Rec): i32 {
  return Status.NEXT;
}

export function hintRm(cpu: Vcpu, rec: Rec, isMem: bool): i32 {
  return Status.NEXT;
}

// --- MSRs, identification, time, random numbers

export function rdmsr(cpu: Vcpu, rec: Rec): i32 {
  if (!readMsr(cpu, getReg<u32>(cpu, Gpr.RCX))) return gp(cpu);
  setPair(cpu, cpu.msrValue);
  return Status.NEXT;
}

export function wrmsr(cpu: Vcpu, rec: Rec): i32 {
  const value = ((<u64>getReg<u32>(cpu, Gpr.RDX)) << 32) | (<u64>getReg<u32>(cpu, Gpr.RAX));
  return writeMsr(cpu, getReg<u32>(cpu, Gpr.RCX), value) ? Status.NEXT : gp(cpu);
}

/** EDX:EAX = value. */
function setPair(cpu: Vcpu, value: u64): void {
  setReg<u32>(cpu, Gpr.RAX, <u32>value);
  setReg<u32>(cpu, Gpr.RDX, <u32>(value >> 32));
}

export function cpuid(cpu: Vcpu, rec: Rec): i32 {
  identify(cpu);
  return Status.NEXT;
}

/** Whether CR4.TSD keeps the counter from user code. */
function tscDenied(cpu: Vcpu): bool {
  return (cpu.cr4 & Cr4.TSD) != 0 && cpu.cpl != 0;
}

export function rdtsc(cpu: Vcpu, rec: Rec): i32 {
  if (tscDenied(cpu)) return gp(cpu);
  setPair(cpu, guestTsc(cpu));
  return Status.NEXT;
}

export function rdtscp(cpu: Vcpu, rec: Rec): i32 {
  if (tscDenied(cpu)) return gp(cpu);
  setPair(cpu, guestTsc(cpu));
  setReg<u32>(cpu, Gpr.RCX, <u32>cpu.tscAux);
  return Status.NEXT;
}

/** RDPMC: there are no counters. */
export function rdpmc(cpu: Vcpu, rec: Rec): i32 {
  return gp(cpu);
}

export function rdpid(cpu: Vcpu, rec: Rec): i32 {
  setWideReg(cpu, rec.rm, cpu.tscAux);
  return Status.NEXT;
}

export function rdrand<T>(cpu: Vcpu, rec: Rec): i32 {
  let value = <u64>machineRandom();
  if (sizeof<T>() == 8) value |= (<u64>machineRandom()) << 32;
  setReg<T>(cpu, rec.rm, <T>value);
  setArith(cpu, RANDOM_OK);
  return Status.NEXT;
}

// --- waiting for a write

function monitorAllowed(cpu: Vcpu): bool {
  return cpu.cpl == 0 && (cpu.miscEnable & MiscEnable.MONITOR) != 0;
}

/** MONITOR: arms the line at DS:rAX. */
export function monitor(cpu: Vcpu, rec: Rec): i32 {
  if (!monitorAllowed(cpu)) return raise(cpu, Vector.UD);
  if (getReg<u32>(cpu, Gpr.RCX) != 0) return gp(cpu);
  const seg = memSeg(rec);
  const base = is64(cpu) && seg < SegIndex.FS ? 0 : segReg(cpu, seg).base;
  const lin = wideReg(cpu, Gpr.RAX) + base;
  const p = linR(cpu, lin, 1, false);
  if (p == 0) return Status.FAULT;
  // A device has no line to watch: MWAIT then goes on at once.
  cpu.monitorGpa = NO_MONITOR;
  if (p == changetype<usize>(cpu) + VcpuOff.bounce) return Status.NEXT;
  walk(cpu, lin, Access.READ, cpu.cpl == 3, false);
  armMonitor(cpu, cpu.walkGpa, <u32>p);
  return Status.NEXT;
}

/** MWAIT. */
export function mwait(cpu: Vcpu, rec: Rec): i32 {
  if (!monitorAllowed(cpu)) return raise(cpu, Vector.UD);
  if (getReg<u32>(cpu, Gpr.RCX) != 0) return gp(cpu);
  return waitForWrite(cpu) ? Status.END : Status.NEXT;
}

// --- hypercalls, SMAP, segment bases

export function vmcall(cpu: Vcpu, rec: Rec): i32 {
  cpu.rip = nextRip(cpu, rec);
  return hypercall(cpu);
}

export function clac(cpu: Vcpu, rec: Rec): i32 {
  if (cpu.cpl != 0) return raise(cpu, Vector.UD);
  if (cpu.eflags & Flag.AC) {
    cpu.eflags &= ~Flag.AC;
    clacEvict(cpu);
  }
  return Status.NEXT;
}

export function stac(cpu: Vcpu, rec: Rec): i32 {
  if (cpu.cpl != 0) return raise(cpu, Vector.UD);
  cpu.eflags |= Flag.AC;
  return Status.NEXT;
}

export function swapgs(cpu: Vcpu, rec: Rec): i32 {
  if (cpu.cpl != 0) return gp(cpu);
  const gs = segReg(cpu, SegIndex.GS);
  const base = gs.base;
  gs.base = cpu.kernelGsBase;
  cpu.kernelGsBase = base;
  return Status.NEXT;
}

function baseAllowed(cpu: Vcpu): bool {
  return (cpu.cr4 & Cr4.FSGSBASE) != 0;
}

function readBase<T>(cpu: Vcpu, rec: Rec, seg: u32): i32 {
  if (!baseAllowed(cpu)) return raise(cpu, Vector.UD);
  setReg<T>(cpu, rec.rm, <T>segReg(cpu, seg).base);
  return Status.NEXT;
}

function writeBase<T>(cpu: Vcpu, rec: Rec, seg: u32): i32 {
  if (!baseAllowed(cpu)) return raise(cpu, Vector.UD);
  const base = <u64>getReg<T>(cpu, rec.rm);
  if (!isCanonical(base)) return gp(cpu);
  segReg(cpu, seg).base = base;
  return Status.NEXT;
}

export function rdfsbase<T>(cpu: Vcpu, rec: Rec): i32 {
  return readBase<T>(cpu, rec, SegIndex.FS);
}

export function rdgsbase<T>(cpu: Vcpu, rec: Rec): i32 {
  return readBase<T>(cpu, rec, SegIndex.GS);
}

export function wrfsbase<T>(cpu: Vcpu, rec: Rec): i32 {
  return writeBase<T>(cpu, rec, SegIndex.FS);
}

export function wrgsbase<T>(cpu: Vcpu, rec: Rec): i32 {
  return writeBase<T>(cpu, rec, SegIndex.GS);
}
