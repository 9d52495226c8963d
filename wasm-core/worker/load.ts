/**
 * Instantiates the core over the machine's memory. Every thread has an instance of its own and they share nothing else:
 * the module's data segments are passive, so that a second instance does not reset what the first has written, and one
 * call of `initData`, by Domain0 before anything else, puts the constants in place.
 */
import type { CoreExports, CoreImports, RegionDoors } from "../abi/core-api.js";
import { isShared } from "../abi/shared.js";

/** The origin of machine time on this host, ms on the scale of `performance.timeOrigin`; the same in all workers. */
export type HostOrigin = number;

export interface CoreHooks {
  readonly origin: HostOrigin;
  /** The instance's name in the locks that it takes. */
  readonly lockOwner: number;
  random(): number;
  trace(code: number, a: number, b: number): void;
}

export interface CoreInstance {
  readonly exports: CoreExports & RegionDoors;
  /** Loads the constants. Exactly once per memory. */
  initData(): void;
}

/** The memory that the core imports; sizes in 64 KiB pages. */
export interface MemoryLimits {
  readonly initial: number;
  readonly maximum: number;
  readonly shared: boolean;
}

/** What the post-link step adds to the compiler's exports. */
interface LinkedExports extends CoreExports, RegionDoors {
  readonly __init_data?: () => void;
}

/** Longest sleep for a lock before looking again. */
const NAP_MS = 2;
/** Sleep of a vCPU that spins. */
const SPIN_NAP_MS = 0.05;

/** This moment, to be given to every worker of a machine. */
export const hostOrigin = (): HostOrigin => performance.timeOrigin + performance.now();

export function instantiateCore(
  module: WebAssembly.Module,
  memory: WebAssembly.Memory,
  hooks: CoreHooks,
): CoreInstance {
  // A worker's own clock starts at its own time origin; the difference is small and so keeps its precision.
  // Held: in Node the global is a getter, and guests ask for the time at every system call.
  const clock = performance;
  const shift = clock.timeOrigin - hooks.origin;
  const env: CoreImports = {
    memory,
    lockOwner: hooks.lockOwner,
    hostNow: () => (clock.now() + shift) * 1e6,
    hostWallClock: () => Date.now() * 1e6,
    hostRandom: () => hooks.random(),
    hostWait: (address, value) => waitForLock(memory, address >>> 0, value),
    hostNap: (address) => {
      // One thread has nobody to wait for: whoever else is to run does so after the slice.
      if (!isShared(memory)) return;
      Atomics.wait(new Int32Array(memory.buffer), address >>> 2, 0, SPIN_NAP_MS);
    },
    hostTrace: (code, a, b) => hooks.trace(code >>> 0, a >>> 0, b >>> 0),
    abort: (_message, _file, line, column) => {
      throw new Error(`core aborted at ${line}:${column}`);
    },
  };
  const instance = new WebAssembly.Instance(module, { env } as unknown as WebAssembly.Imports);
  const exports = instance.exports as unknown as LinkedExports;
  return { exports, initData: () => exports.__init_data?.() };
}

function waitForLock(memory: WebAssembly.Memory, address: number, value: number): void {
  if (!isShared(memory)) {
    // Whoever holds it trapped under it. Waiting for that would be for ever.
    throw new Error(`the lock at 0x${address.toString(16)} is held, and no other thread is there to release it`);
  }
  // A view of its own each time: the memory grows.
  Atomics.wait(new Int32Array(memory.buffer), address >>> 2, value, NAP_MS);
}

/** Random bits of the host, a block at a time. */
export function hostRandomSource(): () => number {
  const block = new Uint32Array(64);
  let at = block.length;
  return () => {
    if (at === block.length) {
      crypto.getRandomValues(block);
      at = 0;
    }
    return block[at++]!;
  };
}
