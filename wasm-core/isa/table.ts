/** The whole instruction table: every family, in one list. */
import { readdirSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { Family } from "./row.js";

const FAMILIES = new URL("./families/", import.meta.url);

/** Loads every family that a file in families/ exports. */
export async function loadTable(): Promise<Family[]> {
  const out: Family[] = [];
  for (const file of readdirSync(FAMILIES)
    .filter((f) => f.endsWith(".ts") && !f.endsWith(".test.ts"))
    .sort()) {
    const module = (await import(pathToFileURL(fileURLToPath(new URL(file, FAMILIES))).href)) as Record<
      string,
      unknown
    >;
    for (const value of Object.values(module)) {
      if (typeof value === "object" && value !== null && "rows" in value && "module" in value)
        out.push(value as Family);
    }
  }
  return out;
}
