/**
 * x87 control: control, status and tag words, environment and whole-state images, FWAIT. The images have a 16-bit and a
 * 32-bit form by operand size, each with a protected-mode and a real-mode layout of the instruction and operand pointers.
 * [SDM] vol. 1, 8.1.10, figures 8-9 to 8-12
 */
import { ModeKey, Status, Vcpu } from "../gen/layout";
import { Cr0 } from "../cpu/control-bits";
import { Vector, raise } from "../cpu/faults";
import {
  Fsw,
  fpuInit,
  fullTagWord,
  legalFcw,
  setFullTagWord,
  updateFpuBlocked,
  updateFpuSummary,
} from "../cpu/fpu-state";
import { Rec } from "../decode/record";
import { memDone, memR, memW } from "../mmu/access";
import { f80Copy } from "../softfloat";
import { beginX87, endX87, moveTop, stackSlot } from "./x87-unit";

const REGISTERS_SIZE: u32 = 80;
/** What FNSTENV and FNSAVE write over the unused upper half of a 32-bit slot. */
const RESERVED_HIGH: u32 = 0xffff0000;
const FCW_MASKS: u16 = 0x3f;
const FOP_MASK: u32 = 0x7ff;

/** Waits for a pending exception, as its row says, and does nothing. */
export function fnop(cpu: Vcpu): void {}

/** FENI, FDISI, FSETPM of the 8087 and 287: nothing. */
export function oldNop(cpu: Vcpu): void {}

/** FWAIT: #NM under MP and TS whatever EM says; then the pending exception. */
export function fwait(cpu: Vcpu, rec: Rec): i32 {
  if ((cpu.cr0 & (Cr0.MP | Cr0.TS)) == (Cr0.MP | Cr0.TS)) return raise(cpu, Vector.NM);
  if ((cpu.fsw & Fsw.ES) != 0) return raise(cpu, Vector.MF);
  return Status.NEXT;
}

export function fninit(cpu: Vcpu): void {
  fpuInit(cpu);
}

export function fnclex(cpu: Vcpu): void {
  cpu.fsw &= <u16>~(Fsw.FLAGS | Fsw.SF | Fsw.ES | Fsw.B);
  updateFpuBlocked(cpu);
}

export function fnstcw(cpu: Vcpu): u16 {
  return cpu.fcw;
}

export function fnstsw(cpu: Vcpu): u16 {
  return cpu.fsw;
}

export function fldcw(cpu: Vcpu, v: u16): void {
  cpu.fcw = legalFcw(v);
  updateFpuSummary(cpu);
}

function rotate(cpu: Vcpu, rec: Rec, n: u32): i32 {
  beginX87(cpu);
  endX87(cpu, rec);
  moveTop(cpu, n);
  return Status.NEXT;
}

export function fincstp(cpu: Vcpu, rec: Rec): i32 {
  return rotate(cpu, rec, 1);
}

export function fdecstp(cpu: Vcpu, rec: Rec): i32 {
  return rotate(cpu, rec, 7);
}

@inline
function isReal(cpu: Vcpu): bool {
  return (cpu.modeKey & ModeKey.PROTECTED) == 0;
}

@inline
function envSize<T>(): u32 {
  return sizeof<T>() == 2 ? 14 : 28;
}

function storeEnv16(cpu: Vcpu, p: usize): void {
  const fip = <u32>cpu.fip;
  const fdp = <u32>cpu.fdp;
  const real = isReal(cpu);
  store<u16>(p, cpu.fcw);
  store<u16>(p, cpu.fsw, 2);
  store<u16>(p, <u16>fullTagWord(cpu), 4);
  store<u16>(p, <u16>fip, 6);
  store<u16>(p, <u16>(real ? ((fip >> 4) & 0xf000) | (cpu.fop & FOP_MASK) : cpu.fcs), 8);
  store<u16>(p, <u16>fdp, 10);
  store<u16>(p, <u16>(real ? (fdp >> 4) & 0xf000 : cpu.fds), 12);
}

