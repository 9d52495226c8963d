/**
 * The life of a pCPU: run vCPUs until there is nothing to run, sleep on the doorbell until the next timer or until
 * somebody rings, and now and then let the worker's event loop have a turn, so that messages get in. Never spins.
 */
import type { CoreExports } from "../abi/core-api.js";
import { PCPU_BASE, Pcpu } from "../abi/structs/machine.js";
import { PcpuExit } from "../abi/structs/sched.js";
import type { CpuShare } from "./cpu-share.js";
import { waitForDomain0 } from "./in-step.js";
import { failureText } from "./messages.js";
import type { Regions } from "./regions.js";

/** How long the event loop waits for its turn at most, ms. */
const TURN_MS = 25;
/** Longest single sleep: nothing depends on it, but a lost wake-up then costs a moment and not the machine. */
const SLEEP_MAX_MS = 1000;
const IDLE = Number(PcpuExit.values.IDLE);

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
  do runOrSleep(host);
  while (performance.now() < until);
}

function runOrSleep(host: PcpuHost): void {
  const words = new Int32Array(host.memory.buffer);
  waitForDomain0(words);
  const doorbell = (PCPU_BASE + host.pcpu * Pcpu.size + Pcpu.off.doorbell) >>> 2;
  // Read before looking for work: a ring between the look and the sleep then ends the sleep at once.
  const rung = Atomics.load(words, doorbell);
  const ms = runTurn(host);
  if (ms > 0) Atomics.wait(words, doorbell, rung, ms);
}

/** A turn of the core on this pCPU. How many ms it may sleep then, unless its doorbell rings; 0 when there is more to do. */
export function runTurn({ core, pcpu, share, regions, fault }: PcpuHost): number {
  try {
    regions?.install();
    const exit = core.pcpuRun(pcpu);
    share?.settle();
    return exit === IDLE ? Math.min(core.pcpuIdleNs(pcpu) / 1e6, SLEEP_MAX_MS) : 0;
  } catch (error) {
    try {
      core.pcpuAbandon(pcpu);
    } finally {
      // What traps in there too is a machine that nothing can put right: this pCPU then ends.
      fault(failureText(error));
    }
    return 0;
  }
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
