/** What the jump cache knows of regions: they are entered without a look at their blocks, and never when they are gone. */
import { beforeEach, expect, it } from "vitest";
import { PCPU_BASE, Pcpu } from "../../wasm-core/abi/structs/machine.js";
import { Block, JUMP_ENTRIES, JUMP_SLICE, JumpEntry } from "../../wasm-core/abi/structs/translation.js";
import { SegIndex, SegmentReg, Vcpu } from "../../wasm-core/abi/structs/vcpu.js";
import { Assembler } from "../../wasm-core/isa/asm/index.js";
import { loadTable } from "../../wasm-core/isa/table.js";
import type { CompilerLimits } from "../../wasm-core/jit/compiler.js";
import { MachineView } from "../../wasm-core/jit/region/machine-view.js";
import { makeTestCore, type TestCore } from "../support/core.js";
import { LongModeMachine } from "../support/machine.js";
import { REGION_FRAMES, TestRegions } from "../support/regions.js";

const CODE = 0x400000;
const PAGE = 4096;
const SLOT = 128;
/** A program whose loop continues on the second page. */
const ACROSS = PAGE - SLOT;
const THRESHOLD = 4;
const LONGEST = 64;
const [RAX, RCX] = [0, 1];
const { off } = Vcpu;
const assembler = new Assembler(await loadTable());
let core: TestCore;
let machine: LongModeMachine;
let pages: number[];

beforeEach(async () => {
  core = await makeTestCore();
  machine = new LongModeMachine(core, REGION_FRAMES);
  pages = machine.mapUser({ linear: CODE, bytes: 2 * PAGE, writable: false });
});

const view = (): DataView => new DataView(core.memory.buffer);
const word = (at: number): number => view().getUint32(at, true);
const setWord = (at: number, value: number): void => view().setUint32(at, value, true);
const entries = (): bigint => view().getBigUint64(machine.cpu + off.regionEntries, true);
const inRegions = (): bigint => view().getBigUint64(machine.cpu + off.regionInstructions, true);

/** Puts code at offset `at` of the code pages. */
function put(at: number, source: string, mode = 64): void {
  const page = pages[at >>> 12]!;
  machine.forgetCode(page);
  const { bytes } = assembler.assemble(`.code${mode}\n${source}`, { origin: CODE + at });
  new Uint8Array(core.memory.buffer).set(bytes, page + (at & (PAGE - 1)));
}

const loop = (sum: number): string => `1: add eax, ${sum}; dec ecx; jnz 1b; hlt`;

/** Before the first of `rounds` rounds of the loop at offset `at`. */
function begin(at: number, rounds: number, mode: 32 | 64 = 64): void {
  machine.begin({ rip: CODE + at, registers: { [RCX]: rounds }, mode });
}

/** Each time through the run loop is one round of a loop. */
function go(rounds: number): void {
  for (let n = 0; n < rounds; n++) core.call.testRun(machine.cpu, 1);
}

function makeRegions(limits?: Partial<CompilerLimits>): TestRegions {
  const regions = new TestRegions(core, THRESHOLD, limits);
  regions.setThreshold(THRESHOLD, LONGEST);
  return regions;
}

/** Runs the loop at offset `at` until its region has been made and entered; the block and its jump entry. */
function makeRegion(regions: TestRegions, at: number, mode: 32 | 64 = 64): { block: number; jump: number } {
  begin(at, 1000, mode);
  for (let n = 0; n < 2 * THRESHOLD && !regions.compiler.isAsked; n++) go(1);
  expect(regions.settle(machine.cpu)).toBe(true);
  begin(at, 1000, mode);
  const before = entries();
  go(2);
  expect(entries() - before).toBe(2n);
  const slot = Math.imul(CODE + at, 0x9e3779b1) >>> 18;
  const jump = word(machine.cpu + off.jumpCache) + (slot % JUMP_ENTRIES) * JumpEntry.size;
  const block = blockAt(at);
  expect(word(jump + JumpEntry.off.block)).toBe(block);
  expect(word(jump + JumpEntry.off.entry)).toBe(word(block + Block.off.entry));
  expect(word(jump + JumpEntry.off.heat)).toBe(JUMP_SLICE - 1);
  return { block, jump };
}

const blockAt = (at: number): number =>
  new MachineView(core.memory.buffer).findBlock(pages[at >>> 12]! + (at & (PAGE - 1)), word(machine.cpu + off.modeKey));

