/** x87 loads, stores, exchange, constants and control words: assembly/interp/x87-move.ts and x87-control.ts. */
import { pushCondition } from "../conditions.js";
import { type Emitter, L, type Size } from "../emitter.js";
import type { Label } from "../wasm/code.js";
import type { X87 } from "../x87.js";
import { stackEffect, stackRegister } from "../x87-plan.js";
import type { Lowering, Lowerings } from "./lowering.js";
import { value } from "./value.js";
import {
  BIAS,
  C1_AT,
  callCore,
  EXPONENT,
  either,
  type Format,
  formatOf,
  memorySize,
  ofMemory,
  opOf,
  PE_AT,
  readNumber,
  register,
  setRegister,
  takeBits,
  takeResult,
  widen,
  widenInteger,
  x87,
} from "./x87.js";

/** Rounding control in the control word, and the status word in L.FW. */
const RC = 0xc00;
const FSW_AT = 16;
const END_AT = 8;

/** What is pushed becomes ST(7), which then is ST(0). */
const PUSHED = 7;

// Loads.

const loadFloat = (f: Format): Lowering =>
  x87((e, fpu, i) => {
    readNumber(e, i, f);
    either(
      e,
      (slow) => {
        widen(e, f, L.RESULT, L.RESULT_END, true, slow);
        e.code.i32(0).set(L.RAISED);
      },
      () => {
        callCore(e, fpu, opOf("LOAD"), undefined, ofMemory(f));
        takeResult(e);
      },
    );
    setRegister(e, fpu, PUSHED);
    fpu.done({ raised: true });
  });

const loadInteger = x87((e, fpu, i) => {
  readNumber(e, i, "INT");
  widenInteger(e, fpu.sig(PUSHED), fpu.end(PUSHED));
  fpu.done();
});

const fldM80 = x87((e, fpu) => {
  e.openRead(80);
  e.code.get(L.P).mem("i64.load").set(fpu.sig(PUSHED));
  e.code.get(L.P).mem("i32.load16_u", END_AT).set(fpu.end(PUSHED));
  fpu.done();
});

function copy(e: Emitter, fpu: X87, to: number, from: number): void {
  e.code.get(fpu.sig(from)).set(fpu.sig(to)).get(fpu.end(from)).set(fpu.end(to));
}

const fldSt = x87((e, fpu, i) => {
  copy(e, fpu, PUSHED, stackRegister(i));
  fpu.done();
});

/** A number that is the same in every mode, or the one that rounding to nearest gives. */
const constant = (end: number, sig: bigint, exact = false): Lowering =>
  x87((e, fpu) => {
    const c = e.code;
    if (!exact && fpu.precision === undefined) {
      fpu.pushControlWord();
      c.i32(RC).op("i32.and");
      e.leaveIf();
    }
    c.i64(BigInt.asIntN(64, sig)).set(fpu.sig(PUSHED)).i32(end).set(fpu.end(PUSHED));
    fpu.done();
  });

// Stores.

/** The number in ST(0), of which nothing is lost beyond what a normal number of format `f` loses: in L.X. */
function narrow(e: Emitter, fpu: X87, f: Format, slow: Label): void {
  const { size, fraction, exponents, bias } = formatOf(f);
  const c = e.code;
  const drop = 63 - fraction;
  const [sig, end] = [fpu.sig(0), fpu.end(0)];
  // Normal, and normal even when it is rounded up to the next power of two: the exponent less one.
  c.get(end)
    .i32(EXPONENT)
    .op("i32.and")
    .i32(bias + 1)
    .op("i32.sub")
    .tee(L.I);
  c.i32(exponents - 2).op("i32.ge_u");
  c.get(sig).i64(0).op("i64.ge_s").op("i32.or").if();
  c.get(sig).get(end).i32(EXPONENT).op("i32.and").op("i64.extend_i32_u").op("i64.or").i64(0).op("i64.ne").brIf(slow);
  // Zero: what follows adds its significand's place to the exponent.
  c.i32(0).set(L.I).end();
  c.get(sig).i64(drop).op("i64.shr_u").set(L.X);
  c.get(sig)
    .i64((1n << BigInt(drop)) - 1n)
    .op("i64.and")
    .set(L.Z);
  c.get(L.Z).i64(1n << BigInt(drop - 1));
  c.get(L.X).i64(1).op("i64.and").op("i64.sub").op("i64.gt_u").set(L.J);
  c.get(L.I).op("i64.extend_i32_u").i64(fraction).op("i64.shl").get(L.X).op("i64.add");
  c.get(L.J).op("i64.extend_i32_u").op("i64.add");
  c.get(end).i32(15).op("i32.shr_u").op("i64.extend_i32_u");
  c.i64(size - 1)
    .op("i64.shl")
    .op("i64.or")
    .set(L.RESULT);
  c.get(L.J).i32(C1_AT).op("i32.shl");
  c.get(L.Z).i64(0).op("i64.ne").i32(PE_AT).op("i32.shl").op("i32.or").set(L.RAISED);
}

/** Stores L.RESULT through L.P. */
function storeResult(e: Emitter, size: number): void {
  const c = e.code.get(L.P).get(L.RESULT);
  if (size !== 64) c.op("i32.wrap_i64");
  e.storeValue(size as Size);
}

