/** Writes the rows for the region compiler, which reads them where there is no file system: jit/gen/rows.ts. */
import type { Family, Operand, Row } from "../row.js";

const ACCESS = { r: "", w: "=", rw: "+" } as const;
const operandText = (o: Operand): string => `${o.kind}${o.size}${ACCESS[o.access]}`;

/** [form, encoding, flags, notes, semantic, module] of each leaf, in leaf order. */
export function rowsSource(families: readonly Family[], leaves: readonly Row[]): string {
  const moduleOf = new Map<Row, string>();
  for (const f of families) for (const row of f.rows) moduleOf.set(row, f.module);
  const lines = leaves.map((row) => {
    const form = [row.mnemonic, ...row.operands.map(operandText)].join(" ");
    const module = row.semantic === "undefinedOpcode" ? "glue" : moduleOf.get(row)!;
    return `  ${JSON.stringify([form, row.encoding, row.flags, [...row.notes].join(" "), row.semantic, module])},`;
  });
  return [
    "// Made from the instruction table; do not edit.",
    "type RowText = readonly [form: string, encoding: string, flags: string, notes: string, semantic: string, module: string];",
    "export const ROWS: readonly RowText[] = [",
    ...lines,
    "];",
    "",
  ].join("\n");
}