it("a region that was dropped is not entered, though its slot is another's by now", () => {
  // A limit that one region passes: the second takes the first one's slot.
  const regions = makeRegions({ bytes: 1 });
  put(0, loop(1));
  put(SLOT, loop(2));
  const first = makeRegion(regions, 0);
  const slot = word(first.block + Block.off.entry);
  const second = makeRegion(regions, SLOT);
  expect(word(second.block + Block.off.entry)).toBe(slot);
  begin(0, 1000);
  const before = inRegions();
  go(THRESHOLD - 1);
  expect(machine.register(RAX)).toBe(BigInt(THRESHOLD - 1));
  expect(inRegions()).toBe(before);
});

it("a vCPU on a pCPU that has not come that far interprets, before slots were emptied and afterwards", () => {
  const regions = makeRegions({ bytes: 1 });
  put(0, loop(1));
  put(SLOT, loop(2));
  const other = PCPU_BASE + Pcpu.size;
  makeRegion(regions, 0);
  // On another pCPU that has no region yet.
  core.call.testRegions(machine.cpu, 1);
  begin(0, 1000);
  let before = entries();
  go(5);
  expect([machine.register(RAX), entries()]).toEqual([5n, before]);
  // That one comes as far as this, and not further.
  const { regionsAt } = Pcpu.off;
  setWord(other + regionsAt, word(PCPU_BASE + regionsAt));
  core.call.testRegions(machine.cpu, 1);
  begin(0, 1000);
  go(5);
  expect([machine.register(RAX), entries()]).toEqual([5n, before + 5n]);
  core.call.testRegions(machine.cpu, 0);
  makeRegion(regions, SLOT);
  core.call.testRegions(machine.cpu, 1);
  begin(SLOT, 1000);
  before = entries();
  go(5);
  expect([machine.register(RAX), entries()]).toEqual([10n, before]);
});

it("a vCPU that comes back to a pCPU goes on entering what that one has", () => {
  const regions = makeRegions();
  put(0, loop(1));
  makeRegion(regions, 0);
  core.call.testRegions(machine.cpu, 1);
  go(5);
  core.call.testRegions(machine.cpu, 0);
  const before = entries();
  go(5);
  expect(entries() - before).toBe(5n);
});

it("entries of a region count, though its block is seldom looked at: it is made again, and that one is entered soon", () => {
  const regions = makeRegions();
  put(0, loop(1));
  const { block, jump } = makeRegion(regions, 0);
  const made = word(block + Block.off.entry);
  setWord(block + Block.off.heat, 3 * JUMP_SLICE);
  begin(0, 100_000);
  go(3 * JUMP_SLICE - 8);
  expect(regions.compiler.isAsked).toBe(false);
  go(JUMP_SLICE + 8);
  expect(regions.compiler.isAsked).toBe(true);
  expect(regions.settle(machine.cpu)).toBe(true);
  const again = word(block + Block.off.entry);
  expect(again).not.toBe(made);
  go(JUMP_SLICE);
  expect(word(jump + JumpEntry.off.entry)).toBe(again);
  expect(machine.register(RAX)).toBe(BigInt(5 * JUMP_SLICE));
});

it("what a region that is made again takes in is not made again by itself", () => {
  const hot = 2 * JUMP_SLICE;
  const regions = makeRegions();
  regions.setHot(hot);
  put(0, `add eax, 1; jmp 0x${(CODE + SLOT).toString(16)}`);
  put(SLOT, `dec ecx; jnz 0x${CODE.toString(16)}; hlt`);
  // The second part has a region first, as code that others run too.
  for (let n = 0; n < THRESHOLD; n++) {
    begin(SLOT, 1);
    go(1);
  }
  expect(regions.settle(machine.cpu)).toBe(true);
  begin(0, 1_000_000);
  while (!regions.settle(machine.cpu)) go(1);
  const { counts, book } = regions.compiler;
  // It ends where the other begins.
  expect(book.list(regions.compiler.look()).map(({ instructions }) => instructions)).toEqual([2, 3]);
  // By itself it would be made again later.
  setWord(blockAt(SLOT) + Block.off.heat, 4 * hot);
  while (!regions.settle(machine.cpu)) go(1);
  expect(counts.regions).toBe(3);
  expect(word(blockAt(SLOT) + Block.off.heat)).toBe(hot);
  for (let n = 0; n < 2 * hot; n++) {
    go(1);
    regions.settle(machine.cpu);
  }
  expect(counts.regions).toBe(3);
});

