/**
 * Locked read-modify-writes as wasm's atomics, and exchanges. Memory that is not aligned is left to the interpreter,
 * which has the machine's split lock for it.
 */
import { bitsOf } from "../../isa/variants.js";
import { type Emitter, L, type Size, type Value } from "../emitter.js";
import { plainAddress } from "../operands.js";
import type { Insn } from "../region/machine-view.js";
import { loadOf } from "../values.js";
import type { OpName } from "../wasm/ops.js";
import { arithmetic, cmp, logic, sized, step } from "./alu.js";
import { type BitOp, carryFromBit, pushMask, pushUnitAddress, unitAddress } from "./bit.js";
import type { Lowering, Lowerings, ValueLowering } from "./lowering.js";

type Atomic = "add" | "sub" | "and" | "or" | "xor" | "xchg" | "cmpxchg";

const RAX = 0;

function atomicOp(size: Size, name: Atomic): OpName {
  if (size === 64) return `i64.atomic.rmw.${name}`;
  if (size === 32) return `i32.atomic.rmw.${name}`;
  return size === 16 ? `i32.atomic.rmw16.${name}_u` : `i32.atomic.rmw8.${name}_u`;
}

const atomic = (e: Emitter, size: Size, name: Atomic): void => void e.code.atomic(atomicOp(size, name), size / 8);

function checkAligned(e: Emitter, size: Size): void {
  if (size === 8) return;
  const c = e.code;
  c.get(L.P)
    .i32(size / 8 - 1)
    .op("i32.and");
  e.leaveIf();
}

function plainLoad(e: Emitter, size: Size): void {
  e.code.get(L.P).mem(loadOf(size));
}

const sizeOf = (i: Insn): Size => bitsOf(i.v.row.operands[0]!, i.v) as Size;

/** Opens the first operand for an atomic of its size. */
function open(e: Emitter, i: Insn): Size {
  const size = sizeOf(i);
  e.open(size);
  checkAligned(e, size);
  return size;
}

/** A locked row: `name` with the second operand, or with 1 or all ones; then the flags from what was there. */
const locked =
  (name: Atomic, flags: ValueLowering | undefined, constant?: bigint): Lowering =>
  (e, i) => {
    if (i.v.form !== "mem" || !plainAddress(i)) return false;
    const size = open(e, i);
    const b: Value =
      constant === undefined
        ? sized(e.operand(i.v.row.operands[1]!), size)
        : { kind: "constant", value: BigInt.asUintN(size, constant), size };
    e.code.get(L.P);
    e.push(b);
    atomic(e, size, name);
    const old = e.temp(size, L.Y, L.J);
    if (flags === undefined || e.flagsDead) return true;
    flags(e, size, old, b);
    e.code.op("drop");
    return true;
  };

/** XADD: with a register alone the sum wins over what was there. */
const xadd: Lowering = (e, i) => {
  if (i.v.form === "mem" ? !plainAddress(i) : i.v.lock) return false;
  const c = e.code;
  const size = sizeOf(i);
  const b: Value = { kind: "register", off: i.reg, size };
  if (i.v.form === "reg") {
    e.pushRegister(i.rm, size);
    const a = e.temp(size, L.Y, L.J);
    arithmetic("add")(e, size, a, b);
    const sum = e.temp(size, L.Z, L.K);
    e.push(a);
    e.setRegister(i.reg, size);
    e.push(sum);
    e.setRegister(i.rm, size);
    return true;
  }
  e.open(size);
  if (i.v.lock) {
    checkAligned(e, size);
    c.get(L.P);
    e.push(b);
    atomic(e, size, "add");
  } else plainLoad(e, size);
  const a = e.temp(size, L.Y, L.J);
  arithmetic("add")(e, size, a, b);
  const sum = e.temp(size, L.Z, L.K);
  if (!i.v.lock) {
    c.get(L.P);
    e.push(sum);
    e.storeValue(size);
  }
  e.push(a);
  e.setRegister(i.reg, size);
  return true;
};

/** XCHG with memory is locked without a prefix. */
const xchgMemory: Lowering = (e, i) => {
  if (!plainAddress(i)) return false;
  const size = open(e, i);
  e.code.get(L.P);
  e.pushRegister(i.reg, size);
  atomic(e, size, "xchg");
  e.setRegister(i.reg, size);
  return true;
};

const equal = (e: Emitter, size: Size): void => void e.code.op(size === 64 ? "i64.eq" : "i32.eq");

/** Memory is written in either case; the accumulator only when it differed, its upper half included. */
const cmpxchg: Lowering = (e, i) => {
  if (i.v.form === "mem" ? !plainAddress(i) : i.v.lock) return false;
  const c = e.code;
  const size = sizeOf(i);
  const source: Value = { kind: "register", off: i.reg, size };
  const acc: Value = { kind: "register", off: RAX, size };
  const memory = i.v.form === "mem";
  if (memory) e.open(size);
  if (memory && i.v.lock) {
    checkAligned(e, size);
    c.get(L.P);
    e.push(acc);
    e.push(source);
    atomic(e, size, "cmpxchg");
  } else if (memory) plainLoad(e, size);
  else e.pushRegister(i.rm, size);
  const old = e.temp(size, L.Y, L.J);
  if (memory && !i.v.lock) {
    c.get(L.P);
    e.push(source);
    e.push(old);
    e.push(old);
    e.push(acc);
    equal(e, size);
    c.op("select");
    e.storeValue(size);
  }
  cmp(e, size, acc, old);
  e.push(old);
  e.push(acc);
  equal(e, size);
  c.if();
  if (!memory) {
    e.push(source);
    e.setRegister(i.rm, size);
  }
  c.else();
  e.push(old);
  e.setRegister(RAX, size);
  c.end();
  return true;
};

const BIT_ATOMIC = { set: "or", reset: "and", complement: "xor" } as const;

/** A locked BTS, BTR or BTC. */
const lockedBit =
  (what: Exclude<BitOp, "test">): Lowering =>
  (e, i) => {
    if (i.v.form !== "mem") return false;
    const c = e.code;
    const size = i.v.size as Size;
    const by = i.v.row.operands[1]!;
    if (by.kind === "G") {
      if (!unitAddress(i)) return false;
      pushUnitAddress(e, i, size);
      e.openAt(size);
    } else {
      if (!plainAddress(i)) return false;
      e.open(size);
    }
    checkAligned(e, size);
    const index = e.operand(by);
    c.get(L.P);
    pushMask(e, size, index);
    if (what === "reset") {
      if (size === 64) c.i64(-1).op("i64.xor");
      else c.i32(-1).op("i32.xor");
    }
    atomic(e, size, BIT_ATOMIC[what]);
    carryFromBit(e, size, e.temp(size, L.Y, L.J), index);
    return true;
  };

/** What replaces the lowerings without LOCK where the variant is locked. */
export const LOCKED: Lowerings = {
  add: locked("add", arithmetic("add")),
  sub: locked("sub", arithmetic("sub")),
  and: locked("and", logic("and")),
  or: locked("or", logic("or")),
  xor: locked("xor", logic("xor")),
  inc: locked("add", step("add"), 1n),
  dec: locked("sub", step("sub"), 1n),
  not: locked("xor", undefined, -1n),
  bts: lockedBit("set"),
  btr: lockedBit("reset"),
  btc: lockedBit("complement"),
  btsImm: lockedBit("set"),
  btrImm: lockedBit("reset"),
  btcImm: lockedBit("complement"),
};

/** Semantics whose lowering knows LOCK itself. */
export const EXCHANGE = { xadd, cmpxchg, xchgMemory } as const;
