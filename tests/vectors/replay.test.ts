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
import { exclusion } from "./excluded.js";
import { failuresOf } from "./failures.js";
import { rowKey } from "./generate.js";
import { Replayer } from "./replayer.js";
import { unpackVectors } from "./store.js";

const DATA = process.env.VECTOR_DATA ?? fileURLToPath(new URL("./data/", import.meta.url));
const BUILD_MS = 300_000;

const files = readdirSync(DATA).filter((f) => f.endsWith(".vec"));
const families = await loadTable();
const rows = new Map<string, Row>(families.flatMap((f) => f.rows.map((r): [string, Row] => [rowKey(r), r])));

describe("instructions leave what a processor leaves", async () => {
  const replayer = new Replayer(await makeTestCore());
  it.each(files)(
    "%s",
    (file) => {
      expect(
        failuresOf(rows, unpackVectors(readFileSync(join(DATA, file))).vectors, (v) => replayer.run(v)).join("\n"),
      ).toBe("");
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
