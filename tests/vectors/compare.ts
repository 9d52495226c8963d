/** Compares a replayed state with the recorded one and says in words where they differ. */
import type { Row } from "../../wasm-core/isa/row.js";
import {
  comparedFlags,
  DIFFERENCES,
  type Difference,
  ignoredBytes,
  isSkipped,
  roundsOtherwise,
} from "./differences.js";
import { baseState, FX, NO_TRAP, OFF, type State, type Vector, WINDOWS } from "./layout.js";

const GPR = [
  "rax",
  "rcx",
  "rdx",
  "rbx",
  "rsp",
  "rbp",
  "rsi",
  "rdi",
  "r8",
  "r9",
  "r10",
  "r11",
  "r12",
  "r13",
  "r14",
  "r15",
];
const EXCEPTIONS: Record<number, string> = {
  0: "#DE",
  1: "#DB",
  3: "#BP",
  4: "#OF",
  5: "#BR",
  6: "#UD",
  7: "#NM",
  8: "#DF",
  11: "#NP",
  12: "#SS",
  13: "#GP",
  14: "#PF",
  16: "#MF",
  17: "#AC",
  19: "#XM",
};

/** A named part of a state. */
interface Part {
  readonly name: string;
  readonly at: number;
  readonly bytes: number;
}

const ENVIRONMENT: Part[] = [
  { name: "rip", at: OFF.rip, bytes: 8 },
  { name: "trap", at: OFF.trap, bytes: 4 },
  { name: "error", at: OFF.error, bytes: 4 },
  { name: "cr2", at: OFF.cr2, bytes: 8 },
  { name: "fcw", at: OFF.fx + FX.fcw, bytes: 2 },
  { name: "fsw", at: OFF.fx + FX.fsw, bytes: 2 },
  { name: "tags", at: OFF.fx + FX.tags, bytes: 1 },
  { name: "mxcsr", at: OFF.fx + FX.mxcsr, bytes: 4 },
];

function memoryParts(): Part[] {
  const out: Part[] = [];
  let offset: number = OFF.memory;
  for (const w of WINDOWS) {
    for (let i = 0; i < w.bytes; i += 16) out.push({ name: `[${(w.at + i).toString(16)}]`, at: offset + i, bytes: 16 });
    offset += w.bytes;
  }
  return out;
}

const PARTS: readonly Part[] = [
  ...GPR.map((name, n) => ({ name, at: OFF.gpr + 8 * n, bytes: 8 })),
  ...ENVIRONMENT,
  ...Array.from({ length: 8 }, (_, n) => ({ name: `st${n}`, at: OFF.fx + FX.st + 16 * n, bytes: 10 })),
  ...Array.from({ length: 16 }, (_, n) => ({ name: `xmm${n}`, at: OFF.fx + FX.xmm + 16 * n, bytes: 16 })),
  ...memoryParts(),
];

const BASE = baseState();

const hex = (s: State, p: Part): string =>
  Buffer.from(s.bytes.subarray(p.at, p.at + p.bytes))
    .reverse()
    .toString("hex");

/** Makes upper register halves that 32-bit code has not got equal, and whatever else is not compared. */
function alignIgnored(row: Row, v: Vector, got: State, known: readonly Difference[]): void {
  for (const { at, bytes } of ignoredBytes(row, v, known)) got.bytes.set(v.after.bytes.subarray(at, at + bytes), at);
  if (roundsOtherwise(row, v, got)) {
    got.bytes.set(v.after.bytes.subarray(OFF.fx + FX.fsw, OFF.fx + FX.fsw + 2), OFF.fx + FX.fsw);
    got.bytes.set(v.after.bytes.subarray(OFF.fx + FX.st, OFF.fx + FX.xmm), OFF.fx + FX.st);
  }
  if (v.mode !== 64)
    for (let n = 0; n < 16; n++) got.setGpr(n, (got.gpr(n) & 0xffffffffn) | (v.after.gpr(n) & ~0xffffffffn));
}

/**
 * Names of the parts that differ; none when the vector passes. Adjusts what is not compared in `got`. `known` are the
 * differences of the recorder; `system` are flags besides the program's that it records faithfully.
 */
export function compareStates(
  row: Row,
  v: Vector,
  got: State,
  known: readonly Difference[] = DIFFERENCES,
  system = 0,
): string[] {
  if (isSkipped(row, v, known)) return [];
  const mask = comparedFlags(row, v) | system;
  const flagsDiffer = ((got.flags ^ v.after.flags) & mask) !== 0;
  alignIgnored(row, v, got, known);
  const recorded = got.flags;
  got.flags = v.after.flags;
  const same = Buffer.compare(got.bytes, v.after.bytes) === 0;
  const out = same ? [] : PARTS.filter((p) => differs(p, v.after, got)).map((p) => p.name);
  got.flags = recorded;
  return flagsDiffer ? ["flags", ...out] : out;
}

function differs(p: Part, a: State, b: State): boolean {
  for (let i = p.at; i < p.at + p.bytes; i++) if (a.bytes[i] !== b.bytes[i]) return true;
  return false;
}

function flagNames(flags: number): string {
  const names: [number, string][] = [
    [0x200000, "I"],
    [0x40000, "A"],
    [0x4000, "N"],
    [0x800, "O"],
    [0x400, "D"],
    [0x80, "S"],
    [0x40, "Z"],
    [0x10, "A"],
    [4, "P"],
    [1, "C"],
  ];
  return names.map(([bit, n]) => (flags & bit ? n : "-")).join("");
}

const trapName = (trap: number): string => (trap === NO_TRAP ? "none" : (EXCEPTIONS[trap] ?? `vector ${trap}`));

/** Before, expected and got of the parts that differ, and what the instruction started from. */
export function describeFailure(key: string, v: Vector, got: State, parts: readonly string[]): string {
  const lines = [`${key}  ${v.mode}-bit  ${Buffer.from(v.code).toString("hex")}`];
  for (const name of parts) {
    if (name === "flags") {
      lines.push(
        `    flags  before ${flagNames(v.before.flags)}  expected ${flagNames(v.after.flags)}  got ${flagNames(got.flags)}`,
      );
      continue;
    }
    const p = PARTS.find((x) => x.name === name)!;
    if (name === "trap") lines.push(`    exception  expected ${trapName(v.after.trap)}  got ${trapName(got.trap)}`);
    else lines.push(`    ${name}  before ${hex(v.before, p)}  expected ${hex(v.after, p)}  got ${hex(got, p)}`);
  }
  const inputs = PARTS.filter((p) => differs(p, BASE, v.before)).map((p) => `${p.name}=${hex(v.before, p)}`);
  lines.push(`    from  ${inputs.join(" ")} flags=${flagNames(v.before.flags)}`);
  return lines.join("\n");
}
