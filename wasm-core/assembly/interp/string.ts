/**
 * String instructions. A repeated one works through some thousands of elements at most, then lets the run loop look at
 * events and starts again from the registers, as hardware does between iterations. MOVS and STOS go in bulk where a run
 * of elements lies in one piece, over pages that follow each other in the machine's memory too: hosts copy longer pieces
 * faster. [SDM] vol. 2, "REP".
 */
import { ModeKey, SegIndex, Status, Vcpu } from "../gen/layout";
import { Flag, zf } from "../cpu/flags";
import { getReg, Gpr, setReg } from "../cpu/regs";
import { Ea, Rec } from "../decode/record";
import { Door, memDone, memSeg, passingAt, segAccess, segBase } from "../mmu/access";
import { Access } from "../mmu/walk";
import { cmp } from "./alu";

namespace Rep {
  export const NONE: u32 = 0;
  export const REPE: u32 = 1;
  export const REPNE: u32 = 2;
}

/** Elements that one visit works through at most, one by one; and bytes, where they go in bulk: some ten microseconds. */
const VISIT: u64 = 4096;
const BULK_BYTES: u64 = 262144;
/** So many bytes of a page or more are passed through: it is not likely to be looked at again soon. */
const PASSING_BYTES: u64 = 2048;

@inline
function mask(rec: Rec): u64 {
  const a = (<u32>rec.ea) >> Ea.ASIZE_SHIFT;
  return a == 2 ? <u64>-1 : a == 1 ? 0xffffffff : 0xffff;
}

/** Sets the part of a register that the address size covers; a 32-bit part clears the upper half. */
function setPart(cpu: Vcpu, rec: Rec, reg: usize, v: u64): void {
  const a = (<u32>rec.ea) >> Ea.ASIZE_SHIFT;
  if (a == 2) setReg<u64>(cpu, reg, v);
  else if (a == 1) setReg<u32>(cpu, reg, <u32>v);
  else setReg<u16>(cpu, reg, <u16>v);
}

@inline
function advance(cpu: Vcpu, rec: Rec, reg: usize, step: u64): void {
  setPart(cpu, rec, reg, getReg<u64>(cpu, reg) + step);
}

@inline
function step<T>(cpu: Vcpu): u64 {
  return cpu.eflags & Flag.DF ? <u64>-(<i64>sizeof<T>()) : sizeof<T>();
}

@inline
function source<T>(cpu: Vcpu, rec: Rec): usize {
  return segAccess(cpu, memSeg(rec), getReg<u64>(cpu, Gpr.RSI) & mask(rec), sizeof<T>(), Door.READ);
}

@inline
function destination<T>(cpu: Vcpu, rec: Rec, door: u32): usize {
  return segAccess(cpu, SegIndex.ES, getReg<u64>(cpu, Gpr.RDI) & mask(rec), sizeof<T>(), door);
}

/** Elements left, 1 without a repeat prefix. */
@inline
function left(cpu: Vcpu, rec: Rec, rep: u32): u64 {
  return rep == Rep.NONE ? 1 : getReg<u64>(cpu, Gpr.RCX) & mask(rec);
}

/** Elements for this visit: single-stepping takes one at a time. */
function visit(cpu: Vcpu, total: u64, most: u64 = VISIT): u64 {
  return cpu.modeKey & ModeKey.SINGLE ? min<u64>(total, 1) : min<u64>(total, most);
}

/** Ends a visit in which `done` of `total` elements were worked; `over` when the repeat condition ended it. */
function leave(cpu: Vcpu, rec: Rec, rep: u32, total: u64, done: u64, over: bool): i32 {
  if (rep == Rep.NONE) return Status.NEXT;
  setPart(cpu, rec, Gpr.RCX, total - done);
  cpu.budget -= <i32>(done >> 3);
  // Where time is made of instructions, it goes on too: a timer is due in the middle of a long one.
  cpu.repeats += done >> 3;
  return over || done == total ? Status.NEXT : again(cpu);
}

/** More iterations are left. RF holds until the last: a breakpoint on the instruction is met once. [SDM] vol. 3, 18.3.1.1 */
export function again(cpu: Vcpu): i32 {
  if (cpu.modeKey & ModeKey.SINGLE) cpu.keepRf = 1;
  return Status.RESTART;
}

/** A fault after `done` elements: those stay done. */
function leaveFault(cpu: Vcpu, rec: Rec, rep: u32, total: u64, done: u64): i32 {
  if (rep != Rep.NONE && done != 0) setPart(cpu, rec, Gpr.RCX, total - done);
  return Status.FAULT;
}

/** Elements of `bytes` bytes that lie, going up from `off` in segment `seg`, before the end of their linear page. */
@inline
function inPage(cpu: Vcpu, seg: u32, off: u64, bytes: u64): u64 {
  return (4096 - ((segBase(cpu, seg) + off) & 4095)) / bytes;
}

