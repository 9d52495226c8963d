/** pCPU workers as Node worker threads, from the bundle that lies beside ours. */
import { type Transferable, Worker } from "node:worker_threads";
import type { CoreWorker } from "./workers.js";

export function spawnNodeWorker(): CoreWorker {
  const worker = new Worker(new URL("./pcpu.node.js", import.meta.url));
  return {
    start: (message, ports = []) => worker.postMessage(message, ports as readonly unknown[] as readonly Transferable[]),
    onReport: (listener) => void worker.on("message", listener),
    onFailure: (listener) => void worker.on("error", (error: Error) => listener(error.message)),
    terminate: async () => {
      await worker.terminate();
    },
  };
}
