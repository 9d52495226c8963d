/** x87 comparison, examination and conditional moves. [SDM] vol. 1, 8.3.6; vol. 2, FCOM, FCOMI, FXAM, FCMOVcc. */
import { Status, Vcpu } from "../gen/layout";
import { cf, pf, setArith, zf } from "../cpu/flags";
import { Fsw } from "../cpu/fpu-state";
import { Rec } from "../decode/record";
import {
  Order,
  Fp,
  f80Compare,
  f80Copy,
  f80FromF,
  f80FromInt,
  isInf80,
  isNan80,
  isUnsupported,
  isZero80,
  exponentOf,
  negativeOf,
  putZero,
} from "../softfloat";
import {
  X87Temp,
  beginX87,
  endResult,
  endX87,
  isEmpty,
  popStackTimes,
  setConditions,
  stackSlot,
  stackUnderflow,
  statusOf,
} from "./x87-unit";

const UNORDERED: u32 = Fsw.C0 | Fsw.C2 | Fsw.C3;

/** C3, C2 and C0 for an Order. */
@inline
export function conditionsOf(order: i32): u32 {
  if (order == Order.UNORDERED) return UNORDERED;
  return order == Order.LESS ? Fsw.C0 : order == Order.EQUAL ? Fsw.C3 : 0;
}

/** Compares ST(0) with the number at b, unless a register is empty; the conditions are set even when #MF pends. */
function compareWith(cpu: Vcpu, rec: Rec, b: usize, empty: bool, signalling: bool, pops: u32): i32 {
  const st = statusOf(cpu);
  let order = Order.UNORDERED;
  if (empty) stackUnderflow(cpu, st);
  else order = f80Compare(st, stackSlot(cpu, 0), b, signalling);
  const stops = endX87(cpu, rec);
  setConditions(cpu, conditionsOf(order));
  if (!stops) popStackTimes(cpu, pops);
  return Status.NEXT;
}

function compare(cpu: Vcpu, rec: Rec, i: u32, signalling: bool, pops: u32): i32 {
  beginX87(cpu);
  return compareWith(cpu, rec, stackSlot(cpu, i), isEmpty(cpu, 0) || isEmpty(cpu, i), signalling, pops);
}

export function fcom(cpu: Vcpu, rec: Rec, i: u32): i32 {
  return compare(cpu, rec, i, true, 0);
}

export function fcomp(cpu: Vcpu, rec: Rec, i: u32): i32 {
  return compare(cpu, rec, i, true, 1);
}

export function fcompp(cpu: Vcpu, rec: Rec): i32 {
  return compare(cpu, rec, 1, true, 2);
}

export function fucom(cpu: Vcpu, rec: Rec, i: u32): i32 {
  return compare(cpu, rec, i, false, 0);
}

export function fucomp(cpu: Vcpu, rec: Rec, i: u32): i32 {
  return compare(cpu, rec, i, false, 1);
}

export function fucompp(cpu: Vcpu, rec: Rec): i32 {
  return compare(cpu, rec, 1, false, 2);
}

/** Compares with OPERAND; an empty register hides that it was a denormal. */
function compareOperand(cpu: Vcpu, rec: Rec, st: usize, pops: u32): i32 {
  return compareWith(cpu, rec, st + X87Temp.OPERAND, isEmpty(cpu, 0), true, pops);
}

function compareF32(cpu: Vcpu, rec: Rec, v: u32, pops: u32): i32 {
  const st = beginX87(cpu);
  f80FromF<u32>(st, st + X87Temp.OPERAND, v);
  return compareOperand(cpu, rec, st, pops);
}

function compareF64(cpu: Vcpu, rec: Rec, v: u64, pops: u32): i32 {
  const st = beginX87(cpu);
  f80FromF<u64>(st, st + X87Temp.OPERAND, v);
  return compareOperand(cpu, rec, st, pops);
}

function compareInt(cpu: Vcpu, rec: Rec, v: i32, pops: u32): i32 {
  const st = beginX87(cpu);
  f80FromInt(st + X87Temp.OPERAND, v);
  return compareOperand(cpu, rec, st, pops);
}

export function fcomM32(cpu: Vcpu, rec: Rec, v: u32): i32 {
  return compareF32(cpu, rec, v, 0);
}

export function fcompM32(cpu: Vcpu, rec: Rec, v: u32): i32 {
  return compareF32(cpu, rec, v, 1);
}

export function fcomM64(cpu: Vcpu, rec: Rec, v: u64): i32 {
  return compareF64(cpu, rec, v, 0);
}

export function fcompM64(cpu: Vcpu, rec: Rec, v: u64): i32 {
  return compareF64(cpu, rec, v, 1);
}

export function ficomM16(cpu: Vcpu, rec: Rec, v: u16): i32 {
  return compareInt(cpu, rec, <i16>v, 0);
}

export function ficompM16(cpu: Vcpu, rec: Rec, v: u16): i32 {
  return compareInt(cpu, rec, <i16>v, 1);
}

