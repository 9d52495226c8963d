/**
 * How a region's function begins and ends: what of the vCPU becomes locals there, and what all ways out give back.
 */
import { RegionExit } from "../../abi/structs/jit.js";
import { Status, Vcpu } from "../../abi/structs/vcpu.js";
import { addInstructions } from "../budget.js";
import type { Cursors } from "../cursors.js";
import { type Emitter, L } from "../emitter.js";
import { pushIsNotFlat } from "../segments.js";
import { Code } from "../wasm/code.js";
import { Type } from "../wasm/ops.js";
import type { Region } from "./graph.js";

/** Written when all else is: registers that turned out to be used are loaded. */
export function writePrologue(e: Emitter, region: Region, cursors: Cursors): Code {
  const c = new Code();
  // Stale code is never entered: one word for all frames.
  region.frames.forEach(({ genAt, gen }, i) => {
    c.i32(genAt).mem("i32.load").i32(gen).op("i32.xor");
    if (i > 0) c.op("i32.or");
  });
  c.if(Type.VOID, "unlikely");
  c.i32(Number(RegionExit.values.STALE)).op("return").end();
  if (!region.long) {
    pushIsNotFlat(c);
    c.if();
    c.i32(Number(RegionExit.values.INTERPRET)).op("return").end();
  }
  e.registers.loadUsed(c);
  e.vectors.loadUsed(c);
  e.x87?.load(c);
  c.get(L.CPU).mem("i64.load", Vcpu.off.rip).set(L.BASE);
  if (region.entries.length > 0) {
    c.get(L.BASE).tee(L.RIP).get(L.CPU).mem("i64.load32_s", Vcpu.off.regionStart).op("i64.sub");
    if (!region.long) c.i64(0xffffffffn).op("i64.and");
    c.set(L.BASE);
  }
  c.get(L.CPU).mem("i32.load", Vcpu.off.ccOp).set(L.CC_OP);
  c.get(L.CPU).mem("i64.load", Vcpu.off.ccSrc).set(L.CC_SRC);
  c.get(L.CPU).mem("i64.load", Vcpu.off.ccDst).set(L.CC_DST);
  if (e.memory.looks) {
    c.get(L.CPU).mem("i64.load", Vcpu.off.ctx).set(L.CTX);
    c.get(L.CPU).mem("i32.load", Vcpu.off.tlb).set(L.TLB);
  }
  c.get(L.CPU).mem("i32.load", Vcpu.off.budget).set(L.LEFT);
  cursors.start(c);
  if (e.callsHandlers) c.get(L.CPU).i32(0).mem("i32.store", Vcpu.off.codeChanged);
  return c;
}

/** RIP is the site's instruction; the node's instructions from there on are not retired. */
export function writeFault(c: Code): void {
  c.get(L.BASE).get(L.SITE).i64(8).op("i64.shr_s").op("i64.add").set(L.RIP);
  c.get(L.LEFT).get(L.SITE).op("i32.wrap_i64").i32(0xff).op("i32.and").op("i32.add").set(L.LEFT);
  // A fault and a restart cost budget too: no guest keeps the processor by going nowhere.
  c.get(L.LEFT).i32(1).op("i32.sub").set(L.LEFT);
  addInstructions(c, () => c.i64(-1));
  // Status 0: the interpreter does it; FAULT; RESTART goes on at RIP.
  c.i32(Number(RegionExit.values.FAULT)).i32(Number(RegionExit.values.CHANGED));
  c.get(L.STATUS).i32(Number(Status.values.FAULT)).op("i32.eq").op("select");
  c.i32(Number(RegionExit.values.INTERPRET)).get(L.STATUS).op("select").set(L.STATUS);
}

/** Every way out ends here, with a RegionExit in L.STATUS. */
export function writeEpilogue(e: Emitter): void {
  const c = e.code;
  storeRegisters(e);
  e.storeFlags(true);
  c.get(L.CPU).get(L.RIP).mem("i64.store", Vcpu.off.rip);
  account(e);
  c.get(L.STATUS);
}

export function storeRegisters(e: Emitter): void {
  e.registers.storeDirty();
  e.vectors.storeDirty();
  e.x87?.store();
}

/** The run loop counts what was taken of the budget as instructions. */
export function account(e: Emitter): void {
  const c = e.code;
  c.get(L.CPU).get(L.LEFT).mem("i32.store", Vcpu.off.budget);
  if (!e.callsHandlers) return;
  c.get(L.CPU).get(L.CPU).mem("i64.load", Vcpu.off.regionHandlers);
  c.get(L.HANDLERS).op("i64.extend_i32_u").op("i64.add").mem("i64.store", Vcpu.off.regionHandlers);
}
