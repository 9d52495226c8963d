/** `--stats`: what a run took, as JSON. docs/xl.md describes each field. */
import { writeFile } from "node:fs/promises";
import type { HostInfo } from "../../../api/index.js";
import { fileError } from "../../errors.js";
import type { Ending, Line } from "./lineage.js";

export interface FinishedGuest {
  readonly line: Line;
  /** Null: it was still running when the run ended. */
  readonly ending: Ending | null;
  readonly wallMs: number;
}

const KIB_PER_FRAME = 4;

/** The statistics as an object. */
export function makeStats(guests: readonly FinishedGuest[], machine: HostInfo | null, stopped: string | null): object {
  const usage = process.resourceUsage();
  return {
    domains: guests.map(({ line, ending, wallMs }) => {
      const infos = [...line.infos.values()];
      const sum = (values: number[]) => values.reduce((total, value) => total + value, 0);
      return {
        name: line.config.name,
        reason: ending?.reason ?? stopped ?? "running",
        ...(ending?.exitStatus === undefined ? {} : { exitStatus: ending.exitStatus }),
        restarts: line.restarts,
        wallMs: Math.round(wallMs),
        cpuMs: Math.round(sum(infos.map(({ cpuSeconds }) => cpuSeconds)) * 1000),
        instructions: sum(infos.map(({ instructions }) => instructions)),
        populatedKiB: Math.max(0, ...infos.map(({ populatedKiB }) => populatedKiB)),
      };
    }),
    machine: {
      pcpus: machine?.pcpus ?? null,
      deterministic: machine?.deterministic ?? null,
      cpuSource: machine?.cpuSource ?? null,
      framesUsed: machine ? Math.round(machine.usedKiB / KIB_PER_FRAME) : null,
      framesTotal: machine ? Math.round(machine.totalKiB / KIB_PER_FRAME) : null,
      wasmMemoryBytes: machine?.wasmMemoryBytes ?? null,
      rssBytes: process.memoryUsage().rss,
      peakRssBytes: usage.maxRSS * 1024,
      processCpuMs: Math.round((usage.userCPUTime + usage.systemCPUTime) / 1000),
    },
  };
}

export async function writeStats(file: string, stats: object): Promise<void> {
  await writeFile(file, `${JSON.stringify(stats, null, 2)}\n`).catch((error: unknown) => {
    throw fileError("--stats", file, error);
  });
}
