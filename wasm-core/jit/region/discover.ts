/**
 * Finds the region that begins at a hot block: what is reachable from it by direct jumps and calls, and has run at least
 * once. A call is followed into the callee, where its return is then known to lead back: a block reached through two
 * calls is there twice, once for each. Where another region begins a first one ends, or most code would be compiled many
 * times over; one that is made again because it is hot takes all of it in.
 */

import { Block } from "../../abi/structs/translation.js";
import { ModeKey } from "../../abi/structs/vcpu.js";
import { flowOf } from "../instructions.js";
import {
  type Edge,
  type Entry,
  EXIT,
  edgesOf,
  endsIn,
  type Node,
  pageBit,
  type Region,
  type Terminator,
} from "./graph.js";
import { Jumps, REACH } from "./jumps.js";
import type { DecodedBlock, Insn, MachineView } from "./machine-view.js";

interface Limits {
  readonly nodes: number;
  readonly insns: number;
  /** Calls inside calls that are followed. */
  readonly depth: number;
}

/** Larger regions run hardly faster, and the host's compiler takes longer for them than it saves. */
const LIMITS: Limits = { nodes: 64, insns: 640, depth: 3 };
/**
 * Of a block that is run seldom: no copies of functions that are called. A large program is mostly made of these, and
 * what they take is the host's compiler's time and room in the processor's caches.
 */
const SMALL_LIMITS: Limits = { nodes: 32, insns: 640, depth: 0 };
/** Those of a region with a switch, which all of an interpreter's loop goes into: who stays in it for long. */
const SWITCH_LIMITS: Limits = { ...LIMITS, nodes: 160, insns: 1600 };

/**
 * The part of a switch's jumps that another follows, at least. With less the region is left so soon that a smaller one is
 * better: each entry of a large one loads and stores more.
 */
const FOLLOWED = 0.6;
/** Functions that one indirect call is followed into. */
const MOST_CALLED = 3;
/** A site holds the number of its node's instructions in eight bits. */
const MAX_NODE = 200;
/** Bits of a linear address. [SDM] vol. 1, 3.3.7.1. */
const CANONICAL_BITS = 48;

/** Where a region is wished for, and of which kind. */
export interface Wish {
  readonly vcpu: number;
  /** Linear RIP where the vCPU ran the block. */
  readonly rip: bigint;
  readonly block: number;
  /** x87 control word there, and the status word in the upper half. */
  readonly fpu: number;
  /** Whether it is made again because it is entered often. */
  readonly hot: boolean;
  /** Whether the block is run so seldom that a small one will do. */
  readonly isSlow: boolean;
}

/** What regions there are besides. */
export interface Others {
  /** Blocks by which those are entered that are made and not announced yet. */
  readonly coming: ReadonlySet<number>;
  /** Blocks with which functions begin whose regions are made for speed, and too large for copies of them. */
  readonly large: ReadonlySet<number>;
}

/** What a region was made of. */
export interface Shape {
  readonly members: ReadonlySet<number>;
  /** Blocks with which functions begin that it leaves to their own regions. */
  readonly left: ReadonlySet<number>;
  /** Region.missed. */
  readonly missed: ReadonlySet<number>;
  /** Where its switch leads to. */
  readonly jumps: readonly number[];
}

/** Which of the region's calls surround an instruction. */
interface Context {
  readonly depth: number;
  readonly parent: Context | undefined;
  /** RIP behind the innermost call. */
  readonly returns: number;
  /** Where its instructions are, by RIP. */
  readonly places: Map<number, Place>;
  /** By RIP behind a call, what is within that. */
  readonly calls: Map<number, Context>;
}

interface Place {
  readonly node: number;
  readonly index: number;
}

function contextIn(parent: Context | undefined, returns: number): Context {
  const depth = parent === undefined ? 0 : parent.depth + 1;
  return { depth, parent, returns, places: new Map(), calls: new Map() };
}

class Discovery {
  readonly nodes: Node[] = [];
  readonly frames = new Map<number, number>();
  readonly hosts = new Map<number, number>();
  readonly members = new Set<number>();
  readonly left = new Set<number>();
  readonly missed = new Set<number>();
  readonly #contextOf: Context[] = [];
  readonly #queue: { at: number; context: Context; edges: Edge[] }[] = [];
  #insns = 0;
  readonly #key: number;
  readonly #start: number;
  readonly #long: boolean;
  readonly #jumps: Jumps;
  #limits: Limits;

