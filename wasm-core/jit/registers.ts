/**
 * Registers of the vCPU as locals of a region, general ones or vectors. Kept in locals they are loaded where the region
 * begins and stored where it is left. Written through, each is stored where it is written and loaded where a path that has
 * no other before it reads it first: nothing lives from node to node, there is nothing to store on the many ways out, and
 * the host's compiler has a sixth less to do. A loop would do all of it in each round.
 */
import { L } from "./locals.js";
import type { Code } from "./wasm/code.js";
import type { OpName } from "./wasm/ops.js";

/** Where registers are, by number. */
export interface Bank {
  /** Local of the first. */
  readonly local: number;
  readonly load: OpName;
  readonly store: OpName;
  /** Offset in the vCPU. */
  readonly offsetOf: (n: number) => number;
}

export class Registers {
  /** Those that the region touches, and those it changes. */
  readonly #used = new Set<number>();
  readonly #dirty = new Set<number>();
  /** Written through: those whose locals hold them here; how deep the node is in the code. */
  #held = new Set<number>();
  #depth = 0;

  constructor(
    readonly code: Code,
    readonly bank: Bank,
    readonly writesThrough: boolean,
  ) {}

  /** A node begins. @param held what was at `end` of the only one before it */
  begin(held: ReadonlySet<number> | undefined): void {
    this.#held = new Set(held);
    this.#depth = this.code.depth;
  }

  get end(): ReadonlySet<number> {
    return new Set(this.#held);
  }

  /** Whether what is written now is written on every way through the node. */
  get #always(): boolean {
    return this.code.depth === this.#depth;
  }

  push(n: number): void {
    this.#used.add(n);
    if (this.writesThrough && !this.#held.has(n)) {
      this.#load(n);
      if (this.#always) this.#held.add(n);
    }
    this.code.get(this.bank.local + n);
  }

  /** Takes register `n` from the stack. */
  set(n: number): void {
    this.#used.add(n);
    this.#dirty.add(n);
    this.code.set(this.bank.local + n);
    if (!this.writesThrough) return;
    this.#store(n);
    if (this.#always) this.#held.add(n);
  }

  #load(n: number): void {
    const { load, offsetOf, local } = this.bank;
    this.code
      .get(L.CPU)
      .mem(load, offsetOf(n))
      .set(local + n);
  }

  #store(n: number): void {
    const { store, offsetOf, local } = this.bank;
    this.code
      .get(L.CPU)
      .get(local + n)
      .mem(store, offsetOf(n));
  }

  /** The vCPU has register `n` from here on. */
  store(n: number): void {
    if (this.writesThrough) return;
    this.#used.add(n);
    this.#store(n);
  }

  /** The vCPU's register `n` has changed. */
  load(n: number): void {
    if (this.writesThrough && this.#always) {
      this.#held.delete(n);
      return;
    }
    if (this.writesThrough && !this.#held.has(n)) return;
    this.#used.add(n);
    this.#dirty.add(n);
    this.#load(n);
  }

  /** Loads at the region's beginning, written into `code` when all else is. */
  loadUsed(code: Code): void {
    if (this.writesThrough) return;
    const { load, offsetOf, local } = this.bank;
    for (const n of this.#used)
      code
        .get(L.CPU)
        .mem(load, offsetOf(n))
        .set(local + n);
  }

  storeDirty(): void {
    for (const n of this.#dirty) this.store(n);
  }
}
