/**
 * x87 arithmetic: assembly/interp/x87-arith.ts. Sums, differences and products of normal numbers whose result is normal
 * are computed here, as assembly/softfloat/f80-arith.ts does it; the core has all the rest.
 */
import { type Emitter, L } from "../emitter.js";
import type { Label } from "../wasm/code.js";
import type { X87 } from "../x87.js";
import { stackRegister } from "../x87-plan.js";
import type { Lowering, Lowerings } from "./lowering.js";
import {
  BIAS,
  C1_AT,
  callCore,
  EXPONENT,
  either,
  type Operand,
  ofMemory,
  opOf,
  PE_AT,
  readNumber,
  register,
  SIGN,
  setRegister,
  TOP_BIT,
  takeResult,
  widen,
  widenInteger,
  x87,
} from "./x87.js";

type Op = "ADD" | "MUL" | "SUB" | "SUBR" | "DIV" | "DIVR";

const LOW_HALF = 0xffffffffn;

/** Whether it was made by `widen`, which makes normal numbers alone here. */
const isNormal = ({ kind }: Operand): boolean => kind === "M64" || kind === "M32";

/** Both numbers must be normal. Their exponents are then in L.EXP_A and L.EXP_B. */
export function requireNormal(e: Emitter, a: Operand, b: Operand, slow: Label): void {
  const c = e.code;
  // Neither 0 nor the highest: with one added, a bit above the lowest is left.
  const isEdge = (end: number, exponent: number): void => {
    c.get(end).i32(EXPONENT).op("i32.and").tee(exponent);
    c.i32(1)
      .op("i32.add")
      .i32(EXPONENT - 1)
      .op("i32.and")
      .op("i32.eqz");
  };
  c.get(a.sig);
  if (!isNormal(b)) c.get(b.sig).op("i64.and");
  c.i64(0).op("i64.ge_s");
  isEdge(a.end, L.EXP_A);
  c.op("i32.or");
  if (isNormal(b)) c.get(b.end).i32(EXPONENT).op("i32.and").set(L.EXP_B);
  else {
    isEdge(b.end, L.EXP_B);
    c.op("i32.or");
  }
  c.brIf(slow);
}

/** Shifts L.HIGH and L.LOW up until the highest bit is one; L.EXP is the exponent for the place above it. */
function normalise(e: Emitter): void {
  const c = e.code;
  c.get(L.HIGH).op("i64.clz").set(L.Z);
  c.get(L.HIGH).get(L.Z).op("i64.shl");
  c.get(L.LOW).i64(1).op("i64.shr_u").get(L.Z).i64(63).op("i64.xor").op("i64.shr_u").op("i64.or").set(L.HIGH);
  c.get(L.LOW).get(L.Z).op("i64.shl").set(L.LOW);
  c.get(L.EXP).i32(1).op("i32.add").get(L.Z).op("i32.wrap_i64").op("i32.sub").set(L.EXP);
}

/** Rounds L.HIGH and L.LOW, with the sign in L.I, to nearest: into L.RESULT and L.RESULT_END. */
function round(e: Emitter, precision: number, slow: Label): void {
  const c = e.code;
  const drop = BigInt(64 - precision);
  // What may overflow or underflow is not done here.
  c.get(L.EXP)
    .i32(1)
    .op("i32.sub")
    .i32(EXPONENT - 2)
    .op("i32.ge_u")
    .brIf(slow);
  if (drop !== 0n) {
    // The rest in one word, its lowest bit for all that is lost.
    c.get(L.HIGH).i64(BigInt(precision)).op("i64.shl");
    c.get(L.LOW).i64(0).op("i64.ne").op("i64.extend_i32_u").op("i64.or").set(L.LOW);
  }
  // Up when it is more than one half, or one half and the last bit is odd.
  c.get(L.LOW).i64(TOP_BIT).get(L.HIGH);
  if (drop !== 0n) c.i64(drop).op("i64.shr_u");
  c.i64(1).op("i64.and").op("i64.sub").op("i64.gt_u").set(L.J);
  c.get(L.HIGH);
  if (drop !== 0n) c.i64(-(1n << drop)).op("i64.and");
  c.get(L.J).op("i64.extend_i32_u");
  if (drop !== 0n) c.i64(drop).op("i64.shl");
  c.op("i64.add").tee(L.RESULT).op("i64.eqz").if();
  c.i64(TOP_BIT).set(L.RESULT).get(L.EXP).i32(1).op("i32.add").set(L.EXP).end();
  c.get(L.EXP).get(L.I).op("i32.or").set(L.RESULT_END);
  c.get(L.J).i32(C1_AT).op("i32.shl");
  c.get(L.LOW).i64(0).op("i64.ne").i32(PE_AT).op("i32.shl").op("i32.or").set(L.RAISED);
}

