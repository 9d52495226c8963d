/**
 * x87 arithmetic: the four operations in all their operand forms. `fadd` is ST(0) with ST(i), `faddTo` the other way,
 * `faddp` pops after it, M32 and M64 are floating-point, `fi...` integer memory operands. [SDM] vol. 1, 8.3.5
 */
import { Vcpu } from "../gen/layout";
import { Rec } from "../decode/record";
import { f80Add, f80Div, f80FromF, f80FromInt, f80Mul, f80Sub } from "../softfloat";
import { X87Temp, beginX87, endResult, isEmpty, stackSlot, stackUnderflow } from "./x87-unit";

namespace Arith {
  export const ADD: u32 = 0;
  export const MUL: u32 = 1;
  export const SUB: u32 = 2;
  export const SUBR: u32 = 3;
  export const DIV: u32 = 4;
  export const DIVR: u32 = 5;
}

function compute(op: u32, st: usize, a: usize, b: usize): void {
  const d = st + X87Temp.RESULT;
  switch (op) {
    case Arith.ADD:
      return f80Add(st, d, a, b);
    case Arith.MUL:
      return f80Mul(st, d, a, b);
    case Arith.SUB:
      return f80Sub(st, d, a, b);
    case Arith.SUBR:
      return f80Sub(st, d, b, a);
    case Arith.DIV:
      return f80Div(st, d, a, b);
    default:
      return f80Div(st, d, b, a);
  }
}

/** ST(d) = ST(d) op ST(s), then pops. */
function arith(cpu: Vcpu, rec: Rec, op: u32, d: u32, s: u32, pops: u32): i32 {
  const st = beginX87(cpu);
  if (isEmpty(cpu, d) || isEmpty(cpu, s)) stackUnderflow(cpu, st);
  else compute(op, st, stackSlot(cpu, d), stackSlot(cpu, s));
  return endResult(cpu, rec, d, pops);
}

/** ST(0) = ST(0) op OPERAND. */
function arithOperand(cpu: Vcpu, rec: Rec, op: u32, st: usize): i32 {
  if (isEmpty(cpu, 0)) stackUnderflow(cpu, st);
  else compute(op, st, stackSlot(cpu, 0), st + X87Temp.OPERAND);
  return endResult(cpu, rec, 0, 0);
}

function arithF32(cpu: Vcpu, rec: Rec, op: u32, v: u32): i32 {
  const st = beginX87(cpu);
  f80FromF<u32>(st, st + X87Temp.OPERAND, v);
  return arithOperand(cpu, rec, op, st);
}

function arithF64(cpu: Vcpu, rec: Rec, op: u32, v: u64): i32 {
  const st = beginX87(cpu);
  f80FromF<u64>(st, st + X87Temp.OPERAND, v);
  return arithOperand(cpu, rec, op, st);
}

function arithInt(cpu: Vcpu, rec: Rec, op: u32, v: i32): i32 {
  const st = beginX87(cpu);
  f80FromInt(st + X87Temp.OPERAND, v);
  return arithOperand(cpu, rec, op, st);
}

export function fadd(cpu: Vcpu, rec: Rec, i: u32): i32 {
  return arith(cpu, rec, Arith.ADD, 0, i, 0);
}

export function faddTo(cpu: Vcpu, rec: Rec, i: u32): i32 {
  return arith(cpu, rec, Arith.ADD, i, 0, 0);
}

export function faddp(cpu: Vcpu, rec: Rec, i: u32): i32 {
  return arith(cpu, rec, Arith.ADD, i, 0, 1);
}

export function faddM32(cpu: Vcpu, rec: Rec, v: u32): i32 {
  return arithF32(cpu, rec, Arith.ADD, v);
}

export function faddM64(cpu: Vcpu, rec: Rec, v: u64): i32 {
  return arithF64(cpu, rec, Arith.ADD, v);
}

export function fiaddM16(cpu: Vcpu, rec: Rec, v: u16): i32 {
  return arithInt(cpu, rec, Arith.ADD, <i16>v);
}

export function fiaddM32(cpu: Vcpu, rec: Rec, v: u32): i32 {
  return arithInt(cpu, rec, Arith.ADD, <i32>v);
}

export function fmul(cpu: Vcpu, rec: Rec, i: u32): i32 {
  return arith(cpu, rec, Arith.MUL, 0, i, 0);
}

export function fmulTo(cpu: Vcpu, rec: Rec, i: u32): i32 {
  return arith(cpu, rec, Arith.MUL, i, 0, 0);
}

export function fmulp(cpu: Vcpu, rec: Rec, i: u32): i32 {
  return arith(cpu, rec, Arith.MUL, i, 0, 1);
}

export function fmulM32(cpu: Vcpu, rec: Rec, v: u32): i32 {
  return arithF32(cpu, rec, Arith.MUL, v);
}

export function fmulM64(cpu: Vcpu, rec: Rec, v: u64): i32 {
  return arithF64(cpu, rec, Arith.MUL, v);
}

