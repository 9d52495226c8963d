/**
 * Random control-flow graphs, irreducible ones among them, as regions of trivial nodes: the wasm visits the nodes that a
 * walk over the graph visits, and leaves only where it may. RAX becomes a hash of the way; RBX holds the decisions.
 */
import fc from "fast-check";
import { expect, it } from "vitest";
import { RegionExit } from "../../abi/structs/jit.js";
import { TLB_BYTES } from "../../abi/structs/translation.js";
import { CcOp, Vcpu } from "../../abi/structs/vcpu.js";
import { variantTable } from "../instructions.js";
import { compileModule, type RegionCode } from "../module.js";
import { importable } from "../testing/doors.js";
import { emitRegion } from "./emit.js";
import { type Edge, EXIT, edgesOf, type Node, type Region, type Terminator } from "./graph.js";
import type { Insn } from "./machine-view.js";

const CPU = 0x10000;
const TLB = 0x20000;
const GEN_AT = 0x8000;
const HOST = 0x1000;
const PAGE = 4096;
const RIP = 0x400000n;
const NODE_BYTES = 64;
const RBX = 24;
const RUNS = Number(process.env.RUNS ?? 400);
const { off } = Vcpu;

/** A node to be: what it ends with, whether it makes a decision of its own, where its edges go (negative: out). */
interface Sketch {
  readonly kind: "goto" | "jump" | "jcc";
  readonly decides: boolean;
  readonly to: readonly [number, number];
  readonly farPage: boolean;
}

const variant = (semantic: string, size: number, form?: string) =>
  variantTable().find((v) => v.semantic === semantic && v.size === size && (form === undefined || v.form === form))!;

function instruction(semantic: string, at: number, bytes: number, fields: Partial<Insn>): Insn {
  const v = variant(semantic, 64, semantic === "add" ? "reg" : undefined);
  const none = { fn: 0, record: 0, block: 0, reg: 0, rm: 0, index: 0, ea: 0, disp: 0, imm: 0 };
  return { ...none, ...fields, v, at, next: at + bytes };
}

function makeNode(sketch: Sketch, n: number, count: number): Node {
  const at = n * NODE_BYTES;
  // LEA RAX, [RAX + RAX * 2 + n + 1]; ADD RBX, RBX.
  const insns = [instruction("lea", at, 8, { ea: 1, disp: n + 1 })];
  if (sketch.decides) insns.push(instruction("add", at + 8, 3, { reg: RBX, rm: RBX }));
  const edges = sketch.to.map((to, i): Edge => {
    const node = to < 0 ? EXIT : to % count;
    return { to: node, at: node === EXIT ? (count + 2 * n + i) * NODE_BYTES : node * NODE_BYTES };
  });
  let term: Terminator = { kind: "goto", edge: edges[0]! };
  if (sketch.kind === "jump") insns.push(instruction("jmp", at + 11, 5, {}));
  if (sketch.kind === "jcc") {
    insns.push(instruction("jB", at + 11, 6, {}));
    term = { kind: "jcc", taken: edges[0]!, next: edges[1]! };
  }
  return { insns, pages: sketch.farPage ? [0, PAGE] : [0], term };
}

interface Walk {
  readonly rip: number;
  readonly rax: bigint;
  readonly rbx: bigint;
  readonly icount: number;
  /** The edge by which the walk ended. */
  readonly last: Edge | undefined;
}

/** Goes over the graph from its first node until `icount` instructions are done or an edge leads out. */
function walk(nodes: readonly Node[], decisions: bigint, icount: number): Walk {
  let [n, rax, rbx, done, carry] = [0, 0n, decisions, 0, false];
  let last: Edge | undefined;
  while (done < icount) {
    const { insns, term } = nodes[n]!;
    rax = BigInt.asUintN(64, rax * 3n + BigInt(n + 1));
    if (insns.some((i) => i.v.semantic === "add")) {
      carry = rbx >> 63n === 1n;
      rbx = BigInt.asUintN(64, rbx << 1n);
    }
    done += insns.length;
    const edges = edgesOf(term);
    last = term.kind === "jcc" && !carry ? edges[1]! : edges[0]!;
    if (last.to === EXIT) return { rip: last.at, rax, rbx, icount: done, last };
    n = last.to;
  }
  return { rip: n * NODE_BYTES, rax, rbx, icount: done, last };
}

const memory = new WebAssembly.Memory({ initial: 4, maximum: 65536, shared: true });
const view = new DataView(memory.buffer);

