/** A module of regions: what it imports, and its functions. Equal regions give equal bytes. */
import type { LOCALS } from "./locals.js";
import type { BranchHint } from "./wasm/code.js";
import { moduleBytes } from "./wasm/module.js";
import { Type } from "./wasm/ops.js";

/** A region's function. */
export interface RegionCode {
  readonly locals: typeof LOCALS;
  readonly body: Uint8Array;
  readonly hints: readonly BranchHint[];
}

const { I32, I64 } = Type;
const TYPES = [
  { params: [I32], results: [I32] },
  { params: [I32, I32], results: [I32] },
  { params: [I32, I64, I32], results: [I32] },
  { params: [I32, I32, I64, I64, I32], results: [I32] },
  { params: [I32, I32, I64, I64, I32, I32], results: [I32] },
  { params: [I32, I64, I32, I32, I32], results: [I32] },
] as const;
const REGION = 0;
const HANDLER = 1;

/** The core's exports that modules import, in the order of Import. */
export const CORE_IMPORTS = [
  { name: "regionRead", type: 2 },
  { name: "regionWrite", type: 2 },
  { name: "regionPage", type: 5 },
  { name: "regionCondition", type: HANDLER },
  { name: "regionEnd", type: 3 },
  { name: "regionFlags", type: REGION },
  { name: "regionX87", type: 4 },
  { name: "regionPutOff", type: 2 },
] as const;
/** 64 KiB pages: the most a machine's memory can have. */
const MAXIMUM_PAGES = 65536;

/**
 * @param handlers function-table indices, in the order of the imports behind the core's own
 * @param shared whether the machine's memory is
 */
export function compileModule(codes: readonly RegionCode[], handlers: readonly number[], shared = true): Uint8Array {
  const parts = {
    types: TYPES,
    imports: [
      ...CORE_IMPORTS.map(({ name, type }) => ({ module: "core", name, type })),
      ...handlers.map((fn) => ({ module: "handler", name: String(fn), type: HANDLER })),
    ],
    memory: { initial: 1, maximum: MAXIMUM_PAGES },
    functions: codes.map(({ locals, body, hints }) => ({ type: REGION, locals, code: body, hints })),
  };
  return moduleBytes(parts, shared);
}

/** Numbers the handlers that a module calls in the order in which they come up. */
export class HandlerImports {
  readonly list: number[] = [];
  readonly #numbers = new Map<number, number>();

  readonly number = (fn: number): number => {
    let n = this.#numbers.get(fn);
    if (n === undefined) {
      n = CORE_IMPORTS.length + this.list.length;
      this.list.push(fn);
      this.#numbers.set(fn, n);
    }
    return n;
  };
}
