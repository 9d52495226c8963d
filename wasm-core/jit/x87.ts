/**
 * The x87 of a region: registers, control, status and tag words and FIP are locals, in memory only where a handler or the
 * way out needs them. TOP is what the plan says; the first x87 instruction of a node checks that it is, that registers
 * are in use or empty as the node's instructions want them, and that none is blocked. None of them then faults.
 */
import { FPR_STRIDE, Vcpu } from "../abi/structs/vcpu.js";
import { touchesX87 } from "./effects.js";
import { L } from "./locals.js";
import type { Insn } from "./region/machine-view.js";
import type { Code } from "./wasm/code.js";
import { MODE_MASK, modeBits, stackEffect, stackRegister, topAfter, type Which, type X87Plan } from "./x87-plan.js";

/** Bits of L.FW: the control word is its lowest part. */
const FSW_AT = 16n;
const TOP_AT = FSW_AT + 11n;
const TAGS_AT = 32n;
const C1 = 0x200n << FSW_AT;
const TOP_MASK = 7n << TOP_AT;
const tag = (n: number): bigint => 3n << (TAGS_AT + BigInt(2 * n));
const signed = (v: bigint): bigint => BigInt.asIntN(64, v);

const slotOf = (n: number): number => Vcpu.off.fpr + FPR_STRIDE * n;
const END_AT = 8;

/** What a node's instructions up to one that may change everything ask for. */
interface Wish {
  mask: bigint;
  expected: bigint;
  /** Index of the instruction behind the last that it covers. */
  end: number;
}

/** What a lowered instruction did besides its result. */
export interface Done {
  /** L.RAISED holds what to set in the status word. */
  readonly raised?: boolean;
  /** C1 stays as it was. */
  readonly keepsC1?: boolean;
  /** Status bits that the instruction replaces, as in the status word. */
  readonly replaces?: number;
}

/** What it needs of the emitter. */
interface Writer {
  readonly code: Code;
  readonly insn: Insn;
  leaveIf(): void;
  pushRip(at: number): void;
}

export class X87 {
  #top = 0;
  #insns: readonly Insn[] = [];
  /** Index of the first instruction of the node that is not covered by what was checked. */
  #covered = 0;

  constructor(
    readonly e: Writer,
    readonly plan: X87Plan,
  ) {}

  get precision(): X87Plan["precision"] {
    return this.plan.precision;
  }

  beginNode(n: number, insns: readonly Insn[]): void {
    this.#top = this.plan.tops[n]!;
    this.#insns = insns;
    this.#covered = 0;
  }

  // --- registers

