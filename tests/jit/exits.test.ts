/** What is told of the ways out of regions, against programs whose exits are known; and how often a region was entered. */
import { beforeEach, describe, expect, it } from "vitest";
import { JUMP_SLICE } from "../../wasm-core/abi/structs/translation.js";
import { Vcpu } from "../../wasm-core/abi/structs/vcpu.js";
import { Assembler } from "../../wasm-core/isa/asm/index.js";
import { loadTable } from "../../wasm-core/isa/table.js";
import { listExits, type RegionExitEntry } from "../../wasm-core/jit/exits.js";
import { makeTestCore, type TestCore } from "../support/core.js";
import { LongModeMachine } from "../support/machine.js";
import { REGION_FRAMES, TestRegions } from "../support/regions.js";

const CODE = 0x400000;
const DATA = 0x600000;
const [RAX, RCX, RBX] = [0, 1, 3];
/** Instructions that a slice may take. */
const SLICE = 2000;
const assembler = new Assembler(await loadTable());
let core: TestCore;
let machine: LongModeMachine;
let page: number;

beforeEach(async () => {
  core = await makeTestCore();
  machine = new LongModeMachine(core, REGION_FRAMES);
  machine.stayInHandlers();
  page = machine.mapUser({ linear: CODE, bytes: 4096, writable: false })[0]!;
  machine.mapUser({ linear: DATA, bytes: 8192, writable: true });
});

const view = (): DataView => new DataView(core.memory.buffer);

/** Puts a program that ends with HLT, which is not for users, where the code is. */
function load(source: string): void {
  const { bytes } = assembler.assemble(`.code64\n${source}; hlt`, { origin: CODE });
  new Uint8Array(core.memory.buffer).set(bytes, page);
}

/** Runs it from its beginning to its end. */
function run(regions: TestRegions, rounds: number, rbx = 0): void {
  machine.begin({ rip: CODE, registers: { [RCX]: BigInt(rounds), [RBX]: BigInt(rbx) } });
  for (let i = 0; i < 10_000 && view().getUint8(machine.cpu + Vcpu.off.cpl) === 3; i++) {
    core.call.testRun(machine.cpu, SLICE);
    regions.settle(machine.cpu);
  }
  expect(view().getUint8(machine.cpu + Vcpu.off.cpl)).toBe(0);
}

const exitsOf = (regions: TestRegions, clear = false): RegionExitEntry[] => listExits(regions.compiler.look(), clear);
const rip = (offset: number): string => (CODE + offset).toString(16).padStart(16, "0");

/** Of the region at the program's beginning. */
const runsOf = (regions: TestRegions): number =>
  regions.compiler.book.list(regions.compiler.look()).find((region) => region.rip === rip(0))!.runs;

/** A few of the exits are noted, so counts are near the truth. */
function expectNear(told: number, truth: number): void {
  expect(told / truth).toBeGreaterThan(0.6);
  expect(told / truth).toBeLessThan(1.6);
}

describe("the ways out of regions", () => {
  it("are told with the instruction that was left, how often, and what the interpreter did then", () => {
    const ROUNDS = 20_000;
    const regions = new TestRegions(core, 50);
    // Across the end of a page: the interpreter's.
    load("1: add rax, 3; mov rdx, [rbx]; dec rcx; jnz 1b");
    run(regions, ROUNDS, DATA + 4093);
    expect(machine.register(RAX)).toBe(3n * BigInt(ROUNDS));
    const [first] = exitsOf(regions);
    expect(first).toMatchObject({ rip: rip(4), why: "left", text: "mov rdx,QWORD PTR [rbx]" });
    expectNear(first!.exits, ROUNDS);
    expect(first!.instructions / first!.exits).toBe(3);
  });

  it("are told where code goes on that has no region", () => {
    const ROUNDS = 300_000;
    const EACH = 128;
    const regions = new TestRegions(core, 20_000);
    load(
      `1: add rax, 1; test rcx, ${EACH - 1}; jz 3f; 2: dec rcx; jnz 1b; jmp 4f; 3: lea rdx, [rdx+1]; jmp 2b; 4: nop`,
    );
    run(regions, ROUNDS);
    const [first] = exitsOf(regions);
    expect(first).toMatchObject({ why: "cold", text: "lea rdx,[rdx+0x1]" });
    // Those of the rounds that are left to regions.
    expectNear(first!.exits, (ROUNDS - 20_000) / EACH);
    expect(first!.instructions / first!.exits).toBe(4);
  });

  it("are told where exceptions are raised", () => {
    const RUNS = 1000;
    const regions = new TestRegions(core, 4);
    load("1: add rax, 1; dec rcx; jnz 1b");
    for (let i = 0; i < RUNS; i++) run(regions, 30 + (i % 7));
    const fault = exitsOf(regions).find(({ why }) => why === "fault");
    expect(fault).toMatchObject({ rip: rip(9) });
    expectNear(fault!.exits, RUNS);
  });

  it("are told where code was overwritten", () => {
    const regions = new TestRegions(core, 4);
    load("1: add rax, 1; dec rcx; jnz 1b");
    run(regions, 100);
    run(regions, 100);
    exitsOf(regions, true);
    // The page is another's for the core, though the same code lies there.
    machine.forgetCode(page);
    // With this count the next exit is noted.
    view().setBigUint64(machine.cpu + Vcpu.off.icount, 0n, true);
    run(regions, 100);
    run(regions, 100);
    expect(exitsOf(regions)).toContainEqual(expect.objectContaining({ rip: rip(0), why: "stale" }));
  });

  it("are counted anew when they are cleared", () => {
    const regions = new TestRegions(core, 50);
    load("1: add rax, 3; mov rdx, [rbx]; dec rcx; jnz 1b");
    run(regions, 5000, DATA + 4093);
    const told = exitsOf(regions);
    expect(told.length).toBeGreaterThan(0);
    expect(exitsOf(regions, true)).toEqual(told);
    expect(exitsOf(regions)).toEqual([]);
    run(regions, 5000, DATA + 4093);
    expect(exitsOf(regions)[0]).toMatchObject({ rip: rip(4), why: "left" });
  });
});

describe("entries of a region", () => {
  it("are counted, but for those since the jump cache has looked at it last", () => {
    const ROUNDS = 20_000;
    const regions = new TestRegions(core, 50);
    load("1: add rax, 3; mov rdx, [rbx]; dec rcx; jnz 1b");
    run(regions, ROUNDS, DATA + 4093);
    expect(runsOf(regions)).toBeLessThanOrEqual(ROUNDS);
    // The first slice is the interpreter's.
    expect(runsOf(regions)).toBeGreaterThan(ROUNDS - SLICE - JUMP_SLICE);
  });

  it("begin with none where a region is made again", () => {
    const regions = new TestRegions(core, 4);
    regions.setHot(2000);
    load("1: add rax, 3; mov rdx, [rbx]; dec rcx; jnz 1b");
    run(regions, 2500, DATA + 4093);
    expect(runsOf(regions)).toBeGreaterThan(1500);
    run(regions, 1400, DATA + 4093);
    expect(runsOf(regions)).toBeGreaterThan(0);
    expect(runsOf(regions)).toBeLessThan(1000);
  });
});
