/**
 * The life of the only pCPU of a machine without shared memory. It lives in Domain0's thread and may not block it: a turn
 * of the core, then whatever else the event loop has, then the next turn. Idle, it waits for a timer or for `look`, which
 * Domain0 calls where a machine of several threads rings a doorbell. Never polls. Regions are compiled between turns.
 */
import type { CoreExports, RegionDoors } from "../abi/core-api.js";
import { MACHINE_BASE, Machine, PCPU_BASE, Pcpu } from "../abi/structs/machine.js";
import { RegionCompiler } from "../jit/compiler.js";
import { answer } from "./compiler.js";
import { isInStep } from "./in-step.js";
import { failureText, type RegionAnswer, type RegionQuestion, type WorkerReport } from "./messages.js";
import { type PcpuHost, runTurn } from "./pcpu.js";
import { Regions } from "./regions.js";

/** Regions that are compiled between two turns at most: a few ms of work. */
const REGIONS_A_TURN = 8;
const PCPU = 0;
const PCPU_BELL = (PCPU_BASE + PCPU * Pcpu.size + Pcpu.off.doorbell) >>> 2;
const DOMAIN0_BELL = (MACHINE_BASE + Machine.off.doorbell) >>> 2;
/** No doorbell begins with it: the first look finds both rung. */
const NEVER_HEARD = -1;

export interface OneThreadHost {
  /** The only instance: Domain0's too. */
  readonly core: CoreExports & RegionDoors;
  readonly memory: WebAssembly.Memory;
  /** Address of the Jit struct; 0 when the interpreter does everything. */
  readonly jit: number;
  /** Runs work after the event loop had a turn. */
  soon(work: () => void): void;
  /** Domain0's doorbell was rung; also called once at the start. */
  onRing(): void;
  report(message: WorkerReport): void;
}

export class OneThread {
  readonly #pcpu: PcpuHost;
  /** Null when the interpreter does everything. */
  readonly #compiler: RegionCompiler | null;
  #pcpuHeard = NEVER_HEARD;
  #domain0Heard = NEVER_HEARD;
  /** A turn is on its way. */
  #isDue = false;
  #isStopped = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly host: OneThreadHost) {
    const { core, memory, jit } = host;
    const fault = (message: string) => host.report({ kind: "fault", pcpu: PCPU, message });
    const failed = (message: string) => host.report({ kind: "compiler", message });
    const regions = jit === 0 ? null : new Regions(core, memory, PCPU, jit, failed);
    // The thread's processor time is Domain0's and the compiler's as well: vCPUs are charged with the time on the pCPU.
    this.#pcpu = { core, memory, pcpu: PCPU, share: null, regions, fault };
    this.#compiler = jit === 0 ? null : new RegionCompiler({ memory, jit, firstSlot: core.table.length });
    this.look();
  }

  /** To be called after every call of the core: it may have rung. */
  look(): void {
    const words = this.#words();
    if (words[PCPU_BELL] !== this.#pcpuHeard || words[DOMAIN0_BELL] !== this.#domain0Heard) this.#wake();
  }

  /** What is asked of the compiler; it knows of nothing when the interpreter does everything. */
  answer(question: RegionQuestion): RegionAnswer {
    return this.#compiler ? answer(this.#compiler, question) : { id: question.id };
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }

  /** A view of its own each time: the memory grows. */
  #words(): Int32Array {
    return new Int32Array(this.host.memory.buffer);
  }

  readonly #wake = (): void => {
    if (this.#isDue || this.#isStopped) return;
    this.#isDue = true;
    clearTimeout(this.#timer);
    // From a timer too: browsers delay timers that timers set.
    this.host.soon(() => this.#turn());
  };

  #turn(): void {
    this.#isDue = false;
    if (this.#isStopped) return;
    this.#pcpuHeard = this.#words()[PCPU_BELL]!;
    const idleMs = isInStep(this.#words()) ? this.#run() : 0;
    this.#compile();
    this.#answerDomain0();
    if (idleMs === 0 || this.#compiler?.isAsked) this.#wake();
    this.look();
    if (!this.#isDue && !this.#isStopped) this.#timer = setTimeout(this.#wake, Math.ceil(idleMs));
  }

  #run(): number {
    try {
      return runTurn(this.#pcpu);
    } catch {
      // What trapped is reported, and this pCPU at its end.
      this.stop();
      return 0;
    }
  }

  #compile(): void {
    try {
      this.#compiler?.drain(REGIONS_A_TURN);
    } catch (error) {
      this.host.report({ kind: "compiler", message: failureText(error) });
    }
  }

  #answerDomain0(): void {
    const words = this.#words();
    // Shown first: what a deterministic machine's Domain0 was not shown, it does not say that it has done.
    isInStep(words);
    const rung = words[DOMAIN0_BELL]!;
    if (rung === this.#domain0Heard) return;
    this.#domain0Heard = rung;
    this.host.onRing();
  }
}