const storeFloat = (f: Format): Lowering =>
  x87((e, fpu) => {
    const { size } = formatOf(f);
    e.open(size);
    const fast = fpu.precision === undefined ? undefined : (slow: Label): void => narrow(e, fpu, f, slow);
    either(e, fast, () => {
      callCore(e, fpu, opOf(f === "M64" ? "TO64" : "TO32"), register(fpu, 0));
      takeBits(e);
    });
    storeResult(e, size);
    fpu.done({ raised: true });
  });

const storeInteger = (truncates: boolean): Lowering =>
  x87((e, fpu, i) => {
    const size = memorySize(i);
    e.open(size);
    const op = opOf(size === 64 ? "INT64" : size === 32 ? "INT32" : "INT16");
    callCore(e, fpu, op | (truncates ? opOf("TRUNCATE") : 0), register(fpu, 0));
    takeBits(e);
    storeResult(e, size);
    fpu.done({ raised: true });
  });

const fstpM80 = x87((e, fpu) => {
  e.open(80);
  e.code.get(L.P).get(fpu.sig(0)).mem("i64.store");
  e.code.get(L.P).get(fpu.end(0)).mem("i32.store16", END_AT);
  fpu.done();
});

const storeRegister = x87((e, fpu, i) => {
  copy(e, fpu, stackRegister(i), 0);
  fpu.done();
});

const fxch = x87((e, fpu, i) => {
  const n = stackRegister(i);
  const c = e.code;
  c.get(fpu.sig(0)).get(fpu.sig(n)).set(fpu.sig(0)).set(fpu.sig(n));
  c.get(fpu.end(0)).get(fpu.end(n)).set(fpu.end(0)).set(fpu.end(n));
  fpu.done();
});

/** The stack alone, as the plan says. */
const tags = x87((_e, fpu) => fpu.done());

/** Moves ST(i) to the top when condition `cc` holds. */
const moveIf = (cc: number): Lowering =>
  x87((e, fpu, i) => {
    const n = stackRegister(i);
    const c = e.code;
    pushCondition(e, cc);
    c.if();
    copy(e, fpu, 0, n);
    c.end();
    fpu.done({ keepsC1: true });
  });

// Control and status words.

/** A lowering that only needs x87 instructions to be possible. */
const whenPossible =
  (lowering: Lowering): Lowering =>
  (e, i) => {
    if (e.x87 === undefined || stackEffect(i) === undefined) return false;
    e.x87.require();
    return lowering(e, i);
  };

const word = (shift: number): Lowering =>
  whenPossible(
    value((e) => {
      e.code.get(L.FW);
      if (shift) e.code.i64(shift).op("i64.shr_u");
      e.code.op("i32.wrap_i64").i32(0xffff).op("i32.and");
    }),
  );

/** The bits of it that there are, and the one that is always set. */
const FCW_MASK = 0x1f3f;
const FCW_ONE = 0x40;
const FLAGS = 0x3f;

/** One that unmasks a flag that is set is the interpreter's. */
const fldcw: Lowering = x87((e) => {
  const c = e.code;
  e.load(16);
  c.i32(FCW_MASK).op("i32.and").i32(FCW_ONE).op("i32.or").set(L.I);
  c.get(L.FW).i64(FSW_AT).op("i64.shr_u").op("i32.wrap_i64");
  c.get(L.I).i32(-1).op("i32.xor").op("i32.and").i32(FLAGS).op("i32.and");
  e.leaveIf();
  c.get(L.FW).i64(-0x10000).op("i64.and").get(L.I).op("i64.extend_i32_u").op("i64.or").set(L.FW);
});

export const X87_MOVE: Lowerings = {
  fldM64: loadFloat("M64"),
  fldM32: loadFloat("M32"),
  fldM80,
  fldSt,
  fildM16: loadInteger,
  fildM32: loadInteger,
  fildM64: loadInteger,
  fldz: constant(0, 0n, true),
  fld1: constant(BIAS, 1n << 63n, true),
  fldl2t: constant(0x4000, 0xd49a784bcd1b8afen),
  fldl2e: constant(0x3fff, 0xb8aa3b295c17f0bcn),
  fldpi: constant(0x4000, 0xc90fdaa22168c235n),
  fldlg2: constant(0x3ffd, 0x9a209a84fbcff799n),
  fldln2: constant(0x3ffe, 0xb17217f7d1cf79acn),
  fstM64: storeFloat("M64"),
  fstM32: storeFloat("M32"),
  fstpM64: storeFloat("M64"),
  fstpM32: storeFloat("M32"),
  fstpM80,
  fistM16: storeInteger(false),
  fistM32: storeInteger(false),
  fistpM16: storeInteger(false),
  fistpM32: storeInteger(false),
  fistpM64: storeInteger(false),
  fisttpM16: storeInteger(true),
  fisttpM32: storeInteger(true),
  fisttpM64: storeInteger(true),
  fstSt: storeRegister,
  fstpSt: storeRegister,
  fstp1: storeRegister,
  fxch,
  ffree: tags,
  ffreep: tags,
  fincstp: tags,
  fdecstp: tags,
  fcmovb: moveIf(2),
  fcmovnb: moveIf(3),
  fcmove: moveIf(4),
  fcmovne: moveIf(5),
  fcmovbe: moveIf(6),
  fcmovnbe: moveIf(7),
  fcmovu: moveIf(10),
  fcmovnu: moveIf(11),
  fnstsw: word(FSW_AT),
  fnstcw: word(0),
  fldcw,
  fnop: whenPossible(() => true),
  fwait: whenPossible(() => true),
};
