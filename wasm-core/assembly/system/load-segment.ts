/**
 * Loading segment registers: MOV, POP and LDS for data segments and SS, LLDT and LTR for the system ones, with the
 * manual's checks in its order. CS is loaded by far transfers only. [SDM] vol. 2, "MOV", "LLDT", "LTR".
 */
import { ModeKey, SegIndex, Status, Vcpu } from "../gen/layout";
import {
  descAttr,
  descBase,
  descDpl,
  descIsStack,
  descLimit,
  descPresent,
  descType,
  SystemType,
} from "../cpu/descriptors";
import { Vector } from "../cpu/faults";
import { is64, isLong, isProtected, isVm86, updateModeKey } from "../cpu/modes";
import { SegAttr, setNullSegment, setRealSegment, setSegment, setVm86Segment } from "../cpu/segments";
import { isCanonical } from "../mmu/canonical";
import { failGp, failSelector, markAccessed, readDescriptor, readUpperHalf, setBusy } from "./tables";

/** Busy bit in a TSS's attributes. */
const TYPE_BUSY: u32 = 2;

/** Loads ES, SS, DS, FS or GS with `selector`. Returns a Status: NEXT or FAULT. */
export function loadSegment(cpu: Vcpu, seg: u32, selector: u32): i32 {
  const ok = isProtected(cpu)
    ? seg == SegIndex.SS
      ? loadStackSegment(cpu, selector)
      : loadDataSegment(cpu, seg, selector)
    : loadWithoutDescriptor(cpu, seg, selector);
  return ok ? Status.NEXT : Status.FAULT;
}

function loadWithoutDescriptor(cpu: Vcpu, seg: u32, selector: u32): bool {
  if (isVm86(cpu)) setVm86Segment(cpu, seg, selector);
  else setRealSegment(cpu, seg, selector);
  return true;
}

function loadStackSegment(cpu: Vcpu, selector: u32): bool {
  const cpl = <u32>cpu.cpl;
  if (!(selector & 0xfffc)) {
    if (!is64(cpu) || cpl == 3 || (selector & 3) != cpl) return failGp(cpu);
    setNullSegment(cpu, SegIndex.SS, selector);
    return true;
  }
  if (!readDescriptor(cpu, selector, Vector.GP)) return false;
  const desc = cpu.descLow;
  if ((selector & 3) != cpl || descDpl(desc) != cpl || !descIsStack(desc))
    return failSelector(cpu, Vector.GP, selector);
  if (!descPresent(desc)) return failSelector(cpu, Vector.SS, selector);
  if (!markAccessed(cpu, cpu.descLin, desc)) return false;
  setFromDescriptor(cpu, SegIndex.SS, selector, desc);
  if (((cpu.modeKey & ModeKey.STACK32) != 0) != ((descAttr(desc) & SegAttr.BIG) != 0)) updateModeKey(cpu);
  return true;
}

function loadDataSegment(cpu: Vcpu, seg: u32, selector: u32): bool {
  if (!(selector & 0xfffc)) {
    setNullSegment(cpu, seg, selector);
    return true;
  }
  if (!readDescriptor(cpu, selector, Vector.GP)) return false;
  const desc = cpu.descLow;
  if (!dataSegmentOk(desc, selector, cpu.cpl)) return failSelector(cpu, Vector.GP, selector);
  if (!descPresent(desc)) return failSelector(cpu, Vector.NP, selector);
  if (!markAccessed(cpu, cpu.descLin, desc)) return false;
  setFromDescriptor(cpu, seg, selector, desc);
  return true;
}

/** Whether code at level `cpl` may load `desc` through `selector` into a data segment register. */
export function dataSegmentOk(desc: u64, selector: u32, cpl: u32): bool {
  const type = descType(desc);
  if (!(type & SegAttr.CODE_DATA)) return false;
  const code = (type & SegAttr.CODE) != 0;
  if (code && !(type & SegAttr.READABLE)) return false;
  if (code && type & SegAttr.CONFORMING) return true;
  const dpl = descDpl(desc);
  return (selector & 3) <= dpl && cpl <= dpl;
}

/** Fills the hidden part; the descriptor has been checked. */
export function setFromDescriptor(cpu: Vcpu, seg: u32, selector: u32, desc: u64): void {
  setSegment(cpu, seg, selector, descBase(desc), descLimit(desc), descAttr(desc) | SegAttr.ACCESSED);
}

/** After a transfer to an outer level: data segments that the new level may not use become null. */
export function dropInnerSegment(cpu: Vcpu, seg: u32, attr: u32, cpl: u32): void {
  const code = (attr & SegAttr.CODE) != 0;
  if (attr == 0 || (code && attr & SegAttr.CONFORMING)) return;
  if (((attr >> SegAttr.DPL_SHIFT) & 3) < cpl) setNullSegment(cpu, seg, 0);
}

/** LLDT: false with an exception raised. `vector` is #GP, or #TS for the LDT of a task. */
export function loadLdt(cpu: Vcpu, selector: u32, vector: u32): bool {
  if (!(selector & 0xfffc)) {
    setNullSegment(cpu, SegIndex.LDTR, selector);
    return true;
  }
  if (selector & 4) return failSelector(cpu, vector, selector);
  if (!readDescriptor(cpu, selector, vector)) return false;
  const desc = cpu.descLow;
  if (descType(desc) != SystemType.LDT) return failSelector(cpu, vector, selector);
  if (!readUpperHalf(cpu, selector, vector)) return false;
  if (!descPresent(desc)) return failSelector(cpu, vector == Vector.GP ? Vector.NP : vector, selector);
  const base = systemBase(cpu, desc);
  if (isLong(cpu) && !isCanonical(base)) return failSelector(cpu, vector, selector);
  setSegment(cpu, SegIndex.LDTR, selector, base, descLimit(desc), descAttr(desc));
  return true;
}

/** LTR: loads an available TSS and marks it busy. */
export function loadTaskRegister(cpu: Vcpu, selector: u32): bool {
  if (!(selector & 0xfffc)) return failGp(cpu);
  if (selector & 4) return failSelector(cpu, Vector.GP, selector);
  if (!readDescriptor(cpu, selector, Vector.GP)) return false;
  const desc = cpu.descLow;
  const type = descType(desc);
  if (type != SystemType.TSS32 && (type != SystemType.TSS16 || isLong(cpu))) {
    return failSelector(cpu, Vector.GP, selector);
  }
  if (!readUpperHalf(cpu, selector, Vector.GP)) return false;
  if (!descPresent(desc)) return failSelector(cpu, Vector.NP, selector);
  if (isLong(cpu) && !isCanonical(systemBase(cpu, desc))) return failSelector(cpu, Vector.GP, selector);
  if (!setBusy(cpu, cpu.descLin, true)) return false;
  setSegment(cpu, SegIndex.TR, selector, systemBase(cpu, desc), descLimit(desc), descAttr(desc) | TYPE_BUSY);
  return true;
}

/** Base of the system descriptor that was read last. */
export function systemBase(cpu: Vcpu, desc: u64): u64 {
  return descBase(desc) | (cpu.descHigh << 32);
}