export function ficomM32(cpu: Vcpu, rec: Rec, v: u32): i32 {
  return compareInt(cpu, rec, <i32>v, 0);
}

export function ficompM32(cpu: Vcpu, rec: Rec, v: u32): i32 {
  return compareInt(cpu, rec, <i32>v, 1);
}

/** Compares ST(0) with zero. */
export function ftst(cpu: Vcpu, rec: Rec): i32 {
  const st = beginX87(cpu);
  putZero(st + X87Temp.OPERAND, 0);
  return compareOperand(cpu, rec, st, 0);
}

/** C1 stays as it was, unless there is a stack fault. */
function keepC1(cpu: Vcpu, st: usize): void {
  if ((cpu.fsw & Fsw.C1) != 0) store<u32>(st, load<u32>(st) | Fp.C1);
}

/**
 * Comparison into EFLAGS: ZF, PF, CF; the other arithmetic flags are cleared. They are set even when an unmasked
 * exception pends, as AMD processors do (the manual of Intel says otherwise).
 */
function compareFlags(cpu: Vcpu, rec: Rec, i: u32, signalling: bool, pops: u32): i32 {
  const st = beginX87(cpu);
  let order = Order.UNORDERED;
  if (isEmpty(cpu, 0) || isEmpty(cpu, i)) stackUnderflow(cpu, st);
  else {
    order = f80Compare(st, stackSlot(cpu, 0), stackSlot(cpu, i), signalling);
    keepC1(cpu, st);
  }
  const stops = endX87(cpu, rec);
  setArith(cpu, order == Order.UNORDERED ? 0x45 : order == Order.LESS ? 0x01 : order == Order.EQUAL ? 0x40 : 0);
  if (!stops) popStackTimes(cpu, pops);
  return Status.NEXT;
}

export function fcomi(cpu: Vcpu, rec: Rec, i: u32): i32 {
  return compareFlags(cpu, rec, i, true, 0);
}

export function fcomip(cpu: Vcpu, rec: Rec, i: u32): i32 {
  return compareFlags(cpu, rec, i, true, 1);
}

export function fucomi(cpu: Vcpu, rec: Rec, i: u32): i32 {
  return compareFlags(cpu, rec, i, false, 0);
}

export function fucomip(cpu: Vcpu, rec: Rec, i: u32): i32 {
  return compareFlags(cpu, rec, i, false, 1);
}

function classOf(a: usize): u32 {
  if (isUnsupported(a)) return 0;
  if (isNan80(a)) return Fsw.C0;
  if (isInf80(a)) return Fsw.C2 | Fsw.C0;
  if (isZero80(a)) return Fsw.C3;
  return exponentOf(a) == 0 ? Fsw.C3 | Fsw.C2 : Fsw.C2;
}

/** Class of ST(0) in C3, C2, C0, its sign in C1, empty or not. */
export function fxam(cpu: Vcpu, rec: Rec): i32 {
  const st = beginX87(cpu);
  const a = stackSlot(cpu, 0);
  if (negativeOf(a)) store<u32>(st, load<u32>(st) | Fp.C1);
  endX87(cpu, rec);
  setConditions(cpu, isEmpty(cpu, 0) ? Fsw.C3 | Fsw.C0 : classOf(a));
  return Status.NEXT;
}

function moveIf(cpu: Vcpu, rec: Rec, i: u32, condition: bool): i32 {
  const st = beginX87(cpu);
  if (isEmpty(cpu, 0) || isEmpty(cpu, i)) stackUnderflow(cpu, st);
  else {
    f80Copy(st + X87Temp.RESULT, stackSlot(cpu, condition ? i : 0));
    keepC1(cpu, st);
  }
  return endResult(cpu, rec, 0, 0);
}

export function fcmovb(cpu: Vcpu, rec: Rec, i: u32): i32 {
  return moveIf(cpu, rec, i, cf(cpu));
}

export function fcmove(cpu: Vcpu, rec: Rec, i: u32): i32 {
  return moveIf(cpu, rec, i, zf(cpu));
}

export function fcmovbe(cpu: Vcpu, rec: Rec, i: u32): i32 {
  return moveIf(cpu, rec, i, cf(cpu) || zf(cpu));
}

export function fcmovu(cpu: Vcpu, rec: Rec, i: u32): i32 {
  return moveIf(cpu, rec, i, pf(cpu));
}

export function fcmovnb(cpu: Vcpu, rec: Rec, i: u32): i32 {
  return moveIf(cpu, rec, i, !cf(cpu));
}

export function fcmovne(cpu: Vcpu, rec: Rec, i: u32): i32 {
  return moveIf(cpu, rec, i, !zf(cpu));
}

export function fcmovnbe(cpu: Vcpu, rec: Rec, i: u32): i32 {
  return moveIf(cpu, rec, i, !cf(cpu) && !zf(cpu));
}

export function fcmovnu(cpu: Vcpu, rec: Rec, i: u32): i32 {
  return moveIf(cpu, rec, i, !pf(cpu));
}
