/**
 * The core for real: Domain0's own instance of the module over the machine's shared memory, and the pCPU workers with
 * theirs. Started once; from then on the memory is the machine.
 */
import type { CoreExports } from "../../wasm-core/abi/core-api.js";
import { Jit } from "../../wasm-core/abi/structs/jit.js";
import { LOCK_DOMAIN0, MACHINE_BASE, Machine } from "../../wasm-core/abi/structs/machine.js";
import {
  type HostOrigin,
  hostOrigin,
  hostRandomSource,
  instantiateCore,
  readMemoryLimits,
  type WorkerReport,
  type WorkerStart,
} from "../../wasm-core/worker/index.js";
import { CompilerQuestions } from "./compiler-questions.js";
import type { CoreCalls, CoreLink } from "./core.js";
import { watchDoorbell } from "./doorbell.js";
import { MachineMemory } from "./memory.js";
import type { CoreWorker, SpawnCoreWorker } from "./workers.js";

export interface RealCoreOptions {
  /** Bytes of core.wasm. */
  readonly wasm: Uint8Array<ArrayBuffer>;
  readonly pcpus: number;
  /** Frames that guests may have in all. */
  readonly maxFrames: number;
  readonly deterministic: boolean;
  readonly seed: number;
  /** Compile hot guest code to WebAssembly, in a worker of its own. */
  readonly jit: boolean;
  readonly spawn: SpawnCoreWorker;
  readonly onReport: (report: WorkerReport) => void;
  readonly onWorkerFailure: (message: string) => void;
}

export class RealCore implements CoreLink {
  readonly memory: MachineMemory;
  readonly calls: CoreCalls;
  readonly #workers: CoreWorker[] = [];
  #stopWatching: (() => void) | null = null;
  #questions: CompilerQuestions | null = null;

  private constructor(
    private readonly shared: WebAssembly.Memory,
    exports: CoreExports,
    private readonly options: RealCoreOptions,
  ) {
    this.memory = new MachineMemory(shared);
    this.calls = exports;
  }

  /** Makes the machine and starts its pCPUs. Throws what the host throws when it cannot: no memory, a wrong module. */
  static async start(options: RealCoreOptions): Promise<RealCore> {
    const limits = readMemoryLimits(options.wasm);
    if (!limits) throw new Error("core.wasm imports no memory");
    const shared = new WebAssembly.Memory({ ...limits, shared: true });
    const module = await WebAssembly.compile(options.wasm);
    const origin = hostOrigin();
    const trace = (code: number, a: number, b: number) => options.onReport({ kind: "trace", code, a, b });
    const hooks = { origin, lockOwner: LOCK_DOMAIN0, random: hostRandomSource(), trace };
    const instance = instantiateCore(module, shared, hooks);
    instance.initData();
    const { pcpus, maxFrames, deterministic, seed } = options;
    const seedHigh = Math.floor(seed / 0x1_0000_0000);
    const status = instance.exports.machineInit(maxFrames, pcpus, deterministic ? 1 : 0, seed >>> 0, seedHigh);
    if (status < 0) throw new Error(`the machine could not be made (${status})`);
    const core = new RealCore(shared, instance.exports, options);
    // Regions change where slices end, and with it a run that is to be the same again.
    const jit = options.jit && !deterministic ? instance.exports.jitStart() : 0;
    for (let pcpu = 0; pcpu < pcpus; pcpu++) core.#startPcpu(module, pcpu, origin, jit);
    if (jit !== 0) core.#startCompiler(jit, instance.exports.table.length);
    return core;
  }

  /** Calls `onRing` whenever the core has something for Domain0. */
  onDoorbell(onRing: () => void): void {
    const address = MACHINE_BASE + Machine.off.doorbell;
    this.#stopWatching = watchDoorbell(this.memory, this.shared, address, this.options.spawn, onRing);
  }

  /** Who knows the regions; null when there is no compiler. */
  get regions(): CompilerQuestions | null {
    return this.#questions;
  }

  /** Ends the pCPUs; nothing runs afterwards. */
  async close(): Promise<void> {
    this.#stopWatching?.();
    this.#questions?.close();
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }

  #startPcpu(module: WebAssembly.Module, pcpu: number, origin: HostOrigin, jit: number): void {
    this.#start(`pCPU ${pcpu}`, { kind: "pcpu", module, memory: this.shared, pcpu, origin, jit });
  }

  #startCompiler(jit: number, firstSlot: number): void {
    const { port1, port2 } = new MessageChannel();
    const ring = (): void => {
      const { words, index } = this.memory.wordAt(jit + Jit.off.requestTail);
      Atomics.notify(words, index);
    };
    this.#questions = new CompilerQuestions(port1, ring);
    this.#start("compiler", { kind: "compiler", memory: this.shared, jit, firstSlot, questions: port2 }, [port2]);
  }

  #start(name: string, message: WorkerStart, ports: readonly MessagePort[] = []): void {
    const worker = this.options.spawn();
    worker.onReport(this.options.onReport);
    worker.onFailure((failure) => this.options.onWorkerFailure(`${name}: ${failure}`));
    worker.start(message, ports);
    this.#workers.push(worker);
  }
}
