/**
 * How a row of the table is written: its name at each operand size, and the operands that one sees. The table has one
 * mnemonic where the manual has several by size (MOVS is movsb to movsq) and names operands that nobody writes.
 */
import { matchOf } from "../encoding.js";
import type { Operand, Row } from "../row.js";

/** Names of the sixteen conditions: the one that disassembly shows first. */
const CONDITION_NAMES: Record<string, readonly string[]> = {
  O: ["o"],
  NO: ["no"],
  B: ["b", "c", "nae"],
  NB: ["ae", "nb", "nc"],
  Z: ["e", "z"],
  NZ: ["ne", "nz"],
  BE: ["be", "na"],
  NBE: ["a", "nbe"],
  S: ["s"],
  NS: ["ns"],
  P: ["p", "pe"],
  NP: ["np", "po"],
  L: ["l", "nge"],
  NL: ["ge", "nl"],
  LE: ["le", "ng"],
  NLE: ["g", "nle"],
};

type BySize = Partial<Record<0 | 16 | 32 | 64, string>>;

const suffixed = (name: string): BySize => ({ 16: `${name}w`, 32: `${name}d`, 64: `${name}q` });

/** Mnemonics whose name depends on the operand size. */
const SIZED: Record<string, BySize> = {
  MOVS: suffixed("movs"),
  CMPS: suffixed("cmps"),
  STOS: suffixed("stos"),
  LODS: suffixed("lods"),
  SCAS: suffixed("scas"),
  INS: suffixed("ins"),
  OUTS: suffixed("outs"),
  CBW: { 16: "cbw", 32: "cwde", 64: "cdqe" },
  CWD: { 16: "cwd", 32: "cdq", 64: "cqo" },
  CMPXCHG8B: { 32: "cmpxchg8b", 64: "cmpxchg16b" },
  SYSRET: { 32: "sysretd", 64: "sysretq" },
  SYSEXIT: { 32: "sysexitd", 64: "sysexitq" },
  PINSRD: { 32: "pinsrd", 64: "pinsrq" },
  PEXTRD: { 32: "pextrd", 64: "pextrq" },
  MOVD: { 32: "movd", 64: "movq" },
};
for (const name of ["FXSAVE", "FXRSTOR", "XSAVE", "XRSTOR", "XSAVEOPT", "XSAVEC", "XSAVES", "XRSTORS"]) {
  SIZED[name] = { 32: name.toLowerCase(), 64: `${name.toLowerCase()}64` };
}

/** Names that mean the size of the mode when they stand alone, and may carry a suffix. */
const OPTIONAL_SUFFIX = new Set(["PUSHF", "POPF", "PUSHA", "POPA", "IRET", "RETF"]);

export const hasOptionalSuffix = (row: Row): boolean => OPTIONAL_SUFFIX.has(row.mnemonic);

const OTHER_NAMES: Record<string, readonly string[]> = {
  CALLF: ["call"],
  JMPF: ["jmp"],
  SAL: ["shl"],
  SHL: ["shl", "sal"],
  XLAT: ["xlatb", "xlat"],
  FWAIT: ["fwait", "wait"],
  INT1: ["int1", "icebp"],
  LOOPE: ["loope", "loopz"],
  LOOPNE: ["loopne", "loopnz"],
  JRCXZ: ["jrcxz", "jecxz", "jcxz"],
  RET: ["ret", "retn"],
};

const UNDEFINED_NAMES: Record<string, string> = { "0F 0B": "ud2", "0F B9": "ud1", "0F FF": "ud0" };

/** Names of the row at an operand size, the usual one first. */
export function namesOf(row: Row, size: 0 | 16 | 32 | 64): readonly string[] {
  const { mnemonic } = row;
  const conditional = /^(J|SET|CMOV)(N?[OBZSPL]|N?BE|N?LE)$/.exec(mnemonic);
  if (conditional) {
    const [, stem = "", condition = ""] = conditional;
    return CONDITION_NAMES[condition]!.map((c) => stem.toLowerCase() + c);
  }
  if (mnemonic === "UD") return [UNDEFINED_NAMES[row.encoding] ?? "(bad)"];
  if (SIZED[mnemonic] && row.operands.every((o) => o.kind !== "V" || o.size !== "q")) {
    const name = SIZED[mnemonic][size];
    if (name !== undefined)
      return mnemonic === "SYSRET" || mnemonic === "SYSEXIT" || mnemonic === "MOVD"
        ? [name, mnemonic.toLowerCase()]
        : [name];
    if (size === 0 && row.operands.length === 0) return [`${mnemonic.toLowerCase()}b`];
  }
  if (OPTIONAL_SUFFIX.has(mnemonic)) return [mnemonic.toLowerCase(), suffixed(mnemonic.toLowerCase())[size as 16]!];
  if (mnemonic === "MOV" && row.operands.some((o) => o.kind === "O" || (o.size === "v" && o.kind === "I")))
    return ["mov", "movabs"];
  return OTHER_NAMES[mnemonic] ?? [mnemonic.toLowerCase()];
}

const value = (kind: string, size: string): Operand => ({ kind, size, access: "r" });

/** IN and OUT name the accumulator and DX only in their opcode. */
function portOperands(row: Row): Operand[] {
  const opcode = matchOf(row).opcodes[0]!;
  const accumulator = value("A", opcode & 1 ? "z" : "b");
  const port = row.operands[0] ?? value("DX", "");
  return row.mnemonic === "IN" ? [accumulator, port] : [port, accumulator];
}

const HIDDEN_ST0 = new Set(["FCOM", "FCOMP", "FUCOM", "FUCOMP", "FCOM2", "FCOMP3", "FCOMP5"]);

/** Legacy SSE instructions whose mask is always XMM0. */
const XMM0_MASK = new Set(["PBLENDVB", "BLENDVPS", "BLENDVPD", "SHA256RNDS2"]);

/** The operands that one writes, in order. */
export function visibleOperands(row: Row): readonly Operand[] {
  const { mnemonic, operands } = row;
  if (mnemonic === "IN" || mnemonic === "OUT") return portOperands(row);
  if (mnemonic.startsWith("PCMPESTR")) return operands.filter((o) => o.kind !== "A");
  if (XMM0_MASK.has(mnemonic)) return [...operands, value("XMM0", "")];
  const withMemory = operands.some((o) => o.kind === "M");
  if (withMemory || HIDDEN_ST0.has(mnemonic)) return operands.filter((o) => o.kind !== "ST0");
  return operands;
}

const WORD_IN_MEMORY = new Set(["SMSW", "SLDT", "STR"]);

/** Whether a memory operand of an E kind is 16 bits whatever the operand size. */
export const wordInMemory = (row: Row): boolean =>
  WORD_IN_MEMORY.has(row.mnemonic) || (row.mnemonic === "MOV" && row.operands.some((o) => o.kind === "S"));

/** Whether a word register operand is written at the operand size: only its low half is looked at. */
export const wideWord = (row: Row, o: Operand): boolean =>
  o.kind === "E" &&
  (row.mnemonic === "LAR" || row.mnemonic === "LSL" || (row.mnemonic === "MOV" && row.operands[0]?.kind === "S"));
