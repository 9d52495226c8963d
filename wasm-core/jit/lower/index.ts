/** Every lowering by semantic. A semantic that is not here is done by its handler. */
import { ALU } from "./alu.js";
import type { Lowerings } from "./lowering.js";
import { MOV } from "./mov.js";
import { SSE_ARITH } from "./sse-arith.js";
import { SSE_COMPARE } from "./sse-compare.js";
import { SSE_CONVERT } from "./sse-convert.js";
import { SSE_INT } from "./sse-int.js";
import { SSE_MOVE } from "./sse-move.js";
import { SSE_SHUFFLE } from "./sse-shuffle.js";
import { STACK } from "./stack.js";

export type { Lowering, Lowerings } from "./lowering.js";
export const LOWERINGS: Lowerings = {
  ...ALU,
  ...MOV,
  ...STACK,
  ...SSE_MOVE,
  ...SSE_INT,
  ...SSE_SHUFFLE,
  ...SSE_ARITH,
  ...SSE_COMPARE,
  ...SSE_CONVERT,
};
