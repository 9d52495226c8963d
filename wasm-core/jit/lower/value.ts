/**
 * The shape of most rows: fetch the operands, compute, write the first one back. Made for a semantic from the part that
 * computes; memory destinations are opened for writing before anything is computed, so that nothing is half done.
 */

import type { Operand } from "../../isa/row.js";
import { bitsOf } from "../../isa/variants.js";
import { type Emitter, L, type Size, type Value } from "../emitter.js";
import { memoryOperand, plainAddress } from "../operands.js";
import { loadOf } from "../values.js";
import type { Lowering, ValueLowering } from "./lowering.js";

const VALUE_KINDS = new Set(["E", "G", "R", "Z", "B", "A", "I", "1", "CL", "DX", "M"]);

/** Whether this shape knows the operands. LOCK and moffs are left to handlers. */
function known(e: Emitter): boolean {
  const { v } = e.insn;
  if (v.lock || v.rep !== 0) return false;
  return v.row.operands.every(
    (o) => VALUE_KINDS.has(o.kind) && (!memoryOperand(o, v) || (o.kind !== "O" && plainAddress(e.insn))),
  );
}

function operandValue(e: Emitter, o: Operand, opened: Operand | undefined): Value {
  if (o !== opened) return e.operand(o);
  const size = bitsOf(o, e.insn.v) as Size;
  e.code.get(L.P);
  e.code.mem(loadOf(size));
  return e.temp(size, L.Y, L.J);
}

/** A lowering of value-shaped rows whose result `compute` leaves on the stack (nothing when no operand is written). */
export function value(compute: ValueLowering): Lowering {
  return (e) => {
    if (!known(e)) return false;
    const { v } = e.insn;
    const { operands } = v.row;
    const target = operands.find((o) => o.access !== "r");
    const size = bitsOf(target ?? operands[0]!, v) as Size;
    const inMemory = target !== undefined && memoryOperand(target, v);
    if (inMemory) e.open(size);
    const read = operands.filter((o) => o.access !== "w");
    const values = read.map((o) => operandValue(e, o, inMemory ? target : undefined));
    if (target === undefined) {
      compute(e, size, ...values);
      return true;
    }
    compute(e, size, ...values);
    if (inMemory) {
      const result = e.temp(size, L.Z, L.K);
      e.code.get(L.P);
      e.push(result);
      e.storeValue(size);
    } else e.setRegister(e.registerOf(target), size);
    return true;
  };
}
