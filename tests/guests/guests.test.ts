/**
 * Runs every guest program on the core, by the interpreter alone and with regions of its loops, and compares line by line
 * what it printed with what the manual says. Regions are made between slices: what takes less than one has none.
 */
import { readdirSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { expectedLines, type GuestProgram } from "./support/program.js";
import { runProgram } from "./support/run.js";

const EXIT_OK = 1;
/** With the runs of a block before a region is made of it, if any are. */
const WAYS = [
  ["does what the manual says", undefined],
  ["does so with regions of its loops", 1],
] as const;
/** Those whose loops take long enough. */
const WITH_LOOPS = [
  "32-bit protected mode",
  "a second processor",
  "four-level paging",
  "interrupts and the local APIC",
  "privilege changes in 64-bit mode",
  "repeated string instructions",
  "segments and far transfers in 64-bit mode",
  "virtual-8086 mode",
];
const ranInRegions = new Set<string>();

async function programs(): Promise<GuestProgram[]> {
  const files = readdirSync(new URL("./programs/", import.meta.url))
    .filter((f) => f.endsWith(".ts"))
    .sort();
  const modules = await Promise.all(files.map((f) => import(new URL(`./programs/${f}`, import.meta.url).href)));
  return modules.flatMap((m: Record<string, unknown>) => Object.values(m) as GuestProgram[]);
}

describe.each(await programs())("$name", (program) => {
  it.each(WAYS)("%s", { timeout: 120_000 }, async (_, threshold) => {
    const { output, status, stopped, crash, inRegions } = await runProgram(program, threshold);
    const lines = output.split("\n").filter((line) => line !== "");
    if (program.crash === undefined) expect(stopped, output).toBe("");
    expect(lines).toEqual(expectedLines(program));
    expect(crash).toBe(program.crash);
    if (threshold === undefined) expect(inRegions).toBe(0n);
    if (inRegions > 0n) ranInRegions.add(program.name);
    expect(status).toBe(program.crash === undefined ? EXIT_OK : null);
  });
});

it("those with long loops ran in regions", () => {
  expect([...ranInRegions].sort()).toEqual(WITH_LOOPS);
});
