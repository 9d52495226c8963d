/**
 * Which frames hold decoded code, and what happens when they are written. A frame has a bit for each 128-byte chunk
 * that code was decoded from, and a generation that every block remembers: writing to such a chunk clears the bits and
 * counts the generation up, in one step. The whole protocol: wasm-core/README.md, "the life of a write to code".
 */
import { Block, BLOCK_RECORDS, BlockOff, Frame, FrameOff, Vcpu } from "../gen/layout";
import { codeMapOf, codeWasHere, frameMark, frameOf, frameRetire } from "../mem/frames";
import { askToSettle, isSettled, isShared } from "../mem/settle";
import { codeCache } from "./code-cache";
import { tlbProtectEverywhere } from "./writers";

const CHUNK_SHIFT: u32 = 7;

/** Bits of the chunks that bytes [off, off + size) of a frame touch. */
@inline
export function chunks(off: u32, size: u32): u32 {
  const first = off >> CHUNK_SHIFT;
  const last = (off + size - 1) >> CHUNK_SHIFT;
  return ((<u32>-1) << first) & ((<u32>-1) >> (31 - min<u32>(last, 31)));
}

/** Offset in its frame at which the chunk of offset `off` ends. */
@inline
export function chunkEnd(off: u32): u32 {
  return ((off >> CHUNK_SHIFT) + 1) << CHUNK_SHIFT;
}

/**
 * Marks bytes of a frame as decoded, before they are read. The answer is the generation that the marks belong to: as
 * long as the frame has it, and once codeSettled said so, every write to these bytes ends it.
 */
export function markCode(cpu: Vcpu, host: usize, size: u32): u32 {
  const frame = frameOf(<u32>(host >> 12));
  const bits = chunks((<u32>host) & 4095, size);
  const old = frameMark(frame, bits);
  if ((bits & ~(<u32>old)) != 0) {
    const shared = isShared(cpu, frame);
    if (<u32>old == 0) tlbProtectEverywhere(cpu, (<u32>host) & ~4095, shared);
    askToSettle(cpu, shared);
  }
  return <u32>(old >> 32);
}

/** Whether no store to marked bytes of the frame can be under way unseen: what is read from now on stays valid. */
export function codeSettled(cpu: Vcpu, host: usize): bool {
  return isSettled(cpu, isShared(cpu, frameOf(<u32>(host >> 12))));
}

/**
 * Bytes [off, off + size) of `frame` are about to be written, before this vCPU's next block. When code was decoded from
 * them all blocks of the frame become stale. A block of the frame that runs now, stale by this or by another's write,
 * stops before its next instruction, and so does a region.
 */
export function writeToCode(cpu: Vcpu, frame: Frame, off: u32, size: u32): void {
  if (codeMapOf(frame) & chunks(off, size) && frameRetire(frame)) codeCache().invalidations += 1;
  // A region that runs may have been made of it, by now or since another's write.
  if (codeWasHere(frame)) cpu.codeChanged = 1;
  stopStaleBlock(cpu, <u32>changetype<usize>(frame) + <u32>FrameOff.codeGen);
}

/** Bytes at machine address `host` were written, by a processor but not by an instruction's store. */
export function wroteCode(host: usize, size: u32): void {
  const frame = frameOf(<u32>(host >> 12));
  if (codeMapOf(frame) & chunks((<u32>host) & 4095, size)) frameRetire(frame);
}

/**
 * If the running block came from the frame whose generation lies at `genAt` and is stale, its records become block ends.
 * Another vCPU may be about to have it valid again (decode/block.ts): one of the two finds the generation changed.
 */
function stopStaleBlock(cpu: Vcpu, genAt: u32): void {
  const at = <usize>cpu.curBlock;
  const block = changetype<Block>(at);
  if (at == 0 || (block.genAt != genAt && block.genAt2 != genAt)) return;
  const isFirst = block.genAt == genAt;
  const gen = isFirst ? atomic.load<u32>(at, BlockOff.gen) : block.gen2;
  if (atomic.load<u32>(genAt) == gen) return;
  atomic.store<u8>(at, 1, BlockOff.isStopped);
  if (isFirst && atomic.cmpxchg<u32>(at, gen, gen - 1, BlockOff.gen) != gen) {
    stopStaleBlock(cpu, genAt);
    return;
  }
  const end = <u16>codeCache().endFn;
  const records = at + BLOCK_RECORDS;
  for (let i: u32 = 0; i < block.count; i++) store<u16>(records + (i << 4), end);
}
