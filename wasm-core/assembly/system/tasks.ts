/**
 * Hardware task switching with 16- and 32-bit TSSs. The manual's order: check the new TSS, save the old task, commit,
 * then load the new one; faults of the last part belong to the new task (taskCommitted). [SDM] vol. 3A, 8.
 */
import { SegIndex, Vcpu } from "../gen/layout";
import { Cr0 } from "../cpu/control-bits";
import { Dr7, getDr, PENDING_BT, setDr } from "../cpu/debug";
import { descAttr, descBase, descLimit, descPresent, descType, SystemType } from "../cpu/descriptors";
import { Vector } from "../cpu/faults";
import { Flag, readFlags } from "../cpu/flags";
import { getReg, segReg, setReg } from "../cpu/regs";
import { setSegment } from "../cpu/segments";
import { memDone } from "../mmu/access";
import { sysR, sysW } from "../mmu/slow";
import { switchAddressSpace } from "./address-space";
import { setFlags, updateMode } from "./modes";
import { loadTaskSegments } from "./task-segments";
import { failSelector, readDescriptor, setBusy } from "./tables";

/** Why a task switch happens. */
export namespace TaskReason {
  export const JUMP: u32 = 0;
  export const CALL: u32 = 1;
  /** interrupt or exception through a task gate */
  export const EVENT: u32 = 2;
  export const IRET: u32 = 3;
}

/** Offsets in a 32-bit TSS. */
namespace Tss32 {
  export const CR3: u64 = 0x1c;
  export const EIP: u64 = 0x20;
  export const EFLAGS: u64 = 0x24;
  export const GPRS: u64 = 0x28;
  export const SEGMENTS: u64 = 0x48;
  export const LDT: u64 = 0x60;
  export const TRAP: u64 = 0x64;
  export const MIN_LIMIT: u32 = 0x67;
}

/** Offsets in a 16-bit TSS. */
namespace Tss16 {
  export const IP: u64 = 0x0e;
  export const FLAGS: u64 = 0x10;
  export const GPRS: u64 = 0x12;
  export const SEGMENTS: u64 = 0x22;
  export const LDT: u64 = 0x2a;
  export const MIN_LIMIT: u32 = 0x2b;
}

const TYPE_WIDE: u32 = 8;
const TYPE_BUSY: u32 = 2;

/** Switches to the TSS that a task gate names. cpu.rip is what the old task continues at. */
export function switchThroughTaskGate(cpu: Vcpu, selector: u32, reason: u32): bool {
  const vector = Vector.GP;
  if (selector & 4 || !(selector & 0xfffc)) return failSelector(cpu, vector, selector);
  if (!readDescriptor(cpu, selector, vector)) return false;
  const desc = cpu.descLow;
  const type = descType(desc);
  if (type != SystemType.TSS16 && type != SystemType.TSS32) return failSelector(cpu, vector, selector);
  if (!descPresent(desc)) return failSelector(cpu, Vector.NP, selector);
  return switchTask(cpu, selector, desc, cpu.descLin, reason);
}

/** IRET with EFLAGS.NT: back to the task whose TSS the current one links to. */
export function returnToPreviousTask(cpu: Vcpu): bool {
  const p = sysR(cpu, segReg(cpu, SegIndex.TR).base, 2);
  if (p == 0) return false;
  const selector = <u32>load<u16>(p);
  if (selector & 4 || !(selector & 0xfffc)) return failSelector(cpu, Vector.TS, selector);
  if (!readDescriptor(cpu, selector, Vector.TS)) return false;
  const desc = cpu.descLow;
  const type = descType(desc);
  if (type != SystemType.TSS16_BUSY && type != SystemType.TSS32_BUSY) return failSelector(cpu, Vector.TS, selector);
  if (!descPresent(desc)) return failSelector(cpu, Vector.NP, selector);
  return switchTask(cpu, selector, desc, cpu.descLin, TaskReason.IRET);
}

/** Switches to the TSS `desc` at descriptor address `lin`. Type, rights and presence have been checked. */
export function switchTask(cpu: Vcpu, selector: u32, desc: u64, lin: u64, reason: u32): bool {
  const wide = (descType(desc) & TYPE_WIDE) != 0;
  const limit = descLimit(desc);
  if ((wide ? Tss32.MIN_LIMIT : Tss16.MIN_LIMIT) > limit) return failSelector(cpu, Vector.TS, selector);
  const base = descBase(desc);
  const oldSelector = <u32>segReg(cpu, SegIndex.TR).selector;
  if (!probe(cpu, base, limit) || !saveTask(cpu, reason)) return false;
  if (!moveBusyBits(cpu, lin, reason)) return false;
  const nested = reason == TaskReason.CALL || reason == TaskReason.EVENT;
  if (nested && !putSystem(cpu, base, 2, oldSelector)) return false;
  setSegment(cpu, SegIndex.TR, selector, base, limit, descAttr(desc) | TYPE_BUSY);
  return wide ? loadTask32(cpu, base, nested) : loadTask16(cpu, base, nested);
}

/** Touches the pages of the new TSS before anything changes. */
function probe(cpu: Vcpu, base: u64, limit: u32): bool {
  const last = base + <u64>(limit < Tss32.MIN_LIMIT ? Tss16.MIN_LIMIT : Tss32.MIN_LIMIT);
  return sysR(cpu, base, 1) != 0 && sysR(cpu, last & 0xffffffff, 1) != 0;
}

