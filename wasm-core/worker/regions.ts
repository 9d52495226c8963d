/**
 * A pCPU's copy of the compiled regions: instantiates what the compiler published, in order, and puts the functions into
 * the table of its own core instance. Modules do not import the table: on some engines every one that does makes each
 * later change of the table dearer.
 */
import type { CoreExports, RegionDoors } from "../abi/core-api.js";
import { JIT_RING_BYTES, Jit, JitRecord, JitRecordKind } from "../abi/structs/jit.js";
import { PCPU_BASE, Pcpu } from "../abi/structs/machine.js";

/** Slots that the table grows by. */
const GROWTH = 1024;
const { MODULE, DROP, EVICT } = JitRecordKind.values;

export class Regions {
  readonly #handlers: WebAssembly.ModuleImports;
  readonly #firstSlot: number;
  /** Words of the pCPU: up to where it has read, up to where it has all regions, and how often slots were emptied. */
  readonly #read: number;
  readonly #taken: number;
  readonly #drops: number;
  #at: number;
  /** Something could not be taken since the last drop. */
  #behind = false;

  /**
   * @param jit address of the Jit struct
   * @param failed called with why regions could not be taken: they are then left to the interpreter
   */
  constructor(
    readonly core: CoreExports & RegionDoors,
    readonly memory: WebAssembly.Memory,
    readonly pcpu: number,
    readonly jit: number,
    readonly failed: (message: string) => void,
  ) {
    this.#firstSlot = core.table.length;
    const word = (off: number): number => (PCPU_BASE + pcpu * Pcpu.size + off) >>> 2;
    this.#read = word(Pcpu.off.regionsRead);
    this.#taken = word(Pcpu.off.regionsAt);
    this.#drops = word(Pcpu.off.regionDrops);
    // What was read before is 0 in a new machine.
    this.#at = Atomics.load(new Int32Array(memory.buffer), this.#read);
    const functions = new Map<string, WebAssembly.ImportValue>();
    this.#handlers = new Proxy({} as WebAssembly.ModuleImports, {
      get: (_, name) => {
        const key = String(name);
        const known = functions.get(key);
        if (known !== undefined) return known;
        const fn = core.table.get(Number(key)) as WebAssembly.ImportValue;
        functions.set(key, fn);
        return fn;
      },
    });
  }

  /**
   * Takes what was published since the last call. Never throws: regions that cannot be taken are left to the interpreter, by
   * staying behind the record that brings them until all regions end.
   */
  install(): void {
    const words = new Int32Array(this.memory.buffer);
    const published = Atomics.load(words, (this.jit + Jit.off.published) >>> 2);
    if (published === this.#at) return;
    while (this.#at !== published) this.#at = this.#take(words, published);
    if (!this.#behind) Atomics.store(words, this.#taken, this.#at);
    Atomics.store(words, this.#read, this.#at);
    Atomics.notify(words, this.#read);
  }

  /** Takes the record at #at; the index behind it, or `published` where it does not say how long it is. */
  #take(words: Int32Array, published: number): number {
    const ring = words[(this.jit + Jit.off.ring) >>> 2]! >>> 0;
    const record = ring + ((this.#at >>> 0) % JIT_RING_BYTES);
    const field = (off: number): number => words[(record + off) >>> 2]! >>> 0;
    const bytes = field(JitRecord.off.bytes);
    const first = field(JitRecord.off.first);
    const count = field(JitRecord.off.count);
    const size = Math.ceil((JitRecord.size + bytes) / 8) * 8;
    if (size > (published - this.#at) >>> 0) {
      this.#fallBehind(words, `a record of ${size} bytes where ${(published - this.#at) >>> 0} were published`);
      return published;
    }
    const kind = field(JitRecord.off.kind);
    if (kind === Number(EVICT)) this.#empty(first, count);
    else if (kind === Number(DROP)) {
      this.#empty(0, this.core.table.length - this.#firstSlot);
      this.#behind = false;
    } else if (kind === Number(MODULE) && !this.#behind) this.#add(words, record + JitRecord.size, bytes, first, count);
    return (this.#at + size) | 0;
  }

  /** Nothing of what comes from #at on is entered before the next drop. */
  #fallBehind(words: Int32Array, why: string): void {
    if (this.#behind) return;
    this.#behind = true;
    Atomics.store(words, this.#taken, this.#at);
    this.failed(`regions of pCPU ${this.pcpu} are left to the interpreter: ${why}`);
  }

  #add(words: Int32Array, at: number, size: number, first: number, count: number): void {
    const { table } = this.core;
    const from = this.#firstSlot + first;
    try {
      if (from + count > table.length) table.grow(Math.max(GROWTH, from + count - table.length));
    } catch (error) {
      this.#fallBehind(words, textOf(error));
      return;
    }
    const functions = this.#instantiate(at, size);
    for (let n = 0; n < count; n++) table.set(from + n, functions[n] ?? this.core.regionNone);
  }

  #instantiate(at: number, size: number): WebAssembly.ExportValue[] {
    // A copy: engines do not compile from shared memory.
    const bytes = new Uint8Array(this.memory.buffer, at, size).slice();
    const imports = { env: { memory: this.memory }, core: this.core, handler: this.#handlers };
    try {
      const module = new WebAssembly.Module(bytes);
      return Object.values(new WebAssembly.Instance(module, imports as unknown as WebAssembly.Imports).exports);
    } catch (error) {
      this.failed(`a module of regions: ${textOf(error)}`);
      return [];
    }
  }

  /** Empties slots; a vCPU that comes here afterwards forgets which regions it knew. */
  #empty(first: number, count: number): void {
    const { table } = this.core;
    Atomics.add(new Int32Array(this.memory.buffer), this.#drops, 1);
    const end = Math.min(this.#firstSlot + first + count, table.length);
    for (let slot = this.#firstSlot + first; slot < end; slot++) table.set(slot, null);
  }
}

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
