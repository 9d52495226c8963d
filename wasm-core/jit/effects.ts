/**
 * What a handler reads and writes of what a region keeps in locals. For rows whose operands say it all that is their
 * operands; handlers that work on the vCPU themselves are listed, or count as touching everything.
 */
import { memoryOperand } from "./operands.js";
import type { Insn } from "./region/machine-view.js";

export interface Effects {
  /** General registers by number. */
  readonly reads: readonly number[];
  readonly writes: readonly number[];
  /** Vector registers by number that it reads or writes in part, and those it writes. */
  readonly vectors: readonly number[];
  readonly vectorsWritten: readonly number[];
  readonly flags: boolean;
  /** It touches the x87's registers or words. */
  readonly x87: boolean;
  /** It may return something other than NEXT. */
  readonly leaves: boolean;
  /** It may write memory, and so devices; or end the block or the slice. */
  readonly stores: boolean;
}

const ALL: readonly number[] = Array.from({ length: 16 }, (_, n) => n);
const [RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI] = ALL as [
  number,
  number,
  number,
  number,
  number,
  number,
  number,
  number,
];

interface Implicit {
  readonly reads?: readonly number[];
  readonly writes?: readonly number[];
  /** Whether it writes memory or ends the block or the slice, where the operands and the shape do not tell. */
  readonly stores?: boolean;
  /** It does not look at the arithmetic flags. */
  readonly keepsFlags?: true;
}

/** What touches nothing but the vCPU's own state, and can do no more than raise an exception. */
const QUIET: Implicit = { stores: false, keepsFlags: true };

/** Registers that a semantic uses besides its operands. */
const IMPLICIT: Readonly<Record<string, Implicit>> = {
  mul: { reads: [RAX], writes: [RAX, RDX] },
  imul: { reads: [RAX], writes: [RAX, RDX] },
  div: { reads: [RAX, RDX], writes: [RAX, RDX] },
  idiv: { reads: [RAX, RDX], writes: [RAX, RDX] },
  convertAccumulator: { reads: [RAX], writes: [RAX] },
  signExtendIntoDx: { reads: [RAX, RDX], writes: [RDX] },
  clc: {},
  stc: {},
  cmc: {},
  cld: {},
  std: {},
  lahf: { reads: [RAX], writes: [RAX] },
  sahf: { reads: [RAX] },
  hintRm: QUIET,
  pause: { keepsFlags: true },
  clac: QUIET,
  rdfsbase: QUIET,
  rdgsbase: QUIET,
  wrfsbase: QUIET,
  wrgsbase: QUIET,
  rdpid: QUIET,
  rdrand: { stores: false },
  movFromSeg: { keepsFlags: true },
  movToSeg: { keepsFlags: true },
  movFromCr: { keepsFlags: true },
  pushf: { reads: [RSP], writes: [RSP] },
  popf: { reads: [RSP], writes: [RSP] },
  cmpxchgPair: { reads: [RAX, RCX, RDX, RBX], writes: [RAX, RDX] },
  rdmsr: { reads: [RCX], writes: [RAX, RDX], keepsFlags: true },
  cpuid: { reads: [RAX, RCX], writes: [RAX, RBX, RCX, RDX], keepsFlags: true },
  rdtsc: { ...QUIET, writes: [RAX, RDX] },
  rdtscp: { ...QUIET, writes: [RAX, RCX, RDX] },
  movsb: { reads: [RCX, RSI, RDI], writes: [RCX, RSI, RDI], keepsFlags: true },
  movs: { reads: [RCX, RSI, RDI], writes: [RCX, RSI, RDI], keepsFlags: true },
  stosb: { reads: [RAX, RCX, RDI], writes: [RCX, RDI], keepsFlags: true },
  stos: { reads: [RAX, RCX, RDI], writes: [RCX, RDI], keepsFlags: true },
  lodsb: { reads: [RAX, RCX, RSI], writes: [RAX, RCX, RSI], keepsFlags: true },
  lods: { reads: [RAX, RCX, RSI], writes: [RAX, RCX, RSI], keepsFlags: true },
  scasb: { reads: [RAX, RCX, RDI], writes: [RCX, RDI] },
  scas: { reads: [RAX, RCX, RDI], writes: [RCX, RDI] },
  cmpsb: { reads: [RCX, RSI, RDI], writes: [RCX, RSI, RDI] },
  cmps: { reads: [RCX, RSI, RDI], writes: [RCX, RSI, RDI] },
  pcmpestri: { reads: [RAX, RDX], writes: [RCX] },
  pcmpestrm: { reads: [RAX, RDX] },
  pcmpistri: { writes: [RCX] },
  maskmovq: { reads: [RDI], stores: true },
  maskmovdqu: { reads: [RDI], stores: true },
  leave: { reads: [RSP, RBP], writes: [RSP, RBP] },
};

/** Semantics that use XMM0 besides their operands. */
const IMPLICIT_XMM0 = new Set(["pblendvb", "blendvps", "blendvpd", "sha256rnds2", "pcmpestrm", "pcmpistrm"]);

/** Modules whose handlers touch general registers only through their operands, whatever their shape. */
const BY_OPERANDS = /^(sse|x87|mmx)/;

const isAddress = (off: number): boolean => off < 128;

/** MMX registers are the x87's. */
const MMX_KINDS = new Set(["P", "Q", "N"]);

