/** A second thread with an instance of the core over a test's memory: what another pCPU does meanwhile. */
import { Worker } from "node:worker_threads";
import type { TestCore } from "./core.js";

/** What it writes into the locks that it takes; the test's own instance has 1. */
const OWNER = 2;
const BEGINNING = `
  const { workerData: d, parentPort } = require("node:worker_threads");
  const env = { memory: d.memory, lockOwner: d.owner, hostNow: () => 0, hostWallClock: () => 0, hostRandom: () => 0,
    hostTrace() {}, hostNap() {}, hostWait() {}, abort() {} };
  const words = new Int32Array(d.memory.buffer);
  const say = (what) => parentPort.postMessage(what);
`;

export interface SecondThread {
  /** The first thing that the thread says; its failure when it ends by one. */
  readonly said: Promise<unknown>;
  stop(): Promise<void>;
}

/**
 * Starts it, and waits until it runs: its start may need the event loop, which the test is about to block.
 * @param body the thread's life, JavaScript: `core` is what its instance exports, `d` the data, `words` the memory as i32;
 *   `say` answers to the test
 */
export async function startThread(
  { module, memory }: TestCore,
  body: string,
  data: Readonly<Record<string, number | bigint>>,
): Promise<SecondThread> {
  const source = `${BEGINNING} WebAssembly.instantiate(d.module, { env }).then(({ exports: core }) => { ${body} });`;
  const worker = new Worker(source, { eval: true, workerData: { ...data, module, memory, owner: OWNER } });
  const said = new Promise((resolve, reject) => worker.once("message", resolve).once("error", reject));
  await new Promise((resolve) => worker.once("online", resolve));
  return { said, stop: async () => void (await worker.terminate()) };
}
