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

export class Regions {
  readonly #handlers: WebAssembly.ModuleImports;
  readonly #firstSlot: number;
  readonly #seen: number;
  readonly #drops: number;
  #at: number;

  /**
   * @param jit address of the Jit struct
   * @param failed called with why the host could not make a module: its regions are then left to the interpreter
   */
  constructor(
    readonly core: CoreExports & RegionDoors,
    readonly memory: WebAssembly.Memory,
    readonly pcpu: number,
    readonly jit: number,
    readonly failed: (message: string) => void,
  ) {
    this.#firstSlot = core.table.length;
    this.#seen = (PCPU_BASE + pcpu * Pcpu.size + Pcpu.off.regionsAt) >>> 2;
    this.#drops = (PCPU_BASE + pcpu * Pcpu.size + Pcpu.off.regionDrops) >>> 2;
    // What was read before is 0 in a new machine.
    this.#at = Atomics.load(new Int32Array(memory.buffer), this.#seen);
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

  /** Takes what was published since the last call. */
  install(): void {
    const words = new Int32Array(this.memory.buffer);
    const published = (this.jit + Jit.off.published) >>> 2;
    if (Atomics.load(words, published) === this.#at) return;
    const ring = words[(this.jit + Jit.off.ring) >>> 2]! >>> 0;
    while (this.#at !== Atomics.load(words, published)) {
      const record = ring + ((this.#at >>> 0) % JIT_RING_BYTES);
      const field = (off: number): number => words[(record + off) >>> 2]! >>> 0;
      const bytes = field(JitRecord.off.bytes);
      const kind = field(JitRecord.off.kind);
      const first = field(JitRecord.off.first);
      const count = field(JitRecord.off.count);
      if (kind === Number(JitRecordKind.values.MODULE)) this.#add(record + JitRecord.size, bytes, first, count);
      else if (kind === Number(JitRecordKind.values.DROP)) this.#drop(first, count);
      this.#at = (this.#at + ((JitRecord.size + bytes + 7) & ~7)) | 0;
    }
    Atomics.store(words, this.#seen, this.#at);
    Atomics.notify(words, this.#seen);
  }

  #add(at: number, size: number, first: number, count: number): void {
    const { table } = this.core;
    const from = this.#firstSlot + first;
    if (from + count > table.length) table.grow(Math.max(GROWTH, from + count - table.length));
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
      this.failed(`a module of regions: ${error instanceof Error ? error.message : String(error)}`);
      return [];
    }
  }

  /** Empties slots; a vCPU that comes here afterwards forgets which regions it knew. */
  #drop(first: number, count: number): void {
    Atomics.add(new Int32Array(this.memory.buffer), this.#drops, 1);
    for (let slot = this.#firstSlot + first; count > 0; count--) this.core.table.set(slot++, null);
  }
}