/** Whether a bulk path may be tried: going up in 64-bit or 32-bit code with its own address size. */
@inline
function bulk(cpu: Vcpu, rec: Rec, n: u64): bool {
  if (n < 8 || cpu.eflags & Flag.DF) return false;
  const mode = cpu.modeKey & ModeKey.CODE_MASK;
  return mode != ModeKey.CODE16 && (<u32>rec.ea) >> Ea.ASIZE_SHIFT == mode;
}

/** Whether segment `seg` says nothing against the `size` bytes at `lin`, and they do not go round. */
@inline
function isFlat(cpu: Vcpu, seg: u32, lin: u64, size: u64): bool {
  if ((cpu.modeKey & ModeKey.CODE_MASK) == ModeKey.CODE64) return true;
  return (cpu.notFlat & (1 << seg)) == 0 && lin + size <= 0x100000000;
}

/** Machine address of the `size` bytes at `off` in segment `seg`, up to the end of their page at most. As segAccess. */
function piece(cpu: Vcpu, seg: u32, off: u64, size: u64, door: u32): usize {
  const lin = segBase(cpu, seg) + off;
  if (size >= PASSING_BYTES && isFlat(cpu, seg, lin, size)) {
    const at = passingAt(cpu, lin, door == Door.READ ? Access.READ : Access.WRITE);
    if (at != 0) return at;
  }
  return segAccess(cpu, seg, off, <u32>size, door);
}

/**
 * Of the `n` elements of `bytes` bytes at `off`, of which the first `known` lie at machine address `host` up to the end of
 * their page: those that lie there in one piece, because the pages behind it follow each other there too. These are plain
 * memory, which the instruction is about to reach.
 */
function stretch(cpu: Vcpu, seg: u32, off: u64, host: usize, known: u64, n: u64, bytes: u64, access: u32): u64 {
  if (known == n) return n;
  const lin = segBase(cpu, seg) + off;
  const wanted = n * bytes;
  if (!isFlat(cpu, seg, lin, wanted)) return known;
  let length = 4096 - (lin & 4095);
  while (length < wanted && passingAt(cpu, lin + length, access) == host + <usize>length) length += 4096;
  return min<u64>(length, wanted) / bytes;
}

/**
 * Copies as many whole elements as source and destination hold in one piece each, at most n. 0: take the slow path.
 * With the destination ahead of the source those up to it: what is copied there repeats.
 */
function bulkMove<T>(cpu: Vcpu, rec: Rec, n: u64): u64 {
  const si = getReg<u64>(cpu, Gpr.RSI) & mask(rec);
  const di = getReg<u64>(cpu, Gpr.RDI) & mask(rec);
  const seg = memSeg(rec);
  const from = min<u64>(n, inPage(cpu, seg, si, sizeof<T>()));
  const to = min<u64>(n, inPage(cpu, SegIndex.ES, di, sizeof<T>()));
  if (min<u64>(from, to) < 8) return 0;
  const s = piece(cpu, seg, si, from * sizeof<T>(), Door.READ);
  if (s == 0 || isBounce(cpu, s)) return 0;
  const d = piece(cpu, SegIndex.ES, di, min<u64>(from, to) * sizeof<T>(), Door.WRITE);
  if (d == 0 || isBounce(cpu, d)) return 0;
  // The source first: a page becomes dirty only when it is written.
  let most = stretch(cpu, seg, si, s, from, n, sizeof<T>(), Access.READ);
  if (d > s) most = min<u64>(most, (d - s) / sizeof<T>());
  if (most < 8) return 0;
  const count = stretch(cpu, SegIndex.ES, di, d, min<u64>(to, most), most, sizeof<T>(), Access.WRITE);
  memory.copy(d, s, <usize>(count * sizeof<T>()));
  return count;
}

function bulkStore<T>(cpu: Vcpu, rec: Rec, n: u64): u64 {
  const di = getReg<u64>(cpu, Gpr.RDI) & mask(rec);
  const first = min<u64>(n, inPage(cpu, SegIndex.ES, di, sizeof<T>()));
  if (first < 8) return 0;
  const d = piece(cpu, SegIndex.ES, di, first * sizeof<T>(), Door.WRITE);
  if (d == 0 || isBounce(cpu, d)) return 0;
  const count = stretch(cpu, SegIndex.ES, di, d, first, n, sizeof<T>(), Access.WRITE);
  const v = getReg<T>(cpu, Gpr.RAX);
  if (sizeof<T>() == 1 || v == 0) memory.fill(d, <u8>v, <usize>(count * sizeof<T>()));
  else for (let at = d, end = d + <usize>(count * sizeof<T>()); at < end; at += sizeof<T>()) store<T>(at, v);
  return count;
}

/** A device or a fault: the slow path meets it again, element by element. */
@inline
function isBounce(cpu: Vcpu, p: usize): bool {
  return p - changetype<usize>(cpu) < 65536;
}

