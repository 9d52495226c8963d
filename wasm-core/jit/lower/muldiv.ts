/** Multiplication and division, as assembly/interp/muldiv.ts does them. Divisions that may fault are left to it. */
import { type Emitter, L, type Size, type Value } from "../emitter.js";
import { memoryOperand, plainAddress } from "../operands.js";
import type { Insn } from "../region/machine-view.js";
import type { Lowering, Lowerings, ValueLowering } from "./lowering.js";
import { value } from "./value.js";

const RAX = 0;
const AH = 1;
const RDX = 16;
const rax = (size: Size): Value => ({ kind: "register", off: RAX, size });
const rdx = (size: Size): Value => ({ kind: "register", off: RDX, size });

/** Pushes a value of up to 32 bits as i32, of 64 as i64, sign-extended. */
function pushSigned(e: Emitter, v: Value): void {
  e.push(v);
  if (v.size === 8) e.code.op("i32.extend8_s");
  if (v.size === 16) e.code.op("i32.extend16_s");
}

function pushLow(e: Emitter, v: Value): void {
  e.push(v);
  e.code.i64(0xffffffffn).op("i64.and");
}

function pushHigh(e: Emitter, v: Value): void {
  e.push(v);
  e.code.i64(32).op("i64.shr_u");
}

/** Pushes the high half of the 128-bit product, from four products of halves. Uses L.Z and L.LIN. */
function pushProductHigh(e: Emitter, a: Value, b: Value, signed: boolean): void {
  const c = e.code;
  pushHigh(e, a);
  pushLow(e, b);
  c.op("i64.mul");
  pushLow(e, a);
  pushLow(e, b);
  c.op("i64.mul").i64(32).op("i64.shr_u").op("i64.add").set(L.Z);
  pushLow(e, a);
  pushHigh(e, b);
  c.op("i64.mul").get(L.Z).i64(0xffffffffn).op("i64.and").op("i64.add").set(L.LIN);
  pushHigh(e, a);
  pushHigh(e, b);
  c.op("i64.mul").get(L.Z).i64(32).op("i64.shr_u").op("i64.add").get(L.LIN).i64(32).op("i64.shr_u").op("i64.add");
  if (!signed) return;
  for (const [x, y] of [
    [a, b],
    [b, a],
  ] as const) {
    e.push(x);
    c.i64(63).op("i64.shr_s");
    e.push(y);
    c.op("i64.and").op("i64.sub");
  }
}

/** CF and OF as pushed (0 or 1), the rest from the low half. */
function productFlags(e: Emitter, size: Size, lo: Value, overflow: () => void): void {
  if (e.flagsDead) return;
  overflow();
  e.code.op("i64.extend_i32_u").set(L.CC_SRC);
  e.push64(lo);
  e.code.set(L.CC_DST);
  e.nameFlags("MUL", size);
}

const imul2: ValueLowering = (e, size, a, b) => {
  const c = e.code;
  const y: Value = { ...b!, size };
  if (size === 64) {
    e.push(a!);
    e.push(y);
    c.op("i64.mul");
    const lo = e.temp(64);
    productFlags(e, size, lo, () => {
      pushProductHigh(e, a!, y, true);
      e.push(lo);
      c.i64(63).op("i64.shr_s").op("i64.ne");
    });
    e.push(lo);
    return;
  }
  pushSigned(e, a!);
  if (size === 32 && !e.flagsDead) {
    c.op("i64.extend_i32_s");
    pushSigned(e, y);
    c.op("i64.extend_i32_s").op("i64.mul").tee(L.Z).op("i32.wrap_i64");
  } else {
    pushSigned(e, y);
    c.op("i32.mul").tee(L.K);
    e.cut(size);
  }
  const lo = e.temp(size);
  productFlags(e, size, lo, () => {
    if (size === 32) c.get(L.Z).get(L.Z).op("i64.extend32_s").op("i64.ne");
    else c.get(L.K).get(L.K).op("i32.extend16_s").op("i32.ne");
  });
  e.push(lo);
};

/** Reads the only operand, a factor or divisor. */
function single(e: Emitter, i: Insn): { size: Size; a: Value } {
  const size = (i.v.size || 8) as Size;
  return { size, a: e.operand(i.v.row.operands[0]!) };
}

function wideProduct(e: Emitter, a: Value, signed: boolean): void {
  const c = e.code;
  const b = rax(64);
  e.push(a);
  e.push(b);
  c.op("i64.mul");
  const lo = e.temp(64);
  pushProductHigh(e, a, b, signed);
  c.set(L.Z);
  productFlags(e, 64, lo, () => {
    c.get(L.Z);
    if (signed) {
      e.push(lo);
      c.i64(63).op("i64.shr_s").op("i64.ne");
    } else c.op("i64.eqz").op("i32.eqz");
  });
  e.push(lo);
  e.setRegister(RAX, 64);
  c.get(L.Z);
  e.setRegister(RDX, 64);
}

