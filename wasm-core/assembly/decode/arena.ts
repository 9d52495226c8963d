/**
 * Where blocks lie: one arena for the whole machine, blocks and holes one behind the other. When there is no hole left
 * all vCPUs leave their blocks, and those that are stale become holes. Where that is not much, those that are seldom run do
 * too, then all that no region knows; at last the arena becomes one. No block moves. Regions know the records of their
 * blocks by address: a region that may still be entered has valid blocks only, each of them a member.
 */
import {
  Block,
  BLOCK_MAX_BYTES,
  BLOCK_MAX_RECORDS,
  BLOCK_RECORDS,
  CODE_BUCKETS,
  CodeCache,
  Hole,
  JIT_SELDOM,
  RECORD_BYTES,
  Vcpu,
} from "../gen/layout";
import { stopAll } from "./cache-lock";
import { countOn, isStale } from "./patience";

const HOLE_MARK: u64 = 0xffffffffffffffff;
/** Bytes of the longest block: every hole that blocks are put into takes one. */
const LONGEST: u32 = <u32>BLOCK_RECORDS + (<u32>BLOCK_MAX_RECORDS + 1) * <u32>RECORD_BYTES + <u32>BLOCK_MAX_BYTES + 16;
/** More goes when what is free is less than this part of the arena: else it would soon be full again. */
const WORTHWHILE: u32 = 4;

/** Which valid blocks stay when room is made. */
const enum Stay {
  ALL,
  /** those that are not seldom run, and members of regions */
  WARM,
  MEMBERS,
}

@inline
export function bucket(cache: CodeCache, host: usize, key: u32): usize {
  const h = (<u32>host * 0x9e3779b1) ^ (key * 0x85ebca6b);
  return <usize>cache.buckets + (((<usize>(h >> 16)) & (CODE_BUCKETS - 1)) << 2);
}

/** Sees to it that a block of `size` bytes can be placed. Under the cache's lock; who has a block's address has it no more. */
export function reserve(cpu: Vcpu, cache: CodeCache, size: u32): void {
  if (cache.next + size > cache.holeEnd && !nextHole(cache)) makeRoom(cpu, cache);
}

/** Copies the block at `head`, for which there is room, to where it is to lie from now on. */
export function place(cache: CodeCache, head: Block): usize {
  const at = <usize>cache.next;
  memory.copy(at, changetype<usize>(head), head.size);
  cache.next += head.size;
  return at;
}

/** Makes the arena one hole. */
export function clearArena(cache: CodeCache): void {
  cache.holes = 0;
  cache.next = cache.arena;
  cache.holeEnd = cache.arenaEnd;
}

/** Goes on to the next hole; false when there is none. */
function nextHole(cache: CodeCache): bool {
  closeHole(cache);
  const hole = changetype<Hole>(<usize>cache.holes);
  if (changetype<usize>(hole) == 0) return false;
  cache.holes = hole.next;
  cache.holeEnd = <u32>changetype<usize>(hole) + hole.size;
  cache.next = <u32>changetype<usize>(hole);
  return true;
}

/** What is left of the hole in use is a hole of its own. */
function closeHole(cache: CodeCache): void {
  if (cache.next != cache.holeEnd) makeHole(cache.next, cache.holeEnd);
  cache.next = cache.holeEnd;
}

function makeHole(from: u32, to: u32): Hole {
  const hole = changetype<Hole>(<usize>from);
  hole.size = to - from;
  hole.next = 0;
  hole.mark = HOLE_MARK;
  return hole;
}

/** Nobody is inside a block meanwhile. */
function makeRoom(cpu: Vcpu, cache: CodeCache): void {
  stopAll(cpu);
  cache.epoch += 1;
  for (let who = <i32>Stay.ALL; who <= <i32>Stay.MEMBERS; who++) {
    if (sweep(cache, who) < (cache.arenaEnd - cache.arena) / WORTHWHILE) continue;
    if (who == Stay.ALL) cache.sweeps += 1;
    else cache.evictions += 1;
    nextHole(cache);
    return;
  }
  memory.fill(cache.buckets, 0, (<usize>CODE_BUCKETS) << 2);
  clearArena(cache);
  cache.flushes += 1;
}

/** Whether the block, if it is valid, is one of those that stay. */
function stays(block: Block, who: i32): bool {
  if (who == Stay.ALL || block.isMember) return true;
  if (who == Stay.MEMBERS) return false;
  // Of a block that lies in a region heat can be more.
  return block.heat > block.patience || (block.patience - block.heat) * <u32>JIT_SELDOM >= block.patience;
}

/** Makes holes of the blocks that do not stay, and the hash anew of the others. Bytes of the holes that blocks fit into. */
function sweep(cache: CodeCache, who: i32): u32 {
  memory.fill(cache.buckets, 0, (<usize>CODE_BUCKETS) << 2);
  cache.holes = 0;
  let free: u32 = 0;
  let gap = cache.arena;
  for (let at = cache.arena; at < cache.arenaEnd;) {
    const block = changetype<Block>(<usize>at);
    const isHole = block.phys == HOLE_MARK;
    const end = at + (isHole ? changetype<Hole>(<usize>at).size : block.size);
    if (!isHole && !isStale(block) && stays(block, who)) {
      free += linkHole(cache, gap, at);
      gap = end;
      keep(cache, block);
    }
    at = end;
  }
  return free + linkHole(cache, gap, cache.arenaEnd);
}

/** Makes a hole, and one that blocks are put into if the longest fits. The bytes that are to be had by that. */
function linkHole(cache: CodeCache, from: u32, to: u32): u32 {
  if (from == to) return 0;
  const hole = makeHole(from, to);
  if (to - from < LONGEST) return 0;
  hole.next = cache.holes;
  cache.holes = from;
  return to - from;
}

/** The block stays. What the compiler was asked for it forgets with the epoch: the block may ask again. */
function keep(cache: CodeCache, block: Block): void {
  const slot = bucket(cache, <usize>block.phys, block.key);
  block.hashNext = load<u32>(slot);
  store<u32>(slot, <u32>changetype<usize>(block));
  countOn(block);
}
