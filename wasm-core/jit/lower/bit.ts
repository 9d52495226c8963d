/** Bit tests, scans, counts and fields, as assembly/interp/bit.ts does them. */
import { type Emitter, L, type Size, type Value } from "../emitter.js";
import { setCarry, setField, setOnlyZero, setSome } from "../flags.js";
import { plainAddress } from "../operands.js";
import type { Insn } from "../region/machine-view.js";
import { loadOf } from "../values.js";
import type { OpName } from "../wasm/ops.js";
import type { Lowering, Lowerings, ValueLowering } from "./lowering.js";
import { value } from "./value.js";

export type BitOp = "test" | "set" | "reset" | "complement";

const ADDRESS_64 = 2;

/** An operation by name for values of `size` bits. */
const sizedOp = (size: Size, name: string): OpName => `${size === 64 ? "i64" : "i32"}.${name}` as OpName;

function pushConstant(e: Emitter, size: Size, v: number): void {
  if (size === 64) e.code.i64(v);
  else e.code.i32(v);
}

/** Pushes the index of the bit within its unit. */
function pushIndex(e: Emitter, size: Size, index: Value): void {
  if (size === 64) e.push64(index);
  else e.push(index);
  pushConstant(e, size, size - 1);
  e.code.op(sizedOp(size, "and"));
}

/** Pushes 1 shifted to the bit. */
export function pushMask(e: Emitter, size: Size, index: Value): void {
  pushConstant(e, size, 1);
  pushIndex(e, size, index);
  e.code.op(sizedOp(size, "shl"));
}

/** CF becomes the bit of `v`. */
export function carryFromBit(e: Emitter, size: Size, v: Value, index: Value): void {
  setCarry(e, () => {
    e.push(v);
    pushIndex(e, size, index);
    e.code.op(sizedOp(size, "shr_u"));
    if (size === 64) e.code.op("i32.wrap_i64");
    e.code.i32(1).op("i32.and");
  });
}

/** CF from the bit, and the changed value on the stack. */
const bitOp =
  (what: BitOp): ValueLowering =>
  (e, size, a, index) => {
    const c = e.code;
    carryFromBit(e, size, a!, index!);
    if (what === "test") return;
    e.push(a!);
    pushMask(e, size, index!);
    if (what === "reset") {
      pushConstant(e, size, -1);
      c.op(sizedOp(size, "xor")).op(sizedOp(size, "and"));
    } else c.op(sizedOp(size, what === "set" ? "or" : "xor"));
  };

/** Leaves in L.LIN the address of the unit that holds the bit, which lies anywhere around the operand. */
export function pushUnitAddress(e: Emitter, i: Insn, size: Size): void {
  const c = e.code;
  e.pushAddress(size / 8);
  e.pushRegister(i.reg, size);
  if (size === 16) c.op("i32.extend16_s");
  if (size !== 64) c.op("i64.extend_i32_s");
  c.i64(Math.log2(size))
    .op("i64.shr_s")
    .i64(Math.log2(size / 8))
    .op("i64.shl");
  c.op("i64.add").set(L.LIN);
}

/** Whether the unit's address may be computed: sums that are not cut to 32 bits. */
export const unitAddress = (i: Insn): boolean => plainAddress(i) && (i.ea < 4 || i.ea >>> 6 === ADDRESS_64);

/** BT, BTS, BTR and BTC by a register, without LOCK. */
const byRegister = (what: BitOp): Lowering => {
  const apply = bitOp(what);
  return (e, i) => {
    const c = e.code;
    const size = i.v.size as Size;
    const index: Value = { kind: "register", off: i.reg, size };
    if (i.v.lock) return false;
    if (i.v.form === "reg") {
      apply(e, size, { kind: "register", off: i.rm, size }, index);
      if (what !== "test") e.setRegister(i.rm, size);
      return true;
    }
    if (!unitAddress(i)) return false;
    pushUnitAddress(e, i, size);
    if (what === "test") {
      e.loadAt(size);
      apply(e, size, e.temp(size, L.Y, L.J), index);
      return true;
    }
    e.openAt(size);
    c.get(L.P).mem(loadOf(size));
    apply(e, size, e.temp(size, L.Y, L.J), index);
    const r = e.temp(size, L.Z, L.K);
    c.get(L.P);
    e.push(r);
    e.storeValue(size);
    return true;
  };
};

// --- scans and counts

function pushIsZero(e: Emitter, v: Value): void {
  e.push(v);
  e.code.op(v.size === 64 ? "i64.eqz" : "i32.eqz");
}

/** BSF and BSR leave the register alone when the source is zero. */
const scan =
  (forward: boolean): Lowering =>
  (e, i) => {
    if (i.v.form === "mem" && !plainAddress(i)) return false;
    const c = e.code;
    const size = i.v.size as Size;
    const a = e.operand(i.v.row.operands[1]!);
    // Kept, because the register may be written before the flags are.
    e.push(a);
    const source = e.temp(size);
    if (!e.putOff("SCAN", size, source)) setSome(e, [["ZF", () => pushIsZero(e, source)]]);
    pushIsZero(e, source);
    c.op("i32.eqz").if();
    if (!forward) pushConstant(e, size, size === 64 ? 63 : 31);
    e.push(source);
    c.op(sizedOp(size, forward ? "ctz" : "clz"));
    if (!forward) c.op(sizedOp(size, "sub"));
    e.setRegister(i.reg, size);
    c.end();
    return true;
  };

