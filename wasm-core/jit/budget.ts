/**
 * A vCPU's budget around a handler that may change it: repeated string instructions spend it by elements, which are no
 * instructions; PAUSE, and whatever writes to a device that then has an earlier timer, end the slice by taking all of it.
 */
import { Vcpu } from "../abi/structs/vcpu.js";
import { L } from "./locals.js";
import type { Code } from "./wasm/code.js";
import { Type } from "./wasm/ops.js";

const { budget: BUDGET, icount: ICOUNT } = Vcpu.off;

/** The vCPU's budget is what it was before the instruction; the node's `unretired` last ones are then not retired. */
export function giveBudget(c: Code, unretired: number): void {
  c.get(L.CPU).get(L.LEFT).i32(unretired).op("i32.add").mem("i32.store", BUDGET);
}

/** What the handler left of it. What it took are no instructions, as which they will be counted when the region is left. */
export function takeBudget(c: Code, unretired: number): void {
  c.get(L.CPU).mem("i32.load", BUDGET).i32(unretired).op("i32.sub").set(L.I);
  c.get(L.I).get(L.LEFT).op("i32.ne").if(Type.VOID, "unlikely");
  addInstructions(c, () => c.get(L.I).get(L.LEFT).op("i32.sub").op("i64.extend_i32_s"));
  c.get(L.I).set(L.LEFT).end();
}

/** Adds the i64 that `push` pushes to the count of instructions, beyond those that the budget tells. */
export function addInstructions(c: Code, push: () => void): void {
  c.get(L.CPU).get(L.CPU).mem("i64.load", ICOUNT);
  push();
  c.op("i64.add").mem("i64.store", ICOUNT);
}
