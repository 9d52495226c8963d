/** Every lowering by semantic. A semantic that is not here is done by its handler. */
import { ALU } from "./alu.js";
import type { Lowerings } from "./lowering.js";
import { MOV } from "./mov.js";
import { STACK } from "./stack.js";

export type { Lowering, Lowerings } from "./lowering.js";
export const LOWERINGS: Lowerings = { ...ALU, ...MOV, ...STACK };
