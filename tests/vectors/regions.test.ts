/** Every recorded vector of 64-bit code in a region: what a lowering or a handler called from there leaves. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import type { Row } from "../../wasm-core/isa/row.js";
import { loadTable } from "../../wasm-core/isa/table.js";
import { makeTestCore } from "../support/core.js";
import { failuresOf, isWanted } from "./failures.js";
import { rowKey } from "./generate.js";
import type { Vector } from "./layout.js";
import { RegionReplayer } from "./region-replayer.js";
import { unpackVectors } from "./store.js";

const DATA = process.env.VECTOR_DATA ?? fileURLToPath(new URL("./data/", import.meta.url));
const BUILD_MS = 300_000;
/** Part of the vectors that must complete inside a region; the rest fault. */
const LEAST_SHARE = 0.5;

const families = await loadTable();
const rows = new Map<string, Row>(families.flatMap((f) => f.rows.map((r): [string, Row] => [rowKey(r), r])));

function* wanted(file: string): Generator<[string, Vector]> {
  for (const [key, vector] of unpackVectors(readFileSync(join(DATA, file))).vectors)
    if (vector.mode === 64 && isWanted(rows.get(key))) yield [key, vector];
}

describe("instructions in regions leave what a processor leaves", async () => {
  const replayer = new RegionReplayer(await makeTestCore());
  it.each(readdirSync(DATA).filter((f) => f.endsWith(".vec")))(
    "%s",
    (file) => {
      expect(failuresOf(rows, replayer.prepared(wanted(file)), (v) => replayer.run(v)).join("\n")).toBe("");
    },
    BUILD_MS,
  );

  afterAll(() => {
    if (process.env.VECTORS === undefined) expect(replayer.share).toBeGreaterThan(LEAST_SHARE);
  });
});
