/** Rows that have no 16- and 32-bit vectors, each with the reason. Everything else must have some. */
import type { Row } from "../../../wasm-core/isa/row.js";

/** Modules whose instructions are recorded; in the others the operand and address sizes change nothing but the addressing forms. */
const MODULES: ReadonlySet<string> = new Set(
  "alu muldiv shift bit mov control stack string far interrupt segment port system".split(" "),
);

const TABLES = "stores or loads what the recorder lives on; tested by guest programs";
const OTHERS = "answers as the machine is; tested by guest programs and beside its source";
const WAITS = "waits or leaves the processor; tested by guest programs";
const UNLIKE = "QEMU's processor has it not, or answers by its own features";

const REASONS: Readonly<Record<string, string>> = {
  sgdt: TABLES,
  sidt: TABLES,
  sldt: TABLES,
  str: TABLES,
  smsw: TABLES,
  int1: "its #DB cannot be told from the recorder's",
  cpuid: OTHERS,
  rdtsc: OTHERS,
  rdtscp: OTHERS,
  rdpmc: OTHERS,
  rdrand: OTHERS,
  rdpid: OTHERS,
  monitor: WAITS,
  mwait: WAITS,
  vmcall: WAITS,
  invpcid: UNLIKE,
};

/** Why `row` has no 16- and 32-bit vectors, or undefined when it must have. */
export function legacyExclusion(row: Row, module: string): string | undefined {
  if (!MODULES.has(module)) return "its operands do not depend on the mode";
  if (row.notes.has("only64")) return "#UD outside 64-bit mode";
  if (row.semantic === "undefinedOpcode") return "undefined in every mode";
  return REASONS[row.semantic];
}
