/** Runs a program of two processors on the real machine, with a pCPU for each. */
import { expect } from "vitest";
import { connectNode } from "../../../control-plane/api/connect-node.js";
import type { HostApi } from "../../../control-plane/api/index.js";
import { pvhElf } from "../../../wasm-core/isa/asm/index.js";
import { Console } from "../../boot/debian.js";
import { expectedLines, type GuestProgram, ORIGIN } from "../support/program.js";
import { assembleProgram } from "../support/run.js";

/** Far more than it takes when both processors have to share one of the host's. */
export const LIMIT_MS = 600_000;
/** Whether there are regions, and how a test says so. */
export const WAYS = [
  ["by the interpreter", false],
  ["where some of it is compiled", true],
] as const;

interface Race {
  readonly lines: readonly string[];
  /** Why the domain has ended. */
  readonly reason: string;
  /** Instructions that its processors did in regions. */
  readonly inRegions: number;
}

async function raceOn(host: HostApi, program: GuestProgram): Promise<Race> {
  const kernel = pvhElf(assembleProgram(program), ORIGIN);
  const platform = { debugcon: true, exitPort: true };
  const domid = await host.create({ name: "two", kernel, memoryMiB: 48, vcpus: 2, platform, onPoweroff: "preserve" });
  const ended = host.waitShutdown(domid);
  const console = await Console.of(host, domid, "serial");
  // The last check's line is the last, whatever is in it.
  await console.until(`\n${program.checks.at(-1)!.name}:`, 0, LIMIT_MS);
  const { reason } = await ended;
  const { jit } = await host.domain(domid);
  return { lines: console.text.split(/\r?\n/).filter((line) => line !== ""), reason, inRegions: jit?.region ?? 0 };
}

/** Expects that the program prints what it is to print, and that as much of it is compiled as was asked for. */
export async function expectRace(program: GuestProgram, jit: boolean): Promise<void> {
  const host = await connectNode({ pcpus: 2, jit });
  try {
    const { lines, reason, inRegions } = await raceOn(host, program);
    expect(lines).toEqual(expectedLines(program));
    expect(reason).toBe("exit");
    if (jit) expect(inRegions).toBeGreaterThan(0);
    else expect(inRegions).toBe(0);
  } finally {
    await host.close();
  }
}
