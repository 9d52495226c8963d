/** x87 comparison: assembly/interp/x87-compare.ts. Normal numbers are compared here, the core knows the others. */
import { type Emitter, L } from "../emitter.js";
import type { Label } from "../wasm/code.js";
import type { X87 } from "../x87.js";
import { stackRegister } from "../x87-plan.js";
import type { Lowering, Lowerings } from "./lowering.js";
import { setFlagBits } from "./sse-flags.js";
import {
  callCore,
  either,
  type Format,
  type Operand,
  ofMemory,
  opOf,
  readNumber,
  register,
  widen,
  widenInteger,
  x87,
} from "./x87.js";
import { requireNormal } from "./x87-arith.js";

/** C0 less or unordered, C2 unordered, C3 equal or unordered: in L.RAISED as in the status word. */
const CONDITIONS = 0x4500;
const C0_AT = 8;
const C3_AT = 14;
/** EFLAGS' CF, PF and ZF lie as C0, C2 and C3 do, from bit 0 on. */
const FLAGS = CONDITIONS >> C0_AT;

/** The order of normal numbers. */
function compareNormal(e: Emitter, a: Operand, b: Operand, slow: Label): void {
  const c = e.code;
  requireNormal(e, a, b, slow);
  c.get(a.sig).get(b.sig).op("i64.eq").get(a.end).get(b.end).op("i32.eq").op("i32.and").set(L.J);
  // Less: by magnitude when the signs are equal, and the other way round when a is negative.
  c.get(L.EXP_A).get(L.EXP_B).op("i32.lt_u");
  c.get(L.EXP_A).get(L.EXP_B).op("i32.eq").get(a.sig).get(b.sig).op("i64.lt_u").op("i32.and").op("i32.or");
  c.get(a.end).get(b.end).op("i32.xor").i32(15).op("i32.shr_u").op("i32.eqz").op("i32.and");
  c.get(a.end).i32(15).op("i32.shr_u").op("i32.xor");
  c.get(L.J).op("i32.eqz").op("i32.and").i32(C0_AT).op("i32.shl");
  c.get(L.J).i32(C3_AT).op("i32.shl").op("i32.or").set(L.RAISED);
}

/** Leaves the order of ST(0) and `b`, and what is raised, in L.RAISED. */
function compare(e: Emitter, fpu: X87, b: Operand, signalling: boolean, prepare: (slow: Label) => void): void {
  const a = register(fpu, 0);
  const fast = (slow: Label): void => {
    prepare(slow);
    compareNormal(e, a, b, slow);
  };
  either(e, e.fast ? fast : undefined, () => callCore(e, fpu, opOf(signalling ? "COM" : "UCOM"), a, b));
}

const nothing = (): void => {};

const registers = (signalling: boolean): Lowering =>
  x87((e, fpu, i) => {
    compare(e, fpu, register(fpu, stackRegister(i)), signalling, nothing);
    fpu.done({ raised: true, replaces: CONDITIONS });
  });

const withMemory = (kind: Format | "INT"): Lowering =>
  x87((e, fpu, i) => {
    readNumber(e, i, kind);
    const b = ofMemory(kind);
    compare(e, fpu, b, true, (slow) => {
      if (kind === "INT") widenInteger(e, b.sig, b.end);
      else widen(e, kind, b.sig, b.end, false, slow);
    });
    fpu.done({ raised: true, replaces: CONDITIONS });
  });

/** Zero is no normal number: the core compares with it. */
const ftst: Lowering = x87((e, fpu) => {
  e.code.i64(0).set(L.Y);
  callCore(e, fpu, opOf("COM"), register(fpu, 0), ofMemory("INT"));
  fpu.done({ raised: true, replaces: CONDITIONS });
});

const intoFlags = (signalling: boolean): Lowering =>
  x87((e, fpu, i) => {
    const c = e.code;
    compare(e, fpu, register(fpu, stackRegister(i)), signalling, nothing);
    c.get(L.RAISED).i32(C0_AT).op("i32.shr_u").i32(FLAGS).op("i32.and");
    c.get(L.RAISED).i32(~CONDITIONS).op("i32.and").set(L.RAISED);
    setFlagBits(e);
    fpu.done({ raised: true, keepsC1: true });
  });

export const X87_COMPARE: Lowerings = {
  fcom: registers(true),
  fcomp: registers(true),
  fcompp: registers(true),
  fucom: registers(false),
  fucomp: registers(false),
  fucompp: registers(false),
  fcomM64: withMemory("M64"),
  fcompM64: withMemory("M64"),
  fcomM32: withMemory("M32"),
  fcompM32: withMemory("M32"),
  ficomM16: withMemory("INT"),
  ficompM16: withMemory("INT"),
  ficomM32: withMemory("INT"),
  ficompM32: withMemory("INT"),
  ftst,
  fcomi: intoFlags(true),
  fcomip: intoFlags(true),
  fucomi: intoFlags(false),
  fucomip: intoFlags(false),
};