function storeEnv32(cpu: Vcpu, p: usize): void {
  const fip = <u32>cpu.fip;
  const fdp = <u32>cpu.fdp;
  const fop = (<u32>cpu.fop) & FOP_MASK;
  store<u32>(p, RESERVED_HIGH | cpu.fcw);
  store<u32>(p, RESERVED_HIGH | cpu.fsw, 4);
  store<u32>(p, RESERVED_HIGH | fullTagWord(cpu), 8);
  if (isReal(cpu)) {
    store<u32>(p, RESERVED_HIGH | (fip & 0xffff), 12);
    store<u32>(p, ((fip >> 4) & 0x0ffff000) | fop, 16);
    store<u32>(p, RESERVED_HIGH | (fdp & 0xffff), 20);
    store<u32>(p, (fdp >> 4) & 0x0ffff000, 24);
  } else {
    store<u32>(p, fip, 12);
    store<u32>(p, (fop << 16) | cpu.fcs, 16);
    store<u32>(p, fdp, 20);
    store<u32>(p, RESERVED_HIGH | cpu.fds, 24);
  }
}

@inline
function storeEnv<T>(cpu: Vcpu, p: usize): void {
  if (sizeof<T>() == 2) storeEnv16(cpu, p);
  else storeEnv32(cpu, p);
}

function loadPointers16(cpu: Vcpu, p: usize): void {
  let fip = <u32>load<u16>(p, 6);
  let fdp = <u32>load<u16>(p, 10);
  if (isReal(cpu)) {
    const mixed = <u32>load<u16>(p, 8);
    fip |= (mixed & 0xf000) << 4;
    fdp |= ((<u32>load<u16>(p, 12)) & 0xf000) << 4;
    cpu.fop = <u16>(mixed & FOP_MASK);
  }
  cpu.fip = fip;
  cpu.fdp = fdp;
}

function loadPointers32(cpu: Vcpu, p: usize): void {
  let fip = load<u32>(p, 12);
  let fdp = load<u32>(p, 20);
  let fop = load<u32>(p, 16) >> 16;
  if (isReal(cpu)) {
    fop = load<u32>(p, 16);
    fip = (fip & 0xffff) | ((fop & 0x0ffff000) << 4);
    fdp = (fdp & 0xffff) | ((load<u32>(p, 24) & 0x0ffff000) << 4);
  }
  cpu.fop = <u16>(fop & FOP_MASK);
  cpu.fip = fip;
  cpu.fdp = fdp;
}

/** Takes an environment image; an unmasked flag in it pends from now on. */
function loadEnv<T>(cpu: Vcpu, p: usize): void {
  cpu.fcw = legalFcw(load<u16>(p));
  cpu.fsw = load<u16>(p, sizeof<T>() == 2 ? 2 : 4);
  setFullTagWord(cpu, load<u16>(p, sizeof<T>() == 2 ? 4 : 8));
  if (sizeof<T>() == 2) loadPointers16(cpu, p);
  else loadPointers32(cpu, p);
  updateFpuSummary(cpu);
}

/** Stores the environment, then masks every exception. */
export function fnstenv<T>(cpu: Vcpu, rec: Rec): i32 {
  const p = memW(cpu, rec, envSize<T>());
  if (p == 0) return Status.FAULT;
  storeEnv<T>(cpu, p);
  memDone(cpu, p);
  cpu.fcw |= FCW_MASKS;
  updateFpuSummary(cpu);
  return Status.NEXT;
}

export function fldenv<T>(cpu: Vcpu, rec: Rec): i32 {
  const p = memR(cpu, rec, envSize<T>());
  if (p == 0) return Status.FAULT;
  loadEnv<T>(cpu, p);
  return Status.NEXT;
}

/** Stores environment and registers in stack order, then does FNINIT. */
export function fnsave<T>(cpu: Vcpu, rec: Rec): i32 {
  const p = memW(cpu, rec, envSize<T>() + REGISTERS_SIZE);
  if (p == 0) return Status.FAULT;
  storeEnv<T>(cpu, p);
  for (let i: u32 = 0; i < 8; i++) f80Copy(p + envSize<T>() + i * 10, stackSlot(cpu, i));
  memDone(cpu, p);
  fpuInit(cpu);
  return Status.NEXT;
}

export function frstor<T>(cpu: Vcpu, rec: Rec): i32 {
  const p = memR(cpu, rec, envSize<T>() + REGISTERS_SIZE);
  if (p == 0) return Status.FAULT;
  loadEnv<T>(cpu, p);
  for (let i: u32 = 0; i < 8; i++) f80Copy(stackSlot(cpu, i), p + envSize<T>() + i * 10);
  return Status.NEXT;
}
