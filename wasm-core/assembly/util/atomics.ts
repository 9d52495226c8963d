/**
 * Spinlocks over words of the shared memory. A lock is 0 free, 1 held, 2 held with sleepers (a futex mutex), so that a
 * worker never burns a core on another's critical section. Without shared memory there is nobody to contend with, and
 * the wait, which would trap there and on a browser's main thread, is not reached: Domain0 and pCPUs are workers.
 *
 * Lock order, outermost first: Machine.domainLock, Domain.lock, Domain.evtLock (two domains: lower address first),
 * Domain.gntLock (likewise), Domain.mapLock, Domain.p2mLock, Machine.schedLock, Machine.heapLock, Machine.frameLock,
 * Machine.logLock. No lock is held across a TLB shootdown or an access to guest virtual memory.
 */

const SPINS: i32 = 400;
/** Longest sleep before looking again, ns. */
const NAP: i64 = 2_000_000;

@inline
export function spinLock(lock: usize): void {
  if (atomic.cmpxchg<u32>(lock, 0, 1) != 0) spinLockSlow(lock);
}

function spinLockSlow(lock: usize): void {
  for (let i = 0; i < SPINS; i++) {
    if (atomic.load<u32>(lock) == 0 && atomic.cmpxchg<u32>(lock, 0, 1) == 0) return;
  }
  while (atomic.xchg<u32>(lock, 2) != 0) atomic.wait<i32>(lock, 2, NAP);
}

/** Takes the lock if it is free. */
@inline
export function spinTryLock(lock: usize): bool {
  return atomic.cmpxchg<u32>(lock, 0, 1) == 0;
}

@inline
export function spinUnlock(lock: usize): void {
  if (atomic.xchg<u32>(lock, 0) == 2) atomic.notify(lock, 1);
}

/** Takes two locks of the same rank, lower address first; they may be one. */
export function spinLockPair(a: usize, b: usize): void {
  spinLock(a < b ? a : b);
  if (a != b) spinLock(a < b ? b : a);
}

export function spinUnlockPair(a: usize, b: usize): void {
  spinUnlock(a);
  if (a != b) spinUnlock(b);
}

/** Rings a doorbell: whoever sleeps on the word wakes. */
export function ring(doorbell: usize): void {
  atomic.add<u32>(doorbell, 1);
  atomic.notify(doorbell, -1);
}
