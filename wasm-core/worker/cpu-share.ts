/**
 * Charges vCPUs with processor time instead of time on a pCPU. The core counts the latter and multiplies it by
 * Pcpu.cpuShare; here that share is set, now and then, so that the sum of what was charged follows the clock of the
 * pCPU's thread. What one stretch charged too much or too little, the next makes up for.
 */
import { CpuSource, PCPU_BASE, Pcpu } from "../abi/structs/machine.js";

/** Processor time of the calling thread, ns. */
export type ThreadClock = () => number;

/** Time on the pCPU that a stretch has at least: clocks of threads may advance in steps of some ms. */
const STRETCH_NS = 50_000_000;
/** Most that is ever made up for. The thread's work outside vCPUs is nobody's, and would add up. */
const OWED_MAX_NS = 200_000_000;
/** A share of one, in Pcpu.cpuShare. */
const WHOLE = 0x10000;

export class CpuShare {
  readonly #view: DataView;
  readonly #busyAt: number;
  readonly #shareAt: number;
  #busy: number;
  #used: number;
  #owed = 0;
  #share = 1;

  constructor(
    memory: WebAssembly.Memory,
    pcpu: number,
    private readonly clock: ThreadClock,
  ) {
    // Structs of pCPUs lie in the first page, which is there whatever the memory grows to.
    this.#view = new DataView(memory.buffer);
    const base = PCPU_BASE + pcpu * Pcpu.size;
    this.#busyAt = base + Pcpu.off.busyNs;
    this.#shareAt = base + Pcpu.off.cpuShare;
    this.#view.setUint32(base + Pcpu.off.cpuSource, Number(CpuSource.values.THREAD), true);
    this.#busy = this.#readBusy();
    this.#used = clock();
  }

  #readBusy(): number {
    return Number(this.#view.getBigUint64(this.#busyAt, true));
  }

  /** After a turn of the pCPU. */
  settle(): void {
    const busy = this.#readBusy();
    const stretch = busy - this.#busy;
    if (stretch < STRETCH_NS) return;
    const now = this.clock();
    const used = now - this.#used;
    this.#busy = busy;
    this.#used = now;
    this.#owed = clamp(this.#owed + used - stretch * this.#share, -OWED_MAX_NS, OWED_MAX_NS);
    const share = Math.round(clamp((used + this.#owed) / stretch, 0, 1) * WHOLE);
    this.#share = share / WHOLE;
    this.#view.setUint32(this.#shareAt, share, true);
  }
}

const clamp = (value: number, low: number, high: number) => Math.min(Math.max(value, low), high);
