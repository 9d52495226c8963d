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
  /** result of the instruction whose flags are put off */
  PUT_OFF: 28,
  CC_OP: 29,
  /** instructions left */
  LEFT: 30,
  LEFT_AT_ENTRY: 31,
  HANDLERS: 32,
  SITE: 33,
  STATUS: 34,
  P: 35,
  E: 36,
  TLB: 37,
  I: 38,
  J: 39,
  K: 40,
  V: 41,
  W: 42,
  R: 43,
  /** f64 and f32 temporaries: operands and result */
  D: 44,
  F: 47,
  /** the vector registers */
  XMM: 50,
  /** machine addresses of accesses that were made */
  PAGE: 66,
  /** delta of the last pointer that was followed */
  DELTA: 72,
  /** x87: control, status and tag words and FOP as they lie in the vCPU, and FIP */
  FW: 73,
  FIP: 74,
  /** significands of the physical registers; temporaries */
  SIG: 75,
  A: 83,
  B: 84,
  HIGH: 85,
  LOW: 86,
  RESULT: 87,
  /** signs and exponents of the physical registers */
  END: 88,
  EXP_A: 96,
  EXP_B: 97,
  EXP: 98,
  RESULT_END: 99,
  /** bits to be set in the status word */
  RAISED: 100,
} as const;

/** Locals from L.PAGE on. */
export const PAGES = 6;

/** Functions that a region's module imports before the handlers. */
export const Import = { READ: 0, WRITE: 1, PAGE: 2, CONDITION: 3, END: 4, FLAGS: 5, X87: 6, PUT_OFF: 7 } as const;

/** Locals behind the parameter, in order. */
export const LOCALS: readonly (readonly [number, number])[] = [
  [28, Type.I64],
  [12, Type.I32],
  [3, Type.V128],
  [3, Type.F64],
  [3, Type.F32],
  [16, Type.V128],
  [PAGES + 1, Type.I32],
];

/** The same for regions that do x87 arithmetic. */
export const LOCALS_X87: typeof LOCALS = [...LOCALS, [15, Type.I64], [13, Type.I32]];
