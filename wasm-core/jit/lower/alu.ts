/** Integer arithmetic and logic. The flags are left as assembly/interp/alu.ts leaves them. */
import { pushCarryFlag } from "../conditions.js";
import { ccOp, type Emitter, L, type Size, type Value } from "../emitter.js";
import type { Lowerings, ValueLowering } from "./lowering.js";
import { value } from "./value.js";

type Operation = "add" | "sub" | "and" | "or" | "xor";

const wideOp = { add: "i64.add", sub: "i64.sub", and: "i64.and", or: "i64.or", xor: "i64.xor" } as const;
const narrowOp = { add: "i32.add", sub: "i32.sub", and: "i32.and", or: "i32.or", xor: "i32.xor" } as const;

/** The value with the width of `size`: constants of a byte are given to wider operations sign-extended by the decoder. */
export const sized = (v: Value, size: Size): Value => (v.size === size ? v : { ...v, size });

/** Computes `a op b` and leaves it in a temporary. */
function compute(e: Emitter, op: Operation, size: Size, a: Value, b: Value): Value {
  e.push(a);
  e.push(sized(b, size));
  e.code.op(size === 64 ? wideOp[op] : narrowOp[op]);
  if (size < 32 && (op === "add" || op === "sub")) e.cut(size);
  return e.temp(size);
}

export const arithmetic =
  (op: "add" | "sub"): ValueLowering =>
  (e, size, a, b) => {
    const r = compute(e, op, size, a!, b!);
    e.setFlags(op === "add" ? "ADD" : "SUB", size, sized(b!, size), r, op === "sub" ? a : undefined);
    e.push(r);
  };

export const logic =
  (op: "and" | "or" | "xor"): ValueLowering =>
  (e, size, a, b) => {
    const r = compute(e, op, size, a!, b!);
    e.setFlags("LOGIC", size, undefined, r);
    e.push(r);
  };

export const cmp: ValueLowering = (e, size, a, b) => {
  const r = compute(e, "sub", size, a!, b!);
  e.setFlags("SUB", size, sized(b!, size), r, a);
};

const test: ValueLowering = (e, size, a, b) => {
  e.setFlags("LOGIC", size, undefined, compute(e, "and", size, a!, b!));
};

const not: ValueLowering = (e, size, a) => {
  e.push(a!);
  if (size === 64) e.code.i64(-1).op("i64.xor");
  else {
    e.code.i32(-1).op("i32.xor");
    e.cut(size);
  }
};

const neg: ValueLowering = (e, size, a) => {
  const zero: Value = { kind: "constant", value: 0n, size };
  const r = compute(e, "sub", size, zero, a!);
  e.setFlags("SUB", size, a, r, zero);
  e.push(r);
};

/**
 * ADC and SBB leave flags as ADD and SUB do when there was no carry: CC_OP is chosen when they run. The carry in is in
 * L.K until the flags are set.
 */
const withCarry =
  (op: "add" | "sub"): ValueLowering =>
  (e, size, a, b) => {
    const c = e.code;
    pushCarryFlag(e);
    c.set(L.K);
    e.push(a!);
    e.push(sized(b!, size));
    const wide = size === 64;
    c.op(wide ? wideOp[op] : narrowOp[op]).get(L.K);
    if (wide) c.op("i64.extend_i32_u");
    c.op(wide ? wideOp[op] : narrowOp[op]);
    e.cut(size);
    const r = e.temp(size);
    if (!e.flagsDead) {
      const plain = op === "add" ? "ADD" : "SUB";
      e.setFlags(plain, size, sized(b!, size), r);
      // ADC and SBB come behind ADD and SUB.
      c.i32(ccOp(plain, size)).get(L.K).i32(2).op("i32.shl").op("i32.add").set(L.CC_OP);
      e.flags = { op: plain, size, hasA: false, carries: true };
    }
    e.push(r);
  };

/** INC and DEC keep the carry flag: it is computed before the rest changes, unless all of it can be put off. */
export const step =
  (op: "add" | "sub"): ValueLowering =>
  (e, size, a) => {
    const what = op === "add" ? "INC" : "DEC";
    const r = compute(e, op, size, a!, { kind: "constant", value: 1n, size });
    if (!e.flagsDead && !e.putOff(what, size, r)) {
      pushCarryFlag(e);
      e.code.op("i64.extend_i32_u").set(L.CC_SRC);
      e.setFlags(what, size, undefined, r);
    }
    e.push(r);
  };

export const ALU: Lowerings = {
  add: value(arithmetic("add")),
  sub: value(arithmetic("sub")),
  adc: value(withCarry("add")),
  sbb: value(withCarry("sub")),
  and: value(logic("and")),
  or: value(logic("or")),
  xor: value(logic("xor")),
  cmp: value(cmp),
  test: value(test),
  not: value(not),
  neg: value(neg),
  inc: value(step("add")),
  dec: value(step("sub")),
};
