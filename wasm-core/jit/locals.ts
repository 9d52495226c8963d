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
  /** result of the instruction whose flags are put off */
  PUT_OFF: 27,
  SITE: 28,
  CC_OP: 29,
  /** instructions left */
  LEFT: 30,
  HANDLERS: 31,
  STATUS: 32,
  P: 33,
  E: 34,
  TLB: 35,
  I: 36,
  J: 37,
  K: 38,
  V: 39,
  W: 40,
  R: 41,
  /** f64 and f32 temporaries: operands and result */
  D: 42,
  F: 45,
  /** the vector registers */
  XMM: 48,
  /** a vector that is never set, for doors */
  NOTHING: 64,
  /** machine addresses of accesses that were made */
  PAGE: 65,
  /** deltas of the last pages on which pointers were followed */
  DELTAS: 71,
  /** rounds that stay on the pages of their cursors */
  ROUNDS: 75,
  /** x87: control, status and tag words and FOP as they lie in the vCPU, and FIP */
  FW: 76,
  FIP: 77,
  /** significands of the physical registers; temporaries */
  SIG: 78,
  A: 86,
  B: 87,
  HIGH: 88,
  LOW: 89,
  RESULT: 90,
  /** signs and exponents of the physical registers */
  END: 91,
  EXP_A: 99,
  EXP_B: 100,
  EXP: 101,
  RESULT_END: 102,
  /** bits to be set in the status word */
  RAISED: 103,
} as const;

/** Locals from L.PAGE on. */
export const PAGES = 6;

/** Locals from L.DELTAS on. */
export const DELTAS = 4;

/** Locals behind the parameter, in order. */
export const LOCALS: readonly (readonly [number, number])[] = [
  [28, Type.I64],
  [10, Type.I32],
  [3, Type.V128],
  [3, Type.F64],
  [3, Type.F32],
  [17, Type.V128],
  [PAGES + DELTAS + 1, Type.I32],
];

/** The same for regions that do x87 arithmetic. */
export const LOCALS_X87: typeof LOCALS = [...LOCALS, [15, Type.I64], [13, Type.I32]];
