/**
 * What the core's sources must not do. Every instance shares the memory, so state lies at explicit addresses: no
 * variables of modules, no objects, no strings; and the compiler's constants lie clear of the structures.
 */
import { describe, expect, it } from "vitest";
import { DATA_BASE, MACHINE_BASE, MAX_PCPUS, Machine, PCPU_BASE, Pcpu } from "../../wasm-core/abi/structs/machine.js";
import { isAssembly, lineOf, readText, type Source, sources } from "./lib/tree.js";

const isTesting = (path: string): boolean => /\/testing\/|\.entry\.ts$/.test(path);
const files = sources.filter((s) => isAssembly(s) && !isTesting(s.path));

function matches(s: Source, pattern: RegExp): string[] {
  return [...s.code.matchAll(pattern)].map((m) => `${s.path}:${lineOf(s.code, m.index)} ${m[0].trim()}`);
}

const all = (pattern: RegExp): string[] => files.flatMap((s) => matches(s, pattern));

describe("the core's sources", () => {
  it("have no variables at module level or in namespaces", () => {
    expect(all(/^(export )?(let|var)\b.*/gm)).toEqual([]);
    expect(all(/^\s+export (let|var)\b.*/gm)).toEqual([]);
    expect(all(/^\s+static (?!readonly\b)\w+\s*[:=].*/gm)).toEqual([]);
  });

  it("have no zeroed static memory, which would be state", () => {
    expect(all(/\bmemory\.data\s*\(.*/g)).toEqual([]);
  });

  it("sleep through the host only: V8's baseline compiler loses a local over memory.atomic.wait32", () => {
    expect(all(/\batomic\.wait\b/g)).toEqual([]);
  });

  it("allocate nothing", () => {
    expect(all(/\bnew [A-Z]\w*/g)).toEqual([]);
    expect(all(/\b(Array|Map|Set|String)<.*>\(/g)).toEqual([]);
  });

  it("have unmanaged classes only", () => {
    const managed = files.flatMap((s) =>
      [...s.code.matchAll(/(@unmanaged\s+)?(export )?\bclass \w+/g)]
        .filter((m) => m[1] === undefined)
        .map((m) => `${s.path}:${lineOf(s.code, m.index)} ${m[0]}`),
    );
    expect(managed).toEqual([]);
  });

  it("use no unused import", () => {
    const unused = files.flatMap((s) =>
      [...s.code.matchAll(/^import \{([^}]*)\}/gm)]
        .flatMap((m) => m[1]!.split(","))
        .map((name) => name.replace(/^.*\bas\b/, "").trim())
        .filter((name) => name !== "" && s.code.match(new RegExp(`\\b${name}\\b`, "g"))!.length < 2)
        .map((name) => `${s.path} ${name}`),
    );
    expect(unused).toEqual([]);
  });
});

describe("static data", () => {
  it("begins behind what lies at fixed addresses", () => {
    expect(MACHINE_BASE + Machine.size).toBeLessThanOrEqual(PCPU_BASE);
    expect(PCPU_BASE + MAX_PCPUS * Pcpu.size).toBeLessThanOrEqual(DATA_BASE);
  });

  it("is put there by the compiler's options", () => {
    expect(readText("wasm-core/build/compile.ts")).toMatch(/"--memoryBase",\s*String\(DATA_BASE\)/);
  });
});
