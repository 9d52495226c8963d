/** Running vCPUs: the turn of a pCPU, the loop that runs one vCPU, and what follows a trap. */
export { pcpuAbandon } from "./abandon";
export { pcpuIdleNs, pcpuRun } from "./pcpu";
export { runVcpu } from "./run";
