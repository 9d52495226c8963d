/** No import cycle anywhere, types counted. asc accepts cycles without a word, so nothing else would forbid them. */
import { describe, expect, it } from "vitest";
import { handlersSource, makeHandlers } from "../../wasm-core/isa/gen/handlers.js";
import { loadTable } from "../../wasm-core/isa/table.js";
import { buildTree } from "../../wasm-core/isa/tree.js";
import { findCycles } from "./lib/graph.js";
import { ASSEMBLY, sourceAt, sources } from "./lib/tree.js";

const HANDLERS = `${ASSEMBLY}/gen/handlers.ts`;

/** What the generated handlers import, from the generator: the file itself need not exist. */
async function handlerImports(): Promise<string[]> {
  const families = await loadTable();
  const text = handlersSource(makeHandlers(families, buildTree(families.flatMap((f) => f.rows)).leaves));
  return [...text.matchAll(/from "\.\.\/([^"]+)"/g)].map((m) => `${ASSEMBLY}/${m[1]}.ts`);
}

describe("import cycles", () => {
  it("do not exist", async () => {
    const generated = await handlerImports();
    expect(generated.length).toBeGreaterThan(10);
    const importsOf = (path: string): string[] =>
      path === HANDLERS
        ? generated
        : sourceAt
            .get(path)!
            .imports.map((i) => i.file)
            .filter((f) => f !== undefined && (f === HANDLERS || sourceAt.has(f)))
            .map((f) => f!);
    expect(findCycles([...sources.map((s) => s.path), HANDLERS], importsOf)).toEqual([]);
  });

  it("would be found", () => {
    const edges: Record<string, string[]> = { a: ["b"], b: ["c"], c: ["b", "d"], d: [], e: ["e"] };
    expect(findCycles(Object.keys(edges), (n) => edges[n]!)).toEqual([["b", "c"], ["e"]]);
  });
});
