/**
 * Blocks: building them from guest code, keeping them by machine address and mode, finding the one at RIP. They lie in one
 * arena for the whole machine (arena.ts). A block is valid while its frame's generation is the one it was decoded under;
 * jump caches and the hash find blocks, never decide whether they are valid. One that was decoded while a store to its
 * bytes may have been under way is run once: its generation is one that never was.
 */
import {
  Block,
  BLOCK_MAX_BYTES,
  BLOCK_MAX_RECORDS,
  BLOCK_RECORDS,
  BlockOff,
  CodeCache,
  CodeCacheOff,
  FrameOff,
  JumpEntry,
  ModeKey,
  RECORD_BYTES,
  SegIndex,
  Vcpu,
} from "../gen/layout";
import { raiseError, Vector } from "../cpu/faults";
import { segReg } from "../cpu/regs";
import { frameOf } from "../mem/frames";
import { isCanonical } from "../mmu/canonical";
import { chunkEnd, codeSettled, markCode } from "../mmu/code";
import { codeCache } from "../mmu/code-cache";
import { translateCode } from "../mmu/slow";
import { spinUnlock } from "../util/atomics";
import { bucket, place, reserve } from "./arena";
import { lockCache } from "./cache-lock";
import { Decode, DecodeState, decodeOne, fixRip } from "./decode";
import { fillEntry, isEntryOf, jumpEntry } from "./jumps";
import { joinPair } from "./pair";
import { compiles, findTwin, millions, patienceAfter, unlinkStale } from "./patience";
import { Rec } from "./record";

const NO_BLOCK: usize = 0;
const LONGEST: u32 = 15;

@inline
function genAddress(host: usize): usize {
  return changetype<usize>(frameOf(<u32>(host >> 12))) + FrameOff.codeGen;
}

/** Whether RIP is a linear address that no limit cuts: only then does the jump cache, which knows neither, speak. */
@inline
function isFlat(cpu: Vcpu): bool {
  if ((cpu.modeKey & ModeKey.CODE_MASK) == ModeKey.CODE64) return true;
  return (cpu.notFlat & (1 << SegIndex.CS)) == 0;
}

/** The block at cpu.rip, or 0 after a fault of the fetch. */
export function blockAtRip(cpu: Vcpu): usize {
  const e = jumpEntry(cpu, cpu.rip);
  return isEntryOf(cpu, e, cpu.rip) ? blockOf(cpu, e) : findBlock(cpu, e);
}

/** The same where `e` is the entry of cpu.rip. */
@inline
export function blockOf(cpu: Vcpu, e: JumpEntry): usize {
  if (isFlat(cpu)) {
    const block = changetype<Block>(<usize>e.block);
    if (load<u32>(block.genAt) == block.gen && !block.cross) return changetype<usize>(block);
  }
  return findBlock(cpu, e);
}

/** The same where it is not: looks for the block, or makes it, and fills `e`. */
export function findBlock(cpu: Vcpu, e: JumpEntry): usize {
  const rip = cpu.rip;
  const is64 = (cpu.modeKey & ModeKey.CODE_MASK) == ModeKey.CODE64;
  const lin = is64 ? rip : (rip + segReg(cpu, SegIndex.CS).base) & 0xffffffff;
  if (is64 ? !isCanonical(rip) : rip > <u64>segReg(cpu, SegIndex.CS).limit) {
    raiseError(cpu, Vector.GP, 0);
    return NO_BLOCK;
  }
  const host = translateCode(cpu, lin);
  if (host == 0) return NO_BLOCK;
  let block = lookup(cpu, host, lin);
  if (block == NO_BLOCK) block = build(cpu, lin);
  if (block == NO_BLOCK) return NO_BLOCK;
  if (isFlat(cpu)) fillEntry(cpu, e, rip, block);
  return block;
}

/** A valid block for the machine address, or 0. */
function lookup(cpu: Vcpu, host: usize, lin: u64): usize {
  const key = cpu.modeKey;
  let at = <usize>load<u32>(bucket(codeCache(), host, key));
  while (at != 0) {
    const b = changetype<Block>(at);
    if (b.phys == <u64>host && b.key == key && load<u32>(b.genAt) == b.gen) {
      if (!withinLimit(cpu, b)) return NO_BLOCK;
      if (!b.cross) return at;
      const host2 = translateNext(cpu, lin);
      // A fault on the second page is the instruction's own; building the block anew raises it again.
      if (host2 != 0 && genAddress(host2) == <usize>b.genAt2 && load<u32>(b.genAt2) == b.gen2) return at;
    }
    at = <usize>b.hashNext;
  }
  return NO_BLOCK;
}

