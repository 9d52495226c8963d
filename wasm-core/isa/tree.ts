/**
 * Turns the rows into the decoder's tree. A node is a u16: kind in bits 15:13, payload in bits 12:0, which is a leaf
 * number or the index of the node's children in the flat array. A row that constrains a dimension wins over one that
 * does not; two rows that claim the same bytes are a mistake of the table and are reported by name.
 */
import { MAPS, type MapName, type Match, matchOf, PREFIXES } from "./encoding.js";
import { type Row, ud } from "./row.js";

export const NodeKind = { UD: 0, LEAF: 1, MODE64: 2, PREFIX: 3, FORM: 4, REG: 5, RM: 6, VEX: 7 } as const;

export interface Tree {
  /** 256 nodes a map, in the order of MAPS, then the children. */
  readonly nodes: number[];
  /** Rows by leaf number. */
  readonly leaves: Row[];
}

interface Entry {
  readonly row: Row;
  readonly match: Match;
}

interface Dimension {
  readonly kind: number;
  readonly size: number;
  /** Branch that an entry demands, or undefined for any. */
  branch(m: Match): number[] | undefined;
}

const DIMENSIONS: readonly Dimension[] = [
  { kind: NodeKind.MODE64, size: 2, branch: (m) => (m.mode64 === undefined ? undefined : [m.mode64 ? 1 : 0]) },
  {
    kind: NodeKind.PREFIX,
    size: 4,
    branch: (m) => (m.prefix === undefined ? undefined : [PREFIXES.indexOf(m.prefix)]),
  },
  { kind: NodeKind.FORM, size: 2, branch: (m) => (m.form === undefined ? undefined : [m.form === "reg" ? 1 : 0]) },
  { kind: NodeKind.REG, size: 8, branch: (m) => (m.reg === undefined ? undefined : [m.reg]) },
  { kind: NodeKind.RM, size: 8, branch: (m) => (m.rm === undefined ? undefined : [m.rm]) },
  { kind: NodeKind.VEX, size: 4, branch: vexBranch },
];

function vexBranch(m: Match): number[] | undefined {
  if (m.vexL === undefined && m.vexW === undefined) return undefined;
  const out: number[] = [];
  for (let i = 0; i < 4; i++) {
    if (m.vexL !== undefined && m.vexL !== i >> 1) continue;
    if (m.vexW !== undefined && m.vexW !== (i & 1)) continue;
    out.push(i);
  }
  return out;
}

/** Leaf 0: what the decoder falls back to. */
export const UNDEFINED = ud("0F 0B");

const text = (row: Row): string => `${row.mnemonic} (${row.encoding})`;

/** Builds the tree, or throws one error that lists every mistake found. */
export function buildTree(rows: readonly Row[]): Tree {
  const mistakes: string[] = [];
  const entries: Entry[] = [];
  for (const row of rows) {
    try {
      entries.push({ row, match: matchOf(row) });
    } catch (e) {
      mistakes.push((e as Error).message);
    }
  }
  const leaves: Row[] = [];
  const leafOf = new Map<Row, number>();
  const nodes: number[] = new Array(MAPS.length * 256).fill(0);

  const leaf = (row: Row): number => {
    let n = leafOf.get(row);
    if (n === undefined) {
      n = leaves.length;
      leaves.push(row);
      leafOf.set(row, n);
    }
    return (NodeKind.LEAF << 13) | n;
  };

  const build = (set: readonly Entry[], from: number): number => {
    if (set.length === 0) return NodeKind.UD;
    for (let d = from; d < DIMENSIONS.length; d++) {
      const dim = DIMENSIONS[d]!;
      if (!set.some((e) => dim.branch(e.match) !== undefined)) continue;
      const at = nodes.length;
      for (let i = 0; i < dim.size; i++) nodes.push(0);
      if (at + dim.size > 0x2000) throw new Error("decode tree exceeds 13-bit indices");
      for (let i = 0; i < dim.size; i++) {
        const exact = set.filter((e) => dim.branch(e.match)?.includes(i));
        const any = set.filter((e) => dim.branch(e.match) === undefined);
        // A mandatory prefix hides rows that take any prefix, unless they are told apart by ModRM.
        const sub =
          dim.kind === NodeKind.PREFIX && exact.length > 0
            ? [...exact, ...any.filter((a) => !exact.some((x) => overlaps(a.match, x.match)))]
            : [...exact, ...any];
        nodes[at + i] = build(sub, d + 1);
      }
      return (dim.kind << 13) | at;
    }
    if (set.length > 1) mistakes.push(`the same bytes are claimed by ${set.map((e) => text(e.row)).join(" and ")}`);
    return leaf(set[0]!.row);
  };

  leaf(UNDEFINED);
  MAPS.forEach((map: MapName, m) => {
    for (let opcode = 0; opcode < 256; opcode++) {
      const set = entries.filter((e) => e.match.map === map && e.match.opcodes.includes(opcode));
      const modrm = new Set(set.map((e) => e.match.hasModrm));
      if (modrm.size > 1) mistakes.push(`${map} ${opcode.toString(16)}: some rows have a ModRM byte, some not`);
      nodes[m * 256 + opcode] = build(set, 0);
    }
  });
  if (mistakes.length > 0) throw new Error(`instruction table:\n  ${[...new Set(mistakes)].join("\n  ")}`);
  return { nodes, leaves };
}

/** Whether some ModRM byte satisfies both. */
function overlaps(a: Match, b: Match): boolean {
  const clash = <T>(x: T | undefined, y: T | undefined): boolean => x !== undefined && y !== undefined && x !== y;
  return !(clash(a.form, b.form) || clash(a.reg, b.reg) || clash(a.rm, b.rm));
}
