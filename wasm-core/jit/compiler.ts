/**
 * The compiler's service: takes requests for regions from shared memory, makes modules of them and publishes these in a
 * ring that every pCPU reads. It keeps the book of table slots: a module's slots are given back when it is dropped.
 */
import { isShared } from "../abi/shared.js";
import {
  JIT_COVERED,
  JIT_REQUESTS,
  JIT_RING_BYTES,
  Jit,
  JitRecord,
  JitRecordKind,
  JitRequest,
} from "../abi/structs/jit.js";
import { MACHINE_BASE, Machine, PCPU_BASE, Pcpu } from "../abi/structs/machine.js";
import { Block } from "../abi/structs/translation.js";
import { RegionBook } from "./book.js";
import { withCacheLock } from "./cache-lock.js";
import { compileModule, HandlerImports, type RegionCode } from "./module.js";
import { type Module, Modules } from "./modules.js";
import { discoverRegion, type Wish } from "./region/discover.js";
import { emitRegion } from "./region/emit.js";
import { blocksOf, type Region } from "./region/graph.js";
import { MachineView } from "./region/machine-view.js";

/** Regions asked for that are compiled together, and bytes of a module at most unless one region is longer. */
const BATCH = 32;
const MODULE_BYTES = 256 * 1024;
/**
 * Bytes of code, and modules, after which the modules that are used least make room: those of code that was overwritten take
 * memory too, and a guest can make as many of them as it likes. Node ends without a word at some 32,000 modules.
 */
const LIMITS: CompilerLimits = { bytes: 64 * 1024 * 1024, modules: 8192 };
/** Part of a limit that is left when room has been made. */
const LEFT = 3 / 4;
/** Bytes of the ring, half of the distance at which an index would seem to be of the future. */
const OLD = 2 ** 30;

/** Nodes above which a region that was made for speed is not copied into those that call it: they leave, and it is entered. */
const LARGE = 24;

export interface CompilerMemory {
  readonly memory: WebAssembly.Memory;
  /** Address of the Jit struct: what jitStart returned. */
  readonly jit: number;
  /** First free index of the cores' function tables: the same in every instance of the core. */
  readonly firstSlot: number;
}

/** What all regions together may take. */
export interface CompilerLimits {
  readonly bytes: number;
  readonly modules: number;
}

export interface CompilerCounts {
  regions: number;
  modules: number;
  bytes: number;
}

const NOTHING = new Uint8Array(0);

/** A region that a module is being made of. */
interface Made {
  readonly region: Region;
  readonly vcpu: number;
  readonly code: RegionCode;
}

/** A block by which a region is entered. */
interface Entered {
  readonly block: number;
  /** Of a region made for speed, how many instructions were missed. */
  readonly missed: number | undefined;
  /** Whether the block begins a large one of these. */
  readonly large: boolean;
}

type Request = Omit<Wish, "hot">;

function enteredBy(region: Region): Entered[] {
  const { hot, nodes } = region;
  const isLarge = hot && nodes.length > LARGE;
  const missed = hot ? region.missed.size : undefined;
  return blocksOf(region).map((block) => ({ block, missed, large: isLarge && block === region.block }));
}

export class RegionCompiler {
  readonly counts: CompilerCounts = { regions: 0, modules: 0, bytes: 0 };
  /** What there is now, for those who want to look at it. */
  readonly book = new RegionBook();
  #epoch = 0;
  readonly #modules = new Modules();
  /** Blocks by which regions are entered that are made for speed already, with Entered.missed. */
  readonly #hot = new Map<number, number>();
  /** Those of them that begin large ones. */
  readonly #large = new Set<number>();
  /** Blocks by which regions are entered that are made, and whose module is not. */
  readonly #coming = new Set<number>();
  #view: MachineView | undefined;

