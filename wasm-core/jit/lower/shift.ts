/** Shifts and rotates, as assembly/interp/shift.ts does them: a masked count of zero changes no flag. */
import { pushCarryFlag } from "../conditions.js";
import { type Cc, type Emitter, L, type Size, type Value } from "../emitter.js";
import { setCarryOverflow, setCarryOverflowIf } from "../flags.js";
import type { OpName } from "../wasm/ops.js";
import type { Lowering, Lowerings, ValueLowering } from "./lowering.js";
import { value } from "./value.js";

/** Pushes the operands shifted by what `count` pushes (an i32 below the operand's width, or 32), cut to the size. */
type Shifter = (e: Emitter, size: Size, operands: readonly Value[], count: () => void) => void;

const countMask = (size: Size): number => (size === 64 ? 63 : 31);

/** Pushes the count with the type that shifts of `size` bits take. */
function pushCount(e: Emitter, wide: boolean, count: () => void): void {
  count();
  if (wide) e.code.op("i64.extend_i32_u");
}

/** Narrow operands are shifted as 32-bit ones: counts go up to 31 for them too. */
const simple =
  (name: "shl" | "shr_u" | "shr_s"): Shifter =>
  (e, size, [a], count) => {
    const wide = size === 64;
    e.push(a!);
    if (name === "shr_s" && size === 8) e.code.op("i32.extend8_s");
    if (name === "shr_s" && size === 16) e.code.op("i32.extend16_s");
    pushCount(e, wide, count);
    e.code.op(`${wide ? "i64" : "i32"}.${name}` as OpName);
    if (name !== "shr_u") e.cut(size);
  };

/** a:b shifted left, or b:a shifted right: the part where a was. Of 64-bit operands one half at a time. */
const double =
  (left: boolean): Shifter =>
  (e, size, [a, b], count) => {
    const c = e.code;
    const to = left ? "i64.shl" : "i64.shr_u";
    if (size === 64) {
      e.push(a!);
      pushCount(e, true, count);
      c.op(to);
      e.push(b!);
      // By 64 - count, in two steps because that may be 64.
      c.i64(1).op(left ? "i64.shr_u" : "i64.shl");
      c.i64(63);
      pushCount(e, true, count);
      c.op("i64.sub");
      c.op(left ? "i64.shr_u" : "i64.shl").op("i64.or");
      return;
    }
    e.push64(left ? a! : b!);
    c.i64(32).op("i64.shl");
    e.push64(left ? b! : a!);
    c.op("i64.or");
    pushCount(e, true, count);
    c.op(to);
    if (left) c.i64(32).op("i64.shr_u");
    c.op("i32.wrap_i64");
  };

/** The result, and the operand shifted by one less, from which the flags derive. */
function shiftByConstant(
  e: Emitter,
  cc: Cc,
  shifter: Shifter,
  size: Size,
  operands: readonly Value[],
  n: number,
): void {
  const c = e.code;
  if (!e.flagsDead) {
    shifter(e, size, operands, () => void c.i32(n - 1));
    if (size !== 64) c.op("i64.extend_i32_u");
    c.set(L.CC_SRC);
  }
  shifter(e, size, operands, () => void c.i32(n));
  const r = e.temp(size);
  if (!e.flagsDead) {
    e.push64(r);
    c.set(L.CC_DST);
    e.nameFlags(cc, size);
  }
  e.push(r);
}

function shiftByRegister(e: Emitter, cc: Cc, shifter: Shifter, size: Size, operands: readonly Value[], n: Value): void {
  const c = e.code;
  e.push(n);
  c.i32(countMask(size)).op("i32.and").set(L.K);
  shifter(e, size, operands, () => void c.get(L.K));
  const r = e.temp(size);
  if (!e.flagsDead) {
    const before = e.flags;
    c.get(L.K).if();
    e.putOffFlags.sometimes(() => {
      shifter(e, size, operands, () => void c.get(L.K).i32(1).op("i32.sub"));
      if (size !== 64) c.op("i64.extend_i32_u");
      c.set(L.CC_SRC);
      e.push64(r);
      c.set(L.CC_DST);
      e.nameFlags(cc, size);
    });
    c.end();
    const same = before?.op === cc && before.size === size;
    if (!same) e.flags = undefined;
  }
  e.push(r);
}

const shift =
  (cc: Cc, shifter: Shifter): ValueLowering =>
  (e, size, ...values) => {
    const operands = values.slice(0, -1);
    const n = values.at(-1)!;
    if (n.kind !== "constant") {
      shiftByRegister(e, cc, shifter, size, operands, n);
      return;
    }
    const count = Number(n.value) & countMask(size);
    if (count === 0) e.push(operands[0]!);
    else shiftByConstant(e, cc, shifter, size, operands, count);
  };

/** Words are shifted together with themselves when the count is above 16: left to the handler. */
const notWords =
  (lowering: Lowering): Lowering =>
  (e, i) =>
    i.v.size !== 16 && lowering(e, i);

