/**
 * Memory accesses: the look into the TLB, written into the region or called, and what it told about a page. A node looks
 * once for all accesses off one base that lie on one page; the others compare where on the page they are, unless the first
 * asked for them too (windows.ts).
 */
import { TlbEntry } from "../abi/structs/translation.js";
import { Vcpu } from "../abi/structs/vcpu.js";
import type { Addresses, Place } from "./addresses.js";
import type { Cursors } from "./cursors.js";
import { callDoor } from "./doors.js";
import { DELTAS, L, PAGES } from "./locals.js";
import type { Insn } from "./region/machine-view.js";
import type { Strides } from "./strides.js";
import { pushTlbSlot } from "./tlb.js";
import type { Code, Label } from "./wasm/code.js";
import { Type } from "./wasm/ops.js";
import { itself, WIDEST, type Window, type Windows } from "./windows.js";

const { cursorPage, cursorReach, cursorDelta } = Vcpu.off;
const PAGE = 4096;
/** Bytes of the longest access by a cursor. Each begins less than REACH bytes into the page, whatever its length. */
const LONGEST = 16;
const REACH = PAGE - LONGEST + 1;

const LOCALS = Array.from({ length: PAGES }, (_, n) => L.PAGE + n);
const GUESSES = Array.from({ length: DELTAS }, (_, n) => L.DELTAS + n);

/** What memory accesses need of the emitter. */
export interface Writer {
  readonly code: Code;
  readonly insn: Insn;
  readonly addresses: Addresses;
  readonly faultLabel: Label;
  site(): number;
  leaveIf(): void;
}

/** An access that the region has made, on one page as a whole: its machine address is in a local. */
interface Page {
  readonly name: string;
  readonly at: number;
  readonly write: boolean;
  readonly local: number;
  /** What lies on the page for certain, from the access on. */
  readonly lo: number;
  readonly hi: number;
}

/** Whether what is loaded is where the same instruction loads from the next time, as when a list is followed. */
const chasesPointer = ({ v, reg, rm }: Insn): boolean =>
  v.semantic === "mov" && v.form === "mem" && v.row.operands[0]?.kind === "G" && reg === rm;

export class Memory {
  /** Whether the region looks into the TLB itself. */
  looks = false;
  /** Of a loop that is written twice. */
  strides: Strides | undefined;
  #pages: readonly Page[] = [];
  #depth = 0;
  #windows: Windows | undefined;

  constructor(
    readonly e: Writer,
    readonly cursors: Cursors,
  ) {}

  /**
   * A node begins.
   * @param end pages known at the end of the only one before it
   * @param windows where it is to be small rather than fast: what is not there leaves to the interpreter
   */
  begin(end: readonly Page[] | undefined, windows: Windows | undefined): void {
    this.#pages = end ?? [];
    this.#windows = windows;
    this.#depth = this.e.code.depth;
  }

  get end(): readonly Page[] {
    return this.#pages;
  }

  /** A handler runs: what was known of pages is not any more. */
  forget(): void {
    this.strides?.spoil();
    this.#pages = [];
    this.cursors.forget(this.e.code);
  }

  /**
   * Puts the machine address of `bytes` bytes into L.P, or leaves to the interpreter with nothing done.
   * @param pushLinear pushes their linear address
   */
  access(bytes: number, write: boolean, pushLinear: () => void, place: Place | undefined): void {
    if (this.strides?.isKnown) {
      pushLinear();
      this.e.code.op("i32.wrap_i64").get(this.strides.delta()).op("i32.add").set(L.P);
      return;
    }
    const known = place && this.#pages.find((p) => p.name === place.name);
    const by = known ? place.at - known.at : PAGE;
    if (
      known &&
      (known.write || !write) &&
      Math.abs(by) <= PAGE - bytes &&
      this.#near(known, by, bytes, write, pushLinear)
    ) {
      this.strides?.note(place, bytes, write);
      return;
    }
    pushLinear();
    this.e.code.set(L.LIN);
    const cursor = place && bytes <= LONGEST ? this.cursors.of(place, write) : undefined;
    if (cursor === undefined) this.at(bytes, write, place);
    else this.#follow(cursor, bytes, write, place!);
  }

  /** On the cursor's page its delta is all that is needed. For another the core looks, and the cursor goes there. */
  #follow(cursor: number, bytes: number, write: boolean, place: Place): void {
    this.strides?.note(place, bytes, write, cursor);
    const c = this.e.code;
    const [page, reach, delta] = [cursorPage + 8 * cursor, cursorReach + 8 * cursor, cursorDelta + 4 * cursor];
    c.get(L.LIN).get(L.CPU).mem("i64.load", page).op("i64.sub");
    c.get(L.CPU).mem("i64.load", reach).op("i64.lt_u").if(Type.VOID, "likely");
    c.get(L.CPU).mem("i32.load", delta).get(L.LIN).op("i32.wrap_i64").op("i32.add").set(L.P).else();
    this.#callDoor(bytes, write);
    c.get(L.CPU).get(L.P).get(L.LIN).op("i32.wrap_i64").op("i32.sub").mem("i32.store", delta);
    c.get(L.CPU).get(L.LIN).i64(-PAGE).op("i64.and").mem("i64.store", page);
    c.get(L.CPU).i64(REACH).mem("i64.store", reach);
    c.end();
    if (c.depth === this.#depth) this.#keep(place, write, itself(bytes));
  }

