/** The recorded programs in regions of each kind, as random ones run. */
import { expect, it } from "vitest";
import { Assembler, Disassembler } from "../../wasm-core/isa/asm/index.js";
import { loadTable } from "../../wasm-core/isa/table.js";
import { Lockstep } from "./lockstep.js";
import { Draft, type Program } from "./program.js";
import { RECORDED } from "./recorded.js";
import { report } from "./report.js";
import { CODE } from "./space.js";

const SEEDS = [1, 2, 3, 4];
const table = await loadTable();
const assembler = new Assembler(table);
const disassembler = new Disassembler(table);
const KINDS = Array.from({ length: 8 }, (_, n) => ({
  areSlow: (n & 1) !== 0,
  areHot: (n & 2) !== 0,
  areMissed: (n & 2) !== 0,
  everyExit: (n & 4) !== 0,
}));

function programOf(source: string): Program {
  const { bytes } = assembler.assemble(source, { origin: CODE });
  const draft = new Draft();
  draft.items.push({ kind: "bytes", bytes });
  const end = draft.here();
  draft.items.push({ kind: "bytes", bytes: Uint8Array.of(0xeb, 0xfe) });
  return { items: draft.items, end };
}

it.each(RECORDED)("$name", async ({ mode, source }) => {
  const program = programOf(`.code${mode}\n${source}`);
  for (const kind of KINDS) {
    const settings = { ...kind, mode, threshold: 1 };
    const lockstep = await Lockstep.create(settings);
    for (const seed of SEEDS) {
      const found = lockstep.run(program, seed);
      if (found !== undefined) throw new Error(await report(program, { ...settings, seed }, found, disassembler));
    }
    expect(lockstep.inRegions, JSON.stringify(kind)).toBeGreaterThan(0);
  }
});
