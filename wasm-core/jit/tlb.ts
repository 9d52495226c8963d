/** The soft TLB as regions search it: tlbSlot of assembly/mmu/tlb.ts. */
import { TLB_ENTRIES } from "../abi/structs/translation.js";
import { L } from "./locals.js";
import type { Code } from "./wasm/code.js";

/** The TLB entry for the linear address on the stack, there and in L.E. */
export function pushTlbSlot(c: Code): void {
  c.i64(12).op("i64.shr_u").op("i32.wrap_i64").tee(L.E);
  c.get(L.E).i32(10).op("i32.shr_u").op("i32.add");
  c.i32(TLB_ENTRIES - 1)
    .op("i32.and")
    .i32(5)
    .op("i32.shl");
  c.get(L.TLB).op("i32.add").tee(L.E);
}