  /** As access, for the linear address in L.LIN. */
  at(bytes: number, write: boolean, place?: Place): void {
    this.strides?.spoil();
    const window = place === undefined ? itself(bytes) : this.#window(bytes, write);
    if (this.#windows === undefined) this.#look(bytes, write);
    else this.#lookOrLeave(window, write);
    if (place && this.e.code.depth === this.#depth) this.#keep(place, write, window);
  }

  /** What the access that is written now asks for: itself, or all that is near it where what is not there leaves. */
  #window(bytes: number, write: boolean): Window {
    return this.#windows?.around(this.e.insn, bytes, write) ?? itself(bytes);
  }

  /** L.P is where an access at `place` goes. */
  #keep({ name, at }: Place, write: boolean, { lo, hi }: Window): void {
    const others = this.#pages.filter((p) => p.name !== name);
    const free = LOCALS.find((local) => others.every((p) => p.local !== local));
    const local = free ?? others.shift()!.local;
    this.e.code.get(L.P).set(local);
    this.#pages = [...others, { name, at, write, local, lo, hi }];
  }

  /**
   * `by` bytes from an access that was made: the same page, unless the offset in it says otherwise. False where it is better
   * looked for.
   */
  #near(known: Page, by: number, bytes: number, write: boolean, pushLinear: () => void): boolean {
    const c = this.e.code;
    const isCovered = by >= known.lo && by + bytes <= known.hi;
    const leaves = this.#windows !== undefined;
    if (!isCovered && leaves) {
      const window = this.#window(bytes, write);
      const lo = Math.min(known.lo, by + window.lo);
      const hi = Math.max(known.hi, by + window.hi);
      if (hi - lo > WIDEST) return false;
      this.#pushIsBeyond(known.local, lo, hi);
      this.e.leaveIf();
      if (c.depth === this.#depth) this.#pages = this.#pages.map((p) => (p === known ? { ...p, lo, hi } : p));
    }
    c.get(known.local);
    if (by !== 0) c.i32(by).op("i32.add");
    c.set(L.P);
    if (isCovered || leaves) return true;
    this.#pushIsBeyond(known.local, Math.min(by, 0), by + bytes);
    c.if(Type.VOID, "unlikely");
    pushLinear();
    c.set(L.LIN);
    this.#callDoor(bytes, write);
    c.end();
    return true;
  }

  /** Pushes whether bytes from `lo` to before `hi`, counted from a machine address, are not on its page. */
  #pushIsBeyond(local: number, lo: number, hi: number): void {
    const c = this.e.code
      .get(local)
      .i32(PAGE - 1)
      .op("i32.and");
    if (lo < 0) c.i32(lo).op("i32.add");
    c.i32(PAGE - (hi - Math.min(lo, 0))).op("i32.gt_u");
  }

  /** Pushes the tag of the TLB entry for L.LIN, which is then in L.E, and what it must be. */
  #pushTags(bytes: number, write: boolean): void {
    this.looks = true;
    const c = this.e.code;
    c.get(L.LIN);
    pushTlbSlot(c);
    c.mem("i64.load", write ? TlbEntry.off.tagW : TlbEntry.off.tagR);
    c.get(L.LIN);
    if (bytes > 1) c.i64(bytes - 1).op("i64.add");
    c.i64(-PAGE).op("i64.and").get(L.CTX).op("i64.or");
  }

  #look(bytes: number, write: boolean): void {
    const c = this.e.code;
    this.#pushTags(bytes, write);
    c.op("i64.eq").if(Type.VOID, "likely");
    c.get(L.E).mem("i32.load", TlbEntry.off.delta);
    if (chasesPointer(this.e.insn)) this.#guess();
    else c.get(L.LIN).op("i32.wrap_i64").op("i32.add").set(L.P);
    c.else();
    this.#callDoor(bytes, write);
    c.end();
  }

  /**
   * The look for what is outside loops: what the TLB does not have is left to the interpreter, which seldom happens; a call
   * would be more work for the host's compiler than all the rest. Where it did happen often, a region that is made again
   * calls (Region.missed).
   */
  #lookOrLeave({ lo, hi }: Window, write: boolean): void {
    const c = this.e.code;
    if (lo !== 0) c.get(L.LIN).i64(lo).op("i64.add").set(L.LIN);
    this.#pushTags(hi - lo, write);
    c.op("i64.ne");
    this.e.leaveIf();
    c.get(L.E).mem("i32.load", TlbEntry.off.delta).get(L.LIN).op("i32.wrap_i64").op("i32.add");
    if (lo !== 0) c.i32(-lo).op("i32.add");
    c.set(L.P);
  }

  /**
   * The delta on the stack is mostly one of the last, which the processor learns of the branches: the next address then
   * waits for one load, not for two, one after the other. Puts the machine address into L.P.
   */
  #guess(): void {
    const c = this.e.code;
    c.set(L.P);
    const done = c.block();
    const go = (delta: number) => c.get(delta).get(L.LIN).op("i32.wrap_i64").op("i32.add").set(L.P);
    for (const delta of GUESSES) {
      c.get(L.P).get(delta).op("i32.eq").if(Type.VOID);
      go(delta);
      c.br(done).end();
    }
    for (let n = DELTAS - 1; n > 0; n--) c.get(GUESSES[n - 1]!).set(GUESSES[n]!);
    c.get(L.P).set(L.DELTAS);
    go(L.P);
    c.end();
  }

  /** Puts the machine address for L.LIN into L.P as the core finds it, or leaves to the interpreter. */
  #callDoor(bytes: number, write: boolean): void {
    const c = this.e.code;
    c.i64(this.e.site()).set(L.SITE);
    c.get(L.CPU).get(L.LIN).i32(bytes);
    callDoor(c, write ? "regionWrite" : "regionRead").tee(L.P);
    c.op("i32.eqz").brIf(this.e.faultLabel, "unlikely");
  }
}
