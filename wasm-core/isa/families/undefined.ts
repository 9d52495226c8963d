/**
 * What the opcode maps leave undefined, or what belongs to extensions that this processor does not have (AVX, MPX as
 * state, CET, 3DNow!, virtualization). [SDM] vol. 2D, appendix A.
 *
 * RESERVED are rows: prefixes that would otherwise be ignored. UNDEFINED is data for validate.ts: nothing is decoded
 * there, and a byte that neither it nor a row covers is a mistake of the table. A line reads: map, opcodes, then the
 * prefixes, ModRM forms, ModRM.reg, ModRM.r/m, VEX.L or mode that it is about; `-` ranges, `,` lists.
 */
import { family, op } from "../row.js";

// biome-ignore format: one row a line
export const RESERVED = family("Reserved prefixes", "glue", "[SDM] vol. 2D, table A-4", [
  op("UD Ma", "F3 0F 38 F0 /r", "", "st", "undefinedOpcode"),
  op("UD Ma", "F3 0F 38 F1 /r", "", "st", "undefinedOpcode"),
]);

// biome-ignore format: one line a pattern
export const UNDEFINED: readonly string[] = [
];
