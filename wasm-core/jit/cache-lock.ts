/**
 * The lock of the code cache, for the compiler: while it holds it nobody takes a block out, so that an address of a block
 * is still that block's. The protocol is that of assembly/util/atomics.ts. pCPUs spin for this lock: held briefly.
 */
import { LOCK_COMPILER, LOCK_SLEEPERS } from "../abi/structs/machine.js";

/** Longest sleep before looking again, ms. */
const NAP_MS = 2;

/** Does `work` while it holds the lock at index `lock` of `words`. */
export function withCacheLock<T>(words: Int32Array, lock: number, work: () => T): T {
  for (;;) {
    // As one who may have slept: others may sleep too.
    const seen = Atomics.compareExchange(words, lock, 0, LOCK_COMPILER | LOCK_SLEEPERS);
    if (seen === 0) break;
    const marked = seen | LOCK_SLEEPERS;
    if (seen === marked || Atomics.compareExchange(words, lock, seen, marked) === seen)
      Atomics.wait(words, lock, marked, NAP_MS);
  }
  try {
    return work();
  } finally {
    Atomics.store(words, lock, 0);
    Atomics.notify(words, lock, 1);
  }
}
