/** A worker as Domain0 holds one, in whatever kind of host; `spawn-node.ts` and `spawn-browser.ts` make them. */
import type { WorkerReport, WorkerStart } from "../../wasm-core/worker/index.js";

export interface CoreWorker {
  /** `ports` are those of the message, which pass to the worker. */
  start(message: WorkerStart, ports?: readonly MessagePort[]): void;
  onReport(listener: (report: WorkerReport) => void): void;
  /** The worker itself failed: it could not be loaded, or ended. */
  onFailure(listener: (message: string) => void): void;
  terminate(): Promise<void>;
}

export type SpawnCoreWorker = () => CoreWorker;
