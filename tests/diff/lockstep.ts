/**
 * The same program in two machines, one that steps through it in the interpreter and one that runs regions. The second
 * runs until a region or block ends with the budget spent, or until a region ends, the first follows to the same
 * instruction, and their whole states are compared.
 */
import { Vcpu } from "../../wasm-core/abi/structs/vcpu.js";
import { makeTestCore, type TestCore } from "../support/core.js";
import { Random } from "../support/random.js";
import { TestRegions } from "../support/regions.js";
import { DiffMachine, differences, type Mode } from "./machine.js";
import { layOut, type Program } from "./program.js";
import { ALIAS, CODE } from "./space.js";
import { type RegionFunction, Trampolines } from "./trampolines.js";

/** Instructions of one program at most. */
const MOST_INSTRUCTIONS = 12_000;
/** Entries of a region before it is made again, where that is to be soon. */
const HOT = 3;
/** Steps without a retired instruction: elements of a repeated string instruction, an exception. */
const MOST_STEPS = 20_000;

/** More regions than one pair of machines makes. */
const SLOTS = 4096;
/** Budgets: small ones compare often; where each exit of a region is one anyway, regions are to go on. */
const BUDGETS = [1, 1, 2, 5, 20, 100, 400];
const LONG_BUDGETS = [20, 100, 400];

/** Runs in a row that retire nothing: the domain has crashed. */
const MOST_STALLED = 100;

/** Where the two parted. */
export interface Divergence {
  /** RIP and count of instructions at the comparison before, where both were still the same. */
  readonly rip: number;
  readonly icount: number;
  readonly budget: number;
  readonly lines: readonly string[];
}

/** How a program is run. */
export interface Trial {
  readonly mode: Mode;
  readonly threshold: number;
  /** Whether regions are made for size. */
  readonly areSlow: boolean;
  /** Whether they are soon made again, for speed, and lose the TLB now and then. */
  readonly areHot: boolean;
  /** Whether what blocks begin with counts as left often, so that regions that are made again call handlers there. */
  readonly areMissed: boolean;
  /** Whether each exit of a region ends a run; what it left to the interpreter is then done. */
  readonly everyExit: boolean;
  /** Modules of regions that there may be at once, where they are to make room for each other. */
  readonly modules?: number;
  readonly seed: number;
}

type Settings = Omit<Trial, "seed">;

/** The core, but a region that ends takes the rest of the budget with it, which is not counted. */
function endingWithRegions(core: TestCore): TestCore {
  const view = new DataView(core.memory.buffer);
  const { off } = Vcpu;
  const regions: RegionFunction[] = [];
  const trampolines = new Trampolines(core, SLOTS, (cpu, slot) => {
    const exit = regions[slot]!(cpu);
    const left = view.getInt32(cpu + off.budget, true);
    if (left <= 0) return exit;
    view.setInt32(cpu + off.budget, 0, true);
    view.setBigInt64(cpu + off.icount, view.getBigInt64(cpu + off.icount, true) - BigInt(left), true);
    return exit;
  });
  return { ...core, call: { ...core.call, table: trampolines.table(regions) as WebAssembly.Table } };
}

export class Lockstep {
  instructions = 0;
  inRegions = 0;
  inHandlers = 0;
  comparisons = 0;

  private constructor(
    readonly interpreter: DiffMachine,
    readonly compiled: DiffMachine,
    readonly regions: TestRegions,
    readonly settings: Settings,
  ) {}

  static async create(settings: Settings): Promise<Lockstep> {
    const { threshold, mode, areSlow, areHot, areMissed, everyExit, modules } = settings;
    const cores = [await makeTestCore(), await makeTestCore()] as const;
    const interpreter = new DiffMachine(cores[0], mode);
    interpreter.stepSingly();
    const compiled = new DiffMachine(cores[1], mode);
    const limits = modules === undefined ? {} : { modules };
    const regions = new TestRegions(everyExit ? endingWithRegions(cores[1]) : cores[1], threshold, limits);
    regions.areSlow = areSlow;
    regions.areMissed = areMissed;
    if (areHot) regions.setHot(HOT);
    return new Lockstep(interpreter, compiled, regions, settings);
  }

  /** Runs the program in both; where they part, or undefined. */
  run(program: Program, seed: number): Divergence | undefined {
    const { interpreter, compiled, regions } = this;
    const { areHot, everyExit } = this.settings;
    const { bytes, labels } = layOut(program, CODE);
    const end = labels.get(program.end) ?? 0;
    const random = new Random(seed ^ 0x5bd1e995);
    for (const m of [interpreter, compiled]) m.load(bytes, seed, end);
    const before = { all: compiled.regionInstructions, handlers: compiled.regionHandlers };
    let found: Divergence | undefined;
    let stalled = 0;
    while (
      compiled.icount < MOST_INSTRUCTIONS &&
      compiled.rip !== end &&
      compiled.rip !== end + ALIAS - CODE &&
      stalled < MOST_STALLED
    ) {
      // The jump cache goes along, and would count entries for the block by hundreds.
      if (areHot && random.below(6) === 0) compiled.core.call.testFlush(compiled.cpu);
      const here = { rip: compiled.rip, icount: compiled.icount };
      const entries = compiled.regionEntries;
      const budget = random.pick(everyExit ? LONG_BUDGETS : BUDGETS);
      compiled.run(budget);
      const lines = this.#follow();
      this.comparisons++;
      if (everyExit && compiled.regionEntries > entries + 1) throw new Error("a run went on behind a region");
      if (lines.length > 0) {
        found = { ...here, budget, lines };
        break;
      }
      regions.settle(compiled.cpu);
      stalled = compiled.icount === here.icount ? stalled + 1 : 0;
    }
    this.instructions += compiled.icount;
    this.inRegions += compiled.regionInstructions - before.all;
    this.inHandlers += compiled.regionHandlers - before.handlers;
    return found;
  }

  /** Takes the interpreter to where the other is; what differs there. */
  #follow(): string[] {
    const { interpreter, compiled } = this;
    for (let behind = compiled.icount - interpreter.icount; behind > 0; behind = compiled.icount - interpreter.icount)
      interpreter.run(behind);
    let lines = differences(interpreter, compiled);
    const first = lines;
    for (let step = 0; lines.length > 0 && step < MOST_STEPS; step++) {
      interpreter.run(1);
      if (interpreter.icount > compiled.icount) return first;
      lines = differences(interpreter, compiled);
    }
    return lines;
  }
}