/** a + b, or a - b: in L.HIGH and L.LOW, one bit below the top; the sign in L.I. */
function sum(e: Emitter, a: Operand, b: Operand, minus: boolean, slow: Label): void {
  const c = e.code;
  const endOfB = (): void => {
    c.get(b.end);
    if (minus) c.i32(SIGN).op("i32.xor");
  };
  // L.K: whether b is the larger one. Its significand goes to L.X, the smaller one's to L.A.
  c.get(L.EXP_A).get(L.EXP_B).op("i32.lt_u");
  c.get(L.EXP_A).get(L.EXP_B).op("i32.eq").get(a.sig).get(b.sig).op("i64.lt_u").op("i32.and").op("i32.or").set(L.K);
  c.get(L.EXP_B).get(L.EXP_A).get(L.K).op("select").tee(L.EXP);
  c.i32(1).op("i32.shl").get(L.EXP_A).op("i32.sub").get(L.EXP_B).op("i32.sub").tee(L.I);
  c.i32(63).op("i32.gt_u").brIf(slow);
  c.get(L.I).op("i64.extend_i32_u").set(L.Z);
  c.get(b.sig).get(a.sig).get(L.K).op("select").set(L.X);
  c.get(a.sig).get(b.sig).get(L.K).op("select").set(L.A);
  endOfB();
  c.get(a.end).op("i32.xor").i32(15).op("i32.shr_u").i32(1).op("i32.and").set(L.J);
  endOfB();
  c.get(a.end).get(L.K).op("select").i32(SIGN).op("i32.and").set(L.I);
  // The smaller one as 128 bits, negated when the signs differ: inverted by the mask, with one added at the bottom.
  c.i64(0).get(L.J).op("i64.extend_i32_u").op("i64.sub").set(L.HIGH);
  c.get(L.A).get(L.Z).i64(63).op("i64.xor").op("i64.shl").get(L.HIGH).op("i64.xor");
  c.get(L.J).op("i64.extend_i32_u").op("i64.add").set(L.LOW);
  c.get(L.A).i64(1).op("i64.shr_u").get(L.Z).op("i64.shr_u").get(L.HIGH).op("i64.xor");
  c.get(L.X).i64(1).op("i64.shr_u").op("i64.add");
  c.get(L.LOW).get(L.J).op("i64.extend_i32_u").op("i64.lt_u");
  c.get(L.X).i64(63).op("i64.shl").tee(L.Z).get(L.LOW).op("i64.add").tee(L.LOW).get(L.Z).op("i64.lt_u");
  c.op("i32.or").op("i64.extend_i32_u").op("i64.add").tee(L.HIGH).op("i64.eqz").brIf(slow);
}

/** a * b in L.HIGH and L.LOW; the sign in L.I. */
function product(e: Emitter, a: Operand, b: Operand): void {
  const c = e.code;
  const [low, high] = [L.X, L.A];
  const half = (local: number): void => void c.get(local).i64(LOW_HALF).op("i64.and");
  const upper = (local: number): void => void c.get(local).i64(32).op("i64.shr_u");
  half(a.sig);
  c.set(low);
  upper(a.sig);
  c.set(high);
  c.get(high);
  half(b.sig);
  c.op("i64.mul").get(low);
  half(b.sig);
  c.op("i64.mul").i64(32).op("i64.shr_u").op("i64.add").set(L.Z);
  c.get(low);
  upper(b.sig);
  c.op("i64.mul");
  half(L.Z);
  c.op("i64.add").set(L.LOW);
  c.get(high);
  upper(b.sig);
  c.op("i64.mul");
  upper(L.Z);
  c.op("i64.add");
  upper(L.LOW);
  c.op("i64.add").set(L.HIGH);
  c.get(a.sig).get(b.sig).op("i64.mul").set(L.LOW);
  c.get(L.EXP_A).get(L.EXP_B).op("i32.add").i32(BIAS).op("i32.sub").set(L.EXP);
  c.get(a.end).get(b.end).op("i32.xor").i32(SIGN).op("i32.and").set(L.I);
}

