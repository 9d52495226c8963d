/**
 * Hot blocks and their regions: counting, asking the compiler, entering what it made. [none of this is x86's]
 * A region is entered only where its module has been instantiated: Block.entryAt against Vcpu.regionsAt. What the jump
 * cache knows of regions is only as old as the last time that slots were emptied: Vcpu.regionDrops.
 */
import {
  Block,
  BlockOff,
  Jit,
  Jit_SIZE,
  JIT_EXITS,
  JIT_FUNCTIONS,
  JIT_BRISK,
  JIT_HOT,
  JIT_LEAVES,
  JIT_MANY_LEAVES,
  JIT_REQUESTS,
  JIT_PACE,
  JIT_PAIRED,
  JIT_PATIENCE,
  JIT_RING_BYTES,
  JIT_TARGETS,
  JIT_TARGET_TABLES,
  JIT_THRESHOLD,
  JIT_USER_THRESHOLD,
  JIT_YOUNG_RUNS,
  JIT_YOUTH,
  JitExit_SIZE,
  JitOff,
  JitRequest,
  JitTarget_SIZE,
  JitRequest_SIZE,
  JUMP_SLICE,
  JumpEntry,
  Vcpu,
} from "../gen/layout";
import { VARIANTS } from "../gen/decode-tables";
import { PAIRS } from "../gen/handlers";
import { PAIR_FIRST, PAIR_OF, PAIR_STRIDE } from "../gen/pairs";
import { handlerIndex } from "../decode/decode";
import { jumpEntry, settleHeat } from "../decode/jumps";
import { countAnew, millions } from "../decode/patience";
import { placeIn } from "../decode/record";
import { heapPages, orderOf } from "../mem/heap";
import { codeCache } from "../mmu/code-cache";
import { spinTryLock, spinUnlock } from "../util/atomics";

@inline
function jit(): Jit {
  return changetype<Jit>(<usize>codeCache().jit);
}

/** Allocates what the compiler and the core share; false when there is no memory. Once. */
export function jitInit(): bool {
  const at = heapPages(orderOf(<u32>Jit_SIZE));
  const variants = heapPages(orderOf(<u32>JIT_FUNCTIONS * 2));
  const requests = heapPages(orderOf(<u32>JIT_REQUESTS * <u32>JitRequest_SIZE));
  const targets = heapPages(orderOf(<u32>JIT_TARGET_TABLES * <u32>JIT_TARGETS * <u32>JitTarget_SIZE));
  const exits = heapPages(orderOf(<u32>JIT_TARGET_TABLES * <u32>JIT_EXITS * <u32>JitExit_SIZE));
  if (at == 0 || variants == 0 || requests == 0 || targets == 0 || exits == 0) return false;
  const j = changetype<Jit>(at);
  j.variants = <u32>variants;
  j.requests = <u32>requests;
  j.targets = <u32>targets;
  j.exits = <u32>exits;
  j.threshold = <u32>JIT_THRESHOLD;
  j.userThreshold = <u32>JIT_USER_THRESHOLD;
  j.youth = <u32>JIT_YOUTH;
  j.hot = <u32>JIT_HOT;
  j.longest = <u32>JIT_THRESHOLD * <u32>JIT_PATIENCE;
  codeCache().jit = <u32>at;
  nameHandlers(variants);
  return true;
}

/** Writes down whose handler each entry of the function table is. A pair's stands for that of its first instruction. */
function nameHandlers(map: usize): void {
  for (let v: u32 = 0; v < VARIANTS; v++) {
    store<u16>(map + ((<usize>handlerIndex(v)) << 1), <u16>(v + 1));
    const line = <u32>load<u8>(PAIR_FIRST + v);
    for (let place: u32 = 0; line != 0 && place < PAIR_STRIDE; place++) {
      const n = <u32>load<u16>(PAIR_OF + <usize>((line - 1) * PAIR_STRIDE + place) * 2);
      if (n == 0) continue;
      const fn = placeIn(changetype<usize>(PAIRS), n - 1);
      store<u16>(map + ((<usize>fn) << 1), <u16>((v + 1) | (<u32>JIT_PAIRED)));
    }
  }
}

/** Makes the ring and lets hot blocks ask for regions. */
export function jitStart(): u32 {
  const j = jit();
  if (j.ring == 0) j.ring = <u32>heapPages(orderOf(<u32>JIT_RING_BYTES));
  if (j.ring == 0) return 0;
  j.enabled = 1;
  return <u32>changetype<usize>(j);
}

/** Counts a run from `block`, the one at RIP, and asks for a region, or a better one, when that was often enough. */
@inline
export function warm(cpu: Vcpu, block: Block): void {
  const heat = block.heat;
  if (heat == 0) return;
  block.heat = heat - 1;
  if (heat == 1) ask(cpu, block);
}

/**
 * Whether the block is to prove itself further: that of a young domain, so that it asks soon after the domain's youth,
 * and a user's that is not run at a pace. It is counted on in steps.
 */
function waits(j: Jit, cpu: Vcpu, block: Block, now: u32): bool {
  if (block.entry != 0) return false;
  if (now < j.youth) return counts(block, j.threshold * <u32>JIT_YOUNG_RUNS, max<u32>(j.threshold / 3, 1));
  if (!isSlower(cpu, block, now, JIT_PACE)) return false;
  if (!counts(block, j.threshold, j.userThreshold)) return false;
  block.since = <u16>now;
  return true;
}