/** TZCNT and LZCNT: of zero the width. */
const count =
  (trailing: boolean): ValueLowering =>
  (e, size, a) => {
    const c = e.code;
    e.push(a!);
    // A word gets a bit above it, or is moved up and gets ones below.
    if (size === 16) c.i32(trailing ? 0x10000 : 16).op(trailing ? "i32.or" : "i32.shl");
    if (size === 16 && !trailing) c.i32(0x8000).op("i32.or");
    c.op(sizedOp(size, trailing ? "ctz" : "clz"));
    const r = e.temp(size);
    if (!e.putOff("COUNT", size, r))
      setSome(e, [
        ["ZF", () => pushIsZero(e, r)],
        ["CF", () => pushIsZero(e, a!)],
      ]);
    e.push(r);
  };

const popCount: ValueLowering = (e, size, a) => {
  setOnlyZero(e, () => pushIsZero(e, a!));
  e.push(a!);
  e.code.op(sizedOp(size, "popcnt"));
};

// --- BMI, with operands of 32 and 64 bits

const andn: ValueLowering = (e, size, a, b) => {
  e.push(a!);
  pushConstant(e, size, -1);
  e.code.op(sizedOp(size, "xor"));
  e.push(b!);
  e.code.op(sizedOp(size, "and"));
  const r = e.temp(size);
  e.setFlags("LOGIC", size, undefined, r);
  e.push(r);
};

/** The value combined with itself minus one, or with its negative. CF tells a zero source, of BLSI another one. */
const lowestBit =
  (what: "blsr" | "blsmsk" | "blsi"): ValueLowering =>
  (e, size, a) => {
    const c = e.code;
    e.push(a!);
    if (what === "blsi") pushConstant(e, size, 0);
    e.push(a!);
    if (what !== "blsi") pushConstant(e, size, 1);
    c.op(sizedOp(size, "sub")).op(sizedOp(size, what === "blsmsk" ? "xor" : "and"));
    const r = e.temp(size);
    setField(e, size, r, () => {
      pushIsZero(e, a!);
      if (what === "blsi") c.op("i32.eqz");
    });
    e.push(r);
  };

/** Pushes the i64 on the stack with all but its lowest bits cleared; their number, an i32, is in L.K. */
function keepLowest(e: Emitter): void {
  const c = e.code;
  c.i64(-1)
    .i64(1)
    .get(L.K)
    .op("i64.extend_i32_u")
    .op("i64.shl")
    .i64(1)
    .op("i64.sub")
    .get(L.K)
    .i32(63)
    .op("i32.gt_u")
    .op("select")
    .op("i64.and");
}

/** Cuts the i64 on the stack to the operand's width. */
const narrowed = (e: Emitter, size: Size): Value => {
  if (size !== 64) e.code.op("i32.wrap_i64");
  return e.temp(size);
};

/** Pushes byte `n` of a value as i32. */
function pushByte(e: Emitter, v: Value, n: number): void {
  const c = e.code;
  e.push(v);
  if (v.size === 64) c.op("i32.wrap_i64");
  if (n > 0) c.i32(8 * n).op("i32.shr_u");
  c.i32(0xff).op("i32.and");
}

const bextr: ValueLowering = (e, size, a, control) => {
  const c = e.code;
  pushByte(e, control!, 1);
  c.set(L.K);
  e.push64(a!);
  pushByte(e, control!, 0);
  c.tee(L.E).op("i64.extend_i32_u").op("i64.shr_u").i64(0);
  c.get(L.E).i32(size).op("i32.lt_u").op("select");
  keepLowest(e);
  const r = narrowed(e, size);
  setField(e, size, r, () => void c.i32(0));
  e.push(r);
};

const bzhi: ValueLowering = (e, size, a, index) => {
  const c = e.code;
  pushByte(e, index!, 0);
  c.set(L.K);
  e.push64(a!);
  keepLowest(e);
  const r = narrowed(e, size);
  setField(
    e,
    size,
    r,
    () =>
      void c
        .get(L.K)
        .i32(size - 1)
        .op("i32.gt_u"),
  );
  e.push(r);
};

export const BIT: Lowerings = {
  bt: byRegister("test"),
  bts: byRegister("set"),
  btr: byRegister("reset"),
  btc: byRegister("complement"),
  btImm: value(bitOp("test")),
  btsImm: value(bitOp("set")),
  btrImm: value(bitOp("reset")),
  btcImm: value(bitOp("complement")),
  bsf: scan(true),
  bsr: scan(false),
  tzcnt: value(count(true)),
  lzcnt: value(count(false)),
  popCount: value(popCount),
  andn: value(andn),
  blsr: value(lowestBit("blsr")),
  blsmsk: value(lowestBit("blsmsk")),
  blsi: value(lowestBit("blsi")),
  bextr: value(bextr),
  bzhi: value(bzhi),
};
