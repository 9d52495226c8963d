/**
 * Writes the decoder's constant tables: the tree, and for each leaf sixteen bytes of what to do once it is reached.
 * Layout of a leaf: see LeafOff in the output; the decoder is assembly/decode/decode.ts.
 */

import { MAPS, matchOf } from "../encoding.js";
import type { Operand, Row } from "../row.js";
import type { Tree } from "../tree.js";
import { axesOf, variantsOf } from "../variants.js";

export const LeafFlag = {
  MODRM: 1,
  LOCK: 2,
  REP: 4,
  D64: 8,
  F64: 16,
  PM: 32,
  ENDS: 64,
  TWO_FORMS: 128,
  /** three sizes by operand size; with SIZE_Y two by REX.W */
  SIZE_V: 256,
  SIZE_Y: 512,
  VVVV_GPR: 1024,
  VVVV_VEC: 2048,
  /** a memory form is locked without a LOCK prefix (XCHG) */
  ALWAYS_LOCK: 4096,
} as const;

export const ImmKind = { NONE: 0, IB: 1, IS: 2, IW: 3, IZ: 4, IV: 5, MOFFS: 6, ENTER: 7, FAR: 8, IB_IB: 9 } as const;

/** How a register field becomes a record's byte. */
export const RegKind = { NONE: 0, GPR8: 1, GPR: 2, NUMBER: 3, NUMBER_NOREX: 4, FIXED: 5 } as const;

function immKind(row: Row): number {
  const imms = row.operands.filter(
    (o) => o.kind === "I" || o.kind === "J" || o.kind === "O" || (o.kind === "A" && o.size === "p"),
  );
  const key = imms.map((o) => o.kind + o.size).join(",");
  const kinds: Record<string, number> = {
    "": ImmKind.NONE,
    Ib: ImmKind.IB,
    Is: ImmKind.IS,
    Iw: ImmKind.IW,
    Iz: ImmKind.IZ,
    Iv: ImmKind.IV,
    Jb: ImmKind.IS,
    Jz: ImmKind.IZ,
    Ob: ImmKind.MOFFS,
    Ov: ImmKind.MOFFS,
    "Iw,Ib": ImmKind.ENTER,
    Ap: ImmKind.FAR,
    "Ib,Ib": ImmKind.IB_IB,
  };
  const kind = kinds[key];
  if (kind === undefined) throw new Error(`${row.mnemonic} ${row.encoding}: immediates ${key}`);
  return kind;
}

function regKind(o: Operand | undefined): number {
  if (o === undefined) return RegKind.NONE;
  if (["E", "G", "R", "Z", "M"].includes(o.kind)) return o.size === "b" ? RegKind.GPR8 : RegKind.GPR;
  if (["V", "W", "U", "C", "D"].includes(o.kind)) return RegKind.NUMBER;
  return RegKind.NUMBER_NOREX;
}

const REG_FIELD = ["G", "V", "P", "S", "C", "D"];
const RM_FIELD = ["E", "M", "R", "W", "U", "Q", "N", "STi"];

function flagsOf(row: Row): number {
  const { sizes } = axesOf(row);
  const n = (note: string, bit: number) => (row.notes.has(note) ? bit : 0);
  const ends = ["end", "branch"].some((x) => row.notes.has(x)) || row.semantic === "undefinedOpcode";
  let flags =
    n("lock", LeafFlag.LOCK) |
    n("rep", LeafFlag.REP) |
    n("d64", LeafFlag.D64) |
    n("f64", LeafFlag.F64) |
    n("pm", LeafFlag.PM);
  flags |= n("xlock", LeafFlag.ALWAYS_LOCK);
  if (matchOf(row).hasModrm) flags |= LeafFlag.MODRM;
  if (ends) flags |= LeafFlag.ENDS;
  if (axesOf(row).forms.length === 2) flags |= LeafFlag.TWO_FORMS;
  if (sizes.length === 3) flags |= LeafFlag.SIZE_V;
  if (sizes.length === 2) flags |= LeafFlag.SIZE_Y;
  const vvvv = row.operands.find((o) => o.kind === "B" || o.kind === "H");
  if (vvvv) flags |= vvvv.kind === "B" ? LeafFlag.VVVV_GPR : LeafFlag.VVVV_VEC;
  return flags;
}

const hex = (n: number): string => `0x${n.toString(16)}`;

function wrap(numbers: readonly number[]): string {
  const lines: string[] = [];
  for (let i = 0; i < numbers.length; i += 32)
    lines.push(
      `  ${numbers
        .slice(i, i + 32)
        .map(hex)
        .join(", ")},`,
    );
  return lines.join("\n");
}

/** assembly/gen/decode-tables.ts. */
export function decodeTablesSource(tree: Tree): string {
  const leaves: number[] = [];
  let variant = 0;
  for (const row of tree.leaves) {
    const z = row.operands.find((o) => o.kind === "Z");
    const reg = row.operands.find((o) => REG_FIELD.includes(o.kind));
    const rm = row.operands.find((o) => RM_FIELD.includes(o.kind));
    const w = [variant & 0xffff, flagsOf(row), immKind(row), regKind(z ?? reg), regKind(rm), z ? 1 : 0];
    leaves.push(w[0]! & 0xff, w[0]! >> 8, w[1]! & 0xff, w[1]! >> 8, w[2]!, w[3]!, w[4]!, w[5]!);
    variant += variantsOf(row).length;
  }
  return [
    "// Made from the instruction table; do not edit.",
    `export const VARIANTS: u32 = ${variant};`,
    ...Object.entries(LeafFlag).map(([k, v]) => `export const LEAF_${k}: u32 = ${v};`),
    ...Object.entries(ImmKind).map(([k, v]) => `export const IMM_${k}: u32 = ${v};`),
    ...Object.entries(RegKind).map(([k, v]) => `export const REG_${k}: u32 = ${v};`),
    ...MAPS.map((m, i) => `export const MAP_${m.replace(".", "_")}: u32 = ${i * 256};`),
    "/** Nodes, see isa/tree.ts. */",
    `export const TREE: usize = memory.data<u16>([\n${wrap(tree.nodes)}\n]);`,
    "/** Eight bytes a leaf: first variant u16, LEAF_ flags u16, immediate kind, reg kind, rm kind, 1 when the opcode's low bits name the register. */",
    `export const LEAVES: usize = memory.data<u8>([\n${wrap(leaves)}\n]);`,
    "",
  ].join("\n");
}
