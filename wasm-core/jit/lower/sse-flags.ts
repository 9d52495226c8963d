/** Flags that an instruction computes outright: COMISD, PTEST. */
import { Vcpu } from "../../abi/structs/vcpu.js";
import { type Emitter, L } from "../emitter.js";

/** OF SF ZF AF PF CF */
const ARITH = 0x8d5;

/** The arithmetic flags become the bits on the stack (i32), of which OF and SF are 0; conditions find them in CC_DST. */
export function setFlagBits(e: Emitter): void {
  const c = e.code;
  c.set(L.I).get(L.CPU);
  c.get(L.CPU).mem("i32.load", Vcpu.off.eflags).i32(~ARITH).op("i32.and").get(L.I).op("i32.or");
  c.mem("i32.store", Vcpu.off.eflags);
  c.get(L.I).op("i64.extend_i32_u").set(L.CC_DST).i32(0).set(L.CC_OP);
  knowFlagBits(e);
}

/** After a handler that set them so. */
export function reloadFlagBits(e: Emitter): void {
  e.code.get(L.CPU).mem("i32.load", Vcpu.off.eflags).i32(ARITH).op("i32.and").op("i64.extend_i32_u").set(L.CC_DST);
  knowFlagBits(e);
}

function knowFlagBits(e: Emitter): void {
  e.flags = { op: "EFLAGS", size: 8, hasA: false, bits: true };
}
