/** How regions end: dropped to make room, with the cache of blocks, or left to the interpreter where a host cannot make them. */
import { beforeEach, describe, expect, it } from "vitest";
import {
  JIT_BRISK,
  JIT_LEAVES,
  JIT_MANY_LEAVES,
  JIT_PACE,
  JIT_RING_BYTES,
  Jit,
  JitRecord,
} from "../../wasm-core/abi/structs/jit.js";
import { LOCK_COMPILER, MACHINE_BASE, Machine } from "../../wasm-core/abi/structs/machine.js";
import { Block, CODE_BUCKETS, CodeCache, JUMP_SLICE } from "../../wasm-core/abi/structs/translation.js";
import { Vcpu } from "../../wasm-core/abi/structs/vcpu.js";
import { Assembler } from "../../wasm-core/isa/asm/index.js";
import { loadTable } from "../../wasm-core/isa/table.js";
import { withCacheLock } from "../../wasm-core/jit/cache-lock.js";
import { MachineView } from "../../wasm-core/jit/region/machine-view.js";
import { makeTestCore, type TestCore } from "../support/core.js";
import { LongModeMachine } from "../support/machine.js";
import { functionsInTable, REGION_FRAMES, TestRegions } from "../support/regions.js";

const CODE = 0x400000;
const SLOT = 128;
const PROGRAMS = 24;
const ROUNDS = 40n;
const [RAX, RCX, RSP] = [0, 1, 4];
const STACK = 0x600000;
const assembler = new Assembler(await loadTable());
let core: TestCore;
let machine: LongModeMachine;
let page: number;

beforeEach(async () => {
  core = await makeTestCore();
  machine = new LongModeMachine(core, REGION_FRAMES);
  page = machine.mapUser({ linear: CODE, bytes: 4096, writable: false })[0]!;
  for (let n = 0; n < PROGRAMS; n++) {
    const source = `.code64\n1: add rax, ${n + 1}; dec rcx; jnz 1b; hlt`;
    new Uint8Array(core.memory.buffer).set(assembler.assemble(source, { origin: CODE }).bytes, page + n * SLOT);
  }
});

const view = (): DataView => new DataView(core.memory.buffer);
const inRegions = (): bigint => view().getBigUint64(machine.cpu + Vcpu.off.regionInstructions, true);

/**
 * Runs program `n`, whose loop has ROUNDS rounds unless told otherwise; what it leaves in RAX, and the instructions that regions did.
 * @param allows false: what is made meanwhile is not entered
 */
function run(n: number, regions: TestRegions, rounds = ROUNDS, allows = true): { rax: bigint; inRegions: bigint } {
  machine.begin({ rip: CODE + n * SLOT, registers: { [RCX]: rounds, [RSP]: STACK } });
  const before = inRegions();
  for (let i = 0; i < 1000 && view().getUint8(machine.cpu + Vcpu.off.cpl) === 3; i++) {
    core.call.testRun(machine.cpu, 1);
    if (allows) regions.settle(machine.cpu);
    else regions.make();
  }
  return { rax: machine.register(RAX), inRegions: inRegions() - before };
}

/** So many millions of instructions pass in which nothing happens. */
function letPass(millions: number): void {
  const at = machine.cpu + Vcpu.off.icount;
  view().setBigUint64(at, view().getBigUint64(at, true) + BigInt(millions) * 1_000_000n, true);
}

/** From now on the core has a table that refuses to grow when it `isFull`. */
function withTableThatMayBeFull(): { isFull: boolean } {
  const state = { isFull: false };
  const { table } = core.call;
  const stand = {
    get length() {
      return table.length;
    },
    get: (at: number) => table.get(at),
    set: (at: number, to: unknown) => table.set(at, to),
    grow: (by: number) => {
      if (state.isFull) throw new RangeError("no room");
      return table.grow(by);
    },
  };
  core = { ...core, call: { ...core.call, table: stand as unknown as WebAssembly.Table } };
  return state;
}

