/**
 * Where a loop walks through memory, or stays on one page of it, the region keeps the page of its last access in the vCPU,
 * a cursor, and looks into the TLB only where it comes to another page. A pointer that is loaded anew in each round has
 * none: it may be on another page each time, and then both would be asked. Nor has a loop that is entered very often: its
 * rounds are few. Cursors begin with the region, and end with it or with a handler, as all that regions know of pages.
 */
import { CURSORS, Vcpu } from "../abi/structs/vcpu.js";
import type { Place } from "./addresses.js";
import { writtenRegisters } from "./effects.js";
import { L } from "./locals.js";
import type { Node, Region } from "./region/graph.js";
import type { Insn } from "./region/machine-view.js";
import type { Code } from "./wasm/code.js";

const { zero: ZERO, cursorReach } = Vcpu.off;
const RSP = 4;
/** Instructions that move RSP by a constant. */
export const MOVES_STACK = new Set(["pushValue", "popReg", "call", "callIndirect", "ret", "retPop"]);

/** Registers that the instruction writes otherwise than by adding a constant. */
export function scattered(i: Insn): number[] {
  const { semantic, form, row } = i.v;
  const written = writtenRegisters(i);
  if (MOVES_STACK.has(semantic)) return written.filter((n) => n !== RSP);
  const adds = (semantic === "add" || semantic === "sub") && row.operands[1]?.kind === "I";
  if (form === "reg" && (adds || semantic === "inc" || semantic === "dec")) return [];
  if (semantic === "lea" && i.rm === i.reg && i.index === ZERO) return [];
  return written;
}

export class Cursors {
  readonly #nodes: readonly Node[];
  /** Whether any loop of the region may have some. */
  readonly #possible: boolean;
  /** By loop: registers that take any value in it. */
  readonly #scattered = new Map<ReadonlySet<number>, ReadonlySet<number>>();
  /** What each cursor is for. */
  readonly #names: string[] = [];
  #here: ReadonlySet<number> | undefined;

  constructor({ nodes, hot }: Region, hasLoops: boolean) {
    this.#nodes = nodes;
    this.#possible = hasLoops && !hot;
  }

  /** A node begins, the innermost loop around which has the nodes `loop`. */
  begin(loop: ReadonlySet<number> | undefined): void {
    this.#here = this.#possible && loop ? this.#scatteredIn(loop) : undefined;
  }

  #scatteredIn(loop: ReadonlySet<number>): ReadonlySet<number> {
    let found = this.#scattered.get(loop);
    if (found === undefined) {
      found = new Set([...loop].flatMap((n) => this.#nodes[n]!.insns.flatMap(scattered)));
      this.#scattered.set(loop, found);
    }
    return found;
  }

  /** Number of the cursor for accesses to or from `place` in this node, if they have one. */
  of({ registers, range }: Place, write: boolean): number | undefined {
    const anywhere = this.#here;
    if (anywhere === undefined || registers.some((n) => anywhere.has(n))) return undefined;
    const name = `${write ? "w" : "r"}${range}`;
    const known = this.#names.indexOf(name);
    if (known >= 0) return known;
    return this.#names.length < CURSORS ? this.#names.push(name) - 1 : undefined;
  }

  /** The region begins: none of its cursors, all of which are known by now, has a page. */
  start(c: Code): void {
    reset(c, this.#names.length);
  }

  /** A handler has run. Others may be behind it in the loop that are not known yet. */
  forget(c: Code): void {
    if (this.#possible) reset(c, CURSORS);
  }
}

/** Two at a time. */
function reset(c: Code, count: number): void {
  for (let n = 0; n < count; n += 2)
    c.get(L.CPU)
      .v128(0n, 0n)
      .mem("v128.store", cursorReach + n * 8);
}
