/** Writes what the instruction table generates for AssemblyScript: handlers and decoder tables. */
import { mkdirSync, writeFileSync } from "node:fs";
import { UNDEFINED } from "../isa/families/undefined.js";
import { decodeTablesSource } from "../isa/gen/decode.js";
import { isaDocument } from "../isa/gen/docs.js";
import { handlersSource, makeHandlers } from "../isa/gen/handlers.js";
import { unknownQuick } from "../isa/gen/quick.js";
import { rowsSource } from "../isa/gen/rows.js";
import { loadTable } from "../isa/table.js";
import { buildTree } from "../isa/tree.js";
import { tableMistakes } from "../isa/validate.js";

const OUT = new URL("../assembly/gen/", import.meta.url);
const JIT = new URL("../jit/gen/", import.meta.url);
const DOCUMENT = new URL("../../docs/isa.md", import.meta.url);

/** Checks the table, writes assembly/gen/handlers.ts, pairs.ts and decode-tables.ts, and docs/isa.md; returns how many rows and handlers there are. */
export async function writeTable(): Promise<{ rows: number }> {
  const families = await loadTable();
  const mistakes = tableMistakes(families, UNDEFINED);
  if (mistakes.length > 0) throw new Error(`instruction table:\n  ${mistakes.join("\n  ")}`);
  const tree = buildTree(families.flatMap((f) => f.rows));
  const made = makeHandlers(families, tree.leaves);
  const unknown = unknownQuick([...made.handlers, ...made.pairs.made]);
  if (unknown.length > 0) throw new Error(`isa/gen/quick.ts: no handler is called ${unknown.join(", ")}`);
  mkdirSync(OUT, { recursive: true });
  writeFileSync(new URL("handlers.ts", OUT), handlersSource(made));
  writeFileSync(new URL("pairs.ts", OUT), made.pairs.source);
  writeFileSync(new URL("decode-tables.ts", OUT), decodeTablesSource(tree));
  mkdirSync(JIT, { recursive: true });
  writeFileSync(new URL("rows.ts", JIT), rowsSource(families, tree.leaves));
  writeFileSync(DOCUMENT, isaDocument(families));
  return { rows: tree.leaves.length };
}