describe("regions", () => {
  it("are all dropped when their code would pass the limit, and made anew of what is hot", () => {
    const handlers = functionsInTable(core);
    const regions = new TestRegions(core, 4, { bytes: 4000 });
    for (let round = 0; round < 3; round++) {
      for (let n = 0; n < PROGRAMS; n++) {
        const { rax, inRegions } = run(n, regions);
        expect(rax).toBe(ROUNDS * BigInt(n + 1));
        expect(inRegions).toBeGreaterThan(0n);
      }
    }
    const { counts, book } = regions.compiler;
    expect(counts.bytes).toBeGreaterThan(3 * 4000);
    const alive = book.list(new MachineView(core.memory.buffer));
    expect(alive.length).toBeLessThan(PROGRAMS);
    expect(functionsInTable(core) - handlers).toBe(alive.length);
  });

  it("are made of less in a domain's youth, and soon afterwards of what ran often in it", () => {
    const regions = new TestRegions(core, 12);
    regions.setYouth(1);
    const young = run(0, regions).inRegions;
    expect(young).toBe(0n);
    expect(run(0, regions).inRegions).toBeGreaterThan(0n);
    run(1, regions);
    view().setBigUint64(machine.cpu + Vcpu.off.icount, 1_000_000n, true);
    // A step of four runs, of which each is two instructions and the first three.
    expect(run(1, regions).inRegions).toBeGreaterThan(2n * (ROUNDS - 6n));
    expect(run(2, regions).inRegions).toBeGreaterThan(2n * (ROUNDS - 14n));
  });

  it("are made of a user's code that runs at a pace, and of other when it ran as often as pays for one", () => {
    const regions = new TestRegions(core, 24);
    regions.setUserThreshold(4);
    const roundsUntilMade = (n: number, millionsBetween: number): number => {
      const { counts } = regions.compiler;
      const before = counts.regions;
      let rounds = 0;
      for (; counts.regions === before; rounds += 2) {
        run(n, regions, 2n);
        letPass(millionsBetween);
      }
      return rounds;
    };
    expect(roundsUntilMade(0, 0)).toBe(4);
    expect(roundsUntilMade(1, JIT_PACE / 2)).toBe(4);
    expect(roundsUntilMade(2, JIT_PACE + 1)).toBe(24);
  });

  it("are small where a user's code is not run often", () => {
    const regions = new TestRegions(core, 4);
    machine.mapUser({ linear: STACK - 4096, bytes: 4096, writable: true });
    const made = (at: number, millionsBetween: number): number => {
      for (let i = 0; i < 2; i++) {
        run(at, regions, 3n);
        letPass(millionsBetween);
      }
      const rip = (CODE + at * SLOT).toString(16).padStart(16, "0");
      return regions.compiler.book.list(regions.compiler.look()).find((entry) => entry.rip === rip)!.instructions;
    };
    for (const n of [PROGRAMS, PROGRAMS + 1]) {
      const source = ".code64\n1: call 2f; dec rcx; jnz 1b; hlt\n2: add rax, 1; ret";
      const { bytes } = assembler.assemble(source, { origin: CODE + n * SLOT });
      new Uint8Array(core.memory.buffer).set(bytes, page + n * SLOT);
    }
    expect(made(PROGRAMS, 0)).toBe(6);
    expect(made(PROGRAMS + 1, JIT_BRISK + 1)).toBe(1);
  });

  describe("that miss the TLB", () => {
    const HOT = 300;
    /** The jump cache counts entries for a block by slices. */
    const RUNS = HOT + 2 * JUMP_SLICE;
    const rip = CODE + PROGRAMS * SLOT;
    let regions: TestRegions;

    beforeEach(() => {
      machine.mapUser({ linear: STACK - 4096, bytes: 4096, writable: true });
      const { bytes } = assembler.assemble(".code64\nmov rax, [rsp - 8]; add rax, rcx; hlt", { origin: rip });
      new Uint8Array(core.memory.buffer).set(bytes, page + PROGRAMS * SLOT);
      regions = new TestRegions(core, 4);
      regions.setHot(HOT);
      runs(5, true);
    });

    const runs = (count: number, hits: boolean): void => {
      for (let i = 0; i < count; i++) {
        if (!hits) core.call.testFlush(machine.cpu);
        expect(run(PROGRAMS, regions).rax).toBe(ROUNDS);
      }
    };
    /** Instructions done by regions of a run that finds nothing in the TLB. */
    const done = (): bigint => {
      core.call.testFlush(machine.cpu);
      return run(PROGRAMS, regions).inRegions;
    };

    it("leave to the interpreter, and call the core when they are made for speed and that was often", () => {
      const { counts } = regions.compiler;
      runs(JIT_LEAVES, false);
      expect(done()).toBe(0n);
      expect(counts.regions).toBe(1);
      runs(RUNS, true);
      expect(counts.regions).toBe(2);
      expect(done()).toBe(2n);
    });

    it("go on leaving where that was seldom, and are made again when it is no more", () => {
      const { counts } = regions.compiler;
      runs(RUNS, true);
      expect(counts.regions).toBe(2);
      runs(JIT_MANY_LEAVES, false);
      expect(counts.regions).toBe(2);
      expect(done()).toBe(0n);
      runs(JUMP_SLICE, false);
      expect(counts.regions).toBe(3);
      expect(done()).toBe(2n);
      runs(JIT_MANY_LEAVES, false);
      expect(counts.regions).toBe(3);
    });
  });

  it("are made again soon where they leave what is rare in SSE, and it is not", () => {
    const source = ".code64\n1: addsd xmm0, xmm0; dec rcx; jnz 1b; hlt";
    const { bytes } = assembler.assemble(source, { origin: CODE });
    new Uint8Array(core.memory.buffer).set(bytes, page + PROGRAMS * SLOT);
    const regions = new TestRegions(core, 4);
    const { counts } = regions.compiler;
    const sum = (number: bigint): bigint => {
      view().setBigUint64(machine.cpu + Vcpu.off.vec, number, true);
      const done = run(PROGRAMS, regions).inRegions;
      expect(view().getBigUint64(machine.cpu + Vcpu.off.vec, true)).toBe(number << ROUNDS);
      return done;
    };
    const denormal = 1n;
    for (let i = 0; i < 3; i++) sum(0n);
    expect(sum(0n)).toBe(3n * ROUNDS);
    for (let leaves = 0n; leaves + ROUNDS < JIT_LEAVES; leaves += ROUNDS) expect(sum(denormal)).toBe(0n);
    expect(counts.regions).toBe(1);
    for (let entries = 0n; entries < 2 * JUMP_SLICE; entries += ROUNDS) sum(denormal);
    expect(counts.regions).toBe(2);
    expect(sum(denormal)).toBe(3n * ROUNDS);
  });

  it("count as entered when they are, not while the processor does not have them yet", () => {
    const hot = 100;
    const regions = new TestRegions(core, 4);
    regions.setHot(hot);
    // Far more rounds by the interpreter than a region is entered before it is made again.
    expect(run(0, regions, 20n * BigInt(hot), false).inRegions).toBe(0n);
    expect(regions.compiler.counts.regions).toBe(1);
    regions.allow(machine.cpu);
    expect(run(0, regions, BigInt(hot) / 2n).inRegions).toBeGreaterThan(0n);
    expect(regions.compiler.counts.regions).toBe(1);
    run(0, regions, BigInt(hot + 2 * JUMP_SLICE));
    expect(regions.compiler.counts.regions).toBe(2);
  });

  it("stay while their code has room", () => {
    const regions = new TestRegions(core, 4);
    for (let n = 0; n < PROGRAMS; n++) run(n, regions);
    const { regions: made } = regions.compiler.counts;
    for (let n = 0; n < PROGRAMS; n++) expect(run(n, regions).inRegions).toBeGreaterThan(0n);
    expect(regions.compiler.counts.regions).toBe(made);
  });

  it("go with the cache of blocks, and nothing is said of blocks that are gone", () => {
    const handlers = functionsInTable(core);
    const regions = new TestRegions(core, 4);
    run(0, regions);
    expect(functionsInTable(core)).toBeGreaterThan(handlers);
    const cache = view().getUint32(MACHINE_BASE + Machine.off.run, true);
    const epoch = view().getUint32(cache + CodeCache.off.epoch, true);
    view().setUint32(cache + CodeCache.off.epoch, epoch + 1, true);
    const buckets = view().getUint32(cache + CodeCache.off.buckets, true);
    new Uint8Array(core.memory.buffer).fill(0, buckets, buckets + 4 * CODE_BUCKETS);
    regions.compiler.drain();
    regions.allow(machine.cpu);
    expect(functionsInTable(core)).toBe(handlers);
    expect(regions.compiler.book.list(new MachineView(core.memory.buffer))).toEqual([]);
  });

  it("that the host cannot make are interpreted", () => {
    const failures: string[] = [];
    const regions = new TestRegions(core, 4, {}, (message) => failures.push(message));
    run(0, regions);
    const words = new Uint32Array(core.memory.buffer);
    const memory = new MachineView(core.memory.buffer);
    const key = memory.word(machine.cpu + Vcpu.off.modeKey);
    const block = memory.findBlock(page, key);
    const published = (memory.jit + Jit.off.published) >>> 2;
    const record = memory.word(memory.jit + Jit.off.ring) + (words[published]! % JIT_RING_BYTES);
    const slot = 500;
    for (const [off, value] of [
      [JitRecord.off.kind, 1],
      [JitRecord.off.bytes, 8],
      [JitRecord.off.first, slot],
      [JitRecord.off.count, 1],
    ] as const)
      words[(record + off) >>> 2] = value;
    new Uint8Array(core.memory.buffer).fill(0xee, record + JitRecord.size, record + JitRecord.size + 8);
    words[published]! += JitRecord.size + 8;
    const entryOf = words[(block + Block.off.entry) >>> 2]!;
    regions.allow(machine.cpu);
    expect(failures).toEqual([expect.stringContaining("a module of regions")]);
    words[(block + Block.off.entry) >>> 2] = entryOf + slot;
    // What the jump cache knows of it is as it was.
    core.call.testFlush(machine.cpu);
    expect(run(0, regions)).toEqual({ rax: ROUNDS, inRegions: 0n });
  });

  it("that the table of a pCPU has no room for are interpreted, which is said once, until all are dropped", () => {
    const host = withTableThatMayBeFull();
    const failures: string[] = [];
    const regions = new TestRegions(core, 4, { bytes: 4000 }, (message) => failures.push(message));
    host.isFull = true;
    for (let n = 0; n < 3; n++) expect(run(n, regions)).toEqual({ rax: ROUNDS * BigInt(n + 1), inRegions: 0n });
    expect(failures).toEqual([expect.stringContaining("no room")]);
    host.isFull = false;
    let inRegions = 0n;
    for (let n = 3; inRegions === 0n; n++) {
      expect(n).toBeLessThan(PROGRAMS);
      inRegions = run(n, regions).inRegions;
    }
    expect(regions.compiler.counts.bytes).toBeGreaterThan(4000);
    expect(failures).toHaveLength(1);
  });

  it("are passed over where a record makes no sense, which is said once", () => {
    const failures: string[] = [];
    const regions = new TestRegions(core, 4, {}, (message) => failures.push(message));
    run(0, regions);
    const words = new Uint32Array(core.memory.buffer);
    const { jit, word } = { jit: core.call.jitStart(), word: (at: number) => words[at >>> 2]! };
    const published = (jit + Jit.off.published) >>> 2;
    const record = word(jit + Jit.off.ring) + (words[published]! % JIT_RING_BYTES);
    words.fill(0xeeeeeeee, record >>> 2, (record + JitRecord.size) >>> 2);
    words[published]! += JitRecord.size;
    for (let turn = 0; turn < 3; turn++) regions.allow(machine.cpu);
    expect(failures).toEqual([expect.stringContaining("a record of")]);
    expect(run(1, regions)).toEqual({ rax: 2n * ROUNDS, inRegions: 0n });
    // What was there before is still entered.
    expect(run(0, regions).inRegions).toBeGreaterThan(0n);
    expect(failures).toHaveLength(1);
  });
});

describe("the lock of the code cache", () => {
  it("has the compiler's name while it works, and is free afterwards whatever happens", () => {
    const words = new Int32Array(new SharedArrayBuffer(64));
    expect(withCacheLock(words, 3, () => words[3]! & 0xff)).toBe(LOCK_COMPILER);
    expect(() =>
      withCacheLock(words, 3, () => {
        throw new Error("no");
      }),
    ).toThrow("no");
    expect(words[3]).toBe(0);
  });
});
