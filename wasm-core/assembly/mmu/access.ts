/**
 * The doors through which instructions reach guest memory. A door answers with a machine address to load from or store
 * to, or 0 when an exception was raised. The fast path is one TLB compare. Everything else ends in slow.ts, where an
 * access that crosses pages or reaches a device is gathered in the vCPU's bounce buffer: writes through a pointer are
 * finished with memDone().
 *
 * The compare uses the page of the access's last byte against the slot of its first: neighbouring pages never share a
 * slot (see tlbSlot), so an access that crosses always misses.
 */
import { ModeKey, SegIndex, Vcpu, VcpuOff } from "../gen/layout";
import { Rec, Ea } from "../decode/record";
import { segReg } from "../cpu/regs";
import { Door } from "./door";
import { legacyLinear, NO_LINEAR } from "./segment";
import { alignmentFault, commitBounce, gatherAgain, passingAccess, slowAccess } from "./slow";
import { tagOf, tlbSlot } from "./tlb";
import { Access } from "./walk";

export { Door } from "./door";
export { copyFromGuest, copyToGuest, sysR, sysRW, sysW } from "./slow";
export { physR } from "./physical";

/**
 * Where the byte at `lin` lies, on a page of plain memory that can be accessed so with nobody to be told; 0 when there is
 * anything to look at, with no exception raised. For pages that are passed through as a whole.
 */
@inline
export function passingAt(cpu: Vcpu, lin: u64, access: u32): usize {
  const e = tlbSlot(cpu.tlb, lin);
  const tag = access == Access.READ ? e.tagR : e.tagW;
  return tag == tagOf(cpu, lin, 1) ? <usize>(e.delta + <u32>lin) : passingAccess(cpu, lin, access);
}

/** Reads of `size` bytes at linear address `lin`; `ss` says that a non-canonical address is #SS. */
@inline
export function linR(cpu: Vcpu, lin: u64, size: u32, ss: bool): usize {
  const e = tlbSlot(cpu.tlb, lin);
  if (e.tagR == tagOf(cpu, lin, size)) return <usize>(e.delta + <u32>lin);
  return slowAccess(cpu, lin, size, Door.READ, ss);
}

@inline
export function linW(cpu: Vcpu, lin: u64, size: u32, ss: bool): usize {
  const e = tlbSlot(cpu.tlb, lin);
  if (e.tagW == tagOf(cpu, lin, size)) return <usize>(e.delta + <u32>lin);
  return slowAccess(cpu, lin, size, Door.WRITE, ss);
}

@inline
export function linRW(cpu: Vcpu, lin: u64, size: u32, ss: bool): usize {
  const e = tlbSlot(cpu.tlb, lin);
  if (e.tagW == tagOf(cpu, lin, size)) return <usize>(e.delta + <u32>lin);
  return slowAccess(cpu, lin, size, Door.UPDATE, ss);
}

/** Ends a write through `p`. */
@inline
export function memDone(cpu: Vcpu, p: usize): void {
  if (p == changetype<usize>(cpu) + VcpuOff.bounce) commitBounce(cpu);
}

/** Before a change through `p` that others must not come between: what was gathered may have changed meanwhile. */
@inline
export function memAgain(cpu: Vcpu, p: usize): void {
  if (p == changetype<usize>(cpu) + VcpuOff.bounce) gatherAgain(cpu);
}

@inline
function plainAddress(cpu: Vcpu, rec: Rec): u64 {
  const base = changetype<usize>(cpu);
  return load<u64>(base + rec.rm) + (load<u64>(base + rec.index) << (<u64>rec.ea)) + <u64>rec.disp;
}

/** In plain addressing the stack segment is implied by an RSP or RBP base. */
@inline
function stackBase(rec: Rec): bool {
  return rec.rm == 32 || rec.rm == 40;
}

/** Effective address (offset, without a segment base). */
export function memAddr(cpu: Vcpu, rec: Rec): u64 {
  const ea = <u32>rec.ea;
  const base = changetype<usize>(cpu);
  const sum = load<u64>(base + rec.rm) + (load<u64>(base + rec.index) << u64(ea & 3)) + <u64>rec.disp;
  if (ea < Ea.FULL) return sum;
  const asize = ea >> Ea.ASIZE_SHIFT;
  return asize == 2 ? sum : asize == 1 ? sum & 0xffffffff : sum & 0xffff;
}

