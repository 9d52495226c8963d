/**
 * RETF and IRET: to the same level, to an outer one, to virtual-8086 mode and to the previous task.
 * [SDM] vol. 2, "RET", "IRET/IRETD/IRETQ".
 */
import { EventBit, SegIndex, Vcpu } from "../gen/layout";
import { Cr4 } from "../cpu/control-bits";
import { Dr7, getDr } from "../cpu/debug";
import { descDpl, descIsStack, descPresent } from "../cpu/descriptors";
import { Vector } from "../cpu/faults";
import { Flag, readFlags } from "../cpu/flags";
import { iopl, is64, isLong, isProtected, isVm86 } from "../cpu/modes";
import { getReg, Gpr, segReg, setReg } from "../cpu/regs";
import { setNullSegment, setVm86Segment } from "../cpu/segments";
import { linR } from "../mmu/access";
import { isCode64, readReturnCode, setCode, targetOk } from "./code-segment";
import { enterRealCode } from "./far";
import { raiseEvent } from "./hooks";
import { dropInnerSegment, setFromDescriptor } from "./load-segment";
import { setFlags, updateMode } from "./modes";
import { commitStack, openStack, popSized, StackView } from "./stack";
import { failGp, failSelector, markAccessed, readDescriptor } from "./tables";
import { returnToPreviousTask } from "./tasks";

/** Flags that IRET and POPF load at any level. */
export const USER_FLAGS: u32 = 0x4dd5;
/** And with a 32- or 64-bit operand. */
export const USER_FLAGS_WIDE: u32 = Flag.AC | Flag.ID;

/** RETF with an operand size of `size` bytes; `release` bytes of parameters are dropped. */
export function farReturn(cpu: Vcpu, size: u32, release: u32): bool {
  const v = openStack(cpu);
  if (!popSized(cpu, v, size)) return false;
  const rip = cpu.popped;
  if (!popSized(cpu, v, size)) return false;
  const selector = (<u32>cpu.popped) & 0xffff;
  if (!isProtected(cpu)) {
    if (!enterRealCode(cpu, selector, rip)) return false;
    v.sp = advance(v, release);
    commitStack(cpu, v);
    return true;
  }
  if (!readReturnCode(cpu, selector)) return false;
  const desc = cpu.descLow;
  const lin = cpu.descLin;
  v.sp = advance(v, release);
  if ((selector & 3) == <u32>cpu.cpl) {
    if (!targetOk(cpu, desc, rip) || !markAccessed(cpu, lin, desc)) return false;
    commitStack(cpu, v);
    return enter(cpu, selector, desc, rip);
  }
  if (!popSized(cpu, v, size)) return false;
  const sp = cpu.popped;
  if (!popSized(cpu, v, size)) return false;
  if (!returnOuter(cpu, selector, desc, lin, rip, (<u32>cpu.popped) & 0xffff, sp)) return false;
  const outer = openStack(cpu);
  outer.sp = advance(outer, release);
  commitStack(cpu, outer);
  return true;
}

function advance(v: StackView, bytes: u32): u64 {
  return (v.sp & ~v.mask) | ((v.sp + <u64>bytes) & v.mask);
}

function enter(cpu: Vcpu, selector: u32, desc: u64, rip: u64): bool {
  setCode(cpu, selector, desc, selector & 3);
  cpu.rip = rip;
  updateMode(cpu);
  return true;
}

/** Loads CS, SS:RSP for the level in `selector`, which is outside the current one or, from 64-bit IRET, equal to it. */
function returnOuter(cpu: Vcpu, selector: u32, desc: u64, lin: u64, rip: u64, ss: u32, sp: u64): bool {
  const cpl = selector & 3;
  const outward = cpl != <u32>cpu.cpl;
  const null64 = !(ss & 0xfffc) && isCode64(cpu, desc) && cpl != 3;
  if (null64) {
    if ((ss & 3) != cpl) return failGp(cpu);
    if (!targetOk(cpu, desc, rip) || !markAccessed(cpu, lin, desc)) return false;
    setNullSegment(cpu, SegIndex.SS, ss);
  } else {
    if (!readReturnStack(cpu, ss, cpl)) return false;
    const ssDesc = cpu.descLow;
    if (!targetOk(cpu, desc, rip) || !markAccessed(cpu, cpu.descLin, ssDesc)) return false;
    if (!markAccessed(cpu, lin, desc)) return false;
    setFromDescriptor(cpu, SegIndex.SS, ss, ssDesc);
  }
  enter(cpu, selector, desc, rip);
  const v = openStack(cpu);
  if (v.mask == 0xffff) setReg<u16>(cpu, Gpr.RSP, <u16>sp);
  else setReg<u64>(cpu, Gpr.RSP, sp & v.mask);
  if (outward) dropInnerSegments(cpu, cpl);
  return true;
}

