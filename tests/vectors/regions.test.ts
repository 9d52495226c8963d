/** Every recorded vector of 64-bit code in a region: what a lowering or a handler called from there leaves. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
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
/** Part of the vectors that a region must complete, percent; the rest fault, or the interpreter does them: all of it where there is 0. */
const LEAST: Readonly<Record<string, number>> = {
  "aes-ni": 91,
  "bit-tests-scans-and-fields": 56,
  "carry-less-multiplication": 91,
  "conversions-between-mmx-and-xmm": 90,
  "data-movement": 63,
  "extended-state-save": 0,
  "far-control-flow": 67,
  "fast-system-calls": 0,
  "integer-arithmetic-and-logic": 55,
  "interrupts-and-flags": 53,
  "legacy-state-save-and-mxcsr": 59,
  "mmx-arithmetic-and-logic": 91,
  "mmx-moves-shifts-packs-and-shuffles": 92,
  "multiplication-and-division": 52,
  "near-control-flow": 91,
  "port-i-o": 0,
  "reserved-prefixes": 0,
  "segments-and-descriptors": 68,
  "sha-extensions": 91,
  "shifts-and-rotates": 63,
  "sse-conversions": 62,
  "sse-floating-point-arithmetic": 62,
  "sse-floating-point-comparison": 64,
  "sse-integer-arithmetic-logic-and-shifts": 68,
  "sse-integer-multiplication-and-sums": 67,
  "sse-moves": 59,
  "sse-rounding-dot-products-and-approximations": 72,
  "sse-shuffles-packs-blends-insertions-and-extractions": 65,
  "sse4-2-string-comparison": 91,
  stack: 34,
  "string-instructions": 90,
  system: 54,
  "x87-arithmetic": 8,
  "x87-comparison": 19,
  "x87-control": 67,
  "x87-data-transfer": 11,
  "x87-stack-top": 55,
  "x87-transcendental": 100,
  "x87-undefined-opcodes": 0,
};

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
      if (process.env.VECTORS === undefined) replayer.share.expectLeast(LEAST, file);
    },
    BUILD_MS,
  );
});
