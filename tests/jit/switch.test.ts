/**
 * Interpreters in the guest: a region that is entered often takes in where its indirect jumps went and goes on there without
 * being left. Random ones run in the interpreter and in regions, and must come to the same.
 */
import { describe, expect, it } from "vitest";
import { JIT_TARGETS, Jit, JitTarget } from "../../wasm-core/abi/structs/jit.js";
import { Vcpu } from "../../wasm-core/abi/structs/vcpu.js";
import { Assembler } from "../../wasm-core/isa/asm/index.js";
import { loadTable } from "../../wasm-core/isa/table.js";
import { MachineView } from "../../wasm-core/jit/region/machine-view.js";
import { makeTestCore, type TestCore } from "../support/core.js";
import { LongModeMachine } from "../support/machine.js";
import { Random } from "../support/random.js";
import { REGION_FRAMES, TestRegions } from "../support/regions.js";

const CODE = 0x400000;
const CODE_BYTES = 0x3000;
const DATA = 0x500000;
/** Whose page lies in the TLB where the first one of the code does. */
const RIVAL = 0xc01000;
const PAGE = 4096;
/** Where the interpreted program begins in the data, behind the table of handlers. */
const PROGRAM = 1024;
const PROGRAM_BYTES = 64;
/** Behind the handlers. */
const OUT = CODE + CODE_BYTES - 16;
const HOT = 40;
const [RCX, RBX, RSP, RSI] = [1, 3, 4, 6];
const { off } = Vcpu;
const assembler = new Assembler(await loadTable());

interface Program {
  readonly mode: 32 | 64;
  /** Assembler, with labels h0, h1 … of the handlers, and n0, n1 … of what they may be exchanged for. */
  readonly source: string;
  readonly handlers: readonly number[];
  readonly program: Uint8Array;
}

/** What a handler does; rdx, rdi, r8 … are the interpreted program's. */
const WORK = [
  "add edx, 7",
  "xor edx, edi",
  "imul edi, edi, 31; add edi, edx",
  "ror edx, 5; jc 1f; inc edi; 1: nop",
  "push rdi; add edx, [rsp]; pop rdi",
  "cmp edx, edi; setb dl",
  "call helper",
  "mov eax, [rbx + 2048]; add eax, edi; mov [rbx + 2048], eax",
  `add edx, [0x${RIVAL.toString(16)}]`,
] as const;

/** A handler that may be changed, and how it begins before and afterwards. */
const CHANGED = 1;
const BEFORE = "add edx, 0x11223345; ";
const AFTERWARDS = "add edx, 0x55667787";

/** How the interpreter goes on behind a handler: to one place that jumps, by a jump of its own, or back to a loop that calls. */
type Style = "loop" | "threaded" | "calls";
const STYLES: readonly Style[] = ["loop", "threaded", "calls"];

function makeProgram(random: Random, mode: 32 | 64, style: Style): Program {
  const a = mode === 64 ? "r" : "e";
  const fetch = `movzx eax, byte ptr [${a}si]; inc ${a}si`;
  const target = `[${a}bx + ${a}ax * ${mode / 8}]`;
  const ways: Readonly<Record<Style, readonly [head: string, tail: string]>> = {
    loop: [`${fetch}; jmp ${target}`, "jmp again"],
    threaded: [`${fetch}; jmp ${target}`, `${fetch}; jmp ${target}`],
    calls: [`${fetch}; call ${target}; jmp again`, "ret"],
  };
  const [head, tail] = ways[style];
  const count = 2 + random.below(style === "calls" ? 3 : 14);
  const parts: string[] = [`again: ${head}`];
  const register = (text: string): string =>
    mode === 64 ? text : text.replaceAll(/\br([a-d]x|[sd]i|[sb]p)\b/g, "e$1");
  for (let h = 0; h < count; h++) {
    const work = register(WORK[random.below(WORK.length)]!);
    // The first one begins the program anew, so many times.
    const anew = `sub ${a}si, ${PROGRAM_BYTES}; dec ecx; jz 0x${OUT.toString(16)}; `;
    parts.push(`.skip ${random.once(3) ? random.below(800) : random.below(20)}, 0xcc`);
    const first = h === 0 ? anew : "";
    parts.push(`h${h}: ${first}${h === CHANGED ? BEFORE : ""}${work}; ${tail}`);
    // The same place in the table may come to mean this.
    parts.push(`n${h}: ${first}lea edx, [${a}dx + ${a}dx * 2 + ${h + 1}]; ${tail}`);
  }
  parts.push(`helper: lea edi, [${a}di + ${a}di * 2 + 1]; ret`);
  const program = new Uint8Array(PROGRAM_BYTES);
  for (let i = 0; i < PROGRAM_BYTES - 1; i++) program[i] = 1 + random.below(count - 1);
  return { mode, source: parts.join("\n"), handlers: [...Array(count).keys()], program };
}

