/** Rows that have no 64-bit vectors, each with the reason. Everything else must have some. */
import type { Row } from "../../wasm-core/isa/row.js";

const SEGMENTS = "loads a segment register, which signal frames do not carry; legacy/ has its vectors";
const STATE_SIZE = "its image depends on the features enabled in XCR0; tested beside its source";
const EMULATED = "the kernel answers in the processor's place (UMIP)";
const RANDOM = "answers differently each time";
const KERNEL = "enters the kernel or the hypervisor of the recording machine";

const REASONS: Readonly<Record<string, string>> = {
  popEs: SEGMENTS,
  popSs: SEGMENTS,
  popDs: SEGMENTS,
  popFs: SEGMENTS,
  popGs: SEGMENTS,
  les: SEGMENTS,
  lds: SEGMENTS,
  lss: SEGMENTS,
  lfs: SEGMENTS,
  lgs: SEGMENTS,
  movToSeg: SEGMENTS,
  xsave: STATE_SIZE,
  xrstor: STATE_SIZE,
  xsaveopt: STATE_SIZE,
  xsavec: STATE_SIZE,
  xgetbv: STATE_SIZE,
  sgdt: EMULATED,
  sidt: EMULATED,
  sldt: EMULATED,
  str: EMULATED,
  smsw: EMULATED,
  rdtsc: RANDOM,
  rdtscp: RANDOM,
  rdpmc: RANDOM,
  rdrand: RANDOM,
  cpuid: "describes the processor",
  rdpid: "describes the processor",
  sysexit: "undefined in long mode on AMD processors",
  vmcall: KERNEL,
  syscall: KERNEL,
  sysenter: KERNEL,
  rdfsbase: "needs CR4.FSGSBASE",
  rdgsbase: "needs CR4.FSGSBASE",
  wrfsbase: "needs CR4.FSGSBASE",
  wrgsbase: "needs CR4.FSGSBASE",
  invpcid: "missing on the recording processor",
  xsaves: "missing on the recording processor",
  xrstors: "missing on the recording processor",
  rcpps: "the approximation is the vendor's",
  rcpss: "the approximation is the vendor's",
  rsqrtps: "the approximation is the vendor's",
  rsqrtss: "the approximation is the vendor's",
};

/** Why `row` has no vectors, or undefined when it must have. */
export function exclusion(row: Row): string | undefined {
  if (row.semantic === "undefinedOpcode" && !/^(NP )?D[89A-F] |^0F 0B|^F3 0F 38/.test(row.encoding)) {
    return "undefined here; the recording processor may define it";
  }
  if (row.notes.has("no64")) return "not in 64-bit mode; legacy/ has its vectors";
  return REASONS[row.semantic];
}
