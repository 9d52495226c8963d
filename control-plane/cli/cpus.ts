/** Sets of physical CPUs as xl writes them: `all`, `0-3,5`, `all,^2`. [XL.CFG] cpus */
import { type CpuSet, PCPUS_MAX } from "../api/index.js";

/** The set, in order; null for what is none. Numbers are checked against the machine by Domain0. */
export function parseCpus(text: string): CpuSet | null {
  if (text === "all") return "all";
  const set = new Set<number>();
  for (const part of text.split(",")) {
    const [, not, only, first, last] = /^\s*(\^?)(?:all|(\d+)|(\d+)-(\d+))\s*$/.exec(part) ?? [];
    if (not === undefined) return null;
    const from = only === undefined ? Number(first ?? 0) : Number(only);
    const to = only === undefined ? Number(last ?? PCPUS_MAX - 1) : Number(only);
    if (from > to || to >= PCPUS_MAX) return null;
    for (let cpu = from; cpu <= to; cpu++) {
      if (not === "^") set.delete(cpu);
      else set.add(cpu);
    }
  }
  return [...set].sort((a, b) => a - b);
}

/** The shortest text for a set; `all` when it has every pCPU of the machine. */
export function formatCpus(set: readonly number[], pcpus: number): string {
  if (set.length === pcpus) return "all";
  const ranges: [number, number][] = [];
  for (const cpu of set) {
    const range = ranges[ranges.length - 1];
    if (range && range[1] === cpu - 1) range[1] = cpu;
    else ranges.push([cpu, cpu]);
  }
  return ranges.map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`)).join(",");
}
