/** Nothing lies about: every file is used by something or is an entry, and every dependency is imported. */
import { describe, expect, it } from "vitest";
import { ASSEMBLY, files, isTest, readText, sources } from "./lib/tree.js";

/** Folders whose every file is loaded by a program that lists the folder, and that program. */
const LISTED_FOLDERS: Readonly<Record<string, string>> = {
  "wasm-core/isa/families/": "wasm-core/isa/table.ts",
  "wasm-core/abi/structs/": "wasm-core/build/gen-layout.ts",
  "tests/guests/programs/": "tests/guests/support/run.ts",
  // Named by the rows of the instruction table; the handlers made from it import them.
  [`${ASSEMBLY}/interp/`]: "wasm-core/isa/gen/interp.ts",
};
/** Started by a person or a tool. */
const ENTRIES: Readonly<Record<string, string>> = {
  "vite.config.ts": "vite",
  "vitest.config.ts": "vitest",
  "tests/e2e/disks-worker.ts": "bundled by tests/e2e/disks-site.ts",
  "tests/bench/snapshots.ts": "by hand: see its head comment",
  "tests/vectors/record.ts": "by hand, on a real processor: see its head comment",
  "tests/vectors/legacy/record.ts": "by hand, on QEMU: see its head comment",
};
/** Development tools that no file imports, and where they are called. */
const TOOLS: Readonly<Record<string, readonly [file: string, mention: string]>> = {
  "@biomejs/biome": ["tests/check.ts", '"biome"'],
  "@types/node": ["wasm-core/tsconfig.json", '"node"'],
  "@types/ws": ["control-plane/net/link/link-node.ts", 'from "ws"'],
  "assemblyscript-prettier": ["prettier.config.js", "assemblyscript-prettier"],
  prettier: ["tests/check.ts", '"prettier"'],
  tsx: ["package.json", "tsx "],
  typescript: ["tests/check.ts", '"tsc"'],
};

/** A file's path in a script, a page, or a list of entry points of the build or of a test's compiler. */
function isNamed(path: string): boolean {
  const short = path.startsWith(`${ASSEMBLY}/`) ? path.slice(ASSEMBLY.length + 1) : path;
  const inPage = path.startsWith("web-ui/") ? `./${path.slice("web-ui/".length)}` : path;
  return namers.some((text) => text.includes(`"${short}"`) || text.includes(path) || text.includes(`"${inPage}"`));
}

const namers = files
  .filter((f) =>
    /^package\.json$|^web-ui\/[\w-]+\.html$|^wasm-core\/build\/|^tests\/(check|run-all)\.ts$|\.test\.ts$|\/testing\/|^tests\/support\/|-core\.ts$/.test(
      f,
    ),
  )
  .map(readText);

const manifest = JSON.parse(readText("package.json")) as Record<
  "dependencies" | "devDependencies",
  Record<string, string>
>;
const specifiers = new Set(sources.flatMap((s) => s.imports.map((i) => i.specifier)));
const imported = (name: string): boolean => [...specifiers].some((s) => s === name || s.startsWith(`${name}/`));

describe("files", () => {
  it("are imported or are entries", () => {
    const used = new Set(sources.flatMap((s) => s.imports.map((i) => i.file)));
    const orphans = sources
      .map((s) => s.path)
      .filter((p) => !used.has(p) && !isTest(p) && ENTRIES[p] === undefined)
      .filter((p) => !Object.keys(LISTED_FOLDERS).some((folder) => p.startsWith(folder)))
      .filter((p) => !isNamed(p));
    expect(orphans).toEqual([]);
  });

  it("are listed by programs that exist", () => {
    expect([...Object.values(LISTED_FOLDERS), ...Object.keys(ENTRIES)].filter((f) => !files.includes(f))).toEqual([]);
  });
});

describe("dependencies", () => {
  it("are imported, or are tools that are called", () => {
    const names = Object.keys({ ...manifest.dependencies, ...manifest.devDependencies });
    const called = (name: string): boolean => {
      const tool = TOOLS[name];
      return tool !== undefined && readText(tool[0]).includes(tool[1]);
    };
    expect(names.filter((n) => !imported(n) && !called(n))).toEqual([]);
  });

  it("are declared", () => {
    const names = Object.keys({ ...manifest.dependencies, ...manifest.devDependencies });
    const foreign = [...specifiers].filter((s) => !/^[./]|^node:/.test(s));
    expect(foreign.filter((s) => !names.some((n) => s === n || s.startsWith(`${n}/`)))).toEqual([]);
  });
});
