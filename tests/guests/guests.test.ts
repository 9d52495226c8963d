/**
 * Runs every guest program on the core, by the interpreter alone and with regions of what runs a second time, and compares
 * line by line what it printed with what the manual says.
 */
import { readdirSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { expectedLines, type GuestProgram } from "./support/program.js";
import { runProgram } from "./support/run.js";

const EXIT_OK = 1;
const WITH_REGIONS = [
  ["does what the manual says", undefined],
  ["does so in regions too", 1],
] as const;

async function programs(): Promise<GuestProgram[]> {
  const files = readdirSync(new URL("./programs/", import.meta.url))
    .filter((f) => f.endsWith(".ts"))
    .sort();
  const modules = await Promise.all(files.map((f) => import(new URL(`./programs/${f}`, import.meta.url).href)));
  return modules.flatMap((m: Record<string, unknown>) => Object.values(m) as GuestProgram[]);
}

describe.each(await programs())("$name", (program) => {
  it.each(WITH_REGIONS)("%s", { timeout: 120_000 }, async (_, threshold) => {
    const { output, status, stopped, crash, inRegions } = await runProgram(program, threshold);
    const lines = output.split("\n").filter((line) => line !== "");
    if (program.crash === undefined) expect(stopped, output).toBe("");
    expect(lines).toEqual(expectedLines(program));
    expect(crash).toBe(program.crash);
    if (threshold === undefined) expect(inRegions).toBe(0n);
    expect(status).toBe(program.crash === undefined ? EXIT_OK : null);
  });
});
