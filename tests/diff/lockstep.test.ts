/**
 * Random programs in the interpreter and in regions: the same state wherever a region ends. SEED and RUNS as in
 * tests/fuzz/seeds.ts; a failure is made small and shown with its program.
 */
import { expect, it } from "vitest";
import { Disassembler } from "../../wasm-core/isa/asm/index.js";
import { loadTable } from "../../wasm-core/isa/table.js";
import { fuzz, randomOf } from "../fuzz/seeds.js";
import { ProgramMaker } from "./generate.js";
import { Instructions } from "./instruction.js";
import { type Divergence, Lockstep } from "./lockstep.js";
import { layOut, type Program } from "./program.js";
import { shrink } from "./shrink.js";
import { CODE } from "./space.js";

const SEEDS = 40;
/** Programs that one pair of machines runs. */
const PROGRAMS = 6;
const THRESHOLDS = [1, 1, 2, 6, 25];
/** Seeds of a program's data, apart from those of its code. */
const DATA_SEED = 1000;

const table = await loadTable();
const instructions = new Instructions(table);
const disassembler = new Disassembler(table);

function listing(program: Program): string {
  const { bytes, labels } = layOut(program, CODE);
  const names = new Map([...labels].map(([label, at]) => [at, label]));
  const lines: string[] = [];
  for (const line of disassembler.lines(bytes, 64, BigInt(CODE))) {
    const label = names.get(Number(line.address));
    if (label !== undefined) lines.push(`L${label}:`);
    lines.push(`  ${line.address.toString(16)}  ${Buffer.from(line.bytes).toString("hex").padEnd(22)} ${line.text}`);
  }
  return lines.join("\n");
}

function describeDivergence({ rip, icount, budget, lines }: Divergence): string {
  return `after instruction ${icount} at ${rip.toString(16)}, within a run of ${budget}: name, interpreter, regions\n  ${lines.join("\n  ")}`;
}

async function report(program: Program, threshold: number, seed: number, found: Divergence): Promise<string> {
  let last = found;
  const again = async (p: Program): Promise<boolean> => {
    const d = (await Lockstep.create(threshold)).run(p, seed);
    if (d !== undefined) last = d;
    return d !== undefined;
  };
  if (!(await again(program)))
    return `${describeDivergence(found)}\nonly after the programs before it\n${listing(program)}`;
  const small = await shrink(program, again);
  await again(small);
  return `${describeDivergence(last)}\n${listing(small)}`;
}

it("random programs leave the same state in regions as in the interpreter", { timeout: 3_600_000 }, async () => {
  let instructionsRun = 0;
  let inRegions = 0;
  await fuzz("lockstep", SEEDS, async (seed) => {
    const random = randomOf(seed);
    const threshold = random.pick(THRESHOLDS);
    const lockstep = await Lockstep.create(threshold);
    for (let n = 0; n < PROGRAMS; n++) {
      const program = new ProgramMaker(random, instructions).make();
      const found = lockstep.run(program, seed * DATA_SEED + n);
      if (found !== undefined) throw new Error(await report(program, threshold, seed * DATA_SEED + n, found));
    }
    instructionsRun += lockstep.instructions;
    inRegions += lockstep.inRegions;
  });
  const share = inRegions / instructionsRun;
  process.stderr.write(`lockstep: ${instructionsRun} instructions, ${(100 * share).toFixed(0)} % of them in regions\n`);
  expect(share).toBeGreaterThan(0.4);
});
