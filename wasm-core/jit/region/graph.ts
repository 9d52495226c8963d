/** The shape of a region: basic blocks of guest instructions and the edges between them. */
import type { Insn } from "./machine-view.js";

/** Where control goes: a node of the region, or out of it to a RIP. */
export interface Edge {
  /** Index of the node, or EXIT. */
  to: number;
  /** RIP of the target from the region's start. */
  readonly at: number;
}

export const EXIT = -1;

export type Terminator =
  /** falls through, or an unconditional jump */
  | { readonly kind: "goto"; readonly edge: Edge }
  | { readonly kind: "jcc"; readonly taken: Edge; readonly next: Edge }
  | { readonly kind: "call"; readonly edge: Edge }
  /** `edge` leads where the region's own call comes from, when there is one */
  | { readonly kind: "ret"; readonly edge: Edge | undefined }
  /** jump through a register or memory; `edge` leads to the region's switch when there is one */
  | { readonly kind: "indirect"; readonly edge: Edge | undefined }
  /** such a call; `edges` lead to where it went before */
  | { readonly kind: "callIndirect"; readonly edges: readonly Edge[] }
  /** goes on at RIP where that is one of the edges: of the first node, which has no instructions */
  | { readonly kind: "switch"; readonly edges: readonly Edge[] }
  /** an instruction whose handler ends the region */
  | { readonly kind: "handler" };

export interface Node {
  /** Every instruction, the one of the terminator included. */
  readonly insns: Insn[];
  /** Code pages it lies on, as (offset of the page from the region's start page) in bytes. */
  readonly pages: number[];
  term: Terminator;
}

/** A block by which a region is entered. */
export interface Entry {
  readonly block: number;
  /** Where it lies, in bytes from the region's start. */
  readonly at: number;
  /** JumpEntry.pages of the page that it lies on: who comes by its block has found that page. */
  readonly page: number;
}

export interface Region {
  /** Linear RIP of the start; a guess: the code is position independent. */
  readonly rip: bigint;
  /** 64-bit mode; otherwise 32-bit protected or compatibility mode. */
  readonly long: boolean;
  /** It is entered so often that its code is made for speed alone. */
  readonly hot: boolean;
  /** Its start is run so seldom that it was kept small. */
  readonly isSlow: boolean;
  readonly nodes: Node[];
  /** What the code was made from. */
  readonly frames: readonly { readonly genAt: number; readonly gen: number }[];
  /** Machine address by page offset. */
  readonly hosts: ReadonlyMap<number, number>;
  /** The block at the start. */
  readonly block: number;
  /** Of one that begins with a switch: where it is entered, the start first. */
  readonly entries: readonly Entry[];
  /** All blocks that it is made of. */
  readonly members: ReadonlySet<number>;
  /** Blocks with which functions begin that it leaves to their own regions. */
  readonly left: ReadonlySet<number>;
  /**
   * Of one made for speed, instructions by their place from its start that others have left to the interpreter often: there
   * it calls the core for what the TLB does not have.
   */
  readonly missed: ReadonlySet<number>;
  /** x87 control word at the start, and the status word in the upper half; a guess. */
  readonly fpu: number;
}

/** Blocks by which it is entered, in the order of its functions. */
export const blocksOf = ({ block, entries }: Region): number[] =>
  entries.length === 0 ? [block] : entries.map((entry) => entry.block);

/** Where a region's switch leads to, from its start; empty when it has none. */
export function switchOf({ nodes }: Region): number[] {
  const { term } = nodes[0]!;
  return term.kind === "switch" ? term.edges.map(({ at }) => at) : [];
}

/** Pages of a region that have a bit in JumpEntry.pages; of the others each is looked for each time. */
const PAGE_BITS = 32;

/** Bit of the page at offset `page`, which is one of the region's; 0 when it has none. */
export function pageBit(hosts: Region["hosts"], page: number): number {
  const place = [...hosts.keys()].indexOf(page);
  return place < PAGE_BITS ? 1 << place : 0;
}

export function edgesOf(term: Terminator): Edge[] {
  switch (term.kind) {
    case "goto":
    case "call":
      return [term.edge];
    case "jcc":
      return [term.taken, term.next];
    case "ret":
    case "indirect":
      return term.edge ? [term.edge] : [];
    case "callIndirect":
    case "switch":
      return [...term.edges];
    default:
      return [];
  }
}

/**
 * Whether all ways from node `n` that code has gone so far come to one of `goals`, and nothing on them leaves the region:
 * no call of what does not belong to it, no return, no handler that ends it.
 */
export function endsIn(nodes: readonly Node[], n: number, goals: ReadonlySet<number>): boolean {
  const seen = new Set([n]);
  const todo = [n];
  let reached = false;
  for (let at = todo.pop(); at !== undefined; at = todo.pop()) {
    if (goals.has(at)) {
      reached = true;
      continue;
    }
    const { term } = nodes[at]!;
    const inside = edgesOf(term).filter(({ to }) => to !== EXIT);
    // Who compares goes both ways or one; all others go the one way that they have.
    if (inside.length === 0) return false;
    for (const { to } of inside) {
      if (seen.has(to)) continue;
      seen.add(to);
      todo.push(to);
    }
  }
  return reached;
}