/** Segment that the memory operand uses. */
export function memSeg(rec: Rec): u32 {
  const ea = <u32>rec.ea;
  if (ea >= Ea.FULL) return (ea >> Ea.SEG_SHIFT) & 7;
  return stackBase(rec) ? SegIndex.SS : SegIndex.DS;
}

@inline
export function memR(cpu: Vcpu, rec: Rec, size: u32): usize {
  if (<u32>rec.ea < Ea.FULL) {
    const lin = plainAddress(cpu, rec);
    const e = tlbSlot(cpu.tlb, lin);
    if (e.tagR == tagOf(cpu, lin, size)) return <usize>(e.delta + <u32>lin);
  }
  return slowMem(cpu, rec, size, Door.READ);
}

@inline
export function memW(cpu: Vcpu, rec: Rec, size: u32): usize {
  if (<u32>rec.ea < Ea.FULL) {
    const lin = plainAddress(cpu, rec);
    const e = tlbSlot(cpu.tlb, lin);
    if (e.tagW == tagOf(cpu, lin, size)) return <usize>(e.delta + <u32>lin);
  }
  return slowMem(cpu, rec, size, Door.WRITE);
}

@inline
export function memRW(cpu: Vcpu, rec: Rec, size: u32): usize {
  if (<u32>rec.ea < Ea.FULL) {
    const lin = plainAddress(cpu, rec);
    const e = tlbSlot(cpu.tlb, lin);
    if (e.tagW == tagOf(cpu, lin, size)) return <usize>(e.delta + <u32>lin);
  }
  return slowMem(cpu, rec, size, Door.UPDATE);
}

/** memR, memW, memRW for 16-byte operands that must be aligned: #GP(0) before any translation. */
export function memAligned(cpu: Vcpu, rec: Rec, door: u32): usize {
  const plain = <u32>rec.ea < Ea.FULL;
  const lin = plain ? plainAddress(cpu, rec) : segBase(cpu, memSeg(rec)) + memAddr(cpu, rec);
  if (lin & 15) return alignmentFault(cpu);
  return door == Door.READ ? memR(cpu, rec, 16) : door == Door.WRITE ? memW(cpu, rec, 16) : memRW(cpu, rec, 16);
}

/** Base that segment `seg` adds to an offset: 64-bit mode ignores all but FS and GS. */
export function segBase(cpu: Vcpu, seg: u32): u64 {
  if ((cpu.modeKey & ModeKey.CODE_MASK) == ModeKey.CODE64 && seg < SegIndex.FS) return 0;
  return segReg(cpu, seg).base;
}

/** The memory operand of `rec` when it is not plain or missed the TLB. */
function slowMem(cpu: Vcpu, rec: Rec, size: u32, door: u32): usize {
  const ea = <u32>rec.ea;
  if (ea < Ea.FULL) return slowAccess(cpu, plainAddress(cpu, rec), size, door, stackBase(rec));
  return segAccess(cpu, (ea >> Ea.SEG_SHIFT) & 7, memAddr(cpu, rec), size, door);
}

/** An access at `off` in segment `seg`, with that segment's checks. */
export function segAccess(cpu: Vcpu, seg: u32, off: u64, size: u32, door: u32): usize {
  let lin: u64;
  if ((cpu.modeKey & ModeKey.CODE_MASK) == ModeKey.CODE64) lin = seg < SegIndex.FS ? off : segReg(cpu, seg).base + off;
  else {
    lin = legacyLinear(cpu, seg, off, size, door != Door.READ);
    if (lin == NO_LINEAR) return 0;
  }
  const ss = seg == SegIndex.SS;
  return door == Door.READ
    ? linR(cpu, lin, size, ss)
    : door == Door.WRITE
      ? linW(cpu, lin, size, ss)
      : linRW(cpu, lin, size, ss);
}

export function segR(cpu: Vcpu, seg: u32, off: u64, size: u32): usize {
  return segAccess(cpu, seg, off, size, Door.READ);
}

export function segW(cpu: Vcpu, seg: u32, off: u64, size: u32): usize {
  return segAccess(cpu, seg, off, size, Door.WRITE);
}

export function segRW(cpu: Vcpu, seg: u32, off: u64, size: u32): usize {
  return segAccess(cpu, seg, off, size, Door.UPDATE);
}
