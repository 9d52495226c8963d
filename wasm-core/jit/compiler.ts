/**
 * The compiler's service: takes requests for regions from shared memory, makes modules of them and publishes these in a
 * ring that every pCPU reads. It keeps the book of table slots: where there are no more, the oldest modules go.
 */
import {
  JIT_REQUESTS,
  JIT_RING_BYTES,
  JIT_SLOTS,
  Jit,
  JitRecord,
  JitRecordKind,
  JitRequest,
} from "../abi/structs/jit.js";
import { LOCK_COMPILER, MACHINE_BASE, Machine, PCPU_BASE, Pcpu } from "../abi/structs/machine.js";
import { Block } from "../abi/structs/translation.js";
import { RegionBook } from "./book.js";
import { withLock } from "./lock.js";
import { compileModule, HandlerImports, type RegionCode } from "./module.js";
import { discoverRegion } from "./region/discover.js";
import { emitRegion } from "./region/emit.js";
import type { Region } from "./region/graph.js";
import { MachineView } from "./region/machine-view.js";
import { type LiveModule, type SlotLimits, Slots } from "./slots.js";

/** Regions in one module at most. */
const BATCH = 32;
/** A module of so many bytes of functions gets no further one: it must find room in the ring. */
const MODULE_BYTES = JIT_RING_BYTES / 16;
/** What may live at the same time. Machine code is about ten times as long as what it is made from. */
const LIMITS: SlotLimits = { slots: JIT_SLOTS, bytes: 32 << 20 };

export interface CompilerMemory {
  readonly memory: WebAssembly.Memory;
  /** Address of the Jit struct: what jitStart returned. */
  readonly jit: number;
  /** First free index of the cores' function tables: the same in every instance of the core. */
  readonly firstSlot: number;
  /** Less than there is room for, where a test wants to see what happens then. */
  readonly limits?: SlotLimits;
}

export interface CompilerCounts {
  regions: number;
  modules: number;
  bytes: number;
  /** Modules that went to make room. */
  evictions: number;
}

interface Request {
  readonly block: number;
  readonly vcpu: number;
  readonly rip: bigint;
}

/** A module in the making. */
class Batch {
  readonly regions: Region[] = [];
  readonly vcpus: number[] = [];
  readonly codes: RegionCode[] = [];
  readonly handlers = new HandlerImports();
  bytes = 0;

  add(region: Region, vcpu: number): void {
    const code = emitRegion(region, this.handlers.number);
    this.regions.push(region);
    this.vcpus.push(vcpu);
    this.codes.push(code);
    this.bytes += code.length;
  }
}

export class RegionCompiler {
  readonly counts: CompilerCounts = { regions: 0, modules: 0, bytes: 0, evictions: 0 };
  /** What there is now, for those who want to look at it. */
  readonly book = new RegionBook();
  #epoch = 0;
  readonly #slots: Slots;
  #view: MachineView | undefined;

  constructor(readonly host: CompilerMemory) {
    this.#slots = new Slots(host.limits ?? LIMITS);
  }

  /** Index and value of the word that changes with a new request: what to sleep on. */
  waitingFor(): { word: number; value: number } {
    const words = new Int32Array(this.host.memory.buffer);
    const word = (this.host.jit + Jit.off.requestTail) >>> 2;
    return { word, value: Atomics.load(words, word) };
  }

  /** Compiles everything asked for so far; returns how many regions were made. */
  drain(): number {
    let made = 0;
    for (;;) {
      const view = this.#look();
      this.#follow(view);
      const requests = this.#take(view);
      if (requests.length === 0) return made;
      made += this.#compile(view, requests);
    }
  }

  /** A view of the memory as it is now: it may have grown. */
  #look(): MachineView {
    const { buffer } = this.host.memory;
    if (this.#view?.buffer !== buffer) this.#view = new MachineView(buffer);
    return this.#view;
  }

  /** When all blocks were dropped, all regions went with them. */
  #follow(view: MachineView): void {
    if (view.epoch === this.#epoch) return;
    this.#epoch = view.epoch;
    this.#drop(0, this.#slots.used);
    this.#slots.clear();
    this.book.clear();
  }

