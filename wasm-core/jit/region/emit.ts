/**
 * Writes a region as one wasm function: (vCPU) -> RegionExit. Structured control flow from the dominator tree; all ways
 * out end in one place that stores registers, flags, RIP and the instruction count.
 */

import { RegionExit } from "../../abi/structs/jit.js";
import { Vcpu } from "../../abi/structs/vcpu.js";
import type { Addresses } from "../addresses.js";
import { CONDITIONS, pushCondition } from "../conditions.js";
import { Cursors } from "../cursors.js";
import { callDoor } from "../doors.js";
import { isSse } from "../effects.js";
import { Emitter, type Known, L } from "../emitter.js";
import { flagLives } from "../liveness.js";
import { LOCALS, LOCALS_X87 } from "../locals.js";
import { LOWERINGS } from "../lower/index.js";
import type { RegionCode } from "../module.js";
import { plainAddress } from "../operands.js";
import { commitPush, dropFromStack, loadStack, openPush, RSP } from "../stack-access.js";
import { mayStride, Strides } from "../strides.js";
import type { BranchHint, Label } from "../wasm/code.js";
import { Type } from "../wasm/ops.js";
import { Windows } from "../windows.js";
import { planX87 } from "../x87-plan.js";
import { account, storeRegisters, writeEpilogue, writeFault, writePrologue } from "./ends.js";
import { type Edge, EXIT, type Node, pageBit, type Region } from "./graph.js";
import type { Insn } from "./machine-view.js";
import { type Order, orderNodes } from "./order.js";
import { noteTarget, writeSwitch } from "./switch.js";

const STAY_CANONICAL = 47;

const isLowered = ({ v }: Insn): boolean => LOWERINGS[v.semantic] !== undefined;

/** Where in a region's code something begins: an instruction of the node (`value` is its RIP), or a part (`value` is its number). */
export interface Mark {
  readonly offset: number;
  readonly what: "node" | "run" | "instruction" | "last handlers" | "fault" | "leave";
  readonly value: number;
}

class RegionWriter {
  readonly e: Emitter;
  readonly #marks: Mark[] = [];
  readonly #order: Order;
  readonly #labels = new Map<number, Label>();
  /** Instructions whose handlers end the region, and where they are called. */
  readonly #last: Insn[] = [];
  #lastLabel: Label = 0;
  readonly #known = new Map<number, Known>();
  readonly #cursors: Cursors;
  /** Nodes that are written twice (strides.ts); where the second writing of one begins. */
  readonly #isTwice: readonly boolean[];
  #again: Label | undefined;

  constructor(
    readonly region: Region,
    handlerImport: (fn: number) => number,
  ) {
    const plan = planX87(region);
    this.#isTwice = region.nodes.map(
      (node, n) => !region.hot && plan === undefined && node.insns.slice(0, -1).every(isLowered) && mayStride(node, n),
    );
    this.#order = orderNodes(region.nodes, this.#isTwice);
    const hasLoops = this.#order.isHeader.includes(true);
    this.#cursors = new Cursors(region, hasLoops);
    this.e = new Emitter(handlerImport, region.long, this.#cursors, !region.hot && (!hasLoops || region.isSlow), plan);
    this.e.missesSse = region.nodes.some(({ insns }) => insns.some((i) => region.missed.has(i.at) && isSse(i)));
  }

