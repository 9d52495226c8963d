/**
 * The life of a pCPU: run vCPUs until there is nothing to run, sleep on the doorbell until the next timer or until
 * somebody rings, and now and then let the worker's event loop have a turn, so that messages get in. Never spins.
 */
import type { CoreExports } from "../abi/core-api.js";
import { CrashReason, Domain, ShutdownReason } from "../abi/structs/domain.js";
import { MACHINE_BASE, Machine, PCPU_BASE, Pcpu } from "../abi/structs/machine.js";
import { PcpuExit, VcpuRunState } from "../abi/structs/sched.js";
import { Vcpu } from "../abi/structs/vcpu.js";
import type { CpuShare } from "./cpu-share.js";
import type { Regions } from "./regions.js";

/** How long the event loop waits for its turn at most, ms. */
const TURN_MS = 25;
/** Longest single sleep: nothing depends on it, but a lost wake-up then costs a moment and not the machine. */
const SLEEP_MAX_MS = 1000;
const ALL_ONES = -1;

export interface PcpuHost {
  readonly core: CoreExports;
  readonly memory: WebAssembly.Memory;
  readonly pcpu: number;
  /** Null where the host does not tell what processor time the thread has had. */
  readonly share: CpuShare | null;
  /** Null when the interpreter does everything. */
  readonly regions: Regions | null;
  /** Called with what a trap said, after its domain has been crashed. */
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
      abandonVcpu(host.memory, host.pcpu);
      host.fault(error instanceof Error ? `${error.message}\n${error.stack ?? ""}` : String(error));
    }
  } while (performance.now() < until);
}

function runOnce({ core, memory, pcpu, share, regions }: PcpuHost): void {
  const words = new Int32Array(memory.buffer);
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

/**
 * After a trap, an instance may have left the vCPU in any state: it is taken off the pCPU and its domain is crashed, so
 * that the other domains go on.
 */
function abandonVcpu(memory: WebAssembly.Memory, pcpu: number): void {
  const words = new Int32Array(memory.buffer);
  const current = (PCPU_BASE + pcpu * Pcpu.size + Pcpu.off.current) >>> 2;
  const vcpu = Atomics.exchange(words, current, 0) >>> 0;
  if (vcpu === 0) return;
  const domain = Atomics.load(words, (vcpu + Vcpu.off.domain) >>> 2) >>> 0;
  const set = (address: number, value: number | bigint) => Atomics.store(words, address >>> 2, Number(value) | 0);
  set(domain + Domain.off.shutdownReason, ShutdownReason.values.CRASH);
  set(domain + Domain.off.crashReason, CrashReason.values.INTERNAL);
  set(domain + Domain.off.shutdown, 1);
  set(vcpu + Vcpu.off.pcpu, ALL_ONES);
  set(vcpu + Vcpu.off.runState, VcpuRunState.values.BLOCKED);
  for (const field of [Machine.off.domExc, Machine.off.doorbell]) {
    Atomics.add(words, (MACHINE_BASE + field) >>> 2, 1);
    Atomics.notify(words, (MACHINE_BASE + field) >>> 2);
  }
}
