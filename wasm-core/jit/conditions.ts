/** Conditions of Jcc, SETcc and CMOVcc as wasm, from what is known of the flags. [SDM] vol. 1, appendix B. */
import { CcOp, Vcpu } from "../abi/structs/vcpu.js";
import { callDoor } from "./doors.js";
import type { Cc, Emitter, KnownFlags } from "./emitter.js";
import { L } from "./emitter.js";
import { Type } from "./wasm/ops.js";

/** The arithmetic flags' bits in EFLAGS. [SDM] vol. 1, 3.4.3. */
export const FLAG = { CF: 0x1, PF: 0x4, AF: 0x10, ZF: 0x40, SF: 0x80, OF: 0x800 } as const;

export const CONDITIONS = ["O", "NO", "B", "NB", "Z", "NZ", "BE", "NBE", "S", "NS", "P", "NP", "L", "NL", "LE", "NLE"];

/** CcOp numbers INC 6 and DEC 7. */
const INC_OR_DEC = 3;
const CARRY = CONDITIONS.indexOf("B");
const { CF, PF, ZF, SF, OF } = FLAG;

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

/** With `carries`: 1 when CC_OP says ADC or SBB, 0 when it says ADD or SUB. CcOp numbers ADD 1, ADC 2, SUB 3, SBB 4. */
const pushCarryIn = (e: Emitter, op: Cc): void => {
  e.code
    .get(L.CC_OP)
    .i32(op === "ADD" ? 3 : 4)
    .op("i32.shr_u");
};

/** The carry out of an addition or subtraction that may have had a carry in. */
function pushCarryOut(e: Emitter, { op, size }: KnownFlags): void {
  const c = e.code;
  if (op === "ADD") c.get(L.CC_DST).tee(L.Z);
  else {
    c.get(L.CC_DST).get(L.CC_SRC).op("i64.add");
    pushCarryIn(e, op);
    c.op("i64.extend_i32_u").op("i64.add");
    if (size !== 64) c.i64(ones(size)).op("i64.and");
    c.tee(L.Z);
  }
  c.get(L.CC_SRC).op("i64.lt_u");
  c.get(L.Z).get(L.CC_SRC).op("i64.eq");
  pushCarryIn(e, op);
  c.op("i32.and").op("i32.or");
}

