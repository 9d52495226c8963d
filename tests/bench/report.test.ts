import { describe, expect, it } from "vitest";
import { bigCodeSource } from "./big-code.js";
import type { TaskRun } from "./peers/peer.js";
import { residentMiBOf } from "./process.js";
import { sampleText } from "./programs.js";
import { exitTable, programTable, shares } from "./report.js";
import type { Round, TaskFigures } from "./statistics.js";
import { targetsOf, targetTable } from "./targets.js";

const figures = (key: string, more: Partial<TaskFigures>): TaskFigures => ({
  key,
  cpuMs: 1500,
  wallMs: 2000,
  cpuRatio: {},
  counters: null,
  ...more,
});
const programs = [
  figures("alu 64", { cpuRatio: { qemu: 0.5, native: 1.4 }, counters: { instructions: 3e8 } }),
  figures("alu 32", { cpuRatio: { qemu: 2, v86: 0.25 } }),
];

describe("the table of programs", () => {
  it("has ratios, means and what the guest executed", () => {
    expect(programTable(programs).split("\n")).toEqual([
      "| program | CPU time | x QEMU | x v86 | x native | M instr. | MIPS |",
      "|---|---:|---:|---:|---:|---:|---:|",
      "| alu 64 | 1.50 s | 0.50 | - | 1.40 | 300 | 200 |",
      "| alu 32 | 1.50 s | 2.00 | 0.25 | - | - | - |",
      "| geometric mean |  | 1.00 | 0.25 | 1.40 |  |  |",
    ]);
  });

  it("shows where instructions were executed once the core counts it", () => {
    const jit = { region: 90, handler: 6, interpreter: 4 };
    const table = programTable([figures("alu 64", { counters: { instructions: 100, jit } })]);
    expect(table).toContain("% region/handler/interp. |");
    expect(table).toContain("| 90/6/4 |");
    expect(shares({ instructions: 1 })).toBe("-");
    expect(shares({ instructions: 0, jit: { region: 0, handler: 0, interpreter: 0 } })).toBe("-");
  });
});

describe("the table of ways out of regions", () => {
  const run = (exits: TaskRun["exits"]): TaskRun => ({
    cpuMs: 1,
    wallMs: 1,
    status: 0,
    output: "",
    counters: null,
    ...(exits ? { exits } : {}),
  });

  it("has the slowest of each program, of the last round", () => {
    const exits = [
      { rip: "ffffffff81c01199", why: "left", exits: 12_345_678, instructions: 37_000_000, text: "iretq" },
      { rip: "0000000000401000", why: "fault", exits: 640, instructions: 12_800 },
    ] as const;
    const round = (tasks: [string, TaskRun][]): Round => ({
      xenolith: { boot: null, residentMiB: null, counters: null, tasks: new Map(tasks) },
    });
    const rounds = [round([["alu 64", run([])]]), round([["alu 64", run(exits)]])];
    expect(
      exitTable([{ rounds, tasks: [{ key: "alu 64" }, { key: "alu 32" }] }])
        .split("\n")
        .slice(2),
    ).toEqual(["| alu 64 | left at ffffffff81c01199 `iretq`, 12 M: 37 M | fault at 401000, 640: 13 k |  |"]);
    expect(exitTable([{ rounds: [round([["alu 64", run(undefined)]])], tasks: [{ key: "alu 64" }] }])).toBe("");
  });
});

describe("targets", () => {
  it("say what was reached, and what was not measured", () => {
    const targets = targetsOf(programs, [], [], []);
    const met = Object.fromEntries(targets.map((target) => [target.what, target.met]));
    expect(met).toMatchObject({
      "CPU time to QEMU's, geometric mean": true,
      "CPU time to QEMU's, worst program": true,
      "times as fast as v86, geometric mean": true,
      "alu to native": true,
      "chase-cache to native": null,
      "speed-up by a second processor": null,
      "the same, with a lock": null,
    });
    expect(targetTable(targets)).toContain("| alu to native | at most 1.5 | 1.40 | met |");
  });

  it("compare ways between two guests", () => {
    const wall = { "streams-2x1 64": 900, "streams-2x2 64": 600, "netchannel2 64": 300, "netchannel2-switch 64": 240 };
    const tasks = Object.entries(wall).map(
      ([key, wallMs]) => [key, { cpuMs: 1, wallMs, status: 0, output: "", counters: null }] as const,
    );
    const nets = [{ xenolith: { boot: null, residentMiB: null, counters: null, tasks: new Map(tasks) } }];
    const table = targetTable(targetsOf([], [], [], nets));
    expect(table).toContain("| times as fast, two queues to one | at least 1 | 1.50 | met |");
    expect(table).toContain("| times as fast, four queues to one | at least 1 | - | not measured |");
    expect(table).toContain("| times as fast, a bypass to the switch | at least 1 | 0.80 | not met |");
  });
});

describe("what is generated", () => {
  it("is the same every time", () => {
    expect(sampleText(1000)).toBe(sampleText(2000).slice(0, 1000));
    expect(bigCodeSource()).toBe(bigCodeSource());
    expect(bigCodeSource().match(/^static u32 f\d+\(/gm)).toHaveLength(1500);
  });
});

describe("a process's memory", () => {
  it("is read from its status", () => {
    expect(residentMiBOf("VmPeak:\t  9 kB\nVmRSS:\t    2048 kB\n")).toBe(2);
    expect(residentMiBOf("")).toBe(0);
  });
});
