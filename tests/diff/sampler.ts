/**
 * Regions of a running machine, checked now and then: a sampled region runs, what it left is kept, the state before is
 * restored, the interpreter does the same number of instructions, and both must have left the same.
 *
 * A sample knows all that its region writes because it begins with empty TLBs: the first store to a page comes through
 * the door of writes, where the page is copied. Handlers that write memory or anything else of the machine are not
 * called in a sample, which ends in front of them.
 */

import type { RegionDoors } from "../../wasm-core/abi/core-api.js";
import { JIT_FUNCTIONS, JIT_PAIRED, Jit, RegionExit } from "../../wasm-core/abi/structs/jit.js";
import { TLB_BYTES, TLB_SECOND, TlbEntry } from "../../wasm-core/abi/structs/translation.js";
import { Status, Vcpu } from "../../wasm-core/abi/structs/vcpu.js";
import { registersOf } from "../../wasm-core/jit/effects.js";
import { type VariantInfo, variantTable } from "../../wasm-core/jit/instructions.js";
import { callable, importable, type JsDoor } from "../../wasm-core/jit/testing/doors.js";
import { Regions } from "../../wasm-core/worker/regions.js";
import type { TestCore } from "../support/core.js";
import type { Random } from "../support/random.js";
import { FIELDS } from "./machine.js";
import { type RegionFunction, Trampolines } from "./trampolines.js";

const PAGE = 4096;
/** More regions than one run makes. */
const SLOTS = 32768;
/** Times that a new region is sampled, whatever the luck. */
const FIRST_ENTRIES = 2;
/** Instructions of one sample at most. */
const MOST_INSTRUCTIONS = 400;
/** What a string instruction may fill in one, bytes. */
const MOST_FILLED = 8 * PAGE;
/** Steps of the interpreter without a retired instruction: one for each element of a string instruction. */
const MOST_STEPS = MOST_FILLED + 1000;
/** A ring index that no region has been reached at. */
const BEFORE_ALL = 0x40000000;
const EMPTY = -1;
const DF = 0x400;
const ADDRESS_64 = 2;
/** The clock and randomness differ between the two runs. */
const ANSWERS_DIFFER = /^(rdtscp?|rdrand|rdseed)$/;
const FILLS = /^(mov|sto)s(b?)$/;
const CALLED = ["regionRead", "regionWrite", "regionFlags"] as const;
const { off } = Vcpu;

type Handler = (cpu: number, record: number) => number;

export interface Difference {
  readonly rip: bigint;
  readonly instructions: number;
  readonly exit: number;
  readonly lines: readonly string[];
}

export class Sampler {
  readonly plain: Regions;
  readonly checked: Regions;
  readonly counts = { entries: 0, samples: 0, compared: 0, instructions: 0, regions: 0, devices: 0 };
  found: Difference | undefined;
  readonly #call: Record<(typeof CALLED)[number], JsDoor>;
  readonly #variants: readonly VariantInfo[] = variantTable();
  readonly #plain: RegionFunction[] = [];
  readonly #checked: RegionFunction[] = [];
  readonly #sampledOf = new Uint8Array(SLOTS);
  readonly #pages = new Map<number, Uint8Array>();
  #left = 1;
  #busy = false;
  #device = false;