/** The carry flag as regionCondition finds it. */
function carryOf(): number {
  const op = view.getUint32(CPU + off.ccOp, true) >> 2;
  if (op === Number(CcOp.values.EFLAGS)) return view.getUint32(CPU + off.eflags, true) & 1;
  const [src, dst] = [view.getBigUint64(CPU + off.ccSrc, true), view.getBigUint64(CPU + off.ccDst, true)];
  return dst < src ? 1 : 0;
}

function unexpected(): never {
  throw new Error("not called by these nodes");
}

/** Runs the region once; whether a code page was said to lie elsewhere on the way. */
function runRegion(code: RegionCode, decisions: bigint, budget: number, samePages: boolean): boolean {
  const bytes = compileModule([code], []) as Uint8Array<ArrayBuffer>;
  expect(WebAssembly.validate(bytes)).toBe(true);
  let refused = false;
  const regionPage = (): number => {
    refused ||= !samePages;
    return samePages ? 1 : 0;
  };
  const core = importable({
    regionRead: unexpected,
    regionWrite: unexpected,
    regionPage,
    regionCondition: carryOf,
    regionFlags: unexpected,
    regionX87: unexpected,
    regionPutOff: unexpected,
    regionEnd: unexpected,
  });
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory }, core });
  new Uint8Array(memory.buffer, CPU, Vcpu.size).fill(0);
  new Uint8Array(memory.buffer, TLB, TLB_BYTES).fill(0xff);
  view.setUint32(CPU + off.tlb, TLB, true);
  view.setBigUint64(CPU + off.rip, RIP, true);
  view.setBigUint64(CPU + RBX, decisions, true);
  view.setInt32(CPU + off.budget, budget, true);
  expect((exports["0"] as (cpu: number) => number)(CPU)).toBe(Number(RegionExit.values.NEXT));
  return refused;
}

/** Whether every way from the first node to `n` goes through `d`. */
function dominates(nodes: readonly Node[], d: number, n: number): boolean {
  if (d === 0 || d === n) return true;
  const seen = new Set([0]);
  const todo = [0];
  while (todo.length > 0) {
    for (const { to } of edgesOf(nodes[todo.pop()!]!.term)) {
      if (to === EXIT || to === d || seen.has(to)) continue;
      seen.add(to);
      todo.push(to);
    }
  }
  return !seen.has(n);
}

const sketches = fc.array(
  fc.record({
    kind: fc.constantFrom<Sketch["kind"]>("goto", "jump", "jcc", "jcc", "jcc"),
    decides: fc.boolean(),
    to: fc.tuple(fc.integer({ min: -1, max: 20 }), fc.integer({ min: -2, max: 20 })),
    farPage: fc.boolean(),
  }),
  { minLength: 1, maxLength: 16 },
);

it("a region of any shape goes the ways of its graph", () => {
  const property = fc.property(
    sketches,
    fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
    fc.integer({ min: 1, max: 300 }),
    fc.boolean(),
    fc.boolean(),
    (list, decisions, budget, samePages, isSlow) => {
      const make = (): Node[] => list.map((s, n) => makeNode(s, n, list.length));
      const [whole, nodes] = [make(), make()];
      const hosts = new Map([
        [0, HOST],
        [PAGE, 2 * HOST],
      ]);
      const region: Region = {
        rip: RIP,
        long: true,
        hot: false,
        nodes,
        frames: [{ genAt: GEN_AT, gen: 0 }],
        hosts,
        block: 0,
        entries: [],
        members: new Set(),
        left: new Set(),
        missed: new Set(),
        fpu: 0,
        isSlow,
      };
      const code = emitRegion(region, unexpected);
      const refused = runRegion(code, decisions, budget, samePages);
      const icount = budget - view.getInt32(CPU + off.budget, true);
      const expected = walk(whole, decisions, icount);
      expect({
        rip: Number(view.getBigUint64(CPU + off.rip, true) - RIP),
        rax: view.getBigUint64(CPU, true),
        rbx: view.getBigUint64(CPU + RBX, true),
        icount,
      }).toEqual({
        rip: expected.rip,
        rax: expected.rax,
        rbx: expected.rbx,
        icount: expected.icount,
      });
      // It left because the budget was spent, or by an edge that leads out or that no structure can hold.
      expect(icount).toBeGreaterThan(0);
      if (icount < budget && !refused) expect(walk(nodes, decisions, icount).last!.to).toBe(EXIT);
      whole.forEach((node, n) => {
        edgesOf(node.term).forEach((e, i) => {
          const cut = e.to !== EXIT && edgesOf(nodes[n]!.term)[i]!.to === EXIT;
          if (cut) expect(dominates(whole, e.to, n)).toBe(false);
        });
      });
    },
  );
  fc.assert(property, { numRuns: RUNS });
});
