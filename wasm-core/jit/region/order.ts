/**
 * Orders a region for structured control flow: reverse postorder, dominators, loop headers and merge points. Edges that
 * no structure can hold (into the middle of a loop) become exits. After Ramsey, "Beyond Relooper" (ICFP 2022).
 */
import { type Edge, EXIT, edgesOf, type Node } from "./graph.js";

export interface Order {
  /** Nodes in reverse postorder; those that are not reached are left out. */
  readonly rpo: readonly number[];
  /** Position of a node in `rpo`, -1 when it is not reached. */
  readonly position: Int32Array;
  /** Children in the dominator tree, last in reverse postorder first. */
  readonly children: readonly (readonly number[])[];
  /** Targets of back edges. */
  readonly isHeader: readonly boolean[];
  /** Nodes that more than one forward edge reaches. */
  readonly isMerge: readonly boolean[];
  /** Nodes of the innermost loop that a node lies in. */
  readonly loop: readonly (ReadonlySet<number> | undefined)[];
  /** The only node with an edge here, or -1: what is known at its end is known here. */
  readonly onlyFrom: Int32Array;
}

function postorder(nodes: readonly Node[]): number[] {
  const seen = new Uint8Array(nodes.length);
  const out: number[] = [];
  const stack: { node: number; edges: Edge[]; i: number }[] = [{ node: 0, edges: edgesOf(nodes[0]!.term), i: 0 }];
  seen[0] = 1;
  while (stack.length > 0) {
    const top = stack.at(-1)!;
    const edge = top.edges[top.i++];
    if (edge === undefined) {
      out.push(top.node);
      stack.pop();
    } else if (edge.to !== EXIT && !seen[edge.to]) {
      seen[edge.to] = 1;
      stack.push({ node: edge.to, edges: edgesOf(nodes[edge.to]!.term), i: 0 });
    }
  }
  return out;
}

/** Immediate dominators by position in reverse postorder. Cooper, Harvey, Kennedy, "A Simple, Fast Dominance Algorithm". */
function dominators(nodes: readonly Node[], rpo: readonly number[], position: Int32Array): Int32Array {
  const from: number[][] = rpo.map(() => []);
  for (const n of rpo) {
    for (const e of edgesOf(nodes[n]!.term)) if (e.to !== EXIT) from[position[e.to]!]!.push(position[n]!);
  }
  const idom = new Int32Array(rpo.length).fill(-1);
  idom[0] = 0;
  const meet = (a: number, b: number): number => {
    let x = a;
    let y = b;
    while (x !== y) {
      while (x > y) x = idom[x]!;
      while (y > x) y = idom[y]!;
    }
    return x;
  };
  for (let changed = true; changed; ) {
    changed = false;
    for (let p = 1; p < rpo.length; p++) {
      let best = -1;
      for (const q of from[p]!) if (idom[q] !== -1) best = best === -1 ? q : meet(best, q);
      if (idom[p] !== best) {
        idom[p] = best;
        changed = true;
      }
    }
  }
  return idom;
}

function dominates(idom: Int32Array, a: number, b: number): boolean {
  let x = b;
  while (x > a) x = idom[x]!;
  return x === a;
}

/**
 * Orders `nodes`, whose first is the entry. Changes edges that go back to a node that does not dominate their source into exits.
 * @param isTwice nodes that will be written twice: what follows them is reached twice
 */
export function orderNodes(nodes: readonly Node[], isTwice: readonly boolean[]): Order {
  for (;;) {
    const rpo = postorder(nodes).reverse();
    const position = new Int32Array(nodes.length).fill(-1);
    rpo.forEach((n, p) => {
      position[n] = p;
    });
    const idom = dominators(nodes, rpo, position);
    let cut = false;
    for (const n of rpo) {
      for (const e of edgesOf(nodes[n]!.term)) {
        if (e.to === EXIT || position[e.to]! > position[n]! || dominates(idom, position[e.to]!, position[n]!)) continue;
        e.to = EXIT;
        cut = true;
      }
    }
    if (!cut) return describe(nodes, rpo, position, idom, isTwice);
  }
}

function describe(
  nodes: readonly Node[],
  rpo: readonly number[],
  position: Int32Array,
  idom: Int32Array,
  isTwice: readonly boolean[],
): Order {
  const children: number[][] = nodes.map(() => []);
  const isHeader = nodes.map(() => false);
  const forward = new Int32Array(nodes.length);
  const onlyFrom = new Int32Array(nodes.length).fill(-1);
  const all = new Int32Array(nodes.length);
  for (const n of rpo) {
    const times = isTwice[n] ? 2 : 1;
    for (const e of edgesOf(nodes[n]!.term)) {
      if (e.to === EXIT) continue;
      all[e.to]! += times;
      onlyFrom[e.to] = n;
      if (position[e.to]! <= position[n]!) isHeader[e.to] = true;
      else forward[e.to]! += times;
    }
  }
  for (let p = rpo.length - 1; p > 0; p--) children[rpo[idom[p]!]!]!.push(rpo[p]!);
  for (let n = 0; n < nodes.length; n++) if (all[n] !== 1 || n === 0) onlyFrom[n] = -1;
  const isMerge = [...forward].map((c) => c > 1);
  return { rpo, position, children, isHeader, isMerge, loop: innermostLoops(nodes, rpo, position), onlyFrom };
}

/**
 * For each node the smallest natural loop around it: the nodes from which a back edge's source is reached without passing
 * its target. Loops with one header are as many as go back to it: an inner one may begin where an outer one does.
 */
function innermostLoops(
  nodes: readonly Node[],
  rpo: readonly number[],
  position: Int32Array,
): (ReadonlySet<number> | undefined)[] {
  const from: number[][] = nodes.map(() => []);
  for (const n of rpo) for (const e of edgesOf(nodes[n]!.term)) if (e.to !== EXIT) from[e.to]!.push(n);
  const loops: (ReadonlySet<number> | undefined)[] = nodes.map(() => undefined);
  for (const header of rpo) {
    for (const source of from[header]!) {
      if (position[source]! < position[header]!) continue;
      const body = new Set([header]);
      const todo = [source];
      for (let n = todo.pop(); n !== undefined; n = todo.pop()) {
        if (body.has(n)) continue;
        body.add(n);
        todo.push(...from[n]!);
      }
      for (const n of body) if (body.size < (loops[n]?.size ?? Number.POSITIVE_INFINITY)) loops[n] = body;
    }
  }
  return loops;
}
