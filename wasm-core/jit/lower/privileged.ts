/**
 * What kernels do around locks, copies and entries: CLI, STI, STAC, SWAPGS, and fences. All but these only for CPL 0, at which
 * they are allowed; for another the interpreter finds out by IOPL and the modes what they do.
 */
import { SegIndex, SegmentReg, Vcpu } from "../../abi/structs/vcpu.js";
import { type Emitter, L } from "../emitter.js";
import { setSystemFlag } from "../flags.js";
import { Type } from "../wasm/ops.js";
import type { Lowering, Lowerings } from "./lowering.js";

const IF = 0x200;
const AC = 0x40000;
const GS_BASE = Vcpu.off.seg + Number(SegIndex.values.GS) * SegmentReg.size + SegmentReg.off.base;

function requireSupervisor(e: Emitter): void {
  e.code.get(L.CPU).mem("i32.load8_u", Vcpu.off.cpl);
  e.leaveIf();
}

const cli: Lowering = (e) => {
  requireSupervisor(e);
  setSystemFlag(e, IF, false);
  return true;
};

/** With an interrupt or another event waiting the interpreter does it, which holds it for an instruction. */
const sti: Lowering = (e) => {
  const c = e.code;
  requireSupervisor(e);
  c.get(L.CPU).mem("i32.load", Vcpu.off.eflags).i32(IF).op("i32.and").op("i32.eqz").if(Type.VOID);
  c.get(L.CPU).mem("i32.load8_u", Vcpu.off.interruptHeld);
  c.get(L.CPU).mem("i32.load", Vcpu.off.events).op("i32.or");
  e.leaveIf();
  setSystemFlag(e, IF, true);
  c.end();
  return true;
};

const stac: Lowering = (e) => {
  requireSupervisor(e);
  setSystemFlag(e, AC, true);
  return true;
};

const swapgs: Lowering = (e) => {
  const c = e.code;
  requireSupervisor(e);
  c.get(L.CPU).mem("i64.load", GS_BASE).set(L.X);
  c.get(L.CPU).get(L.CPU).mem("i64.load", Vcpu.off.kernelGsBase).mem("i64.store", GS_BASE);
  c.get(L.CPU).get(L.X).mem("i64.store", Vcpu.off.kernelGsBase);
  e.memory.forget();
  return true;
};

/** As the handler has it: an atomic update of the vCPU's own memory orders everything around it. Anybody may. */
const fence: Lowering = (e) => {
  const c = e.code;
  c.get(L.CPU).i32(Vcpu.off.events).op("i32.add").i32(0);
  c.atomic("i32.atomic.rmw.or", 4).op("drop");
  return true;
};

export const PRIVILEGED: Lowerings = { cli, sti, stac, swapgs, fence };
