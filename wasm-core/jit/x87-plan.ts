/**
 * What a region's x87 instructions do to the register stack, and where its top is at each node. TOP is constant: compiled
 * code has it the same whenever it comes by, so that each register of the stack is a local. Code checks that it is right.
 */
import { touchesX87 } from "./effects.js";
import { memoryOperand, plainAddress } from "./operands.js";
import { EXIT, edgesOf, type Region } from "./region/graph.js";
import type { Insn } from "./region/machine-view.js";

/** A register of the stack: its top, or the one that the instruction names. */
export type Which = 0 | "i";

/** What a lowered instruction needs and does when nothing is unusual. */
export interface StackEffect {
  /** Registers that must be in use. */
  readonly needs: readonly Which[];
  readonly writes?: Which;
  readonly frees?: Which;
  readonly pushes?: true;
  readonly pops?: number;
  /** What it adds to TOP without a push or pop. */
  readonly turns?: number;
  /** It is done for ordinary numbers in the region's mode, and better left to others in another. */
  readonly mode?: true;
  /** It changes the mode. */
  readonly setsMode?: true;
}

const ARITHMETIC = ["fadd", "fmul", "fsub", "fsubr", "fdiv", "fdivr"];
const integer = (name: string): string => `fi${name.slice(1)}`;

function arithmetic(): Record<string, StackEffect> {
  const out: Record<string, StackEffect> = {};
  const top: StackEffect = { needs: [0], writes: 0, mode: true };
  for (const name of ARITHMETIC) {
    out[name] = { needs: [0, "i"], writes: 0, mode: true };
    out[`${name}To`] = { needs: [0, "i"], writes: "i", mode: true };
    out[`${name}p`] = { needs: [0, "i"], writes: "i", pops: 1, mode: true };
    for (const memory of [`${name}M32`, `${name}M64`, `${integer(name)}M16`, `${integer(name)}M32`]) out[memory] = top;
  }
  return out;
}

const each = (names: string, effect: StackEffect): Record<string, StackEffect> =>
  Object.fromEntries(names.split(" ").map((name) => [name, effect]));

/** The instructions that are lowered. */
export const STACK_EFFECTS: Readonly<Record<string, StackEffect>> = {
  ...arithmetic(),
  ...each("fldM32 fldM64 fldM80 fildM16 fildM32 fildM64 fld1 fldz", { needs: [], pushes: true }),
  ...each("fldl2t fldl2e fldpi fldlg2 fldln2", { needs: [], pushes: true, mode: true }),
  fldSt: { needs: ["i"], pushes: true },
  ...each("fstM32 fstM64", { needs: [0], mode: true }),
  ...each("fstpM32 fstpM64", { needs: [0], pops: 1, mode: true }),
  ...each("fistM16 fistM32", { needs: [0] }),
  ...each("fistpM16 fistpM32 fistpM64 fisttpM16 fisttpM32 fisttpM64 fstpM80", { needs: [0], pops: 1 }),
  fstSt: { needs: [0], writes: "i" },
  ...each("fstpSt fstp1", { needs: [0], writes: "i", pops: 1 }),
  fxch: { needs: [0, "i"] },
  ffree: { needs: [], frees: "i" },
  ffreep: { needs: [], frees: "i", pops: 1 },
  fincstp: { needs: [], turns: 1 },
  fdecstp: { needs: [], turns: 7 },
  ...each("fchs fabs fsqrt frndint", { needs: [0], writes: 0 }),
  ...each("fcom fucom fcomi fucomi", { needs: [0, "i"] }),
  ...each("fcomp fucomp fcomip fucomip", { needs: [0, "i"], pops: 1 }),
  ...each("fcmovb fcmove fcmovbe fcmovu fcmovnb fcmovne fcmovnbe fcmovnu", { needs: [0, "i"], writes: 0 }),
  ...each("fcomM32 fcomM64 ficomM16 ficomM32 ftst", { needs: [0] }),
  ...each("fcompM32 fcompM64 ficompM16 ficompM32", { needs: [0], pops: 1 }),
  ...each("fnstsw fnstcw fnop fwait", { needs: [] }),
  fldcw: { needs: [], setsMode: true },
};

/** FCOMPP names no register: it is ST(1). */
const PAIRS = new Set(["fcompp", "fucompp"]);

