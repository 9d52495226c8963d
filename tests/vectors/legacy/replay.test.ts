/**
 * Every vector of 16- and 32-bit code, recorded on QEMU, on the core. `VECTORS=ADD npx vitest run tests/vectors/legacy`
 * replays one mnemonic only; FAILURES is how many failures of a row are shown in full; VECTOR_DATA another recording.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import type { Row } from "../../../wasm-core/isa/row.js";
import { loadTable } from "../../../wasm-core/isa/table.js";
import { makeTestCore } from "../../support/core.js";
import { compareStates, describeFailure } from "../compare.js";
import { rowKey } from "../generate.js";
import { unpackVectors } from "../store.js";
import { QEMU_DIFFERENCES } from "./differences.js";
import { legacyExclusion } from "./excluded.js";
import { LegacyReplayer } from "./replayer.js";
import { kindOf } from "./settings.js";

const DATA = process.env.VECTOR_DATA ?? fileURLToPath(new URL("./data/", import.meta.url));
const ONLY = process.env.VECTORS;
const SHOWN = Number(process.env.FAILURES ?? 1);
/** IF, IOPL and VM: the whole of the flags is recorded. */
const SYSTEM_FLAGS = 0x200 | 0x3000 | 0x20000;
const BUILD_MS = 300_000;

const files = readdirSync(DATA).filter((f) => f.endsWith(".vec"));
const families = await loadTable();
const rows = new Map<string, Row>(families.flatMap((f) => f.rows.map((r): [string, Row] => [rowKey(r), r])));

/** Replays a file; what failed, in words. */
function failuresOf(file: string, replayer: LegacyReplayer): string[] {
  const out: string[] = [];
  const counts = new Map<string, number>();
  for (const [key, vector] of unpackVectors(readFileSync(join(DATA, file))).vectors) {
    const row = rows.get(key);
    if (row === undefined || (ONLY !== undefined && row.mnemonic !== ONLY)) continue;
    const got = replayer.run(vector);
    const parts = compareStates(row, vector, got, QEMU_DIFFERENCES, SYSTEM_FLAGS);
    if (parts.length === 0) continue;
    const n = (counts.get(key) ?? 0) + 1;
    counts.set(key, n);
    if (n <= SHOWN) out.push(describeFailure(key, vector, got, parts));
  }
  for (const [key, n] of counts) if (n > SHOWN) out.push(`${key}: ${n} failures`);
  return out;
}

describe("16- and 32-bit instructions leave what QEMU leaves", async () => {
  const replayer = new LegacyReplayer(await makeTestCore());
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
  const expected = families.flatMap((f) =>
    f.rows.filter((r) => legacyExclusion(r, f.module) === undefined).map(rowKey),
  );

  it("has vectors of every row, or says why not", () => {
    expect(expected.filter((key) => !recorded.has(key))).toEqual([]);
  });

  it("has no vectors of rows that are gone", () => {
    expect([...recorded].filter((key) => !rows.has(key))).toEqual([]);
  });

  it("has rows of each setting", () => {
    const kinds = new Set<string>();
    for (const file of files)
      for (const [, v] of unpackVectors(readFileSync(join(DATA, file))).vectors)
        kinds.add(`${kindOf(v.before)}/${v.mode}`);
    expect([...kinds].sort()).toEqual(["0/16", "0/32", "1/16", "2/16"]);
  });
});
