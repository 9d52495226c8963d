/** The tables that the bench prints, in Markdown. */
import type { RegionExitInfo } from "../../control-plane/api/index.js";
import type { Counters, PeerName } from "./peers/peer.js";
import { geometricMean, type Latency, latencyOf, medianOf, type Round, ratio, type TaskFigures } from "./statistics.js";
import type { Task } from "./workloads.js";

export const seconds = (ms: number | null): string => (ms === null ? "-" : `${(ms / 1000).toFixed(2)} s`);
export const times = (value: number | null | undefined): string => (value == null ? "-" : value.toFixed(2));
const millions = (counters: Counters | null): string =>
  counters === null ? "-" : String(Math.round(counters.instructions / 1e6));

function speed(counters: Counters | null, cpuMs: number | null): string {
  return counters === null || cpuMs === null || cpuMs <= 0
    ? "-"
    : String(Math.round(counters.instructions / cpuMs / 1000));
}

/** Per cent of the instructions that were executed in each place, as "91/7/2". */
export function shares(counters: Counters | null): string {
  if (!counters?.jit) return "-";
  const { region, handler, interpreter } = counters.jit;
  const all = region + handler + interpreter;
  return all === 0 ? "-" : [region, handler, interpreter].map((n) => Math.round((n / all) * 100)).join("/");
}

export function markdown(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), `|---|${"---:|".repeat(head.length - 1)}`, ...rows.map(line)].join("\n");
}

/** A column that shows something only while some row has it. */
interface Column {
  readonly head: string;
  readonly cell: (figures: TaskFigures) => string;
  readonly mean?: string;
}

const RATIOS: readonly (readonly [PeerName, string])[] = [
  ["qemu", "x QEMU"],
  ["v86", "x v86"],
  ["native", "x native"],
];

export function mean(all: readonly TaskFigures[], peer: PeerName): number | null {
  return geometricMean(all.map(({ cpuRatio }) => cpuRatio[peer]).filter((value) => value !== undefined));
}

/** A row for each program, and the geometric means below. */
export function programTable(all: readonly TaskFigures[]): string {
  const columns: readonly Column[] = [
    { head: "program", cell: ({ key }) => key, mean: "geometric mean" },
    { head: "CPU time", cell: ({ cpuMs }) => seconds(cpuMs) },
    ...RATIOS.map(([peer, head]) => ({
      head,
      cell: ({ cpuRatio }: TaskFigures) => times(cpuRatio[peer]),
      mean: times(mean(all, peer)),
    })),
    { head: "M instr.", cell: ({ counters }) => millions(counters) },
    { head: "MIPS", cell: ({ counters, cpuMs }) => speed(counters, cpuMs) },
    { head: "% region/handler/interp.", cell: ({ counters }) => shares(counters) },
  ];
  const shown = columns.filter(({ cell }, i) => i < 2 || all.some((figures) => cell(figures) !== "-"));
  return markdown(
    shown.map(({ head }) => head),
    [...all.map((figures) => shown.map(({ cell }) => cell(figures))), shown.map((column) => column.mean ?? "")],
  );
}

/** A count as one reads it at a glance. */
function rounded(n: number): string {
  const [by, unit] = n >= 1e7 ? [1e6, " M"] : n >= 1e4 ? [1e3, " k"] : [1, ""];
  return `${Math.round(n / by)}${unit}`;
}

function exitText({ why, rip, text, exits, instructions }: RegionExitInfo): string {
  const where = text === undefined ? "" : ` \`${text}\``;
  return `${why} at ${rip.replace(/^0+(?=.)/, "")}${where}, ${rounded(exits)}: ${rounded(instructions)}`;
}

const EXIT_HEADS = ["slowest ways out of regions", "the first", "the second", "the third"];

/** For each program the ways out of compiled code after which the interpreter had the most to do; "" when nobody tells. */
export function exitTable(all: readonly { rounds: readonly Round[]; tasks: readonly Pick<Task, "key">[] }[]): string {
  const rows = all.flatMap(({ rounds, tasks }) =>
    tasks.flatMap(({ key }) => {
      const exits = rounds.at(-1)?.xenolith?.tasks.get(key)?.exits ?? [];
      const slowest = EXIT_HEADS.slice(1).map((_, n) => (exits[n] ? exitText(exits[n]) : ""));
      return exits.length === 0 ? [] : [[key, ...slowest]];
    }),
  );
  return rows.length === 0 ? "" : markdown(EXIT_HEADS, rows);
}

