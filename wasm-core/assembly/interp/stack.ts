/**
 * The stack. Its address size is 64 bits in 64-bit mode, otherwise SS.B chooses 32 or 16: the part of RSP that changes
 * and wraps. [SDM] vol. 1, 6.2.
 */
import { ModeKey, SegIndex, Status, Vcpu } from "../gen/layout";
import { getReg, Gpr, setReg } from "../cpu/regs";
import { Rec } from "../decode/record";
import { linR, linW, memDone, memW, segAccess, Door } from "../mmu/access";

@inline
function is64(cpu: Vcpu): bool {
  return (cpu.modeKey & ModeKey.CODE_MASK) == ModeKey.CODE64;
}

/** A stack offset truncated to the stack's address size. */
export function stackOffset(cpu: Vcpu, off: u64): u64 {
  if (is64(cpu)) return off;
  return cpu.modeKey & ModeKey.STACK32 ? off & 0xffffffff : off & 0xffff;
}

/** Sets the part of RSP that the stack's address size covers. */
export function setStack(cpu: Vcpu, v: u64): void {
  if (is64(cpu)) setReg<u64>(cpu, Gpr.RSP, v);
  else if (cpu.modeKey & ModeKey.STACK32) setReg<u32>(cpu, Gpr.RSP, <u32>v);
  else setReg<u16>(cpu, Gpr.RSP, <u16>v);
}

/** Pointer to `size` bytes at RSP + `skip`, 0 after a fault. */
@inline
export function peekStack(cpu: Vcpu, skip: u32, size: u32): usize {
  const rsp = getReg<u64>(cpu, Gpr.RSP);
  if (is64(cpu)) return linR(cpu, rsp + skip, size, true);
  return segAccess(cpu, SegIndex.SS, stackOffset(cpu, rsp + skip), size, Door.READ);
}

/** RSP += bytes. */
@inline
export function dropStack(cpu: Vcpu, bytes: u32): void {
  setStack(cpu, getReg<u64>(cpu, Gpr.RSP) + bytes);
}

/** Pushes `v`; false after a fault, with nothing changed. */
@inline
export function push<T>(cpu: Vcpu, v: T): bool {
  const to = getReg<u64>(cpu, Gpr.RSP) - sizeof<T>();
  const p = is64(cpu)
    ? linW(cpu, to, sizeof<T>(), true)
    : segAccess(cpu, SegIndex.SS, stackOffset(cpu, to), sizeof<T>(), Door.WRITE);
  if (p == 0) return false;
  store<T>(p, v);
  memDone(cpu, p);
  setStack(cpu, to);
  return true;
}

@inline
export function pushValue<T>(cpu: Vcpu, rec: Rec, v: T): i32 {
  return push<T>(cpu, v) ? Status.NEXT : Status.FAULT;
}

@inline
export function popReg<T>(cpu: Vcpu, rec: Rec): i32 {
  const p = peekStack(cpu, 0, sizeof<T>());
  if (p == 0) return Status.FAULT;
  const v = load<T>(p);
  dropStack(cpu, sizeof<T>());
  setReg<T>(cpu, rec.reg, v);
  return Status.NEXT;
}

/** POP r/m: an address that uses RSP is computed after the increment, and RSP comes back when the store faults. */
export function popRm<T>(cpu: Vcpu, rec: Rec, isMem: bool): i32 {
  const p = peekStack(cpu, 0, sizeof<T>());
  if (p == 0) return Status.FAULT;
  const v = load<T>(p);
  const rsp = getReg<u64>(cpu, Gpr.RSP);
  dropStack(cpu, sizeof<T>());
  if (!isMem) {
    setReg<T>(cpu, rec.rm, v);
    return Status.NEXT;
  }
  const m = memW(cpu, rec, sizeof<T>());
  if (m == 0) {
    setReg<u64>(cpu, Gpr.RSP, rsp);
    return Status.FAULT;
  }
  store<T>(m, v);
  memDone(cpu, m);
  return Status.NEXT;
}

/** PUSHA: RSP as it was before the first push goes in the fifth place. All or nothing. */
export function pushAll<T>(cpu: Vcpu, rec: Rec): i32 {
  const rsp = getReg<u64>(cpu, Gpr.RSP);
  const original = getReg<T>(cpu, Gpr.RSP);
  for (let i: usize = 0; i < 8; i++) {
    if (!push<T>(cpu, i == 4 ? original : getReg<T>(cpu, i << 3))) {
      setReg<u64>(cpu, Gpr.RSP, rsp);
      return Status.FAULT;
    }
  }
  return Status.NEXT;
}

/** POPA: the value for RSP is skipped. */
export function popAll<T>(cpu: Vcpu, rec: Rec): i32 {
  const first = peekStack(cpu, 0, sizeof<T>());
  if (first == 0 || peekStack(cpu, 7 * sizeof<T>(), sizeof<T>()) == 0) return Status.FAULT;
  for (let i: u32 = 0; i < 8; i++) {
    const p = peekStack(cpu, i * sizeof<T>(), sizeof<T>());
    if (p == 0) return Status.FAULT;
    if (i != 3) setReg<T>(cpu, (<usize>(7 - i)) << 3, load<T>(p));
  }
  dropStack(cpu, 8 * sizeof<T>());
  return Status.NEXT;
}

/** ENTER size, level. [SDM] vol. 1, 6.6.1. */
export function enter<T>(cpu: Vcpu, rec: Rec): i32 {
  const size = (<u32>rec.imm) & 0xffff;
  const level = ((<u32>rec.imm) >> 16) & 0xff & 31;
  const rsp = getReg<u64>(cpu, Gpr.RSP);
  const rbp = getReg<u64>(cpu, Gpr.RBP);
  if (!push<T>(cpu, getReg<T>(cpu, Gpr.RBP))) return Status.FAULT;
  const frame = getReg<u64>(cpu, Gpr.RSP);
  for (let i: u32 = 1; i < level; i++) {
    const from = stackOffset(cpu, rbp - i * sizeof<T>());
    const p = segAccess(cpu, SegIndex.SS, from, sizeof<T>(), Door.READ);
    if (p == 0 || !push<T>(cpu, load<T>(p))) return abandon(cpu, rsp);
  }
  if (level > 0 && !push<T>(cpu, frame as T)) return abandon(cpu, rsp);
  const top = getReg<u64>(cpu, Gpr.RSP) - size;
  // The last word of the new frame must be writable, or nothing happens.
  if (segAccess(cpu, SegIndex.SS, stackOffset(cpu, top), sizeof<T>(), Door.UPDATE) == 0) return abandon(cpu, rsp);
  setReg<T>(cpu, Gpr.RBP, frame as T);
  setStack(cpu, top);
  return Status.NEXT;
}

function abandon(cpu: Vcpu, rsp: u64): i32 {
  setReg<u64>(cpu, Gpr.RSP, rsp);
  return Status.FAULT;
}

export function leave<T>(cpu: Vcpu, rec: Rec): i32 {
  const rbp = getReg<u64>(cpu, Gpr.RBP);
  const p = segAccess(cpu, SegIndex.SS, stackOffset(cpu, rbp), sizeof<T>(), Door.READ);
  if (p == 0) return Status.FAULT;
  const v = load<T>(p);
  setStack(cpu, rbp + sizeof<T>());
  setReg<T>(cpu, Gpr.RBP, v);
  return Status.NEXT;
}
