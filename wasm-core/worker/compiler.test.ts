import { expect, it } from "vitest";
import type { RegionCompiler } from "../jit/compiler.js";
import { answer } from "./compiler.js";
import type { RegionSubject } from "./messages.js";

it("answers a question that it fails on with what went wrong", () => {
  const compiler = {
    look: () => {
      throw new RangeError("out of bounds");
    },
  } as unknown as RegionCompiler;
  const subjects: readonly RegionSubject[] = [
    { about: "regions" },
    { about: "region", region: 3, wasm: false },
    { about: "exits", clear: true },
  ];
  for (const subject of subjects)
    expect(answer(compiler, { id: 7, ...subject })).toEqual({
      id: 7,
      error: expect.stringContaining("out of bounds"),
    });
});
