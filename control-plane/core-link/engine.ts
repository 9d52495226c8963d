/** What runs a machine's pCPUs and tells Domain0 of its doorbell; `threads.ts` and `one-thread.ts` are the two kinds. */
import type { CoreExports, RegionDoors } from "../../wasm-core/abi/core-api.js";
import type { HostOrigin, RegionAnswer, WorkerReport } from "../../wasm-core/worker/index.js";
import type { CoreCalls } from "./core.js";

/** A machine that is made and not yet running. */
export interface EngineParts {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  /** Domain0's instance. */
  readonly exports: CoreExports & RegionDoors;
  readonly origin: HostOrigin;
  readonly pcpus: number;
  /** Address of the Jit struct; 0 when the interpreter does everything. */
  readonly jit: number;
  readonly onReport: (report: WorkerReport) => void;
}

/** Who knows what the region compiler has made. */
export interface RegionDirectory {
  list(): Promise<NonNullable<RegionAnswer["list"]>>;
  /** Ways out of regions, which are then counted anew if `clear`. */
  exits(clear: boolean): Promise<NonNullable<RegionAnswer["exits"]>>;
  /** Undefined when there is no such region. */
  describe(region: number, wasm: boolean): Promise<string | undefined>;
}

export interface Engine {
  /** The core as Domain0 is to call it. */
  readonly calls: CoreCalls;
  /** Null when there is no compiler. */
  readonly regions: RegionDirectory | null;
  /** Calls `onRing` whenever the core has something for Domain0, and once at the start. */
  onDoorbell(onRing: () => void): void;
  /** Ends the pCPUs; nothing runs afterwards. */
  close(): Promise<void>;
}
