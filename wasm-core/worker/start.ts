/** What a worker does with the one message that starts it, whatever kind of host it lives in. */

import { runCompiler } from "./compiler.js";
import { CpuShare, type ThreadClock } from "./cpu-share.js";
import { hostRandomSource, instantiateCore } from "./load.js";
import type { WorkerReport, WorkerStart } from "./messages.js";
import { runPcpu } from "./pcpu.js";
import { Regions } from "./regions.js";

/** Traces a second that reach Domain0; a guest can cause as many as it likes. */
const TRACES_PER_SECOND = 20;

/** `clock` is the processor time of this thread, where the host tells it. */
export function startWorker(
  start: WorkerStart,
  report: (message: WorkerReport) => void,
  clock: ThreadClock | null = null,
): void {
  if (start.kind === "doorbell") watchDoorbell(start.memory, start.address, report);
  else if (start.kind === "compiler") void runCompiler(start, (message) => report({ kind: "compiler", message }));
  else startPcpu(start, report, clock);
}

function startPcpu(
  start: WorkerStart & { kind: "pcpu" },
  report: (message: WorkerReport) => void,
  clock: ThreadClock | null,
): void {
  const { module, memory, pcpu, origin, jit } = start;
  const trace = limited((code, a, b) => report({ kind: "trace", code, a, b }));
  const hooks = { origin, lockOwner: pcpu + 1, random: hostRandomSource(), trace };
  const { exports } = instantiateCore(module, memory, hooks);
  const share = clock && new CpuShare(memory, pcpu, clock);
  const failed = (message: string) => report({ kind: "compiler", message });
  const regions = jit === 0 ? null : new Regions(exports, memory, pcpu, jit, failed);
  const fault = (message: string) => report({ kind: "fault", pcpu, message });
  void runPcpu({ core: exports, memory, pcpu, share, regions, fault });
}

type Trace = (code: number, a: number, b: number) => void;

function limited(trace: Trace): Trace {
  let second = 0;
  let count = 0;
  return (code, a, b) => {
    const now = Math.floor(performance.now() / 1000);
    if (now !== second) {
      second = now;
      count = 0;
    }
    if (count++ < TRACES_PER_SECOND) trace(code, a, b);
  };
}

/** Sleeps on the word for ever and reports each change. */
function watchDoorbell(memory: WebAssembly.Memory, address: number, report: (message: WorkerReport) => void): never {
  const words = new Int32Array(memory.buffer);
  const index = address >>> 2;
  for (let seen = Atomics.load(words, index); ; ) {
    Atomics.wait(words, index, seen);
    seen = Atomics.load(words, index);
    report({ kind: "doorbell" });
  }
}
