/**
 * How often a block is run by the interpreter before a region is asked for. Where regions went stale it is twice as often
 * each time, up to a limit: code that is rewritten all the time is not worth compiling. [none of this is x86's]
 */
import { Block, BlockOff, Jit, ModeKey, Vcpu } from "../gen/layout";
import { domainOfVcpu, domainVcpu } from "../mem/domains";
import { codeCache } from "../mmu/code-cache";

@inline
function jit(): Jit {
  return changetype<Jit>(<usize>codeCache().jit);
}

/** Millions of instructions that the domain's first vCPU has retired: the clock by which blocks are counted. */
export function millions(cpu: Vcpu): u32 {
  return <u32>(domainVcpu(domainOfVcpu(cpu), 0).icount / 1_000_000);
}

function longer(patience: u32): u32 {
  return min(patience << 1, jit().longest);
}

/** The region of `block` went stale: it is counted anew, and for longer. */
export function countAnew(block: Block): void {
  block.patience = longer(block.patience);
  block.heat = block.patience;
}

/**
 * The patience of a new block, of code at privilege level 3 if `user`; `old` is the stale one that was decoded from the same
 * place, or null.
 */
export function patienceAfter(old: Block, user: bool): u32 {
  if (changetype<usize>(old) == 0) return user ? jit().userThreshold : jit().threshold;
  return old.entry != 0 ? longer(old.patience) : old.patience;
}

/** Whether regions are made of code of this mode: 64-bit, and 32-bit with a 32-bit stack in protected mode. */
@inline
export function compiles(key: u32): bool {
  const mode = key & ~ModeKey.LONG;
  return (
    mode == (ModeKey.CODE64 | ModeKey.PROTECTED | ModeKey.STACK32) ||
    mode == (ModeKey.CODE32 | ModeKey.PROTECTED | ModeKey.STACK32)
  );
}

/** The compiler forgets what it was asked for: a block that is counted no more, because it has asked, is counted again. */
export function countOn(block: Block): void {
  if (block.heat != 0 || !compiles(block.key)) return;
  block.heat = block.entry != 0 ? jit().hot : min(block.patience, jit().threshold);
}

@inline
export function isStale(b: Block): bool {
  return load<u32>(b.genAt) != b.gen || (b.cross != 0 && load<u32>(b.genAt2) != b.gen2);
}

/** Whether it is a stale block that was decoded where `head` is. */
@inline
function isStaleOf(b: Block, head: Block): bool {
  return b.phys == head.phys && b.key == head.key && isStale(b);
}

/** A stale block that was decoded where `head` is, with the bytes of then, in the hash bucket at `slot`; or null. */
export function findTwin(slot: usize, head: Block): Block {
  for (let at = <usize>load<u32>(slot); at != 0; at = <usize>changetype<Block>(at).hashNext) {
    const b = changetype<Block>(at);
    if (b.hasCode && isStaleOf(b, head)) return b;
  }
  return changetype<Block>(0);
}

/**
 * Takes the stale block that was decoded where `head` is from its hash bucket: code that changes all the time would fill
 * it with them. Whoever walks through the bucket meanwhile gets on from the block. Null when there is none.
 */
export function unlinkStale(slot: usize, head: Block): Block {
  let link = slot;
  for (let at = <usize>load<u32>(link); at != 0; at = <usize>load<u32>(link)) {
    const b = changetype<Block>(at);
    if (isStaleOf(b, head)) {
      atomic.store<u32>(link, b.hashNext);
      return b;
    }
    link = at + BlockOff.hashNext;
  }
  return changetype<Block>(0);
}
