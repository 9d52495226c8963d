/** Loops that walk through memory: a region keeps in mind on which page it was last, and must notice when that is over. */
import { beforeEach, describe, expect, it } from "vitest";
import { CURSORS, SegIndex, SegmentReg, Vcpu } from "../../wasm-core/abi/structs/vcpu.js";
import { Assembler } from "../../wasm-core/isa/asm/index.js";
import { loadTable } from "../../wasm-core/isa/table.js";
import { makeTestCore, type TestCore } from "../support/core.js";
import { HANDLERS, LongModeMachine, STACK_TOP } from "../support/machine.js";
import { Random } from "../support/random.js";
import { REGION_FRAMES, TestRegions } from "../support/regions.js";

const PAGE = 4096;
const PAGES = 8;
const CODE = 0x400000;
const FROM = 0x600000;
const TO = FROM + PAGES * PAGE;
const RAM_PAGES = 256;
const [GP, PF] = [13, 14];
const CR4_SMAP = 1n << 21n;
const THRESHOLD = 8;
const BUDGET = 5000;
const [RCX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10] = [1, 3, 4, 5, 6, 7, 8, 9, 10];
const { off } = Vcpu;
const assembler = new Assembler(await loadTable());

type Registers = Readonly<Record<number, bigint>>;

/** A machine with data pages in an order of their own: no two of them are as far from where they are seen. */
class Walker {
  readonly machine: LongModeMachine;
  readonly regions: TestRegions;
  readonly #frames: number[];
  readonly #code: number;

  constructor(readonly core: TestCore) {
    this.machine = new LongModeMachine(core, REGION_FRAMES, RAM_PAGES);
    this.regions = new TestRegions(core, THRESHOLD);
    const pages = Array.from({ length: 2 * PAGES }, (_, n) => ((n * 5) % (2 * PAGES)) * PAGE);
    const frames = pages.map((at) => [
      at,
      this.machine.mapUser({ linear: FROM + at, bytes: PAGE, writable: true })[0]!,
    ]);
    this.#frames = frames.sort(([a], [b]) => a! - b!).map(([, frame]) => frame!);
    this.#code = this.machine.mapUser({ linear: CODE, bytes: PAGE, writable: false })[0]!;
    this.machine.stayInHandlers();
  }

