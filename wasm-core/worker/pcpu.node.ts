/** Entry of a pCPU in Node: a worker thread. */
import { parentPort } from "node:worker_threads";
import { startWorker, type WorkerStart } from "./index.js";
import { threadClock } from "./thread-clock.node.js";

parentPort?.once("message", (start: WorkerStart) =>
  startWorker(start, (report) => parentPort?.postMessage(report), threadClock()),
);
