/** The lock of the cache of blocks, and how all vCPUs leave their blocks for who holds it. */
import { CodeCache, CodeCacheOff, Domain, EventBit, Vcpu, VcpuOff, VcpuRunState } from "../gen/layout";
import { firstVcpu, lockDomains, nextVcpu, unlockDomains } from "../mem/domains";
import { signal } from "../mem/signal";
import { codeCache } from "../mmu/code-cache";
import { emptyJumpCache, tlbFlushAll } from "../mmu/tlb";
import { spinTryLock, spinUnlock } from "../util/atomics";

/** Waits until no other vCPU is inside a block, and has all look their blocks up anew. They go on when the lock is free. */
export function stopAll(cpu: Vcpu): void {
  const all = changetype<Domain>(0);
  lockDomains();
  // They leave their blocks, and then wait for the cache's lock, which the caller holds.
  for (let each = firstVcpu(all); changetype<usize>(each) != 0; each = nextVcpu(each, all)) {
    if (each != cpu) signal(each, EventBit.FLUSH_CODE);
  }
  for (let each = firstVcpu(all); changetype<usize>(each) != 0; each = nextVcpu(each, all)) {
    if (each != cpu) while (insideBlock(each)) serve(cpu, EventBit.FLUSH_TLB | EventBit.SETTLE);
  }
  for (let each = firstVcpu(all); changetype<usize>(each) != 0; each = nextVcpu(each, all)) emptyJumpCache(each);
  unlockDomains();
}

/**
 * Obeys those of the events in `which` that others may be waiting for. Whoever waits between blocks does so: else two
 * that wait for each other would do so for ever.
 */
function serve(self: Vcpu, which: u32): void {
  const events = eventsOf(self) & which;
  if (events == 0) return;
  if (events & EventBit.FLUSH_TLB) tlbFlushAll(self);
  atomic.and<u32>(changetype<usize>(self), ~events, VcpuOff.events);
}

@inline
function eventsOf(cpu: Vcpu): u32 {
  return atomic.load<u32>(changetype<usize>(cpu), VcpuOff.events);
}

/** Whether the vCPU runs on another pCPU and has not obeyed. */
@inline
function insideBlock(cpu: Vcpu): bool {
  return (
    atomic.load<u32>(changetype<usize>(cpu), VcpuOff.runState) == VcpuRunState.RUNNING &&
    (eventsOf(cpu) & EventBit.FLUSH_CODE) != 0
  );
}

/** EventBit.FLUSH_CODE: the vCPU is between blocks; it goes on when whoever makes room has done so. */
export function leaveCode(cpu: Vcpu): void {
  const cache = codeCache();
  lockCache(cpu, cache);
  spinUnlock(changetype<usize>(cache) + CodeCacheOff.lock);
}

/** Takes the cache's lock; a vCPU that waits for it is between blocks, and obeys what others wait for. */
export function lockCache(cpu: Vcpu, cache: CodeCache): void {
  const lock = changetype<usize>(cache) + CodeCacheOff.lock;
  serve(cpu, EventBit.FLUSH_CODE);
  while (!spinTryLock(lock)) serve(cpu, EventBit.FLUSH_CODE | EventBit.FLUSH_TLB | EventBit.SETTLE);
}
