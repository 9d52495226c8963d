import { describe, expect, it } from "vitest";
import baseline from "./baseline.json" with { type: "json" };
import { HELP, type Options, readOptions } from "./options.js";
import { tasksOf, WORKLOADS } from "./workloads.js";

const options = (...args: string[]): Options => readOptions(args) as Options;

describe("the bench's options", () => {
  it("are everything when none is given", () => {
    const { workloads, peers, words, pairs, whole, check } = options();
    expect(workloads).toEqual(WORKLOADS);
    expect({ peers, words, pairs, whole, check }).toEqual({
      peers: ["qemu", "v86", "native"],
      words: [64, 32],
      pairs: 3,
      whole: true,
      check: true,
    });
  });

  it("pick programs, groups, peers and words", () => {
    const { workloads, peers, words, whole } = options("--only", "alu,tools", "--peers", "qemu", "--words", "64");
    expect(workloads.map((w) => w.name)).toEqual(["alu", "gzip", "bzip2", "shell"]);
    expect({ peers, words, whole }).toEqual({ peers: ["qemu"], words: [64], whole: false });
    expect(options("--only", "boot").workloads).toEqual([]);
  });

  it("compare with the baseline only what is comparable with it", () => {
    expect(options("--scale", "2").check).toBe(false);
    expect(options("--update").check).toBe(false);
    expect(options("--no-check").check).toBe(false);
    expect(options("--no-jit")).toMatchObject({ jit: false, check: false });
    expect(() => options("--no-jit", "--update")).toThrow("without --no-jit");
  });

  it("refuse what is not there, with what is", () => {
    expect(() => options("--only", "alu,lisp")).toThrow('no program or group "lisp"');
    expect(() => options("--peers", "bochs")).toThrow('"bochs" is none of qemu, v86, native');
    expect(() => options("--pairs", "0")).toThrow("not a number above 0");
    expect(() => options("--pairs", "1.5")).toThrow("whole boots");
    expect(() => options("--colour")).toThrow("--colour");
  });

  it("are explained", () => {
    expect(readOptions(["--help"])).toBe(HELP);
    expect(readOptions(["--list"])).toContain("chase-cache");
    for (const flag of [
      "only",
      "peers",
      "words",
      "pairs",
      "quick",
      "scale",
      "flavour",
      "no-jit",
      "no-build",
      "update",
      "no-check",
      "json",
    ]) {
      expect(HELP).toContain(`--${flag}`);
    }
  });
});

describe("the programs", () => {
  it("are the baseline's", () => {
    const keys = tasksOf(WORKLOADS, [64, 32], 1).map(({ key }) => key);
    expect(Object.keys(baseline.figures).filter((key) => key !== "boot" && !keys.includes(key))).toEqual([]);
  });

  it("do more with a larger scale, and always something", () => {
    const alu = WORKLOADS.filter((w) => w.name === "alu");
    expect(tasksOf(alu, [64], 2)[0]!.command).toBe(`$B/alu.64 ${2 * alu[0]!.count}`);
    expect(tasksOf(alu, [64], 1e-12)[0]!.command).toBe("$B/alu.64 1");
  });
});
