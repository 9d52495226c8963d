/** Which rows of the instruction table are shown right by what: recorded vectors, guest programs, tests beside the source. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Family, Row } from "../../wasm-core/isa/row.js";
import { rowKey } from "./generate.js";
import { NO_TRAP } from "./layout.js";
import { unpackVectors } from "./store.js";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const PROCESSOR = fileURLToPath(new URL("./data/", import.meta.url));
const QEMU = fileURLToPath(new URL("./legacy/data/", import.meta.url));
const GUESTS = "tests/guests/programs";
const INTERP = "wasm-core/assembly/interp";

/** Where the semantics that no vector brings to an end are tested. The file names the instruction. */
const ELSEWHERE: readonly (readonly [file: string, semantics: string])[] = [
  [`${GUESTS}/table-registers.ts`, "sldt str sgdt sidt rdpid cacheNop"],
  [
    `${GUESTS}/control-registers.ts`,
    "smsw lmsw clts movFromCr movToCr rdmsr wrmsr rdtsc rdpmc rdfsbase rdgsbase wrfsbase wrgsbase",
  ],
  [`${GUESTS}/debug.ts`, "movFromDr movToDr int1"],
  [`${GUESTS}/syscall.ts`, "syscall sysret sysenter sysexit"],
  [`${GUESTS}/paging-long.ts`, "invlpg invpcid clac stac"],
  [`${GUESTS}/processor.ts`, "cpuid rdtscp rdrand xsave xrstor xsavec xgetbv xsetbv"],
  [`${GUESTS}/long-segments.ts`, "lldt ltr swapgs"],
  [`${GUESTS}/mode-switching.ts`, "intN hlt lgdt lidt"],
  [`${GUESTS}/second-processor.ts`, "monitor mwait"],
  [`${GUESTS}/ports.ts`, "insb ins outsb outs inByteImm inImm outByteImm outImm inByte inDx outByte outDx"],
  [`${INTERP}/xsave.test.ts`, "xsaveopt xsaves xrstors"],
  [`${INTERP}/sse.test.ts`, "rcpps rcpss rsqrtps rsqrtss"],
];

/** Rows that only another row's test shows. */
const REASONS: Readonly<Record<string, string>> = {
  VMCALL: "a hypercall: every test of one makes it, in `wasm-core/assembly/xen/testing/entry.ts`",
  VMMCALL: "AMD's name of VMCALL, the same function",
};

/** How the rows of a family are shown. */
export interface FamilyCoverage {
  readonly name: string;
  readonly rows: number;
  readonly processor: number;
  readonly qemu: number;
  /** By no vector of either that runs to its end. */
  readonly others: readonly { readonly form: string; readonly encoding: string; readonly where: string }[];
  /** By nothing. */
  readonly open: readonly string[];
}

/** How many vectors a folder of recordings has, and the rows that run to their end in one. */
function recorded(folder: string): { count: number; rows: ReadonlySet<string> } {
  const rows = new Set<string>();
  let count = 0;
  for (const file of readdirSync(folder).filter((f) => f.endsWith(".vec")))
    for (const [row, vector] of unpackVectors(readFileSync(join(folder, file))).vectors) {
      count++;
      if (vector.after.trap === NO_TRAP) rows.add(row);
    }
  return { count, rows };
}

/** Where a row is tested by hand; undefined when nothing names it. */
function elsewhere(row: Row): string | undefined {
  const file = ELSEWHERE.find(([, semantics]) => semantics.split(" ").includes(row.semantic))?.[0];
  if (file === undefined) return REASONS[row.mnemonic];
  const named = new RegExp(`\\b${row.mnemonic}[bwd]?\\b`, "i").test(readFileSync(join(ROOT, file), "utf8"));
  return named ? `\`${file}\`` : undefined;
}

const isDefined = (row: Row): boolean => row.semantic !== "undefinedOpcode";

export interface Coverage {
  readonly families: readonly FamilyCoverage[];
  readonly vectors: { readonly processor: number; readonly qemu: number };
}

export function coverageOf(table: readonly Family[]): Coverage {
  const processor = recorded(PROCESSOR);
  const qemu = recorded(QEMU);
  const families = table
    .map((f): FamilyCoverage => {
      const rows = f.rows.filter(isDefined);
      const rest = rows.filter((r) => !processor.rows.has(rowKey(r)) && !qemu.rows.has(rowKey(r)));
      const found = rest.map((r) => ({ row: r, form: rowKey(r).split(" [")[0]!, where: elsewhere(r) }));
      return {
        name: f.name,
        rows: rows.length,
        processor: rows.filter((r) => processor.rows.has(rowKey(r))).length,
        qemu: rows.filter((r) => qemu.rows.has(rowKey(r))).length,
        others: found.flatMap(({ row, form, where }) =>
          where === undefined ? [] : [{ form, encoding: row.encoding, where }],
        ),
        open: found.flatMap(({ row, where }) => (where === undefined ? [rowKey(row)] : [])),
      };
    })
    .filter((f) => f.rows > 0);
  return { families, vectors: { processor: processor.count, qemu: qemu.count } };
}

const cell = (text: string): string => text.replaceAll("|", "\\|");

/** docs/coverage.md. */
export function coverageDocument({ families, vectors }: Coverage, differences: readonly string[]): string {
  const total = (of: (f: FamilyCoverage) => number): number => families.reduce((n, f) => n + of(f), 0);
  const line = (...cells: readonly (string | number)[]): string =>
    `| ${cells.map((c) => cell(String(c))).join(" | ")} |`;
  const number = (n: number): string => n.toLocaleString("en");
  return [
    "# What shows the instructions right",
    "",
    "Made by `npx vitest run tests/vectors/coverage.test.ts -u`, which also holds it. A row is a form of an instruction in the",
    "table of `wasm-core/isa`; vectors count where one runs to its end, not where all of them fault. Three oracles stand",
    "against the core:",
    "",
    `- **a processor**: ${number(vectors.processor)} vectors recorded in 64-bit user mode, \`tests/vectors/data\`;`,
    `- **QEMU**: ${number(vectors.qemu)} vectors of 32-bit, 16-bit, virtual-8086 and real-address mode, \`tests/vectors/legacy/data\`;`,
    "- **the manual**: guest programs in `tests/guests/programs`, which print what it says, and tests beside the source.",
    "",
    line("Family", "Rows", "Processor", "QEMU", "Neither"),
    "|---|---|---|---|---|",
    ...families.map((f) => line(f.name, f.rows, f.processor, f.qemu, f.others.length)),
    line(
      "all",
      total((f) => f.rows),
      total((f) => f.processor),
      total((f) => f.qemu),
      total((f) => f.others.length),
    ),
    "",
    "## Rows that no vector brings to an end",
    "",
    line("Row", "Encoding", "Shown by"),
    "|---|---|---|",
    ...families.flatMap((f) => f.others.map((o) => line(`\`${o.form}\``, `\`${o.encoding}\``, o.where))),
    "",
    "## Where QEMU 7.2 is not followed",
    "",
    "QEMU checks no segment limits and writes through code segments, so that nothing was recorded there; guest programs show",
    "both. Of what was recorded, these are not compared:",
    "",
    ...differences.map((why) => `- ${why}`),
    "",
  ].join("\n");
}
