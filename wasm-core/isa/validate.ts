/**
 * Checks the instruction table as a whole: flag strings, notes, operands, semantics that exist, and that every byte of
 * every opcode map is a row or declared undefined. Overlaps are found by tree.ts. Run by the build and by a test.
 */
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { MAPS, matchOf } from "./encoding.js";
import type { Family, Row } from "./row.js";
import { buildTree, NodeKind, type Tree } from "./tree.js";

const ASSEMBLY = fileURLToPath(new URL("../assembly/", import.meta.url));
const NOTES = new Set(
  "rec st raw end branch jcc v y xlock lock rep d64 f64 no64 only64 pm cpl0 fpu fpunw mmx sse unal nz T".split(" "),
);
const FLAGS = /^$|^[mu01tb-]{6}$/;
const OPERAND_KINDS = new Set("E G R M Z B A I O S C D J X Y V W U H P Q N STi ST0 CL DX 1".split(" "));
const SIZES = new Set(["", ..."b w d q v z y x s p a t".split(" ")]);
/** First bytes that the decoder takes before it looks at the map: prefixes, the escape to two bytes. */
const PREFIX_BYTES = [0x0f, 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3];

const nameOf = (row: Row): string => `${row.mnemonic} (${row.encoding})`;

function rowMistakes(row: Row): string[] {
  const out: string[] = [];
  if (!FLAGS.test(row.flags)) out.push(`${nameOf(row)}: flags "${row.flags}"`);
  for (const note of row.notes)
    if (!NOTES.has(note) && !note.startsWith("f:")) out.push(`${nameOf(row)}: note "${note}"`);
  for (const o of row.operands) {
    const fixed = o.size === "" && o.kind.length > 1;
    if (!OPERAND_KINDS.has(o.kind) && !fixed) out.push(`${nameOf(row)}: operand kind "${o.kind}"`);
    if (!SIZES.has(o.size)) out.push(`${nameOf(row)}: operand size "${o.size}"`);
  }
  const shapes = ["raw", "st", "rec"].filter((n) => row.notes.has(n));
  if (shapes.length > 1) out.push(`${nameOf(row)}: shapes ${shapes.join(" and ")}`);
  return out;
}

/** Names that a module of assembly/interp exports. */
function exportsOf(module: string): Set<string> | undefined {
  const path = `${ASSEMBLY}interp/${module}.ts`;
  if (!existsSync(path)) return undefined;
  return new Set([...readFileSync(path, "utf8").matchAll(/export function (\w+)/g)].map((m) => m[1]!));
}

function semanticMistakes(families: readonly Family[]): string[] {
  const out: string[] = [];
  for (const family of families) {
    const known = exportsOf(family.module);
    if (known === undefined) {
      out.push(`${family.name}: no module interp/${family.module}.ts`);
      continue;
    }
    for (const row of family.rows) {
      if (row.semantic !== "undefinedOpcode" && !known.has(row.semantic)) {
        out.push(`${nameOf(row)}: interp/${family.module}.ts exports no ${row.semantic}`);
      }
    }
  }
  return out;
}

// --- coverage

/** A region of an opcode map without a row: opcode, and what else the tree asked for on the way. */
interface Region {
  readonly map: string;
  readonly opcode: number;
  readonly constraints: readonly string[];
}

const BRANCHES: Readonly<Record<number, readonly string[]>> = {
  [NodeKind.MODE64]: ["not64", "64"],
  [NodeKind.PREFIX]: ["NP", "66", "F3", "F2"],
  [NodeKind.FORM]: ["mem", "reg"],
  [NodeKind.REG]: Array.from({ length: 8 }, (_, i) => `/${i}`),
  [NodeKind.RM]: Array.from({ length: 8 }, (_, i) => `rm${i}`),
  [NodeKind.VEX]: ["L0", "L0", "L1", "L1"],
};