export function fimulM16(cpu: Vcpu, rec: Rec, v: u16): i32 {
  return arithInt(cpu, rec, Arith.MUL, <i16>v);
}

export function fimulM32(cpu: Vcpu, rec: Rec, v: u32): i32 {
  return arithInt(cpu, rec, Arith.MUL, <i32>v);
}

export function fsub(cpu: Vcpu, rec: Rec, i: u32): i32 {
  return arith(cpu, rec, Arith.SUB, 0, i, 0);
}

export function fsubTo(cpu: Vcpu, rec: Rec, i: u32): i32 {
  return arith(cpu, rec, Arith.SUB, i, 0, 0);
}

export function fsubp(cpu: Vcpu, rec: Rec, i: u32): i32 {
  return arith(cpu, rec, Arith.SUB, i, 0, 1);
}

export function fsubM32(cpu: Vcpu, rec: Rec, v: u32): i32 {
  return arithF32(cpu, rec, Arith.SUB, v);
}

export function fsubM64(cpu: Vcpu, rec: Rec, v: u64): i32 {
  return arithF64(cpu, rec, Arith.SUB, v);
}

export function fisubM16(cpu: Vcpu, rec: Rec, v: u16): i32 {
  return arithInt(cpu, rec, Arith.SUB, <i16>v);
}

export function fisubM32(cpu: Vcpu, rec: Rec, v: u32): i32 {
  return arithInt(cpu, rec, Arith.SUB, <i32>v);
}

export function fsubr(cpu: Vcpu, rec: Rec, i: u32): i32 {
  return arith(cpu, rec, Arith.SUBR, 0, i, 0);
}

export function fsubrTo(cpu: Vcpu, rec: Rec, i: u32): i32 {
  return arith(cpu, rec, Arith.SUBR, i, 0, 0);
}

export function fsubrp(cpu: Vcpu, rec: Rec, i: u32): i32 {
  return arith(cpu, rec, Arith.SUBR, i, 0, 1);
}

export function fsubrM32(cpu: Vcpu, rec: Rec, v: u32): i32 {
  return arithF32(cpu, rec, Arith.SUBR, v);
}

export function fsubrM64(cpu: Vcpu, rec: Rec, v: u64): i32 {
  return arithF64(cpu, rec, Arith.SUBR, v);
}

export function fisubrM16(cpu: Vcpu, rec: Rec, v: u16): i32 {
  return arithInt(cpu, rec, Arith.SUBR, <i16>v);
}

export function fisubrM32(cpu: Vcpu, rec: Rec, v: u32): i32 {
  return arithInt(cpu, rec, Arith.SUBR, <i32>v);
}

export function fdiv(cpu: Vcpu, rec: Rec, i: u32): i32 {
  return arith(cpu, rec, Arith.DIV, 0, i, 0);
}

export function fdivTo(cpu: Vcpu, rec: Rec, i: u32): i32 {
  return arith(cpu, rec, Arith.DIV, i, 0, 0);
}

export function fdivp(cpu: Vcpu, rec: Rec, i: u32): i32 {
  return arith(cpu, rec, Arith.DIV, i, 0, 1);
}

export function fdivM32(cpu: Vcpu, rec: Rec, v: u32): i32 {
  return arithF32(cpu, rec, Arith.DIV, v);
}

export function fdivM64(cpu: Vcpu, rec: Rec, v: u64): i32 {
  return arithF64(cpu, rec, Arith.DIV, v);
}

export function fidivM16(cpu: Vcpu, rec: Rec, v: u16): i32 {
  return arithInt(cpu, rec, Arith.DIV, <i16>v);
}

export function fidivM32(cpu: Vcpu, rec: Rec, v: u32): i32 {
  return arithInt(cpu, rec, Arith.DIV, <i32>v);
}

export function fdivr(cpu: Vcpu, rec: Rec, i: u32): i32 {
  return arith(cpu, rec, Arith.DIVR, 0, i, 0);
}

export function fdivrTo(cpu: Vcpu, rec: Rec, i: u32): i32 {
  return arith(cpu, rec, Arith.DIVR, i, 0, 0);
}

export function fdivrp(cpu: Vcpu, rec: Rec, i: u32): i32 {
  return arith(cpu, rec, Arith.DIVR, i, 0, 1);
}

export function fdivrM32(cpu: Vcpu, rec: Rec, v: u32): i32 {
  return arithF32(cpu, rec, Arith.DIVR, v);
}

export function fdivrM64(cpu: Vcpu, rec: Rec, v: u64): i32 {
  return arithF64(cpu, rec, Arith.DIVR, v);
}

export function fidivrM16(cpu: Vcpu, rec: Rec, v: u16): i32 {
  return arithInt(cpu, rec, Arith.DIVR, <i16>v);
}

export function fidivrM32(cpu: Vcpu, rec: Rec, v: u32): i32 {
  return arithInt(cpu, rec, Arith.DIVR, <i32>v);
}