function readReturnStack(cpu: Vcpu, ss: u32, cpl: u32): bool {
  if (!(ss & 0xfffc)) return failGp(cpu);
  if (!readDescriptor(cpu, ss, Vector.GP)) return false;
  const desc = cpu.descLow;
  if ((ss & 3) != cpl || descDpl(desc) != cpl || !descIsStack(desc)) return failSelector(cpu, Vector.GP, ss);
  return descPresent(desc) || failSelector(cpu, Vector.SS, ss);
}

function dropInnerSegments(cpu: Vcpu, cpl: u32): void {
  dropInnerSegment(cpu, SegIndex.ES, segReg(cpu, SegIndex.ES).attr, cpl);
  dropInnerSegment(cpu, SegIndex.DS, segReg(cpu, SegIndex.DS).attr, cpl);
  dropInnerSegment(cpu, SegIndex.FS, segReg(cpu, SegIndex.FS).attr, cpl);
  dropInnerSegment(cpu, SegIndex.GS, segReg(cpu, SegIndex.GS).attr, cpl);
}

/** IRET with an operand size of `size` bytes. */
export function interruptReturn(cpu: Vcpu, size: u32): bool {
  // NMIs open again with the execution of IRET, whether or not it faults.
  cpu.nmiBlocked = 0;
  if (cpu.nmiPending) raiseEvent(cpu, EventBit.NMI);
  if (is64(cpu)) return iret64(cpu, size);
  if (!isProtected(cpu)) return isVm86(cpu) ? iretVm86(cpu, size) : iretReal(cpu, size, Flag.IF | Flag.IOPL);
  if (cpu.eflags & Flag.NT) return isLong(cpu) ? failGp(cpu) : returnToPreviousTask(cpu);
  return iretProtected(cpu, size);
}

/** The flags after an IRET of `size` bytes executed at the present level. */
function returnedFlags(cpu: Vcpu, image: u32, size: u32, extra: u32): u32 {
  let mask = USER_FLAGS | extra;
  if (size > 2) mask |= USER_FLAGS_WIDE | Flag.RF;
  let flags = (readFlags(cpu) & ~(mask | Flag.RF)) | (image & mask);
  // RF only matters while instruction breakpoints are armed.
  if (flags & Flag.RF) {
    if (getDr(cpu, 7) & Dr7.ENABLES) cpu.keepRf = 1;
    else flags &= ~Flag.RF;
  }
  return flags;
}

/** Privileged flags that IRET may load in protected mode. */
function privilegedFlags(cpu: Vcpu, size: u32): u32 {
  const cpl = <u32>cpu.cpl;
  let mask = cpl <= iopl(cpu) ? Flag.IF : 0;
  if (cpl == 0) mask |= size > 2 ? Flag.IOPL | Flag.VIF | Flag.VIP : Flag.IOPL;
  return mask;
}

function iret64(cpu: Vcpu, size: u32): bool {
  if (cpu.eflags & Flag.NT) return failGp(cpu);
  const sp = getReg<u64>(cpu, Gpr.RSP);
  const p = linR(cpu, sp, 5 * size, true);
  if (p == 0) return false;
  const rip = field(p, 0, size);
  const selector = (<u32>field(p, 1, size)) & 0xffff;
  const image = <u32>field(p, 2, size);
  const newSp = field(p, 3, size);
  const ss = (<u32>field(p, 4, size)) & 0xffff;
  if (!readReturnCode(cpu, selector)) return false;
  const flags = returnedFlags(cpu, image, size, privilegedFlags(cpu, size));
  if (!returnOuter(cpu, selector, cpu.descLow, cpu.descLin, rip, ss, newSp)) return false;
  setFlags(cpu, flags);
  return true;
}

function field(p: usize, n: usize, size: u32): u64 {
  if (size == 8) return load<u64>(p + (n << 3));
  return size == 4 ? <u64>load<u32>(p + (n << 2)) : <u64>load<u16>(p + (n << 1));
}

