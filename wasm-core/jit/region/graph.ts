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
  /** jump or call through a register or memory */
  | { readonly kind: "indirect" }
  /** an instruction whose handler ends the region */
  | { readonly kind: "handler" };

export interface Node {
  /** Every instruction, the one of the terminator included. */
  readonly insns: Insn[];
  /** Code pages it lies on, as (offset of the page from the region's start page) in bytes. */
  readonly pages: number[];
  term: Terminator;
}

export interface Region {
  /** Linear RIP of the start; a guess: the code is position independent. */
  readonly rip: bigint;
  /** 64-bit mode; otherwise 32-bit protected or compatibility mode. */
  readonly long: boolean;
  /** It is entered so often that its code is made for speed alone. */
  readonly hot: boolean;
  readonly nodes: Node[];
  /** What the code was made from. */
  readonly frames: readonly { readonly genAt: number; readonly gen: number }[];
  /** Machine address by page offset. */
  readonly hosts: ReadonlyMap<number, number>;
  /** The block at the start. */
  readonly block: number;
  /** All blocks that it is made of. */
  readonly members: ReadonlySet<number>;
  /** x87 control word at the start, and the status word in the upper half; a guess. */
  readonly fpu: number;
}

export function edgesOf(term: Terminator): Edge[] {
  switch (term.kind) {
    case "goto":
    case "call":
      return [term.edge];
    case "jcc":
      return [term.taken, term.next];
    case "ret":
      return term.edge ? [term.edge] : [];
    default:
      return [];
  }
}
