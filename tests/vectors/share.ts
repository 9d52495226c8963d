/** What part of the vectors a region completes: of each file at least what is said here, so that no family is left to the interpreter. */
import { expect } from "vitest";
import { Vcpu } from "../../wasm-core/abi/structs/vcpu.js";
import type { TestCore } from "../support/core.js";

export class RegionShare {
  readonly #counts: BigUint64Array;
  readonly #at: number;
  #vectors = 0;
  #completed = 0;

  constructor(core: TestCore, cpu: number) {
    this.#counts = new BigUint64Array(core.memory.buffer);
    this.#at = (cpu + Vcpu.off.regionInstructions) >>> 3;
  }

  /** Counts one vector, which `run` runs. */
  of<T>(run: () => T): T {
    const before = this.#counts[this.#at]!;
    const result = run();
    this.#vectors++;
    if (this.#counts[this.#at]! !== before) this.#completed++;
    return result;
  }

  /** Expects the share of the vectors since the last call to be at least what is said of the file, in percent. */
  expectLeast(least: Readonly<Record<string, number>>, file: string): void {
    const share = (100 * this.#completed) / this.#vectors;
    this.#vectors = 0;
    this.#completed = 0;
    expect(share).toBeGreaterThanOrEqual(least[file.replace(/\.vec$/, "")] ?? Number.NaN);
  }
}
