/**
 * What small programs become: the WebAssembly of their regions as text, in expect/. UPDATE=1 writes the files anew; what
 * changes there is for a reader to judge.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import type { RegionEntry } from "../../wasm-core/jit/book.js";
import { MachineView } from "../../wasm-core/jit/region/machine-view.js";
import { TestRegions } from "../support/regions.js";
import { CODE, GoldenMachine } from "./golden-machine.js";
import { GOLDEN, type Golden } from "./programs.js";

/** Rounds that the programs' counters are set to. */
const ROUNDS = 6;
/** Entries of a region before it is made again, and more rounds than that takes. */
const HOT = 8;
const HOT_ROUNDS = 2000;

async function listingOf({ source, hot, mode }: Golden): Promise<string> {
  const golden = await GoldenMachine.create();
  golden.begin(source, hot ? HOT_ROUNDS : ROUNDS, mode);
  // The second round finds blocks of all that the first one ran.
  const regions = new TestRegions(golden.core, 2);
  if (hot) regions.setHot(HOT);
  golden.run(hot ? 4000 : 100, () => void regions.settle(golden.cpu));
  const now = new MachineView(golden.core.memory.buffer);
  const made = regions.compiler.book.list(now);
  const found = hot ? lastOf(made) : made.find((r) => Number.parseInt(r.rip, 16) === CODE);
  return (found && regions.compiler.book.describe(now, found.id, true)) ?? "no region";
}

const lastOf = (regions: readonly RegionEntry[]): RegionEntry | undefined =>
  regions.reduce((last, r) => (r.id > last.id ? r : last), regions[0]!);

describe("regions of small programs are what was read and found good", () => {
  it.each(GOLDEN)("$name", async (golden) => {
    const text = `${golden.source.trim().replaceAll(/^ {8}/gm, "  ")}\n\n${await listingOf(golden)}`;
    const path = fileURLToPath(new URL(`./expect/${golden.name}.txt`, import.meta.url));
    if (process.env.UPDATE === "1") writeFileSync(path, text);
    expect(text).toBe(readFileSync(path, "utf8"));
  });
});
