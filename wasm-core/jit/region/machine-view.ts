/**
 * What the compiler reads of the machine: decoded blocks, their records, the TLB and the page tables of the vCPU that
 * asked. All of it may change while it is read; what is read is a guess that the region checks when it is entered and at
 * its edges.
 */

import {
  JIT_FUNCTIONS,
  JIT_LEAVES,
  JIT_PAIRED,
  JIT_SELDOM,
  JIT_TARGET_TABLES,
  JIT_TARGETS,
  Jit,
  JitTarget,
} from "../../abi/structs/jit.js";
import { MACHINE_BASE, Machine } from "../../abi/structs/machine.js";
import {
  BLOCK_RECORDS,
  Block,
  CODE_BUCKETS,
  CodeCache,
  RECORD_BYTES,
  TLB_BYTES,
  TLB_ENTRIES,
  TLB_SECOND,
  TlbEntry,
} from "../../abi/structs/translation.js";
import { Vcpu } from "../../abi/structs/vcpu.js";
import { type VariantInfo, variantTable } from "../instructions.js";
import { walkPages } from "./page-walk.js";

/** An instruction of a region. Register fields as in assembly/decode/record.ts. */
export interface Insn {
  readonly v: VariantInfo;
  /** Function-table index of its own handler. */
  readonly fn: number;
  /** Address of its record. */
  readonly record: number;
  /** RIP of its first byte, of the byte behind it, and of the block that its record belongs to, from the region's start. */
  readonly at: number;
  readonly next: number;
  readonly block: number;
  readonly reg: number;
  readonly rm: number;
  readonly index: number;
  readonly ea: number;
  readonly disp: number;
  readonly imm: number;
}

export interface DecodedBlock {
  readonly address: number;
  /** Machine address of its first byte. */
  readonly host: number;
  readonly insns: readonly Insn[];
  readonly bytes: number;
  /** Machine frames (addresses) its bytes come from, with the generation of each. */
  readonly frames: readonly { readonly genAt: number; readonly gen: number; readonly host: number }[];
}

/** A JitTarget. */
export interface Jump {
  readonly from: number;
  readonly to: number;
  readonly count: number;
}

const MAX_CHAIN = 64;
/** A block that must run more often than this before it is hot is hot late. */
const HOT_LATE = 1000;
/** Part of the way to a region that it must have come. */
const LATE_PART = 8;

export class MachineView {
  readonly #u32: Uint32Array;
  readonly #i32: Int32Array;
  readonly #u16: Uint16Array;
  readonly #u8: Uint8Array;
  readonly #cache: number;
  readonly #frames: number;
  readonly #variants: readonly VariantInfo[] = variantTable();
  readonly #byFunction: Uint16Array;
  readonly #functionOf: Uint16Array;

