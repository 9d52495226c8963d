/**
 * x87 instructions on the stack top: sign, square root, rounding, remainder, scale, extract. [SDM] vol. 1, 8.3.5, 8.3.7
 */
import { Status, Vcpu } from "../gen/layout";
import { Fsw } from "../cpu/fpu-state";
import { Rec } from "../decode/record";
import {
  Fp,
  REM_INCOMPLETE,
  REM_NONE,
  f80Copy,
  f80Extract,
  f80Rem,
  f80RoundToIntegral,
  f80Scale,
  f80Sqrt,
} from "../softfloat";
import {
  STACK_FAULT,
  X87Temp,
  beginX87,
  endResult,
  endX87,
  isEmpty,
  pushStack,
  setConditions,
  setStack,
  stackOverflow,
  stackSlot,
  stackUnderflow,
} from "./x87-unit";

/** Flips or clears the sign of the stack top: no exception but an empty register. */
function changeSign(cpu: Vcpu, rec: Rec, keep: u16, flip: u16): i32 {
  const st = beginX87(cpu);
  if (isEmpty(cpu, 0)) stackUnderflow(cpu, st);
  else {
    const d = st + X87Temp.RESULT;
    f80Copy(d, stackSlot(cpu, 0));
    store<u16>(d, (load<u16>(d, 8) & keep) ^ flip, 8);
  }
  return endResult(cpu, rec, 0, 0);
}

export function fchs(cpu: Vcpu, rec: Rec): i32 {
  return changeSign(cpu, rec, 0xffff, 0x8000);
}

export function fabs(cpu: Vcpu, rec: Rec): i32 {
  return changeSign(cpu, rec, 0x7fff, 0);
}

export function fsqrt(cpu: Vcpu, rec: Rec): i32 {
  const st = beginX87(cpu);
  if (isEmpty(cpu, 0)) stackUnderflow(cpu, st);
  else f80Sqrt(st, st + X87Temp.RESULT, stackSlot(cpu, 0));
  return endResult(cpu, rec, 0, 0);
}

export function frndint(cpu: Vcpu, rec: Rec): i32 {
  const st = beginX87(cpu);
  if (isEmpty(cpu, 0)) stackUnderflow(cpu, st);
  else f80RoundToIntegral(st, st + X87Temp.RESULT, stackSlot(cpu, 0));
  return endResult(cpu, rec, 0, 0);
}

export function fscale(cpu: Vcpu, rec: Rec): i32 {
  const st = beginX87(cpu);
  if (isEmpty(cpu, 0) || isEmpty(cpu, 1)) stackUnderflow(cpu, st);
  else f80Scale(st, st + X87Temp.RESULT, stackSlot(cpu, 0), stackSlot(cpu, 1));
  return endResult(cpu, rec, 0, 0);
}

function remainder(cpu: Vcpu, rec: Rec, nearest: bool): i32 {
  const st = beginX87(cpu);
  let q: i32 = REM_NONE;
  if (isEmpty(cpu, 0) || isEmpty(cpu, 1)) stackUnderflow(cpu, st);
  else q = f80Rem(st, st + X87Temp.RESULT, stackSlot(cpu, 0), stackSlot(cpu, 1), nearest);
  // Quotient bits 2, 1, 0 go to C0, C3, C1; without a quotient C0 and C3 stay.
  if ((q & 1) != 0) store<u32>(st, load<u32>(st) | Fp.C1);
  let cc = (q & REM_INCOMPLETE ? Fsw.C2 : 0) | (q & 4 ? Fsw.C0 : 0) | (q & 2 ? Fsw.C3 : 0);
  if (q == REM_NONE) cc = (<u32>cpu.fsw) & (Fsw.C0 | Fsw.C3);
  const status = endResult(cpu, rec, 0, 0);
  setConditions(cpu, cc);
  return status;
}

export function fprem(cpu: Vcpu, rec: Rec): i32 {
  return remainder(cpu, rec, false);
}

export function fprem1(cpu: Vcpu, rec: Rec): i32 {
  return remainder(cpu, rec, true);
}

/** Exponent into ST(0), significand pushed above it. */
export function fxtract(cpu: Vcpu, rec: Rec): i32 {
  const st = beginX87(cpu);
  const exponent = st + X87Temp.RESULT;
  const significand = st + X87Temp.SECOND;
  if (isEmpty(cpu, 0)) stackUnderflow(cpu, st);
  else if (!isEmpty(cpu, 7)) stackOverflow(cpu, st);
  else f80Extract(st, exponent, significand, stackSlot(cpu, 0));
  if ((load<u32>(st) & STACK_FAULT) != 0) f80Copy(significand, exponent);
  if (endX87(cpu, rec)) return Status.NEXT;
  setStack(cpu, 0, exponent);
  pushStack(cpu, significand);
  return Status.NEXT;
}
