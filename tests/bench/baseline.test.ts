import { describe, expect, it } from "vitest";
import { type Baseline, regressions, updated } from "./baseline.js";

const baseline: Baseline = {
  tolerances: { qemu: 0.5, v86: 0.5, native: 0.5, wall: 0.5, second: 0.5, instructionsM: 0.1, memory: 0.2 },
  figures: { "alu 64": { qemu: 2, instructionsM: 100 }, boot: { qemu: 2, memory: 1 } },
};

describe("the baseline", () => {
  it("names what is worse by more than its tolerance", () => {
    expect(regressions({ "alu 64": { qemu: 2.9, instructionsM: 109 }, boot: { memory: 1.3 } }, baseline)).toEqual([
      "boot: memory is 1.30, the baseline 1.00",
    ]);
    expect(regressions({ "alu 64": { qemu: 3.1 } }, baseline)).toEqual(["alu 64: qemu is 3.10, the baseline 2.00"]);
  });

  it("compares only what both know", () => {
    expect(regressions({ "new 64": { qemu: 9 }, boot: { instructionsM: 9 } }, baseline)).toEqual([]);
  });

  it("is replaced where something was measured", () => {
    expect(updated(baseline, { "alu 64": { qemu: 1.23456 }, "new 64": { qemu: 3 } })).toEqual({
      tolerances: baseline.tolerances,
      figures: { "alu 64": { qemu: 1.23, instructionsM: 100 }, boot: { qemu: 2, memory: 1 }, "new 64": { qemu: 3 } },
    });
  });
});
