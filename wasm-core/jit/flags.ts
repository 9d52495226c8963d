/**
 * Changing some of the flags and keeping the rest: what assembly/cpu/flags.ts does through setSome. Where the form in
 * which the flags are known has room for the change they stay lazy, else they go to Vcpu.eflags.
 */
import { Vcpu } from "../abi/structs/vcpu.js";
import { FLAG, pushFlag } from "./conditions.js";
import { callDoor } from "./doors.js";
import { type Emitter, L, type Size, type Value } from "./emitter.js";

export type FlagName = keyof typeof FLAG;
const NAMES = Object.keys(FLAG) as FlagName[];
const ARITH = NAMES.reduce((bits, f) => bits | FLAG[f], 0);
const AT = Vcpu.off.eflags;

/** A flag that is set anew: its name, and what pushes it as 0 or 1. */
export type NewFlag = readonly [FlagName, () => void];

/** Sets or clears a flag that is no arithmetic one: those always stand in Vcpu.eflags. */
export function setSystemFlag({ code: c }: Emitter, bit: number, on: boolean): void {
  c.get(L.CPU).get(L.CPU).mem("i32.load", AT);
  if (on) c.i32(bit).op("i32.or");
  else c.i32(~bit).op("i32.and");
  c.mem("i32.store", AT);
}

const inEflags = (e: Emitter): void => e.nameFlags("EFLAGS", 8);

function pushBit(e: Emitter, flag: FlagName, push: () => void): void {
  push();
  const shift = Math.log2(FLAG[flag]);
  if (shift > 0) e.code.i32(shift).op("i32.shl");
  e.code.op("i32.or");
}

/** Sets the named flags and keeps the others; the flags then stand in Vcpu.eflags. */
export function setSome(e: Emitter, flags: readonly NewFlag[]): void {
  if (!e.flagsDead) replace(e, flags);
}

function replace(e: Emitter, flags: readonly NewFlag[]): void {
  const c = e.code;
  const { flags: known } = e;
  const mask = flags.reduce((bits, [f]) => bits | FLAG[f], 0);
  c.get(L.CPU);
  if (known === undefined) {
    e.storeFlags();
    callDoor(c.get(L.CPU), "regionFlags").i32(~mask).op("i32.and");
  } else if (known.op === "EFLAGS") c.get(L.CPU).mem("i32.load", AT).i32(~mask).op("i32.and");
  else {
    c.get(L.CPU).mem("i32.load", AT).i32(~ARITH).op("i32.and");
    for (const f of NAMES) if (!(mask & FLAG[f])) pushBit(e, f, () => pushFlag(e, f, known));
  }
  for (const [f, push] of flags) pushBit(e, f, push);
  c.mem("i32.store", AT);
  inEflags(e);
}

/** All six flags: ZF as pushed, the others clear. */
export function setOnlyZero(e: Emitter, push: () => void): void {
  if (e.flagsDead) return;
  const c = e.code;
  c.get(L.CPU).get(L.CPU).mem("i32.load", AT).i32(~ARITH).op("i32.and");
  pushBit(e, "ZF", push);
  c.mem("i32.store", AT);
  inEflags(e);
}

/** Makes the flags stand in Vcpu.eflags. */
export const materialize = (e: Emitter): void => {
  if (e.flags?.op !== "EFLAGS") replace(e, []);
};

const topBit = (size: Size): bigint => BigInt.asIntN(64, 1n << BigInt(size - 1));

/**
 * Sets CF. After shifts CF is bit 0 of CC_SRC and OF is whether its top bit differs from the result's; a logical result
 * is one with OF and AF clear. INC and DEC keep CF in CC_SRC.
 */
export function setCarry(e: Emitter, push: () => void): void {
  if (e.flagsDead) return;
  const c = e.code;
  const { flags: known } = e;
  switch (known?.op) {
    case "INC":
    case "DEC":
      push();
      c.op("i64.extend_i32_u").set(L.CC_SRC);
      return;
    case "LOGIC":
    case "SHL":
    case "SHR":
      c.get(known.op === "LOGIC" ? L.CC_DST : L.CC_SRC)
        .i64(topBit(known.size))
        .op("i64.and");
      push();
      c.op("i64.extend_i32_u").op("i64.or").set(L.CC_SRC);
      e.nameFlags("SHR", known.size);
      return;
    default:
      setSome(e, [["CF", push]]);
  }
}

/** Sets CF and OF when the i32 in local `when` is not zero. */
export function setCarryOverflowIf(e: Emitter, when: number, carry: () => void, overflow: () => void): void {
  if (e.flagsDead) return;
  materialize(e);
  e.code.get(when).if();
  setCarryOverflow(e, carry, overflow);
  e.code.end();
}

/** Sets CF and OF, as rotates do. */
export function setCarryOverflow(e: Emitter, carry: () => void, overflow: () => void): void {
  if (e.flagsDead) return;
  const c = e.code;
  const { flags: known } = e;
  if (known?.op !== "LOGIC" && known?.op !== "SHL" && known?.op !== "SHR") {
    setSome(e, [
      ["CF", carry],
      ["OF", overflow],
    ]);
    return;
  }
  overflow();
  c.op("i64.extend_i32_u");
  c.i64(known.size - 1).op("i64.shl");
  c.get(L.CC_DST).op("i64.xor").i64(topBit(known.size)).op("i64.and");
  carry();
  c.op("i64.extend_i32_u").op("i64.or").set(L.CC_SRC);
  e.nameFlags("SHR", known.size);
}

/** The flags of a field: SF, ZF and PF of `result`, OF and AF clear, and CF, in the form of a shift. */
export function setField(e: Emitter, size: Size, result: Value, carry: () => void): void {
  if (e.flagsDead) return;
  const c = e.code;
  e.push64(result);
  c.i64(topBit(size)).op("i64.and");
  carry();
  c.op("i64.extend_i32_u").op("i64.or").set(L.CC_SRC);
  e.push64(result);
  c.set(L.CC_DST);
  e.nameFlags("SHR", size);
}
