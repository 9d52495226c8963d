/** The core's layers: a file imports its own layer and those before it. wasm-core/README.md says what each is for. */
import { describe, expect, it } from "vitest";
import { ASSEMBLY, isAssembly, readText, sourceAt, sources } from "./lib/tree.js";

/** Folders of assembly from the bottom up; a file named here is a layer of its own. */
const LAYERS = [
  "gen",
  "util",
  "mem",
  "sched",
  "irq",
  "dev",
  "bus",
  "cpu",
  "decode/record.ts",
  "mmu",
  "xen",
  "system",
  "softfloat",
  "interp",
  "gen/handlers.ts",
  "decode",
  "jit",
  "run",
  "index.ts",
];
/** Entry points for tests, above everything. */
const isTesting = (path: string): boolean => /\/testing\/|\.entry\.ts$/.test(path);

const byLength = [...LAYERS].sort((a, b) => b.length - a.length);
const inner = (path: string): string => path.slice(ASSEMBLY.length + 1);

function layerOf(path: string): number {
  return LAYERS.indexOf(byLength.find((l) => path === l || path.startsWith(`${l}/`)) ?? "");
}

const files = sources.filter((s) => isAssembly(s) && !isTesting(s.path));

describe("layers of the core", () => {
  it("hold every file", () => {
    expect(files.map((s) => inner(s.path)).filter((p) => layerOf(p) < 0)).toEqual([]);
    expect(LAYERS.filter((l) => !l.startsWith("gen") && !files.some((s) => inner(s.path).startsWith(l)))).toEqual([]);
  });

  it("import only downwards", () => {
    const wrong = files.flatMap((s) =>
      s.imports
        .filter((i) => i.file?.startsWith(`${ASSEMBLY}/`) && layerOf(inner(i.file)) > layerOf(inner(s.path)))
        .map((i) => `${s.path}:${i.line} imports ${i.file}`),
    );
    expect(wrong).toEqual([]);
  });

  it("import nothing from outside assembly, and nothing of the tests", () => {
    const wrong = files.flatMap((s) =>
      s.imports
        .filter((i) => !i.file?.startsWith(`${ASSEMBLY}/`) || isTesting(i.file))
        .map((i) => `${s.path}:${i.line} imports ${i.specifier}`),
    );
    expect(wrong).toEqual([]);
  });

  it("import what exists", () => {
    const wrong = files.flatMap((s) =>
      s.imports
        .filter((i) => i.file !== undefined && !inner(i.file).startsWith("gen/") && !sourceAt.has(i.file))
        .map((i) => `${s.path}:${i.line} imports ${i.specifier}`),
    );
    expect(wrong).toEqual([]);
  });

  it("are written down in wasm-core/README.md in this order", () => {
    expect(readText("wasm-core/README.md")).toContain(LAYERS.map((l) => `\`${l}\``).join(" "));
  });
});