/** Boot and memory, a column for each peer. */
export function machineTable(rounds: readonly Round[], peers: readonly { name: PeerName; title: string }[]): string {
  const guests = peers.filter(({ name }) => name !== "native");
  const row = (what: string, cell: (peer: PeerName) => string) => [what, ...guests.map(({ name }) => cell(name))];
  return markdown(
    ["256 MiB guest", ...guests.map(({ title }) => title)],
    [
      row("CPU time of a boot to the shell", (p) => seconds(medianOf(rounds, p, (run) => run.boot?.cpuMs))),
      row("the same, ours in multiples", (p) => times(ratio(rounds, p, (run) => run.boot?.cpuMs))),
      row("wall time of it", (p) => seconds(medianOf(rounds, p, (run) => run.boot?.wallMs))),
      row("M instructions of it", (p) => {
        const count = medianOf(rounds, p, (run) => run.boot?.counters?.instructions);
        return count === null ? "-" : String(Math.round(count / 1e6));
      }),
      row("resident after the programs", (p) => {
        const size = medianOf(rounds, p, (run) => run.residentMiB);
        return size === null ? "-" : `${Math.round(size)} MiB`;
      }),
      row("% region/handler/interp. of all", (p) => shares(rounds.at(-1)?.[p]?.counters ?? null)),
    ].filter((cells) => cells.slice(1).some((cell) => cell !== "-")),
  );
}

/** The programs for two processors: what they took by the clock, as the second processor saves no CPU time. */
export function smpTable(
  rounds: readonly Round[],
  peers: readonly { name: PeerName; title: string; smp: boolean }[],
  keys: readonly string[],
): string {
  const shown = peers.filter(({ smp }) => smp);
  return markdown(
    ["two processors", ...shown.flatMap(({ title }) => [`${title}, wall`, "CPU"])],
    keys.map((key) => [
      key,
      ...shown.flatMap(({ name }) => [
        seconds(medianOf(rounds, name, (run) => run.tasks.get(key)?.wallMs)),
        seconds(medianOf(rounds, name, (run) => run.tasks.get(key)?.cpuMs)),
      ]),
    ]),
  );
}

/** Disks: wall time, which is what a guest waits, and what it moved in it. */
export function diskTable(
  rounds: readonly Round[],
  peers: readonly { name: PeerName; title: string; disk: boolean }[],
  tasks: readonly Task[],
): string {
  const shown = peers.filter(({ disk }) => disk);
  const wall = (key: string, name: PeerName) => medianOf(rounds, name, (run) => run.tasks.get(key)?.wallMs);
  return markdown(
    ["disk", ...shown.flatMap(({ title }) => [`${title}, wall`, "a second"]), "times as fast as QEMU"],
    tasks.map(({ key, workload, count }) => {
      const unit = workload.name.startsWith("random") ? "blocks" : "MiB";
      const [own, other] = [wall(key, "xenolith"), wall(key, "qemu")];
      const rate = (ms: number | null): string => (ms === null ? "" : `${Math.round((count / ms) * 1000)} ${unit}`);
      const figures = shown.flatMap(({ name }) => [seconds(wall(key, name)), rate(wall(key, name))]);
      return [key, ...figures, times(own === null || other === null ? null : other / own)];
    }),
  );
}

/** Networks: wall time, what was moved in it, and the CPU time of both guests. */
export function netTable(
  rounds: readonly Round[],
  peers: readonly { name: PeerName; title: string; net: boolean }[],
  tasks: readonly Task[],
): string {
  const shown = peers.filter(({ net }) => net);
  const took = (key: string, name: PeerName, which: "wallMs" | "cpuMs") =>
    medianOf(rounds, name, (run) => run.tasks.get(key)?.[which]);
  return markdown(
    ["two guests", ...shown.flatMap(({ title }) => [`${title}, wall`, "CPU", "a second"]), "times as fast as QEMU"],
    tasks.map(({ key, workload, count }) => {
      const [own, other] = [took(key, "xenolith", "wallMs"), took(key, "qemu", "wallMs")];
      const rate = (ms: number | null): string => {
        if (ms === null) return "-";
        if (workload.name === "ask") return `${Math.round((count / ms) * 1000)} answers`;
        return `${((count * 8 * 1.048576) / ms).toFixed(2)} Gbit`;
      };
      const figures = shown.flatMap(({ name }) => {
        const wall = took(key, name, "wallMs");
        return [seconds(wall), seconds(took(key, name, "cpuMs")), rate(wall)];
      });
      return [key, ...figures, times(own === null || other === null ? null : other / own)];
    }),
  );
}

/** How soon two processors react, for the programs that tell; "" when there are none. */
export function latencyTable(
  rounds: readonly Round[],
  peers: readonly { name: PeerName; title: string; smp: boolean }[],
  keys: readonly string[],
): string {
  const shown = peers.filter(({ smp }) => smp);
  const figure = (key: string, peer: PeerName, which: keyof Latency): number | null =>
    medianOf(rounds, peer, (run) => {
      const task = run.tasks.get(key);
      return task && latencyOf(task)?.[which];
    });
  const told = keys.filter((key) => shown.some(({ name }) => figure(key, name, "median") !== null));
  if (told.length === 0) return "";
  return markdown(
    ["reaction, us", ...shown.flatMap(({ title }) => [`${title}, median`, "99 %"])],
    told.map((key) => [
      key,
      ...shown.flatMap(({ name }) =>
        (["median", "most"] as const).map((which) => figure(key, name, which)?.toFixed(0) ?? "-"),
      ),
    ]),
  );
}
