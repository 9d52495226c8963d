/**
 * Every recorded vector on the core. `VECTORS=ADD npx vitest run tests/vectors` replays one mnemonic only; FAILURES is
 * how many failures of a row are shown in full; VECTOR_DATA another recording.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import type { Row } from "../../wasm-core/isa/row.js";
import { loadTable } from "../../wasm-core/isa/table.js";
import { makeTestCore } from "../support/core.js";
import { compareStates, describeFailure } from "./compare.js";
import { exclusion } from "./excluded.js";
import { rowKey } from "./generate.js";
import { Replayer } from "./replayer.js";
import { unpackVectors } from "./store.js";

const DATA = process.env.VECTOR_DATA ?? fileURLToPath(new URL("./data/", import.meta.url));
const ONLY = process.env.VECTORS;
const SHOWN = Number(process.env.FAILURES ?? 1);
const BUILD_MS = 300_000;

const files = readdirSync(DATA).filter((f) => f.endsWith(".vec"));
const families = await loadTable();
const rows = new Map<string, Row>(families.flatMap((f) => f.rows.map((r): [string, Row] => [rowKey(r), r])));

/** Replays a file; what failed, in words. */
function failuresOf(file: string, replayer: Replayer): string[] {
  const out: string[] = [];
  const counts = new Map<string, number>();
  for (const [key, vector] of unpackVectors(readFileSync(join(DATA, file))).vectors) {
    const row = rows.get(key);
    if (row === undefined || (ONLY !== undefined && row.mnemonic !== ONLY)) continue;
    const got = replayer.run(vector);
    const parts = compareStates(row, vector, got);
    if (parts.length === 0) continue;
    const n = (counts.get(key) ?? 0) + 1;
    counts.set(key, n);
    if (n <= SHOWN) out.push(describeFailure(key, vector, got, parts));
  }
  for (const [key, n] of counts) if (n > SHOWN) out.push(`${key}: ${n} failures`);
  return out;
}

describe("instructions leave what a processor leaves", async () => {
  const replayer = new Replayer(await makeTestCore());
  it.each(files)(
    "%s",
    (file) => {
      expect(failuresOf(file, replayer).join("\n")).toBe("");
    },
    BUILD_MS,
  );
});

describe("the recording is complete", () => {
  const recorded = new Set(files.flatMap((f) => unpackVectors(readFileSync(join(DATA, f))).rows.map((r) => r.row)));

  it("has vectors of every row, or the row says why not", () => {
    const missing = [...rows].filter(([key, row]) => !recorded.has(key) && exclusion(row) === undefined);
    expect(missing.map(([key]) => key)).toEqual([]);
  });

  it("has no vectors of rows that are gone", () => {
    expect([...recorded].filter((key) => !rows.has(key))).toEqual([]);
  });
});