function uncoveredBelow(tree: Tree, node: number, region: Region): Region[] {
  const kind = node >> 13;
  if (kind === NodeKind.LEAF) return [];
  if (kind === NodeKind.UD) return [region];
  return BRANCHES[kind]!.flatMap((name, i) =>
    uncoveredBelow(tree, tree.nodes[(node & 0x1fff) + i]!, { ...region, constraints: [...region.constraints, name] }),
  );
}

/** What the decoder never asks the tree for. */
function isUnreachable(r: Region): boolean {
  if (r.map === "1" && PREFIX_BYTES.includes(r.opcode)) return true;
  // VEX prefixes, and moves of control and debug registers, whose ModRM byte always names a register.
  if (r.map === "1" && (r.opcode === 0xc4 || r.opcode === 0xc5)) return true;
  if (r.map === "0F" && (r.opcode === 0x38 || r.opcode === 0x3a)) return true;
  return r.map === "0F" && r.opcode >= 0x20 && r.opcode <= 0x23 && r.constraints.includes("mem");
}

interface Pattern {
  readonly text: string;
  readonly map: string;
  readonly opcodes: ReadonlySet<number>;
  /** Each a set of alternatives, one of which must be among a region's constraints. */
  readonly constraints: readonly ReadonlySet<string>[];
}

function range(text: string, parse: (s: string) => number): number[] {
  return text.split(",").flatMap((part) => {
    const [first = "", last = first] = part.split("-");
    const [a, b] = [parse(first), parse(last)];
    return Array.from({ length: b - a + 1 }, (_, i) => a + i);
  });
}

function parseConstraint(text: string): ReadonlySet<string> {
  if (text.startsWith("/")) return new Set(range(text.slice(1), Number).map((n) => `/${n}`));
  if (text.startsWith("rm")) return new Set(range(text.slice(2), Number).map((n) => `rm${n}`));
  return new Set(text.split(","));
}

function parsePattern(text: string): Pattern {
  const [map = "", opcodes = "", ...rest] = text.split(" ");
  return {
    text,
    map,
    opcodes: new Set(range(opcodes, (s) => Number.parseInt(s, 16))),
    constraints: rest.map(parseConstraint),
  };
}

const declares = (p: Pattern, r: Region): boolean =>
  p.map === r.map && p.opcodes.has(r.opcode) && p.constraints.every((set) => r.constraints.some((c) => set.has(c)));

const regionText = (r: Region): string =>
  [r.map, r.opcode.toString(16).toUpperCase().padStart(2, "0"), ...r.constraints].join(" ");

/** Regions without a row that are not declared undefined, and declarations that concern nothing. */
function coverageMistakes(tree: Tree, declared: readonly string[]): string[] {
  const patterns = declared.map(parsePattern);
  const used = new Set<Pattern>();
  const out: string[] = [];
  MAPS.forEach((map, m) => {
    for (let opcode = 0; opcode < 256; opcode++) {
      for (const r of uncoveredBelow(tree, tree.nodes[m * 256 + opcode]!, { map, opcode, constraints: [] })) {
        if (isUnreachable(r)) continue;
        const found = patterns.filter((p) => declares(p, r));
        for (const p of found) used.add(p);
        if (found.length === 0) out.push(`no row and not declared undefined: ${regionText(r)}`);
      }
    }
  });
  for (const p of patterns) if (!used.has(p)) out.push(`declared undefined but covered by rows: ${p.text}`);
  return out;
}

/** Every mistake of the table, in words; none when it is sound. */
export function tableMistakes(families: readonly Family[], declared: readonly string[]): string[] {
  const rows = families.flatMap((f) => f.rows);
  const out = [...rows.flatMap(rowMistakes), ...semanticMistakes(families)];
  for (const row of rows) {
    try {
      matchOf(row);
    } catch (e) {
      out.push((e as Error).message);
    }
  }
  if (out.length > 0) return out;
  try {
    return coverageMistakes(buildTree(rows), declared);
  } catch (e) {
    return [(e as Error).message];
  }
}
