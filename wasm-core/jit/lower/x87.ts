/** What x87 lowerings share: the check before, the door to the core's arithmetic, numbers of memory. */
import { X87Op } from "../../abi/structs/jit.js";
import { Vcpu } from "../../abi/structs/vcpu.js";
import { bitsOf } from "../../isa/variants.js";
import { callDoor } from "../doors.js";
import { type Emitter, L, type Size } from "../emitter.js";
import { memoryOperand } from "../operands.js";
import type { Insn } from "../region/machine-view.js";
import type { Label } from "../wasm/code.js";
import type { X87 } from "../x87.js";
import { stackEffect } from "../x87-plan.js";
import type { Lowering } from "./lowering.js";

/** X87Temp.RESULT of assembly/interp/x87-unit.ts. */
const RESULT_AT = Vcpu.off.x87Env + 16;
const RESULT_END_AT = RESULT_AT + 8;

/** Bits of the status word, by number. */
export const PE_AT = 5;
export const C1_AT = 9;
export const SIGN = 0x8000;
export const EXPONENT = 0x7fff;
export const BIAS = 0x3fff;
export const TOP_BIT = -(1n << 63n);

type OpName = keyof typeof X87Op.values;
export const opOf = (name: OpName): number => Number(X87Op.values[name]);

/** A lowering that checks the stack and then emits `write`. */
export function x87(write: (e: Emitter, fpu: X87, i: Insn) => void): Lowering {
  return (e, i) => {
    const fpu = e.x87;
    if (fpu === undefined || stackEffect(i) === undefined) return false;
    fpu.require();
    write(e, fpu, i);
    return true;
  };
}

/** `fast` branches to the label it is given while nothing has been done yet; there `slow` does it all. */
export function either(e: Emitter, fast: ((slow: Label) => void) | undefined, slow: () => void): void {
  const c = e.code;
  if (fast === undefined) {
    slow();
    return;
  }
  const done = c.block();
  const label = c.block();
  fast(label);
  c.br(done);
  c.end();
  slow();
  c.end();
}

/** A number: the locals of its significand, and of its sign and exponent. */
export interface Operand {
  /** A register; or the number lies in L.Y as memory has it. */
  readonly kind: "register" | "M64" | "M32" | "INT";
  readonly sig: number;
  readonly end: number;
}

export const register = (fpu: X87, i: number): Operand => ({ kind: "register", sig: fpu.sig(i), end: fpu.end(i) });

/** What a number of memory becomes. */
export const ofMemory = (kind: "M64" | "M32" | "INT"): Operand => ({ kind, sig: L.B, end: L.RESULT_END });

/**
 * Calls the core: what is to be set in the status word is then in L.RAISED. An unmasked exception leaves to the
 * interpreter.
 */
export function callCore(e: Emitter, fpu: X87, op: number, a: Operand | undefined, b?: Operand): void {
  const c = e.code;
  c.get(L.CPU).i32(op | (b === undefined || b.kind === "register" ? 0 : opOf(b.kind)));
  if (a) c.get(a.sig);
  else c.i64(0);
  if (b === undefined) c.i64(0);
  else if (b.kind === "register") c.get(b.sig);
  else c.get(L.Y);
  if (a) c.get(a.end);
  else c.i32(0);
  if (b?.kind === "register") c.get(b.end).i32(16).op("i32.shl").op("i32.or");
  fpu.pushControlWord();
  callDoor(c, "regionX87").tee(L.RAISED).i32(0).op("i32.lt_s");
  e.leaveIf();
}

/** The result of callCore as a number: in L.RESULT and L.RESULT_END. */
export function takeResult(e: Emitter): void {
  takeBits(e);
  e.code.get(L.CPU).mem("i32.load16_u", RESULT_END_AT).set(L.RESULT_END);
}

/** The result of callCore as 64 bits in L.RESULT. */
export function takeBits(e: Emitter): void {
  e.code.get(L.CPU).mem("i64.load", RESULT_AT).set(L.RESULT);
}

/** Sets ST(i) to L.RESULT and L.RESULT_END. */
export function setRegister(e: Emitter, fpu: X87, i: number): void {
  e.code.get(L.RESULT).set(fpu.sig(i)).get(L.RESULT_END).set(fpu.end(i));
}

/** Bits of the memory operand. */
export function memorySize({ v }: Insn): number {
  return bitsOf(v.row.operands.find((o) => memoryOperand(o, v))!, v);
}

const FORMATS = {
  M64: { size: 64, fraction: 52, exponents: 0x7ff, bias: 0x3fff - 0x3ff },
  M32: { size: 32, fraction: 23, exponents: 0xff, bias: 0x3fff - 0x7f },
} as const;
export type Format = keyof typeof FORMATS;
export const formatOf = (f: Format): (typeof FORMATS)[Format] => FORMATS[f];

/** Reads the memory operand into L.Y, integers extended. */
export function readNumber(e: Emitter, i: Insn, kind: "M64" | "M32" | "INT"): void {
  const size = memorySize(i) as Size;
  const c = e.code;
  e.load(size);
  if (size !== 64) {
    c.op(kind === "INT" ? "i64.extend_i32_s" : "i64.extend_i32_u");
    if (size === 16) c.op("i64.extend16_s");
  }
  c.set(L.Y);
}

/**
 * The number in L.Y as a register: in locals `sig` and `end`. `slow` is for numbers that are neither normal nor, with
 * `zero`, zero.
 */
export function widen(e: Emitter, f: Format, sig: number, end: number, zero: boolean, slow: Label): void {
  const { size, fraction, exponents, bias } = FORMATS[f];
  const c = e.code;
  c.get(L.Y)
    .i64(63 - fraction)
    .op("i64.shl")
    .i64(TOP_BIT)
    .op("i64.or")
    .set(sig);
  c.get(L.Y).i64(fraction).op("i64.shr_u").op("i32.wrap_i64").i32(exponents).op("i32.and").tee(end);
  c.i32(1)
    .op("i32.sub")
    .i32(exponents - 1)
    .op("i32.ge_u");
  if (zero) {
    c.if();
    c.get(L.Y)
      .i64(65 - size)
      .op("i64.shl")
      .op("i64.eqz")
      .op("i32.eqz")
      .brIf(slow);
    c.i64(0).set(sig).i32(-bias).set(end).end();
  } else c.brIf(slow);
  c.get(end).i32(bias).op("i32.add");
  c.get(L.Y)
    .i64(size - 1)
    .op("i64.shr_u")
    .op("i32.wrap_i64")
    .i32(15)
    .op("i32.shl")
    .op("i32.or")
    .set(end);
}

/** The integer in L.Y as a register, which is exact. */
export function widenInteger(e: Emitter, sig: number, end: number): void {
  const c = e.code;
  c.get(L.Y).i64(63).op("i64.shr_s").tee(L.Z);
  c.get(L.Y).op("i64.xor").get(L.Z).op("i64.sub").tee(L.X);
  c.get(L.X).op("i64.clz").tee(L.X).op("i64.shl").set(sig);
  // The exponent, and the sign from the mask of it; zero has neither.
  c.i32(BIAS + 63)
    .get(L.X)
    .op("i32.wrap_i64")
    .op("i32.sub");
  c.get(L.Z).op("i32.wrap_i64").i32(SIGN).op("i32.and").op("i32.or");
  c.i32(0).get(L.Y).i64(0).op("i64.ne").op("select").set(end);
}
