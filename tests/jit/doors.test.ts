/**
 * No signature of what all modules of regions import is one that JavaScript could serve: for those an engine may make adapters,
 * for each module, that cost as much as the module.
 */
import { expect, it } from "vitest";
import { DOORS } from "../../wasm-core/jit/doors.js";
import { Type } from "../../wasm-core/jit/wasm/ops.js";
import { makeTestCore } from "../support/core.js";

it("JavaScript cannot call the doors of regions", async () => {
  const { call } = await makeTestCore();
  for (const { name, params } of DOORS) {
    const door = call[name] as unknown as (...args: (number | bigint)[]) => number;
    const args = [...params.map((type) => (type === Type.I64 ? 0n : 0)), 0];
    expect(() => door(...args), name).toThrow(TypeError);
  }
});
