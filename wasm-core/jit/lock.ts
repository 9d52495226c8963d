/** The core's locks (assembly/util/atomics.ts) as the compiler takes them. */
import { LOCK_SLEEPERS } from "../abi/structs/machine.js";

/** Longest sleep before looking again. */
const NAP_MS = 1;

/** Does `work` while holding the lock at `address`, in the name of `owner`. */
export function withLock(words: Int32Array, address: number, owner: number, work: () => void): void {
  const lock = address >>> 2;
  for (let seen = Atomics.compareExchange(words, lock, 0, owner); seen !== 0; ) {
    Atomics.wait(words, lock, seen, NAP_MS);
    seen = Atomics.compareExchange(words, lock, 0, owner);
  }
  try {
    work();
  } finally {
    if (Atomics.exchange(words, lock, 0) & LOCK_SLEEPERS) Atomics.notify(words, lock, 1);
  }
}
