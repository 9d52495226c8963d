import { describe, expect, it } from "vitest";
import { figuresOf, median, type Pair, regressions, table } from "./figures.js";
import type { Run } from "./subjects.js";

const run = (cpuMs: number, more: Partial<Run> = {}): Run => ({
  status: 0,
  cpuMs,
  wallMs: cpuMs * 2,
  peakMiB: 100,
  marks: [],
  output: "",
  firstLineMs: 10,
  shellMs: null,
  instructions: null,
  ...more,
});

const pairs: Pair[] = [
  { ours: run(2000, { instructions: 4e8 }), theirs: run(1000) },
  { ours: run(3000, { instructions: 4e8 }), theirs: run(1000) },
  { ours: run(9000, { instructions: 4e8 }), theirs: run(2000) },
];

describe("figures of a comparison", () => {
  it("takes medians, of ratios pair by pair", () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 2, 3])).toBe(2.5);
    expect(figuresOf(pairs)).toEqual({ cpuRatio: 3, wallRatio: 3, instructionsM: 400, peakMiB: 100 });
  });

  it("shows what is known and a dash for the rest", () => {
    const text = table("boot", ["A", "B"], pairs);
    expect(text).toContain("| instructions a second of CPU time | 133 MIPS | - |");
    expect(text).toContain("| to the end of the command | - | - |");
    expect(text).toContain("CPU time 3.00 times B's (2.00 to 4.50)");
  });

  it("names what is worse than the baseline by more than its tolerance", () => {
    const workloads = { boot: { cpuRatio: 2, wallRatio: 2.9, instructionsM: 400, peakMiB: 90 } };
    const baseline = { tolerances: { cpuRatio: 0.2, wallRatio: 0.2, instructionsM: 0.1, peakMiB: 0.2 }, workloads };
    expect(regressions("boot", figuresOf(pairs), baseline)).toEqual(["boot: cpuRatio is 3.00, the baseline 2.00"]);
    expect(regressions("else", figuresOf(pairs), baseline)).toEqual(["else: not in the baseline"]);
  });
});
