/** The vector registers of a region: v128 locals, in memory only where a handler or the way out needs them. */
import { Vcpu, VEC_STRIDE } from "../abi/structs/vcpu.js";
import { L } from "./locals.js";
import type { Code } from "./wasm/code.js";

const offsetOf = (n: number): number => Vcpu.off.vec + VEC_STRIDE * n;

export class Vectors {
  /** Registers by number that the region touches, and those it changes. */
  readonly #used = new Set<number>();
  readonly #dirty = new Set<number>();

  constructor(readonly code: Code) {}

  push(n: number): void {
    this.#used.add(n);
    this.code.get(L.XMM + n);
  }

  /** Takes register `n` from the stack. */
  set(n: number): void {
    this.#used.add(n);
    this.#dirty.add(n);
    this.code.set(L.XMM + n);
  }

  store(n: number): void {
    this.code.get(L.CPU);
    this.push(n);
    this.code.mem("v128.store", offsetOf(n));
  }

  load(n: number): void {
    this.code.get(L.CPU).mem("v128.load", offsetOf(n));
    this.set(n);
  }

  /** Loads at the region's beginning, written when all else is. */
  loadUsed(code: Code): void {
    for (const n of this.#used)
      code
        .get(L.CPU)
        .mem("v128.load", offsetOf(n))
        .set(L.XMM + n);
  }

  storeDirty(): void {
    for (const n of this.#dirty) this.store(n);
  }
}
