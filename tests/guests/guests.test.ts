/** Runs every guest program on the core, and compares line by line what it printed with what the manual says. */
import { readdirSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { expectedLines, type GuestProgram } from "./support/program.js";
import { runProgram } from "./support/run.js";

const EXIT_OK = 1;

async function programs(): Promise<GuestProgram[]> {
  const files = readdirSync(new URL("./programs/", import.meta.url))
    .filter((f) => f.endsWith(".ts"))
    .sort();
  const modules = await Promise.all(files.map((f) => import(new URL(`./programs/${f}`, import.meta.url).href)));
  return modules.flatMap((m: Record<string, unknown>) => Object.values(m) as GuestProgram[]);
}

describe.each(await programs())("$name", (program) => {
  it("does what the manual says", { timeout: 120_000 }, async () => {
    const { output, status, stopped, crash } = await runProgram(program);
    const lines = output.split("\n").filter((line) => line !== "");
    if (program.crash === undefined) expect(stopped, output).toBe("");
    expect(lines).toEqual(expectedLines(program));
    expect(crash).toBe(program.crash);
    expect(status).toBe(program.crash === undefined ? EXIT_OK : null);
  });
});
