/**
 * The x87 unit around an instruction: the register stack, the status word it computes under, and what becomes of its
 * exceptions. An instruction opens with `beginX87`, computes into the temporaries of Vcpu.x87Env, and ends with
 * `endX87`; only then does the guest's state change, so that a memory fault before leaves nothing behind.
 * [SDM] vol. 1, 8.1, 8.5, 8.7
 *
 * As on current processors, FIP follows every instruction but the control ones, FOP and FDP are written only by an
 * instruction that meets an unmasked exception, and FCS and FDS stay zero (CPUID.7.0:EBX bits 6 and 13).
 */
import { ModeKey, SegIndex, Status, Vcpu, VcpuOff } from "../gen/layout";
import { Fsw, fprSlot, updateFpuBlocked } from "../cpu/fpu-state";
import { Rec, thisRip } from "../decode/record";
import { linR, memAddr, segBase } from "../mmu/access";
import { Fp, f80Copy, putDefaultNan } from "../softfloat";

/** Temporaries behind the status word. */
export namespace X87Temp {
  export const RESULT: usize = 16;
  export const OPERAND: usize = 32;
  export const SECOND: usize = 48;
}

/** Status word bit: stack fault. */
export const STACK_FAULT: u32 = 0x100000;
const PRE_COMPUTATION: u32 = Fp.IE | Fp.DE | Fp.ZE;

/** Address of the status word, laid out by Fp. */
@inline
export function statusOf(cpu: Vcpu): usize {
  return changetype<usize>(cpu) + VcpuOff.x87Env;
}

/** The status word in which an instruction under control word `fcw` computes. */
@inline
export function statusFor(fcw: u32): u32 {
  return ((fcw & 0x3f) << Fp.MASK_SHIFT) | ((fcw & 0xc00) << 3) | ((fcw & 0x300) << 8);
}

/** Opens an instruction: makes its status word from FCW and returns the address. */
@inline
export function beginX87(cpu: Vcpu): usize {
  const st = statusOf(cpu);
  store<u32>(st, statusFor(<u32>cpu.fcw));
  return st;
}

@inline
export function topOf(cpu: Vcpu): u32 {
  return ((<u32>cpu.fsw) >> Fsw.TOP_SHIFT) & 7;
}

/** Address of ST(i). */
@inline
export function stackSlot(cpu: Vcpu, i: u32): usize {
  return fprSlot(cpu, (topOf(cpu) + i) & 7);
}

@inline
export function isEmpty(cpu: Vcpu, i: u32): bool {
  return (((<u32>cpu.ftw) >> (((topOf(cpu) + i) & 7) * 2)) & 3) == 3;
}

/** Marks ST(i) empty. */
@inline
export function freeStack(cpu: Vcpu, i: u32): void {
  cpu.ftw = <u16>((<u32>cpu.ftw) | (3 << (((topOf(cpu) + i) & 7) * 2)));
}

/** Marks ST(i) in use. */
@inline
export function useStack(cpu: Vcpu, i: u32): void {
  cpu.ftw = <u16>((<u32>cpu.ftw) & ~(3 << (((topOf(cpu) + i) & 7) * 2)));
}

/** Adds `n` (modulo 8) to TOP. */
@inline
export function moveTop(cpu: Vcpu, n: u32): void {
  cpu.fsw = <u16>(((<u32>cpu.fsw) & ~Fsw.TOP_MASK) | (((topOf(cpu) + n) & 7) << Fsw.TOP_SHIFT));
}

export function popStack(cpu: Vcpu): void {
  freeStack(cpu, 0);
  moveTop(cpu, 1);
}

export function popStackTimes(cpu: Vcpu, n: u32): void {
  for (let i: u32 = 0; i < n; i++) popStack(cpu);
}

/** Stores `slot` into ST(i), which is then in use. */
export function setStack(cpu: Vcpu, i: u32, slot: usize): void {
  f80Copy(stackSlot(cpu, i), slot);
  useStack(cpu, i);
}

export function pushStack(cpu: Vcpu, slot: usize): void {
  moveTop(cpu, 7);
  setStack(cpu, 0, slot);
}

