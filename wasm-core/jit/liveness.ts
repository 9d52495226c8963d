/**
 * Which instructions of a node leave flags that nobody can see: all six are set again, before anything that reads them
 * or may leave the region; and which leave flags that only such a way out would need. What a row calls undefined counts
 * for nothing here, the interpreter often keeps those flags; the semantics that set all six are listed, and those between
 * which the region cannot be left when they touch no memory.
 */
import type { Operand } from "../isa/row.js";
import { leavesMemoryAlone, memoryOperand } from "./operands.js";
import type { Node } from "./region/graph.js";
import type { Insn } from "./region/machine-view.js";

/** Set all six flags whatever their operands. */
const SETS_ALL = new Set(
  "add sub and or xor cmp test neg adc sbb xadd cmpxchg mul imul imul2 popCount andn blsr blsi blsmsk bextr bzhi".split(
    " ",
  ),
);
/** Set all six flags when the count is not zero. */
const SHIFTS = new Set(["shl", "shr", "sar", "shld", "shrd"]);
/** With registers alone these only go on to the next instruction; with memory they do that or leave the region. */
const PLAIN = new Set(
  (
    "mov movzxByte movzxWord movsxByte movsxWord movsxd lea bswapReg convertAccumulator signExtendIntoDx xchg " +
    "xchgAccumulator hintRm not inc dec rol ror rcl rcr shlx shrx sarx rorx mulx pext pdep crc32b crc32 " +
    "bt bts btr btc btImm btsImm btrImm btcImm bsf bsr tzcnt lzcnt clc stc cmc"
  ).split(" "),
);

/** Whether it touches no memory. */
function inRegisters(insn: Insn): boolean {
  const { v } = insn;
  if (leavesMemoryAlone(insn)) return true;
  return !v.lock && v.rep === 0 && !v.row.operands.some((o) => memoryOperand(o, v));
}

/** The count of a shift when it is known to be other than zero. */
function constantCount(count: Operand | undefined, { v, imm }: Insn): boolean {
  if (count?.kind === "1") return true;
  return count?.kind === "I" && (imm & (v.size === 64 ? 63 : 31)) !== 0;
}

const reads = ({ v }: Insn): boolean => /[tb]/.test(v.row.flags);

function setsAll(i: Insn): boolean {
  const { semantic, row } = i.v;
  return SETS_ALL.has(semantic) || (SHIFTS.has(semantic) && constantCount(row.operands.at(-1), i));
}

/** Stack accesses: in memory, whatever their operands. */
const STACK = new Set(["pushValue", "popReg"]);

const isPlain = ({ v }: Insn): boolean =>
  PLAIN.has(v.semantic) || SETS_ALL.has(v.semantic) || SHIFTS.has(v.semantic) || /^(cmov|set)[A-Z]/.test(v.semantic);

/** Whether it goes on to the next instruction or leaves the region, with nothing of it done. */
const mayLeave = (i: Insn): boolean => !i.v.lock && i.v.rep === 0 && (isPlain(i) || STACK.has(i.v.semantic));

/** Set all flags but CF, which they keep. */
const STEPS = new Set(["inc", "dec"]);

/**
 * Who sees the flags that an instruction leaves: nobody, nobody but who leaves the region before they are set again, such and
 * an INC or DEC that keeps CF and sets the others, or anybody.
 */
export type FlagLife = "dead" | "exits" | "carry" | "live";

/** By instruction of the node. */
export function flagLives({ insns }: Node): FlagLife[] {
  const out: FlagLife[] = new Array(insns.length).fill("live");
  let life: FlagLife = "live";
  for (let k = insns.length - 1; k >= 0; k--) {
    const insn = insns[k]!;
    out[k] = life;
    const staysIn = inRegisters(insn) && isPlain(insn);
    if (reads(insn) || !mayLeave(insn)) life = "live";
    else if (setsAll(insn)) life = staysIn ? "dead" : "exits";
    else if (STEPS.has(insn.v.semantic) && life === "live") life = "carry";
    else if (life === "dead" && !staysIn) life = "exits";
  }
  return out;
}
