import { describe, expect, it } from "vitest";
import { HISTORY_LENGTH } from "./domains.js";
import { sparkPoints } from "./spark-points.js";

describe("sparkline", () => {
  it("draws the newest at the right edge, within its box", () => {
    expect(sparkPoints([], 100)).toBe("");
    expect(sparkPoints([0], 100)).toBe("120.0,27.0");
    expect(sparkPoints([0, 500], 100).split(" ")[1]).toBe("120.0,1.0");
    expect(sparkPoints(new Array(HISTORY_LENGTH).fill(50), 100).split(" ")[0]).toBe("0.0,14.0");
  });
});
