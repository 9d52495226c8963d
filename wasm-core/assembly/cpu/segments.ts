/**
 * The hidden part of segment registers: attribute bits, loading from a descriptor, and the forms that need no
 * descriptor (real address mode, virtual-8086 mode, SYSCALL's fixed segments). [SDM] vol. 3A, 3.4.
 */
import { SegIndex, SegmentReg, Vcpu } from "../gen/layout";
import { segReg } from "./regs";

/** Bits of SegmentReg.attr. */
export namespace SegAttr {
  export const TYPE_MASK: u32 = 0xf;
  export const ACCESSED: u32 = 1;
  /** of a data segment */
  export const WRITABLE: u32 = 2;
  /** of a code segment */
  export const READABLE: u32 = 2;
  export const CONFORMING: u32 = 4;
  export const CODE: u32 = 8;
  /** S: code or data; clear for system segments */
  export const CODE_DATA: u32 = 0x10;
  export const DPL_SHIFT: u32 = 5;
  export const DPL_MASK: u32 = 0x60;
  export const PRESENT: u32 = 0x80;
  export const LONG: u32 = 0x200;
  export const BIG: u32 = 0x400;
  export const GRANULAR: u32 = 0x800;
}

/** Data, writable, accessed, present: what real mode loads. */
export const ATTR_REAL: u32 = 0x93;
/** The same with DPL 3: every segment of virtual-8086 mode. */
export const ATTR_VM86: u32 = 0xf3;
/** Flat code, readable, accessed, DPL 0, without L and DB. */
export const ATTR_FLAT_CODE: u32 = 0x89b;
/** Flat 32-bit data, DPL 0. */
export const ATTR_FLAT_DATA: u32 = 0xc93;

@inline
export function attrDpl(attr: u32): u32 {
  return (attr >> SegAttr.DPL_SHIFT) & 3;
}

/** Descriptor bits that tell present, writable, expand-up data. */
const DATA_MASK: u32 = 0x8e;
const DATA_WRITABLE: u32 = 0x82;

/** Derives the register's bit of Vcpu.notFlat. */
export function noteFlat(cpu: Vcpu, seg: u32): void {
  if (seg > SegIndex.GS) return;
  const s = segReg(cpu, seg);
  const based = s.base != 0 && seg < SegIndex.FS;
  const special = seg != SegIndex.CS && ((<u32>s.attr) & DATA_MASK) != DATA_WRITABLE;
  const bit: u32 = 1 << seg;
  cpu.notFlat = based || special || s.limit != 0xffffffff ? cpu.notFlat | bit : cpu.notFlat & ~bit;
}

export function setSegment(cpu: Vcpu, seg: u32, selector: u32, base: u64, limit: u32, attr: u32): void {
  const s = segReg(cpu, seg);
  s.base = base;
  s.limit = limit;
  s.selector = <u16>selector;
  s.attr = <u16>attr;
  noteFlat(cpu, seg);
}

/** Makes the register unusable: a null selector was loaded. */
export function setNullSegment(cpu: Vcpu, seg: u32, selector: u32): void {
  setSegment(cpu, seg, selector, 0, 0, 0);
}

/** Loads in real mode: base from the selector; limit, size and granularity stay what they were. */
export function setRealSegment(cpu: Vcpu, seg: u32, selector: u32): void {
  const s = segReg(cpu, seg);
  s.selector = <u16>selector;
  s.base = (<u64>(selector & 0xffff)) << 4;
  s.attr = <u16>(((<u32>s.attr) & (SegAttr.BIG | SegAttr.GRANULAR)) | ATTR_REAL);
  noteFlat(cpu, seg);
}

/** Loads in virtual-8086 mode: everything is implied by the selector. */
export function setVm86Segment(cpu: Vcpu, seg: u32, selector: u32): void {
  setSegment(cpu, seg, selector, (<u64>(selector & 0xffff)) << 4, 0xffff, ATTR_VM86);
}

/** The flat code and stack segments of SYSCALL, SYSENTER and their returns. */
export function setFlatCodeAndStack(cpu: Vcpu, cs: u32, ss: u32, dpl: u32, long: bool): void {
  const level = dpl << SegAttr.DPL_SHIFT;
  setSegment(cpu, SegIndex.CS, cs, 0, 0xffffffff, ATTR_FLAT_CODE | level | (long ? SegAttr.LONG : SegAttr.BIG));
  setSegment(cpu, SegIndex.SS, ss, 0, 0xffffffff, ATTR_FLAT_DATA | level);
}

@inline
export function csReg(cpu: Vcpu): SegmentReg {
  return segReg(cpu, SegIndex.CS);
}

@inline
export function ssReg(cpu: Vcpu): SegmentReg {
  return segReg(cpu, SegIndex.SS);
}
