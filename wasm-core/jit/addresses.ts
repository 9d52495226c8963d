/**
 * What a node knows of its addresses: registers by a name and a distance from it, so that two operands off the same base
 * are seen to be so many bytes apart. A name stands for a value nobody knows; a register that is written in a way that
 * is not followed here takes a new one.
 */
import { Vcpu } from "../abi/structs/vcpu.js";
import { generalRegister } from "./effects.js";
import { SEG_FS } from "./operands.js";
import type { Insn } from "./region/machine-view.js";

const { zero: ZERO, bias: BIAS, blockRip: BLOCK_RIP } = Vcpu.off;
const RSP = 4;
const RBP = 5;
const ADDRESS_32 = 1;
/** Distances stay far from where sums would not be exact. */
const FAR = 1 << 30;

interface Symbolic {
  readonly name: number;
  readonly plus: number;
}

/** A linear address: places of one name are as far apart as their distances. */
export interface Place {
  readonly name: string;
  readonly at: number;
  /** Registers that it is computed from. */
  readonly registers: readonly number[];
  /** The same text for operands off the same registers with displacements of one range: mostly on one page. */
  readonly range: string;
}

const RANGE_SHIFT = 11;
const rangeOf = (at: number): number => (at + (1 << (RANGE_SHIFT - 1))) >> RANGE_SHIFT;

/** The registers where a node begins of which nothing is known. */
const UNMOVED: readonly Symbolic[] = Array.from({ length: 16 }, (_, name) => ({ name, plus: 0 }));

export class Addresses {
  /** By register; undefined from when it was written until somebody asks. */
  #values: (Symbolic | undefined)[] = UNMOVED.slice();
  #names = UNMOVED.length;

  /** @param long 64-bit mode: only writes of all 64 bits are followed then, of 32 bits otherwise */
  constructor(readonly long: boolean) {}

  /** A node begins: with what was known at `end` of the only one before it, or with nothing. */
  begin(end: Addresses["end"] | undefined): void {
    this.#values = (end ?? UNMOVED).slice();
  }

  /** Another that knows the same, and goes its own way from here. */
  copy(): Addresses {
    const other = new Addresses(this.long);
    other.#values = this.#values.slice();
    other.#names = this.#names;
    return other;
  }

  /** What is known now. */
  get end(): readonly (Symbolic | undefined)[] {
    return this.#values.slice();
  }

  #value(n: number): Symbolic {
    let value = this.#values[n];
    if (value === undefined) this.#values[n] = value = { name: this.#names++, plus: 0 };
    return value;
  }

  /** Register `n` was written. */
  forget(n: number): void {
    this.#values[n] = undefined;
  }

  /** Where the stack's top is, `below` bytes under it. */
  stack(register: number, below = 0): Place {
    const { name, plus } = this.#value(register);
    return { name: `s${name}`, at: plus - below, registers: [register], range: `${register}:${rangeOf(-below)}` };
  }

  /** Where the memory operand is; undefined when distances are not those of offsets. */
  operand({ rm, index, ea, disp, block }: Insn): Place | undefined {
    let at = disp;
    let name = ea >= 4 ? this.#space(ea) : "";
    if (name === undefined) return undefined;
    const registers: number[] = [];
    let range = name;
    if (rm === BLOCK_RIP) {
      at += block;
      name += "ip";
      range += "ip";
    } else if (rm !== ZERO) {
      const base = this.#value(rm >>> 3);
      registers.push(rm >>> 3);
      range += rm >>> 3;
      at += base.plus;
      name += `s${base.name}`;
    }
    if (index === BIAS) name += `b${ea & 3}`;
    else if (index !== ZERO) {
      const by = this.#value(index >>> 3);
      registers.push(index >>> 3);
      range += `+${index >>> 3}*${ea & 3}`;
      at += by.plus * (1 << (ea & 3));
      name += `+${by.name}*${ea & 3}`;
    }
    range += `:${rangeOf(rm === BLOCK_RIP ? disp + block : disp)}`;
    return { name, at, registers, range };
  }

  /**
   * Address size and segment where they are not those of most accesses, among them those of the stack. Behind an offset
   * of 32 bits the next one is 0: with a base before it, they may be on one page although they are far apart, or beyond
   * the segment's limit.
   */
  #space(ea: number): string | undefined {
    const segment = (ea >>> 3) & 7;
    const narrow = ea >>> 6 === ADDRESS_32;
    if (segment >= SEG_FS) return narrow ? undefined : `${segment}`;
    return this.long && narrow ? "a" : "";
  }

  /** What the instruction makes of registers, to be told to `set` when it is done and they have been written. */
  after(i: Insn): readonly (readonly [number, Symbolic])[] {
    const word = this.long ? 64 : 32;
    const bytes = word / 8;
    const { semantic, size, form, row } = i.v;
    const moved = (to: number, from: number, by: number): readonly (readonly [number, Symbolic])[] => {
      const { name, plus } = this.#value(from);
      return Math.abs(plus + by) < FAR ? [[to, { name, plus: plus + by }]] : [];
    };
    switch (semantic) {
      case "pushValue":
        return moved(RSP, RSP, -size / 8);
      case "call":
      case "callIndirect":
        return moved(RSP, RSP, -bytes);
      case "ret":
        return moved(RSP, RSP, bytes);
      case "popReg":
        return i.reg >>> 3 === RSP ? [] : moved(RSP, RSP, size / 8);
      case "leave":
        return moved(RSP, RBP, bytes);
    }
    if (size !== word) return [];
    const isFull = i.ea < 4 || (!this.long && i.ea >>> 6 === ADDRESS_32);
    if (semantic === "lea" && isFull && i.index === ZERO && i.rm !== ZERO && i.rm !== BLOCK_RIP)
      return moved(i.reg >>> 3, i.rm >>> 3, i.disp);
    if (form !== "reg" || i.v.lock) return [];
    const [to, from] = row.operands.map(({ kind }) => generalRegister(kind, i));
    if (to === undefined) return [];
    const adds = (by: number) => moved(to >>> 3, to >>> 3, by);
    if (semantic === "mov") return from === undefined ? [] : moved(to >>> 3, from >>> 3, 0);
    if (semantic === "inc") return adds(1);
    if (semantic === "dec") return adds(-1);
    if (row.operands[1]?.kind !== "I") return [];
    return semantic === "add" ? adds(i.imm) : semantic === "sub" ? adds(-i.imm) : [];
  }

  set(values: readonly (readonly [number, Symbolic])[]): void {
    for (const [n, value] of values) this.#values[n] = value;
  }
}
