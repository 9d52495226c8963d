/**
 * What small programs become: the WebAssembly of their regions as text, in expect/. UPDATE=1 writes the files anew; what
 * changes there is for a reader to judge.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { Vcpu } from "../../wasm-core/abi/structs/vcpu.js";
import { Assembler } from "../../wasm-core/isa/asm/index.js";
import { loadTable } from "../../wasm-core/isa/table.js";
import type { RegionEntry } from "../../wasm-core/jit/book.js";
import { MachineView } from "../../wasm-core/jit/region/machine-view.js";
import { makeTestCore } from "../support/core.js";
import { LongModeMachine } from "../support/machine.js";
import { REGION_FRAMES, TestRegions } from "../support/regions.js";
import { GOLDEN, type Golden } from "./programs.js";

const CODE = 0x400000;
const DATA = 0x500000;
const DATA_BYTES = 0x2000;
/** Rounds that the programs' counters are set to. */
const ROUNDS = 6;
/** Entries of a region before it is made again, and more rounds than that takes. */
const HOT = 8;
const HOT_ROUNDS = 2000;
const [RCX, RSP, RSI] = [1, 4, 6];
const assembler = new Assembler(await loadTable());

async function listingOf({ source, hot }: Golden): Promise<string> {
  const core = await makeTestCore();
  const machine = new LongModeMachine(core, REGION_FRAMES);
  machine.placeUser(CODE, assembler.assemble(`.code64\n${source}`, { origin: CODE }).bytes, true);
  machine.mapUser({ linear: DATA, bytes: DATA_BYTES, writable: true });
  const view = new DataView(core.memory.buffer);
  // As FNINIT leaves it.
  view.setUint16(machine.cpu + Vcpu.off.fcw, 0x37f, true);
  view.setUint16(machine.cpu + Vcpu.off.ftw, 0xffff, true);
  machine.begin({ rip: CODE, registers: { [RCX]: hot ? HOT_ROUNDS : ROUNDS, [RSP]: DATA + 0x1800, [RSI]: DATA } });
  const rounds = (turns: number): void => {
    for (let i = 0; i < turns && view.getUint8(machine.cpu + Vcpu.off.cpl) === 3; i++) {
      core.call.testRun(machine.cpu, 1);
      regions.settle(machine.cpu);
    }
  };
  // The second round finds blocks of all that the first one ran.
  const regions = new TestRegions(core, 2);
  if (hot) regions.setHot(HOT);
  rounds(hot ? 4000 : 100);
  const now = new MachineView(core.memory.buffer);
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
