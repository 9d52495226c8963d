/**
 * How far accesses off one base reach: the first of a node asks for the page of all of them, so that the others, which mostly
 * are a structure's fields, or what is saved on the stack, need not ask. A guess at what lowerings do: what lies outside asks itself.
 */

import { bitsOf } from "../isa/variants.js";
import type { Addresses, Place } from "./addresses.js";
import { writtenRegisters } from "./effects.js";
import { leavesMemoryAlone, memoryOperand, plainAddress } from "./operands.js";
import type { Insn } from "./region/machine-view.js";

/** Bytes that a window reaches over at most: a wide one lies across two pages too often, and then nothing in it is done here. */
export const WIDEST = 128;

/** Bytes from `lo` to before `hi`, counted from an access. */
export interface Window {
  readonly lo: number;
  readonly hi: number;
}

/** Of an access alone. */
export const itself = (bytes: number): Window => ({ lo: 0, hi: bytes });

interface Access {
  readonly insn: Insn;
  readonly bytes: number;
  readonly write: boolean;
  readonly at: number;
  readonly group: Group;
}

interface Group {
  readonly write: boolean;
  lo: number;
  hi: number;
}

type Reach = readonly [place: Place | undefined, bytes: number, write: boolean];

const RSP = 4;
const RBP = 5;

/** What the instruction reads and writes in memory. */
function reaches(insn: Insn, addresses: Addresses): Reach[] {
  const { v } = insn;
  const { semantic } = v;
  const word = addresses.long ? 8 : 4;
  const out: Reach[] = [];
  const operand = v.row.operands.find((o) => memoryOperand(o, v));
  if (operand && !leavesMemoryAlone(insn) && v.rep === 0 && plainAddress(insn))
    out.push([addresses.operand(insn), bitsOf(operand, v) / 8, operand.access !== "r"]);
  if (semantic === "pushValue") out.push([addresses.stack(RSP, v.size / 8), v.size / 8, true]);
  else if (semantic === "call" || semantic === "callIndirect") out.push([addresses.stack(RSP, word), word, true]);
  else if (semantic === "popReg") out.push([addresses.stack(RSP), v.size / 8, false]);
  else if (semantic === "ret" || semantic === "retPop") out.push([addresses.stack(RSP), word, false]);
  else if (semantic === "leave") out.push([addresses.stack(RBP), word, false]);
  return out;
}

export class Windows {
  #accesses: readonly Access[] | undefined;

  /**
   * @param addresses what is known where the node begins; changed
   * @param isLowered whether no handler does the instruction
   */
  constructor(
    readonly insns: readonly Insn[],
    readonly addresses: Addresses,
    readonly isLowered: (insn: Insn) => boolean,
  ) {}

  /** All of the node's, with those that each is near. */
  #follow(): Access[] {
    const { insns, addresses, isLowered } = this;
    const out: Access[] = [];
    const groups = new Map<string, Group>();
    for (const insn of insns) {
      for (const [place, bytes, write] of reaches(insn, addresses)) {
        if (place === undefined) continue;
        const { name, at } = place;
        let group = groups.get(name);
        if (
          group === undefined ||
          (write && !group.write) ||
          Math.max(group.hi, at + bytes) - Math.min(group.lo, at) > WIDEST
        ) {
          group = { write, lo: at, hi: at + bytes };
          groups.set(name, group);
        }
        group.lo = Math.min(group.lo, at);
        group.hi = Math.max(group.hi, at + bytes);
        out.push({ insn, bytes, write, at, group });
      }
      const moved = addresses.after(insn);
      for (const n of writtenRegisters(insn)) addresses.forget(n);
      addresses.set(moved);
      // A handler: nothing is known of pages behind it.
      if (!isLowered(insn)) groups.clear();
    }
    return out;
  }

  /** The window that this access of the instruction is in. */
  around(insn: Insn, bytes: number, write: boolean): Window {
    // Many nodes have none, and nobody asks.
    this.#accesses ??= this.#follow();
    const found = this.#accesses.find((a) => a.insn === insn && a.bytes === bytes && a.write === write);
    return found ? { lo: found.group.lo - found.at, hi: found.group.hi - found.at } : itself(bytes);
  }
}
