/**
 * Which frames hold decoded code, and what happens when they are written. A frame has a bit for each 128-byte chunk
 * that code was decoded from, and a generation that every block remembers: writing to such a chunk bumps it.
 */
import { Block, BLOCK_RECORDS, Domain, Frame, FrameOff, Vcpu } from "../gen/layout";
import { frameOf } from "../mem/frames";
import { domainVcpu } from "../mem/domains";
import { tlbProtectFrame } from "./tlb";
import { codeCache } from "./code-cache";

const CHUNK_SHIFT: u32 = 7;

/** Bits of the chunks that bytes [off, off + size) of a frame touch. */
@inline
export function chunks(off: u32, size: u32): u32 {
  const first = off >> CHUNK_SHIFT;
  const last = (off + size - 1) >> CHUNK_SHIFT;
  return ((<u32>-1) << first) & ((<u32>-1) >> (31 - min<u32>(last, 31)));
}

/** Marks bytes of a frame as decoded; from now on no TLB lets the frame be written unseen. */
export function markCode(cpu: Vcpu, host: usize, size: u32): void {
  const frame = frameOf(<u32>(host >> 12));
  const old = frame.codeMap;
  frame.codeMap = old | chunks((<u32>host) & 4095, size);
  if (old != 0) return;
  const domain = changetype<Domain>(cpu.domain);
  for (let i: u32 = 0; i < domain.maxVcpus; i++) {
    const other = domainVcpu(domain, i);
    if (changetype<usize>(other) != 0) tlbProtectFrame(other, (<u32>host) & ~4095);
  }
}

/**
 * Bytes [off, off + size) of `frame` are about to be written. When code was decoded from them all blocks of the frame
 * become stale, and the block that runs now stops before its next instruction.
 */
export function writeToCode(cpu: Vcpu, frame: Frame, off: u32, size: u32): void {
  if (!(frame.codeMap & chunks(off, size))) return;
  frame.codeMap = 0;
  atomic.add<u32>(changetype<usize>(frame) + FrameOff.codeGen, 1);
  codeCache().invalidations += 1;
  cpu.codeChanged = 1;
  stopBlock(cpu, <u32>changetype<usize>(frame) + <u32>FrameOff.codeGen);
}

/** If the running block came from the frame whose generation lies at `genAt`, its records become block ends. */
function stopBlock(cpu: Vcpu, genAt: u32): void {
  const block = changetype<Block>(cpu.curBlock);
  if (changetype<usize>(block) == 0 || (block.genAt != genAt && block.genAt2 != genAt)) return;
  const end = <u16>codeCache().endFn;
  const records = changetype<usize>(block) + BLOCK_RECORDS;
  for (let i: u32 = 0; i < block.count; i++) store<u16>(records + (i << 4), end);
}
