/** Every lowering by semantic. A semantic that is not here is done by its handler. */
import { ALU } from "./alu.js";
import { BIT } from "./bit.js";
import { FLAG_ROWS } from "./flag.js";
import { EXCHANGE, LOCKED } from "./lock.js";
import type { Lowering, Lowerings } from "./lowering.js";
import { MOV } from "./mov.js";
import { MULDIV } from "./muldiv.js";
import { PRIVILEGED } from "./privileged.js";
import { SHIFT } from "./shift.js";
import { SSE_ARITH } from "./sse-arith.js";
import { SSE_COMPARE } from "./sse-compare.js";
import { SSE_CONVERT } from "./sse-convert.js";
import { SSE_INT } from "./sse-int.js";
import { SSE_MOVE } from "./sse-move.js";
import { SSE_SHUFFLE } from "./sse-shuffle.js";
import { STACK } from "./stack.js";
import { STRING } from "./string.js";
import { X87_ARITH } from "./x87-arith.js";
import { X87_COMPARE } from "./x87-compare.js";
import { X87_MOVE } from "./x87-move.js";

export type { Lowering, Lowerings } from "./lowering.js";

const UNLOCKED: Lowerings = {
  ...ALU,
  ...MOV,
  ...STACK,
  ...SHIFT,
  ...MULDIV,
  ...BIT,
  ...FLAG_ROWS,
  ...PRIVILEGED,
  ...STRING,
  ...SSE_MOVE,
  ...SSE_INT,
  ...SSE_SHUFFLE,
  ...SSE_ARITH,
  ...SSE_COMPARE,
  ...SSE_CONVERT,
  ...X87_ARITH,
  ...X87_COMPARE,
  ...X87_MOVE,
};

const either =
  (unlocked: Lowering | undefined, locked: Lowering): Lowering =>
  (e, i) =>
    i.v.lock ? locked(e, i) : (unlocked?.(e, i) ?? false);

export const LOWERINGS: Lowerings = {
  ...UNLOCKED,
  ...Object.fromEntries(Object.entries(LOCKED).map(([name, lowering]) => [name, either(UNLOCKED[name], lowering)])),
  xadd: EXCHANGE.xadd,
  cmpxchg: EXCHANGE.cmpxchg,
};
