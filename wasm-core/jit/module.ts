/** A module of regions: what it imports, and its functions. Equal regions give equal bytes. */
import { Vcpu } from "../abi/structs/vcpu.js";
import { DOORS } from "./doors.js";
import { L, type LOCALS } from "./locals.js";
import type { Entry, Region } from "./region/graph.js";
import { type BranchHint, Code } from "./wasm/code.js";
import { type FunctionBody, moduleBytes } from "./wasm/module.js";
import { Type } from "./wasm/ops.js";

/** A region's function. */
export interface RegionCode {
  readonly locals: typeof LOCALS;
  readonly body: Uint8Array;
  readonly hints: readonly BranchHint[];
  /** Of a region that begins with a switch. */
  readonly entries: Region["entries"];
}

const { I32, V128 } = Type;
/** Of regions, of handlers, and of the doors in their order. */
const TYPES = [
  { params: [I32], results: [I32] },
  { params: [I32, I32], results: [I32] },
  ...DOORS.map(({ params }) => ({ params: [...params, V128], results: [I32] })),
];
const REGION = 0;
const HANDLER = 1;
const FIRST_DOOR = 2;
const { regionStart: START, regionPages: PAGES } = Vcpu.off;

/** Enters function `fn`, which begins with a switch. */
function entryCode(fn: number, { at, page }: Entry): Uint8Array {
  const c = new Code();
  c.get(L.CPU).i32(at).mem("i32.store", START);
  c.get(L.CPU).get(L.CPU).mem("i32.load", PAGES).i32(page).op("i32.or").mem("i32.store", PAGES);
  return c.get(L.CPU).call(fn).end().bytes();
}

/** The functions, those by which regions are entered in the regions' order; one with a switch has one for each of its entries. */
function functionsOf(codes: readonly RegionCode[], imports: number): FunctionBody[] {
  const out: FunctionBody[] = [];
  for (const { locals, body, hints, entries } of codes) {
    const fn = imports + out.length + entries.length;
    out.push(...entries.map((entry) => ({ type: REGION, locals: [], code: entryCode(fn, entry) })));
    out.push({ type: REGION, locals, code: body, hints, isOwn: entries.length > 0 });
  }
  return out;
}

/** 64 KiB pages: the most a machine's memory can have. */
const MAXIMUM_PAGES = 65536;

/**
 * @param handlers function-table indices, in the order of the imports behind the doors
 * @param shared whether the machine's memory is
 */
export function compileModule(codes: readonly RegionCode[], handlers: readonly number[], shared = true): Uint8Array {
  const parts = {
    types: TYPES,
    imports: [
      ...DOORS.map(({ name }, n) => ({ module: "core", name, type: FIRST_DOOR + n })),
      ...handlers.map((fn) => ({ module: "handler", name: String(fn), type: HANDLER })),
    ],
    memory: { initial: 1, maximum: MAXIMUM_PAGES },
    functions: functionsOf(codes, DOORS.length + handlers.length),
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
      n = DOORS.length + this.list.length;
      this.list.push(fn);
      this.#numbers.set(fn, n);
    }
    return n;
  };
}