// --- rotates

function pushRotated(e: Emitter, size: Size, left: boolean, a: Value, count: () => void): void {
  const c = e.code;
  e.push(a);
  if (size >= 32) {
    pushCount(e, size === 64, count);
    c.op(`${size === 64 ? "i64" : "i32"}.${left ? "rotl" : "rotr"}` as OpName);
    return;
  }
  // With the count below the width, a count of zero gives the value twice.
  const rest = (): void => {
    c.i32(size);
    count();
    c.op("i32.sub");
  };
  count();
  c.op(left ? "i32.shl" : "i32.shr_u");
  e.push(a);
  rest();
  c.op(left ? "i32.shr_u" : "i32.shl").op("i32.or");
  e.cut(size);
}

/** Pushes bit `n` of a value, 0 or 1. */
function pushBitOf(e: Emitter, v: Value, n: number): void {
  const c = e.code;
  e.push(v);
  if (v.size === 64) {
    if (n > 0) c.i64(n).op("i64.shr_u");
    c.op("i32.wrap_i64");
  } else if (n > 0) c.i32(n).op("i32.shr_u");
  c.i32(1).op("i32.and");
}

const differ = (e: Emitter, v: Value, n: number, m: number): void => {
  pushBitOf(e, v, n);
  pushBitOf(e, v, m);
  e.code.op("i32.xor");
};

const rotate =
  (left: boolean): ValueLowering =>
  (e, size, a, n) => {
    const c = e.code;
    const top = size - 1;
    const constant = n!.kind === "constant";
    const count = constant ? Number(n!.value) & countMask(size) : 0;
    if (constant && count === 0) {
      e.push(a!);
      return;
    }
    if (!constant) {
      e.push(n!);
      c.i32(countMask(size)).op("i32.and").set(L.K);
    }
    pushRotated(e, size, left, a!, () => {
      if (constant) c.i32(count & top);
      else c.get(L.K).i32(top).op("i32.and");
    });
    const r = e.temp(size);
    const carry = (): void => pushBitOf(e, r, left ? 0 : top);
    const overflow = (): void => differ(e, r, top, left ? 0 : top - 1);
    if (constant) {
      if (!e.putOff(left ? "ROL" : "ROR", size, r)) setCarryOverflow(e, carry, overflow);
    } else setCarryOverflowIf(e, L.K, carry, overflow);
    e.push(r);
  };

/** Through the carry by one: the carry in is in L.K. */
const throughCarry =
  (left: boolean): ValueLowering =>
  (e, size, a) => {
    const c = e.code;
    const top = size - 1;
    const wide = size === 64;
    pushCarryFlag(e);
    c.set(L.K);
    e.push(a!);
    if (wide) c.i64(1).op(left ? "i64.shl" : "i64.shr_u");
    else c.i32(1).op(left ? "i32.shl" : "i32.shr_u");
    c.get(L.K);
    if (wide) c.op("i64.extend_i32_u");
    if (!left) {
      if (wide) c.i64(top).op("i64.shl");
      else c.i32(top).op("i32.shl");
    }
    c.op(wide ? "i64.or" : "i32.or");
    e.cut(size);
    const r = e.temp(size);
    setCarryOverflow(
      e,
      () => pushBitOf(e, a!, left ? top : 0),
      () => {
        pushBitOf(e, r, top);
        if (left) pushBitOf(e, a!, top);
        else pushBitOf(e, r, top - 1);
        c.op("i32.xor");
      },
    );
    e.push(r);
  };

const throughCarryLowering = (left: boolean): Lowering => {
  const lowering = value(throughCarry(left));
  return (e, i) => {
    const n = i.v.row.operands[1]!;
    const one = n.kind === "1" || (n.kind === "I" && (i.imm & (i.v.size === 64 ? 63 : 31)) === 1);
    return one && lowering(e, i);
  };
};

// --- without flags: wasm's shifts take counts modulo the width, as these do

const flagless =
  (name: "shl" | "shr_u" | "shr_s" | "rotr"): ValueLowering =>
  (e, size, a, n) => {
    e.push(a!);
    if (size === 64) e.push64(n!);
    else e.push(n!);
    e.code.op(`${size === 64 ? "i64" : "i32"}.${name}` as OpName);
  };

export const SHIFT: Lowerings = {
  shl: value(shift("SHL", simple("shl"))),
  shr: value(shift("SHR", simple("shr_u"))),
  sar: value(shift("SHR", simple("shr_s"))),
  shld: notWords(value(shift("SHL", double(true)))),
  shrd: notWords(value(shift("SHR", double(false)))),
  rol: value(rotate(true)),
  ror: value(rotate(false)),
  rcl: throughCarryLowering(true),
  rcr: throughCarryLowering(false),
  shlx: value(flagless("shl")),
  shrx: value(flagless("shr_u")),
  sarx: value(flagless("shr_s")),
  rorx: value(flagless("rotr")),
};