function iretReal(cpu: Vcpu, size: u32, extra: u32): bool {
  const v = openStack(cpu);
  if (!popSized(cpu, v, size)) return false;
  const rip = cpu.popped;
  if (!popSized(cpu, v, size)) return false;
  const selector = (<u32>cpu.popped) & 0xffff;
  if (!popSized(cpu, v, size)) return false;
  const flags = returnedFlags(cpu, <u32>cpu.popped, size, extra);
  if (!enterRealCode(cpu, selector, rip)) return false;
  commitStack(cpu, v);
  setFlags(cpu, flags);
  return true;
}

/** In virtual-8086 mode IRET needs IOPL 3, or CR4.VME and a 16-bit operand: IF then stands for VIF. */
function iretVm86(cpu: Vcpu, size: u32): bool {
  if (iopl(cpu) == 3) return iretReal(cpu, size, Flag.IF);
  if (!(cpu.cr4 & Cr4.VME) || size != 2) return failGp(cpu);
  const v = openStack(cpu);
  if (!popSized(cpu, v, 2)) return false;
  const rip = cpu.popped;
  if (!popSized(cpu, v, 2)) return false;
  const selector = (<u32>cpu.popped) & 0xffff;
  if (!popSized(cpu, v, 2)) return false;
  const image = <u32>cpu.popped;
  if (image & Flag.TF || (image & Flag.IF && cpu.eflags & Flag.VIP)) return failGp(cpu);
  const flags = returnedFlags(cpu, image, 2, 0);
  if (!enterRealCode(cpu, selector, rip)) return false;
  commitStack(cpu, v);
  setFlags(cpu, (flags & ~Flag.VIF) | (image & Flag.IF ? Flag.VIF : 0));
  return true;
}

function iretProtected(cpu: Vcpu, size: u32): bool {
  const v = openStack(cpu);
  if (!popSized(cpu, v, size)) return false;
  const rip = cpu.popped;
  if (!popSized(cpu, v, size)) return false;
  const selector = (<u32>cpu.popped) & 0xffff;
  if (!popSized(cpu, v, size)) return false;
  const image = <u32>cpu.popped;
  if (image & Flag.VM && size == 4 && cpu.cpl == 0 && !isLong(cpu)) return returnToVm86(cpu, v, rip, selector, image);
  if (!readReturnCode(cpu, selector)) return false;
  const desc = cpu.descLow;
  const lin = cpu.descLin;
  const flags = returnedFlags(cpu, image, size, privilegedFlags(cpu, size));
  if ((selector & 3) == <u32>cpu.cpl) {
    if (!targetOk(cpu, desc, rip) || !markAccessed(cpu, lin, desc)) return false;
    commitStack(cpu, v);
    enter(cpu, selector, desc, rip);
  } else {
    if (!popSized(cpu, v, size)) return false;
    const sp = cpu.popped;
    if (!popSized(cpu, v, size)) return false;
    if (!returnOuter(cpu, selector, desc, lin, rip, (<u32>cpu.popped) & 0xffff, sp)) return false;
  }
  setFlags(cpu, flags);
  return true;
}

/** The rest of a return to virtual-8086 mode: ESP, SS, ES, DS, FS and GS follow EFLAGS on the stack. */
function returnToVm86(cpu: Vcpu, v: StackView, rip: u64, selector: u32, image: u32): bool {
  if (!popSized(cpu, v, 4)) return false;
  const sp = cpu.popped;
  let segments: u64 = 0;
  if (!popSized(cpu, v, 4)) return false;
  const ss = <u32>cpu.popped;
  for (let i: u64 = 0; i < 4; i++) {
    if (!popSized(cpu, v, 4)) return false;
    segments |= (cpu.popped & 0xffff) << (i << 4);
  }
  setVm86Segment(cpu, SegIndex.CS, selector);
  setVm86Segment(cpu, SegIndex.SS, ss);
  setVm86Segment(cpu, SegIndex.ES, (<u32>segments) & 0xffff);
  setVm86Segment(cpu, SegIndex.DS, (<u32>(segments >> 16)) & 0xffff);
  setVm86Segment(cpu, SegIndex.FS, (<u32>(segments >> 32)) & 0xffff);
  setVm86Segment(cpu, SegIndex.GS, <u32>(segments >> 48));
  setReg<u64>(cpu, Gpr.RSP, sp);
  cpu.rip = rip & 0xffff;
  cpu.cpl = 3;
  const flags = returnedFlags(cpu, image, 4, Flag.IF | Flag.IOPL | Flag.VIF | Flag.VIP | Flag.VM);
  setFlags(cpu, flags);
  updateMode(cpu);
  return true;
}