  /** @param every samples are taken once in about so many entries */
  constructor(
    readonly core: TestCore,
    readonly jit: number,
    readonly random: Random,
    readonly every: number,
  ) {
    const { call, memory } = core;
    this.#call = callable(call, CALLED);
    const trampolines = new Trampolines(core, SLOTS, (cpu, slot) => this.#enter(cpu, slot));
    const plainCore = { ...call, table: trampolines.table(this.#plain) };
    const handler = (fn: number) => this.#handler(fn, call.table.get(fn) as unknown as Handler);
    const isNew = (slot: number) => void this.#sampledOf.fill(0, slot, slot + 1);
    const checkedCore = {
      ...call,
      ...this.#doors(),
      table: trampolines.keeping(this.#checked, handler, isNew),
    };
    const fail = (message: string): never => {
      throw new Error(message);
    };
    this.checked = new Regions(checkedCore as unknown as typeof call & RegionDoors, memory, 0, jit, fail);
    this.plain = new Regions(plainCore as unknown as typeof call & RegionDoors, memory, 0, jit, fail);
  }

  /** Takes what the compiler published. */
  install(): void {
    this.checked.install();
    this.plain.install();
  }

  #view(): DataView {
    return new DataView(this.core.memory.buffer);
  }

  #u8(): Uint8Array {
    return new Uint8Array(this.core.memory.buffer);
  }

  #enter(cpu: number, slot: number): number {
    this.counts.entries++;
    const fresh = this.#sampledOf[slot]! < FIRST_ENTRIES;
    if (this.#busy || (!fresh && --this.#left > 0)) return this.#plain[slot]!(cpu);
    if (fresh && this.#sampledOf[slot]!++ === 0) this.counts.regions++;
    if (!fresh) this.#left = 1 + this.random.below(2 * this.every);
    this.#busy = true;
    try {
      return this.#sample(cpu, slot);
    } finally {
      this.#busy = false;
    }
  }

  // --- what a sample's region calls

  #doors(): Partial<RegionDoors> {
    const { regionRead, regionWrite } = this.#call;
    const read = (cpu: number, lin: bigint, size: number): number => {
      const p = regionRead(cpu, lin, size) >>> 0;
      const bounce = (cpu >>> 0) + off.bounce;
      if (p === bounce) this.#device ||= this.#view().getUint32((cpu >>> 0) + off.bounceKind, true) === 1;
      else if (p !== 0) {
        this.#copyPage(p);
        // A page that was written before may be entered for writing too: its first store is to come by the door.
        this.#closePage(cpu >>> 0, lin);
      }
      return p;
    };
    const write = (cpu: number, lin: bigint, size: number): number => {
      const p = regionWrite(cpu, lin, size) >>> 0;
      if (p !== 0) this.#copyPage(p);
      return p;
    };
    return importable({ regionRead: read as JsDoor, regionWrite: write as JsDoor });
  }

  #handler(fn: number, real: Handler): Handler {
    const view = this.#view();
    const map = view.getUint32(this.jit + Jit.off.variants, true);
    const number = fn < JIT_FUNCTIONS ? view.getUint16(map + 2 * fn, true) & ~JIT_PAIRED : 0;
    const v = this.#variants[number - 1]!;
    const fields = { fn, record: 0, at: 0, next: 0, block: 0, reg: 0, rm: 0, index: 0, ea: 0, disp: 0, imm: 0 };
    const quiet = !registersOf({ v, ...fields }).stores && !ANSWERS_DIFFER.test(v.semantic);
    const fills = FILLS.test(v.semantic);
    return (cpu, record) => {
      if (!quiet && !(fills && this.#openFilled(cpu >>> 0, record >>> 0, v))) return Number(Status.values.RESTART);
      const status = real(cpu, record);
      this.#closeAll(cpu >>> 0);
      return status;
    };
  }

  /** Copies the pages that MOVS or STOS is about to fill; false when that is better left alone. */
  #openFilled(cpu: number, record: number, v: VariantInfo): boolean {
    const view = this.#view();
    const ea = view.getUint8(record + 7);
    if (ea >>> 6 !== ADDRESS_64 || view.getUint32(cpu + off.eflags, true) & DF) return false;
    const size = (v.size || 8) / 8;
    const count = v.rep === 0 ? 1n : view.getBigUint64(cpu + off.gpr + 8, true);
    const bytes = count * BigInt(size);
    if (bytes > BigInt(MOST_FILLED)) return false;
    const from = view.getBigUint64(cpu + off.gpr + 56, true);
    for (let lin = from; lin < from + bytes; lin = (lin & ~0xfffn) + BigInt(PAGE)) {
      const p = this.#call.regionWrite(cpu, lin, 1) >>> 0;
      if (p === 0) return false;
      this.#copyPage(p);
    }
    return true;
  }

  #copyPage(p: number): void {
    const page = (p & ~(PAGE - 1)) >>> 0;
    if (!this.#pages.has(page)) this.#pages.set(page, this.#u8().slice(page, page + PAGE));
  }

  #closePage(cpu: number, lin: bigint): void {
    const view = this.#view();
    const own = this.core.call.testTlbSlot(lin);
    for (const entry of [own, own ^ (TLB_SECOND * TlbEntry.size)])
      view.setBigInt64(view.getUint32(cpu + off.tlb, true) + entry + TlbEntry.off.tagW, -1n, true);
  }

  #closeAll(cpu: number): void {
    const words = new Int32Array(this.core.memory.buffer);
    const from = this.#view().getUint32(cpu + off.tlbBase, true);
    for (let at = from + TlbEntry.off.tagW; at < from + TLB_BYTES; at += TlbEntry.size) {
      words[at >>> 2] = EMPTY;
      words[(at >>> 2) + 1] = EMPTY;
    }
  }

