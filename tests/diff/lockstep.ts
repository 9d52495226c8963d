/**
 * The same program in two machines, one that steps through it in the interpreter and one that runs regions. The second
 * runs until a region or block ends with the budget spent, the first follows to the same instruction, and their whole
 * states are compared.
 */
import { makeTestCore } from "../support/core.js";
import { Random } from "../support/random.js";
import { TestRegions } from "../support/regions.js";
import { DiffMachine, differences, type Mode } from "./machine.js";
import { layOut, type Program } from "./program.js";
import { ALIAS, CODE } from "./space.js";

/** Instructions of one program at most. */
const MOST_INSTRUCTIONS = 12_000;
/** Entries of a region before it is made again, where that is to be soon. */
const HOT = 3;
/** Steps without a retired instruction: elements of a repeated string instruction, an exception. */
const MOST_STEPS = 20_000;

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
  readonly seed: number;
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
    readonly areHot: boolean,
  ) {}

  static async create({ threshold, mode, areSlow, areHot }: Omit<Trial, "seed">): Promise<Lockstep> {
    const cores = [await makeTestCore(), await makeTestCore()] as const;
    const interpreter = new DiffMachine(cores[0], mode);
    interpreter.stepSingly();
    const compiled = new DiffMachine(cores[1], mode);
    const regions = new TestRegions(cores[1], threshold);
    regions.areSlow = areSlow;
    if (areHot) regions.setHot(HOT);
    return new Lockstep(interpreter, compiled, regions, areHot);
  }

  /** Runs the program in both; where they part, or undefined. */
  run(program: Program, seed: number): Divergence | undefined {
    const { interpreter, compiled, regions, areHot } = this;
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
      const budget = random.pick([1, 1, 2, 5, 20, 100, 400]);
      compiled.run(budget);
      const lines = this.#follow();
      this.comparisons++;
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
