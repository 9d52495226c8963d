/**
 * Segments outside 64-bit mode. Regions add no base and check no limit: they make sure that there is none, and leave what
 * is different to the interpreter. [SDM] vol. 3A, 5.3 to 5.5.
 */
import { SegIndex, SegmentReg, Vcpu } from "../abi/structs/vcpu.js";
import type { Code } from "./wasm/code.js";

/** Parameter 0 of a region's function. */
const CPU = 0;
/** Descriptor bits that tell present, writable, expand-up data. */
const DATA_MASK = 0x8e;
const DATA_WRITABLE = 0x82;

const fieldsOf = (segment: number): number => Vcpu.off.seg + segment * SegmentReg.size;

/** Pushes an i32 that is not 0 when the limit is below 4 GiB. */
function pushLimited(c: Code, at: number): void {
  c.get(CPU).mem("i32.load", at + SegmentReg.off.limit);
  c.i32(-1).op("i32.xor");
}

/** Pushes an i32 that is not 0 when it is no writable data segment. */
function pushNotData(c: Code, at: number): void {
  c.get(CPU).mem("i32.load16_u", at + SegmentReg.off.attr);
  c.i32(DATA_MASK).op("i32.and").i32(DATA_WRITABLE).op("i32.xor");
}

/** Pushes an i32 that is not 0 unless `segment` is writable data up to 4 GiB; its base is the caller's business. */
export function pushIsSpecial(c: Code, segment: number): void {
  pushLimited(c, fieldsOf(segment));
  pushNotData(c, fieldsOf(segment));
  c.op("i32.or");
}

/** Pushes an i32 that is not 0 unless CS, SS, DS and ES begin at 0 and end at 4 GiB. */
export function pushIsNotFlat(c: Code): void {
  const { CS, SS, DS, ES } = SegIndex.values;
  c.get(CPU).mem("i32.load", fieldsOf(Number(CS)) + SegmentReg.off.base);
  pushLimited(c, fieldsOf(Number(CS)));
  c.op("i32.or");
  for (const segment of [SS, DS, ES]) {
    c.get(CPU)
      .mem("i32.load", fieldsOf(Number(segment)) + SegmentReg.off.base)
      .op("i32.or");
    pushIsSpecial(c, Number(segment));
    c.op("i32.or");
  }
}
