/**
 * The compiler's service: takes requests for regions from shared memory, makes modules of them and publishes these in a
 * ring that every pCPU reads. It keeps the book of table slots: a module's slots are given back when it is dropped.
 */

import { isShared } from "../abi/shared.js";
import { JIT_REQUESTS, JIT_RING_BYTES, Jit, JitRecord, JitRecordKind, JitRequest } from "../abi/structs/jit.js";
import { MACHINE_BASE, Machine, PCPU_BASE, Pcpu } from "../abi/structs/machine.js";
import { Block } from "../abi/structs/translation.js";
import { RegionBook } from "./book.js";
import { compileModule, HandlerImports, type RegionCode } from "./module.js";
import { discoverRegion } from "./region/discover.js";
import { emitRegion } from "./region/emit.js";
import type { Region } from "./region/graph.js";
import { MachineView } from "./region/machine-view.js";

/** Regions in one module at most. */
const BATCH = 32;

export interface CompilerMemory {
  readonly memory: WebAssembly.Memory;
  /** Address of the Jit struct: what jitStart returned. */
  readonly jit: number;
  /** First free index of the cores' function tables: the same in every instance of the core. */
  readonly firstSlot: number;
}

export interface CompilerCounts {
  regions: number;
  modules: number;
  bytes: number;
}

interface Request {
  readonly block: number;
  readonly vcpu: number;
  readonly rip: bigint;
}

export class RegionCompiler {
  readonly counts: CompilerCounts = { regions: 0, modules: 0, bytes: 0 };
  /** What there is now, for those who want to look at it. */
  readonly book = new RegionBook();
  #epoch = 0;
  #nextSlot = 0;
  #view: MachineView | undefined;

  constructor(readonly host: CompilerMemory) {}

  /** Index and value of the word that changes with a new request: what to sleep on. */
  waitingFor(): { word: number; value: number } {
    const words = new Int32Array(this.host.memory.buffer);
    const word = (this.host.jit + Jit.off.requestTail) >>> 2;
    return { word, value: Atomics.load(words, word) };
  }

  /** Whether regions are asked for. */
  get isAsked(): boolean {
    const head = (this.host.jit + Jit.off.requestHead) >>> 2;
    return this.waitingFor().value !== Atomics.load(new Int32Array(this.host.memory.buffer), head);
  }

  /** Compiles what was asked for so far, `most` requests of it; returns how many regions were made. */
  drain(most = Number.POSITIVE_INFINITY): number {
    let made = 0;
    for (let left = most; left > 0; ) {
      const view = this.#look();
      this.#follow(view);
      const requests = this.#take(view, Math.min(left, BATCH));
      if (requests.length === 0) break;
      left -= requests.length;
      made += this.#compile(view, requests);
    }
    return made;
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
    if (this.#nextSlot > 0) this.#publish(JitRecordKind.values.DROP, 0, this.#nextSlot, new Uint8Array(0));
    this.#nextSlot = 0;
    this.book.clear();
  }

  #take(view: MachineView, most: number): Request[] {
    const words = new Int32Array(view.buffer);
    const head = (this.host.jit + Jit.off.requestHead) >>> 2;
    const tail = (this.host.jit + Jit.off.requestTail) >>> 2;
    const out: Request[] = [];
    let at = Atomics.load(words, head);
    while (out.length < most && at !== Atomics.load(words, tail)) {
      const r = view.word(this.host.jit + Jit.off.requests) + ((at >>> 0) % JIT_REQUESTS) * JitRequest.size;
      const rip = BigInt(view.word(r + JitRequest.off.rip)) | (BigInt(view.word(r + JitRequest.off.rip + 4)) << 32n);
      if (view.word(r + JitRequest.off.epoch) === view.epoch)
        out.push({ block: view.word(r + JitRequest.off.block), vcpu: view.word(r + JitRequest.off.vcpu), rip });
      at = (at + 1) | 0;
      Atomics.store(words, head, at);
    }
    return out;
  }

  #compile(view: MachineView, requests: readonly Request[]): number {
    const regions: Region[] = [];
    const vcpus: number[] = [];
    for (const { block, vcpu, rip } of requests) {
      if (!view.isValid(block)) continue;
      const region = discoverRegion(view, vcpu, rip, block);
      if (region === undefined) continue;
      regions.push(region);
      vcpus.push(vcpu);
    }
    if (regions.length === 0) return 0;
    const handlers = new HandlerImports();
    const codes: RegionCode[] = regions.map((r) => emitRegion(r, handlers.number));
    const bytes = compileModule(codes, handlers.list, isShared(this.host.memory));
    const first = this.#nextSlot;
    this.#nextSlot += regions.length;
    const at = this.#publish(JitRecordKind.values.MODULE, first, regions.length, bytes);
    this.#announce(view, regions, first, at);
    regions.forEach((r, i) => {
      this.book.add(r, vcpus[i]!, codes[i]!.length);
    });
    this.counts.regions += regions.length;
    this.counts.modules += 1;
    this.counts.bytes += bytes.length;
    return regions.length;
  }

  /** From now on whoever has the module enters its regions. */
  #announce(view: MachineView, regions: readonly Region[], first: number, at: number): void {
    const words = new Int32Array(view.buffer);
    if (view.epoch !== this.#epoch) return;
    regions.forEach(({ block }, i) => {
      Atomics.store(words, (block + Block.off.entryAt) >>> 2, at);
      Atomics.store(words, (block + Block.off.entry) >>> 2, this.host.firstSlot + first + i);
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