export function movs<T>(cpu: Vcpu, rec: Rec, rep: u32): i32 {
  const total = left(cpu, rec, rep);
  const want = visit(cpu, total, BULK_BYTES / sizeof<T>());
  const by = step<T>(cpu);
  let done: u64 = 0;
  for (let single: u64 = 0; done < want && single < VISIT;) {
    if (rep != Rep.NONE && bulk(cpu, rec, want - done)) {
      const n = bulkMove<T>(cpu, rec, want - done);
      if (n != 0) {
        advance(cpu, rec, Gpr.RSI, n * sizeof<T>());
        advance(cpu, rec, Gpr.RDI, n * sizeof<T>());
        done += n;
        continue;
      }
    }
    const s = source<T>(cpu, rec);
    if (s == 0) return leaveFault(cpu, rec, rep, total, done);
    const v = load<T>(s);
    const d = destination<T>(cpu, rec, Door.WRITE);
    if (d == 0) return leaveFault(cpu, rec, rep, total, done);
    store<T>(d, v);
    memDone(cpu, d);
    advance(cpu, rec, Gpr.RSI, by);
    advance(cpu, rec, Gpr.RDI, by);
    done += 1;
    single += 1;
  }
  return leave(cpu, rec, rep, total, done, false);
}

export function stos<T>(cpu: Vcpu, rec: Rec, rep: u32): i32 {
  const total = left(cpu, rec, rep);
  const want = visit(cpu, total, BULK_BYTES / sizeof<T>());
  const by = step<T>(cpu);
  let done: u64 = 0;
  for (let single: u64 = 0; done < want && single < VISIT;) {
    if (rep != Rep.NONE && bulk(cpu, rec, want - done)) {
      const n = bulkStore<T>(cpu, rec, want - done);
      if (n != 0) {
        advance(cpu, rec, Gpr.RDI, n * sizeof<T>());
        done += n;
        continue;
      }
    }
    const d = destination<T>(cpu, rec, Door.WRITE);
    if (d == 0) return leaveFault(cpu, rec, rep, total, done);
    store<T>(d, getReg<T>(cpu, Gpr.RAX));
    memDone(cpu, d);
    advance(cpu, rec, Gpr.RDI, by);
    done += 1;
    single += 1;
  }
  return leave(cpu, rec, rep, total, done, false);
}

export function lods<T>(cpu: Vcpu, rec: Rec, rep: u32): i32 {
  const total = left(cpu, rec, rep);
  const want = visit(cpu, total);
  for (let done: u64 = 0; done < want; done++) {
    const s = source<T>(cpu, rec);
    if (s == 0) return leaveFault(cpu, rec, rep, total, done);
    setReg<T>(cpu, Gpr.RAX, load<T>(s));
    advance(cpu, rec, Gpr.RSI, step<T>(cpu));
  }
  return leave(cpu, rec, rep, total, want, false);
}

/** REPE goes on while equal, REPNE while different. */
@inline
function ended(cpu: Vcpu, rep: u32): bool {
  return rep == Rep.REPE ? !zf(cpu) : rep == Rep.REPNE ? zf(cpu) : true;
}

export function cmps<T>(cpu: Vcpu, rec: Rec, rep: u32): i32 {
  const total = left(cpu, rec, rep);
  const want = visit(cpu, total);
  for (let done: u64 = 0; done < want; done++) {
    const s = source<T>(cpu, rec);
    if (s == 0) return leaveFault(cpu, rec, rep, total, done);
    const a = load<T>(s);
    const d = destination<T>(cpu, rec, Door.READ);
    if (d == 0) return leaveFault(cpu, rec, rep, total, done);
    cmp<T>(cpu, a, load<T>(d));
    advance(cpu, rec, Gpr.RSI, step<T>(cpu));
    advance(cpu, rec, Gpr.RDI, step<T>(cpu));
    if (ended(cpu, rep)) return leave(cpu, rec, rep, total, done + 1, true);
  }
  return leave(cpu, rec, rep, total, want, false);
}

export function scas<T>(cpu: Vcpu, rec: Rec, rep: u32): i32 {
  const total = left(cpu, rec, rep);
  const want = visit(cpu, total);
  for (let done: u64 = 0; done < want; done++) {
    const d = destination<T>(cpu, rec, Door.READ);
    if (d == 0) return leaveFault(cpu, rec, rep, total, done);
    cmp<T>(cpu, getReg<T>(cpu, Gpr.RAX), load<T>(d));
    advance(cpu, rec, Gpr.RDI, step<T>(cpu));
    if (ended(cpu, rep)) return leave(cpu, rec, rep, total, done + 1, true);
  }
  return leave(cpu, rec, rep, total, want, false);
}

export function movsb(cpu: Vcpu, rec: Rec, rep: u32): i32 {
  return movs<u8>(cpu, rec, rep);
}

export function stosb(cpu: Vcpu, rec: Rec, rep: u32): i32 {
  return stos<u8>(cpu, rec, rep);
}

export function lodsb(cpu: Vcpu, rec: Rec, rep: u32): i32 {
  return lods<u8>(cpu, rec, rep);
}

export function cmpsb(cpu: Vcpu, rec: Rec, rep: u32): i32 {
  return cmps<u8>(cpu, rec, rep);
}

export function scasb(cpu: Vcpu, rec: Rec, rep: u32): i32 {
  return scas<u8>(cpu, rec, rep);
}
