/** The sector bitmaps of an image that are in memory: those used lately, and those that the file does not have yet. */
import { SECTOR_BYTES } from "../disk.js";
import type { ImageFile } from "../image-file.js";
import { SectorBitmap } from "./bitmap.js";
import type { BlockShape } from "./sparse-image.js";

/** Clean bitmaps beyond this number are forgotten, the oldest first. */
const KEPT = 4096;

export interface BitmapSource {
  readonly file: ImageFile;
  readonly shape: BlockShape;
}

export class Bitmaps {
  readonly #kept = new Map<number, SectorBitmap>();
  readonly #loading = new Map<number, Promise<SectorBitmap>>();
  #dirty = new Set<number>();
  /** Blocks whose bits a commit is writing: the file may not have them yet. */
  #committing: ReadonlySet<number> = new Set();

  constructor(private readonly source: BitmapSource) {}

  /** The bitmap of a block that is at `entry`; a promise only when the file makes one wait. */
  get(block: number, entry: number): SectorBitmap | Promise<SectorBitmap> {
    return this.#kept.get(block) ?? this.#loading.get(block) ?? this.#load(block, entry);
  }

  /** The bitmap of a new block. */
  make(block: number, full: boolean): void {
    const bytes = new Uint8Array(this.source.shape.bitmapSectors * SECTOR_BYTES);
    const used = bytes.subarray(0, Math.ceil(this.source.shape.sectorsPerBlock / 8));
    if (full) used.fill(0xff);
    this.#keep(block, new SectorBitmap(bytes, this.source.shape.sectorsPerBlock));
    this.#dirty.add(block);
  }

  /** Blocks whose bits changed since a commit took them. */
  get dirty(): ReadonlySet<number> {
    return this.#dirty;
  }

  markDirty(block: number): void {
    this.#dirty.add(block);
  }

  /** Begins a commit of all that is dirty. */
  capture(): ReadonlySet<number> {
    this.#committing = this.#dirty;
    this.#dirty = new Set();
    return this.#committing;
  }

  /** The commit is over: durable, or failed and to be tried again. */
  release(captured: ReadonlySet<number>, done: boolean): void {
    this.#committing = new Set();
    if (!done) for (const block of captured) if (this.#kept.has(block)) this.#dirty.add(block);
  }

  /** A bitmap that is in memory, as those of dirty blocks are. */
  kept(block: number): SectorBitmap | undefined {
    return this.#kept.get(block);
  }

  /** The block is no more. */
  forget(block: number): void {
    this.#kept.delete(block);
    this.#dirty.delete(block);
  }

  #load(block: number, entry: number): SectorBitmap | Promise<SectorBitmap> {
    const bytes = new Uint8Array(this.source.shape.bitmapSectors * SECTOR_BYTES);
    const pending = this.source.file.read(entry * SECTOR_BYTES, [bytes]);
    const finish = (): SectorBitmap => this.#keep(block, new SectorBitmap(bytes, this.source.shape.sectorsPerBlock));
    if (!(pending instanceof Promise)) return finish();
    const loading = pending.then(finish).finally(() => this.#loading.delete(block));
    this.#loading.set(block, loading);
    return loading;
  }

  #keep(block: number, bitmap: SectorBitmap): SectorBitmap {
    this.#kept.set(block, bitmap);
    if (this.#kept.size > KEPT + this.#dirty.size + this.#committing.size) this.#evict();
    return bitmap;
  }

  #evict(): void {
    for (const [block, bitmap] of this.#kept) {
      this.#kept.delete(block);
      if (!this.#dirty.has(block) && !this.#committing.has(block)) return;
      this.#kept.set(block, bitmap);
    }
  }
}
