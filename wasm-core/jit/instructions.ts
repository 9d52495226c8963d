/**
 * The instruction table as the compiler sees it: by variant number, what the row says about it. Made from the rows that
 * the build writes down in leaf order, the order in which the decoder numbers variants.
 */
import { op, type Row } from "../isa/row.js";
import { type Variant, variantsOf } from "../isa/variants.js";
import { ROWS } from "./gen/rows.js";

export interface VariantInfo extends Variant {
  readonly row: Row;
  readonly semantic: string;
  /** Module of assembly/interp that has the semantic: "alu", "sse-arith". */
  readonly module: string;
}

/** What an instruction is to a region's shape. */
export type Flow = "plain" | "jcc" | "end";

let table: readonly VariantInfo[] | undefined;

/** All variants by number. */
export function variantTable(): readonly VariantInfo[] {
  table ??= ROWS.flatMap(([form, encoding, flags, notes, semantic, module]) => {
    const row = op(form, encoding, flags, notes, semantic);
    return variantsOf(row).map((v) => ({ ...v, row, semantic, module }));
  });
  return table;
}

/** FXSAVE, XRSTOR and their like work on all vector registers where the vCPU keeps them: regions end with them. */
const WHOLE_STATE = /^(fx|x)(save|rstor)/;

/** INTO goes on or to its handler: it ends no block, but a region. */
const MAY_BRANCH = "into";

/** Modules of what loads segment registers: MOV and POP, and LDS and its like. */
const LOADS_SEGMENTS = new Set(["segment", "far"]);

/** @param long 64-bit mode. Elsewhere regions rely on flat segments and end where one may be loaded. */
export function flowOf(v: VariantInfo, long: boolean): Flow {
  if (!long && LOADS_SEGMENTS.has(v.module)) return "end";
  if (v.row.notes.has("jcc")) return "jcc";
  if (WHOLE_STATE.test(v.semantic) || v.semantic === MAY_BRANCH) return "end";
  return v.row.notes.has("end") || v.row.notes.has("branch") || v.semantic === "undefinedOpcode" ? "end" : "plain";
}
