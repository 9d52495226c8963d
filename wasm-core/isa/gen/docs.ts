/**
 * Writes docs/isa.md: what of the instruction set the processor offers, by family, from the table itself.
 */
import type { Family, Operand, Row } from "../row.js";

const GATES: Readonly<Record<string, string>> = {
  cpl0: "CPL 0",
  no64: "not in 64-bit mode",
  only64: "64-bit mode only",
  pm: "protected mode",
  lock: "LOCK",
  xlock: "locked in memory",
  rep: "REP",
  unal: "unaligned",
};

const operandText = (o: Operand): string => o.kind + o.size;
const cell = (text: string): string => text.replaceAll("|", "\\|");

function featureOf(row: Row): string {
  for (const note of row.notes) if (note.startsWith("f:")) return note.slice(2).replace(/^sse4_/, "sse4.");
  return row.notes.has("fpu") || row.notes.has("fpunw") ? "fpu" : "";
}

function rowLine(row: Row): string {
  const gates = Object.entries(GATES).flatMap(([note, text]) => (row.notes.has(note) ? [text] : []));
  const code = (text: string) => (text === "" ? "" : `\`${text}\``);
  const cells = [
    row.mnemonic,
    code(row.operands.map(operandText).join(", ")),
    code(row.encoding),
    code(row.flags),
    featureOf(row),
    gates.join(", "),
  ];
  return `| ${cells.map(cell).join(" | ")} |`;
}

function familySection(family: Family): string[] {
  const rows = family.rows.filter((r) => r.semantic !== "undefinedOpcode");
  if (rows.length === 0) return [];
  return [
    `## ${family.name}`,
    "",
    `Source: ${family.source}. Semantics: \`assembly/interp/${family.module}.ts\`.`,
    "",
    "| Instruction | Operands | Encoding | Flags | CPUID | Notes |",
    "|---|---|---|---|---|---|",
    ...rows.map(rowLine),
    "",
  ];
}

const HEAD = `# Instructions

Made from \`wasm-core/isa\` by the build. Operands and encodings are written as in the manual's opcode map; flags are
O S Z A P C: m modified, u undefined, 0 and 1 forced, t tested, b tested and modified, - untouched. The legend is in
\`wasm-core/isa/row.ts\`. Everything that is not listed here raises #UD; \`families/undefined.ts\` says what that is.
`;

/** docs/isa.md. */
export function isaDocument(families: readonly Family[]): string {
  const forms = families.flatMap((f) => f.rows).filter((r) => r.semantic !== "undefinedOpcode");
  const mnemonics = new Set(forms.map((r) => r.mnemonic)).size;
  const summary = `${mnemonics} mnemonics in ${forms.length} forms.`;
  return [HEAD, summary, "", ...families.flatMap(familySection)].join("\n");
}
