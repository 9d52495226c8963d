/**
 * Waits for a word of shared memory to change without blocking the thread: Atomics.waitAsync, or where that is missing a
 * helper worker that sleeps in our stead. Never polls.
 */
import { MACHINE_BASE, Machine } from "../../wasm-core/abi/structs/machine.js";
import type { MachineMemory } from "./memory.js";
import type { CoreWorker, SpawnCoreWorker } from "./workers.js";

type WaitAsync = (
  words: Int32Array,
  index: number,
  value: number,
) => { async: boolean; value: Promise<string> | string };

/**
 * Calls `onRing` after each change, and once at the start. Returns what ends it. The doorbell of a deterministic machine
 * is what its pCPU shows between slices: worker/in-step.ts.
 */
export function watchDoorbell(
  memory: MachineMemory,
  shared: WebAssembly.Memory,
  doorbell: number,
  spawn: SpawnCoreWorker,
  onRing: () => void,
): () => void {
  const isInStep = memory.load32(MACHINE_BASE + Machine.off.deterministic) !== 0;
  const address = isInStep ? MACHINE_BASE + Machine.off.presented : doorbell;
  const waitAsync = (Atomics as unknown as { waitAsync?: WaitAsync }).waitAsync;
  if (waitAsync) return waitWithAtomics(waitAsync, memory, address, onRing);
  const helper: CoreWorker = spawn();
  helper.onReport(() => onRing());
  helper.start({ kind: "doorbell", memory: shared, address });
  onRing();
  return () => void helper.terminate();
}

function waitWithAtomics(waitAsync: WaitAsync, memory: MachineMemory, address: number, onRing: () => void): () => void {
  let stopped = false;
  const loop = async () => {
    while (!stopped) {
      const seen = memory.load32(address) | 0;
      onRing();
      const { words, index } = memory.wordAt(address);
      const waiting = waitAsync(words, index, seen);
      if (waiting.async) await waiting.value;
      else await Promise.resolve();
    }
  };
  void loop();
  return () => {
    stopped = true;
    memory.ring(address);
  };
}
