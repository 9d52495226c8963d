/** x87 trigonometric, logarithmic and exponential instructions. [SDM] vol. 1, 8.3.8, 8.3.9 */
import { Status, Vcpu } from "../gen/layout";
import { Fsw } from "../cpu/fpu-state";
import { Rec } from "../decode/record";
import { Trig, f80Atan, f80Copy, f80Exp2m1, f80Trig, f80Yl2x, f80Yl2xp1 } from "../softfloat";
import {
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

export function f2xm1(cpu: Vcpu, rec: Rec): i32 {
  const st = beginX87(cpu);
  if (isEmpty(cpu, 0)) stackUnderflow(cpu, st);
  else f80Exp2m1(st, st + X87Temp.RESULT, stackSlot(cpu, 0));
  return endResult(cpu, rec, 0, 0);
}

/** Opens a two-operand function of ST(0) and ST(1); 0 when one is missing. */
function beginPair(cpu: Vcpu): usize {
  const st = beginX87(cpu);
  if (!isEmpty(cpu, 0) && !isEmpty(cpu, 1)) return st;
  stackUnderflow(cpu, st);
  return 0;
}

export function fyl2x(cpu: Vcpu, rec: Rec): i32 {
  const st = beginPair(cpu);
  if (st != 0) f80Yl2x(st, st + X87Temp.RESULT, stackSlot(cpu, 0), stackSlot(cpu, 1));
  return endResult(cpu, rec, 1, 1);
}

export function fyl2xp1(cpu: Vcpu, rec: Rec): i32 {
  const st = beginPair(cpu);
  if (st != 0) f80Yl2xp1(st, st + X87Temp.RESULT, stackSlot(cpu, 0), stackSlot(cpu, 1));
  return endResult(cpu, rec, 1, 1);
}

export function fpatan(cpu: Vcpu, rec: Rec): i32 {
  const st = beginPair(cpu);
  if (st != 0) f80Atan(st, st + X87Temp.RESULT, stackSlot(cpu, 0), stackSlot(cpu, 1));
  return endResult(cpu, rec, 1, 1);
}

/** C2 for an argument out of range, which then stays. */
function endOutOfRange(cpu: Vcpu, rec: Rec): i32 {
  endX87(cpu, rec);
  setConditions(cpu, ((<u32>cpu.fsw) & (Fsw.C0 | Fsw.C3)) | Fsw.C2);
  return Status.NEXT;
}

function clearC2(cpu: Vcpu): void {
  cpu.fsw &= <u16>~Fsw.C2;
}

function oneResult(cpu: Vcpu, rec: Rec, what: u32): i32 {
  const st = beginX87(cpu);
  if (isEmpty(cpu, 0)) stackUnderflow(cpu, st);
  else {
    const answer = f80Trig(st, st + X87Temp.RESULT, st + X87Temp.SECOND, stackSlot(cpu, 0), what);
    if (answer == Trig.OUT_OF_RANGE) return endOutOfRange(cpu, rec);
  }
  clearC2(cpu);
  return endResult(cpu, rec, 0, 0);
}

export function fsin(cpu: Vcpu, rec: Rec): i32 {
  return oneResult(cpu, rec, Trig.SIN);
}

export function fcos(cpu: Vcpu, rec: Rec): i32 {
  return oneResult(cpu, rec, Trig.COS);
}

/** The first result replaces ST(0), the second is pushed above it. */
function twoResults(cpu: Vcpu, rec: Rec, what: u32): i32 {
  const st = beginX87(cpu);
  const first = st + X87Temp.RESULT;
  const second = st + X87Temp.SECOND;
  const empty = isEmpty(cpu, 0);
  if (empty || !isEmpty(cpu, 7)) {
    if (empty) stackUnderflow(cpu, st);
    else stackOverflow(cpu, st);
    f80Copy(second, first);
  } else {
    const answer = f80Trig(st, first, second, stackSlot(cpu, 0), what);
    if (answer == Trig.OUT_OF_RANGE) return endOutOfRange(cpu, rec);
  }
  clearC2(cpu);
  if (endX87(cpu, rec)) return Status.NEXT;
  setStack(cpu, 0, first);
  pushStack(cpu, second);
  return Status.NEXT;
}

export function fsincos(cpu: Vcpu, rec: Rec): i32 {
  return twoResults(cpu, rec, Trig.SINCOS);
}

export function fptan(cpu: Vcpu, rec: Rec): i32 {
  return twoResults(cpu, rec, Trig.TAN);
}
