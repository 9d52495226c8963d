import { describe, expect, it } from "vitest";
import type { SuiteRun, TaskRun } from "./peers/peer.js";
import { counted } from "./peers/watch.js";
import {
  geometricMean,
  latencyOf,
  median,
  medianOf,
  type Round,
  ratio,
  taskFigures,
  timesAsFast,
  wrongResults,
} from "./statistics.js";

const task = (cpuMs: number, more: Partial<TaskRun> = {}): TaskRun => ({
  cpuMs,
  wallMs: cpuMs * 2,
  status: 0,
  output: "checksum 1\n",
  counters: null,
  ...more,
});
const run = (tasks: Record<string, TaskRun>, bootMs = 1000): SuiteRun => ({
  boot: { cpuMs: bootMs, wallMs: bootMs, counters: null },
  residentMiB: 100,
  counters: null,
  tasks: new Map(Object.entries(tasks)),
});

const rounds: Round[] = [
  { xenolith: run({ alu: task(100) }, 2000), qemu: run({ alu: task(100) }), native: run({ alu: task(10) }) },
  { xenolith: run({ alu: task(300) }, 3000), qemu: run({ alu: task(100) }), native: run({ alu: task(10) }) },
  { xenolith: run({ alu: task(900) }, 8000), qemu: run({ alu: task(450) }, 2000), native: run({ alu: task(20) }) },
];

describe("averages", () => {
  it("are medians, and geometric means of ratios", () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 2, 3])).toBe(2.5);
    expect(median([])).toBeNaN();
    expect(geometricMean([2, 8])).toBeCloseTo(4);
    expect(geometricMean([])).toBeNull();
  });
});

describe("comparisons", () => {
  it("take ratios round by round before the median", () => {
    // Medians of each side would give 300 to 100.
    expect(taskFigures(rounds, "alu")).toMatchObject({ cpuMs: 300, wallMs: 600, cpuRatio: { qemu: 2, native: 30 } });
    expect(ratio(rounds, "qemu", (r) => r.boot?.cpuMs)).toBe(3);
    expect(medianOf(rounds, "qemu", (r) => r.boot?.cpuMs)).toBe(1000);
  });

  it("say how many times as fast one program was as another of the same round", () => {
    const paired = [
      { xenolith: run({ one: task(200), two: task(100) }) },
      { xenolith: run({ one: task(900), two: task(300) }) },
      { xenolith: run({ one: task(500), two: task(100) }) },
      { xenolith: run({ one: task(500) }) },
    ];
    expect(timesAsFast(paired, "xenolith", "two", "one")).toBe(3);
    expect(timesAsFast(paired, "qemu", "two", "one")).toBeNull();
  });

  it("leave out whom they do not know", () => {
    expect(taskFigures(rounds, "alu").cpuRatio.v86).toBeUndefined();
    expect(taskFigures(rounds, "else")).toMatchObject({ cpuMs: null, cpuRatio: {} });
    expect(ratio(rounds, "v86", (r) => r.boot?.cpuMs)).toBeNull();
    expect(medianOf(rounds, "v86", (r) => r.residentMiB)).toBeNull();
  });
});

describe("results", () => {
  it("are right when all machines agree", () => {
    expect(wrongResults(rounds, ["alu"])).toEqual([]);
  });

  it("leave out how long something took", () => {
    const [ours, theirs] = [3, 4].map((n) => task(1, { output: `latency 0000001${n}00 0000200000\nchecksum 1\n` }));
    expect(latencyOf(ours!)).toEqual({ median: 1.3, most: 200 });
    expect(latencyOf(task(1))).toBeNull();
    expect(wrongResults([{ native: run({ wake: ours! }), qemu: run({ wake: theirs! }) }], ["wake"])).toEqual([]);
    const empty = task(1, { output: "latency 0000001000 0000200000\n" });
    expect(wrongResults([{ native: run({ wake: empty }) }], ["wake"])).toHaveLength(1);
  });

  it("are wrong when a machine disagrees, fails or says nothing", () => {
    const wrong = (theirs: TaskRun) =>
      wrongResults([{ native: run({ alu: task(1) }), qemu: run({ alu: theirs }) }], ["alu"]);
    expect(wrong(task(1, { output: "checksum 2\n" }))).toEqual([
      'alu: native says "checksum 1", qemu says "checksum 2"',
    ]);
    expect(wrong(task(1, { status: 139 }))).toEqual(['alu: qemu ended with status 139 and said "checksum 1"']);
    expect(wrong(task(1, { output: "" }))).toEqual(['alu: qemu ended with status 0 and said ""']);
  });
});

describe("counters", () => {
  it("are differences, with the shares where the core tells them", () => {
    const jit = { region: 5, handler: 3, interpreter: 2 };
    const more = { region: 95, handler: 4, interpreter: 3 };
    expect(counted({ instructions: 10 }, { instructions: 110 })).toEqual({ instructions: 100 });
    expect(counted({ instructions: 10, jit }, { instructions: 102, jit: more })).toEqual({
      instructions: 92,
      jit: { region: 90, handler: 1, interpreter: 1 },
    });
    expect(counted(null, { instructions: 1 })).toBeNull();
  });
});