interface State {
  readonly registers: readonly bigint[];
  readonly rip: bigint;
  readonly eflags: number;
  readonly instructions: bigint;
  readonly data: Buffer;
}

class Runner {
  readonly machine: LongModeMachine;
  readonly regions: TestRegions;
  /** Whether other code that is noted at the same places takes the counts of jumps away all the time. */
  losesCounts = false;
  readonly #view: DataView;
  readonly #code: readonly number[];
  readonly #data: number;
  readonly #symbols: ReadonlyMap<string, bigint>;

  private constructor(
    readonly core: TestCore,
    readonly program: Program,
  ) {
    this.machine = new LongModeMachine(core, REGION_FRAMES);
    this.regions = new TestRegions(core, 4);
    this.regions.setHot(HOT);
    this.#view = new DataView(core.memory.buffer);
    const { mode, source, program: bytecode } = program;
    const text = `.code${mode}\n${source}\n.org 0x${OUT.toString(16)}\nout: jmp out\n`;
    const { bytes, symbols } = assembler.assemble(text, { origin: CODE });
    this.#symbols = symbols;
    this.#code = this.machine.placeUser(CODE, bytes, false);
    this.#data = this.machine.mapUser({ linear: DATA, bytes: PAGE, writable: true })[0]!;
    this.machine.mapUser({ linear: RIVAL, bytes: PAGE, writable: false });
    new Uint8Array(core.memory.buffer).set(bytecode, this.#data + PROGRAM);
    this.#useHandlers("h");
  }

  static async create(program: Program): Promise<Runner> {
    return new Runner(await makeTestCore(), program);
  }

  #set(at: number, value: bigint): void {
    if (this.program.mode === 64) this.#view.setBigUint64(at, value, true);
    else this.#view.setUint32(at, Number(value), true);
  }

  /** Begins the program, which is to be gone through so many times. */
  begin(rounds: number): void {
    const registers = { [RCX]: rounds, [RBX]: DATA, [RSP]: DATA + PAGE - 64, [RSI]: DATA + PROGRAM };
    this.machine.begin({ rip: CODE, registers, mode: this.program.mode });
    this.#view.setUint32(this.#data + 2048, 0, true);
  }

  field(at: number): bigint {
    return this.#view.getBigUint64(this.machine.cpu + at, true);
  }

