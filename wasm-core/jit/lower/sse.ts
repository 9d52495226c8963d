/**
 * What SSE lowerings share: the gate, and operands that are a vector register or lie in memory. Vector registers are
 * v128 locals; a register's low lane is read and written as part of the whole.
 */

import type { Operand } from "../../isa/row.js";
import { bitsOf } from "../../isa/variants.js";
import { type Emitter, L } from "../emitter.js";
import { memoryOperand, plainAddress } from "../operands.js";
import type { Insn } from "../region/machine-view.js";
import type { OpName } from "../wasm/ops.js";
import type { Lowering } from "./lowering.js";

/** Where an operand is: a vector register, or memory at L.P. */
export type Place = number | "memory";

const KINDS = new Set(["V", "W", "U", "M", "E", "G", "R", "I"]);

/** Rows that these lowerings serve: others of the same name work on MMX registers. */
function known({ v, ...i }: Insn): boolean {
  const { notes, operands } = v.row;
  if (!notes.has("sse") || notes.has("mmx")) return false;
  if (!operands.every((o) => KINDS.has(o.kind))) return false;
  return plainAddress({ v, ...i }) || !operands.some((o) => memoryOperand(o, v));
}

/** A lowering that asks the gate and then emits `write`, for instructions that `accepts` does not refuse. */
export function sse(write: (e: Emitter, i: Insn) => void, accepts: (i: Insn) => boolean = () => true): Lowering {
  return (e, i) => {
    if (!known(i) || !accepts(i)) return false;
    e.requireSse();
    write(e, i);
    return true;
  };
}

function open(e: Emitter, o: Operand, write: boolean): void {
  const { v } = e.insn;
  const c = e.code;
  const bits = bitsOf(o, v);
  if (bits === 128 && !v.row.notes.has("unal")) {
    e.pushAddress(bits / 8);
    c.op("i32.wrap_i64").i32(15).op("i32.and");
    e.leaveIf();
  }
  if (write) e.open(bits);
  else e.openRead(bits);
}

/** Finds operand `o`, which is read; memory is made readable. */
export function source(e: Emitter, o: Operand): Place {
  const { v, reg, rm } = e.insn;
  if (memoryOperand(o, v)) {
    open(e, o, false);
    return "memory";
  }
  return o.kind === "V" ? reg : rm;
}

/** Finds operand `o`, which is written; memory is made writable. */
export function target(e: Emitter, o: Operand): Place {
  const { v, reg, rm } = e.insn;
  if (memoryOperand(o, v)) {
    open(e, o, true);
    return "memory";
  }
  return o.kind === "V" ? reg : rm;
}

/** Pushes all 128 bits. */
export function pushWhole(e: Emitter, p: Place): void {
  if (p === "memory") e.code.get(L.P).mem("v128.load");
  else e.vectors.push(p);
}

const LOW: Readonly<Record<"i32" | "i64" | "f32" | "f64", readonly [memory: OpName, register: OpName]>> = {
  i32: ["i32.load", "i32x4.extract_lane"],
  i64: ["i64.load", "i64x2.extract_lane"],
  f32: ["f32.load", "f32x4.extract_lane"],
  f64: ["f64.load", "f64x2.extract_lane"],
};

/** Pushes the lowest lane as a number of type `type`. */
export function pushLow(e: Emitter, p: Place, type: keyof typeof LOW): void {
  const [memory, register] = LOW[type];
  if (p === "memory") e.code.get(L.P).mem(memory);
  else {
    e.vectors.push(p);
    e.code.lane(register, 0);
  }
}

/** Pushes a vector whose low `bits` are the operand's; what stands above does not matter. */
export function pushPart(e: Emitter, p: Place, bits: number): void {
  if (p !== "memory") e.vectors.push(p);
  else if (bits === 16) e.code.get(L.P).mem("v128.load16_splat");
  else e.code.get(L.P).mem(bits === 32 ? "v128.load32_zero" : bits === 64 ? "v128.load64_zero" : "v128.load");
}

/** Control byte of the instruction. */
export const control = (i: Insn): number => i.imm & 0xff;

/** Bytes of lanes of `width` bytes, by lane number. */
export const lanes = (width: number, numbers: readonly number[]): number[] =>
  numbers.flatMap((n) => Array.from({ length: width }, (_, k) => n * width + k));
