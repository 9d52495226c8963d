/** Medians and means, and what a program took over several paired runs. */
import type { Counters, PeerName, SuiteRun, TaskRun } from "./peers/peer.js";

export function median(values: readonly number[]): number {
  if (values.length === 0) return Number.NaN;
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Null of nothing: a mean over no programs is not 1. */
export function geometricMean(values: readonly number[]): number | null {
  if (values.length === 0) return null;
  return Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);
}

/** The runs of one round: each peer once, one after the other. */
export type Round = Readonly<Partial<Record<PeerName, SuiteRun>>>;

/** Ratio of a figure of ours to a peer's, round by round, then the median; null when no round has both. */
export function ratio(
  rounds: readonly Round[],
  peer: PeerName,
  figure: (run: SuiteRun) => number | null | undefined,
): number | null {
  const ratios = rounds.flatMap((round) => {
    const [ours, theirs] = [round.xenolith, round[peer]].map((run) => run && figure(run));
    return ours == null || theirs == null || theirs <= 0 ? [] : [ours / theirs];
  });
  return ratios.length === 0 ? null : median(ratios);
}

/** Median of a figure of one peer; null when no round has it. */
export function medianOf(
  rounds: readonly Round[],
  peer: PeerName,
  figure: (run: SuiteRun) => number | null | undefined,
): number | null {
  const known = rounds.map((round) => round[peer] && figure(round[peer])).filter((value) => value != null);
  return known.length === 0 ? null : median(known);
}

/** How many times as fast as another program one of the same round was, by the clock; the median. */
export function timesAsFast(rounds: readonly Round[], peer: PeerName, key: string, other: string): number | null {
  const known = rounds.flatMap((round) => {
    const [own, slower] = [key, other].map((name) => round[peer]?.tasks.get(name)?.wallMs);
    return own === undefined || slower === undefined || own <= 0 ? [] : [slower / own];
  });
  return known.length === 0 ? null : median(known);
}

export interface TaskFigures {
  readonly key: string;
  readonly cpuMs: number | null;
  readonly wallMs: number | null;
  /** Our CPU time in multiples of a peer's. */
  readonly cpuRatio: Readonly<Partial<Record<PeerName, number>>>;
  readonly counters: Counters | null;
}

const THEM: readonly PeerName[] = ["qemu", "v86", "native"];

export function taskFigures(rounds: readonly Round[], key: string): TaskFigures {
  const of = (figure: (run: TaskRun) => number) => (run: SuiteRun) => {
    const task = run.tasks.get(key);
    return task && figure(task);
  };
  const cpu = of((run) => run.cpuMs);
  const ratios = THEM.flatMap((peer) => {
    const value = ratio(rounds, peer, cpu);
    return value === null ? [] : [[peer, value] as const];
  });
  return {
    key,
    cpuMs: medianOf(rounds, "xenolith", cpu),
    wallMs: medianOf(
      rounds,
      "xenolith",
      of((run) => run.wallMs),
    ),
    cpuRatio: Object.fromEntries(ratios),
    counters: rounds.findLast((round) => round.xenolith)?.xenolith?.tasks.get(key)?.counters ?? null,
  };
}

/** What a program for reaction times printed, microseconds. */
export interface Latency {
  readonly median: number;
  /** 99th percentile. */
  readonly most: number;
}

const LATENCY_LINE = /^latency (\d+) (\d+)\n?/m;

export function latencyOf({ output }: Pick<TaskRun, "output">): Latency | null {
  const [, median, most] = LATENCY_LINE.exec(output) ?? [];
  return median === undefined ? null : { median: Number(median) / 1000, most: Number(most) / 1000 };
}

/** What all machines must agree on. */
const answerOf = ({ output }: Pick<TaskRun, "output">): string => output.replace(LATENCY_LINE, "").trim();

/** Programs that failed, and programs that printed different things on different machines. */
export function wrongResults(rounds: readonly Round[], keys: readonly string[]): string[] {
  return keys.flatMap((key) => {
    const runs = rounds.flatMap((round) =>
      Object.entries(round).flatMap(([peer, run]) => {
        const task = run.tasks.get(key);
        return task ? [{ peer, ...task }] : [];
      }),
    );
    const failed = runs.find((task) => task.status !== 0 || answerOf(task) === "");
    if (failed) return [`${key}: ${failed.peer} ended with status ${failed.status} and said "${failed.output.trim()}"`];
    const answers = new Map(runs.map((task) => [answerOf(task), task.peer]));
    if (answers.size <= 1) return [];
    return [`${key}: ${[...answers].map(([output, peer]) => `${peer} says "${output}"`).join(", ")}`];
  });
}
