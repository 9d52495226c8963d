/** Regions that are entered by way of JavaScript: what stands in the core's table tells which slot it stands in. */
import { Code } from "../../wasm-core/jit/wasm/code.js";
import { moduleBytes } from "../../wasm-core/jit/wasm/module.js";
import { Type } from "../../wasm-core/jit/wasm/ops.js";
import type { TestCore } from "../support/core.js";

export type RegionFunction = (cpu: number) => number;
/** What Regions need of a table. */
export type RegionTable = Pick<WebAssembly.Table, "length" | "grow" | "get" | "set">;

const { I32 } = Type;

export class Trampolines {
  readonly #firstSlot: number;
  readonly #functions: readonly WebAssembly.ExportValue[];

  /**
   * @param slots more than the regions of one run take
   * @param enter what the core calls in the place of a region
   */
  constructor(
    readonly core: TestCore,
    slots: number,
    enter: (cpu: number, slot: number) => number,
  ) {
    const { table } = core.call;
    this.#firstSlot = table.length;
    table.grow(slots);
    const code = (slot: number) => new Code().get(0).i32(slot).call(0).end().bytes();
    const bytes = moduleBytes({
      types: [
        { params: [I32], results: [I32] },
        { params: [I32, I32], results: [I32] },
      ],
      imports: [{ module: "test", name: "enter", type: 1 }],
      memory: { initial: 1, maximum: 65536 },
      functions: Array.from({ length: slots }, (_, slot) => ({ type: 0, locals: [], code: code(slot) })),
    });
    const test = { enter: (cpu: number, slot: number) => enter(cpu >>> 0, slot) };
    const imports = { env: { memory: core.memory }, test };
    this.#functions = Object.values(new WebAssembly.Instance(new WebAssembly.Module(bytes.slice()), imports).exports);
  }

  /** A table that keeps regions in a list, and puts what calls `enter` into the core's. */
  table(regions: RegionFunction[]): RegionTable {
    const { table } = this.core.call;
    return this.keeping(
      regions,
      (fn) => table.get(fn),
      (slot) => table.set(slot + this.#firstSlot, this.#functions[slot]!),
    );
  }

  /** A table that keeps regions in a list and says so; what it has besides is `get`'s. */
  keeping(
    regions: RegionFunction[],
    get: (fn: number) => unknown,
    kept: (slot: number) => void = () => {},
  ): RegionTable {
    const first = this.#firstSlot;
    return {
      length: first,
      grow: () => first,
      get: get as RegionTable["get"],
      set: (slot: number, fn: unknown) => {
        regions[slot - first] = fn as RegionFunction;
        kept(slot - first);
      },
    };
  }
}
