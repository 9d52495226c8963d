import { expect, it } from "vitest";
import type { RegionCompiler } from "../jit/compiler.js";
import { answer } from "./compiler.js";

it("answers a question that it fails on with what went wrong", () => {
  const compiler = {
    look: () => {
      throw new RangeError("out of bounds");
    },
  } as unknown as RegionCompiler;
  for (const region of [null, 3])
    expect(answer(compiler, { id: 7, region, wasm: false })).toEqual({
      id: 7,
      error: expect.stringContaining("out of bounds"),
    });
});