it("a jump entry that becomes another's tells the block what it has counted", () => {
  const regions = makeRegions();
  put(0, loop(1));
  const { block, jump } = makeRegion(regions, 0);
  begin(0, 1000);
  go(20);
  const heat = word(block + Block.off.heat);
  const known = JUMP_SLICE - word(jump + JumpEntry.off.heat);
  expect(known).toBe(21);
  // Found anew: the entry is not for this address space any more.
  setWord(jump + JumpEntry.off.key, 0);
  go(1);
  expect(word(block + Block.off.heat)).toBe(heat - known - 1);
});

it("a region whose later code has changed is left to the interpreter, and its block counted anew once", () => {
  const regions = makeRegions();
  put(ACROSS, `1: add eax, 1; jmp 0x${(CODE + PAGE).toString(16)}`);
  put(PAGE, `add eax, 2; dec ecx; jnz 0x${(CODE + ACROSS).toString(16)}; hlt`);
  const { block, jump } = makeRegion(regions, ACROSS);
  put(PAGE, `add eax, 4; dec ecx; jnz 0x${(CODE + ACROSS).toString(16)}; hlt`);
  begin(ACROSS, 1000);
  const before = entries();
  const instructions = inRegions();
  // Two blocks a round, each a time through the run loop.
  go(6);
  expect(machine.register(RAX)).toBe(15n);
  expect([entries() - before, inRegions() - instructions]).toEqual([1n, 0n]);
  expect([word(jump + JumpEntry.off.heat), word(block + Block.off.entry)]).toEqual([0, 0]);
  expect(word(block + Block.off.patience)).toBe(2 * THRESHOLD);
});

it("so is one whose first instruction has changed: the block that takes its place is as patient", () => {
  const regions = makeRegions();
  put(0, loop(1));
  const { block } = makeRegion(regions, 0);
  put(0, loop(8));
  begin(0, 1000);
  go(3);
  expect(machine.register(RAX)).toBe(24n);
  expect(blockAt(0)).not.toBe(block);
  expect(word(blockAt(0) + Block.off.patience)).toBe(2 * THRESHOLD);
  expect(word(blockAt(0) + Block.off.heat)).toBe(2 * THRESHOLD - 3);
});

it("where a code segment does not begin at 0, RIP is not the address that a region was made for", () => {
  const regions = makeRegions();
  put(0, loop(1), 32);
  put(SLOT, loop(2), 32);
  makeRegion(regions, 0, 32);
  begin(0, 1000, 32);
  const cs = machine.cpu + off.seg + SegmentReg.size * Number(SegIndex.values.CS);
  view().setBigUint64(cs + SegmentReg.off.base, BigInt(SLOT), true);
  machine.refresh();
  const before = inRegions();
  go(5);
  expect([machine.register(RAX), inRegions()]).toEqual([10n, before]);
  // A segment that ends within the program faults there.
  begin(0, 1000, 32);
  setWord(cs + SegmentReg.off.limit, CODE + 3);
  machine.refresh();
  go(3);
  expect([machine.register(RAX), inRegions()]).toEqual([1n, before]);
  expect(view().getUint8(machine.cpu + off.cpl)).toBe(0);
});

it("a page on which a region goes on is looked for once, and again when its translation was dropped", () => {
  const regions = makeRegions();
  put(ACROSS, `1: add eax, 1; jmp 0x${(CODE + PAGE).toString(16)}`);
  put(PAGE, `add eax, 2; dec ecx; jnz 0x${(CODE + ACROSS).toString(16)}; hlt`);
  const { jump } = makeRegion(regions, ACROSS);
  expect(word(jump + JumpEntry.off.pages)).not.toBe(0);
  // The page that takes its place adds another number: nothing was written to any page with code.
  const [gpa] = machine.reserve(1);
  const { bytes } = assembler.assemble(`.code64\nadd eax, 4; dec ecx; jnz 0x${(CODE + ACROSS).toString(16)}; hlt`, {
    origin: CODE + PAGE,
  });
  new Uint8Array(core.memory.buffer).set(bytes, machine.at(gpa!));
  begin(ACROSS, 1000);
  const before = inRegions();
  go(2);
  expect(machine.register(RAX)).toBe(6n);
  expect(inRegions()).toBeGreaterThan(before);
  machine.replaceUser(CODE + PAGE, gpa!);
  expect(word(jump + JumpEntry.off.pages)).toBe(0);
  begin(ACROSS, 1000);
  // Once to where the region ends now, and once through what lies there.
  go(4);
  expect(machine.register(RAX)).toBe(10n);
  expect(word(jump + JumpEntry.off.pages)).toBe(0);
});
