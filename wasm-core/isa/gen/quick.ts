/**
 * The handlers that the interpreter runs most: while a kernel boots, forks, executes and moves files more than four in five. The
 * loop over a block's records has them as cases of a switch, where a call through the function table takes longer than most
 * of them: a boot is interpreted in five sixths of the time. They are named as in assembly/gen/handlers.ts, without the
 * number; others with the same body come along.
 */
import type { Made } from "./interp.js";

const WORDS = ["32", "64"];
const both = (...names: string[]): string[] => names.flatMap((name) => WORDS.map((word) => name.replace("*", word)));

const QUICK = new Set([
  ...both("MOV_Ev_Gv_*_r", "MOV_Ev_Gv_*_m", "MOV_Gv_Ev_*_m", "MOV_Ev_Iz_*_m", "MOV_Ev_Iz_*_r", "MOV_Zv_Iv_*_r"),
  ...["MOV_Eb_Gb_m", "MOV_Gb_Eb_m", "MOV_Eb_Ib_m"],
  ...both("MOVZX_Gv_Eb_*_m", "MOVZX_Gv_Eb_*_r", "MOVZX_Gv_Ew_*_m", "MOVZX_Gv_Ew_*_r", "LEA_Gv_Ma_*_m"),
  ...["MOVSXD_Gv_Ez_64_m", "MOVSXD_Gv_Ez_64_r", "NOP_Eb_m"],
  ...both("PUSH_Zv_*_r", "POP_Zv_*_r", "CALL_Jz_*_r", "RET_*_r", "JMP_Jz_*_r", "JZ_Jz_*_r", "JNZ_Jz_*_r"),
  ...both("ADD_Ev_Gv_*_r", "ADD_Gv_Ev_*_m", "ADD_Ev_Iz_*_r", "SUB_Ev_Gv_*_r", "SUB_Gv_Ev_*_m", "SUB_Ev_Iz_*_r"),
  ...both("AND_Ev_Gv_*_r", "AND_Ev_Iz_*_r", "OR_Ev_Gv_*_r", "OR_Ev_Iz_*_r", "XOR_Ev_Gv_*_r", "CMP_Ev_Gv_*_r"),
  ...both("ADD_Av_Iz_*_r", "SUB_Av_Iz_*_r", "AND_Av_Iz_*_r", "XOR_Av_Iz_*_r", "CMP_Av_Iz_*_r", "ROL_Ev_Ib_*_r"),
  ...both("SHL_Ev_Ib_*_r", "SHR_Ev_Ib_*_r", "SAR_Ev_Ib_*_r", "CMP_Gv_Ev_*_m"),
  ...both("TEST_Ev_Gv_*_r_JZ", "TEST_Ev_Gv_*_r_JNZ", "TEST_Ev_Gv_*_r_JS", "TEST_Ev_Gv_*_r_JNS"),
  ...both("CMP_Ev_Gv_*_r_JZ", "CMP_Ev_Gv_*_r_JNZ", "CMP_Ev_Gv_*_r_JB", "CMP_Ev_Gv_*_r_JNB"),
  ...both("CMP_Ev_Gv_*_r_JBE", "CMP_Ev_Gv_*_r_JNBE", "CMP_Ev_Iz_*_r_JZ", "CMP_Ev_Iz_*_r_JNZ"),
  ...both("CMP_Ev_Iz_*_r_JBE", "CMP_Ev_Iz_*_r_JNBE", "CMP_Ev_Iz_*_r_JLE", "CMP_Ev_Iz_*_r_JNLE"),
  ...both("CMP_Ev_Iz_*_m_JZ", "CMP_Ev_Iz_*_m_JNZ"),
  ...["TEST_Eb_Gb_r_JZ", "TEST_Eb_Gb_r_JNZ", "TEST_Ab_Ib_r_JZ", "TEST_Ab_Ib_r_JNZ"],
  ...["TEST_Eb_Ib_m_JZ", "TEST_Eb_Ib_m_JNZ", "CMP_Eb_Ib_m_JZ", "CMP_Eb_Ib_m_JNZ"],
]);

/** Handlers with one body. */
interface Case {
  readonly body: readonly string[];
  readonly names: readonly string[];
}

/** What the switch has a case for. A family alone need not have all of it. */
export function quickCases(handlers: readonly Made[]): Case[] {
  const byBody = new Map<string, Made[]>();
  for (const made of handlers) {
    const text = made.body.join("\n");
    byBody.set(text, [...(byBody.get(text) ?? []), made]);
  }
  return [...byBody.values()]
    .filter((same) => same.some(({ name }) => QUICK.has(shortName(name))))
    .map((same) => ({ body: same[0]!.body, names: same.map(({ name }) => name) }));
}

/** Names in the list above that no handler has. */
export function unknownQuick(handlers: readonly Made[]): string[] {
  const known = new Set(handlers.map(({ name }) => shortName(name)));
  return [...QUICK].filter((name) => !known.has(name));
}

const shortName = (name: string): string => name.replace(/^h\d+_/, "");

/** The same statements where `at` is the record's address: going on to the next record needs no answer. */
function inLoop(line: string): string[] {
  const [, before = "", status] = /^(.*?)\breturn (.*);$/.exec(line) ?? [];
  if (status === undefined) return [line];
  if (status === "Status.FAULT") return [`${before}return (at + RECORD_BYTES) | Status.FAULT;`];
  if (before !== "") throw new Error(`a handler with a condition on "return ${status}" cannot be a case`);
  if (status === "Status.NEXT") return ["at += RECORD_BYTES;", "continue;"];
  return [`status = ${status};`, "break;"];
}

/** The loop over records, and the table by which its cases have the first places of the function table. */
export function quickSource(cases: readonly Case[]): string[] {
  const names = cases.flatMap((c) => c.names);
  const texts = cases.map(({ body, names: same }) => {
    const labels = same.map((name) => `      case ${names.indexOf(name) + 1}:`).join("\n");
    return [`${labels} {`, ...body.flatMap(inLoop).map((line) => `        ${line}`), "      }"].join("\n");
  });
  return [
    "/** The cases of runRecords. As they are mentioned first, their places in the function table are the first, from 1. */",
    `export const QUICK: StaticArray<Handler> = [${names.join(", ")}];`,
    `export const QUICK_COUNT: u32 = ${names.length};`,
    "",
    "/**",
    " * Runs the records from `first` on until one ends its block. Returns the address behind that one, with the status that it",
    " * ended with in the bits that are 0 in the address of a record.",
    " */",
    "export function runRecords(cpu: Vcpu, first: usize): usize {",
    "  let at = first;",
    "  let status: i32;",
    "  while (true) {",
    "    const rec = changetype<Rec>(at);",
    "    const fn = <u32>rec.fn;",
    "    switch (fn) {",
    ...texts,
    "      default:",
    "        status = call_indirect<i32>(fn, cpu, rec);",
    "    }",
    "    at += RECORD_BYTES + (status & Status.PAIR);",
    "    status &= ~Status.PAIR;",
    "    if (status != Status.NEXT) return at | status;",
    "  }",
    "}",
  ];
}