/** A source register is empty: IE and SF with C1 clear; the masked result is the real indefinite. */
export function stackUnderflow(cpu: Vcpu, st: usize): void {
  store<u32>(st, load<u32>(st) | Fp.IE | STACK_FAULT);
  putDefaultNan(st + X87Temp.RESULT);
}

/** The register to be pushed is in use: IE and SF with C1 set. */
export function stackOverflow(cpu: Vcpu, st: usize): void {
  store<u32>(st, load<u32>(st) | Fp.IE | Fp.C1 | STACK_FAULT);
  putDefaultNan(st + X87Temp.RESULT);
}

/** Flags of this instruction that are unmasked. */
@inline
export function unmaskedOf(st: usize): u32 {
  const status = load<u32>(st);
  return status & ~(status >> Fp.MASK_SHIFT) & Fp.FLAGS;
}

/** True when an unmasked exception keeps a result from being stored in memory. */
@inline
export function blocksStore(st: usize): bool {
  return (unmaskedOf(st) & (PRE_COMPUTATION | Fp.OE | Fp.UE)) != 0;
}

/**
 * Closes an instruction: flags, C1 and FIP become visible, an unmasked exception pends. True when an unmasked
 * pre-computation exception takes the result away: no register may be written and nothing popped.
 */
export function endX87(cpu: Vcpu, rec: Rec): bool {
  const st = statusOf(cpu);
  const status = load<u32>(st);
  let fsw = ((<u32>cpu.fsw) & ~Fsw.C1) | (status & Fp.FLAGS);
  if ((status & Fp.C1) != 0) fsw |= Fsw.C1;
  if ((status & STACK_FAULT) != 0) fsw |= Fsw.SF;
  cpu.fsw = <u16>fsw;
  cpu.fip = thisRip(cpu, rec);
  const unmasked = unmaskedOf(st);
  if (unmasked == 0) return false;
  cpu.fsw = <u16>(fsw | Fsw.ES | Fsw.B);
  recordOperation(cpu, rec);
  updateFpuBlocked(cpu);
  return (unmasked & PRE_COMPUTATION) != 0;
}

/** endX87 for an instruction whose result, in RESULT, goes to ST(i); then pops. */
export function endResult(cpu: Vcpu, rec: Rec, i: u32, pops: u32): i32 {
  if (endX87(cpu, rec)) return Status.NEXT;
  setStack(cpu, i, statusOf(cpu) + X87Temp.RESULT);
  popStackTimes(cpu, pops);
  return Status.NEXT;
}

/** endX87 for an instruction that pushes RESULT, unless an unmasked IE keeps it from doing so. */
export function endPush(cpu: Vcpu, rec: Rec): i32 {
  const st = statusOf(cpu);
  endX87(cpu, rec);
  if ((unmaskedOf(st) & Fp.IE) == 0) pushStack(cpu, st + X87Temp.RESULT);
  return Status.NEXT;
}

/** Sets the condition codes C3, C2, C0 (C1 is endX87's). */
@inline
export function setConditions(cpu: Vcpu, cc: u32): void {
  cpu.fsw = <u16>(((<u32>cpu.fsw) & ~(Fsw.C0 | Fsw.C2 | Fsw.C3)) | cc);
}

function codeByte(cpu: Vcpu, rip: u64): u32 {
  const lin = segBase(cpu, SegIndex.CS) + rip;
  const long = (cpu.modeKey & ModeKey.CODE_MASK) == ModeKey.CODE64;
  const p = linR(cpu, long ? lin : lin & 0xffffffff, 1, false);
  return p == 0 ? 0 : load<u8>(p);
}

/**
 * FOP and FDP of an instruction that met an unmasked exception. Records do not keep opcode bytes, so they are read
 * again: prefixes end where an x87 opcode, D8 to DF, begins.
 */
function recordOperation(cpu: Vcpu, rec: Rec): void {
  let rip = thisRip(cpu, rec);
  const end = rip + <u64>rec.len;
  const cr2 = cpu.cr2;
  while (rip < end) {
    const byte = codeByte(cpu, rip++);
    if ((byte & 0xf8) != 0xd8) continue;
    const modrm = codeByte(cpu, rip);
    cpu.fop = <u16>(((byte & 7) << 8) | modrm);
    if (modrm < 0xc0) cpu.fdp = memAddr(cpu, rec);
    break;
  }
  cpu.cr2 = cr2;
}
