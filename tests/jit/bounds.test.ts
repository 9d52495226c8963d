/**
 * What a guest can make without end has bounds: modules in the ring that they come through, blocks in a hash bucket,
 * recompilations of code that keeps changing. And what it computes stays right meanwhile.
 */
import { expect, it } from "vitest";
import { JIT_PATIENCE, JIT_RING_BYTES, Jit } from "../../wasm-core/abi/structs/jit.js";
import { PCPU_BASE, Pcpu } from "../../wasm-core/abi/structs/machine.js";
import { Block, CODE_BUCKETS, CodeCache } from "../../wasm-core/abi/structs/translation.js";
import { Vcpu } from "../../wasm-core/abi/structs/vcpu.js";
import { Assembler } from "../../wasm-core/isa/asm/index.js";
import { loadTable } from "../../wasm-core/isa/table.js";
import type { CompilerLimits } from "../../wasm-core/jit/compiler.js";
import { MachineView } from "../../wasm-core/jit/region/machine-view.js";
import { makeTestCore } from "../support/core.js";
import { LongModeMachine } from "../support/machine.js";
import { REGION_FRAMES, TestRegions } from "../support/regions.js";

const CODE = 0x400000;
const CODE_BYTES = 0x20000;
const STACK = 0x600000;
const PAGE = 4096;
const BUDGET = 3000;
const THRESHOLD = 8;
const [RAX, RSP, R15] = [0, 4, 15];
const MOST_TURNS = 50_000;
const { off } = Vcpu;
const assembler = new Assembler(await loadTable());

class Guest {
  readonly cpu: number;
  readonly #code: readonly number[];
  readonly machine: LongModeMachine;
  readonly regions: TestRegions;

  private constructor(
    readonly core: Awaited<ReturnType<typeof makeTestCore>>,
    ringAt: number,
    limits?: Partial<CompilerLimits>,
  ) {
    this.machine = new LongModeMachine(core, REGION_FRAMES, 256);
    this.cpu = this.machine.cpu;
    const jit = core.call.jitStart();
    this.setWord(jit + Jit.off.published, ringAt);
    this.setWord(PCPU_BASE + Pcpu.off.regionsAt, ringAt);
    this.setWord(PCPU_BASE + Pcpu.off.regionsRead, ringAt);
    this.setWord(this.cpu + off.regionsAt, ringAt);
    this.regions = new TestRegions(core, THRESHOLD, limits);
    this.regions.setThreshold(THRESHOLD, THRESHOLD * JIT_PATIENCE);
    this.#code = this.machine.mapUser({ linear: CODE, bytes: CODE_BYTES, writable: true });
    this.machine.mapUser({ linear: STACK, bytes: PAGE, writable: true });
  }

  static async create(ringAt = 0, limits?: Partial<CompilerLimits>): Promise<Guest> {
    return new Guest(await makeTestCore(), ringAt, limits);
  }

  setWord(at: number, value: number): void {
    new DataView(this.core.memory.buffer).setUint32(at, value, true);
  }

  word(at: number): number {
    return new DataView(this.core.memory.buffer).getUint32(at, true);
  }

  get published(): number {
    return this.word(this.core.call.jitStart() + Jit.off.published);
  }

  get cache(): number {
    const view = new MachineView(this.core.memory.buffer);
    return view.cacheLock - CodeCache.off.lock;
  }

  get entries(): number {
    return Number(new DataView(this.core.memory.buffer).getBigUint64(this.cpu + off.regionEntries, true));
  }

  /** Puts a program into memory; it ends when R15 is not zero. */
  load(source: string): void {
    const { bytes } = assembler.assemble(`.code64\n${source}\nmov r15d, 1\nhere: jmp here`, { origin: CODE });
    const u8 = new Uint8Array(this.core.memory.buffer);
    for (const [i, page] of this.#code.entries()) {
      this.machine.forgetCode(page);
      u8.fill(0xcc, page, page + PAGE);
      u8.set(bytes.subarray(i * PAGE, (i + 1) * PAGE), page);
    }
  }

