/** Writes what the instruction table generates for AssemblyScript: handlers and decoder tables. */
import { mkdirSync, writeFileSync } from "node:fs";
import { decodeTablesSource } from "../isa/gen/decode.js";
import { handlersSource } from "../isa/gen/interp.js";
import { loadTable } from "../isa/table.js";
import { buildTree } from "../isa/tree.js";

const OUT = new URL("../assembly/gen/", import.meta.url);

/** Writes assembly/gen/handlers.ts and decode-tables.ts; returns how many rows and handlers there are. */
export async function writeTable(): Promise<{ rows: number }> {
  const families = await loadTable();
  const tree = buildTree(families.flatMap((f) => f.rows));
  mkdirSync(OUT, { recursive: true });
  writeFileSync(new URL("handlers.ts", OUT), handlersSource(families, tree.leaves));
  writeFileSync(new URL("decode-tables.ts", OUT), decodeTablesSource(tree));
  return { rows: tree.leaves.length };
}
