/**
 * The core's functions that regions call besides handlers: assembly/jit/doors.ts says what each does. All take one thing more
 * than they need, a vector. For each signature among a module's imports that JavaScript could serve the engine of Node 20
 * makes an adapter before anybody asks for it, with its best compiler: 0.2 to 0.6 ms a module of regions, as much as all else
 * about it. JavaScript knows no vectors, so for these there is none.
 */
import { L } from "./locals.js";
import type { Code } from "./wasm/code.js";
import { Type } from "./wasm/ops.js";

const { I32, I64 } = Type;

/** In the order in which modules import them, with what they take before the vector; all answer with an i32. */
export const DOORS = [
  { name: "regionRead", params: [I32, I64, I32] },
  { name: "regionWrite", params: [I32, I64, I32] },
  { name: "regionPage", params: [I32, I64, I32, I32, I32] },
  { name: "regionCondition", params: [I32, I32] },
  { name: "regionEnd", params: [I32, I32, I64, I64, I32] },
  { name: "regionFlags", params: [I32] },
  { name: "regionX87", params: [I32, I32, I64, I64, I32, I32] },
  { name: "regionPutOff", params: [I32, I64, I32] },
] as const;

export type DoorName = (typeof DOORS)[number]["name"];

const NUMBERS = new Map<DoorName, number>(DOORS.map(({ name }, n) => [name, n]));

/** Calls a door with what is on the stack. */
export function callDoor(c: Code, name: DoorName): Code {
  return c.get(L.NOTHING).call(NUMBERS.get(name)!);
}
