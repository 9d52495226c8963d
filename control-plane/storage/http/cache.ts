/**
 * A disk across the network with what was read of it kept in the folder, for the next time. The cache is an image of its
 * own that holds the sectors it has; a chunk goes in whole. Whoever cannot have it, as another process has, goes without, and so
 * does whoever has it when it fails, or when an image needs its room.
 */

import { type Asker, unlessGone } from "../asker.js";
import { type Disk, type Pending, SECTOR_BYTES } from "../disk.js";
import { StorageError } from "../errors.js";
import type { Folder } from "../image-file.js";
import { MemoryDisk } from "../memory-disk.js";
import { cacheName } from "../notes.js";
import { ReadOnlyDisk } from "../read-only.js";
import { isFull } from "../room.js";
import { checkRequest, type Segments } from "../segments.js";
import { createSparse, type ImageSources } from "../vhd/create.js";
import { openVhd } from "../vhd/open.js";
import { SparseDisk } from "../vhd/sparse-disk.js";
import { settled } from "../waits.js";

/** What is fetched and kept at a time: as much as a file of the network reads at once. */
const UNIT_SECTORS = 1024;
/** So long after a unit came it is kept for the next time: pages and processes end without a word. */
const SAVE_AFTER_MS = 1000;

/** Does work later; answers how to stop that. */
export type Later = (work: () => void, ms: number) => () => void;

export interface CacheOptions {
  readonly folder: Folder;
  readonly sources: ImageSources;
  readonly later?: Later;
}

const byTimer: Later = (work, ms) => {
  const timer = setTimeout(work, ms);
  return () => clearTimeout(timer);
};

/** The disk with a cache in front; the disk itself when there can be none. */
export async function withCache(disk: Disk, uniqueId: string, options: CacheOptions): Promise<Disk> {
  const cache = await openCache(disk, uniqueId, options);
  return cache === null ? disk : new CachedDisk(disk, cache, options);
}

async function openCache(disk: Disk, uniqueId: string, { folder, sources }: CacheOptions): Promise<SparseDisk | null> {
  const name = cacheName(uniqueId);
  try {
    if (await folder.exists(name)) {
      const cache = await openOwn(folder, name);
      if (cache?.header.parentUniqueId === uniqueId && cache.sectors === disk.sectors) return cache;
      await cache?.close();
      await folder.remove(name);
    }
    const file = await folder.create(name);
    const parent = { uniqueId, modifiedMs: 0, name: "", relativePath: null, absolutePath: null };
    try {
      await createSparse(file, { bytes: disk.sectors * SECTOR_BYTES, parent }, sources);
    } catch (error) {
      await file.close();
      await folder.remove(name);
      throw error;
    }
    await file.close();
    return await openOwn(folder, name);
  } catch (error) {
    if (error instanceof StorageError) return null;
    throw error;
  }
}

/** The cache of that name; null when the file is damaged. */
async function openOwn(folder: Folder, name: string): Promise<SparseDisk | null> {
  const file = await folder.open(name, "write");
  try {
    const disk = await openVhd(file, async () => new MemoryDisk(0));
    if (!(disk instanceof SparseDisk)) {
      await disk.close();
      return null;
    }
    // What it does not have it is never asked for.
    disk.replaceBelow(null);
    return disk;
  } catch (error) {
    if (error instanceof StorageError && error.code !== "locked") return null;
    throw error;
  }
}

class CachedDisk extends ReadOnlyDisk {
  readonly #fetching = new Map<number, Promise<void>>();
  /** Null after it failed. */
  #cache: SparseDisk | null;
  #endSaving: (() => void) | null = null;
  readonly #leaveSpares: () => void;

  constructor(
    private readonly disk: Disk,
    cache: SparseDisk,
    private readonly options: CacheOptions,
  ) {
    super();
    this.#cache = cache;
    this.#leaveSpares = options.folder.spares.add(() => this.#giveUp(cache));
  }

  get description(): string {
    return this.disk.description;
  }

  get sectors(): number {
    return this.disk.sectors;
  }