  /** Physical number of ST(i). */
  physical(i: number): number {
    return (this.#top + i) & 7;
  }

  /** Locals of ST(i): significand; sign and exponent. */
  sig(i: number): number {
    return L.SIG + this.physical(i);
  }

  end(i: number): number {
    return L.END + this.physical(i);
  }

  // --- memory

  store(): void {
    const c = this.e.code;
    c.get(L.CPU).get(L.FW).mem("i64.store", Vcpu.off.fcw);
    c.get(L.CPU).get(L.FIP).mem("i64.store", Vcpu.off.fip);
    for (const n of this.plan.touched) {
      c.get(L.CPU)
        .get(L.SIG + n)
        .mem("i64.store", slotOf(n));
      c.get(L.CPU)
        .get(L.END + n)
        .mem("i32.store16", slotOf(n) + END_AT);
    }
  }

  load(c: Code): void {
    c.get(L.CPU).mem("i64.load", Vcpu.off.fcw).set(L.FW);
    c.get(L.CPU).mem("i64.load", Vcpu.off.fip).set(L.FIP);
    for (const n of this.plan.touched) {
      c.get(L.CPU)
        .mem("i64.load", slotOf(n))
        .set(L.SIG + n);
      c.get(L.CPU)
        .mem("i32.load16_u", slotOf(n) + END_AT)
        .set(L.END + n);
    }
  }

  /** After a handler that may have changed all of it. */
  reload(): void {
    this.load(this.e.code);
    this.#top = topAfter(this.e.insn, this.#top);
    this.#covered = 0;
  }

  // --- checks

  /** Leaves to the interpreter when the stack or the mode is not as the node's instructions from here on want it. */
  require(): void {
    const at = this.#insns.indexOf(this.e.insn);
    if (at < this.#covered) return;
    const { mask, expected, end } = this.#wish(at);
    this.#covered = Math.max(end, at + 1);
    const c = this.e.code;
    c.get(L.FW).i64(signed(mask)).op("i64.and").i64(signed(expected)).op("i64.ne");
    c.get(L.CPU).mem("i32.load8_u", Vcpu.off.fpuBlocked).op("i32.or");
    this.e.leaveIf();
  }

  #wish(from: number): Wish {
    const wish: Wish = { mask: TOP_MASK, expected: BigInt(this.#top) << TOP_AT, end: from };
    const inUse = new Map<number, boolean>();
    let top = this.#top;
    for (; wish.end < this.#insns.length; wish.end++) {
      const i = this.#insns[wish.end]!;
      const effect = stackEffect(i);
      if (effect === undefined) {
        if (touchesX87(i)) break;
        continue;
      }
      const number = (which: Which): number => (top + (which === "i" ? stackRegister(i) : 0)) & 7;
      const pushed = (top + 7) & 7;
      const wants: [number, boolean][] = effect.needs.map((which) => [number(which), true]);
      if (effect.pushes) wants.push([pushed, false]);
      if (wants.some(([n, used]) => (inUse.get(n) ?? used) !== used)) break;
      for (const [n, used] of wants) {
        if (inUse.has(n)) continue;
        inUse.set(n, used);
        wish.mask |= tag(n);
        if (!used) wish.expected |= tag(n);
      }
      if (effect.mode && this.precision !== undefined) {
        wish.mask |= BigInt(MODE_MASK);
        wish.expected |= BigInt(modeBits(this.precision));
      }
      if (effect.writes !== undefined) inUse.set(number(effect.writes), true);
      if (effect.frees !== undefined) inUse.set(number(effect.frees), false);
      if (effect.pushes) inUse.set(pushed, true);
      for (let n = 0; n < (effect.pops ?? 0); n++) inUse.set((top + n) & 7, false);
      top = topAfter(i, top);
      if (effect.setsMode) {
        wish.end++;
        break;
      }
    }
    return wish;
  }

  // --- the end of an instruction

  /** Pushes the control word. */
  pushControlWord(): void {
    this.e.code.get(L.FW).op("i32.wrap_i64").i32(0xffff).op("i32.and");
  }

  /** Status, tags, TOP and FIP after the instruction, whose result is in place. */
  done({ raised = false, keepsC1 = false, replaces = 0 }: Done = {}): void {
    const { insn, code: c } = this.e;
    const effect = stackEffect(insn)!;
    let clear = BigInt(replaces) << FSW_AT;
    let set = 0n;
    if (!keepsC1) clear |= C1;
    const top = topAfter(insn, this.#top);
    if (effect.writes === "i") clear |= tag(this.physical(stackRegister(insn)));
    if (effect.frees === "i") set |= tag(this.physical(stackRegister(insn)));
    if (effect.pushes) clear |= tag(top);
    for (let n = 0; n < (effect.pops ?? 0); n++) set |= tag(this.physical(n));
    if (top !== this.#top) {
      clear |= TOP_MASK;
      set |= BigInt(top) << TOP_AT;
    }
    clear &= ~(set & ~TOP_MASK);
    c.get(L.FW);
    if (clear !== 0n) c.i64(signed(~clear)).op("i64.and");
    if (set !== 0n) c.i64(signed(set)).op("i64.or");
    if (raised) c.get(L.RAISED).op("i64.extend_i32_u").i64(FSW_AT).op("i64.shl").op("i64.or");
    c.set(L.FW);
    this.e.pushRip(insn.at);
    c.set(L.FIP);
    this.#top = top;
  }
}
