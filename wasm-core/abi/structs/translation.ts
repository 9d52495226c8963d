/**
 * The soft TLB and the cache of decoded blocks, per vCPU and per machine: what the memory doors and the run loop
 * compare on every access and at every block. The design of both: wasm-core/README.md, "the life of one page fault".
 */
import { constants, struct, u8, u16, u32, u64 } from "../layout.js";

/** Entries of one TLB; a vCPU has two, supervisor then user, one after the other. */
export const TLB_ENTRIES = 2048;
/** Pairs of a vCPU's paging-structure cache. */
export const WALK_SLOTS = 64;
/** Entries of the RIP-to-block cache. */
export const JUMP_ENTRIES = 16384;
/** A region is entered one time less before the run loop looks at its block again. */
export const JUMP_SLICE = 256;

export const TlbEntry = struct(
  "TlbEntry",
  "One TLB entry: a tag is the linear page with the address-space number in its low 12 bits, all ones when empty.",
  {
    tagR: u64("Tag that reads compare"),
    tagW: u64(
      "Tag that writes compare; empty for pages whose writes need a look: copy-on-write, clean, holding code, watched",
    ),
    tagX: u64("Tag that instruction fetches compare"),
    delta: u32("What the machine address is more than the linear one, modulo 2^32"),
    isGlobal: u32("1 for a global page: the entry goes along when the address space changes"),
  },
);
/** How far from its own entry a page may lie, in entries, where that is another page's: a power of two. */
export const TLB_SECOND = 512;
/** Hashes of frames by which a vCPU knows who may write them: 16 bits for each, at Vcpu.tlbWriters. */
export const TLB_WRITERS = 4096;
/** A vCPU's two TLBs. */
export const TLB_BYTES = 2 * TLB_ENTRIES * TlbEntry.size;

export const JumpEntry = struct("JumpEntry", "One entry of the jump cache: all that entering a region looks at.", {
  rip: u64("Linear RIP"),
  key: u32("Address space, mode and privilege; 0 when empty"),
  block: u32("The block"),
  entry: u32("Function-table index of the region that begins with it, where heat is not 0"),
  entryAt: u32("Ring index behind the module of that region"),
  heat: u32(
    "JUMP_SLICE less the entries since the block was looked at; at 1 it is looked at again; 0 when no region is known",
  ),
  pages: u32("Bit per page of the region, in its order: under this key it lies where the region was made from"),
});
/** A vCPU's jump cache. */
export const JUMP_CACHE_BYTES = JUMP_ENTRIES * JumpEntry.size;

export const Block = struct("Block", "Head of a decoded block; its records follow at BLOCK_RECORDS.", {
  phys: u64("Machine address of its first byte"),
  key: u32("ModeKey it was decoded for"),
  gen: u32("codeGen of its frame when its bytes were marked; one less in a block that is to run once"),
  genAt: u32("Where the frame's codeGen lies"),
  hashNext: u32("Next block of the same hash bucket, 0 at the end"),
  count: u16("Instructions"),
  bytes: u16("Bytes of code"),
  cross: u8("1 when its only instruction continues on the next page"),
  isStopped: u8("1 when it went stale under somebody who ran it: its records are none any more"),
  leaves: u16("Times that a region left its first instruction to the interpreter, up to 65535"),
  gen2: u32("codeGen of the second frame"),
  genAt2: u32("Where that lies"),
  heat: u32("Runs, or entries of its region, left until a region is asked for; 0 when none is wanted"),
  patience: u32("What heat began with: more where regions went stale before"),
  entry: u32("Function-table index of the region that begins here, 0 when there is none"),
  entryAt: u32("Ring index behind the module of that region: pCPUs that have come this far have it"),
  hasCode: u8("1 when the bytes that it was decoded from follow its last record"),
  isMember: u8("1 when a region may know its records"),
  since: u16("Millions of instructions of its domain, where it began to be counted for patience, modulo 2^16"),
  size: u32("Bytes that all of it takes, a multiple of 16"),
  runs: u64("Times that its region was entered, as of the jump caches' last looks at the block"),
});
export const BLOCK_RECORDS = 80;
export const RECORD_BYTES = 16;
/** Longest block in instructions and in bytes: a record holds byte offsets in eight bits. */
export const BLOCK_MAX_RECORDS = 64;
export const BLOCK_MAX_BYTES = 224;

export const Hole = struct("Hole", "Head of a piece of the arena that holds no block, where a block would begin.", {
  mark: u64("All ones, which no Block.phys is"),
  size: u32("Bytes of the piece, its head among them"),
  next: u32("Address of the next one that blocks are put into, 0 at the end"),
});

export const CodeCache = struct(
  "CodeCache",
  "The machine's cache of decoded blocks: an arena. When it is full what is stale is taken out, what is seldom run, or everything.",
  {
    lock: u32("Spinlock: held while a block is added"),
    epoch: u32("Bumped when the place of a block may become another's"),
    arena: u32("Address of the arena: blocks and holes, one behind the other"),
    arenaEnd: u32("Its end"),
    next: u32("Where the next block goes: what lies from here up to holeEnd is neither"),
    holeEnd: u32("End of the hole that it goes into"),
    holes: u32("First of the holes that come after it, 0 when there is none"),
    buckets: u32("Address of CODE_BUCKETS block addresses"),
    blocks: u32("Blocks made since the machine started"),
    twins: u32("Those of them that were taken from a stale one with the same bytes"),
    sweeps: u32("Times stale blocks were taken out, and that was enough"),
    evictions: u32("Times some that are valid were taken out with them"),
    flushes: u32("Times the arena was emptied"),
    invalidations: u32("Frames whose code was overwritten"),
    splitLock: u32("Spinlock of locked accesses that cross alignment"),
    endFn: u32("Function-table index of the handler that ends a block"),
    emptyTlb: u32("Address of a TLB table that is always empty: in use while every access must be looked at"),
    decode: u8("Scratch of the decoder", 96, 8),
    fetch: u8("Bytes of the instruction being decoded, gathered over a page end", 32),
    builder: u8(
      "Where a block is put together before it is copied to the arena: its last instruction may pass BLOCK_MAX_BYTES",
      BLOCK_RECORDS + RECORD_BYTES * (BLOCK_MAX_RECORDS + 2) + BLOCK_MAX_BYTES + 16,
      16,
    ),
    jit: u32("Address of the Jit struct"),
  },
);
export const CODE_BUCKETS = 65536;
export const CODE_ARENA_BYTES = 32 * 1024 * 1024;

/** Failure reasons of a page walk are page-fault error code bits. [SDM] 3A 4.7 */
export const PfError = constants("PfError", "Page-fault error code.", {
  P: 1,
  W: 2,
  U: 4,
  RSVD: 8,
  I: 16,
});
