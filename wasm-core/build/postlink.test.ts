import { expect, it } from "vitest";
import { moduleBytes } from "../jit/wasm/module.js";
import { Type } from "../jit/wasm/ops.js";
import { readMemoryLimits } from "../worker/index.js";
import { unshareMemory } from "./postlink.js";

const { I32 } = Type;
/** local.get 0, i32.const 5, i32.atomic.rmw.add, drop; local.get 0, i32.const 1, memory.atomic.notify; end. */
const ADD_AND_NOTIFY = [...[0x20, 0, 0x41, 5, 0xfe, 0x1e, 2, 0, 0x1a], ...[0x20, 0, 0x41, 1, 0xfe, 0x00, 2, 0, 0x0b]];

const shared = moduleBytes({
  types: [{ params: [I32], results: [I32] }],
  imports: [{ module: "env", name: "before", type: 0 }],
  memory: { initial: 1, maximum: 2 },
  functions: [{ type: 0, locals: [], code: Uint8Array.from(ADD_AND_NOTIFY) }],
});

async function run(wasm: Uint8Array, memory: WebAssembly.Memory): Promise<number> {
  const module = await WebAssembly.compile(wasm.slice());
  const { exports } = await WebAssembly.instantiate(module, { env: { memory, before: () => 0 } });
  return (exports["0"] as (at: number) => number)(64);
}

it("gives a module whose atomic instructions work on memory that is not shared", async () => {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 2 });
  expect(await run(unshareMemory(shared), memory)).toBe(0);
  expect(new Int32Array(memory.buffer)[16]).toBe(5);
  expect(memory.buffer).toBeInstanceOf(ArrayBuffer);
});

it("changes nothing but the memory's declaration, and leaves its input alone", async () => {
  const before = shared.slice();
  const made = unshareMemory(shared);
  expect(shared).toEqual(before);
  expect([...made].filter((byte, at) => byte !== shared[at])).toEqual([1]);
  expect(readMemoryLimits(shared)).toEqual({ initial: 1, maximum: 2, shared: true });
  expect(readMemoryLimits(made)).toEqual({ initial: 1, maximum: 2, shared: false });
  await expect(run(made, new WebAssembly.Memory({ initial: 1, maximum: 2, shared: true }))).rejects.toThrow();
  await expect(run(shared, new WebAssembly.Memory({ initial: 1, maximum: 2 }))).rejects.toThrow();
});

it("refuses a module without a memory to change", () => {
  expect(() => unshareMemory(Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0))).toThrow(/no memory/);
});
