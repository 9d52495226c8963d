/**
 * A vCPU's budget around a handler that may change it: repeated string instructions spend it by elements, which are no
 * instructions; PAUSE, and whatever writes to a device that then has an earlier timer, end the slice by taking all of it.
 */
import { Vcpu } from "../abi/structs/vcpu.js";
import { L } from "./locals.js";
import type { Code } from "./wasm/code.js";

const { budget: BUDGET } = Vcpu.off;

/** The vCPU's budget is what it was before the instruction; the node's `unretired` last ones are then not retired. */
export function giveBudget(c: Code, unretired: number): void {
  c.get(L.CPU).get(L.LEFT).i32(unretired).op("i32.add").mem("i32.store", BUDGET);
}

/** What the handler left of it; the count of instructions stays as it is. */
export function takeBudget(c: Code, unretired: number): void {
  c.get(L.LEFT_AT_ENTRY).get(L.LEFT).op("i32.sub");
  c.get(L.CPU).mem("i32.load", BUDGET).i32(unretired).op("i32.sub");
  c.tee(L.LEFT).op("i32.add").set(L.LEFT_AT_ENTRY);
}