  /** Runs the program to its end, with regions from the moment that they are there. RAX. */
  run(): bigint {
    const { machine } = this;
    machine.begin({ rip: CODE, registers: { [RSP]: STACK + PAGE } });
    for (let turns = 0; machine.register(R15) === 0n; turns++) {
      if (turns === MOST_TURNS) throw new Error(`the program does not end; RAX is ${machine.register(RAX)}`);
      this.core.call.testRun(this.cpu, BUDGET);
      this.regions.settle(this.cpu);
    }
    return machine.register(RAX);
  }
}

/** Loops one after the other; a jump through a register keeps each in a region of its own. */
function loops(count: number, rounds: number, body: string): string {
  const one = (n: number): string => `
    mov ecx, 40
l${n}: add rax, ${n}
    ${body}
    dec ecx
    jnz l${n}
    mov edx, n${n}
    jmp rdx
n${n}:`;
  return `mov r14d, ${rounds}\ntop: ${Array.from({ length: count }, (_, n) => one(n)).join("\n")}\ndec r14d\njnz top`;
}

const LOOPS = 120;
const sum = (rounds: number): bigint => BigInt(((rounds * LOOPS * (LOOPS - 1)) / 2) * 40);

it("the ring of modules wraps around, and its index", { timeout: 120_000 }, async () => {
  // The index's end is also one of the ring's.
  const room = JIT_RING_BYTES / 32;
  const guest = await Guest.create(2 ** 32 - room, { bytes: room });
  guest.load(loops(LOOPS, 3, "add rbx, [rsp - 64]\nmov [rsp - 32], rbx\n".repeat(30)));
  for (let runs = 0; guest.published > JIT_RING_BYTES || guest.published < 2 * room; runs++) {
    expect(runs).toBeLessThan(100);
    expect(guest.run()).toBe(sum(3));
  }
  const entries = guest.entries;
  expect(guest.run()).toBe(sum(3));
  expect(guest.entries).toBeGreaterThan(entries);
});

/** Writes the constant of a function anew and calls it, again and again. */
const REWRITES = 400;
const CALLS = 300;
const rewriting = `
    mov ebx, ${REWRITES}
again: mov [f + 1], ebx
    mov ecx, ${CALLS}
calls: call f
    add rax, rdx
    dec ecx
    jnz calls
    dec ebx
    jnz again
    jmp over
.align 4096
f:  mov edx, 0x12345678
    ret
over:`;

it("code that is rewritten all the time is compiled less and less often", { timeout: 120_000 }, async () => {
  const guest = await Guest.create();
  guest.load(rewriting);
  const rewritten = BigInt(((REWRITES * (REWRITES + 1)) / 2) * CALLS);
  expect(guest.run()).toBe(rewritten);
  // Twice the patience after each region that goes stale, for the loop and for what it calls, and what became hot again.
  expect(guest.regions.compiler.counts.regions).toBeLessThan(160);
  const after = guest.regions.compiler.counts.regions;
  expect(after).toBeGreaterThan(4);
});

it("stale blocks do not stay in the hash buckets", async () => {
  const guest = await Guest.create();
  guest.load(rewriting);
  guest.run();
  const cache = guest.cache;
  const buckets = guest.word(cache + CodeCache.off.buckets);
  let longest = 0;
  for (let n = 0; n < CODE_BUCKETS; n++) {
    let length = 0;
    for (let at = guest.word(buckets + 4 * n); at !== 0; at = guest.word(at + Block.off.hashNext)) length++;
    longest = Math.max(longest, length);
  }
  expect(longest).toBeLessThan(8);
  expect(guest.word(cache + CodeCache.off.invalidations)).toBeGreaterThanOrEqual(REWRITES - 1);
});