/** What is computed here, unless the node is cold or the mode is unusual. */
function fastOf(
  e: Emitter,
  fpu: X87,
  op: Op,
  a: Operand,
  b: Operand,
  prepare: (slow: Label) => void,
): ((slow: Label) => void) | undefined {
  const { precision } = fpu;
  if (precision === undefined || !e.fast || op === "DIV" || op === "DIVR") return undefined;
  return (slow) => {
    prepare(slow);
    const [first, second] = op === "SUBR" ? [b, a] : [a, b];
    requireNormal(e, first, second, slow);
    if (op === "MUL") product(e, a, b);
    else sum(e, first, second, op !== "ADD", slow);
    normalise(e);
    round(e, precision, slow);
  };
}

/** ST(`to`) becomes it `op` the other operand. */
function compute(e: Emitter, fpu: X87, op: Op, to: number, b: Operand, prepare: (slow: Label) => void): void {
  const a = register(fpu, to);
  either(e, fastOf(e, fpu, op, a, b, prepare), () => {
    callCore(e, fpu, opOf(op), a, b);
    takeResult(e);
  });
  setRegister(e, fpu, to);
  fpu.done({ raised: true });
}

const nothing = (): void => {};

const withTop = (op: Op): Lowering =>
  x87((e, fpu, i) => compute(e, fpu, op, 0, register(fpu, stackRegister(i)), nothing));

const withRegister = (op: Op): Lowering =>
  x87((e, fpu, i) => compute(e, fpu, op, stackRegister(i), register(fpu, 0), nothing));

const withMemory = (op: Op, kind: "M64" | "M32" | "INT"): Lowering =>
  x87((e, fpu, i) => {
    readNumber(e, i, kind);
    const b = ofMemory(kind);
    compute(e, fpu, op, 0, b, (slow) => {
      if (kind === "INT") widenInteger(e, b.sig, b.end);
      else widen(e, kind, b.sig, b.end, false, slow);
    });
  });

function forms(name: string, op: Op): Lowerings {
  const integer = `fi${name.slice(1)}`;
  return {
    [name]: withTop(op),
    [`${name}To`]: withRegister(op),
    [`${name}p`]: withRegister(op),
    [`${name}M64`]: withMemory(op, "M64"),
    [`${name}M32`]: withMemory(op, "M32"),
    [`${integer}M16`]: withMemory(op, "INT"),
    [`${integer}M32`]: withMemory(op, "INT"),
  };
}

/** By the core alone. */
const unary = (op: "SQRT" | "RNDINT"): Lowering =>
  x87((e, fpu) => {
    callCore(e, fpu, opOf(op), register(fpu, 0));
    takeResult(e);
    setRegister(e, fpu, 0);
    fpu.done({ raised: true });
  });

const changeSign = (keep: number, flip: number): Lowering =>
  x87((e, fpu) => {
    const end = fpu.end(0);
    e.code.get(end);
    if (flip) e.code.i32(flip).op("i32.xor");
    else e.code.i32(keep).op("i32.and");
    e.code.set(end);
    fpu.done();
  });

export const X87_ARITH: Lowerings = {
  ...forms("fadd", "ADD"),
  ...forms("fmul", "MUL"),
  ...forms("fsub", "SUB"),
  ...forms("fsubr", "SUBR"),
  ...forms("fdiv", "DIV"),
  ...forms("fdivr", "DIVR"),
  fsqrt: unary("SQRT"),
  frndint: unary("RNDINT"),
  fchs: changeSign(0xffff, SIGN),
  fabs: changeSign(EXPONENT, 0),
};
