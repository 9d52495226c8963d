/** Runs a program of two processors on the real machine, with a pCPU for each. */
import type { HostApi } from "../../../control-plane/api/index.js";
import { pvhElf } from "../../../wasm-core/isa/asm/index.js";
import { Console } from "../../boot/debian.js";
import { expectedLines, type GuestProgram, ORIGIN } from "../support/program.js";
import { assembleProgram } from "../support/run.js";

export interface Race {
  readonly lines: readonly string[];
  readonly expected: readonly string[];
  /** Why the domain has ended. */
  readonly reason: string;
}

/** What the program prints until it ends, in `ms` at most, and what it is to print. */
export async function raceOn(host: HostApi, program: GuestProgram, ms: number): Promise<Race> {
  const kernel = pvhElf(assembleProgram(program), ORIGIN);
  const platform = { debugcon: true, exitPort: true };
  const domid = await host.create({ name: "two", kernel, memoryMiB: 48, vcpus: 2, platform, onPoweroff: "preserve" });
  const ended = host.waitShutdown(domid);
  const console = await Console.of(host, domid, "serial");
  const expected = expectedLines(program);
  // The last check's line is the last, whatever is in it.
  await console.until(`\n${program.checks.at(-1)!.name}:`, 0, ms);
  const { reason } = await ended;
  return { lines: console.text.split(/\r?\n/).filter((line) => line !== ""), expected, reason };
}
