/** The engine of a machine with shared memory: a worker for each pCPU and one that compiles regions. */
import { Jit } from "../../wasm-core/abi/structs/jit.js";
import { MACHINE_BASE, Machine } from "../../wasm-core/abi/structs/machine.js";
import type { WorkerStart } from "../../wasm-core/worker/index.js";
import { CompilerQuestions } from "./compiler-questions.js";
import type { CoreCalls } from "./core.js";
import { watchDoorbell } from "./doorbell.js";
import type { Engine, EngineParts } from "./engine.js";
import type { MachineMemory } from "./memory.js";
import type { CoreWorker, SpawnCoreWorker } from "./workers.js";

export interface ThreadsParts extends EngineParts {
  readonly view: MachineMemory;
  readonly spawn: SpawnCoreWorker;
  readonly onWorkerFailure: (message: string) => void;
}

export class Threads implements Engine {
  readonly calls: CoreCalls;
  readonly regions: CompilerQuestions | null;
  readonly #workers: CoreWorker[] = [];
  #stopWatching: (() => void) | null = null;

  constructor(private readonly parts: ThreadsParts) {
    const { module, memory, exports, origin, pcpus, jit } = parts;
    this.calls = exports;
    for (let pcpu = 0; pcpu < pcpus; pcpu++)
      this.#start(`pCPU ${pcpu}`, { kind: "pcpu", module, memory, pcpu, origin, jit });
    this.regions = jit === 0 ? null : this.#startCompiler();
  }

  onDoorbell(onRing: () => void): void {
    const { view, memory, spawn } = this.parts;
    this.#stopWatching = watchDoorbell(view, memory, MACHINE_BASE + Machine.off.doorbell, spawn, onRing);
  }

  async close(): Promise<void> {
    this.#stopWatching?.();
    this.regions?.close();
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }

  #startCompiler(): CompilerQuestions {
    const { view, memory, exports, jit } = this.parts;
    const { port1, port2 } = new MessageChannel();
    const ring = (): void => {
      const { words, index } = view.wordAt(jit + Jit.off.requestTail);
      Atomics.notify(words, index);
    };
    const firstSlot = exports.table.length;
    this.#start("compiler", { kind: "compiler", memory, jit, firstSlot, questions: port2 }, [port2]);
    return new CompilerQuestions(port1, ring);
  }

  #start(name: string, message: WorkerStart, ports: readonly MessagePort[] = []): void {
    const worker = this.parts.spawn();
    worker.onReport(this.parts.onReport);
    worker.onFailure((failure) => this.parts.onWorkerFailure(`${name}: ${failure}`));
    worker.start(message, ports);
    this.#workers.push(worker);
  }
}
