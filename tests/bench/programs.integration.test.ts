import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { prepareGuest } from "../../control-plane/guest/index.js";
import { unwrap } from "../../control-plane/util/index.js";
import { xenolith } from "./peers/xenolith.js";
import { cpuMs } from "./process.js";
import { CLOCK, filesFor, makePrograms, nativeWords, TIMED } from "./programs.js";
import { NEIGHBOUR, type Task, tasksOf, WORKLOADS, type Word } from "./workloads.js";

const folder = mkdtempSync(join(tmpdir(), "xenolith-programs-"));
const all = tasksOf(WORKLOADS, [64, 32], 1e-12);
/** Those that need no busybox, no guest's disk and no neighbour, each with its smallest count. */
const tasks = all.filter(
  ({ command, workload, server }) => !command.includes("busybox") && workload.group !== "disk" && server === undefined,
);

/** The generated program alone takes a compiler many seconds. */
const COMPILE_MS = 600_000;
let words: readonly Word[];
beforeAll(() => {
  makePrograms(folder, {});
  words = nativeWords(folder);
}, COMPILE_MS);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const output = ({ command }: Task): string =>
  execFileSync("sh", ["-c", command], { env: { ...process.env, B: folder }, encoding: "utf8" });

const PRINTED = /^(latency \d+ \d+\n)?checksum [0-9a-f]{8}\n$/;

const GUEST_MS = 600_000;
/** What tasks print in a guest: this machine may have no 32-bit processes. */
async function outputsInGuest(wanted: readonly Task[]): Promise<string[]> {
  const guest = unwrap(await prepareGuest({ flavour: "cloud" }));
  const run = await xenolith(guest, folder, folder, true).run(wanted, 1);
  return wanted.map(({ key }) => run.tasks.get(key)?.output ?? "");
}

describe("the programs of the bench", () => {
  it("for two guests talk to each other over the loopback", () => {
    for (const { key, command, server } of all) {
      if (server === undefined) continue;
      const alone = command.replace(NEIGHBOUR, "127.0.0.1");
      expect(output({ command: `${server} >/dev/null & ${alone}; wait` } as Task), key).toMatch(
        /^checksum [0-9a-f]{8}$/m,
      );
    }
  });

  it("run on this processor and print a checksum", () => {
    const here = tasks.filter(({ word }) => words.includes(word));
    expect(here.length).toBeGreaterThan(20);
    for (const task of here) expect(output(task), task.key).toMatch(PRINTED);
  });

  it("compute the same in 32 bits as in 64", { timeout: GUEST_MS }, async () => {
    const narrow = tasks.filter(({ word }) => word === 32);
    expect(narrow.length).toBeGreaterThan(10);
    const outputs = words.includes(32) ? narrow.map(output) : await outputsInGuest(narrow);
    for (const [i, task] of narrow.entries()) {
      const wide = tasks.find((t) => t.word === 64 && t.workload === task.workload)!;
      expect(outputs[i], task.key).toBe(output(wide));
    }
  });

  it("have a compiler that finds its libraries, and compiles", () => {
    const { command } = all.find(({ workload }) => workload.name === "cc1")!;
    const text = output({ command: command.replace(/\$B\/busybox\.64 md5sum/, "cat") } as Task);
    expect(text).toMatch(/^_start:$/m);
    expect(text).toContain("GCC: (");
  });

  it("use the x87 where they say so", () => {
    const [sse, x87] = ["float-sse", "float-x87"].map((name) => output(tasks.find((t) => t.workload.name === name)!));
    expect(sse).not.toBe(x87);
  });

  it("reach a guest with what they need and no more", () => {
    const names = (only: string) =>
      filesFor(
        folder,
        all.filter((t) => t.workload.name === only),
      ).map((f) => f.name);
    expect(names("alu")).toEqual(["alu.32", "alu.64"]);
    expect(names("cc1")).toEqual(expect.arrayContaining(["cc1", "cc1.i", "cc1.loader", "libc.so.6"]));
    expect(readdirSync(folder)).toContain("loop.sh");
  });
});

/** Linux numbers processes below 2^22. */
const NOBODY = (1 << 22) + 1;

describe("the helpers", () => {
  it("tell the CPU time of a process, and of a command", () => {
    const before = cpuMs(join(folder, CLOCK), process.pid);
    execFileSync(join(folder, TIMED), [join(folder, "alu.64"), "1"], { stdio: ["ignore", "ignore", "pipe"] });
    expect(cpuMs(join(folder, CLOCK), process.pid)).toBeGreaterThan(before);
    expect(() => cpuMs(join(folder, CLOCK), NOBODY)).toThrow("status");
  });
});