/**
 * Machine address of the page behind that of `lin`, 0 after a fault. Outside 64-bit mode a segment with a base may go on
 * from the last linear address to the first. [SDM] vol. 3A, 3.3.5
 */
function translateNext(cpu: Vcpu, lin: u64): usize {
  const next = (lin & ~0xfff) + 4096;
  if ((cpu.modeKey & ModeKey.CODE_MASK) != ModeKey.CODE64) return translateCode(cpu, next & 0xffffffff);
  if (isCanonical(next)) return translateCode(cpu, next);
  raiseError(cpu, Vector.GP, 0);
  return 0;
}

/** Whether all of a block's bytes lie inside the code segment. */
function withinLimit(cpu: Vcpu, b: Block): bool {
  if ((cpu.modeKey & ModeKey.CODE_MASK) == ModeKey.CODE64) return true;
  return cpu.rip + <u64>b.bytes - 1 <= <u64>segReg(cpu, SegIndex.CS).limit;
}

/** Bytes from RIP to the end of the code segment. */
function segmentRoom(cpu: Vcpu): u32 {
  if ((cpu.modeKey & ModeKey.CODE_MASK) == ModeKey.CODE64) return 0x7fffffff;
  return <u32>min<u64>(<u64>segReg(cpu, SegIndex.CS).limit - cpu.rip + 1, 0x7fffffff);
}

function build(cpu: Vcpu, lin: u64): usize {
  const cache = codeCache();
  lockCache(cpu, cache);
  // Only now: while it waited for the lock the vCPU may have dropped its translations.
  const host = translateCode(cpu, lin);
  const block = host == 0 ? NO_BLOCK : buildLocked(cpu, cache, host, lin);
  spinUnlock(changetype<usize>(cache) + CodeCacheOff.lock);
  return block;
}

function buildLocked(cpu: Vcpu, cache: CodeCache, host: usize, lin: u64): usize {
  const head = changetype<Block>(changetype<usize>(cache) + CodeCacheOff.builder);
  const d = changetype<DecodeState>(changetype<usize>(cache) + CodeCacheOff.decode);
  const records = changetype<usize>(head) + BLOCK_RECORDS;
  const pageRoom: u32 = 4096 - ((<u32>host) & 4095);
  const room = min<u32>(pageRoom, segmentRoom(cpu));
  const limit: u32 = cpu.modeKey & ModeKey.SINGLE ? 1 : <u32>BLOCK_MAX_RECORDS;
  memory.fill(changetype<usize>(head), 0, BLOCK_RECORDS);
  head.phys = <u64>host;
  head.key = cpu.modeKey;
  head.genAt = <u32>genAddress(host);
  // Marked before they are read: a write from now on ends the generation that the block remembers.
  let marked = min<u32>(LONGEST, pageRoom);
  head.gen = markCode(cpu, host, marked);
  let lasts = codeSettled(cpu, host);
  const twin = findTwin(bucket(cache, host, head.key), head);
  if (changetype<usize>(twin) != 0 && <u32>twin.bytes <= room) {
    if (<u32>twin.bytes > marked) {
      marked = <u32>twin.bytes;
      markCode(cpu, host, marked);
      lasts = codeSettled(cpu, host) && lasts;
    }
    if (takeAgain(cpu, twin, head.gen, lasts)) {
      cache.twins += 1;
      return changetype<usize>(twin);
    }
  }
  let pos: u32 = 0;
  let count: u32 = 0;
  let before: u32 = 0;
  while (count < limit && pos < <u32>BLOCK_MAX_BYTES) {
    const want = min<u32>(pos + LONGEST, pageRoom);
    if (want > marked) {
      if (want > endOfChunk(host, marked)) {
        markCode(cpu, host + marked, want - marked);
        lasts = codeSettled(cpu, host) && lasts;
      }
      marked = want;
    }
    const rec = changetype<Rec>(records + count * RECORD_BYTES);
    const r = pos < room ? decodeOne(d, host + pos, room - pos, cpu.modeKey, rec) : Decode.SHORT;
    if (r <= 0) {
      if (count != 0) break;
      // The segment's end comes before the next page is looked at, also where both are one.
      if (r == Decode.LONG || segmentRoom(cpu) <= pageRoom) return fetchFault(cpu);
      return buildCrossing(cpu, cache, head, d, lin, pageRoom, lasts);
    }
    pos += (<u32>r) & 0xff;
    rec.next = <u8>pos;
    fixRip(d, rec);
    if (count != 0) joinPair(changetype<Rec>(changetype<usize>(rec) - RECORD_BYTES), before, d.variant);
    before = d.variant;
    count++;
    if (r & Decode.ENDS) break;
  }
  return publish(cpu, cache, head, count, pos, lasts);
}

