/** Entry of a pCPU in Node: a worker thread. */
import { parentPort } from "node:worker_threads";
import { startWorker, type WorkerStart } from "./index.js";
import { threadClock } from "./thread-clock.node.js";
import { wakeInTime } from "./timer-slack.node.js";

parentPort?.once("message", (start: WorkerStart) => {
  wakeInTime();
  startWorker(start, (report) => parentPort?.postMessage(report), threadClock());
});
