/**
 * The life of a pCPU: run vCPUs until there is nothing to run, sleep on the doorbell until the next timer or until
 * somebody rings, and now and then let the worker's event loop have a turn, so that messages get in. Never spins.
 */
import type { CoreExports } from "../abi/core-api.js";
import { PCPU_BASE, Pcpu } from "../abi/structs/machine.js";
import { PcpuExit } from "../abi/structs/sched.js";
import type { CpuShare } from "./cpu-share.js";
import { waitForDomain0 } from "./in-step.js";
import type { Regions } from "./regions.js";

/** How long the event loop waits for its turn at most, ms. */
const TURN_MS = 25;
/** Longest single sleep: nothing depends on it, but a lost wake-up then costs a moment and not the machine. */
const SLEEP_MAX_MS = 1000;

export interface PcpuHost {
  readonly core: CoreExports;
  readonly memory: WebAssembly.Memory;
  readonly pcpu: number;
  /** Null where the host does not tell what processor time the thread has had. */
  readonly share: CpuShare | null;
  /** Null when the interpreter does everything. */
  readonly regions: Regions | null;
  /** Called with what a trap said, after its domain was crashed and the locks that it held were released. */
  fault(message: string): void;
}

/** Runs until the worker is terminated. */
export async function runPcpu(host: PcpuHost): Promise<never> {
  const turn = makeTurn();
  for (;;) {
    runForAWhile(host);
    await turn();
  }
}

function runForAWhile(host: PcpuHost): void {
  const until = performance.now() + TURN_MS;
  do {
    try {
      runOnce(host);
    } catch (error) {
      try {
        host.core.pcpuAbandon(host.pcpu);
      } finally {
        // What traps in there too is a machine that nothing can put right: this pCPU then ends.
        host.fault(error instanceof Error ? `${error.message}\n${error.stack ?? ""}` : String(error));
      }
    }
  } while (performance.now() < until);
}

function runOnce({ core, memory, pcpu, share, regions }: PcpuHost): void {
  const words = new Int32Array(memory.buffer);
  waitForDomain0(words);
  const doorbell = (PCPU_BASE + pcpu * Pcpu.size + Pcpu.off.doorbell) >>> 2;
  // Read before looking for work: a ring between the look and the sleep then ends the sleep at once.
  const rung = Atomics.load(words, doorbell);
  regions?.install();
  const exit = core.pcpuRun(pcpu);
  share?.settle();
  if (exit !== Number(PcpuExit.values.IDLE)) return;
  const ms = Math.min(core.pcpuIdleNs(pcpu) / 1e6, SLEEP_MAX_MS);
  if (ms > 0) Atomics.wait(words, doorbell, rung, ms);
}

/** A function that resolves after the event loop has had a turn; a message to oneself is not delayed as timers are. */
function makeTurn(): () => Promise<void> {
  const { port1, port2 } = new MessageChannel();
  let resume = () => {};
  port2.onmessage = () => resume();
  return () =>
    new Promise((resolve) => {
      resume = resolve;
      port1.postMessage(0);
    });
}