  #useHandlers(kind: "h" | "n"): void {
    const { handlers, mode } = this.program;
    for (const h of handlers) this.#set(this.#data + (h * mode) / 8, this.#symbols.get(`${kind}${h}`)!);
  }

  /** From now on the handlers are others, where nobody has been yet. */
  exchange(): void {
    this.#useHandlers("n");
  }

  /** Changes a handler, where it is or in a copy of its page that then lies there. */
  change(elsewhere: boolean): void {
    const at = Number(this.#symbols.get(`h${CHANGED}`)! - BigInt(CODE));
    const { bytes } = assembler.assemble(`.code${this.program.mode}\n${AFTERWARDS}`, { origin: CODE + at });
    const page = at & ~(PAGE - 1);
    const gpa = elsewhere ? this.#copyOf(page) : undefined;
    const host = gpa === undefined ? this.#code[page / PAGE]! : this.machine.at(gpa);
    if (gpa === undefined) this.machine.forgetCode(host);
    new Uint8Array(this.core.memory.buffer).set(bytes, host + (at & (PAGE - 1)));
    if (gpa !== undefined) this.machine.replaceUser(CODE + page, gpa);
  }

  /** A page that nothing is mapped to, with what the code has at offset `page`. */
  #copyOf(page: number): bigint {
    const [gpa] = this.machine.reserve(1);
    const from = this.#code[page / PAGE]!;
    new Uint8Array(this.core.memory.buffer).copyWithin(this.machine.at(gpa!), from, from + PAGE);
    return gpa!;
  }

  /** All of the code lies elsewhere from now on, and nobody says so. */
  move(): void {
    for (let page = 0; page < CODE_BYTES; page += PAGE) this.machine.replaceSilently(CODE + page, this.#copyOf(page));
  }

  #loseCounts(): void {
    const table = this.#view.getUint32(this.regions.compiler.host.jit + Jit.off.targets, true);
    for (let n = 0; n < JIT_TARGETS; n++) {
      const at = table + n * JitTarget.size + JitTarget.off.count;
      if (this.#view.getUint32(at, true) > 1) this.#view.setUint32(at, 1, true);
    }
  }

  state(before: bigint): State {
    const { cpu } = this.machine;
    return {
      registers: Array.from({ length: 16 }, (_, n) => this.machine.register(n)),
      rip: this.machine.rip,
      eflags: this.#view.getUint32(cpu + off.eflags, true),
      instructions: this.field(off.icount) - before,
      data: Buffer.from(new Uint8Array(this.core.memory.buffer).slice(this.#data, this.#data + PAGE)),
    };
  }

  /** Runs slices of so many instructions until the program is out, and moves its code before one; the state at its end. */
  run(rounds: number, slice: number, inRegions: boolean, movesAt = Number.POSITIVE_INFINITY): State {
    this.begin(rounds);
    const before = this.field(off.icount);
    for (let turn = 0; turn < 100_000; turn++) {
      if (this.machine.rip === BigInt(OUT)) return this.state(before);
      if (turn === movesAt) this.move();
      this.core.call.testRun(this.machine.cpu, slice);
      if (this.losesCounts) this.#loseCounts();
      if (inRegions) this.regions.settle(this.machine.cpu);
    }
    throw new Error(`the program does not end: RIP ${this.machine.rip.toString(16)}`);
  }
}

/** Rounds of a program, long enough for all its regions to be made again. */
const ROUNDS = 200;
/** Instructions of a slice: fewer than a handler has, some handlers, a few rounds. */
const SLICES = [3, 50, 1000];

/** The same program, one in the interpreter alone. */
async function both(program: Program): Promise<{ plain: Runner; tested: Runner }> {
  return { plain: await Runner.create(program), tested: await Runner.create(program) };
}

function compare(plain: Runner, tested: Runner, slice: number, what: string, movesAt?: number): State {
  const found = tested.run(ROUNDS, slice, true, movesAt);
  const wanted = plain.run(ROUNDS, slice, false, movesAt);
  // The last slice goes on at the end of the program for as long as it happens to have left.
  expect({ ...found, instructions: 0n }, what).toEqual({ ...wanted, instructions: 0n });
  return found;
}

describe.each(STYLES)("an interpreter in the guest: %s", (style) => {
  it.each([
    { mode: 64, losesCounts: false },
    { mode: 32, losesCounts: false },
    { mode: 64, losesCounts: true },
  ] as const)(
    "comes to the same in regions, and stays in them, $mode-bit, losing counts: $losesCounts",
    async (one) => {
      for (let seed = 1; seed <= 8; seed++) {
        const { plain, tested } = await both(makeProgram(new Random(seed), one.mode, style));
        tested.losesCounts = one.losesCounts;
        for (const slice of SLICES) compare(plain, tested, slice, `seed ${seed}, slices of ${slice}`);
        const before = tested.field(off.regionEntries);
        const { instructions } = compare(plain, tested, 1000, `seed ${seed}`);
        // Once for each slice, and now and then once more.
        expect(Number(tested.field(off.regionEntries) - before), `seed ${seed}`).toBeLessThan(
          Number(instructions) / 300,
        );
      }
    },
  );

  it("shows where its switch leads", async () => {
    const program = makeProgram(new Random(1), 64, style);
    const { plain, tested } = await both(program);
    for (const slice of SLICES) compare(plain, tested, slice, "before");
    const { book } = tested.regions.compiler;
    const view = new MachineView(tested.core.memory.buffer);
    const listings = book.list(view).map(({ id }) => book.describe(view, id, false));
    const wanted = style === "calls" ? /^node 0\n {2}4/ : /^node 0\n(?: {2}4[0-9a-f]{5} {2}is node \d+\n)+node 1\n/;
    expect(listings.some((text) => text?.match(wanted))).toBe(true);
  });

  it.each([64, 32] as const)("goes on at places where it has not been, %i-bit", async (mode) => {
    for (let seed = 1; seed <= 4; seed++) {
      const { plain, tested } = await both(makeProgram(new Random(seed), mode, style));
      for (const slice of SLICES) compare(plain, tested, slice, "before");
      for (const runner of [plain, tested]) runner.exchange();
      for (const slice of SLICES) compare(plain, tested, slice, `seed ${seed}, slices of ${slice}`);
    }
  });

  it.each([64, 32] as const)("goes on where its code is moved and nobody says so, %i-bit", async (mode) => {
    for (let seed = 1; seed <= 8; seed++) {
      const { plain, tested } = await both(makeProgram(new Random(seed), mode, style));
      for (const slice of SLICES) compare(plain, tested, slice, "before");
      compare(plain, tested, 50, `seed ${seed}`, 30);
    }
  });

  it.each([false, true])("sees that a handler has changed, in a copy of its page: %s", async (elsewhere) => {
    for (let seed = 1; seed <= 4; seed++) {
      const { plain, tested } = await both(makeProgram(new Random(seed), 64, style));
      let before: State | undefined;
      for (const slice of SLICES) before = compare(plain, tested, slice, "before");
      for (const runner of [plain, tested]) runner.change(elsewhere);
      for (const slice of SLICES) {
        const { data, registers } = compare(plain, tested, slice, `seed ${seed}, slices of ${slice}`);
        expect({ data, registers }).not.toEqual({ data: before!.data, registers: before!.registers });
      }
    }
  });
});
