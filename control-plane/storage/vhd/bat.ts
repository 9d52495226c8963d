/**
 * The block allocation table: for each block the sector of the file where it begins. [VHD] "Block Allocation Table and
 * Data Blocks". New entries are held back until what they point to is durable: `pending` are those that no commit has
 * taken, `committing` those of the commit that is under way. Both are found by every lookup.
 */
import { SECTOR_BYTES } from "../disk.js";

/** The entry of a block that is not in the file. */
export const UNUSED = 0xffff_ffff;
export const UNUSED_BYTE = 0xff;
export const ENTRY_BYTES = 4;
const ENTRIES_PER_SECTOR = SECTOR_BYTES / ENTRY_BYTES;

export const tableBytes = (entries: number): number =>
  Math.ceil(entries / ENTRIES_PER_SECTOR) * ENTRIES_PER_SECTOR * ENTRY_BYTES;

export class BlockTable {
  #pending = new Map<number, number>();
  #committing = new Map<number, number>();
  readonly #view: DataView;

  /** Takes the bytes over: the table as the file has it, in whole sectors. */
  constructor(
    readonly bytes: Uint8Array,
    readonly entries: number,
  ) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Where a block is, or UNUSED. */
  lookup(block: number): number {
    if (this.#pending.size > 0) {
      const entry = this.#pending.get(block);
      if (entry !== undefined) return entry;
    }
    if (this.#committing.size > 0) {
      const entry = this.#committing.get(block);
      if (entry !== undefined) return entry;
    }
    return this.#view.getUint32(block * ENTRY_BYTES);
  }

  /** What the file says, or may say since a commit that failed, without what is held back. */
  stored(block: number): number {
    return this.#view.getUint32(block * ENTRY_BYTES);
  }

  change(block: number, entry: number): void {
    this.#pending.set(block, entry);
  }

  get pending(): ReadonlyMap<number, number> {
    return this.#pending;
  }

  /** Begins a commit with all that is held back. */
  capture(): ReadonlyMap<number, number> {
    this.#committing = this.#pending;
    this.#pending = new Map();
    return this.#committing;
  }

  /** Puts the captured entries into the table; answers its sectors that changed, in order. */
  apply(): number[] {
    const sectors = new Set<number>();
    for (const [block, entry] of this.#committing) {
      this.#view.setUint32(block * ENTRY_BYTES, entry);
      sectors.add(Math.floor(block / ENTRIES_PER_SECTOR));
    }
    return [...sectors].sort((a, b) => a - b);
  }

  /** The commit is over: durable, or failed and to be tried again. */
  release(done: boolean): void {
    if (!done) for (const [block, entry] of this.#pending) this.#committing.set(block, entry);
    if (!done) this.#pending = this.#committing;
    this.#committing = new Map();
  }

  /** All blocks that are in the file, in order. */
  *used(): Generator<{ readonly block: number; readonly sector: number }> {
    for (let block = 0; block < this.entries; block++) {
      const sector = this.lookup(block);
      if (sector !== UNUSED) yield { block, sector };
    }
  }
}
