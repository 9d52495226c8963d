/**
 * How many handlers a row needs and how they are numbered. A row has a variant for each operand size, ModRM form, LOCK
 * and repeat prefix that changes what it does; the decoder computes the number, the generators enumerate it.
 */
import { matchOf } from "./encoding.js";
import type { Operand, Row } from "./row.js";

export type SizeAxis = readonly (16 | 32 | 64)[] | readonly [0];

export interface Axes {
  /** Operand sizes, or [0] when the row has one fixed size. */
  readonly sizes: SizeAxis;
  readonly forms: readonly ("mem" | "reg")[];
  readonly locks: readonly boolean[];
  readonly reps: readonly (0 | 1 | 2)[];
}

/** One handler to be generated. */
export interface Variant {
  readonly size: 0 | 16 | 32 | 64;
  readonly form: "mem" | "reg";
  readonly lock: boolean;
  readonly rep: 0 | 1 | 2;
}

const TWO_FORMS = new Set(["E", "W", "Q"]);

export const hasTwoForms = (row: Row): boolean =>
  row.operands.some((o) => TWO_FORMS.has(o.kind)) && matchOf(row).form === undefined;

function sizesOf(row: Row): SizeAxis {
  const sized = (s: string) => row.operands.some((o) => o.size === s && o.kind !== "J");
  const near = row.operands.some((o) => o.kind === "J" && o.size === "z");
  if (row.notes.has("v") || sized("v") || sized("z") || sized("s") || near) return [16, 32, 64];
  if (row.notes.has("y") || sized("y")) return [32, 64];
  return [0];
}

export function axesOf(row: Row): Axes {
  const form = matchOf(row).form;
  return {
    sizes: sizesOf(row),
    forms: hasTwoForms(row)
      ? ["mem", "reg"]
      : [form ?? (row.operands.some((o) => TWO_FORMS.has(o.kind)) ? "mem" : "reg")],
    locks: row.notes.has("lock") ? [false, true] : [false],
    reps: row.notes.has("rep") ? [0, 1, 2] : [0],
  };
}

/** The row's variants in numbering order: ((size * forms + form) * locks + lock) * reps + rep. */
export function variantsOf(row: Row): Variant[] {
  const { sizes, forms, locks, reps } = axesOf(row);
  const out: Variant[] = [];
  for (const size of sizes)
    for (const form of forms) for (const lock of locks) for (const rep of reps) out.push({ size, form, lock, rep });
  return out;
}

const FIXED_BITS: Record<string, number> = { b: 8, w: 16, d: 32, q: 64, x: 128, t: 80 };

/** Operand width in bits in a variant. */
export function bitsOf(o: Operand, v: Variant): number {
  if (o.size === "v" || o.size === "s") return v.size === 0 ? 8 : v.size;
  if (o.size === "z") return v.size === 16 ? 16 : 32;
  if (o.size === "y") return v.size === 64 ? 64 : 32;
  return FIXED_BITS[o.size] ?? 0;
}