/**
 * Takes the stale block `twin` again, if what it was decoded from lies there again: mostly something else of the frame was
 * written. It is counted anew, and valid by generation `gen` if that `lasts`; else it is run once, stale as it is. False also
 * where who ran it was stopped by its records, which another vCPU may do at any time: it marks the block and then changes
 * its generation.
 */
function takeAgain(cpu: Vcpu, twin: Block, gen: u32, lasts: bool): bool {
  const at = changetype<usize>(twin);
  const was = atomic.load<u32>(at, BlockOff.gen);
  if (atomic.load<u8>(at, BlockOff.isStopped) != 0) return false;
  const code = at + BLOCK_RECORDS + (<usize>twin.count + 1) * RECORD_BYTES;
  if (memory.compare(<usize>twin.phys, code, twin.bytes) != 0) return false;
  beginCount(cpu, twin, patienceAfter(twin, cpu.cpl == 3));
  twin.entry = 0;
  return !lasts || atomic.cmpxchg<u32>(at, was, gen, BlockOff.gen) == was;
}

/** The block is counted from now on, until a region is asked for. */
@inline
function beginCount(cpu: Vcpu, block: Block, patience: u32): void {
  block.patience = patience;
  block.heat = compiles(block.key) ? patience : 0;
  block.since = <u16>millions(cpu);
}

/** Bytes from `host` to the end of the chunk that the `marked`-th byte ends in. */
@inline
function endOfChunk(host: usize, marked: u32): u32 {
  const off = (<u32>host) & 4095;
  return chunkEnd(off + marked - 1) - off;
}

/** #GP(0) of an instruction that is too long or leaves the code segment. */
function fetchFault(cpu: Vcpu): usize {
  raiseError(cpu, Vector.GP, 0);
  return NO_BLOCK;
}

/** A block of the one instruction that begins `first` bytes before the end of its page. */
function buildCrossing(
  cpu: Vcpu,
  cache: CodeCache,
  head: Block,
  d: DecodeState,
  lin: u64,
  first: u32,
  lasts: bool,
): usize {
  const host = <usize>head.phys;
  const host2 = translateNext(cpu, lin);
  if (host2 == 0) return NO_BLOCK;
  const fetch = changetype<usize>(cache) + CodeCacheOff.fetch;
  head.cross = 1;
  head.genAt2 = <u32>genAddress(host2);
  head.gen2 = markCode(cpu, host2, LONGEST);
  const last = codeSettled(cpu, host2) && lasts;
  memory.copy(fetch, host, first);
  memory.copy(fetch + first, host2, LONGEST - first);
  const rec = changetype<Rec>(changetype<usize>(head) + BLOCK_RECORDS);
  const r = decodeOne(d, fetch, min<u32>(LONGEST, segmentRoom(cpu)), cpu.modeKey, rec);
  if (r <= 0) return fetchFault(cpu);
  const length = (<u32>r) & 0xff;
  rec.next = <u8>length;
  fixRip(d, rec);
  return publish(cpu, cache, head, 1, length, last);
}

/** Ends the block under construction, copies it to the arena and, if it lasts, makes it known. */
function publish(cpu: Vcpu, cache: CodeCache, head: Block, count: u32, bytes: u32, lasts: bool): usize {
  const end = changetype<Rec>(changetype<usize>(head) + BLOCK_RECORDS + count * RECORD_BYTES);
  store<u64>(changetype<usize>(end), 0);
  store<u64>(changetype<usize>(end), 0, 8);
  end.fn = <u16>cache.endFn;
  end.next = <u8>bytes;
  head.count = <u16>count;
  head.bytes = <u16>bytes;
  if (!lasts) head.gen -= 1;
  if (lasts && !head.cross) {
    memory.copy(changetype<usize>(end) + RECORD_BYTES, <usize>head.phys, bytes);
    // With the same generation still nothing was written since they were decoded.
    head.hasCode = atomic.load<u32>(<usize>head.genAt) == head.gen ? 1 : 0;
  }
  const size = (<u32>BLOCK_RECORDS + (count + 1) * <u32>RECORD_BYTES + (head.hasCode ? bytes : 0) + 15) & ~15;
  head.size = size;
  reserve(cpu, cache, size);
  cache.blocks += 1;
  const slot = bucket(cache, <usize>head.phys, head.key);
  beginCount(cpu, head, patienceAfter(lasts ? unlinkStale(slot, head) : changetype<Block>(0), cpu.cpl == 3));
  head.hashNext = load<u32>(slot);
  const at = place(cache, head);
  if (lasts) atomic.store<u32>(slot, <u32>at);
  return at;
}