  constructor(readonly buffer: ArrayBufferLike) {
    this.#u32 = new Uint32Array(buffer);
    this.#i32 = new Int32Array(buffer);
    this.#u16 = new Uint16Array(buffer);
    this.#u8 = new Uint8Array(buffer);
    this.#cache = this.word(MACHINE_BASE + Machine.off.run);
    this.#frames = this.word(MACHINE_BASE + Machine.off.frameTable);
    const jit = this.word(this.#cache + CodeCache.off.jit);
    this.#byFunction = new Uint16Array(buffer, this.word(jit + Jit.off.variants), JIT_FUNCTIONS);
    this.#functionOf = new Uint16Array(this.#variants.length);
    for (let fn = 0; fn < JIT_FUNCTIONS; fn++) {
      const v = this.#byFunction[fn]!;
      if (v !== 0 && v < JIT_PAIRED) this.#functionOf[v - 1] = fn;
    }
  }

  word(address: number): number {
    return this.#u32[address >>> 2] ?? 0;
  }

  quad(address: number): bigint {
    return BigInt(this.word(address)) | (BigInt(this.word(address + 4)) << 32n);
  }

  /** A copy of what lies there. */
  bytes(address: number, length: number): Uint8Array {
    return this.#u8.slice(address, address + length);
  }

  clear(address: number, length: number): void {
    this.#u8.fill(0, address, address + length);
  }

  get jit(): number {
    return this.word(this.#cache + CodeCache.off.jit);
  }

  /** Entries of a region before it is made again. */
  get hot(): number {
    return this.word(this.jit + Jit.off.hot);
  }

  /** Where indirect jumps went, as noted by each pCPU. */
  jumps(): Jump[] {
    const out: Jump[] = [];
    const { from, to, count } = JitTarget.off;
    const tables = this.word(this.jit + Jit.off.targets);
    const used = Math.min(this.word(MACHINE_BASE + Machine.off.pcpus), JIT_TARGET_TABLES);
    for (let i = 0; i < used * JIT_TARGETS; i++) {
      const at = tables + i * JitTarget.size;
      const field = (offset: number): number => this.#i32[(at + offset) >>> 2]!;
      if (field(count) > 0) out.push({ from: field(from), to: field(to), count: field(count) });
    }
    return out;
  }

  /** Address of the lock of the code cache. */
  get cacheLock(): number {
    return this.#cache + CodeCache.off.lock;
  }

  get epoch(): number {
    return Atomics.load(this.#u32, (this.#cache + CodeCache.off.epoch) >>> 2);
  }

  get frames(): number {
    return this.#frames;
  }

  /** The first block in the hash bucket of those at machine address `host` decoded for `key`, or 0. */
  #bucket(host: number, key: number): number {
    const hash = (Math.imul(host, 0x9e3779b1) ^ Math.imul(key, 0x85ebca6b)) >>> 16;
    return this.word(this.word(this.#cache + CodeCache.off.buckets) + ((hash & (CODE_BUCKETS - 1)) << 2));
  }

  /** The valid block at machine address `host` decoded for `key`, or 0. */
  findBlock(host: number, key: number): number {
    let at = this.#bucket(host, key);
    for (let i = 0; at !== 0 && i < MAX_CHAIN; i++) {
      if (this.word(at + Block.off.phys) === host && this.word(at + Block.off.key) === key && this.isValid(at))
        return at;
      at = this.word(at + Block.off.hashNext);
    }
    return 0;
  }

  /** Whether there is a block at the address, where there once was one. Under the cache's lock. */
  isBlock(address: number): boolean {
    let at = this.#bucket(this.hostOf(address), this.keyOf(address));
    while (at !== 0 && at !== address) at = this.word(at + Block.off.hashNext);
    return at !== 0;
  }

  /** Whether the block is to stay where it is, because a region knows its records. Under the cache's lock. */
  setMember(block: number, isMember: boolean): void {
    this.#u8[block + Block.off.isMember] = Number(isMember);
  }

  isValid(block: number): boolean {
    if (this.word(this.word(block + Block.off.genAt)) !== this.word(block + Block.off.gen)) return false;
    if (!this.isCross(block)) return true;
    return this.word(this.word(block + Block.off.genAt2)) === this.word(block + Block.off.gen2);
  }

  /** Whether a region begins with the block. */
  hasRegion(block: number): boolean {
    return this.word(block + Block.off.entry) !== 0;
  }

  /**
   * Whether the block ran often enough to be taken in, or lies in a region, where its runs are not counted. Of what is hot
   * late, which is a kernel's, much ran some hundred times and never again: it must have come further.
   */
  isWarm(block: number): boolean {
    if (this.hasRegion(block) || this.#u8[block + Block.off.isMember] !== 0) return true;
    const patience = this.word(block + Block.off.patience);
    const part = patience > HOT_LATE ? LATE_PART : JIT_SELDOM;
    return (patience - this.word(block + Block.off.heat)) * part >= patience;
  }

  /** Entries of regions by these blocks, up to JUMP_SLICE of each vCPU and block not yet. */
  runsOf(blocks: Iterable<number>): number {
    let runs = 0;
    for (const block of blocks) runs += Number(this.quad(block + Block.off.runs));
    return runs;
  }

  /** Whether the block continues on another page. */
  isCross(block: number): boolean {
    return this.#u8[block + Block.off.cross] !== 0;
  }

  /** Whether regions often left the block's first instruction to the interpreter. */
  isLeftOften(block: number): boolean {
    return this.#u16[(block + Block.off.leaves) >>> 1]! >= JIT_LEAVES;
  }

  keyOf(block: number): number {
    return this.word(block + Block.off.key);
  }

  hostOf(block: number): number {
    return this.word(block + Block.off.phys);
  }

  /** The block's instructions, its first byte at `at` from the region's start; undefined when it makes no sense. */
  readBlock(block: number, at: number): DecodedBlock | undefined {
    const count = this.#u16[(block + Block.off.count) >>> 1]!;
    if (count === 0) return undefined;
    const insns: Insn[] = [];
    let before = 0;
    for (let i = 0; i < count; i++) {
      const record = block + BLOCK_RECORDS + i * RECORD_BYTES;
      const variant = (this.#byFunction[this.#u16[record >>> 1]!] ?? 0) & ~JIT_PAIRED;
      if (variant === 0) return undefined;
      const next = this.#u8[record + 2]!;
      const v = this.#variants[variant - 1]!;
      insns.push({
        v,
        fn: this.#functionOf[variant - 1]!,
        record,
        at: at + before,
        next: at + next,
        block: at,
        reg: this.#u8[record + 4]!,
        rm: this.#u8[record + 5]!,
        index: this.#u8[record + 6]!,
        ea: this.#u8[record + 7]!,
        disp: this.#i32[(record + 8) >>> 2]!,
        imm: this.#i32[(record + 12) >>> 2]!,
      });
      before = next;
    }
    const frames = [this.#frame(block, Block.off.genAt, Block.off.gen)];
    if (this.isCross(block)) frames.push(this.#frame(block, Block.off.genAt2, Block.off.gen2));
    return { address: block, host: this.hostOf(block), insns, bytes: before, frames };
  }

  #frame(block: number, genAt: number, gen: number): { genAt: number; gen: number; host: number } {
    const at = this.word(block + genAt);
    // The frame table's entries are 16 bytes, in the order of machine frames.
    return { genAt: at, gen: this.word(block + gen), host: ((at - this.#frames) >>> 4) * 4096 };
  }

  /**
   * Machine address of the page that holds linear page `lin` (a multiple of 4096) by the TLBs of `vcpu`, and by its page
   * tables where these have lost it; 0 when there is none. Both TLBs are searched: by now the vCPU may be at another
   * privilege level than the code that asked.
   */
  translate(vcpu: number, lin: bigint): number {
    const address = Number(lin & 0xffffffffn);
    // The offsets of tlbSlot and secondSlot in assembly/mmu/tlb.ts.
    const slot = ((address >>> 7) ^ (address >>> 18)) & ((TLB_ENTRIES - 1) * TlbEntry.size);
    const page = Number(lin & 0xfffff000n);
    const high = Number((lin >> 32n) & 0xffffffffn);
    const supervisor = this.word(vcpu + Vcpu.off.tlbBase);
    const tables = [
      [supervisor, Vcpu.off.tlbSupervisor],
      [supervisor + TLB_BYTES / 2, Vcpu.off.tlbAsid],
    ] as const;
    for (const [table, number] of tables) {
      const low = (page | this.word(vcpu + number)) >>> 0;
      for (const e of [table + slot, table + (slot ^ (TLB_SECOND * TlbEntry.size))]) {
        for (const tag of [TlbEntry.off.tagX, TlbEntry.off.tagR]) {
          if (this.word(e + tag) === low && this.word(e + tag + 4) === high)
            return (this.word(e + TlbEntry.off.delta) + page) >>> 0;
        }
      }
    }
    return walkPages((at) => this.word(at), vcpu, lin);
  }
}
