/** The soft TLB as regions search it: tlbSlot of assembly/mmu/tlb.ts. */
import { TLB_ENTRIES, TlbEntry } from "../abi/structs/translation.js";
import { L } from "./locals.js";
import type { Code } from "./wasm/code.js";

/** The TLB entry for the linear address on the stack, there and in L.E. */
export function pushTlbSlot(c: Code): void {
  c.op("i32.wrap_i64").tee(L.E).i32(7).op("i32.shr_u");
  c.get(L.E).i32(18).op("i32.shr_u").op("i32.xor");
  c.i32((TLB_ENTRIES - 1) * TlbEntry.size)
    .op("i32.and")
    .get(L.TLB)
    .op("i32.add")
    .tee(L.E);
}