  get #u8(): Uint8Array {
    return new Uint8Array(this.core.memory.buffer);
  }

  get view(): DataView {
    return new DataView(this.core.memory.buffer);
  }

  get inRegions(): bigint {
    return this.view.getBigUint64(this.machine.cpu + off.regionInstructions, true);
  }

  /** All data, in the order in which the guest sees it. */
  get data(): Buffer {
    return Buffer.concat(this.#frames.map((frame) => this.#u8.slice(frame, frame + PAGE)));
  }

  set data(bytes: Uint8Array) {
    for (const [n, frame] of this.#frames.entries()) this.#u8.set(bytes.subarray(n * PAGE, (n + 1) * PAGE), frame);
  }

  load(source: string): void {
    this.machine.forgetCode(this.#code);
    const { bytes } = assembler.assemble(`.code64\n${source}\nhere: jmp here`, { origin: CODE });
    this.#u8.fill(0, this.#code, this.#code + PAGE).set(bytes, this.#code);
  }

  begin(registers: Registers, kernel = false): void {
    this.machine.begin({ rip: CODE, registers, eflags: 2 });
    if (kernel) this.#enterKernel();
  }

  #enterKernel(): void {
    const code = this.machine.cpu + off.seg + SegmentReg.size * Number(SegIndex.values.CS);
    this.view.setUint16(code + SegmentReg.off.selector, 0x10, true);
    this.view.setUint16(code + SegmentReg.off.attr, 0xa9b, true);
    this.view.setUint8(this.machine.cpu + off.cpl, 0);
    const { cpu } = this.machine;
    this.view.setBigUint64(cpu + off.cr4, this.view.getBigUint64(cpu + off.cr4, true) | CR4_SMAP, true);
    this.machine.refresh();
  }

  /** Runs until the program, or the handler of an exception, jumps to itself. */
  finish(inRegions: boolean): void {
    const { machine } = this;
    const place = (): bigint => machine.register(RCX) * 2n ** 64n + machine.rip;
    for (let turn = 0, last = -1n; turn < 10_000 && last !== place(); turn++) {
      last = place();
      this.core.call.testRun(machine.cpu, BUDGET);
      if (inRegions) this.regions.settle(machine.cpu);
    }
  }
}

let walker: Walker;
beforeEach(async () => {
  walker = new Walker(await makeTestCore());
});

/** Each walks RSI and RDI over the pages, also across their ends, for RCX rounds. */
const WALKS = {
  "one access of each width a round": `again: mov rax, [rsi]; add rbx, rax; mov [rdi + 3], eax; movzx eax, word ptr [rsi + 5]; sub rbx, rax
    mov [rdi], al; lea rsi, [rsi + 13]; add rdi, 11; dec ecx; jnz again`,
  "sixteen bytes, down":
    "again: sub rsi, 24; sub rdi, 20; movdqu xmm0, [rsi]; movdqu [rdi], xmm0; add rbx, [rdi + 4]; dec ecx; jnz again",
  "by an index":
    "again: mov eax, [rsi + r8 * 4]; add [rdi + r8 * 4 + 2], eax; add rbx, rax; inc r8; inc r8; dec ecx; jnz again",
  "two places of one register, and one that stays": `again: mov rax, [rsi]; add rsi, 8; mov [rsi + 0x7ff8], rax; add [r9], rax
    dec ecx; jnz again; add rbx, [r9]`,
  "up, down and by more than a page": `again: mov eax, [rsi]; add rbx, rax; mov [rdi + 0x7000], eax; add bl, [r8]; add rsi, 4; sub rdi, 4
    add r8, 4104; cmp r8, rbp; jb again; mov r8, r9; dec ecx; jnz again`,
  "in vectors of numbers, some of which are none": `again: movupd xmm0, [rsi]; mulpd xmm0, [rsi]; movq rax, xmm0; add rbx, rax; addsd xmm0, [rdi]
    movq rax, xmm0; xor rbx, rax; add rsi, 16; add rdi, 8; dec ecx; jnz again`,
  "a loop in a loop": `again: mov edx, 7; mov r9, rsi; inner: movzx eax, byte ptr [r9]; add rbx, rax; add r9, 301; dec edx; jnz inner
    mov [rdi], rbx; add rsi, 31; add rdi, 32; dec ecx; jnz again`,
  "more places than there are cursors": `again: ${Array.from({ length: CURSORS }, (_, n) => `add rbx, [rsi + ${n * 2048 + n}]; mov [rdi + ${n * 2048}], bl`).join("; ")}
    add rsi, 17; add rdi, 19; dec ecx; jnz again`,
  "with a handler in it":
    "again: mov rax, [rsi]; add rbx, rax; rdtscp; mov [rdi], rbx; add rsi, 100; add rdi, 90; dec r10d; mov ecx, r10d; jnz again",
} as const;

describe("a loop that walks over pages does what the interpreter does:", () => {
  it.each(Object.entries(WALKS))("%s", (name, source) => {
    const down = name.endsWith("down");
    const rounds = name === "more places than there are cursors" || name.startsWith("with") ? 150n : 800n;
    const start = {
      [RSI]: BigInt(down ? TO : FROM),
      [RDI]: BigInt(TO + (down ? PAGES * PAGE : 0)),
      [RCX]: rounds,
      [R10]: rounds,
      [RBP]: BigInt(TO),
      [R8]: name.startsWith("up") ? BigInt(FROM) : 0n,
      [R9]: BigInt(FROM),
    };
    const random = new Random(7);
    const data = Uint8Array.from({ length: 2 * PAGES * PAGE }, () => random.below(256));
    walker.load(source);
    const outcomes = [false, true, true].map((inRegions) => {
      walker.data = data;
      walker.begin(start);
      const before = walker.inRegions;
      walker.finish(inRegions);
      expect(walker.machine.rip >= BigInt(CODE), "no exception").toBe(true);
      return { sum: walker.machine.register(RBX), data: walker.data, regions: walker.inRegions - before };
    });
    const [interpreted, , compiled] = outcomes;
    expect(interpreted!.regions).toBe(0n);
    expect(compiled!.regions).toBeGreaterThan(rounds);
    expect(compiled!.sum).toBe(interpreted!.sum);
    expect(compiled!.data.equals(interpreted!.data)).toBe(true);
  });
});

it("rounds that stay on their pages end where the budget does", () => {
  walker.load("again: mov rax, [rsi]; add rbx, rax; add rsi, 8; dec ecx; jnz again");
  const rounds = 4000;
  const start = { [RSI]: BigInt(FROM), [RCX]: BigInt(rounds) };
  walker.begin(start);
  walker.finish(true);
  for (const budget of [1, 5, 6, 999, 1000, 2560, 4096, 5001, 19_000]) {
    walker.begin(start);
    const before = walker.inRegions;
    walker.core.call.testRun(walker.machine.cpu, budget);
    expect(walker.machine.register(RCX), `after ${budget}`).toBe(BigInt(rounds - Math.ceil(budget / 5)));
    expect(walker.inRegions - before).toBe(BigInt(Math.ceil(budget / 5) * 5));
  }
});

it.each([
  [1n << 63n, GP],
  [(1n << 63n) + 8n, GP],
  [0n, PF],
  [4080n, PF],
])("a cursor that is on no page yet lets nothing by: %s", (address, vector) => {
  walker.load("again: add rbx, [rsi]; add rsi, 8; dec ecx; jnz again");
  for (const round of [0, 1, 2]) {
    walker.begin(round === 2 ? { [RSI]: address, [RCX]: 5n } : { [RSI]: BigInt(FROM), [RCX]: 500n });
    walker.finish(true);
  }
  expect(walker.inRegions).toBeGreaterThan(500n);
  expect((walker.machine.rip - HANDLERS) / 16n).toBe(BigInt(vector));
  expect(walker.machine.register(RCX)).toBe(5n);
});

it("what a handler takes away is gone: CLAC, and the user's page cannot be read", () => {
  walker.load("again: cmp ecx, 5; je read; stac; read: add rbx, [rsi]; clac; add rsi, 2; dec ecx; jnz again");
  for (let round = 0; round < 3; round++) {
    walker.begin({ [RSI]: BigInt(FROM), [RCX]: 400n, [RSP]: STACK_TOP }, true);
    walker.finish(true);
    expect((walker.machine.rip - HANDLERS) / 16n).toBe(BigInt(PF));
    expect(walker.machine.register(RCX)).toBe(5n);
  }
  expect(walker.inRegions).toBeGreaterThan(400n);
});

it("a page that was mapped elsewhere since the region ran last is read where it is now", () => {
  const { machine } = walker;
  walker.load("again: add rbx, [rsi]; dec ecx; jnz again");
  const pages = machine.reserve(2);
  for (let round = 0; round < 6; round++) {
    const page = pages[round % 2]!;
    walker.view.setBigUint64(machine.at(page), BigInt(round), true);
    machine.replaceUser(FROM, page);
    walker.begin({ [RSI]: BigInt(FROM), [RCX]: 300n });
    walker.finish(true);
    expect(walker.machine.register(RBX)).toBe(300n * BigInt(round));
  }
  expect(walker.inRegions).toBeGreaterThan(300n);
});
