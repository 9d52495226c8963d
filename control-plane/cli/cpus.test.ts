import { describe, expect, test } from "vitest";
import { formatCpus, parseCpus } from "./cpus.js";

describe("sets of pCPUs", () => {
  test.each([
    ["all", "all"],
    ["0", [0]],
    ["3,0-1", [0, 1, 3]],
    ["0-5,^2", [0, 1, 3, 4, 5]],
    [" 1 , 2 ", [1, 2]],
    ["^1", []],
    ["", null],
    ["5-2", null],
    ["128", null],
    ["x", null],
    ["1-", null],
  ])("%j", (text, expected) => expect(parseCpus(text)).toEqual(expected));

  test("all but one", () => expect(parseCpus("all,^1")).toHaveLength(127));

  test.each([
    [[0, 1, 2, 3], "all"],
    [[0, 1, 3], "0-1,3"],
    [[2], "2"],
  ])("%j is %s", (set, text) => expect(formatCpus(set, 4)).toBe(text));
});
