/**
 * Rounds of a loop that stay on the pages of its cursors. A loop of one node that comes to all its places by constant steps
 * is written twice. The first writing looks where each access is; behind a round of it the region counts how many more will
 * stay on the pages that the cursors are on, and the second writing does those: an address is all that an access takes there.
 */
import { Vcpu } from "../abi/structs/vcpu.js";
import { Addresses, type Place } from "./addresses.js";
import { MOVES_STACK, scattered } from "./cursors.js";
import { addressRegisters } from "./effects.js";
import { L, PAGES } from "./locals.js";
import { leavesMemoryAlone, memoryOperand, SEG_FS, segmentOf } from "./operands.js";
import type { Node } from "./region/graph.js";
import type { Insn } from "./region/machine-view.js";
import type { Code, Label } from "./wasm/code.js";

const { cursorPage, cursorReach, cursorDelta } = Vcpu.off;
const PAGE = 4096;
/** Instructions that such rounds take at most, until somebody asks for events again. */
const LONGEST_RUN = 4096;

/**
 * Whether the node is a loop by itself that seems to come to all its places by constant steps. Not those in FS and GS: to name
 * such an address may leave the region, which between two rounds cannot be done.
 */
export function mayStride({ term, insns }: Node, n: number): boolean {
  if (term.kind !== "jcc" || (term.taken.to === n) === (term.next.to === n)) return false;
  const anywhere = new Set(insns.flatMap(scattered));
  const accesses = insns.filter((i) => !leavesMemoryAlone(i) && i.v.row.operands.some((o) => memoryOperand(o, i.v)));
  return (
    accesses.length > 0 &&
    accesses.every((i) => segmentOf(i) < SEG_FS && !addressRegisters(i).some((r) => anywhere.has(r))) &&
    !insns.some(({ v }) => MOVES_STACK.has(v.semantic))
  );
}

/** What the accesses share that may be on one page in a round: places of one name, and near each other. */
interface Stride {
  readonly name: string;
  /** One of the instructions, and where its place is when a round begins, counted as Place.at. */
  readonly insn: Insn;
  readonly begin: number;
  /** What a round touches, counted as Place.at. */
  lo: number;
  hi: number;
  write: boolean;
  /** Which cursor has its page, once that is known. */
  cursor: number | undefined;
  /** Holds what leads from its linear addresses to those of the machine. */
  readonly delta: number;
}

/** What this needs of the emitter. */
export interface Writer {
  readonly code: Code;
  readonly addresses: Addresses;
  insn: Insn;
  pushAddress(bytes: number): void;
}

export class Strides {
  /** What is known where a round begins. */
  readonly #before: Addresses;
  readonly #all: Stride[] = [];
  /** What the accesses of the first writing belong to; and how many of the second have been written. */
  readonly #accesses: Stride[] = [];
  #again = 0;
  /** Something does not go by constant steps, or not by cursors. */
  #isSpoilt = false;
  /** The second writing has begun. */
  isKnown = false;

  constructor(readonly e: Writer) {
    this.#before = new Addresses(e.addresses.long);
  }

  spoil(): void {
    this.#isSpoilt = true;
  }

  /**
   * An access of the first writing. Its step is known where its place has the same name in the round as before it: that of
   * registers to which nothing but constants was added. @param cursor where it goes by one; otherwise it is near one that did
   */
  note(place: Place, bytes: number, write: boolean, cursor?: number): void {
    const end = place.at + bytes;
    let stride = this.#all.find((s) => s.name === place.name && Math.max(s.hi, end) - Math.min(s.lo, place.at) <= PAGE);
    if (stride === undefined) {
      const { insn } = this.e;
      const { name, at } = place;
      const before = this.#before.operand(insn);
      if (this.#all.length === PAGES || before?.name !== name) {
        this.spoil();
        return;
      }
      const delta = L.PAGE + this.#all.length;
      stride = { name, insn, begin: before.at, lo: at, hi: at, write: false, cursor: undefined, delta };
      this.#all.push(stride);
    }
    this.#accesses.push(stride);
    if (write && !stride.write) {
      stride.write = true;
      stride.cursor = undefined;
    }
    if (write === stride.write) stride.cursor ??= cursor;
    stride.lo = Math.min(stride.lo, place.at);
    stride.hi = Math.max(stride.hi, end);
  }

  /** The next access of the second writing: the local that leads from its linear address to that of the machine. */
  delta(): number {
    const stride = this.#accesses[this.#again++];
    if (stride === undefined) throw new Error("the second writing of a loop has an access that the first has not");
    return stride.delta;
  }

  /**
   * Behind the first writing: goes to `head` for another round of it, or sets L.ROUNDS to those of a run.
   * @param count instructions of a round
   */
  begin(head: Label, count: number): boolean {
    const steps = this.#steps();
    if (steps === undefined) return false;
    const c = this.e.code;
    const atMost = (push: () => void): void => {
      push();
      c.tee(L.J).get(L.ROUNDS).get(L.J).get(L.ROUNDS).op("i32.lt_u").op("select").set(L.ROUNDS);
    };
    c.i32(Math.floor(LONGEST_RUN / count)).set(L.ROUNDS);
    this.#all.forEach((stride, k) => {
      this.#locate(stride, head);
      const step = steps[k]!;
      if (step !== 0) atMost(() => this.#pushRounds(stride, step));
    });
    // The last is the one at whose end the region is left in any case.
    atMost(() =>
      c
        .get(L.LEFT)
        .i32(count - 1)
        .op("i32.add")
        .i32(count)
        .op("i32.div_u"),
    );
    this.isKnown = true;
    return true;
  }

  /** Bytes by which each goes on in a round. */
  #steps(): number[] | undefined {
    if (this.#isSpoilt) return undefined;
    const out: number[] = [];
    for (const { name, insn, begin, cursor } of this.#all) {
      const place = this.e.addresses.operand(insn);
      if (cursor === undefined || place?.name !== name) return undefined;
      out.push(place.at - begin);
    }
    return out;
  }

  /** Goes to `head` unless the next round is on the cursor's page; leaves in L.X where it begins there. */
  #locate({ insn, begin, lo, hi, cursor, delta }: Stride, head: Label): void {
    const { e } = this;
    const c = e.code;
    e.insn = insn;
    e.pushAddress(1);
    if (lo !== begin) c.i64(lo - begin).op("i64.add");
    c.get(L.CPU)
      .mem("i64.load", cursorPage + 8 * cursor!)
      .op("i64.sub")
      .tee(L.X);
    c.i64(PAGE - (hi - lo))
      .op("i64.gt_u")
      .get(L.X);
    c.get(L.CPU)
      .mem("i64.load", cursorReach + 8 * cursor!)
      .op("i64.ge_u")
      .op("i32.or")
      .brIf(head, "unlikely");
    c.get(L.CPU)
      .mem("i32.load", cursorDelta + 4 * cursor!)
      .set(delta);
  }

  /** Pushes for how many rounds from L.X on it stays there. */
  #pushRounds({ lo, hi }: Stride, step: number): void {
    const c = this.e.code;
    if (step > 0) c.i32(PAGE - (hi - lo));
    c.get(L.X).op("i32.wrap_i64");
    if (step > 0) c.op("i32.sub");
    c.i32(Math.abs(step)).op("i32.div_u").i32(1).op("i32.add");
  }

  /** The second writing goes back to where it begins, `again`, for the next round of the run; what follows ends it. */
  next(again: Label): void {
    this.e.code.get(L.ROUNDS).i32(1).op("i32.sub").tee(L.ROUNDS).brIf(again, "likely");
  }
}
