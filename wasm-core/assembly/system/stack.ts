/**
 * The stack as far transfers and event delivery use it: a view that pushes and pops move, written back to SS:RSP only
 * when nothing can fault any more. A view is of the current stack, or of an inner one that the TSS names.
 * [SDM] vol. 3A, 5.8.5 "Stack Switching" and 6.14.
 */
import { SegIndex, SegmentReg, SegmentReg_SIZE, Vcpu, VcpuOff } from "../gen/layout";
import { Vector } from "../cpu/faults";
import { descAttr, descBase, descDpl, descIsStack, descLimit, descPresent } from "../cpu/descriptors";
import { is64, isLong } from "../cpu/modes";
import { getReg, Gpr, segReg, setReg } from "../cpu/regs";
import { SegAttr, setNullSegment, setSegment } from "../cpu/segments";
import { isCanonical } from "../mmu/canonical";
import { linR, linW, memDone } from "../mmu/access";
import { sysW } from "../mmu/slow";
import { failSelector, markAccessed, readDescriptor, tssR } from "./tables";

/** Mask of stack addresses in 64-bit mode. */
const MASK64: u64 = 0xffffffffffffffff;

/** A stack under construction; starts with the hidden part of its SS. */
@unmanaged
export class StackView extends SegmentReg {
  private seg0: u64;
  private seg1: u64;
  /** stack pointer, moved by pushes and pops */
  sp: u64;
  /** bits of the stack pointer in use */
  mask: u64;
  /** 1 when it belongs to an inner level: pushes are supervisor accesses, and SS is loaded by commitStack */
  inner: u32;
}

function view(cpu: Vcpu): StackView {
  return changetype<StackView>(changetype<usize>(cpu) + VcpuOff.stackView);
}

function maskOf(attr: u32): u64 {
  return attr & SegAttr.BIG ? 0xffffffff : 0xffff;
}

/** The current stack. */
export function openStack(cpu: Vcpu): StackView {
  const v = view(cpu);
  memory.copy(changetype<usize>(v), changetype<usize>(segReg(cpu, SegIndex.SS)), SegmentReg_SIZE);
  v.mask = is64(cpu) ? MASK64 : maskOf(v.attr);
  v.sp = getReg<u64>(cpu, Gpr.RSP);
  v.inner = 0;
  return v;
}

/** A 64-bit stack at `sp` for level `cpl` in long mode. SS becomes null only when the level changes. */
export function openLongStack(cpu: Vcpu, sp: u64, cpl: u32): StackView {
  const v = view(cpu);
  v.mask = MASK64;
  v.sp = sp;
  v.base = 0;
  v.selector = <u16>cpl;
  v.attr = 0;
  v.inner = cpl != <u32>cpu.cpl ? 1 : 0;
  return v;
}

/** Stack pointer `index` of the 64-bit TSS: RSP0-RSP2 are 0-2, IST1-IST7 are 4-10. False when it faults. */
export function openTss64Stack(cpu: Vcpu, index: u32, cpl: u32): bool {
  const p = tssR(cpu, 4 + (index << 3), 8);
  if (p == 0) return false;
  const sp = load<u64>(p);
  if (!isCanonical(sp)) return failSelector(cpu, Vector.SS, 0);
  openLongStack(cpu, sp, cpl);
  return true;
}

/** The stack of level `cpl` that a 16- or 32-bit TSS names, with all checks of SS. False when it faults. */
export function openInnerStack(cpu: Vcpu, cpl: u32): bool {
  const tr = segReg(cpu, SegIndex.TR);
  const wide = ((<u32>tr.attr) & 8) != 0;
  const p = wide ? tssR(cpu, 4 + (cpl << 3), 6) : tssR(cpu, 2 + (cpl << 2), 4);
  if (p == 0) return false;
  const sp = wide ? <u64>load<u32>(p) : <u64>load<u16>(p);
  const ss = wide ? <u32>load<u16>(p, 4) : <u32>load<u16>(p, 2);
  if (!readInnerSs(cpu, ss, cpl)) return false;
  const desc = cpu.descLow;
  const v = view(cpu);
  v.base = descBase(desc);
  v.limit = descLimit(desc);
  v.selector = <u16>ss;
  v.attr = <u16>(descAttr(desc) | SegAttr.ACCESSED);
  v.sp = sp;
  v.mask = maskOf(v.attr);
  v.inner = 1;
  return true;
}

