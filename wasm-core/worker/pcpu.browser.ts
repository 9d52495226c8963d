/** Entry of a pCPU in a browser: a dedicated worker. */
import { startWorker, type WorkerStart } from "./index.js";

const scope = globalThis as unknown as DedicatedWorkerGlobalScope;

scope.addEventListener(
  "message",
  (event: MessageEvent<WorkerStart>) => startWorker(event.data, (report) => scope.postMessage(report)),
  { once: true },
);
