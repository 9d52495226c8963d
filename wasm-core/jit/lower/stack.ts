/** PUSH and POP in 64-bit mode. [SDM] vol. 1, 6.2. */
import { type Emitter, L, type Size } from "../emitter.js";
import { memoryOperand, plainAddress } from "../operands.js";
import type { Lowering, Lowerings } from "./lowering.js";

const RSP = 32;

/** Opens `bytes` below RSP for writing and moves RSP there; the address is in L.P. */
export function openPush(e: Emitter, bytes: number): void {
  const c = e.code;
  e.pushRegister(RSP, 64);
  c.i64(-bytes).op("i64.add").set(L.LIN);
  e.openAt(bytes * 8);
}

/** RSP becomes L.LIN. */
export function commitPush(e: Emitter): void {
  e.code.get(L.LIN);
  e.setRegister(RSP, 64);
}

const pushValue: Lowering = (e, i) => {
  const o = i.v.row.operands[0]!;
  const size = i.v.size as Size;
  if (size === 32) return false;
  if (memoryOperand(o, i.v) && !plainAddress(i)) return false;
  const constant = o.kind === "I";
  const v = constant
    ? ({ kind: "constant", value: BigInt.asUintN(size, BigInt(i.imm)), size } as const)
    : memoryOperand(o, i.v)
      ? e.operand(o)
      : ({ kind: "register", off: o.kind === "Z" ? i.reg : i.rm, size } as const);
  openPush(e, size / 8);
  e.code.get(L.P);
  e.push(v);
  e.storeValue(size);
  commitPush(e);
  return true;
};

const popReg: Lowering = (e, i) => {
  const size = i.v.size as Size;
  if (size === 32) return false;
  const c = e.code;
  e.pushRegister(RSP, 64);
  c.set(L.LIN);
  e.loadAt(size);
  const v = e.temp(size);
  c.get(L.LIN)
    .i64(size / 8)
    .op("i64.add");
  e.setRegister(RSP, 64);
  e.push(v);
  e.setRegister(i.reg, size);
  return true;
};

const leave: Lowering = (e, i) => {
  if (i.v.size !== 64) return false;
  const c = e.code;
  e.pushRegister(40, 64);
  c.set(L.LIN);
  e.loadAt(64);
  const v = e.temp(64);
  c.get(L.LIN).i64(8).op("i64.add");
  e.setRegister(RSP, 64);
  e.push(v);
  e.setRegister(40, 64);
  return true;
};

export const STACK: Lowerings = { pushValue, popReg, leave };