/** The carry flag, 0 or 1. */
function pushCarry(e: Emitter, known: KnownFlags): void {
  const { op, size } = known;
  const c = e.code;
  if (known.carries) {
    pushCarryOut(e, known);
    return;
  }
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
function pushOverflow(e: Emitter, { op, size, carries }: KnownFlags): void {
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
      if (carries) {
        pushCarryIn(e, op);
        c.op("i64.extend_i32_u").op("i64.sub");
      }
      c.get(L.CC_DST).op("i64.xor").op("i64.and");
      top();
      return;
    case "SUB":
    case "SBB":
      c.get(L.CC_DST).get(L.CC_SRC).op("i64.add");
      if (op === "SBB") c.i64(1).op("i64.add");
      if (carries) {
        pushCarryIn(e, op);
        c.op("i64.extend_i32_u").op("i64.add");
      }
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

/** The auxiliary carry flag, 0 or 1. */
function pushAdjust(e: Emitter, { op, carries }: KnownFlags): void {
  const c = e.code;
  switch (op) {
    case "ADD":
    case "ADC":
    case "SUB":
    case "SBB": {
      const down = op === "ADD" || op === "ADC";
      c.get(L.CC_DST)
        .get(L.CC_SRC)
        .op(down ? "i64.sub" : "i64.add");
      if (op === "ADC" || op === "SBB") c.i64(1).op(down ? "i64.sub" : "i64.add");
      if (carries) {
        pushCarryIn(e, op);
        c.op("i64.extend_i32_u").op(down ? "i64.sub" : "i64.add");
      }
      c.get(L.CC_SRC).op("i64.xor").get(L.CC_DST).op("i64.xor").op("i32.wrap_i64");
      c.i32(4).op("i32.shr_u").i32(1).op("i32.and");
      return;
    }
    case "INC":
    case "DEC":
      c.get(L.CC_DST).op("i32.wrap_i64").i32(15).op("i32.and");
      c.i32(op === "INC" ? 0 : 15).op("i32.eq");
      return;
    default:
      c.i32(0);
  }
}

/** An arithmetic flag, 0 or 1, from flags that are known and not in EFLAGS. */
export function pushFlag(e: Emitter, flag: "CF" | "PF" | "AF" | "ZF" | "SF" | "OF", known: KnownFlags): void {
  if (flag === "CF") pushCarry(e, known);
  else if (flag === "PF") pushParity(e);
  else if (flag === "AF") pushAdjust(e, known);
  else if (flag === "ZF") pushZero(e);
  else if (flag === "SF") pushSign(e, known.size);
  else pushOverflow(e, known);
}

/** The conditions' pairs from Vcpu.eflags, which holds the flags. */
function pushFromEflags(e: Emitter, cc: number): void {
  const c = e.code;
  const bits = [OF, CF, ZF, ZF | CF, SF, PF][cc >> 1];
  const eflags = (): void => void c.get(L.CPU).mem("i32.load", Vcpu.off.eflags);
  eflags();
  if (bits !== undefined) {
    c.i32(bits).op("i32.and").i32(0).op("i32.ne");
    return;
  }
  // SF is bit 7 and OF bit 11.
  c.i32(7).op("i32.shr_u");
  eflags();
  c.i32(11).op("i32.shr_u").op("i32.xor").i32(1).op("i32.and");
  if (cc >> 1 === 7) {
    eflags();
    c.i32(ZF).op("i32.and").op("i32.or").i32(0).op("i32.ne");
  }
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
  if (known === undefined) {
    e.storeFlags();
    callDoor(c.get(L.CPU).i32(cc), "regionCondition");
    return;
  }
  if (known.op === "EFLAGS") {
    pushFromEflags(e, cc);
    if (cc & 1) c.op("i32.eqz");
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

/**
 * Pushes the carry flag, 0 or 1. Where the flags are not known, as at the head of a loop, they mostly come from a
 * comparison, from INC or DEC, from a logical operation or an addition, or stand in EFLAGS.
 */
export function pushCarryFlag(e: Emitter): void {
  const c = e.code;
  if (e.putOffFlags.pushCarry()) return;
  if (e.flags !== undefined) {
    pushCondition(e, CARRY);
    return;
  }
  const isOp = (op: Cc): void => {
    c.get(L.CC_OP).i32(2).op("i32.shr_u").i32(Number(CcOp.values[op])).op("i32.eq").if(Type.I32);
  };
  isOp("SUB");
  // Both operands are moved to the top, which cuts the sum to the operation's width: by 64 - (8 << log2 of its bytes).
  c.i32(64).i32(8).get(L.CC_OP).i32(3).op("i32.and").op("i32.shl").op("i32.sub").op("i64.extend_i32_u").set(L.Z);
  c.get(L.CC_DST).get(L.CC_SRC).op("i64.add").get(L.Z).op("i64.shl");
  c.get(L.CC_SRC).get(L.Z).op("i64.shl").op("i64.lt_u");
  c.else();
  c.get(L.CC_OP).i32(3).op("i32.shr_u").i32(INC_OR_DEC).op("i32.eq").if(Type.I32);
  c.get(L.CC_SRC).op("i32.wrap_i64");
  c.else();
  isOp("LOGIC");
  c.i32(0).else();
  isOp("ADD");
  c.get(L.CC_DST).get(L.CC_SRC).op("i64.lt_u").else();
  isOp("EFLAGS");
  c.get(L.CPU).mem("i32.load", Vcpu.off.eflags).i32(CF).op("i32.and").else();
  pushCondition(e, CARRY);
  c.end().end().end().end().end();
}
