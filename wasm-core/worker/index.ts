/** The core's workers: how an instance is made, what a pCPU does, and what it says to Domain0. */
export type { ThreadClock } from "./cpu-share.js";
export {
  type CoreHooks,
  type CoreInstance,
  type HostOrigin,
  hostOrigin,
  hostRandomSource,
  instantiateCore,
  type MemoryLimits,
} from "./load.js";
export { readMemoryLimits } from "./memory-limits.js";
export type { RegionAnswer, RegionQuestion, RegionSubject, WorkerReport, WorkerStart } from "./messages.js";
export { OneThread, type OneThreadHost } from "./one-thread.js";
export { startWorker } from "./start.js";