  constructor(
    readonly host: CompilerMemory,
    readonly limits = LIMITS,
  ) {}

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
      const view = this.look();
      const requests = this.#take(view, Math.min(left, BATCH));
      if (requests.length === 0) break;
      left -= requests.length;
      made += this.#compile(view, requests);
    }
    return made;
  }

  /** A view of the memory as it is now: it may have grown, and blocks may be gone. */
  look(): MachineView {
    const { buffer } = this.host.memory;
    if (this.#view?.buffer !== buffer) this.#view = new MachineView(buffer);
    this.#follow(this.#view);
    return this.#view;
  }

  /** Where blocks were taken out others may lie by now: what is known of those is forgotten. With the last go all regions. */
  #follow(view: MachineView): void {
    if (view.epoch === this.#epoch) return;
    let gone: readonly Module[] = [];
    withCacheLock(new Int32Array(view.buffer), view.cacheLock >>> 2, () => {
      this.#epoch = view.epoch;
      this.#modules.forget((block) => !view.isBlock(block));
      if (this.#modules.isEmpty) gone = [...this.#modules];
      this.#takeAway(view, gone);
    });
    this.#letGo(gone);
  }

  /**
   * Takes the regions of the modules that are used least away from their blocks, which then are counted anew. All of them
   * where a pCPU has not taken some: it takes up again when it has none.
   */
  #makeRoom(view: MachineView): void {
    const toGo = this.#isBehind(view) ? [...this.#modules] : this.#leastUsed(view);
    const stands = this.#whileCacheStands(view, () => {
      this.#takeAway(view, toGo);
      this.#rejuvenate(view);
    });
    if (stands) this.#letGo(toGo);
  }

  /** Those that are to go, by how often their regions were entered since this was asked last. */
  #leastUsed(view: MachineView): Module[] {
    const used = [...this.#modules].map((module) => {
      const seen = view.runsOf(module.entered);
      const runs = module.entered.size === 0 ? -1 : Math.max(seen - module.seen, 0);
      module.seen = seen;
      return { module, runs };
    });
    let { bytes, size } = this.#modules;
    const out: Module[] = [];
    for (const { module } of used.sort((a, b) => a.runs - b.runs)) {
      if (bytes <= this.limits.bytes * LEFT && size <= this.limits.modules * LEFT) break;
      bytes -= module.bytes;
      size--;
      out.push(module);
    }
    return out;
  }

  /** Ring indices are compared by their distance: none may be too old. Under the cache's lock. */
  #rejuvenate(view: MachineView): void {
    const words = new Int32Array(view.buffer);
    const now = view.word(this.host.jit + Jit.off.published);
    for (const module of this.#modules) {
      if ((now - module.at) >>> 0 < OLD) continue;
      module.at = now;
      for (const block of module.entered) Atomics.store(words, (block + Block.off.entryAt) >>> 2, now);
    }
  }

  /** Whether a pCPU has left out some of what it has read. */
  #isBehind(view: MachineView): boolean {
    const pcpus = view.word(MACHINE_BASE + Machine.off.pcpus);
    const word = (id: number, off: number): number => view.word(PCPU_BASE + id * Pcpu.size + off);
    for (let id = 0; id < pcpus; id++) {
      if (word(id, Pcpu.off.regionsAt) !== word(id, Pcpu.off.regionsRead)) return true;
    }
    return false;
  }

  /** Nobody comes to these modules by their blocks any more. Under the cache's lock. */
  #takeAway(view: MachineView, modules: readonly Module[]): void {
    const words = new Int32Array(view.buffer);
    for (const module of modules) {
      for (const block of module.entered) {
        Atomics.store(words, (block + Block.off.entry) >>> 2, 0);
        words[(block + Block.off.heat) >>> 2] = view.word(block + Block.off.patience);
      }
      for (const block of this.#modules.remove(module)) view.setMember(block, false);
    }
  }

  /**
   * Publishes that their slots are free, and forgets what is known of their regions. Not under the cache's lock: who is to make
   * room in the ring may be waiting for that.
   */
  #letGo(modules: readonly Module[]): void {
    const { DROP, EVICT } = JitRecordKind.values;
    if (this.#modules.size > 0) for (const { first, count } of modules) this.#publish(EVICT, first, count, NOTHING);
    else if (modules.length > 0) this.#publish(DROP, 0, 0, NOTHING);
    for (const some of [this.#hot, this.#large]) {
      for (const block of some.keys()) if (!this.#modules.isEntered(block)) some.delete(block);
    }
    this.book.keep(this.#modules);
  }

  /** The records of `members` stay where they are. Under the cache's lock. */
  #keep(view: MachineView, members: Iterable<number>): void {
    for (const member of members) view.setMember(member, true);
  }

  /** Does `work` on blocks, unless some were taken out since they were found: then false. */
  #whileCacheStands(view: MachineView, work: () => void): boolean {
    return withCacheLock(new Int32Array(view.buffer), view.cacheLock >>> 2, () => {
      if (view.epoch !== this.#epoch) return false;
      work();
      return true;
    });
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
      const word = (at: number): number => view.word(r + at);
      const { block, vcpu, fpu, epoch, isSlow } = JitRequest.off;
      if (word(epoch) === view.epoch)
        out.push({ block: word(block), vcpu: word(vcpu), rip, fpu: word(fpu), isSlow: word(isSlow) !== 0 });
      at = (at + 1) | 0;
      Atomics.store(words, head, at);
    }
    return out;
  }

  #compile(view: MachineView, requests: readonly Request[]): number {
    let made: Made[] = [];
    let handlers = new HandlerImports();
    let bytes = 0;
    let count = 0;
    const finish = (): void => {
      if (made.length > 0 && view.epoch === this.#epoch) {
        this.#module(view, made, handlers.list);
        count += made.length;
      }
      this.#coming.clear();
      made = [];
      handlers = new HandlerImports();
      bytes = 0;
    };
    for (const request of requests) {
      const region = this.#discover(view, request);
      // What was read may have been several blocks', one after the other in one place.
      if (view.epoch !== this.#epoch) break;
      if (region === undefined) continue;
      this.#cover(view, region);
      const code = emitRegion(region, handlers.number);
      made.push({ region, vcpu: request.vcpu, code });
      for (const entered of blocksOf(region)) this.#coming.add(entered);
      bytes += code.body.length;
      if (bytes >= MODULE_BYTES) finish();
    }
    finish();
    return count;
  }

  /**
   * Undefined when there is nothing to compile, or no need any more: a region that was made since covers the block. One made
   * for speed is made again where it would leave fewer instructions to the interpreter.
   */
  #discover(view: MachineView, request: Request): Region | undefined {
    const { block } = request;
    if (!view.isValid(block) || view.word(block + Block.off.heat) !== 0 || this.#coming.has(block)) return undefined;
    const hot = view.hasRegion(block);
    const region = discoverRegion(view, { ...request, hot }, { coming: this.#coming, large: this.#large });
    const missed = this.#hot.get(block);
    return hot && missed !== undefined && region && region.missed.size <= missed ? undefined : region;
  }

  /**
   * Blocks of the region are counted anew, mostly they now run as part of it: those that begin none themselves, and where it
   * is made for speed those whose own is not. On a path that is taken as a whole they all ask at almost the same time.
   */
  #cover(view: MachineView, { block, hot, members }: Region): void {
    const words = new Int32Array(view.buffer);
    this.#whileCacheStands(view, () => {
      this.#keep(view, members);
      for (const member of members) {
        if (member === block) continue;
        const heat = (member + Block.off.heat) >>> 2;
        if (!view.hasRegion(member)) words[heat] = JIT_COVERED;
        else if (hot && !this.#hot.has(member)) words[heat] = view.hot;
      }
    });
  }

  /** Publishes one module of regions, then says of their blocks where they are. */
  #module(view: MachineView, made: readonly Made[], handlers: readonly number[]): void {
    const bytes = compileModule(
      made.map(({ code }) => code),
      handlers,
      isShared(this.host.memory),
    );
    const { limits } = this;
    if (this.#modules.bytes + bytes.length > limits.bytes || this.#modules.size >= limits.modules) this.#makeRoom(view);
    const entered = made.flatMap(({ region }) => enteredBy(region));
    const count = entered.length;
    const first = this.#modules.takeSlots(count);
    const at = this.#publish(JitRecordKind.values.MODULE, first, count, bytes);
    const module = {
      first,
      count,
      bytes: bytes.length,
      at,
      entered: new Set<number>(),
      members: new Set<number>(),
      seen: 0,
    };
    const stands = this.#whileCacheStands(view, () => {
      for (const { region } of made) for (const member of region.members) module.members.add(member);
      for (const { block } of entered) module.entered.add(block);
      // Room may have been made since.
      this.#keep(view, module.members);
      this.#announce(view, entered, module);
    });
    // Nobody enters one whose blocks are gone, and it goes first.
    this.#modules.add(module);
    if (stands) for (const { region, vcpu, code } of made) this.book.add(region, vcpu, code.body.length);
    this.counts.regions += made.length;
    this.counts.modules += 1;
    this.counts.bytes += bytes.length;
  }

  /** From now on whoever has the module enters its regions, by the blocks of its slots. Under the cache's lock. */
  #announce(view: MachineView, entered: readonly Entered[], { first, at }: Module): void {
    const words = new Int32Array(view.buffer);
    for (const [i, { block, missed, large }] of entered.entries()) {
      if (missed === undefined) this.#hot.delete(block);
      else this.#hot.set(block, missed);
      if (large) this.#large.add(block);
      else this.#large.delete(block);
      view.clear(block + Block.off.runs, 8);
      Atomics.store(words, (block + Block.off.heat) >>> 2, missed === undefined ? view.hot : 0);
      Atomics.store(words, (block + Block.off.entryAt) >>> 2, at);
      Atomics.store(words, (block + Block.off.entry) >>> 2, this.host.firstSlot + first + i);
    }
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

  /**
   * Waits until every pCPU has read what `size` more bytes at `at` would overwrite. The pCPU of a machine of one thread
   * reads everything before the next is compiled.
   */
  #waitForRoom(size: number, at: number): void {
    const words = new Int32Array(this.host.memory.buffer);
    const pcpus = words[(MACHINE_BASE + Machine.off.pcpus) >>> 2]!;
    for (let id = 0; id < pcpus; id++) {
      const seen = (PCPU_BASE + id * Pcpu.size + Pcpu.off.regionsRead) >>> 2;
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
