/**
 * Every vector of 32-bit code in a region of its own. With segments that are not flat the region leaves it to the
 * interpreter.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import type { Row } from "../../../wasm-core/isa/row.js";
import { loadTable } from "../../../wasm-core/isa/table.js";
import { makeTestCore, type TestCore } from "../../support/core.js";
import { REGION_FRAMES, TestRegions } from "../../support/regions.js";
import { compareStates, describeFailure } from "../compare.js";
import { rowKey } from "../generate.js";
import type { State, Vector } from "../layout.js";
import { RegionShare } from "../share.js";
import { unpackVectors } from "../store.js";
import { QEMU_DIFFERENCES } from "./differences.js";
import { LegacyReplayer } from "./replayer.js";

const DATA = fileURLToPath(new URL("./data/", import.meta.url));
const SYSTEM_FLAGS = 0x200 | 0x3000 | 0x20000;
const BUILD_MS = 300_000;
const CODE_32 = 32;
/** Part of the vectors that a region must complete, percent; the rest fault, or the interpreter does them: all of it where there is 0. */
const LEAST: Readonly<Record<string, number>> = {
  "bit-tests-scans-and-fields": 59,
  "data-movement": 65,
  "far-control-flow": 48,
  "integer-arithmetic-and-logic": 82,
  "interrupts-and-flags": 50,
  "multiplication-and-division": 61,
  "near-control-flow": 84,
  "port-i-o": 0,
  "segments-and-descriptors": 47,
  "shifts-and-rotates": 61,
  stack: 54,
  "string-instructions": 59,
  system: 54,
};

class InRegions extends LegacyReplayer {
  readonly #regions: TestRegions;
  readonly share: RegionShare;

  constructor(core: TestCore) {
    super(core, REGION_FRAMES);
    this.#regions = new TestRegions(core, 1);
    this.share = new RegionShare(core, this.machine.cpu);
  }

  /** Once in the interpreter, which asks for a region, then with what was made. */
  override run(v: Vector): State {
    super.run(v);
    this.#regions.settle(this.machine.cpu);
    return this.share.of(() => super.run(v));
  }
}

const families = await loadTable();
const rows = new Map<string, Row>(families.flatMap((f) => f.rows.map((r): [string, Row] => [rowKey(r), r])));

describe("32-bit instructions in regions leave what QEMU leaves", async () => {
  const replayer = new InRegions(await makeTestCore());
  it.each(readdirSync(DATA).filter((f) => f.endsWith(".vec")))(
    "%s",
    (file) => {
      const failures: string[] = [];
      for (const [key, vector] of unpackVectors(readFileSync(join(DATA, file))).vectors) {
        const row = rows.get(key);
        if (row === undefined || vector.mode !== CODE_32) continue;
        const got = replayer.run(vector);
        const parts = compareStates(row, vector, got, QEMU_DIFFERENCES, SYSTEM_FLAGS);
        if (parts.length > 0) failures.push(describeFailure(key, vector, got, parts));
      }
      expect(failures.slice(0, 5).join("\n")).toBe("");
      replayer.share.expectLeast(LEAST, file);
    },
    BUILD_MS,
  );
});
