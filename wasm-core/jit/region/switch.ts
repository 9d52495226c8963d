/**
 * Code that goes on where RIP says, if that is one of a region's nodes: an index from a product of the distance, a branch
 * table, and a comparison. And what tells later which nodes these may be.
 */
import { JIT_TARGETS, JitTarget } from "../../abi/structs/jit.js";
import { Vcpu } from "../../abi/structs/vcpu.js";
import type { Emitter } from "../emitter.js";
import { L } from "../locals.js";
import type { Label } from "../wasm/code.js";
import type { Edge } from "./graph.js";

/** Fibonacci hashing: 2^32 over the golden ratio, made odd. */
const FIBONACCI = 0x9e3779b1 | 0;
/** Multipliers that are tried: odd, and each far from the others. */
const MULTIPLIERS = Array.from({ length: 64 }, (_, i) => Math.imul(2 * i + 1, FIBONACCI));
/** Places of the table for each edge. */
const ROOM = 4;

interface Hash {
  readonly multiplier: number;
  /** The product's bits that count. */
  readonly bits: number;
  /** Edges by place: their numbers, ascending. */
  readonly places: readonly (readonly number[])[];
}

/** The hash under which the fewest edges, the first of them counting most, stand behind another. */
function chooseHash(ats: readonly number[]): Hash {
  const bits = Math.ceil(Math.log2(ats.length * ROOM));
  const placeOf = (at: number, multiplier: number): number => Math.imul(at, multiplier) >>> (32 - bits);
  const taken = new Uint8Array(1 << bits);
  let best = 0;
  let least = Number.POSITIVE_INFINITY;
  for (const multiplier of MULTIPLIERS) {
    let cost = 0;
    taken.fill(0);
    ats.forEach((at, i) => {
      const place = placeOf(at, multiplier);
      if (taken[place] !== 0) cost += ats.length - i;
      taken[place] = 1;
    });
    if (cost >= least) continue;
    least = cost;
    best = multiplier;
  }
  const places: number[][] = Array.from(taken, () => []);
  for (const [i, at] of ats.entries()) places[placeOf(at, best)]!.push(i);
  return { multiplier: best, bits, places };
}

/**
 * Writes it; what follows is reached where RIP is none of them.
 * @param take writes the way to an edge, which does not come back
 */
export function writeSwitch(e: Emitter, edges: readonly Edge[], take: (edge: Edge) => void): void {
  const c = e.code;
  const { multiplier, bits, places } = chooseHash(edges.map(({ at }) => at));
  const miss = c.block();
  const labels: Label[] = edges.map(() => c.block()).reverse();
  c.get(L.RIP).get(L.BASE).op("i64.sub").op("i32.wrap_i64").i32(multiplier).op("i32.mul");
  c.i32(32 - bits).op("i32.shr_u");
  c.brTable(
    places.map(([first]) => (first === undefined ? miss : labels[first]!)),
    miss,
  );
  // The edge behind it in its place of the table.
  const next = new Map(places.flatMap((place) => place.slice(1).map((edge, i) => [place[i]!, edge] as const)));
  edges.forEach((edge, i) => {
    c.end();
    const behind = next.get(i);
    c.get(L.RIP);
    e.pushRip(edge.at);
    c.op("i64.ne").brIf(behind === undefined ? miss : labels[behind]!);
    take(edge);
  });
  c.end();
}

/** Of a table of targets: the product's bits that count. */
const TARGET_BITS = Math.log2(JIT_TARGETS);

/** Notes in the pCPU's table that the jump or call which is being lowered goes on at RIP, out of the region. */
export function noteTarget(e: Emitter): void {
  const c = e.code;
  const { from, to, count } = JitTarget.off;
  e.pushRip(e.insn.v.semantic === "callIndirect" ? e.insn.at : 0);
  c.op("i32.wrap_i64").set(L.I);
  c.get(L.I).get(L.RIP).op("i32.wrap_i64").i32(16).op("i32.rotl").op("i32.xor");
  c.i32(FIBONACCI)
    .op("i32.mul")
    .i32(32 - TARGET_BITS)
    .op("i32.shr_u");
  c.i32(Math.log2(JitTarget.size)).op("i32.shl").get(L.CPU).mem("i32.load", Vcpu.off.targets).op("i32.add").set(L.P);
  c.get(L.P).get(L.I).mem("i32.store", from);
  c.get(L.P).get(L.RIP).mem("i64.store32", to);
  c.get(L.P).get(L.P).mem("i32.load", count).i32(1).op("i32.add").mem("i32.store", count);
}