  #emptyTlb(cpu: number): void {
    const from = this.#view().getUint32(cpu + off.tlbBase, true);
    this.#u8().fill(0xff, from, from + TLB_BYTES);
    this.#view().setUint32(cpu + off.clacCount, 0, true);
  }

  // --- a sample

  #sample(cpu: number, slot: number): number {
    const view = this.#view();
    const u8 = this.#u8();
    this.counts.samples++;
    const events = view.getUint32(cpu + off.events, true);
    const budget = view.getInt32(cpu + off.budget, true);
    const given = Math.min(budget, 1 + this.random.below(MOST_INSTRUCTIONS));
    const before = u8.slice(cpu, cpu + Vcpu.size);
    this.#pages.clear();
    this.#device = false;
    this.#emptyTlb(cpu);
    view.setUint32(cpu + off.events, 0, true);
    view.setInt32(cpu + off.budget, given, true);
    const exit = this.#checked[slot]!(cpu);
    if (exit !== Number(RegionExit.values.STALE)) {
      this.#call.regionFlags(cpu);
      if (this.#device) this.counts.devices++;
      else this.#compare(cpu, before, exit, given - view.getInt32(cpu + off.budget, true));
    }
    view.setInt32(cpu + off.budget, budget - given + view.getInt32(cpu + off.budget, true), true);
    view.setUint32(cpu + off.events, events | view.getUint32(cpu + off.events, true), true);
    return exit;
  }

  /**
   * Runs the interpreter from the state before, compares, and goes on with what the region left.
   * @param spent budget that the region took, which the run loop will count as instructions
   */
  #compare(cpu: number, before: Uint8Array, exit: number, spent: number): void {
    const u8 = this.#u8();
    const view = this.#view();
    const after = u8.slice(cpu, cpu + Vcpu.size);
    const left = new Map<number, Uint8Array>();
    for (const [page, old] of this.#pages) {
      left.set(page, u8.slice(page, page + PAGE));
      u8.set(old, page);
    }
    u8.set(before, cpu);
    this.#emptyTlb(cpu);
    const counted = after.slice();
    const target = new DataView(after.buffer).getBigUint64(off.icount, true) + BigInt(spent);
    new DataView(counted.buffer).setBigUint64(off.icount, target, true);
    const instructions = Number(target - view.getBigUint64(cpu + off.icount, true));
    view.setUint32(cpu + off.events, 0, true);
    view.setUint32(cpu + off.regionsAt, (view.getUint32(cpu + off.regionsAt, true) - BEFORE_ALL) >>> 0, true);
    view.setUint8(cpu + off.forceSingleStep, 1);
    this.core.call.testRefresh(cpu);
    const lines = this.#follow(cpu, target, counted, left);
    this.counts.compared++;
    this.counts.instructions += instructions;
    if (lines.length > 0 && this.found === undefined) {
      const rip = new DataView(before.buffer).getBigUint64(off.rip, true);
      this.found = { rip, instructions, exit, lines };
    }
    u8.set(after, cpu);
    for (const [page, bytes] of left) u8.set(bytes, page);
    this.#emptyTlb(cpu);
  }

  #follow(cpu: number, target: bigint, after: Uint8Array, left: ReadonlyMap<number, Uint8Array>): string[] {
    const view = this.#view();
    const icount = (): bigint => view.getBigUint64(cpu + off.icount, true);
    for (let seen = icount(), steps = 0; seen < target && steps < MOST_STEPS; ) {
      this.core.call.testRun(cpu, 1);
      steps = icount() === seen ? steps + 1 : 0;
      seen = icount();
    }
    this.#call.regionFlags(cpu);
    let lines = this.#differences(cpu, after, left);
    const first = lines;
    // Elements of a repeated string instruction.
    for (let step = 0; lines.length > 0 && step < MOST_STEPS; step++) {
      this.core.call.testRun(cpu, 1);
      if (icount() > target) return first;
      lines = this.#differences(cpu, after, left);
    }
    return lines;
  }

  #differences(cpu: number, after: Uint8Array, left: ReadonlyMap<number, Uint8Array>): string[] {
    const u8 = this.#u8();
    const out: string[] = [];
    const hex = (b: Uint8Array): string => Buffer.from(b).reverse().toString("hex");
    for (const { name, at, bytes } of FIELDS) {
      // CR2 and DR6 are what a fault on the way to its instruction left behind.
      if (name === "cr2" || name === "dr6") continue;
      const a = u8.subarray(cpu + at, cpu + at + bytes);
      const b = after.subarray(at, at + bytes);
      if (Buffer.compare(a, b) !== 0) out.push(`${name}  ${hex(a)}  ${hex(b)}`);
    }
    for (const [page, bytes] of left) {
      const now = u8.subarray(page, page + PAGE);
      if (Buffer.compare(now, bytes) === 0) continue;
      const at = now.findIndex((byte, i) => byte !== bytes[i]) & ~15;
      out.push(
        `page ${page.toString(16)} + ${at.toString(16)}  ${hex(now.slice(at, at + 16))}  ${hex(bytes.slice(at, at + 16))}`,
      );
    }
    return out;
  }
}