/** The old task stops being busy when it is left for good; the new one becomes busy unless it was. */
function moveBusyBits(cpu: Vcpu, newLin: u64, reason: u32): bool {
  if (reason == TaskReason.JUMP || reason == TaskReason.IRET) {
    const oldLin = cpu.gdtrBase + <u64>(segReg(cpu, SegIndex.TR).selector & 0xfff8);
    if (!setBusy(cpu, oldLin & 0xffffffff, false)) return false;
  }
  return reason == TaskReason.IRET || setBusy(cpu, newLin, true);
}

function putSystem(cpu: Vcpu, lin: u64, size: u32, value: u32): bool {
  const p = sysW(cpu, lin & 0xffffffff, size);
  if (p == 0) return false;
  if (size == 4) store<u32>(p, value);
  else store<u16>(p, <u16>value);
  memDone(cpu, p);
  return true;
}

function putAll(cpu: Vcpu, base: u64, size: u32, segments: u64): bool {
  for (let i: u32 = 0; i < 8; i++) {
    const at = base + <u64>(i * size);
    if (!putSystem(cpu, at, size, getReg<u32>(cpu, (<usize>i) << 3))) return false;
  }
  const count: u32 = size == 4 ? 6 : 4;
  for (let i: u32 = 0; i < count; i++) {
    if (!putSystem(cpu, segments + <u64>(i * size), 2, segReg(cpu, i).selector)) return false;
  }
  return true;
}

/** Writes the outgoing task's state to its TSS. */
function saveTask(cpu: Vcpu, reason: u32): bool {
  const tr = segReg(cpu, SegIndex.TR);
  const base = tr.base;
  let flags = readFlags(cpu);
  if (reason == TaskReason.IRET) flags &= ~Flag.NT;
  if ((<u32>tr.attr) & TYPE_WIDE) {
    return (
      putSystem(cpu, base + Tss32.EIP, 4, <u32>cpu.rip) &&
      putSystem(cpu, base + Tss32.EFLAGS, 4, flags) &&
      putAll(cpu, base + Tss32.GPRS, 4, base + Tss32.SEGMENTS)
    );
  }
  return (
    putSystem(cpu, base + Tss16.IP, 2, <u32>cpu.rip) &&
    putSystem(cpu, base + Tss16.FLAGS, 2, flags) &&
    putAll(cpu, base + Tss16.GPRS, 2, base + Tss16.SEGMENTS)
  );
}

function getSystem(cpu: Vcpu, lin: u64, size: u32): u32 {
  const p = sysR(cpu, lin & 0xffffffff, size);
  if (p == 0) return 0;
  return size == 4 ? load<u32>(p) : <u32>load<u16>(p);
}

/** Steps common to both sizes once the old task is saved; the new task's registers are loaded after it. */
function commit(cpu: Vcpu, flags: u32, nested: bool): void {
  cpu.taskCommitted = 1;
  cpu.cr0 |= Cr0.TS;
  setDr(cpu, 7, getDr(cpu, 7) & ~Dr7.LOCAL);
  setFlags(cpu, (nested ? flags | Flag.NT : flags) & ~Flag.RF);
}

function loadTask32(cpu: Vcpu, base: u64, nested: bool): bool {
  const cr3 = getSystem(cpu, base + Tss32.CR3, 4);
  const rip = getSystem(cpu, base + Tss32.EIP, 4);
  const flags = getSystem(cpu, base + Tss32.EFLAGS, 4);
  for (let i: u32 = 0; i < 8; i++)
    setReg<u32>(cpu, (<usize>i) << 3, getSystem(cpu, base + Tss32.GPRS + <u64>(i << 2), 4));
  let selectors: u64 = 0;
  for (let i: u64 = 0; i < 4; i++) selectors |= (<u64>getSystem(cpu, base + Tss32.SEGMENTS + (i << 2), 2)) << (i << 4);
  const fsGs = getSystem(cpu, base + Tss32.SEGMENTS + 16, 2) | (getSystem(cpu, base + Tss32.SEGMENTS + 20, 2) << 16);
  const ldt = getSystem(cpu, base + Tss32.LDT, 2);
  const trap = getSystem(cpu, base + Tss32.TRAP, 2) & 1;
  commit(cpu, flags, nested);
  cpu.rip = <u64>rip;
  if (cpu.cr0 & Cr0.PG) switchAddressSpace(cpu, <u64>cr3);
  const ok = loadTaskSegments(cpu, selectors, fsGs, ldt);
  updateMode(cpu);
  if (trap) cpu.pendingDr6 |= PENDING_BT;
  return ok;
}

function loadTask16(cpu: Vcpu, base: u64, nested: bool): bool {
  const rip = getSystem(cpu, base + Tss16.IP, 2);
  const flags = getSystem(cpu, base + Tss16.FLAGS, 2);
  for (let i: u32 = 0; i < 8; i++) {
    setReg<u32>(cpu, (<usize>i) << 3, getSystem(cpu, base + Tss16.GPRS + <u64>(i << 1), 2) | 0xffff0000);
  }
  let selectors: u64 = 0;
  for (let i: u64 = 0; i < 4; i++) selectors |= (<u64>getSystem(cpu, base + Tss16.SEGMENTS + (i << 1), 2)) << (i << 4);
  const ldt = getSystem(cpu, base + Tss16.LDT, 2);
  commit(cpu, flags, nested);
  cpu.rip = <u64>rip;
  const ok = loadTaskSegments(cpu, selectors, 0, ldt);
  updateMode(cpu);
  return ok;
}
