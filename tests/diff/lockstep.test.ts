/**
 * Random programs in regions and in the interpreter. SEED picks the first seed, RUNS how many follow; a program that
 * diverges is made small and printed.
 */
import { expect, it } from "vitest";
import { Assembler, Disassembler } from "../../wasm-core/isa/asm/index.js";
import { loadTable } from "../../wasm-core/isa/table.js";
import { fuzz, randomOf } from "../fuzz/seeds.js";
import type { Random } from "../support/random.js";
import { EdgeMaker } from "./edges.js";
import { ProgramMaker } from "./generate.js";
import { Instructions } from "./instruction.js";
import { Lines } from "./lines.js";
import { Lockstep } from "./lockstep.js";
import type { Mode } from "./machine.js";
import type { Program } from "./program.js";
import { report } from "./report.js";
import { WalkMaker } from "./walks.js";

const SEEDS = 40;
/** Programs that one pair of machines runs. */
const PROGRAMS = 6;
const THRESHOLDS = [1, 1, 2, 6, 25];
/** Modules of regions that there may be, for a part of the seeds. */
const MODULES = 4;
/** Seeds of a program's data, apart from those of its code. */
const DATA_SEED = 1000;

const table = await loadTable();
const instructions = { 64: new Instructions(table, 64), 32: new Instructions(table, 32) };
const disassembler = new Disassembler(table);
const assembler = new Assembler(table);

type Make = (random: Random, mode: Mode) => Program;

const anything: Make = (random, mode) => new ProgramMaker(random, instructions[mode], mode).make();
const walks: Make = (random, mode) => new WalkMaker(random, new Lines(assembler, mode)).make();
const edges: Make = (random, mode) => new EdgeMaker(random, new Lines(assembler, mode)).make();

/** Runs what `make` makes; the share of instructions that ran in regions. */
async function share(what: string, seeds: number, mode: Mode, make: Make): Promise<number> {
  let instructionsRun = 0;
  let inRegions = 0;
  await fuzz(what, seeds, async (seed) => {
    const random = randomOf(seed);
    const threshold = random.pick(THRESHOLDS);
    const areSlow = seed % 2 === 0;
    const areHot = seed % 4 >= 2;
    const areMissed = seed % 8 >= 3;
    const everyExit = seed % 16 >= 12;
    const limits = seed % 16 === 1 || seed % 16 === 6 ? { modules: MODULES } : {};
    const settings = { threshold, mode, areSlow, areHot, areMissed, everyExit, ...limits };
    const lockstep = await Lockstep.create(settings);
    for (let n = 0; n < PROGRAMS; n++) {
      const program = make(random, mode);
      const trial = { ...settings, seed: seed * DATA_SEED + n };
      const found = lockstep.run(program, trial.seed);
      if (found !== undefined) throw new Error(await report(program, trial, found, disassembler));
    }
    instructionsRun += lockstep.instructions;
    inRegions += lockstep.inRegions;
  });
  const part = inRegions / instructionsRun;
  process.stderr.write(`${what}: ${instructionsRun} instructions, ${(100 * part).toFixed(0)} % of them in regions\n`);
  return part;
}

const LONG = { timeout: 3_600_000 };

it("random programs leave the same state in regions as in the interpreter", LONG, async () => {
  expect(await share("lockstep", SEEDS, 64, anything)).toBeGreaterThan(0.4);
});

it("32-bit programs do", LONG, async () => {
  expect(await share("lockstep of 32-bit code", SEEDS, 32, anything)).toBeGreaterThan(0.3);
});

for (const mode of [64, 32] as const) {
  it(`accesses around the ends of pages do, in ${mode}-bit code`, LONG, async () => {
    expect(await share(`lockstep at page ends, ${mode} bits`, SEEDS, mode, edges)).toBeGreaterThan(0.3);
  });

  it(`loops that walk through memory do, in ${mode}-bit code`, LONG, async () => {
    expect(await share(`lockstep of walks, ${mode} bits`, SEEDS, mode, walks)).toBeGreaterThan(0.5);
  });
}
