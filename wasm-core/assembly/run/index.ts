/** Running vCPUs: the turn of a pCPU, and the loop that runs one vCPU. */
export { pcpuIdleNs, pcpuRun } from "./pcpu";
export { runVcpu } from "./run";
