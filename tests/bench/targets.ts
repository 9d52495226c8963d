/** What the project aims at, beside what a run reached. Only printed: a busy machine must not fail anybody's tests. */

import type { PeerName } from "./peers/peer.js";
import { markdown, mean, times } from "./report.js";
import { type Round, ratio, type TaskFigures, timesAsFast } from "./statistics.js";

export interface Target {
  readonly what: string;
  readonly wanted: string;
  readonly reached: number | null;
  readonly met: boolean | null;
}

const atMost = (what: string, limit: number, reached: number | null): Target => ({
  what,
  wanted: `at most ${limit}`,
  reached,
  met: reached === null ? null : reached <= limit,
});

const atLeast = (what: string, limit: number, reached: number | null): Target => ({
  what,
  wanted: `at least ${limit}`,
  reached,
  met: reached === null ? null : reached >= limit,
});

/** Programs for one processor and for two. */
export const SMP_WORKS = ["busy", "locked", "protected"] as const;

/** How much sooner two processes end the work of one. */
export function speedUp(
  smp: readonly Round[],
  peer: "xenolith" | "qemu" | "native" = "xenolith",
  work: (typeof SMP_WORKS)[number] = "busy",
): number | null {
  return timesAsFast(smp, peer, `${work}-2 64`, `${work}-1 64`);
}

/** What is to be faster, and than what. */
const NETS: readonly (readonly [what: string, key: string, other: string])[] = [
  ["two queues to one", "streams-2x2 64", "streams-2x1 64"],
  ["four queues to one", "streams-4x4 64", "streams-4x1 64"],
  ["a bypass to the switch", "netchannel2 64", "netchannel2-switch 64"],
  ["a bypass to netif", "netchannel2 64", "stream 64"],
];

export function targetsOf(
  programs: readonly TaskFigures[],
  rounds: readonly Round[],
  smp: readonly Round[],
  nets: readonly Round[],
): Target[] {
  const worst = (peer: PeerName) => {
    const known = programs.map(({ cpuRatio }) => cpuRatio[peer]).filter((value) => value !== undefined);
    return known.length === 0 ? null : Math.max(...known);
  };
  const toNative = (key: string) => programs.find((figures) => figures.key === key)?.cpuRatio.native ?? null;
  const toV86 = mean(programs, "v86");
  return [
    atMost("CPU time to QEMU's, geometric mean", 1, mean(programs, "qemu")),
    atMost("CPU time to QEMU's, worst program", 2, worst("qemu")),
    atLeast("times as fast as v86, geometric mean", 3, toV86 === null ? null : 1 / toV86),
    atMost("CPU time to v86's, worst program", 1, worst("v86")),
    atMost("alu to native", 1.5, toNative("alu 64")),
    atMost("chase-cache to native", 2.5, toNative("chase-cache 64")),
    atMost("bulk copies to native", 2, toNative("bulk 64")),
    atMost(
      "CPU time of a boot to QEMU's",
      2,
      ratio(rounds, "qemu", (run) => run.boot?.cpuMs),
    ),
    atMost(
      "resident memory after the programs to QEMU's",
      2.5,
      ratio(rounds, "qemu", (run) => run.residentMiB),
    ),
    atLeast("speed-up by a second processor", 1.8, speedUp(smp)),
    atLeast("the same, with a lock", 1.2, speedUp(smp, "xenolith", "locked")),
    atLeast("the same, with interrupts between them", 0.8, speedUp(smp, "xenolith", "protected")),
    ...NETS.map(([what, key, other]) =>
      atLeast(`times as fast, ${what}`, 1, timesAsFast(nets, "xenolith", key, other)),
    ),
  ];
}

export function targetTable(targets: readonly Target[]): string {
  return markdown(
    ["target", "wanted", "reached", ""],
    targets.map(({ what, wanted, reached, met }) => [
      what,
      wanted,
      times(reached),
      met === null ? "not measured" : met ? "met" : "not met",
    ]),
  );
}
