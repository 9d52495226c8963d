/** Conditions of Jcc, SETcc and CMOVcc as wasm, from what is known of the flags. [SDM] vol. 1, appendix B. */
import type { Emitter, KnownFlags } from "./emitter.js";
import { Import, L } from "./emitter.js";

export const CONDITIONS = ["O", "NO", "B", "NB", "Z", "NZ", "BE", "NBE", "S", "NS", "P", "NP", "L", "NL", "LE", "NLE"];

const ones = (size: number): bigint => (1n << BigInt(size)) - 1n;

/** Pushes CC_SRC or CC_DST sign-extended, as i32 or i64 by size. */
function pushSigned(e: Emitter, local: number, size: number): void {
  const c = e.code.get(local);
  if (size === 64) return;
  c.op("i32.wrap_i64");
  if (size === 16) c.op("i32.extend16_s");
  if (size === 8) c.op("i32.extend8_s");
}

function pushSign(e: Emitter, size: number): void {
  e.code
    .get(L.CC_DST)
    .i64(size - 1)
    .op("i64.shr_u")
    .op("i32.wrap_i64");
}

/** The carry flag, 0 or 1. */
function pushCarry(e: Emitter, { op, size }: KnownFlags): void {
  const c = e.code;
  switch (op) {
    case "ADD":
      c.get(L.CC_DST).get(L.CC_SRC).op("i64.lt_u");
      return;
    case "ADC":
      c.get(L.CC_DST).get(L.CC_SRC).op("i64.le_u");
      return;
    case "SUB":
    case "SBB":
      c.get(L.CC_DST).get(L.CC_SRC).op("i64.add");
      if (op === "SBB") c.i64(1).op("i64.add");
      if (size !== 64) c.i64(ones(size)).op("i64.and");
      c.get(L.CC_SRC).op(op === "SUB" ? "i64.lt_u" : "i64.le_u");
      return;
    case "LOGIC":
      c.i32(0);
      return;
    case "SHL":
      c.get(L.CC_SRC)
        .i64(size - 1)
        .op("i64.shr_u")
        .op("i32.wrap_i64")
        .i32(1)
        .op("i32.and");
      return;
    case "SHR":
      c.get(L.CC_SRC).op("i32.wrap_i64").i32(1).op("i32.and");
      return;
    default:
      c.get(L.CC_SRC).i64(0).op("i64.ne");
  }
}

/** The overflow flag, 0 or 1; the formulas are those of assembly/cpu/flags.ts. */
function pushOverflow(e: Emitter, { op, size }: KnownFlags): void {
  const c = e.code;
  const top = (): void => {
    c.i64(size - 1)
      .op("i64.shr_u")
      .op("i32.wrap_i64")
      .i32(1)
      .op("i32.and");
  };
  switch (op) {
    case "ADD":
    case "ADC":
      c.get(L.CC_SRC).get(L.CC_DST).op("i64.xor");
      c.get(L.CC_DST).get(L.CC_SRC).op("i64.sub");
      if (op === "ADC") c.i64(1).op("i64.sub");
      c.get(L.CC_DST).op("i64.xor").op("i64.and");
      top();
      return;
    case "SUB":
    case "SBB":
      c.get(L.CC_DST).get(L.CC_SRC).op("i64.add");
      if (op === "SBB") c.i64(1).op("i64.add");
      c.tee(L.Z).get(L.CC_SRC).op("i64.xor");
      c.get(L.Z).get(L.CC_DST).op("i64.xor").op("i64.and");
      top();
      return;
    case "LOGIC":
      c.i32(0);
      return;
    case "INC":
      c.get(L.CC_DST)
        .i64(BigInt.asIntN(64, 1n << BigInt(size - 1)))
        .op("i64.eq");
      return;
    case "DEC":
      c.get(L.CC_DST)
        .i64(ones(size - 1))
        .op("i64.eq");
      return;
    case "MUL":
      c.get(L.CC_SRC).i64(0).op("i64.ne");
      return;
    default:
      c.get(L.CC_SRC).get(L.CC_DST).op("i64.xor");
      top();
  }
}

function pushZero(e: Emitter): void {
  e.code.get(L.CC_DST).op("i64.eqz");
}

function pushParity(e: Emitter): void {
  e.code.get(L.CC_DST).op("i32.wrap_i64").i32(0xff).op("i32.and").op("i32.popcnt").i32(1).op("i32.and").op("i32.eqz");
}

/** Comparisons of the operands themselves. True when the condition was pushed. */
function pushComparison(e: Emitter, cc: number, { op, size, hasA }: KnownFlags): boolean {
  const c = e.code;
  if (op === "SUB" && hasA) {
    if (cc >> 1 === 1) c.get(L.CC_A).get(L.CC_SRC).op("i64.lt_u");
    else if (cc >> 1 === 2) c.get(L.CC_A).get(L.CC_SRC).op("i64.eq");
    else if (cc >> 1 === 3) c.get(L.CC_A).get(L.CC_SRC).op("i64.le_u");
    else if (cc >> 1 >= 6) {
      pushSigned(e, L.CC_A, size);
      pushSigned(e, L.CC_SRC, size);
      const wide = size === 64;
      if (cc >> 1 === 6) c.op(wide ? "i64.lt_s" : "i32.lt_s");
      else c.op(wide ? "i64.le_s" : "i32.le_s");
    } else return false;
    return true;
  }
  if (op === "LOGIC" && cc >> 1 === 7) {
    pushSigned(e, L.CC_DST, size);
    if (size === 64) c.i64(0).op("i64.le_s");
    else c.i32(0).op("i32.le_s");
    return true;
  }
  return false;
}

/** Bits that a condition looks for in flags of which OF and SF are known to be 0: B, Z, BE, P, LE; the rest is false. */
const WANTED = [0, 0x01, 0x40, 0x41, 0, 0x04, 0, 0x40];

/** The condition for flags that are at hand in CC_DST. */
function pushFromBits(e: Emitter, cc: number): void {
  e.code
    .get(L.CC_DST)
    .op("i32.wrap_i64")
    .i32(WANTED[cc >> 1]!)
    .op("i32.and");
  if (cc & 1) e.code.op("i32.eqz");
  else e.code.i32(0).op("i32.ne");
}

/** Pushes 1 when condition `cc` (0 to 15) holds, else 0. */
export function pushCondition(e: Emitter, cc: number): void {
  const known = e.flags;
  const c = e.code;
  if (known?.bits) {
    pushFromBits(e, cc);
    return;
  }
  if (known === undefined || known.op === "EFLAGS") {
    e.storeFlags();
    c.get(L.CPU).i32(cc).call(Import.CONDITION);
    return;
  }
  if (!pushComparison(e, cc, known)) {
    switch (cc >> 1) {
      case 0:
        pushOverflow(e, known);
        break;
      case 1:
        pushCarry(e, known);
        break;
      case 2:
        pushZero(e);
        break;
      case 3:
        pushZero(e);
        pushCarry(e, known);
        c.op("i32.or");
        break;
      case 4:
        pushSign(e, known.size);
        break;
      case 5:
        pushParity(e);
        break;
      default:
        pushSign(e, known.size);
        pushOverflow(e, known);
        c.op("i32.xor");
        if (cc >> 1 === 7) {
          pushZero(e);
          c.op("i32.or");
        }
    }
  }
  if (cc & 1) c.op("i32.eqz");
}

/** Pushes the carry flag, 0 or 1. */
export const pushCarryFlag = (e: Emitter): void => pushCondition(e, CONDITIONS.indexOf("B"));
