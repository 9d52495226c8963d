/** The figures of a comparison: medians of several runs, ratios pair by pair, and their check against a baseline. */
import type { Run } from "./subjects.js";

export interface Pair {
  readonly ours: Run;
  readonly theirs: Run;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Median of what is known of a figure; null when no run tells it. */
function medianOf(runs: readonly Run[], figure: (run: Run) => number | null): number | null {
  const known = runs.map(figure).filter((value) => value !== null);
  return known.length === 0 ? null : median(known);
}

/** What a baseline holds of a workload: all of it is better when smaller. */
export interface Figures {
  readonly cpuRatio: number;
  readonly wallRatio: number;
  readonly instructionsM: number;
  readonly peakMiB: number;
}

export function figuresOf(pairs: readonly Pair[]): Figures {
  const ours = pairs.map((pair) => pair.ours);
  const ratio = (figure: (run: Run) => number) => median(pairs.map((p) => figure(p.ours) / figure(p.theirs)));
  return {
    cpuRatio: ratio((run) => run.cpuMs),
    wallRatio: ratio((run) => run.wallMs),
    instructionsM: (medianOf(ours, (run) => run.instructions) ?? 0) / 1e6,
    peakMiB: medianOf(ours, (run) => run.peakMiB) ?? 0,
  };
}

const seconds = (ms: number | null): string => (ms === null ? "-" : `${(ms / 1000).toFixed(2)} s`);
const whole = (value: number | null, unit: string): string => (value === null ? "-" : `${Math.round(value)} ${unit}`);
const mips = (run: Run): number | null => (run.instructions === null ? null : run.instructions / run.cpuMs / 1000);

const ROWS: readonly (readonly [string, (run: Run) => number | null, (value: number | null) => string])[] = [
  ["CPU time of the process", (run) => run.cpuMs, seconds],
  ["wall time", (run) => run.wallMs, seconds],
  ["to the first kernel line on the console", (run) => run.firstLineMs, seconds],
  ["to the end of the command", (run) => run.shellMs, seconds],
  ["peak memory", (run) => run.peakMiB, (value) => whole(value, "MiB")],
  ["instructions", (run) => run.instructions, (value) => whole(value === null ? null : value / 1e6, "M")],
  ["instructions a second of CPU time", mips, (value) => whole(value, "MIPS")],
];

/** The medians of both sides as a Markdown table, and the spread of the ratio. */
export function table(workload: string, names: readonly [string, string], pairs: readonly Pair[]): string {
  const { cpuRatio, wallRatio } = figuresOf(pairs);
  const rows = ROWS.map(([what, figure, show]) => {
    const side = (runs: readonly Run[]) => show(medianOf(runs, figure));
    return `| ${what} | ${side(pairs.map((p) => p.ours))} | ${side(pairs.map((p) => p.theirs))} |`;
  });
  const ratios = pairs.map((p) => p.ours.cpuMs / p.theirs.cpuMs);
  const spread = `${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)}`;
  return [
    `## ${workload} (${pairs.length} ${pairs.length === 1 ? "pair" : "pairs"}, medians)`,
    "",
    `| | ${names[0]} | ${names[1]} |`,
    "|---|---:|---:|",
    ...rows,
    "",
    `CPU time ${cpuRatio.toFixed(2)} times ${names[1]}'s (${spread}), wall time ${wallRatio.toFixed(2)} times.`,
  ].join("\n");
}

/** Allowed excess over the baseline, as a fraction, by figure. */
export type Tolerances = Readonly<Record<keyof Figures, number>>;

export interface Baseline {
  readonly tolerances: Tolerances;
  readonly workloads: Readonly<Record<string, Figures>>;
}

/** What got worse than the baseline allows, a sentence each. */
export function regressions(workload: string, figures: Figures, baseline: Baseline): string[] {
  const before = baseline.workloads[workload];
  if (before === undefined) return [`${workload}: not in the baseline`];
  return (Object.keys(baseline.tolerances) as (keyof Figures)[])
    .filter((key) => figures[key] > before[key] * (1 + baseline.tolerances[key]))
    .map((key) => `${workload}: ${key} is ${figures[key].toFixed(2)}, the baseline ${before[key].toFixed(2)}`);
}
