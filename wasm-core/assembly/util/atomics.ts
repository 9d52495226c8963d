/**
 * Spinlocks over words of the shared memory. A lock is 0 when free; else it says in its low bits which instance of the
 * core holds it, and by LOCK_SLEEPERS that somebody sleeps until it is free (a futex mutex), so that a worker never burns
 * a core on another's critical section. Who sleeps is a worker, as pCPUs and Domain0 are: a browser's main thread may not.
 * The host is asked to, because V8's baseline compiler loses a local over the instruction memory.atomic.wait32: the lock
 * was then looked for at address 0.
 *
 * The holder's name is for the day on which an instance dies with locks: run/abandon.ts releases them. What a lock of the
 * machine protects is therefore consistent after each store, or can be made so.
 *
 * Lock order, outermost first: CodeCache.lock, Machine.domainLock, Domain.lock, Domain.evtLock (two domains: lower
 * address first), Domain.gntLock (likewise), Domain.mapLock, Domain.p2mLock, Domain.ioLock and Domain.monitorLock,
 * Machine.schedLock, Machine.heapLock, Machine.frameLock, Machine.logLock. CodeCache.splitLock takes no other. No lock is
 * held across a TLB shootdown or an access to guest virtual memory.
 */
import { LOCK_SLEEPERS } from "../gen/layout";

/** What this instance writes into the locks that it takes. Given by the worker, the same for all its life. */
@external("env", "lockOwner") declare const lockOwner: u32;

@external("env", "hostWait") declare function hostWait(address: usize, value: u32): void;

const SPINS: i32 = 400;

@inline
export function spinLock(lock: usize): void {
  if (atomic.cmpxchg<u32>(lock, 0, lockOwner) != 0) spinLockSlow(lock);
}

function spinLockSlow(lock: usize): void {
  for (let i = 0; i < SPINS; i++) {
    if (atomic.load<u32>(lock) == 0 && atomic.cmpxchg<u32>(lock, 0, lockOwner) == 0) return;
  }
  while (true) {
    const seen = atomic.load<u32>(lock);
    // Somebody else may sleep too: who has slept says so when it takes the lock.
    if (seen == 0) {
      if (atomic.cmpxchg<u32>(lock, 0, lockOwner | (<u32>LOCK_SLEEPERS)) == 0) return;
    } else if (seen & (<u32>LOCK_SLEEPERS) || atomic.cmpxchg<u32>(lock, seen, seen | (<u32>LOCK_SLEEPERS)) == seen) {
      hostWait(lock, seen | (<u32>LOCK_SLEEPERS));
    }
  }
}

/** Takes the lock if it is free. */
@inline
export function spinTryLock(lock: usize): bool {
  return atomic.cmpxchg<u32>(lock, 0, lockOwner) == 0;
}

@inline
export function spinUnlock(lock: usize): void {
  if (atomic.xchg<u32>(lock, 0) & (<u32>LOCK_SLEEPERS)) atomic.notify(lock, 1);
}

/** Whether this instance holds the lock: asked after it died and started again. */
@inline
export function holdsLock(lock: usize): bool {
  return (atomic.load<u32>(lock) & ~(<u32>LOCK_SLEEPERS)) == lockOwner;
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