function doublewordProduct(e: Emitter, a: Value, signed: boolean): void {
  const c = e.code;
  const extend = signed ? "i64.extend_i32_s" : "i64.extend_i32_u";
  e.push(a);
  c.op(extend);
  e.push(rax(32));
  c.op(extend).op("i64.mul").tee(L.Z).op("i32.wrap_i64");
  const lo = e.temp(32);
  productFlags(e, 32, lo, () => {
    c.get(L.Z);
    if (signed) c.get(L.Z).op("i64.extend32_s").op("i64.ne");
    else c.i64(32).op("i64.shr_u").op("i64.eqz").op("i32.eqz");
  });
  e.push(lo);
  e.setRegister(RAX, 32);
  c.get(L.Z).i64(32).op("i64.shr_u").op("i32.wrap_i64");
  e.setRegister(RDX, 32);
}

/** Of bytes and words; a byte's product goes to AX. */
function narrowProduct(e: Emitter, size: 8 | 16, a: Value, signed: boolean): void {
  const c = e.code;
  const push = signed ? pushSigned : (_: Emitter, v: Value): void => e.push(v);
  push(e, a);
  push(e, rax(size));
  c.op("i32.mul").tee(L.K);
  e.cut(size);
  const lo = e.temp(size);
  productFlags(e, size, lo, () => {
    c.get(L.K);
    if (!signed) c.i32(size).op("i32.shr_u").i32(0).op("i32.ne");
    else
      c.get(L.K)
        .op(size === 8 ? "i32.extend8_s" : "i32.extend16_s")
        .op("i32.ne");
  });
  c.get(L.K);
  e.cut(16);
  e.setRegister(RAX, 16);
  if (size === 8) return;
  c.get(L.K).i32(16).op("i32.shr_u");
  e.setRegister(RDX, 16);
}

/** MUL and IMUL with one operand. */
const multiply =
  (signed: boolean): Lowering =>
  (e, i) => {
    if (i.v.form === "mem" && !plainAddress(i)) return false;
    const { size, a } = single(e, i);
    if (size === 64) wideProduct(e, a, signed);
    else if (size === 32) doublewordProduct(e, a, signed);
    else narrowProduct(e, size, a, signed);
    return true;
  };

/** The low half is written first: with one register for both the high half stays. */
const mulx: Lowering = (e, i) => {
  const { operands } = i.v.row;
  const [high, low, factor] = operands;
  if (memoryOperand(factor!, i.v) && !plainAddress(i)) return false;
  const c = e.code;
  const a = e.operand(factor!);
  if (i.v.size === 64) {
    e.push(a);
    e.push(rdx(64));
    c.op("i64.mul").set(L.X);
    pushProductHigh(e, a, rdx(64), false);
    c.set(L.Z).get(L.X);
    e.setRegister(e.registerOf(low!), 64);
    c.get(L.Z);
    e.setRegister(e.registerOf(high!), 64);
    return true;
  }
  e.push64(a);
  e.push64(rdx(32));
  c.op("i64.mul").tee(L.Z).op("i32.wrap_i64");
  e.setRegister(e.registerOf(low!), 32);
  c.get(L.Z).i64(32).op("i64.shr_u").op("i32.wrap_i64");
  e.setRegister(e.registerOf(high!), 32);
  return true;
};

// --- division

/** AX by a byte, DX:AX by a word: the dividend is an i32. The divisor is in L.J. */
function divideNarrow(e: Emitter, size: 8 | 16): void {
  const c = e.code;
  // The quotient fits when the dividend's upper half is below the divisor, which then is not zero either.
  e.push(size === 8 ? { kind: "register", off: AH, size: 8 } : rdx(16));
  c.get(L.J).op("i32.ge_u");
  e.leaveIf();
  pushDividend(e, size);
  c.tee(L.K).get(L.J).op("i32.div_u").set(L.I);
  c.get(L.K).get(L.J).op("i32.rem_u").set(L.K);
  setNarrowQuotient(e, size);
}

function pushDividend(e: Emitter, size: 8 | 16): void {
  e.push(rax(16));
  if (size === 8) return;
  e.push(rdx(16));
  e.code.i32(16).op("i32.shl").op("i32.or");
}

/** The quotient in L.I, the remainder in L.K. */
function setNarrowQuotient(e: Emitter, size: 8 | 16): void {
  const c = e.code;
  c.get(L.I);
  e.cut(size);
  if (size === 8) {
    c.get(L.K);
    e.cut(8);
    c.i32(8).op("i32.shl").op("i32.or");
    e.setRegister(RAX, 16);
    return;
  }
  e.setRegister(RAX, 16);
  c.get(L.K);
  e.cut(16);
  e.setRegister(RDX, 16);
}

