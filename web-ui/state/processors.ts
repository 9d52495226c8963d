/** How many pCPUs the machine of a page has, and what is said of a domain's vCPUs on them. */
import type { DomainInfo, VcpuInfo } from "../../control-plane/api/index.js";

/** Each pCPU is a worker with its own instance of the core, and the guests of a page have few vCPUs. */
const PCPUS_MAX = 16;
/** From so many cores on, one is left to Domain0, the compiler and the browser. They sleep most of the time. */
const ROOMY_CORES = 4;

/** @param cores of the computer, as far as the browser tells: some tell fewer, and few tell none */
export function pcpusFor(cores: number | undefined): number {
  const told = Math.max(1, Math.floor(cores || 1));
  return told < ROOMY_CORES ? told : Math.min(told - 1, PCPUS_MAX);
}

/** What a vCPU does and where, in cells of a table: number, state, pCPU, seconds of processor time. */
export function describeVcpu({ id, state, pcpu, cpuSeconds }: VcpuInfo): readonly string[] {
  return [String(id), state, pcpu === null ? "–" : String(pcpu), cpuSeconds.toFixed(1)];
}

/** How much of all that a domain has executed was compiled code, percent. */
export function compiledPercent({ jit, instructions }: Pick<DomainInfo, "jit" | "instructions">): number {
  return jit === undefined || instructions === 0 ? 0 : (jit.region / instructions) * 100;
}