/** Whether it is a user's block that took more than `pace` millions of instructions for its last step. */
function isSlower(cpu: Vcpu, block: Block, now: u32, pace: u32): bool {
  return cpu.cpl == 3 && <u32>(<u16>(now - <u32>block.since)) > pace;
}

/** Counts the block on for a step; false when it has run often enough. */
function counts(block: Block, enough: u32, step: u32): bool {
  if (block.patience >= enough) return false;
  block.patience += step;
  block.heat = step;
  return true;
}

function ask(cpu: Vcpu, block: Block): void {
  const j = jit();
  const now = millions(cpu);
  if (waits(j, cpu, block, now)) return;
  const lock = changetype<usize>(j) + JitOff.requestLock;
  const cooled = min(block.patience, j.threshold);
  if (!j.enabled || !spinTryLock(lock)) {
    block.heat = cooled;
    return;
  }
  const tail = j.requestTail;
  if (tail - atomic.load<u32>(changetype<usize>(j), JitOff.requestHead) == <u32>JIT_REQUESTS) block.heat = cooled;
  else {
    const r = changetype<JitRequest>(<usize>j.requests + (tail & (<u32>JIT_REQUESTS - 1)) * <u32>JitRequest_SIZE);
    r.block = <u32>changetype<usize>(block);
    r.vcpu = <u32>changetype<usize>(cpu);
    r.rip = cpu.rip;
    r.epoch = codeCache().epoch;
    r.fpu = (<u32>cpu.fcw) | ((<u32>cpu.fsw) << 16);
    r.isSlow = isSlower(cpu, block, now, JIT_BRISK) ? 1 : 0;
    atomic.store<u32>(changetype<usize>(j), tail + 1, JitOff.requestTail);
    atomic.notify(changetype<usize>(j) + JitOff.requestTail, 1);
  }
  spinUnlock(lock);
}

/**
 * Where in the function table the region that begins with `block` is; 0 when there is none or this pCPU does not have
 * it. The entry is read once, and first: others may take it away meanwhile, and what was there stays in this pCPU's
 * table until its turn is over; what was announced meanwhile comes with its own place in the ring, which was written
 * before it. Ring indices are compared by their distance.
 */
@inline
export function regionOf(cpu: Vcpu, block: Block): u32 {
  const entry = atomic.load<u32>(changetype<usize>(block), BlockOff.entry);
  if (entry == 0) return 0;
  const at = atomic.load<u32>(changetype<usize>(block), BlockOff.entryAt);
  return <i32>(cpu.regionsAt - at) >= 0 ? entry : 0;
}

/** Whether the region that the entry knows may be entered now, with no look at its block. */
@inline
export function isReady(cpu: Vcpu, e: JumpEntry): bool {
  return e.heat > 1 && <i32>(cpu.regionsAt - e.entryAt) >= 0;
}

/**
 * The region at `entry` is about to be entered from `block`, the one at RIP: its jump entry knows it from now on. A block
 * that continues on another page is looked for each time. Returns JumpEntry.pages of the region.
 */
export function noteRegion(cpu: Vcpu, block: Block, entry: u32): u32 {
  block.runs += 1;
  const e = jumpEntry(cpu, cpu.rip);
  // Another's where RIP is not a linear address.
  if (e.block != <u32>changetype<usize>(block) || block.cross) return 0;
  settleHeat(e);
  if (e.entry != entry) e.pages = 0;
  // The module may be an older one than this, or one that is here too: others only wait longer.
  e.entryAt = atomic.load<u32>(changetype<usize>(block), BlockOff.entryAt);
  e.entry = entry;
  e.heat = JUMP_SLICE;
  return e.pages;
}

/** Runs the region at `entry`, of which `pages` are known to lie where they did. A RegionExit. */
@inline
export function enterRegion(cpu: Vcpu, entry: u32, pages: u32): i32 {
  cpu.regionPages = pages;
  return call_indirect<i32>(entry, cpu);
}

/**
 * Counts `entries` regions that have run since the vCPU had `budget` and `icount`. Each instruction took one of the budget;
 * what else took some has been put right by who did.
 */
@inline
export function countRegions(cpu: Vcpu, entries: u32, budget: i32, icount: u64): void {
  cpu.icount += <i64>(budget - cpu.budget);
  cpu.regionInstructions += cpu.icount - icount;
  cpu.regionEntries += entries;
}

/**
 * The region of `from` has left the first instruction of `block` to the interpreter. What is rare in SSE it then leaves in each
 * round of a loop, and the interpreter may have to go on for long: a region of either kind is made again soon.
 */
export function noteLeave(cpu: Vcpu, from: Block, block: Block): void {
  const isSse = cpu.missedSse != 0;
  cpu.missedSse = 0;
  if (block.leaves == <u16>u16.MAX_VALUE) return;
  block.leaves += 1;
  const leaves = <u32>block.leaves;
  const isEnough = isSse ? leaves % JIT_LEAVES == 0 : leaves == JIT_MANY_LEAVES && from.heat == 0;
  // It asks when its block is looked at next, also one made for speed, whose entries are not counted.
  if (isEnough && from.entry != 0) from.heat = 1;
}

/** The region of `block`, the one at RIP, is stale: the block is counted anew, for longer than before. */
export function forgetRegion(cpu: Vcpu, block: Block, entry: u32): void {
  const e = jumpEntry(cpu, cpu.rip);
  if (e.block == <u32>changetype<usize>(block)) e.heat = 0;
  // Another vCPU may have found that out before.
  if (block.entry != entry) return;
  block.entry = 0;
  countAnew(block);
}