  constructor(
    readonly view: MachineView,
    readonly wish: Wish,
    readonly others: Others,
    readonly only: Shape | undefined,
  ) {
    const { rip, block, hot, isSlow } = wish;
    this.#limits = isSlow && !hot ? SMALL_LIMITS : LIMITS;
    this.#key = view.keyOf(block);
    this.#long = (this.#key & Number(ModeKey.values.CODE_MASK)) === Number(ModeKey.values.CODE64);
    this.#start = Number(rip & 0xfffn);
    this.#jumps = new Jumps(hot ? view.jumps() : [], rip);
    this.hosts.set(0, view.hostOf(block) & ~4095);
  }

  /** @param withSwitch whether it may begin with one */
  run(withSwitch = true): Region | undefined {
    const root = contextIn(undefined, 0);
    this.#visit(0, root, []);
    this.#drain();
    if (this.nodes.length === 0) return undefined;
    const { wish, nodes, hosts, members, left, missed } = this;
    const { rip, block, fpu, hot, isSlow } = wish;
    const entries = hot && withSwitch ? this.#switch(root) : [];
    // What was taken in by then is not taken out again.
    if (entries === undefined) return new Discovery(this.view, wish, this.others, this.only).run(false);
    const frames = [...this.frames].map(([genAt, gen]) => ({ genAt, gen }));
    return { rip, long: this.#long, hot, nodes, frames, hosts, block, entries, members, left, missed, fpu, isSlow };
  }

  /** What fewer calls surround comes first: copies of functions that are called do not keep out what calls them. */
  #drain(): void {
    while (this.#queue.length > 0) {
      const depth = Math.min(...this.#queue.map(({ context }) => context.depth));
      const next = this.#queue.findIndex(({ context }) => context.depth === depth);
      const { at, context, edges } = this.#queue.splice(next, 1)[0]!;
      this.#visit(at, context, edges);
    }
  }

  /**
   * Takes in where indirect jumps went that no call surrounds, and begins the region with a switch over these. Returns the
   * blocks by which it can be entered, none for a region without; undefined when it is better made without.
   */
  #switch(root: Context): Entry[] | undefined {
    const jumps = this.#jumps;
    const ours = [...this.nodes.keys()].filter((n) => this.#contextOf[n] === root);
    const ends = new Set(ours.filter((n) => this.nodes[n]!.term.kind === "indirect"));
    // The nodes that go on by an indirect jump, as was seen, or because there is no other way.
    const jumpers = new Set(
      ours.filter((n) => {
        const { at } = this.nodes[n]!.insns[0]!;
        return this.#jumpsMostly(this.#blockAt(at), at) || endsIn(this.nodes, n, ends);
      }),
    );
    const isWanted = this.only ? this.only.jumps.length > 0 : endsIn(this.nodes, 0, jumpers);
    if (!isWanted || this.view.isCross(this.wish.block)) return [];
    this.#limits = SWITCH_LIMITS;
    const sources = [...jumpers].map((n) => this.nodes[n]!.insns[0]!.at);
    const edges: Edge[] = [{ to: 0, at: 0 }];
    const known = new Set([0]);
    const take = (targets: readonly number[]): void => {
      for (const at of targets) {
        // As many as there may be nodes: a guest can make up thousands.
        if (known.has(at) || known.size > this.#limits.nodes) continue;
        known.add(at);
        edges.push(this.#later(at, root));
      }
      this.#drain();
    };
    if (this.only) take(this.only.jumps);
    else {
      for (const at of sources) take(jumps.targets(at));
      for (let i = 0; i < edges.length; i++) take(jumps.targets(edges[i]!.at));
    }
    const inside = edges.filter(({ to }) => to !== EXIT);
    const leads = new Map(inside.map(({ to, at }) => [at, endsIn(this.nodes, to, jumpers)]));
    const followed = jumps.followed(new Set([...sources, ...leads.keys()]), (at) => leads.get(at) === true);
    if (!this.only && followed < FOLLOWED) return undefined;
    const entries = inside.flatMap(({ at }): Entry[] => {
      const block = this.#blockAt(at);
      const page = pageBit(this.hosts, this.#page(at));
      if (at === 0) return [{ block, at, page }];
      if (block === 0 || page === 0 || this.view.isCross(block)) return [];
      return leads.get(at) || this.#jumpsMostly(block, at) ? [{ block, at, page }] : [];
    });
    this.#beginWith(inside, root);
    return entries;
  }

  /** The block at `at`; 0 when there is none. */
  #blockAt(at: number): number {
    const host = this.#host(at);
    // At the start it is the block that asked: another one there may go on with another second page.
    if (at === 0 || host === 0) return at === 0 ? this.wish.block : 0;
    return this.view.findBlock(host, this.#key);
  }

  /** Puts the switch before all nodes. */
  #beginWith(edges: readonly Edge[], root: Context): void {
    for (const [n, node] of this.nodes.entries()) {
      for (const e of edgesOf(node.term)) if (e.to !== EXIT) e.to++;
      if (node.term.kind === "indirect" && this.#contextOf[n] === root) {
        node.term = { kind: "indirect", edge: { to: 0, at: 0 } };
      }
    }
    for (const e of edges) e.to++;
    this.nodes.unshift({ insns: [], pages: [], term: { kind: "switch", edges } });
  }

  /** Whether most ways through the region that begins with `block`, at `at`, ended with an indirect jump. */
  #jumpsMostly(block: number, at: number): boolean {
    return this.#jumps.count(at) > (this.view.hot - this.view.word(block + Block.off.heat)) / 2;
  }

  /** Offset of the page that holds the byte at `at`, from the page of the region's start. */
  #page(at: number): number {
    return (this.#start + at) & ~4095;
  }

  /** Machine address of the byte at `at`, 0 when the vCPU has no translation for it at hand. */
  #host(at: number): number {
    const page = this.#page(at);
    let host = this.hosts.get(page);
    if (host === undefined) {
      host = this.view.translate(this.wish.vcpu, (this.wish.rip & ~0xfffn) + BigInt(page));
      if (host === 0) return 0;
      this.hosts.set(page, host);
    }
    return host + ((this.#start + at) & 4095);
  }

  /** Points `edges` to the node that begins at `at`, making it when it is code that has run. */
  #visit(at: number, context: Context, edges: Edge[]): void {
    let place = context.places.get(at);
    if (place === undefined) {
      this.#add(at, context);
      place = context.places.get(at);
      if (place === undefined) return;
    }
    const node = place.index === 0 ? place.node : this.#split(place);
    for (const e of edges) e.to = node;
  }

  #add(at: number, context: Context): void {
    if (this.nodes.length >= this.#limits.nodes || Math.abs(at) > REACH) return;
    const block = this.#blockAt(at);
    const decoded = block === 0 || !this.#belongs(block) ? undefined : this.view.readBlock(block, at);
    if (decoded === undefined || this.#insns + decoded.insns.length > this.#limits.insns) return;
    for (const f of decoded.frames) {
      const known = this.frames.get(f.genAt);
      if (known !== undefined && known !== f.gen) return;
    }
    if (!this.#goesOnAt(decoded, at)) return;
    for (const f of decoded.frames) this.frames.set(f.genAt, f.gen);
    this.members.add(block);
    this.#take(decoded.insns, context);
  }

  /** Whether the function that begins with `block` is left to a region of its own, which is larger than a copy should be. */
  #isLeft(block: number): boolean {
    if (this.only) return this.only.left.has(block);
    return this.others.large.has(block) && this.view.hasRegion(block);
  }

  #hasRegion(block: number): boolean {
    return this.view.hasRegion(block) || this.others.coming.has(block);
  }

  #belongs(block: number): boolean {
    if (this.only) return this.only.members.has(block);
    if (!this.wish.hot && block !== this.wish.block && this.#hasRegion(block)) return false;
    return this.view.isWarm(block);
  }

  /** Whether the second page of a block that has one is where the region has it; the first such block says where. */
  #goesOnAt({ frames, bytes }: DecodedBlock, at: number): boolean {
    const second = frames[1];
    if (second === undefined) return true;
    const page = this.#page(at + bytes - 1);
    const known = this.hosts.get(page);
    this.hosts.set(page, known ?? second.host);
    return known === undefined || known === second.host;
  }

  /** Makes nodes of a block's instructions, up to where another node goes on. */
  #take(insns: readonly Insn[], context: Context): void {
    let node = this.#open(context);
    for (const [i, insn] of insns.entries()) {
      const there = context.places.get(insn.at);
      if (there !== undefined) {
        const to = there.index === 0 ? there.node : this.#split(there);
        node.term = { kind: "goto", edge: { to, at: insn.at } };
        if (node.insns.length === 0) throw new Error("a region's node without instructions");
        return;
      }
      if (node.insns.length === MAX_NODE) {
        const edge = { to: this.nodes.length, at: insn.at };
        node.term = { kind: "goto", edge };
        node = this.#open(context);
      }
      context.places.set(insn.at, { node: this.nodes.length - 1, index: node.insns.length });
      node.insns.push(insn);
      this.#insns++;
      if (this.wish.hot && this.#isMissed(insn.at)) this.missed.add(insn.at);
      for (const at of [insn.at, insn.next - 1]) {
        const page = this.#page(at);
        if (!node.pages.includes(page)) node.pages.push(page);
      }
      const flow = flowOf(insn.v, this.#long);
      if (flow === "end") {
        node.term = this.#ending(insn, context);
        return;
      }
      if (flow === "jcc") {
        if (!/^j[A-Z]+$/.test(insn.v.semantic) || !this.#isNear(insn) || !this.#hasTarget(insn)) {
          node.term = { kind: "handler" };
          return;
        }
        const taken = this.#later(insn.next + insn.imm, context);
        if (i + 1 === insns.length) {
          node.term = { kind: "jcc", taken, next: this.#later(insn.next, context) };
          return;
        }
        const next = { to: this.nodes.length, at: insn.next };
        const other = context.places.get(insn.next);
        if (other !== undefined) {
          next.to = other.index === 0 ? other.node : this.#split(other);
          node.term = { kind: "jcc", taken, next };
          return;
        }
        node.term = { kind: "jcc", taken, next };
        node = this.#open(context);
      }
    }
    const end = insns.at(-1)!.next;
    node.term = { kind: "goto", edge: this.#later(end, context) };
  }

  /** Whether regions often left the instruction at `at` to the interpreter. */
  #isMissed(at: number): boolean {
    if (this.only) return this.only.missed.has(at);
    const block = this.#blockAt(at);
    return block !== 0 && this.view.isLeftOften(block);
  }

  #open(context: Context): Node {
    const node: Node = { insns: [], pages: [], term: { kind: "handler" } };
    this.nodes.push(node);
    this.#contextOf.push(context);
    return node;
  }

  /** An edge to be resolved when its turn comes. */
  #later(at: number, context: Context): Edge {
    const edge: Edge = { to: EXIT, at };
    this.#queue.push({ at, context, edges: [edge] });
    return edge;
  }

  /** Whether a branch keeps all of RIP: one with a 16-bit operand size cuts it. */
  #isNear(insn: Insn): boolean {
    return insn.v.size === (this.#long ? 64 : 32);
  }

  /** Whether the target of a relative branch is an address: where it is not, the branch itself faults. */
  #hasTarget({ next, imm }: Insn): boolean {
    const target = BigInt.asIntN(64, this.wish.rip + BigInt(next + imm));
    return !this.#long || target === BigInt.asIntN(CANONICAL_BITS, target);
  }

