/**
 * The core for real: Domain0's own instance of the module over the machine's memory, and what runs its pCPUs. Started
 * once; from then on the memory is the machine.
 */
import { LOCK_DOMAIN0 } from "../../wasm-core/abi/structs/machine.js";
import {
  hostOrigin,
  hostRandomSource,
  instantiateCore,
  readMemoryLimits,
  type WorkerReport,
} from "../../wasm-core/worker/index.js";
import type { CoreCalls, CoreLink } from "./core.js";
import type { Engine, RegionDirectory } from "./engine.js";
import { MachineMemory } from "./memory.js";
import { OneThreadEngine, type Soon } from "./one-thread.js";
import { Threads } from "./threads.js";
import type { SpawnCoreWorker } from "./workers.js";

export interface RealCoreOptions {
  /** Bytes of the core: of the build for shared memory, or of the one for a single thread. */
  readonly wasm: Uint8Array<ArrayBuffer>;
  /** Everything in this thread, without shared memory; `pcpus` is 1 then. */
  readonly singleThread: boolean;
  readonly pcpus: number;
  /** Frames that guests may have in all. */
  readonly maxFrames: number;
  readonly deterministic: boolean;
  readonly seed: number;
  /** Compile hot guest code to WebAssembly, in a worker of its own if there are any. */
  readonly jit: boolean;
  readonly spawn: SpawnCoreWorker;
  readonly soon: Soon;
  readonly onReport: (report: WorkerReport) => void;
  readonly onWorkerFailure: (message: string) => void;
}

export class RealCore implements CoreLink {
  private constructor(
    readonly memory: MachineMemory,
    private readonly engine: Engine,
  ) {}

  get calls(): CoreCalls {
    return this.engine.calls;
  }

  /** Who knows the regions; null when there is no compiler. */
  get regions(): RegionDirectory | null {
    return this.engine.regions;
  }

  /** Makes the machine and starts its pCPUs. Throws what the host throws when it cannot: no memory, a wrong module. */
  static async start(options: RealCoreOptions): Promise<RealCore> {
    const { singleThread, pcpus, maxFrames, deterministic, seed, onReport } = options;
    const limits = readMemoryLimits(options.wasm);
    if (!limits) throw new Error("the core imports no memory");
    if (limits.shared === singleThread)
      throw new Error(`this build of the core is for ${limits.shared ? "several threads" : "one thread"}`);
    const memory = new WebAssembly.Memory(limits);
    const module = await WebAssembly.compile(options.wasm);
    const origin = hostOrigin();
    const trace = (code: number, a: number, b: number) => onReport({ kind: "trace", code, a, b });
    const hooks = { origin, lockOwner: LOCK_DOMAIN0, random: hostRandomSource(), trace };
    const { exports, initData } = instantiateCore(module, memory, hooks);
    initData();
    const seedHigh = Math.floor(seed / 0x1_0000_0000);
    const status = exports.machineInit(maxFrames, pcpus, deterministic ? 1 : 0, seed >>> 0, seedHigh);
    if (status < 0) throw new Error(`the machine could not be made (${status})`);
    // Regions change where slices end, and with it a run that is to be the same again.
    const jit = options.jit && !deterministic ? exports.jitStart() : 0;
    const parts = { module, memory, exports, origin, pcpus, jit, onReport };
    const view = new MachineMemory(memory);
    const { soon, spawn, onWorkerFailure } = options;
    const engine = singleThread
      ? new OneThreadEngine(parts, soon)
      : new Threads({ ...parts, view, spawn, onWorkerFailure });
    return new RealCore(view, engine);
  }

  /** Calls `onRing` whenever the core has something for Domain0, and once at the start. */
  onDoorbell(onRing: () => void): void {
    this.engine.onDoorbell(onRing);
  }

  /** Ends the pCPUs; nothing runs afterwards. */
  close(): Promise<void> {
    return this.engine.close();
  }
}
