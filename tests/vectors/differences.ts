/** What of a recorded state is not compared: undefined flags by the row's flags string, and named differences of vendors. */
import { matchOf } from "../../wasm-core/isa/encoding.js";
import type { Row } from "../../wasm-core/isa/row.js";
import { FX, NO_TRAP, OFF, type State, type Vector } from "./layout.js";

/** Flag bits in the order of a row's flags string. */
const LETTERS = [0x800, 0x80, 0x40, 0x10, 0x4, 0x1];
const ARITHMETIC = 0x8d5;
const [OF, AF, CF] = [0x800, 0x10, 0x1] as const;
const PAGE_FAULT = 14;
/** DF, NT, AC, ID. TF, IF, RF and IOPL are not the program's. */
const OTHER = 0x400 | 0x4000 | 0x40000 | 0x200000;

/** Shift count of a vector, masked as the processor masks it. */
function shiftCount(row: Row, v: Vector): number {
  const last = row.operands.at(-1)!;
  const raw = last.kind === "1" ? 1 : last.kind === "CL" ? Number(v.before.gpr(1) & 0xffn) : v.code.at(-1)!;
  const wide = v.mode === 64 && v.code.some((b, i) => (b & 0xf8) === 0x48 && i < v.code.length - 2);
  return raw & (wide ? 63 : 31);
}

/** Flags of shifts and rotates that depend on the count. [SDM] vol. 2, RCL, SAL, SHLD */
function shiftUndefined(row: Row, v: Vector): number {
  const name = row.mnemonic;
  if (!/^(RO|RC|SH|SA)[LR]D?$/.test(name)) return 0;
  const count = shiftCount(row, v);
  if (count === 0) return 0;
  let undefinedBits = count === 1 ? 0 : OF;
  if (name.startsWith("SH") || name.startsWith("SA")) undefinedBits |= AF;
  // A count beyond the operand: CF is undefined for shifts, everything for double shifts.
  if (/^SH[LR]D/.test(name) && count > 16) undefinedBits |= ARITHMETIC;
  if (/^S[HA][LR]$/.test(name) && count >= 8) undefinedBits |= CF;
  return undefinedBits;
}

/** Flag bits that are compared after the vector's instruction. */
export function comparedFlags(row: Row, v: Vector): number {
  let mask = ARITHMETIC | OTHER;
  [...row.flags].forEach((letter, i) => {
    if (letter === "u") mask &= ~LETTERS[i]!;
  });
  return mask & ~shiftUndefined(row, v);
}

/** Part of a state that is not compared. */
export interface Ignored {
  readonly at: number;
  readonly bytes: number;
}

export interface Difference {
  readonly why: string;
  /** Vectors that it concerns. */
  readonly when: (row: Row, v: Vector) => boolean;
  /** What of them is not compared. */
  readonly ignore: readonly Ignored[] | "all";
}

const faulted = (v: Vector): boolean => v.after.trap !== NO_TRAP;
/** Offset of the ModRM byte of a row in the 0F map, found from the end of its opcode. */
const modrmOf = (row: Row, v: Vector): number => {
  const opcode = matchOf(row).opcodes[0]!;
  return v.code[v.code.indexOf(opcode, v.code.indexOf(0x0f) + 1) + 1] ?? 0;
};
const inMemory = (row: Row, v: Vector): boolean => modrmOf(row, v) < 0xc0;
const X87: Ignored = { at: OFF.fx, bytes: FX.mxcsr };
const ST: Ignored = { at: OFF.fx + FX.st, bytes: 128 };
const CR2: Ignored = { at: OFF.cr2, bytes: 8 };
const FAR = new Set(["retFar", "retFarPop", "iret"]);
const MMX_FAULTS = new Set(["CVTPI2PS", "CVTPS2PI", "CVTTPS2PI", "CVTPD2PI", "CVTTPD2PI", "MASKMOVQ"]);

/** Whether MASKMOVQ selects no byte. */
function selectsNothing(row: Row, v: Vector): boolean {
  if (row.mnemonic !== "MASKMOVQ") return false;
  const top = (v.before.view.getUint16(OFF.fx + FX.fsw, true) >> 11) & 7;
  const at = OFF.fx + FX.st + 16 * (((modrmOf(row, v) & 7) - top) & 7);
  return v.before.bytes.subarray(at, at + 8).every((byte) => byte < 0x80);
}

/** Where processors differ, or the manual leaves the result open. */
export const DIFFERENCES: readonly Difference[] = [
  {
    why: "which of several unmapped bytes is reported depends on the order in which microcode reads them",
    when: (row, v) => v.after.trap === PAGE_FAULT && (FAR.has(row.semantic) || /^(fx|maskmov)/.test(row.semantic)),
    ignore: [CR2],
  },
  {
    why: "AMD leaves MMX mode alone when the source of CVTPI2PS is in memory; Intel enters it",
    when: (row, v) => row.mnemonic === "CVTPI2PS" && inMemory(row, v),
    ignore: [X87, ST],
  },
  {
    why: "AMD enters MMX mode before the instruction faults",
    when: (row, v) => MMX_FAULTS.has(row.mnemonic) && faulted(v),
    ignore: [X87, ST],
  },
  { why: "AMD sets the stack top to zero in EMMS", when: (row) => row.mnemonic === "EMMS", ignore: [X87, ST] },
  {
    why: "AMD does not check the alignment of SHA operands; Intel raises #GP",
    when: (row, v) =>
      row.mnemonic.startsWith("SHA") && row.operands[0]?.kind === "V" && inMemory(row, v) && !faulted(v),
    ignore: "all",
  },
  {
    why: "whether a store of no byte looks at the page is left to the processor",
    when: (row, v) => selectsNothing(row, v) && faulted(v),
    ignore: "all",
  },
  {
    why: "the register form of 0F 0D is undefined on AMD and no operation on Intel",
    when: (row, v) => row.mnemonic === "PREFETCHW" && !inMemory(row, v),
    ignore: "all",
  },
];

/** Whether nothing of the vector is compared. */
export function isSkipped(row: Row, v: Vector, known: readonly Difference[]): boolean {
  return known.some((d) => d.ignore === "all" && d.when(row, v));
}

/** Bytes of a state that are not compared. */
export function ignoredBytes(row: Row, v: Vector, known: readonly Difference[]): readonly Ignored[] {
  return known.flatMap((d) => (d.ignore !== "all" && d.when(row, v) ? d.ignore : []));
}

const TRANSCENDENTAL = new Set(["F2XM1", "FYL2X", "FYL2XP1", "FPTAN", "FPATAN", "FSIN", "FCOS", "FSINCOS"]);
/** C1 says which way the last bit was rounded. */
const C1 = 0x200;

/**
 * Transcendental results are exact to within one unit of the last place, not correctly rounded: [SDM] vol. 1, 8.3.10.
 * Whether `got` differs from what was recorded by that alone.
 */
export function roundsOtherwise(row: Row, v: Vector, got: State): boolean {
  if (!TRANSCENDENTAL.has(row.mnemonic)) return false;
  const at = OFF.fx + FX.fsw;
  if ((got.view.getUint16(at, true) ^ v.after.view.getUint16(at, true)) & ~C1) return false;
  for (let n = 0; n < 8; n++) {
    const st = OFF.fx + FX.st + 16 * n;
    const distance = got.view.getBigUint64(st, true) - v.after.view.getBigUint64(st, true);
    if (distance < -1n || distance > 1n || got.view.getUint16(st + 8, true) !== v.after.view.getUint16(st + 8, true))
      return false;
  }
  return true;
}
