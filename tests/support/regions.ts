/** Regions in a machine of one thread: what is asked for is compiled and installed when the test says so. */
import { JIT_LEAVES, JIT_REQUESTS, Jit, JitRequest } from "../../wasm-core/abi/structs/jit.js";
import { Block } from "../../wasm-core/abi/structs/translation.js";
import { type CompilerLimits, RegionCompiler } from "../../wasm-core/jit/compiler.js";
import { Regions } from "../../wasm-core/worker/regions.js";
import type { TestCore } from "./core.js";

/** For Regions: a module that cannot be made fails its test. */
export const failed = (message: string): never => {
  throw new Error(message);
};

/** Frames that a machine must have for them: the ring of modules takes 8 MiB in a row. */
export const REGION_FRAMES = 8192;

/** Functions in the core's table, its handlers among them. */
export function functionsInTable({ call: { table } }: TestCore): number {
  let count = 0;
  for (let i = 0; i < table.length; i++) if (table.get(i) !== null) count++;
  return count;
}

const NO_LIMITS: CompilerLimits = { bytes: Number.POSITIVE_INFINITY, modules: Number.POSITIVE_INFINITY };

export class TestRegions {
  readonly compiler: RegionCompiler;
  readonly #installed: Regions;
  readonly #words: Int32Array;
  readonly #halves: Uint16Array;
  readonly #call: TestCore["call"];
  readonly #jit: number;
  #asked = 0;
  /** Blocks count as run seldom, whatever they are: their regions are made for size. */
  areSlow = false;
  /** What blocks begin with counts as left to the interpreter often: regions that are made again call handlers there. */
  areMissed = false;

  /**
   * @param threshold runs of a block in the interpreter before its region is asked for
   * @param limits of code and modules; none unless told otherwise
   */
  constructor(
    core: TestCore,
    threshold: number,
    limits: Partial<CompilerLimits> = {},
    onFailure: (message: string) => void = failed,
  ) {
    const { call, memory } = core;
    this.#call = call;
    this.#jit = call.jitStart();
    if (this.#jit === 0) throw new Error("no memory for regions");
    this.#words = new Int32Array(memory.buffer);
    this.#halves = new Uint16Array(memory.buffer);
    this.setYouth(0);
    this.setThreshold(threshold);
    this.compiler = new RegionCompiler(
      { memory, jit: this.#jit, firstSlot: call.table.length },
      { ...NO_LIMITS, ...limits },
    );
    this.#installed = new Regions(call, memory, 0, this.#jit, onFailure);
  }

  /** @param longest the most runs where regions went stale before */
  setThreshold(runs: number, longest = runs): void {
    this.#words[(this.#jit + Jit.off.longest) >>> 2] = longest;
    this.#words[(this.#jit + Jit.off.threshold) >>> 2] = runs;
    this.#words[(this.#jit + Jit.off.userThreshold) >>> 2] = runs;
  }

  /** Of users' code; of a kernel's it stays. */
  setUserThreshold(runs: number): void {
    this.#words[(this.#jit + Jit.off.userThreshold) >>> 2] = runs;
  }

  /** @param entries of a region before it is made again */
  setHot(entries: number): void {
    this.#words[(this.#jit + Jit.off.hot) >>> 2] = entries;
  }

  /** @param millions of instructions in which a domain is young */
  setYouth(millions: number): void {
    this.#words[(this.#jit + Jit.off.youth) >>> 2] = millions;
  }

  /** Compiles what was asked for and lets `cpu` enter it. True when there was something. */
  settle(cpu: number): boolean {
    if (!this.make()) return false;
    this.allow(cpu);
    return true;
  }

  /** Compiles and installs what was asked for; the pCPU's next slice may enter it. True when there was something. */
  make(): boolean {
    const { value } = this.compiler.waitingFor();
    if (value === this.#asked) return false;
    this.#describe(value);
    this.#asked = value;
    this.compiler.drain();
    this.#installed.install();
    return true;
  }

  /** Says so in the requests up to `tail`, and in their blocks. */
  #describe(tail: number): void {
    const ring = this.#words[(this.#jit + Jit.off.requests) >>> 2]! >>> 0;
    for (let at = this.#asked; at !== tail; at = (at + 1) | 0) {
      const request = ring + ((at >>> 0) % JIT_REQUESTS) * JitRequest.size;
      if (this.areSlow) this.#words[(request + JitRequest.off.isSlow) >>> 2] = 1;
      const block = this.#words[(request + JitRequest.off.block) >>> 2]! >>> 0;
      if (this.areMissed) this.#halves[(block + Block.off.leaves) >>> 1] = JIT_LEAVES;
    }
  }

  /** Installs what was published and lets `cpu` enter it. */
  allow(cpu: number): void {
    this.#installed.install();
    this.#call.testRegions(cpu, 0);
  }
}
