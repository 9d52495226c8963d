/**
 * The x87's arithmetic for regions, which keep registers, status and tags in locals: numbers come as values, the result
 * lies where X87Temp says. Regions do ordinary numbers in the ordinary mode themselves; this knows all of them.
 */
import { Vcpu, X87Op } from "../gen/layout";
import { Fsw } from "../cpu/fpu-state";
import {
  Fp,
  f80Add,
  f80Compare,
  f80Div,
  f80FromF,
  f80FromInt,
  f80Mul,
  f80RoundToIntegral,
  f80Sqrt,
  f80Sub,
  f80ToF,
  f80ToInt,
} from "../softfloat";
import { conditionsOf } from "../interp/x87-compare";
import { quietResult } from "../interp/x87-move";
import { X87Temp, statusFor, statusOf, unmaskedOf } from "../interp/x87-unit";

/** The interpreter must do it, for an unmasked exception. */
const LEAVE: i32 = -1;

/** Puts the second operand into its place: a register, or a number of memory as it lies there. */
function takeSecond(st: usize, form: u32, b: u64, end: u32): void {
  const at = st + X87Temp.SECOND;
  if (form == X87Op.M64) f80FromF<u64>(st, at, b);
  else if (form == X87Op.M32) f80FromF<u32>(st, at, <u32>b);
  else if (form == X87Op.INT) f80FromInt(at, <i64>b);
  else {
    store<u64>(at, b);
    store<u16>(at, <u16>end, 8);
  }
}

/** Computes `op` of the operands at OPERAND and SECOND into RESULT. Conditions where it compares. */
function compute(st: usize, op: u32): u32 {
  const a = st + X87Temp.OPERAND;
  const b = st + X87Temp.SECOND;
  const d = st + X87Temp.RESULT;
  switch (op) {
    case X87Op.ADD:
      f80Add(st, d, a, b);
      break;
    case X87Op.MUL:
      f80Mul(st, d, a, b);
      break;
    case X87Op.SUB:
      f80Sub(st, d, a, b);
      break;
    case X87Op.SUBR:
      f80Sub(st, d, b, a);
      break;
    case X87Op.DIV:
      f80Div(st, d, a, b);
      break;
    case X87Op.DIVR:
      f80Div(st, d, b, a);
      break;
    case X87Op.SQRT:
      f80Sqrt(st, d, a);
      break;
    case X87Op.RNDINT:
      f80RoundToIntegral(st, d, a);
      break;
    case X87Op.COM:
      return conditionsOf(f80Compare(st, a, b, true));
    case X87Op.UCOM:
      return conditionsOf(f80Compare(st, a, b, false));
    default:
      convert(st, op);
  }
  return 0;
}

/** Loads of a number of memory, stores to one, and to an integer. */
function convert(st: usize, op: u32): void {
  const a = st + X87Temp.OPERAND;
  const d = st + X87Temp.RESULT;
  switch (op) {
    case X87Op.LOAD:
      store<u64>(d, load<u64>(st + X87Temp.SECOND));
      store<u16>(d, load<u16>(st + X87Temp.SECOND, 8), 8);
      quietResult(st);
      break;
    case X87Op.TO32:
      store<u64>(d, <u64>f80ToF<u32>(st, a));
      break;
    case X87Op.TO64:
      store<u64>(d, f80ToF<u64>(st, a));
      break;
    default:
      const bits: u32 = 16 << (((op & ~X87Op.TRUNCATE) - X87Op.INT16) >> 2);
      store<u64>(d, <u64>f80ToInt(st, a, bits, (op & X87Op.TRUNCATE) != 0));
  }
}

/**
 * Does `op`, an X87Op with the form of the second operand, under control word `fcw`. `ends` are both operands' signs and
 * exponents, the second one's in the upper half. Answers what to set in the status word, C1 and conditions included, or
 * a negative number when an exception is unmasked; nothing has then been done.
 */
export function regionX87(cpu: Vcpu, op: u32, a: u64, b: u64, ends: u32, fcw: u32, nothing: v128): i32 {
  const st = statusOf(cpu);
  store<u32>(st, statusFor(fcw));
  store<u64>(st + X87Temp.OPERAND, a);
  store<u16>(st + X87Temp.OPERAND, <u16>ends, 8);
  takeSecond(st, op & X87Op.FORM, b, ends >> 16);
  const conditions = compute(st, op & ~X87Op.FORM);
  if (unmaskedOf(st) != 0) return LEAVE;
  const status = load<u32>(st);
  return <i32>((status & Fp.FLAGS) | ((status & Fp.C1) != 0 ? Fsw.C1 : 0) | conditions);
}