  read(sector: number, into: Segments, asker?: Asker): Pending {
    const count = checkRequest(this, sector, into);
    const missing = this.#fromCache((cache) => this.#missing(cache, sector, count)) ?? [];
    if (missing.length === 0) return this.#readKept(sector, into, asker);
    const fetched = settled(missing.map((unit) => this.#fetch(unit)));
    return unlessGone(fetched, asker).then(() => this.#readKept(sector, into, asker));
  }

  async close(): Promise<void> {
    this.#leaveSpares();
    this.#endSaving?.();
    // What is not kept is fetched the next time.
    await this.#cache?.close().catch(() => {});
    await this.disk.close();
  }

  /** Reads what should be in the cache, or where there is none any more from the network. */
  #readKept(sector: number, into: Segments, asker?: Asker): Pending {
    const kept = this.#fromCache((cache) => ({ pending: cache.read(sector, into) }));
    return kept === undefined ? this.disk.read(sector, into, asker) : kept.pending;
  }

  /** The units that are not in the cache. */
  #missing(cache: SparseDisk, sector: number, count: number): number[] {
    const units: number[] = [];
    for (let unit = Math.floor(sector / UNIT_SECTORS); unit * UNIT_SECTORS < sector + count; unit++) {
      if (!this.#has(cache, unit)) units.push(unit);
    }
    return units;
  }

  /** Units go in whole: the first sector tells of all. */
  #has(cache: SparseDisk, unit: number): boolean {
    const { sectorsPerBlock } = cache.shape;
    const first = unit * UNIT_SECTORS;
    const bits = cache.heldSectors(Math.floor(first / sectorsPerBlock));
    // The file is local, so nothing makes one wait.
    if (bits === null || bits instanceof Promise) return false;
    const count = Math.min(UNIT_SECTORS, this.sectors - first);
    return bits.has(first % sectorsPerBlock) && bits.runLength(first % sectorsPerBlock, count) >= count;
  }

  #fetch(unit: number): Promise<void> {
    const fetching = this.#fetching.get(unit);
    if (fetching !== undefined) return fetching;
    const work = this.#fetchUnit(unit).finally(() => this.#fetching.delete(unit));
    this.#fetching.set(unit, work);
    return work;
  }

  async #fetchUnit(unit: number): Promise<void> {
    const first = unit * UNIT_SECTORS;
    const bytes = new Uint8Array(Math.min(UNIT_SECTORS, this.sectors - first) * SECTOR_BYTES);
    await this.disk.read(first, [bytes]);
    const cache = this.#cache;
    if (cache === null) return;
    try {
      await cache.write(first, [bytes]);
      const { later = byTimer } = this.options;
      this.#endSaving ??= later(() => void this.#save(cache), SAVE_AFTER_MS);
    } catch (error) {
      this.#goWithout(cache, error);
    }
  }

  async #save(cache: SparseDisk): Promise<void> {
    this.#endSaving = null;
    try {
      await cache.flush();
    } catch (error) {
      this.#goWithout(cache, error);
    }
  }

  /** What the cache says; undefined when there is none, or none any more. */
  #fromCache<T>(work: (cache: SparseDisk) => T): T | undefined {
    const cache = this.#cache;
    if (cache === null) return undefined;
    try {
      return work(cache);
    } catch (error) {
      this.#goWithout(cache, error);
      return undefined;
    }
  }

  /** From now on everything comes from the network; where there is no room, what the cache has taken is for others. */
  #goWithout(cache: SparseDisk, error: unknown): void {
    if (!(error instanceof StorageError)) throw error;
    if (this.#cache !== cache) return;
    if (isFull(error)) void this.#giveUp(cache);
    else {
      this.#forget();
      void cache.close().catch(() => {});
    }
  }

  /** Gives back the room that the cache takes, before anything is waited for. */
  async #giveUp(cache: SparseDisk): Promise<void> {
    this.#forget();
    try {
      cache.file.truncate(0);
      // Nothing that the disk still holds is to be written.
      await cache.file.close();
      await cache.close();
    } catch {
      // It is closed, whatever became of it.
    }
    await this.options.folder.remove(cache.file.name).catch(() => {});
  }

  #forget(): void {
    this.#cache = null;
    this.#leaveSpares();
    this.#endSaving?.();
  }
}
