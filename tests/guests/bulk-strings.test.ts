/**
 * Long repeated MOVS and STOS over pages that follow each other in the machine's memory or do not, overlap, hold code, are
 * read-only or missing: against a model that goes element by element. By the interpreter, then in regions, which are left
 * where an instruction takes more than one visit.
 */
import { beforeEach, expect, it } from "vitest";
import { Frame, MACHINE_BASE, Machine } from "../../wasm-core/abi/structs/machine.js";
import { Vcpu } from "../../wasm-core/abi/structs/vcpu.js";
import { Assembler } from "../../wasm-core/isa/asm/index.js";
import { loadTable } from "../../wasm-core/isa/table.js";
import { makeTestCore, type TestCore } from "../support/core.js";
import { HANDLERS, LongModeMachine } from "../support/machine.js";
import { Random } from "../support/random.js";
import { REGION_FRAMES, TestRegions } from "../support/regions.js";

const PAGE = 4096;
const PAGES = 160;
const CODE = 0x400000;
const DATA = 0x600000;
const DIRTY = 0x40n;
const PD = 0x3000n;
const PF = 14n;
const ROUNDS = Number(process.env.RUNS ?? 400);
const MOST_BYTES = 60_000;
/** So many in one round of LONG_ROUNDS: more than an instruction goes through in one visit. */
const LONG_BYTES = 500_000;
const LONG_ROUNDS = 20;
const ALL_CHUNKS = 0xffffffff;
/** Of the code for each instruction. */
const SLOT = 64;
/** Rounds with nothing to repeat in which a region is made of an instruction's loop. */
const WARM = 200;
const NAMES = { 1: "b", 2: "w", 4: "d", 8: "q" } as const;
const FS_BASE = 0x12345;
const WIDTHS = { 32: [1, 2, 4], 64: [1, 2, 4, 8] } as const;
const [RAX, RCX, RDX, RSI, RDI] = [0, 1, 2, 6, 7];
const { off } = Vcpu;

interface Instruction {
  readonly width: keyof typeof NAMES;
  readonly store: boolean;
  readonly mode: 32 | 64;
  /** Reads from FS, which does not begin at 0. */
  readonly fs: boolean;
}

/** A loop of the instruction, as long as RDX says. */
function source({ width, store, mode, fs }: Instruction): string {
  return `.code${mode}\n1: ${fs ? ".byte 0x64; " : ""}rep ${store ? "stos" : "movs"}${NAMES[width]}; dec edx; jnz 1b; int3`;
}

/** Where the loop of each instruction lies, by its source. */
const SLOTS = new Map<string, number>();
for (const mode of [32, 64] as const)
  for (const width of WIDTHS[mode])
    for (const [store, fs] of [
      [false, false],
      [true, false],
      [false, true],
    ] as const)
      SLOTS.set(source({ mode, width, store, fs }), CODE + SLOTS.size * SLOT);

const assembler = new Assembler(await loadTable());
let random: Random;
let core: TestCore;
let machine: LongModeMachine;
/** Guest-physical pages, of which some runs follow each other; what is mapped where changes every round. */
let pool: readonly bigint[];
/** Those whose bytes are to be other ones in the next round. */
let used: Set<bigint>;

beforeEach(async () => {
  random = new Random(33);
  core = await makeTestCore();
  machine = new LongModeMachine(core, REGION_FRAMES, 2 * PAGES + 64);
  const code = machine.mapUser({ linear: CODE, bytes: PAGE, writable: false })[0]!;
  for (const [text, at] of SLOTS) u8().set(assembler.assemble(text, { origin: at }).bytes, code + at - CODE);
  pool = machine.reserve(PAGES);
  used = new Set(pool);
  machine.mapUser({ linear: DATA, bytes: PAGES * PAGE, writable: true });
});

const view = (): DataView => new DataView(core.memory.buffer);
const u8 = (): Uint8Array => new Uint8Array(core.memory.buffer);

type Kind = "plain" | "read-only" | "missing";
interface Page {
  readonly gpa: bigint;
  readonly kind: Kind;
}

/** Where the code that was decoded from a page is marked; writing to marked bytes takes the marks away. */
function codeMapOf(gpa: bigint): number {
  const frames = view().getUint32(MACHINE_BASE + Machine.off.frameTable, true);
  return frames + (machine.at(gpa) / PAGE) * Frame.size + Frame.off.codeMap;
}

/** The pages that hold code from now on, with no code overwritten before. */
function markCode(): ReadonlySet<bigint> {
  const marked = pool.filter(() => random.once(20));
  for (const gpa of pool) {
    view().setUint32(codeMapOf(gpa), marked.includes(gpa) ? ALL_CHUNKS : 0, true);
    view().setUint32(codeMapOf(gpa) - Frame.off.codeMap + Frame.off.codeGen, 0, true);
  }
  return new Set(marked);
}

function entryOf(page: number): number {
  const linear = BigInt(DATA + page * PAGE);
  const table = view().getBigUint64(machine.at(PD + 8n * (linear >> 21n)), true) & ~0xfffn;
  return machine.at(table + 8n * ((linear >> 12n) & 511n));
}

function mapPages(): Page[] {
  const shift = random.below(PAGES);
  return Array.from({ length: PAGES }, (_, n) => {
    const swapped = random.once(6) ? random.below(PAGES) : n;
    const gpa = pool[(swapped + shift) % PAGES]!;
    const kind: Kind = random.once(60) ? "read-only" : random.once(80) ? "missing" : "plain";
    machine.remapUser(DATA + n * PAGE, gpa, kind === "plain");
    const at = entryOf(n);
    const entry = view().getBigUint64(at, true) & ~DIRTY;
    view().setBigUint64(at, kind === "missing" ? entry & ~1n : entry, true);
    return { gpa, kind };
  });
}

