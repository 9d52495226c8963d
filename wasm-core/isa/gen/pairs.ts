/**
 * The handlers of pairs: a comparison or an arithmetic instruction together with the conditional jump behind it,
 * which then needs no dispatch of its own and no flags computed back. The flags are left as by the first instruction.
 * Both records stay: the first names the pair's handler, the second is read by it, and is run alone when entered.
 */
import type { Family, Row } from "../row.js";
import { bitsOf, type Variant, variantsOf } from "../variants.js";
import { alias, fetchOperands, handlerName, type Made } from "./interp.js";

/** Conditions of a jump by what decides them: `a` and `b` compared, or the result `r`; `i` is the signed type. */
const COMPARE: Record<string, string> = {
  Z: "a == b",
  NZ: "a != b",
  B: "a < b",
  NB: "a >= b",
  BE: "a <= b",
  NBE: "a > b",
  L: "<i>a < <i>b",
  NL: "<i>a >= <i>b",
  LE: "<i>a <= <i>b",
  NLE: "<i>a > <i>b",
};
const LOGIC: Record<string, string> = {
  Z: "r == 0",
  NZ: "r != 0",
  S: "<i>r < 0",
  NS: "<i>r >= 0",
  LE: "<i>r <= 0",
  NLE: "<i>r > 0",
};
const RESULT: Record<string, string> = { Z: "r == 0", NZ: "r != 0", S: "<i>r < 0", NS: "<i>r >= 0" };

const CONDITIONS_OF: Record<string, Record<string, string>> = {
  cmp: COMPARE,
  test: LOGIC,
  and: RESULT,
  add: RESULT,
  sub: RESULT,
  inc: RESULT,
  dec: RESULT,
};
/** Conditions in the order of their numbers in PAIR_SECOND, from 1. */
const CONDITIONS = ["Z", "NZ", "B", "NB", "BE", "NBE", "L", "NL", "LE", "NLE", "S", "NS"];
/** Places in PAIR_OF for each first instruction. */
const STRIDE = 16;

const calls = (semantic: string): string => alias("alu", semantic);

/** Whether a variant is worth pairing: compilers write register comparisons in one of their two encodings. */
function pairs(row: Row, v: Variant): boolean {
  if (CONDITIONS_OF[row.semantic] === undefined || v.size === 16 || v.lock || v.rep !== 0 || row.notes.has("no64"))
    return false;
  const [first] = row.operands;
  if (first === undefined || /^F[67] \/1$/.test(row.encoding)) return false;
  if (first.kind === "G" && v.form === "reg") return false;
  return row.semantic === "cmp" || row.semantic === "test" || (v.form === "reg" && v.size !== 0);
}

function body(row: Row, v: Variant): string[] {
  const type = `u${bitsOf(row.operands[0]!, v)}`;
  const f = fetchOperands(row, v);
  if (row.semantic === "cmp") {
    return [
      ...f.lines,
      `const a: ${type} = ${f.args[0]};`,
      `const b: ${type} = ${f.args[1]};`,
      `${calls("cmp")}<${type}>(cpu, a, b);`,
    ];
  }
  if (row.semantic === "test")
    return [...f.lines, `const r: ${type} = ${f.args[0]} & ${f.args[1]};`, `${calls("test")}<${type}>(cpu, r, r);`];
  return [
    ...f.lines,
    `const r: ${type} = ${calls(row.semantic)}<${type}>(cpu, ${f.args.join(", ")});`,
    ...f.after("r"),
  ];
}

function pairBody(row: Row, v: Variant, condition: string): string[] {
  const signed = `<i${bitsOf(row.operands[0]!, v)}>`;
  return [...body(row, v), `return jumpOfPair(cpu, rec, ${condition.replaceAll("<i>", signed)});`];
}

/** Number of the condition of a jump that can be a pair's second instruction, else 0. */
const secondOf = (row: Row, v: Variant): number => {
  if (v.size !== 64 || !/^j[A-Z]+$/.test(row.semantic)) return 0;
  return CONDITIONS.indexOf(row.semantic.slice(1)) + 1;
};

function wrap(numbers: readonly number[]): string {
  const lines: string[] = [];
  for (let i = 0; i < numbers.length; i += 32) lines.push(`  ${numbers.slice(i, i + 32).join(", ")},`);
  return lines.join("\n");
}

export interface Pairs {
  /** Their handlers, in the order of PAIRS. */
  readonly made: readonly Made[];
  /** assembly/gen/pairs.ts: which variants they stand for. */
  readonly source: string;
}

export function makePairs(families: readonly Family[], leaves: readonly Row[]): Pairs {
  const alu = new Set(families.filter((f) => f.module === "alu").flatMap((f) => f.rows));
  const made: Made[] = [];
  const first: number[] = [];
  const second: number[] = [];
  const pairOf: number[] = [];
  leaves.forEach((row, leaf) => {
    for (const v of variantsOf(row)) {
      second.push(secondOf(row, v));
      if (!alu.has(row) || !pairs(row, v)) {
        first.push(0);
        continue;
      }
      const conditions = CONDITIONS_OF[row.semantic]!;
      const line = CONDITIONS.map((c) => {
        if (conditions[c] === undefined) return 0;
        return made.push({ name: `${handlerName(leaf, row, v)}_J${c}`, body: pairBody(row, v, conditions[c]) });
      });
      first.push(pairOf.push(...line, ...new Array<number>(STRIDE - line.length).fill(0)) / STRIDE);
    }
  });
  const source = [
    "// Made from the instruction table; do not edit.",
    "/** By variant: line of PAIR_OF from 1 when it can begin a pair, else 0. */",
    `export const PAIR_FIRST: usize = memory.data<u8>([\n${wrap(first)}\n]);`,
    "/** By variant: place in a line of PAIR_OF from 1 when it can end a pair, else 0. */",
    `export const PAIR_SECOND: usize = memory.data<u8>([\n${wrap(second)}\n]);`,
    `export const PAIR_STRIDE: u32 = ${STRIDE};`,
    "/** Number of the pair's handler in PAIRS from 1, or 0. */",
    `export const PAIR_OF: usize = memory.data<u16>([\n${wrap(pairOf)}\n]);`,
    "",
  ].join("\n");
  return { made, source };
}
