import { expect, test } from "vitest";
import { err, ok, unwrap } from "./result.js";

test("unwrap returns the value of a success and throws the reason of a failure", () => {
  expect(unwrap(ok(7))).toBe(7);
  expect(() => unwrap(err("truncated", "the file ends early"))).toThrow("truncated: the file ends early");
});
