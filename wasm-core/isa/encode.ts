/**
 * Instruction bytes from a row of the table and its operands: the inverse of the decoder. [SDM] vol. 2, chapter 2.
 * Used to make test vectors and by the assembler of guest programs.
 */
import { matchOf, type Prefix } from "./encoding.js";
import type { Operand, Row } from "./row.js";
import { variantsOf } from "./variants.js";

/** A memory operand. Registers are numbers 0 to 15. */
export interface Memory {
  readonly base?: number;
  readonly index?: number;
  /** 1, 2, 4 or 8. */
  readonly scale?: number;
  readonly disp: number;
  /** Bytes of displacement; chosen as short as possible when absent. */
  readonly dispBytes?: 0 | 1 | 2 | 4;
  /** disp counts from the end of the instruction. 64-bit mode only. */
  readonly ripRelative?: boolean;
}

/** What an instruction of a row is made of besides the row. */
export interface Parts {
  readonly mode: 16 | 32 | 64;
  /** Operand size, for rows that have one. */
  readonly size?: 0 | 16 | 32 | 64;
  /** ModRM.reg, or the register in the opcode's low bits. Byte registers: 0 to 15, AH CH DH BH as 20 to 23. */
  readonly reg?: number;
  /** Register in ModRM.r/m. */
  readonly rm?: number;
  readonly memory?: Memory;
  readonly vvvv?: number;
  /** Immediates in operand order. */
  readonly immediates?: readonly bigint[];
  readonly lock?: boolean;
  /** 1 F3, 2 F2. */
  readonly rep?: 0 | 1 | 2;
  /** Segment override prefix byte. */
  readonly segment?: number;
  /** Address size other than the mode's own. */
  readonly address67?: boolean;
}

const REG_KINDS = new Set(["G", "V", "P", "S", "C", "D"]);
const RM_KINDS = new Set(["E", "R", "M", "W", "U", "Q", "N", "STi"]);
const IMMEDIATE_KINDS = new Set(["I", "J", "O"]);
const HIGH_BYTE = 20;
const PREFIX_BYTE: Record<Prefix, number> = { NP: 0, "66": 0x66, F3: 0xf3, F2: 0xf2 };
const VEX_PP: Record<Prefix, number> = { NP: 0, "66": 1, F3: 2, F2: 3 };

const littleEndian = (value: bigint, bytes: number): number[] =>
  Array.from({ length: bytes }, (_, i) => Number((value >> BigInt(8 * i)) & 0xffn));

/** Bytes of an immediate operand at an operand size; addresses of moffs follow the address size. */
function immediateBytes(o: Operand, size: number, addressBytes: number): number {
  if (o.kind === "O") return addressBytes;
  if (o.size === "b" || o.size === "s") return 1;
  if (o.size === "w") return 2;
  if (o.size === "v") return size / 8;
  return size === 16 ? 2 : 4;
}

/** ModRM, SIB and displacement, with the REX bits that their registers need. */
interface Addressing {
  readonly bytes: number[];
  readonly rex: number;
}

function registerForm(reg: number, rm: number): Addressing {
  const low = (n: number) => (n >= HIGH_BYTE ? n - 16 : n) & 7;
  const high = (n: number) => n < HIGH_BYTE && n >= 8;
  return { bytes: [0xc0 | (low(reg) << 3) | low(rm)], rex: (high(reg) ? 4 : 0) | (high(rm) ? 1 : 0) };
}

function displacement(m: Memory, needed: boolean): { mod: number; bytes: number } {
  const bytes = m.dispBytes ?? (m.disp === 0 && !needed ? 0 : m.disp >= -128 && m.disp < 128 ? 1 : 4);
  return { mod: bytes === 0 ? 0 : bytes === 1 ? 1 : 2, bytes };
}

/** 32- and 64-bit addressing. Without base or index the SIB form without base is used, so that it is absolute in every mode. */
function memoryForm(reg: number, m: Memory): Addressing {
  const regField = (reg >= HIGH_BYTE ? reg - 16 : reg) & 7;
  const rexR = reg < HIGH_BYTE && reg >= 8 ? 4 : 0;
  const disp32 = littleEndian(BigInt(m.disp), 4);
  if (m.ripRelative) return { bytes: [(regField << 3) | 5, ...disp32], rex: rexR };
  const scale = { 1: 0, 2: 1, 4: 2, 8: 3 }[m.scale ?? 1] ?? 0;
  const index = m.index ?? 4;
  const rexX = index >= 8 ? 2 : 0;
  if (m.base === undefined) {
    return { bytes: [(regField << 3) | 4, (scale << 6) | ((index & 7) << 3) | 5, ...disp32], rex: rexR | rexX };
  }
  const { mod, bytes } = displacement(m, (m.base & 7) === 5);
  const sib = m.index !== undefined || (m.base & 7) === 4;
  const head = [(mod << 6) | (regField << 3) | (sib ? 4 : m.base & 7)];
  if (sib) head.push((scale << 6) | ((index & 7) << 3) | (m.base & 7));
  return { bytes: [...head, ...littleEndian(BigInt(m.disp), bytes)], rex: rexR | rexX | (m.base >= 8 ? 1 : 0) };
}