/** What handlers add to TOP, when no exception keeps them from it. */
const TURNS: Readonly<Record<string, number>> = {
  ...Object.fromEntries("fbld fptan fsincos fxtract".split(" ").map((name) => [name, 7])),
  ...Object.fromEntries("fbstp fyl2x fyl2xp1 fpatan".split(" ").map((name) => [name, 1])),
};

/** Semantics after which TOP is 0. */
const RESETS = new Set(["fninit", "fnsave"]);

/** The effect of an instruction that is lowered, or undefined. */
export function stackEffect(i: Insn): StackEffect | undefined {
  const { v } = i;
  if (!v.module.startsWith("x87") || v.row.operands.some((o) => memoryOperand(o, v) && !plainAddress(i)))
    return undefined;
  // It pushes the register that it reads: always a stack fault.
  if (v.semantic === "fldSt" && stackRegister(i) === 7) return undefined;
  if (PAIRS.has(v.semantic)) return { needs: [0, "i"], pops: 2 };
  return STACK_EFFECTS[v.semantic];
}

/** The number of the register that the instruction names. */
export const stackRegister = (i: Insn): number => (PAIRS.has(i.v.semantic) ? 1 : i.rm & 7);

/** TOP after the instruction when it is `top` before. */
export function topAfter(i: Insn, top: number): number {
  const effect = stackEffect(i);
  if (effect) return (top + (effect.pushes ? 7 : 0) + (effect.pops ?? 0) + (effect.turns ?? 0)) & 7;
  if (!touchesX87(i)) return top;
  if (!i.v.module.startsWith("x87")) return i.v.semantic === "emms" ? top : 0;
  return RESETS.has(i.v.semantic) ? 0 : (top + (TURNS[i.v.semantic] ?? 0)) & 7;
}

/** The control word that a region's arithmetic is made for. */
export interface X87Mode {
  /** Bits that a significand is rounded to; undefined when no mode is ordinary enough. */
  readonly precision: 24 | 53 | 64 | undefined;
}

export interface X87Plan extends X87Mode {
  /** TOP by node. */
  readonly tops: readonly number[];
  /** Physical registers that lowered instructions touch. */
  readonly touched: readonly number[];
}

/** Precision exception masked, rounding to nearest. */
export const MODE_MASK = 0xf20;
const PM = 0x20;
const PC_SHIFT = 8;
const PRECISIONS = [24, undefined, 53, 64] as const;

/** The control word's bits of a mode. */
export const modeBits = (precision: number): number =>
  PM | (PRECISIONS.indexOf(precision as (typeof PRECISIONS)[number]) << PC_SHIFT);

function modeOf(fcw: number): X87Mode {
  const precision = PRECISIONS[(fcw >>> PC_SHIFT) & 3];
  return { precision: precision && (fcw & MODE_MASK) === modeBits(precision) ? precision : undefined };
}

const TOP_SHIFT = 16 + 11;

/** The plan of a region; undefined when nothing of its x87 is lowered. */
export function planX87({ nodes, fpu }: Region): X87Plan | undefined {
  if (!nodes.some(({ insns }) => insns.some((i) => stackEffect(i) !== undefined))) return undefined;
  const tops: (number | undefined)[] = nodes.map(() => undefined);
  tops[0] = (fpu >>> TOP_SHIFT) & 7;
  const touched = new Set<number>();
  const todo = [0];
  for (let n = todo.pop(); n !== undefined; n = todo.pop()) {
    const { insns, term } = nodes[n]!;
    let top = tops[n]!;
    for (const i of insns) {
      for (const r of touchedBy(i, top)) touched.add(r);
      top = topAfter(i, top);
    }
    for (const { to } of edgesOf(term)) {
      if (to === EXIT || tops[to] !== undefined) continue;
      tops[to] = top;
      todo.push(to);
    }
  }
  return { ...modeOf(fpu & 0xffff), tops: tops.map((top) => top ?? 0), touched: [...touched].sort() };
}

function touchedBy(i: Insn, top: number): number[] {
  const effect = stackEffect(i);
  if (effect === undefined) return [];
  const out = effect.needs.map((which) => (top + (which === "i" ? stackRegister(i) : 0)) & 7);
  if (effect.writes === "i") out.push((top + stackRegister(i)) & 7);
  if (effect.pushes) out.push((top + 7) & 7);
  return out;
}