/** Whether it is SSE's, scalar, packed or integer. */
export const isSse = ({ v }: Insn): boolean => v.module.startsWith("sse");

/** Whether the instruction reads or writes the x87's registers or words, or may. */
export const touchesX87 = ({ v }: Insn): boolean =>
  /^(x87|mmx)/.test(v.module) || v.row.notes.has("mmx") || v.row.operands.some((o) => MMX_KINDS.has(o.kind));

/** General registers that its operand's address is computed from. */
export function addressRegisters({ v, rm, index }: Insn): number[] {
  const uses = v.row.operands.some((o) => memoryOperand(o, v)) || v.row.operands.some((o) => o.size === "a");
  return uses ? [rm, index].filter(isAddress).map((off) => off >>> 3) : [];
}

/**
 * Modules whose handlers may change what the keys of the jump cache stand for, hold interrupts for an instruction, or stop the
 * vCPU: segments, flags, devices. Of `system` what does not end a region only reads.
 */
const OF_MODES = new Set(["far", "interrupt", "port", "segment"]);
const KEEP_MODES = new Set(["pushf", "movFromSeg"]);
const STOP = new Set(["monitor", "mwait"]);

/**
 * Whether the handler leaves the run loop nothing to look at but events and budget: the next region may follow as if there had
 * been none.
 */
export const keepsModes = ({ v: { module, semantic } }: Insn): boolean =>
  KEEP_MODES.has(semantic) || !(OF_MODES.has(module) || STOP.has(semantic));

/** Effects of the instruction's handler. */
export function registersOf(i: Insn): Effects {
  const { v } = i;
  const { notes, operands, flags } = v.row;
  const shaped = !notes.has("raw") && !notes.has("st") && !notes.has("rec");
  const implicit = IMPLICIT[v.semantic];
  const writesMemory = operands.some((o) => memoryOperand(o, v) && o.access !== "r");
  const namesMemory = operands.some((o) => memoryOperand(o, v) || o.size === "a");
  // Without a shape nobody knows; but what SSE writes is in its operands, and x87 and MMX write what they name at most.
  const mayStore = /^(x87|mmx)/.test(v.module) ? namesMemory : !isSse(i);
  const stores = writesMemory || (!shaped && mayStore);
  if (!shaped && implicit === undefined && !BY_OPERANDS.test(v.module)) {
    return {
      reads: ALL,
      writes: ALL,
      vectors: [],
      vectorsWritten: [],
      flags: true,
      x87: true,
      leaves: true,
      stores: true,
    };
  }
  const writes = new Set<number>(implicit?.writes ?? []);
  // What is written must be whole before: a form may leave it alone, and so does a fault.
  const reads = new Set<number>([...addressRegisters(i), ...(implicit?.reads ?? []), ...writes]);
  for (const o of operands) {
    const off = generalRegister(o.kind, i);
    if (off === undefined) continue;
    reads.add(off >>> 3);
    // Functions that get the record write their registers themselves, whatever the row calls them.
    if (o.access !== "r" || !shaped) writes.add(off >>> 3);
  }
  const vectors = vectorRegisters(i);
  const touches = !implicit?.keepsFlags && (flags !== "" || (!shaped && !BY_OPERANDS.test(v.module)));
  return {
    reads: [...reads],
    writes: [...writes],
    vectors: [...vectors.keys()],
    vectorsWritten: [...vectors].filter(([, written]) => written).map(([n]) => n),
    flags: touches,
    x87: touchesX87(i),
    leaves: true,
    stores: implicit?.stores ?? stores,
  };
}

/**
 * General registers that the instruction writes, as far as its operands tell: enough for a guess. Whoever stores or loads
 * locals asks registersOf.
 */
export function writtenRegisters(i: Insn): number[] {
  const named = i.v.row.operands.filter(({ access }) => access !== "r").map(({ kind }) => generalRegister(kind, i));
  const numbers = named.filter((off) => off !== undefined).map((off) => off >>> 3);
  return [...(IMPLICIT[i.v.semantic]?.writes ?? []), ...numbers];
}

/** Vector registers that the handler touches, with whether it writes them. Others only end regions. */
function vectorRegisters({ v, reg, rm, imm }: Insn): Map<number, boolean> {
  const out = new Map<number, boolean>();
  for (const { kind, access } of v.row.operands) {
    let n: number;
    if (kind === "V") n = reg;
    else if (kind === "U" || (kind === "W" && v.form === "reg")) n = rm;
    else if (kind === "H") n = imm >>> 24;
    else continue;
    out.set(n, out.get(n) === true || access !== "r");
  }
  if (IMPLICIT_XMM0.has(v.semantic)) out.set(0, out.get(0) === true || v.semantic.startsWith("pcmp"));
  return out;
}

/** Where the general register lies in the vCPU that an operand of this kind is; undefined when it is none. */
export function generalRegister(kind: string, { v, reg, rm, imm }: Insn): number | undefined {
  switch (kind) {
    case "G":
    case "Z":
      return reg;
    case "E":
      return v.form === "mem" ? undefined : rm;
    case "R":
      return rm;
    case "A":
      return RAX << 3;
    case "B":
      return imm >>> 24;
    case "CL":
      return RCX << 3;
    case "DX":
      return RDX << 3;
    default:
      return undefined;
  }
}
