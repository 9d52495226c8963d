/**
 * Segments outside 64-bit mode. Regions add no base and check no limit: they make sure that there is none, and leave what
 * is different to the interpreter. [SDM] vol. 3A, 5.3 to 5.5.
 */
import { SegIndex, Vcpu } from "../abi/structs/vcpu.js";
import type { Code } from "./wasm/code.js";

/** Parameter 0 of a region's function. */
const CPU = 0;

const { CS, SS, DS, ES } = SegIndex.values;
const bits = (...segments: (number | bigint)[]): number =>
  segments.reduce<number>((sum, n) => sum | (1 << Number(n)), 0);

function pushBits(c: Code, mask: number): void {
  c.get(CPU).mem("i32.load", Vcpu.off.notFlat).i32(mask).op("i32.and");
}

/** Pushes an i32 that is not 0 unless `segment` is writable data up to 4 GiB; its base, if FS or GS, is the caller's business. */
export const pushIsSpecial = (c: Code, segment: number): void => pushBits(c, bits(segment));

/** Pushes an i32 that is not 0 unless CS, SS, DS and ES begin at 0 and end at 4 GiB. */
export const pushIsNotFlat = (c: Code): void => pushBits(c, bits(CS, SS, DS, ES));
