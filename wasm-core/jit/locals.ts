/** Locals of a region's function: the vCPU's registers and flags, and temporaries. */
import { Type } from "./wasm/ops.js";

/** Locals of a region's function; the general registers come first behind the parameter. */
export const L = {
  CPU: 0,
  GPR: 1,
  /** linear RIP of the region's start */
  BASE: 17,
  CC_SRC: 18,
  CC_DST: 19,
  /** first operand of the comparison that set the flags, where that is known */
  CC_A: 20,
  RIP: 21,
  CTX: 22,
  X: 23,
  Y: 24,
  Z: 25,
  LIN: 26,
  COUNT: 27,
  CC_OP: 28,
  /** instructions left */
  LEFT: 29,
  LEFT_AT_ENTRY: 30,
  HANDLERS: 31,
  SITE: 32,
  STATUS: 33,
  P: 34,
  E: 35,
  TLB: 36,
  I: 37,
  J: 38,
  K: 39,
  V: 40,
  W: 41,
  R: 42,
  /** f64 and f32 temporaries: operands and result */
  D: 43,
  F: 46,
  /** the vector registers */
  XMM: 49,
  /** machine addresses of accesses that were made */
  PAGE: 65,
  /** delta of the last pointer that was followed */
  DELTA: 71,
  /** x87: control, status and tag words and FOP as they lie in the vCPU, and FIP */
  FW: 72,
  FIP: 73,
  /** significands of the physical registers; temporaries */
  SIG: 74,
  A: 82,
  B: 83,
  HIGH: 84,
  LOW: 85,
  RESULT: 86,
  /** signs and exponents of the physical registers */
  END: 87,
  EXP_A: 95,
  EXP_B: 96,
  EXP: 97,
  RESULT_END: 98,
  /** bits to be set in the status word */
  RAISED: 99,
} as const;

/** Locals from L.PAGE on. */
export const PAGES = 6;

/** Functions that a region's module imports before the handlers. */
export const Import = { READ: 0, WRITE: 1, CODE: 2, CONDITION: 3, END: 4, FLAGS: 5, X87: 6 } as const;

/** Locals behind the parameter, in order. */
export const LOCALS: readonly (readonly [number, number])[] = [
  [27, Type.I64],
  [12, Type.I32],
  [3, Type.V128],
  [3, Type.F64],
  [3, Type.F32],
  [16, Type.V128],
  [PAGES + 1, Type.I32],
];

/** The same for regions that do x87 arithmetic. */
export const LOCALS_X87: typeof LOCALS = [...LOCALS, [15, Type.I64], [13, Type.I32]];