/** EDX:EAX by the divisor in L.J: as a 64-bit division only when EDX is not zero. */
function divideDoubleword(e: Emitter): void {
  const c = e.code;
  e.push(rdx(32));
  c.get(L.J).op("i32.ge_u");
  e.leaveIf();
  e.push(rdx(32));
  c.op("i32.eqz").if();
  e.push(rax(32));
  c.get(L.J).op("i32.div_u").set(L.I);
  e.push(rax(32));
  c.get(L.J).op("i32.rem_u").set(L.K);
  c.else();
  e.push64(rax(32));
  e.push64(rdx(32));
  c.i64(32).op("i64.shl").op("i64.or").tee(L.X);
  c.get(L.J).op("i64.extend_i32_u").op("i64.div_u").op("i32.wrap_i64").set(L.I);
  c.get(L.X).get(L.J).op("i64.extend_i32_u").op("i64.rem_u").op("i32.wrap_i64").set(L.K);
  c.end();
  c.get(L.I);
  e.setRegister(RAX, 32);
  c.get(L.K);
  e.setRegister(RDX, 32);
}

/** RDX:RAX by the divisor in L.Y, where RDX is zero, or for IDIV RAX's sign. */
function divideQuadword(e: Emitter, signed: boolean): void {
  const c = e.code;
  e.push(rdx(64));
  if (signed) {
    e.push(rax(64));
    c.i64(63).op("i64.shr_s").op("i64.ne");
  } else c.op("i64.eqz").op("i32.eqz");
  c.get(L.Y).op("i64.eqz").op("i32.or");
  if (signed) {
    c.get(L.Y).i64(-1).op("i64.eq");
    e.push(rax(64));
    c.i64(-(1n << 63n))
      .op("i64.eq")
      .op("i32.and")
      .op("i32.or");
  }
  e.leaveIf();
  e.push(rax(64));
  c.get(L.Y)
    .op(signed ? "i64.div_s" : "i64.div_u")
    .set(L.X);
  e.push(rax(64));
  c.get(L.Y).op(signed ? "i64.rem_s" : "i64.rem_u");
  e.setRegister(RDX, 64);
  c.get(L.X);
  e.setRegister(RAX, 64);
}

/** The divisor is in L.J, sign-extended; what a signed division of 32 bits cannot represent is left. */
function leaveOverflow(e: Emitter, dividend: () => void): void {
  const c = e.code;
  c.get(L.J).op("i32.eqz").get(L.J).i32(-1).op("i32.eq");
  dividend();
  c.i32(-0x80000000).op("i32.eq").op("i32.and").op("i32.or");
  e.leaveIf();
}

function divideNarrowSigned(e: Emitter, size: 8 | 16): void {
  const c = e.code;
  pushDividend(e, size);
  if (size === 8) c.op("i32.extend16_s");
  c.set(L.K);
  leaveOverflow(e, () => void c.get(L.K));
  c.get(L.K).get(L.J).op("i32.div_s").tee(L.I);
  c.get(L.I)
    .op(size === 8 ? "i32.extend8_s" : "i32.extend16_s")
    .op("i32.ne");
  e.leaveIf();
  c.get(L.K).get(L.J).op("i32.rem_s").set(L.K);
  setNarrowQuotient(e, size);
}

/** EDX:EAX by the divisor in L.J, where EDX is EAX's sign. */
function divideDoublewordSigned(e: Emitter): void {
  const c = e.code;
  e.push(rdx(32));
  e.push(rax(32));
  c.i32(31).op("i32.shr_s").op("i32.ne");
  e.leaveIf();
  leaveOverflow(e, () => e.push(rax(32)));
  e.push(rax(32));
  c.get(L.J).op("i32.div_s").set(L.I);
  e.push(rax(32));
  c.get(L.J).op("i32.rem_s");
  e.setRegister(RDX, 32);
  c.get(L.I);
  e.setRegister(RAX, 32);
}

/** DIV and IDIV keep the flags. */
const divide =
  (signed: boolean): Lowering =>
  (e, i) => {
    if (i.v.form === "mem" && !plainAddress(i)) return false;
    const { size, a } = single(e, i);
    if (signed) pushSigned(e, a);
    else e.push(a);
    e.code.set(size === 64 ? L.Y : L.J);
    if (size === 64) divideQuadword(e, signed);
    else if (size === 32) (signed ? divideDoublewordSigned : divideDoubleword)(e);
    else (signed ? divideNarrowSigned : divideNarrow)(e, size);
    return true;
  };

export const MULDIV: Lowerings = {
  imul2: value(imul2),
  mul: multiply(false),
  imul: multiply(true),
  mulx,
  div: divide(false),
  idiv: divide(true),
};