  #take(view: MachineView): Request[] {
    const words = new Int32Array(view.buffer);
    const head = (this.host.jit + Jit.off.requestHead) >>> 2;
    const tail = (this.host.jit + Jit.off.requestTail) >>> 2;
    const out: Request[] = [];
    let at = Atomics.load(words, head);
    while (out.length < BATCH && at !== Atomics.load(words, tail)) {
      const r = view.word(this.host.jit + Jit.off.requests) + ((at >>> 0) % JIT_REQUESTS) * JitRequest.size;
      const rip = BigInt(view.word(r + JitRequest.off.rip)) | (BigInt(view.word(r + JitRequest.off.rip + 4)) << 32n);
      if (view.word(r + JitRequest.off.epoch) === view.epoch)
        out.push({ block: view.word(r + JitRequest.off.block), vcpu: view.word(r + JitRequest.off.vcpu), rip });
      at = (at + 1) | 0;
      Atomics.store(words, head, at);
    }
    return out;
  }

  /** Makes modules of what was asked for: as many as their size wants. */
  #compile(view: MachineView, requests: readonly Request[]): number {
    let made = 0;
    let batch = new Batch();
    const errors: unknown[] = [];
    for (const { block, vcpu, rip } of requests) {
      if (!view.isValid(block) || view.word(block + Block.off.entry) !== 0) continue;
      try {
        const region = discoverRegion(view, vcpu, rip, block);
        if (region === undefined) continue;
        batch.add(region, vcpu);
      } catch (error) {
        errors.push(error);
        continue;
      }
      made++;
      if (batch.bytes < MODULE_BYTES) continue;
      this.#install(view, batch);
      batch = new Batch();
    }
    if (batch.bytes > 0) this.#install(view, batch);
    if (errors.length > 0) throw errors[0];
    return made;
  }

  /** Publishes the module, in place of older ones if need be, and lets its regions be entered. */
  #install(view: MachineView, { regions, vcpus, codes, handlers }: Batch): void {
    const bytes = compileModule(codes, handlers.list);
    const { first, evicted } = this.#slots.reserve(regions.length, bytes.length);
    for (const module of evicted) this.#evict(view, module);
    const at = this.#publish(JitRecordKind.values.MODULE, first, regions.length, bytes);
    const blocks = regions.map(({ block }) => block);
    this.#slots.add({ first, count: regions.length, bytes: bytes.length, blocks });
    this.#ifCurrent(view, (words) => {
      // From now on whoever has the module enters its regions.
      for (const [i, block] of blocks.entries()) {
        Atomics.store(words, (block + Block.off.entryAt) >>> 2, at);
        Atomics.store(words, (block + Block.off.entry) >>> 2, this.host.firstSlot + first + i);
      }
    });
    for (const [i, region] of regions.entries()) this.book.add(region, vcpus[i]!, codes[i]!.length);
    this.counts.regions += regions.length;
    this.counts.modules += 1;
    this.counts.bytes += bytes.length;
  }

  /**
   * Nobody enters the module's regions any more: their blocks are counted anew. Who is about to, with what it read before,
   * finds them in its table until it takes the record between two turns.
   */
  #evict(view: MachineView, { first, count, blocks }: LiveModule): void {
    this.#ifCurrent(view, (words) => {
      for (const [i, block] of blocks.entries()) {
        const entry = (block + Block.off.entry) >>> 2;
        if (Atomics.load(words, entry) !== this.host.firstSlot + first + i) continue;
        words[(block + Block.off.heat) >>> 2] = view.word(block + Block.off.patience);
        Atomics.store(words, entry, 0);
      }
    });
    this.#drop(first, count);
    this.counts.evictions += 1;
  }

  #drop(first: number, count: number): void {
    if (count > 0) this.#publish(JitRecordKind.values.DROP, first, count, new Uint8Array(0));
  }

  /**
   * Changes blocks, unless they were dropped since the regions were made: then others may lie there. Under the lock
   * that whoever drops them holds.
   */
  #ifCurrent(view: MachineView, change: (words: Int32Array) => void): void {
    const words = new Int32Array(view.buffer);
    withLock(words, view.lock, LOCK_COMPILER, () => {
      if (view.epoch === this.#epoch) change(words);
    });
  }

  /** Appends a record to the ring and returns the index behind it. */
  #publish(kind: number | bigint, first: number, count: number, bytes: Uint8Array): number {
    const { memory, jit } = this.host;
    const words = new Int32Array(memory.buffer);
    const ring = words[(jit + Jit.off.ring) >>> 2]! >>> 0;
    const size = (JitRecord.size + bytes.length + 7) & ~7;
    let at = Atomics.load(words, (jit + Jit.off.published) >>> 2) >>> 0;
    const left = JIT_RING_BYTES - (at % JIT_RING_BYTES);
    if (left < size + JitRecord.size) {
      this.#waitForRoom(left + size, at);
      this.#record(ring + (at % JIT_RING_BYTES), JitRecordKind.values.WRAP, 0, 0, left - JitRecord.size);
      at = (at + left) >>> 0;
    } else this.#waitForRoom(size, at);
    const to = ring + (at % JIT_RING_BYTES);
    new Uint8Array(memory.buffer, to + JitRecord.size, bytes.length).set(bytes);
    this.#record(to, kind, first, count, bytes.length);
    const end = (at + size) >>> 0;
    Atomics.store(words, (jit + Jit.off.published) >>> 2, end | 0);
    return end;
  }

  #record(at: number, kind: number | bigint, first: number, count: number, bytes: number): void {
    const words = new Int32Array(this.host.memory.buffer);
    words[(at + JitRecord.off.kind) >>> 2] = Number(kind);
    words[(at + JitRecord.off.bytes) >>> 2] = bytes;
    words[(at + JitRecord.off.first) >>> 2] = first;
    words[(at + JitRecord.off.count) >>> 2] = count;
  }

  /** Waits until every pCPU has read what `size` more bytes at `at` would overwrite. */
  #waitForRoom(size: number, at: number): void {
    const words = new Int32Array(this.host.memory.buffer);
    const pcpus = words[(MACHINE_BASE + Machine.off.pcpus) >>> 2]!;
    for (let id = 0; id < pcpus; id++) {
      const seen = (PCPU_BASE + id * Pcpu.size + Pcpu.off.regionsAt) >>> 2;
      const doorbell = (PCPU_BASE + id * Pcpu.size + Pcpu.off.doorbell) >>> 2;
      for (
        let have = Atomics.load(words, seen);
        ((at - have) >>> 0) + size > JIT_RING_BYTES;
        have = Atomics.load(words, seen)
      ) {
        Atomics.add(words, doorbell, 1);
        Atomics.notify(words, doorbell);
        Atomics.wait(words, seen, have, 10);
      }
    }
  }
}