  #mark(what: Mark["what"], value = 0): void {
    this.#marks.push({ offset: this.e.code.length, what, value });
  }

  /** The function's body. Registers that turn out to be used are loaded by a prologue written afterwards. */
  write(): { code: Uint8Array; marks: Mark[]; hints: BranchHint[] } {
    const { e } = this;
    const c = e.code;
    const done = c.block();
    e.exitLabel = c.block();
    e.faultLabel = c.block();
    this.#lastLabel = c.block();
    this.#tree(0);
    c.end();
    this.#mark("last handlers");
    this.#lastHandlers();
    c.end();
    this.#mark("fault");
    writeFault(c);
    c.br(done);
    c.end();
    c.i32(Number(this.#goesOn)).set(L.STATUS);
    c.end();
    this.#mark("leave");
    writeEpilogue(e);
    c.end();
    const prologue = writePrologue(e, this.region, this.#cursors);
    const marks = this.#marks.map((m) => ({ ...m, offset: m.offset + prologue.length }));
    const hints = c.hints.map(({ at, likely }) => ({ at: at + prologue.length, likely }));
    return { code: join(prologue.bytes(), c.bytes()), marks, hints: [...prologue.hints, ...hints] };
  }

  // --- structure

  /** The node and what it dominates. Merge points among its children follow it, each behind a block of its own. */
  #tree(n: number): void {
    const { code } = this.e;
    const merges = this.#order.children[n]!.filter((c) => this.#order.isMerge[c]);
    if (this.#order.isHeader[n]) this.#labels.set(n, code.loop());
    this.#within(n, merges, 0);
    if (this.#order.isHeader[n]) code.end();
  }

  /** Children come last in reverse postorder first, so the outermost block belongs to the last. */
  #within(n: number, merges: readonly number[], i: number): void {
    const merge = merges[i];
    if (merge === undefined) {
      this.#node(n);
      return;
    }
    this.#labels.set(merge, this.e.code.block());
    this.#within(n, merges, i + 1);
    this.e.code.end();
    this.#tree(merge);
  }

  #node(n: number): void {
    if (this.#isTwice[n]) this.#twice(n);
    else this.#once(n);
  }

  /** Each round but those of a run goes to the run's beginning. */
  #twice(n: number): void {
    const { e } = this;
    const c = e.code;
    const head = this.#labels.get(n)!;
    const strides = new Strides(e);
    e.memory.strides = strides;
    this.#labels.set(n, c.block());
    this.#once(n);
    c.end();
    this.#mark("run", n);
    this.#labels.set(n, head);
    if (strides.begin(head, this.region.nodes[n]!.insns.length)) {
      this.#again = c.loop();
      this.#once(n);
      c.end();
      this.#again = undefined;
    } else c.br(head);
    e.memory.strides = undefined;
  }

  #once(n: number): void {
    const { e } = this;
    const node = this.region.nodes[n]!;
    const from = this.#order.onlyFrom[n]!;
    const loop = this.#order.loop[n];
    this.#cursors.begin(loop);
    const { missed } = this.region;
    const isFast = loop !== undefined || (missed.size > 0 && node.insns.some(({ at }) => missed.has(at)));
    const windows = isFast ? undefined : (known: Addresses) => new Windows(node.insns, known, isLowered);
    e.beginNode(from < 0 ? undefined : this.#known.get(from), windows);
    e.x87?.beginNode(n, node.insns);
    const count = node.insns.length;
    this.#mark("node", n);
    if (count > 0) e.code.get(L.LEFT).i32(count).op("i32.sub").set(L.LEFT);
    const lives = flagLives(node);
    node.insns.forEach((insn, k) => {
      this.#mark("instruction", insn.at);
      e.begin(insn, count - k, lives[k]);
      if (k + 1 < count || node.term.kind === "goto") this.#instruction(node, k + 1 === count);
    });
    this.#terminator(n, node);
  }

  #instruction(node: Node, last: boolean): void {
    const { e } = this;
    const { insn } = e;
    // A jump within the region is its edge and nothing else.
    if (last && node.term.kind === "goto" && insn.v.semantic === "jmp") return;
    const lowering = LOWERINGS[insn.v.semantic];
    const moved = e.addresses.after(insn);
    if (lowering?.(e, insn)) e.addresses.set(moved);
    else e.handler();
    // The edge behind it may leave the region: no interrupt before the next instruction. Within it the shadow only lasts longer.
    if (last && insn.v.semantic === "sti") {
      e.code.get(L.CPU).i32(1).mem("i32.store8", Vcpu.off.interruptShadow);
      e.changesModes = true;
    }
  }

  #terminator(n: number, node: Node): void {
    const { e } = this;
    const { term } = node;
    switch (term.kind) {
      case "goto":
        this.#leaveNode(n);
        this.#edge(n, term.edge);
        return;
      case "jcc":
        this.#jcc(n, term.taken, term.next);
        return;
      case "call":
        this.#call();
        this.#leaveNode(n);
        this.#edge(n, term.edge);
        return;
      case "ret":
        this.#ret(n, term.edge);
        return;
      case "indirect":
        this.#indirect(n, term.edge === undefined ? [] : [term.edge]);
        return;
      case "callIndirect":
        this.#indirect(n, term.edges);
        return;
      case "switch":
        this.#leaveNode(n);
        writeSwitch(e, term.edges, (edge) => this.#edge(n, edge));
        e.code.br(e.exitLabel);
        return;
      default:
        e.handlers++;
        this.#leaveNode(n);
        this.#lastHandler();
    }
  }

  /** What holds at the node's end, and its count of handlers. */
  #leaveNode(n: number): void {
    const { e } = this;
    this.#known.set(n, e.known);
    this.#countHandlers();
  }

  #countHandlers(): void {
    const { handlers, code } = this.e;
    if (handlers > 0) code.get(L.HANDLERS).i32(handlers).op("i32.add").set(L.HANDLERS);
  }

  #jcc(n: number, taken: Edge, next: Edge): void {
    const { e } = this;
    const cc = CONDITIONS.indexOf(e.insn.v.semantic.slice(1));
    this.#leaveNode(n);
    pushCondition(e, cc);
    e.code.if();
    this.#edge(n, taken);
    e.code.else();
    this.#edge(n, next);
    e.code.end();
  }

  #call(): void {
    const { e } = this;
    const bytes = this.region.long ? 8 : 4;
    const moved = e.addresses.after(e.insn);
    openPush(e, bytes);
    e.code.get(L.P);
    e.pushRip(e.insn.next);
    e.code.mem(this.region.long ? "i64.store" : "i64.store32");
    commitPush(e, bytes);
    e.addresses.set(moved);
  }

  /** Leaves the interpreter to fault when the target in L.RIP is not canonical. In a flat segment any target is good. */
  #checkTarget(): void {
    const { e } = this;
    const c = e.code;
    if (!this.region.long) return;
    c.get(L.RIP).i64(STAY_CANONICAL).op("i64.shr_s").i64(1).op("i64.add").i64(1).op("i64.gt_u");
    e.leaveIf();
  }

  #ret(n: number, edge: Edge | undefined): void {
    const { e } = this;
    const c = e.code;
    const { long } = this.region;
    loadStack(e, RSP, long ? 64 : 32);
    if (!long) c.op("i64.extend_i32_u");
    c.set(L.RIP);
    const pop = e.insn.v.semantic === "retPop" ? e.insn.imm & 0xffff : 0;
    const drop = (): void => dropFromStack(e, RSP, (long ? 8 : 4) + pop);
    const moved = e.addresses.after(e.insn);
    if (edge === undefined || edge.to === EXIT) {
      this.#checkTarget();
      drop();
      this.#leaveNode(n);
      c.br(e.exitLabel);
      return;
    }
    this.#countHandlers();
    c.get(L.RIP);
    e.pushRip(edge.at);
    c.op("i64.ne").if(Type.VOID, "unlikely");
    this.#checkTarget();
    drop();
    c.br(e.exitLabel).end();
    drop();
    e.addresses.set(moved);
    this.#known.set(n, e.known);
    this.#edge(n, edge);
  }

  /** Jump or call to where a register or memory says. */
  #indirect(n: number, edges: readonly Edge[]): void {
    const { e } = this;
    const { insn } = e;
    const c = e.code;
    if (insn.v.form === "mem" && !plainAddress(insn)) {
      e.handlers++;
      this.#leaveNode(n);
      this.#lastHandler();
      return;
    }
    e.push64(e.operand(insn.v.row.operands[0]!));
    c.set(L.RIP);
    this.#checkTarget();
    if (insn.v.semantic === "callIndirect") this.#call();
    this.#leaveNode(n);
    if (insn.v.semantic === "callIndirect") {
      for (const edge of edges) {
        if (edge.to === EXIT) continue;
        c.get(L.RIP);
        e.pushRip(edge.at);
        c.op("i64.eq").if();
        this.#edge(n, edge);
        c.end();
      }
    } else if (edges.length > 0) {
      this.#pushIsDue();
      c.brIf(e.exitLabel, "unlikely").br(this.#labels.get(0)!);
      return;
    }
    if (!this.region.hot) noteTarget(e);
    c.br(e.exitLabel);
  }

  /** The handler ends the region. It is called where all registers have been stored. */
  #lastHandler(): void {
    const { e } = this;
    e.callsHandlers = true;
    e.code.i32(this.#last.length).set(L.I).br(this.#lastLabel);
    this.#last.push(e.insn);
  }

  /** Calls the handler whose number is in L.I; what it leaves in the vCPU stands. */
  #lastHandlers(): void {
    const { e } = this;
    const c = e.code;
    if (this.#last.length === 0) return;
    storeRegisters(e);
    e.storeFlags(true);
    account(e);
    const labels = this.#last.map(() => c.block()).reverse();
    c.get(L.I).brTable(labels.slice(0, -1), labels.at(-1)!);
    for (const insn of this.#last) {
      c.end();
      e.begin(insn, 1);
      e.beginNode(undefined);
      e.setBlockRip();
      c.get(L.CPU);
      e.callHandler();
      e.pushRip(insn.at);
      e.pushRip(insn.next);
      callDoor(c.get(L.LEFT), "regionEnd").op("return");
    }
  }

  // --- edges

  #edge(n: number, edge: Edge): void {
    const { e } = this;
    const c = e.code;
    if (edge.to === EXIT) {
      this.#leaveTo(edge.at);
      return;
    }
    this.#checkPages(n, edge);
    const back = this.#order.position[edge.to]! <= this.#order.position[n]!;
    if (back) {
      if (edge.to === n && this.#again !== undefined) e.memory.strides!.next(this.#again);
      this.#pushIsDue();
      c.if(Type.VOID, "unlikely");
      this.#leaveTo(edge.at);
      c.end();
    }
    const label = this.#labels.get(edge.to);
    if (label !== undefined && (back || this.#order.isMerge[edge.to])) c.br(label);
    else this.#tree(edge.to);
  }

  /** Pushes whether the region is to be left at the next edge that goes back. */
  #pushIsDue(): void {
    const c = this.e.code;
    c.get(L.LEFT).get(L.CPU).mem("i32.load", Vcpu.off.events).op("i32.le_s");
  }

  #leaveTo(at: number): void {
    this.e.pushRip(at);
    this.e.code.set(L.RIP).br(this.e.exitLabel);
  }

  /** Code pages that the edge enters must lie where the region was made from. */
  #checkPages(n: number, edge: Edge): void {
    const { e, region } = this;
    const c = e.code;
    const here = region.nodes[n]!.pages;
    for (const page of region.nodes[edge.to]!.pages) {
      // Of a region on one page that page is known: who enters it has found it.
      if (here.includes(page) || region.hosts.size === 1) continue;
      const bit = pageBit(region.hosts, page);
      c.get(L.CPU).mem("i32.load", Vcpu.off.regionPages).i32(bit).op("i32.and").op("i32.eqz").if(Type.VOID, "unlikely");
      c.get(L.CPU).get(L.BASE).i32(page).i32(region.hosts.get(page)!).i32(bit);
      callDoor(c, "regionPage").op("i32.eqz").if();
      this.#leaveTo(edge.at);
      c.end().end();
    }
  }

  /** What a region returns that ends without a fault. */
  get #goesOn(): number | bigint {
    return this.e.changesModes ? RegionExit.values.CHANGED : RegionExit.values.NEXT;
  }
}

function join(a: Uint8Array, b: Uint8Array): Uint8Array {
  const out = new Uint8Array(a.length + b.length);
  out.set(a);
  out.set(b, a.length);
  return out;
}

/** The region's function. */
export function emitRegion(region: Region, handlerImport: (fn: number) => number): RegionCode {
  const writer = new RegionWriter(region, handlerImport);
  const { code, hints } = writer.write();
  return { body: code, hints, locals: writer.e.x87 ? LOCALS_X87 : LOCALS, entries: region.entries };
}

/** Its body, and where in it instructions begin. */
export function emitMarked(region: Region, handlerImport: (fn: number) => number): { code: Uint8Array; marks: Mark[] } {
  return new RegionWriter(region, handlerImport).write();
}
