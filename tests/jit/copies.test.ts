/** What regions copy of code that has a region of its own, and what they leave to that. */
import { describe, expect, it } from "vitest";
import { JUMP_SLICE } from "../../wasm-core/abi/structs/translation.js";
import { Assembler } from "../../wasm-core/isa/asm/index.js";
import { loadTable } from "../../wasm-core/isa/table.js";
import { makeTestCore, type TestCore } from "../support/core.js";
import { LongModeMachine } from "../support/machine.js";
import { REGION_FRAMES, TestRegions } from "../support/regions.js";

const CODE = 0x400000;
const PAGE = 4096;
const STACK = 0x500000;
const THRESHOLD = 4;
const HOT = 2 * JUMP_SLICE;
const SLICE = 40;
const [RAX, RCX, RSP] = [0, 1, 4];
const assembler = new Assembler(await loadTable());

class Guest {
  readonly #cpu: number;
  readonly #stack: number;
  readonly #symbols: ReadonlyMap<string, bigint>;
  readonly regions: TestRegions | undefined;

  private constructor(
    readonly core: TestCore,
    readonly machine: LongModeMachine,
    source: string,
    compiles: boolean,
  ) {
    this.#cpu = machine.cpu;
    const { bytes, symbols } = assembler.assemble(`.code64\n${source}\nout: jmp out\n`, { origin: CODE });
    this.#symbols = symbols;
    machine.placeUser(CODE, bytes, false);
    this.#stack = machine.mapUser({ linear: STACK, bytes: PAGE, writable: true })[0]!;
    if (!compiles) return;
    this.regions = new TestRegions(core, THRESHOLD);
    this.regions.setHot(HOT);
  }

  static async create(source: string, compiles = true): Promise<Guest> {
    const core = await makeTestCore();
    return new Guest(core, new LongModeMachine(core, REGION_FRAMES), source, compiles);
  }

  /**
   * Runs from the label, to which `out` is the caller, until it comes there: RAX then.
   * @param settles whether regions are made meanwhile
   */
  run(label: string, rounds: number, settles = true): bigint {
    const out = this.#symbols.get("out")!;
    new DataView(this.core.memory.buffer).setBigUint64(this.#stack + PAGE - 8, out, true);
    this.machine.begin({ rip: this.#symbols.get(label)!, registers: { [RCX]: rounds, [RSP]: STACK + PAGE - 8 } });
    while (this.machine.rip !== out) {
      this.core.call.testRun(this.#cpu, SLICE);
      if (settles) this.settle();
    }
    return this.machine.register(RAX);
  }

  /** Makes the regions that were asked for. */
  settle(): void {
    this.regions?.settle(this.#cpu);
  }

  /** All regions as their x86 instructions, a line each. */
  texts(): string[][] {
    const { book } = this.regions!.compiler;
    const view = this.regions!.compiler.look();
    return book.list(view).map(({ id }) => book.describe(view, id, false)!.split("\n"));
  }
}

const count = (lines: readonly string[], mnemonic: string): number =>
  lines.filter((line) => line.includes(`  ${mnemonic} `)).length;

/** A function of about twice as many nodes as it has steps. */
function callee(steps: number): string {
  const step = "shr edx, 1; jnc 1f; add eax, 3; 1: ";
  return `mov edx, ecx; imul edx, edx, 0x9e3779b1; ${step.repeat(steps)}ret`;
}

it("regions that are made at the same time do not copy each other", async () => {
  // The second part asks first, and does not lead to the first one as far as its region knows.
  const source = `first: lea eax, [rax + 2]; jmp second
second: dec ecx; jz done; mov edx, first; jmp rdx
done: ret`;
  const guest = await Guest.create(source);
  expect(guest.run("second", 2 * THRESHOLD, false)).toBe(4n * BigInt(THRESHOLD) - 2n);
  guest.settle();
  const [first, second] = guest.texts();
  expect([count(first!, "lea"), count(first!, "dec")]).toEqual([1, 0]);
  expect([count(second!, "lea"), count(second!, "dec")]).toEqual([0, 1]);
});

describe("a function that has a region for speed already", () => {
  const program = (steps: number) => `start: lea eax, [rax + rax * 2 + 1]; call part; dec ecx; jnz start; ret
part: ${callee(steps)}`;
  const cases = [
    { steps: 30, is: "left to it where it is large", copies: 0 },
    { steps: 5, is: "taken in where it is small", copies: 5 },
  ];
  it.each(cases)("is $is", async ({ steps, copies }) => {
    const guest = await Guest.create(program(steps));
    const interpreted = await Guest.create(program(steps), false);
    for (let n = 0; n < 2 * HOT; n++) guest.run("part", n);
    expect(guest.texts().map((lines) => count(lines, "shr"))).toContain(steps);
    expect(guest.run("start", 20 * HOT)).toBe(interpreted.run("start", 20 * HOT));
    const callers = guest.texts().filter((lines) => count(lines, "call") > 0);
    expect(Math.max(...callers.map((lines) => count(lines, "shr")))).toBe(copies);
  });
});