interface Run extends Instruction {
  readonly from: number;
  readonly to: number;
  readonly count: number;
}

/** What is left to do, and where it faulted; the bytes of the pool and the pages written are changed in place. */
function model(
  run: Run,
  pages: readonly Page[],
  bytes: Map<bigint, Uint8Array>,
  dirty: Set<number>,
  value: Uint8Array,
) {
  const allowed = (at: number, write: boolean): boolean => {
    for (const byte of [at, at + run.width - 1]) {
      const page = pages[Math.floor(byte / PAGE)]!;
      if (page.kind === "missing" || (write && page.kind === "read-only")) return false;
    }
    return true;
  };
  const place = (at: number): [Uint8Array, number] => [bytes.get(pages[Math.floor(at / PAGE)]!.gpa)!, at % PAGE];
  for (let n = 0; n < run.count; n++) {
    const [from, to] = [run.from + n * run.width, run.to + n * run.width];
    if ((!run.store && !allowed(from, false)) || !allowed(to, true)) return { left: run.count - n, faults: true };
    const element = Array.from({ length: run.width }, (_, i) => {
      if (run.store) return value[i]!;
      const [page, at] = place(from + i);
      return page[at]!;
    });
    element.forEach((byte, i) => {
      const [page, at] = place(to + i);
      page[at] = byte;
      dirty.add(Math.floor((to + i) / PAGE));
    });
  }
  return { left: 0, faults: false };
}

const instructionsInRegions = (): bigint => view().getBigUint64(machine.cpu + off.regionInstructions, true);

function go(run: Run, rounds: number, count: number, regions: TestRegions | undefined): void {
  const registers = {
    [RAX]: 0x8877665544332211n,
    [RCX]: count,
    [RDX]: rounds,
    [RSI]: DATA + run.from - (run.fs ? FS_BASE : 0),
    [RDI]: DATA + run.to,
  };
  machine.begin({ rip: SLOTS.get(source(run))!, registers, mode: run.mode });
  machine.dataSegment(4, run.fs ? FS_BASE : 0);
  machine.refresh();
  for (let turn = 0; turn < 1000 && view().getUint8(machine.cpu + off.cpl) === 3; turn++) {
    core.call.testRun(machine.cpu, 1);
    regions?.settle(machine.cpu);
  }
}

interface Got {
  readonly left: bigint;
  readonly faults: boolean;
  readonly inRegions: bigint;
}

function execute(run: Run, regions: TestRegions | undefined): Got {
  if (regions !== undefined) go(run, WARM, 0, regions);
  const before = instructionsInRegions();
  go(run, 1, run.count, undefined);
  const vector = (machine.rip - HANDLERS) / 16n;
  return { left: machine.register(RCX), faults: vector === PF, inRegions: instructionsInRegions() - before };
}

it.each([false, true])("go as far as they would one by one, and write nothing else; in regions: %s", (compiled) => {
  const regions = compiled ? new TestRegions(core, 2) : undefined;
  const value = new Uint8Array([0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88]);
  for (let round = 0; round < ROUNDS; round++) {
    const pages = mapPages();
    const code = markCode();
    for (const gpa of used)
      for (let i = 0; i < PAGE; i += 4) view().setUint32(machine.at(gpa) + i, random.below(2 ** 32), true);
    const mode = random.once(3) ? 32 : 64;
    const width = random.pick<Run["width"]>(WIDTHS[mode]);
    const bytesAtMost = random.once(LONG_ROUNDS) ? LONG_BYTES : MOST_BYTES;
    const most = PAGES * PAGE - bytesAtMost;
    const from = random.below(most);
    const near = random.once(3) ? Math.min(from + random.below(300), most) : random.below(most);
    const to = random.once(2) ? near - (near % PAGE) + (from % PAGE) : near;
    const count = 1 + random.below(Math.floor(bytesAtMost / width) - PAGE);
    const store = random.once(3);
    const run: Run = { width, store, mode, fs: !store && random.once(4), from, to: Math.min(to, most), count };
    const bytes = new Map(pool.map((gpa) => [gpa, u8().slice(machine.at(gpa), machine.at(gpa) + PAGE)]));
    const dirty = new Set<number>();
    const expected = model(run, pages, bytes, dirty, value);
    const { inRegions, ...got } = execute(run, regions);
    const what = JSON.stringify(run);
    expect(got, what).toEqual({ left: BigInt(expected.left), faults: expected.faults });
    // What faults may have done no instruction as a whole.
    if (!compiled) expect(inRegions, what).toBe(0n);
    else if (!expected.faults) expect(inRegions, what).toBeGreaterThan(0n);
    for (const [gpa, page] of bytes) {
      const here = u8().subarray(machine.at(gpa), machine.at(gpa) + PAGE);
      expect(Buffer.compare(here, page), `${what}: page ${gpa.toString(16)}`).toBe(0);
    }
    const marked = pages.flatMap((_, n) => ((view().getBigUint64(entryOf(n), true) & DIRTY) !== 0n ? [n] : []));
    expect(marked, what).toEqual([...dirty].sort((a, b) => a - b));
    used = new Set([...dirty].map((n) => pages[n]!.gpa));
    for (const gpa of code)
      expect(view().getUint32(codeMapOf(gpa), true), `${what}: code of ${gpa}`).toBe(used.has(gpa) ? 0 : ALL_CHUNKS);
  }
});