  #ending(insn: Insn, context: Context): Terminator {
    if (!this.#isNear(insn)) return { kind: "handler" };
    switch (insn.v.semantic) {
      case "jmp":
        if (!this.#hasTarget(insn)) break;
        return { kind: "goto", edge: this.#later(insn.next + insn.imm, context) };
      case "call":
        if (!this.#hasTarget(insn)) break;
        return { kind: "call", edge: this.#call(insn, context) };
      case "ret":
      case "retPop": {
        const to = context.parent;
        return { kind: "ret", edge: to === undefined ? undefined : this.#later(context.returns, to) };
      }
      case "jmpIndirect":
        return { kind: "indirect", edge: undefined };
      case "callIndirect":
        return { kind: "callIndirect", edges: this.wish.hot ? this.#calls(insn, context) : [] };
    }
    return { kind: "handler" };
  }

  /** Edges to where an indirect call went. */
  #calls(insn: Insn, context: Context): Edge[] {
    if (context.depth >= this.#limits.depth) return [];
    const found = this.#jumps.targets(insn.at).slice(0, MOST_CALLED);
    return found.map((at) => this.#call(insn, context, at));
  }

  #call(insn: Insn, context: Context, target = insn.next + insn.imm): Edge {
    if (context.depth >= this.#limits.depth) return { to: EXIT, at: target };
    const callee = this.wish.hot ? this.#blockAt(target) : 0;
    if (callee !== 0 && this.#isLeft(callee)) {
      this.left.add(callee);
      return { to: EXIT, at: target };
    }
    let inner = context.calls.get(insn.next);
    if (inner === undefined) {
      inner = contextIn(context, insn.next);
      context.calls.set(insn.next, inner);
    }
    return this.#later(target, inner);
  }

  /** Cuts a node in two before the instruction at `place`; returns the second half. */
  #split(place: Place): number {
    const first = this.nodes[place.node]!;
    const context = this.#contextOf[place.node]!;
    const second = this.#open(context);
    const to = this.nodes.length - 1;
    second.insns.push(...first.insns.splice(place.index));
    second.term = first.term;
    first.term = { kind: "goto", edge: { to, at: second.insns[0]!.at } };
    for (const node of [first, second]) {
      const pages = node.insns.flatMap((i) => [this.#page(i.at), this.#page(i.next - 1)]);
      node.pages.splice(0, node.pages.length, ...new Set(pages));
    }
    for (const [index, insn] of second.insns.entries()) context.places.set(insn.at, { node: to, index });
    return to;
  }
}

/**
 * The region from a block; undefined when there is nothing to compile.
 * @param only what it is to be made of, when that is known
 */
export function discoverRegion(view: MachineView, wish: Wish, others: Others, only?: Shape): Region | undefined {
  return new Discovery(view, wish, others, only).run();
}
