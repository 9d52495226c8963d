import { expect, it } from "vitest";
import type { RegionAnswer, RegionQuestion } from "../../wasm-core/worker/index.js";
import { CompilerQuestions } from "./compiler-questions.js";

it("tells who has asked what the compiler failed on, and goes on asking", async () => {
  const { port1, port2 } = new MessageChannel();
  let rest: Omit<RegionAnswer, "id"> = { error: "out of bounds" };
  port2.onmessage = ({ data }: MessageEvent<RegionQuestion>) => port2.postMessage({ id: data.id, ...rest });
  const questions = new CompilerQuestions(port1, () => {});
  await expect(questions.list()).rejects.toThrow("out of bounds");
  await expect(questions.describe(3, false)).rejects.toThrow("out of bounds");
  rest = { text: "region 3" };
  expect(await questions.describe(3, false)).toBe("region 3");
  questions.close();
});
