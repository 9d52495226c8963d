/**
 * What wasm-core/jit/effects.ts says of handlers, held against every recorded vector: a register that is not written
 * keeps its value, and one that is not read may hold anything. Regions keep registers in locals by that word alone.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import type { Row } from "../../wasm-core/isa/row.js";
import { loadTable } from "../../wasm-core/isa/table.js";
import { type Effects, registersOf } from "../../wasm-core/jit/effects.js";
import { makeTestCore } from "../support/core.js";
import { compareStates, describeFailure } from "./compare.js";
import { isWanted } from "./failures.js";
import { rowKey } from "./generate.js";
import { InsnReplayer } from "./insn-replayer.js";
import type { Vector } from "./layout.js";
import { unpackVectors } from "./store.js";

const DATA = process.env.VECTOR_DATA ?? fileURLToPath(new URL("./data/", import.meta.url));
const BUILD_MS = 300_000;
const POISON = 0x00001badf00d5000n;
const ARITHMETIC = 0x8d5;
const REGISTERS = Array.from({ length: 16 }, (_, n) => n);

const families = await loadTable();
const rows = new Map<string, Row>(families.flatMap((f) => f.rows.map((r): [string, Row] => [rowKey(r), r])));

/** The vector with other values in what the handler does not read; they must be there afterwards, too. */
function poisoned(v: Vector, effects: Effects): Vector {
  const [before, after] = [v.before.copy(), v.after.copy()];
  for (const n of REGISTERS) {
    if (effects.reads.includes(n)) continue;
    before.setGpr(n, POISON + BigInt(n));
    after.setGpr(n, POISON + BigInt(n));
  }
  if (!effects.flags) {
    before.flags ^= ARITHMETIC;
    after.flags = (after.flags & ~ARITHMETIC) | (before.flags & ARITHMETIC);
  }
  return { ...v, before, after };
}

function claimsOf(v: Vector, effects: Effects): string[] {
  const out: string[] = [];
  for (const n of REGISTERS) {
    if (effects.writes.includes(n) && !effects.reads.includes(n)) out.push(`register ${n} is written and not read`);
    if (!effects.writes.includes(n) && v.before.gpr(n) !== v.after.gpr(n)) out.push(`register ${n} changes`);
  }
  return out;
}

describe("handlers touch what effects.ts says and nothing else", async () => {
  const replayer = new InsnReplayer(await makeTestCore());
  it.each(readdirSync(DATA).filter((f) => f.endsWith(".vec")))(
    "%s",
    (file) => {
      const out = new Map<string, string>();
      for (const [key, vector] of unpackVectors(readFileSync(join(DATA, file))).vectors) {
        const row = rows.get(key);
        if (!isWanted(row) || vector.mode !== 64 || out.has(key)) continue;
        const insn = replayer.insnOf(vector);
        const effects = insn && registersOf(insn);
        // Where everything is spilled nothing is claimed; the instruction's own faults are somebody else's test.
        if (effects === undefined || (effects.reads.length === REGISTERS.length && effects.flags)) continue;
        const claims = claimsOf(vector, effects);
        const other = poisoned(vector, effects);
        const got = replayer.run(other);
        const parts = compareStates(row, other, got);
        if (claims.length > 0) out.set(key, `${key}: ${claims.join(", ")}`);
        else if (parts.length > 0) out.set(key, describeFailure(key, other, got, parts));
      }
      expect([...out.values()].join("\n")).toBe("");
    },
    BUILD_MS,
  );
});
