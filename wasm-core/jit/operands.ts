/** Questions about a row's operands that lowerings and effects share; the vocabulary is isa/row.ts's. */
import type { Operand } from "../isa/row.js";
import type { Variant } from "../isa/variants.js";
import type { Insn } from "./region/machine-view.js";

const EITHER = new Set(["E", "W", "Q"]);
const SEG_CS = 1;
/** FS, and behind it GS: those that have a base in the code that regions are made of. */
export const SEG_FS = 4;

/** Segment of the memory operand, DS for all that are like it. */
export const segmentOf = ({ ea }: Insn): number => (ea >= 4 ? (ea >>> 3) & 7 : 0);

/** Whether the operand is memory in this variant. */
export const memoryOperand = (o: Operand, v: Variant): boolean =>
  o.kind === "M" || o.kind === "O" || (EITHER.has(o.kind) && v.form === "mem");

/** Whether regions compute the instruction's address themselves: 64-bit or 32-bit addressing, in a data segment. */
export const plainAddress = (i: Insn): boolean => i.ea < 4 || (i.ea >>> 6 !== 0 && ((i.ea >>> 3) & 7) !== SEG_CS);

/** Whether the instruction's operand in memory names an address and nothing is done there, as LEA's and NOP's. */
export const leavesMemoryAlone = ({ v }: Insn): boolean => v.semantic === "lea" || v.semantic === "hintRm";
