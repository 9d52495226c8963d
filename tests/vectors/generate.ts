/** Enumerates the instructions to record for a row: forms, sizes, prefixes, placements of memory, values. */

import type { Operand, Row } from "../../wasm-core/isa/row.js";
import { hasTwoForms, type Variant, variantsOf } from "../../wasm-core/isa/variants.js";
import { Random, seedOf } from "../support/random.js";
import type { Mode, State } from "./layout.js";
import { type Place, Sample } from "./sample.js";
import { specialise } from "./special.js";

/** The row's text: how stored vectors name it. */
export function rowKey(row: Row): string {
  const operands = row.operands.map((o) => o.kind + o.size + (o.access === "rw" ? "+" : o.access === "w" ? "=" : ""));
  return `${[row.mnemonic, ...operands].join(" ")} [${row.encoding}]`;
}

/** An instruction and where it starts from. */
export interface Work {
  readonly mode: Mode;
  readonly code: Uint8Array;
  readonly before: State;
  /** Address of the memory operand, 0 when there is none. */
  readonly ea: bigint;
}

/** Another seed makes other vectors, to look for mistakes that the stored ones do not show. */
const SEED = Number(process.env.RECORD_SEED ?? 0);
const MEMORY_KINDS = new Set(["M", "E", "W", "Q"]);
const USES_ACCUMULATORS = new Set(["alu", "muldiv", "mov", "string", "sse-string"]);
const STACK_SEMANTICS = /^(push|pop|ret|iret|enter|leave|call)/;

/** How many samples a variant gets, by module. */
function samples(module: string, mode: Mode, form: string): number {
  if (mode !== 64) return 6;
  if (/^(sse|mmx)/.test(module)) return form === "mem" ? 9 : 24;
  if (module.startsWith("x87")) return 40;
  return form === "mem" ? 16 : 28;
}

const NORMAL: readonly Place[] = ["aligned", "odd", "aligned", "crossing"];
const FAULTS: readonly Place[] = ["guard", "into-guard", "read-only", "non-canonical"];

function needsAlignment(row: Row): boolean {
  if (row.semantic === "fxsave" || row.semantic === "fxrstor") return true;
  return (
    !row.notes.has("unal") &&
    row.operands.some((o) => (o.kind === "W" || (o.kind === "M" && o.size === "x")) && o.size === "x")
  );
}

/** Placements to try: all the good ones in turn, then one sample of each that faults. */
function places(row: Row, form: string, mode: Mode, module: string): Place[] {
  const touches =
    form === "mem" ||
    module === "string" ||
    STACK_SEMANTICS.test(row.semantic) ||
    /^(xlat|maskmov)/.test(row.semantic) ||
    row.operands.some((o) => o.kind === "O");
  const n = samples(module, mode, touches ? "mem" : "reg");
  if (!touches) return Array.from({ length: n }, () => "aligned");
  const good: Place[] = Array.from({ length: n }, (_, i) =>
    needsAlignment(row) ? "aligned" : NORMAL[i % NORMAL.length]!,
  );
  // Which of two faults is found first is not defined: an aligned operand does not reach into the next page.
  const bad = (needsAlignment(row) ? [...FAULTS, "odd" as const] : FAULTS).filter(
    (p) => !(p === "into-guard" && needsAlignment(row)) && !(p === "non-canonical" && usesStackAlone(row, form)),
  );
  return [...good, ...bad];
}

/** Whether the row's only memory is the stack: a stack pointer that is not canonical cannot be started from. */
const usesStackAlone = (row: Row, form: string): boolean =>
  STACK_SEMANTICS.test(row.semantic) && !(form === "mem" && row.operands.some((o) => o.size === "p"));

function memoryOperand(s: Sample): Operand | undefined {
  if (s.variant.form !== "mem") return undefined;
  return s.row.operands.find((o) => MEMORY_KINDS.has(o.kind));
}

/** Bytes that the memory operand spans. */
function memoryBytes(s: Sample, o: Operand): number {
  if (s.row.semantic === "cmpxchgPair") return s.variant.size / 4;
  return Math.max(1, s.bits(o) / 8 || 16);
}

function makeSample(s: Sample): Work {
  s.flags();
  s.chooseRegisters();
  s.fillOperands();
  if (USES_ACCUMULATORS.has(s.module) && ["raw", "st", "sse"].some((n) => s.row.notes.has(n)))
    s.fillAccumulators(s.variant.size || 8);
  if (["fpu", "fpunw", "mmx"].some((n) => s.row.notes.has(n)) || s.row.semantic === "fwait") s.x87State();
  if (s.row.notes.has("sse")) s.mxcsr();
  const memory = memoryOperand(s);
  if (memory !== undefined) {
    s.addressing(wideImage(s) ?? s.address(memoryBytes(s, memory)));
    s.fillMemory(memory);
  }
  specialise(s);
  s.settleRip();
  clipTo32(s);
  return { mode: s.mode, code: s.bytes(), before: s.state, ea: s.ea };
}

/** Images longer than the second window must lie at the start of the first. */
function wideImage(s: Sample): bigint | undefined {
  if (!["fxsave", "fxrstor"].includes(s.row.semantic) || s.place !== "aligned") return undefined;
  return 0x10000e00n + BigInt(16 * s.rng.below(32));
}

/** Outside 64-bit mode the upper halves do not exist. */
function clipTo32(s: Sample): void {
  if (s.mode === 64) return;
  for (let n = 0; n < 16; n++) s.state.setGpr(n, n < 8 ? s.state.gpr(n) & 0xffffffffn : 0n);
}

/** Whether the variant exists in `mode`. */
export function runsIn(row: Row, mode: Mode, v: Variant): boolean {
  // AMD has no 64-bit offsets in far pointers.
  if (v.size === 64 && row.operands.some((o) => o.kind === "M" && o.size === "p")) return false;
  if (mode === 64)
    return (
      !row.notes.has("no64") && !(row.notes.has("f64") && v.size !== 64) && !(row.notes.has("d64") && v.size === 32)
    );
  return !row.notes.has("only64") && v.size !== 64;
}

/** LOCK on a register is undefined whatever the row: one sample of it. */
const isLockedRegister = (row: Row, v: Variant): boolean => v.lock && v.form === "reg" && hasTwoForms(row);

/** Everything to record for `row`. The same each time. */
export function workOf(row: Row, module: string): Work[] {
  const out: Work[] = [];
  const rng = new Random(seedOf(rowKey(row)) ^ SEED);
  for (const mode of [64, 32] as const) {
    if (mode === 32 && /^(sse|mmx|x87)/.test(module)) continue;
    for (const v of variantsOf(row)) {
      if (!runsIn(row, mode, v)) continue;
      const all = places(row, v.form, mode, module);
      for (const place of isLockedRegister(row, v) ? all.slice(0, 1) : all) {
        if (mode === 32 && place === "non-canonical") continue;
        out.push(makeSample(new Sample(row, module, v, mode, rng, place)));
      }
    }
  }
  return out;
}
