/** String instructions without a repeat prefix, going up. Repeated ones go in bulk in assembly/interp/string.ts. */
import { Vcpu } from "../../abi/structs/vcpu.js";
import { type Emitter, L, type Size } from "../emitter.js";
import { SEG_FS, segmentOf } from "../operands.js";
import type { Insn } from "../region/machine-view.js";
import type { Lowering, Lowerings } from "./lowering.js";

const RAX = 0;
const RSI = 48;
const RDI = 56;
const DF = 0x400;
const ADDRESS_64 = 2;

/** Full addresses in segments without a base. */
const isFlat = (i: Insn): boolean => i.v.rep === 0 && i.ea >>> 6 === ADDRESS_64 && segmentOf(i) < SEG_FS;

function leaveGoingDown(e: Emitter): void {
  const c = e.code;
  c.get(L.CPU).mem("i32.load", Vcpu.off.eflags).i32(DF).op("i32.and");
  e.leaveIf();
}

function pointAt(e: Emitter, register: number): void {
  e.pushRegister(register, 64);
  e.code.set(L.LIN);
}

function advance(e: Emitter, register: number, size: Size): void {
  e.pushRegister(register, 64);
  e.code.i64(size / 8).op("i64.add");
  e.setRegister(register, 64);
}

const sizeOf = (i: Insn): Size => (i.v.size || 8) as Size;

const stos: Lowering = (e, i) => {
  if (!isFlat(i)) return false;
  const size = sizeOf(i);
  leaveGoingDown(e);
  pointAt(e, RDI);
  e.openAt(size);
  e.code.get(L.P);
  e.pushRegister(RAX, size);
  e.storeValue(size);
  advance(e, RDI, size);
  return true;
};

const lods: Lowering = (e, i) => {
  if (!isFlat(i)) return false;
  const size = sizeOf(i);
  leaveGoingDown(e);
  pointAt(e, RSI);
  e.loadAt(size);
  e.setRegister(RAX, size);
  advance(e, RSI, size);
  return true;
};

export const STRING: Lowerings = { stos, stosb: stos, lods, lodsb: lods };