/** 16-bit addressing: BX, BP (base 3, 5) with SI, DI (index 6, 7), or SI, DI as base alone. */
function memoryForm16(reg: number, m: Memory): Addressing {
  const forms: Record<string, number> = { "3,6": 0, "3,7": 1, "5,6": 2, "5,7": 3, "6,": 4, "7,": 5, "5,": 6, "3,": 7 };
  const field = (reg & 7) << 3;
  if (m.base === undefined) return { bytes: [field | 6, ...littleEndian(BigInt(m.disp), 2)], rex: 0 };
  const rm = forms[`${m.base},${m.index ?? ""}`];
  if (rm === undefined) throw new Error(`no 16-bit form of base ${m.base} and index ${m.index}`);
  const bytes = m.dispBytes ?? (m.disp === 0 && rm !== 6 ? 0 : m.disp >= -128 && m.disp < 128 ? 1 : 2);
  return {
    bytes: [((bytes === 0 ? 0 : bytes === 1 ? 1 : 2) << 6) | field | rm, ...littleEndian(BigInt(m.disp), bytes)],
    rex: 0,
  };
}

/** Address size in bits. */
function addressSize(p: Parts): number {
  if (!p.address67) return p.mode;
  return p.mode === 32 ? 16 : 32;
}

function addressing(row: Row, p: Parts): Addressing {
  const match = matchOf(row);
  const reg = match.reg ?? p.reg ?? 0;
  if (!match.hasModrm) return { bytes: [], rex: 0 };
  if (p.memory === undefined) return registerForm(reg, match.rm ?? p.rm ?? 0);
  return addressSize(p) === 16 ? memoryForm16(reg, p.memory) : memoryForm(reg, p.memory);
}

/** Whether a byte register operand needs a REX prefix to mean SPL, BPL, SIL or DIL. */
function needsByteRex(row: Row, p: Parts): boolean {
  return row.operands.some((o) => {
    if (o.size !== "b") return false;
    const n =
      REG_KINDS.has(o.kind) || o.kind === "Z"
        ? p.reg
        : RM_KINDS.has(o.kind) && p.memory === undefined
          ? p.rm
          : undefined;
    return n !== undefined && n >= 4 && n < 8;
  });
}

/** Whether operand size 66 is wanted, and REX.W. */
function sizePrefixes(row: Row, p: Parts): { osz: boolean; w: boolean } {
  const size = p.size ?? 0;
  if (size === 0) return { osz: false, w: false };
  if (p.mode !== 64) {
    const two = variantsOf(row).some((v) => v.size === 16);
    return { osz: two && (size === 16) !== (p.mode === 16), w: false };
  }
  if (row.notes.has("f64")) return { osz: false, w: false };
  if (row.notes.has("d64")) return { osz: size === 16, w: false };
  return { osz: size === 16, w: size === 64 };
}

function opcodeBytes(row: Row, reg: number): { bytes: number[]; rex: number } {
  const match = matchOf(row);
  const plus = match.opcodes.length > 1;
  const low = reg >= HIGH_BYTE ? reg - 16 : reg;
  const opcode = plus ? match.opcodes[0]! | (low & 7) : match.opcodes[0]!;
  const escapes: Record<string, number[]> = { "1": [], "0F": [0x0f], "0F38": [0x0f, 0x38], "0F3A": [0x0f, 0x3a] };
  return { bytes: [...(escapes[match.map] ?? []), opcode], rex: plus && reg >= 8 && reg < HIGH_BYTE ? 1 : 0 };
}

function vexBytes(row: Row, p: Parts, rex: number): number[] {
  const match = matchOf(row);
  const map = { "VEX.0F": 1, "VEX.0F38": 2, "VEX.0F3A": 3 }[match.map as string]!;
  const w = match.vexW ?? (p.size === 64 ? 1 : 0);
  const last = (w << 7) | ((~(p.vvvv ?? 0) & 15) << 3) | ((match.vexL ?? 0) << 2) | VEX_PP[match.prefix ?? "NP"];
  return [0xc4, ((~rex & 7) << 5) | map, last, match.opcodes[0]!];
}

function immediates(row: Row, p: Parts): number[] {
  const operands = row.operands.filter((o) => IMMEDIATE_KINDS.has(o.kind) || (o.kind === "A" && o.size === "p"));
  const size = p.size ?? 0;
  return operands.flatMap((o, i) => {
    const value = p.immediates?.[i] ?? 0n;
    if (o.kind === "A") return littleEndian(value, size === 16 ? 4 : 6);
    return littleEndian(value, immediateBytes(o, size, addressSize(p) / 8));
  });
}

/** The bytes of one instruction. */
export function encode(row: Row, p: Parts): Uint8Array {
  const match = matchOf(row);
  const { osz, w } = sizePrefixes(row, p);
  const modrm = addressing(row, p);
  const legacy: number[] = [];
  if (p.segment !== undefined) legacy.push(p.segment);
  if (p.lock) legacy.push(0xf0);
  if (p.address67) legacy.push(0x67);
  if (match.map.startsWith("VEX"))
    return Uint8Array.from([...legacy, ...vexBytes(row, p, modrm.rex), ...modrm.bytes, ...immediates(row, p)]);
  const opcode = opcodeBytes(row, p.reg ?? 0);
  const mandatory = PREFIX_BYTE[match.prefix ?? "NP"];
  if (osz && mandatory !== 0x66) legacy.push(0x66);
  if (p.rep) legacy.push(p.rep === 1 ? 0xf3 : 0xf2);
  if (mandatory !== 0) legacy.push(mandatory);
  const bits = modrm.rex | opcode.rex | (w ? 8 : 0);
  const rex = p.mode === 64 && (bits !== 0 || needsByteRex(row, p)) ? [0x40 | bits] : [];
  return Uint8Array.from([...legacy, ...rex, ...opcode.bytes, ...modrm.bytes, ...immediates(row, p)]);
}