function readInnerSs(cpu: Vcpu, ss: u32, cpl: u32): bool {
  if (!(ss & 0xfffc)) return failSelector(cpu, Vector.TS, 0);
  if (!readDescriptor(cpu, ss, Vector.TS)) return false;
  const desc = cpu.descLow;
  if ((ss & 3) != cpl || descDpl(desc) != cpl || !descIsStack(desc)) return failSelector(cpu, Vector.TS, ss);
  if (!descPresent(desc)) return failSelector(cpu, Vector.SS, ss);
  return markAccessed(cpu, cpu.descLin, desc);
}

/** Whether `size` bytes at offset `off` of the view lie inside its limit. */
function inLimit(v: StackView, off: u64, size: u32): bool {
  const last = off + <u64>(size - 1);
  if (v.mask == MASK64) return true;
  if ((<u32>v.attr) & SegAttr.CONFORMING) return off > <u64>v.limit && last <= maskOf(v.attr);
  return last <= <u64>v.limit;
}

function overflow(cpu: Vcpu, v: StackView): bool {
  return failSelector(cpu, Vector.SS, v.inner ? v.selector : 0);
}

/** Pushes the low `size` (2, 4, 8) bytes of `value`. False when it faults; the stack pointer is not architectural yet. */
export function pushSized(cpu: Vcpu, v: StackView, size: u32, value: u64): bool {
  const sp = (v.sp - <u64>size) & v.mask;
  if (!inLimit(v, sp, size)) return overflow(cpu, v);
  let lin = sp + v.base;
  if (!isLong(cpu)) lin &= 0xffffffff;
  const p = v.inner ? sysW(cpu, lin, size) : linW(cpu, lin, size, true);
  if (p == 0) return false;
  if (size == 8) store<u64>(p, value);
  else if (size == 4) store<u32>(p, <u32>value);
  else store<u16>(p, <u16>value);
  memDone(cpu, p);
  v.sp = (v.sp & ~v.mask) | sp;
  return true;
}

/** Address of the next `size` bytes, and moves past them; 0 when it faults. */
function popPointer(cpu: Vcpu, v: StackView, size: u32): usize {
  const sp = v.sp & v.mask;
  if (!inLimit(v, sp, size)) {
    overflow(cpu, v);
    return 0;
  }
  let lin = sp + v.base;
  if (!isLong(cpu)) lin &= 0xffffffff;
  const p = linR(cpu, lin, size, true);
  v.sp = (v.sp & ~v.mask) | ((sp + <u64>size) & v.mask);
  return p;
}

/** Pops `size` bytes into cpu.popped. False when it faults. */
export function popSized(cpu: Vcpu, v: StackView, size: u32): bool {
  const p = popPointer(cpu, v, size);
  if (p == 0) return false;
  cpu.popped = size == 8 ? load<u64>(p) : size == 4 ? <u64>load<u32>(p) : <u64>load<u16>(p);
  return true;
}

/** Makes the view's pointer, and for an inner stack its segment, the current SS:RSP. */
export function commitStack(cpu: Vcpu, v: StackView): void {
  if (v.inner) {
    if (v.attr == 0) setNullSegment(cpu, SegIndex.SS, v.selector);
    else setSegment(cpu, SegIndex.SS, v.selector, v.base, <u32>v.limit, v.attr);
  }
  if (v.mask == 0xffff) setReg<u16>(cpu, Gpr.RSP, <u16>v.sp);
  else setReg<u64>(cpu, Gpr.RSP, v.sp & v.mask);
}

/** The view opened last. */
export function currentView(cpu: Vcpu): StackView {
  return view(cpu);
}
