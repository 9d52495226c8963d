/**
 * How what an image holds in memory gets into its file. One commit at a time:
 *
 * 1. bitmaps of new blocks are written where nothing points to yet; a footer stands behind the last block;
 * 2. the file is synced, and with it all data written so far;
 * 3. table entries of those blocks, and new bits of older blocks, are written; the file is synced again.
 *
 * Whatever part of 3 survives a crash, it points only to what 2 made durable. Without anything held, 2 is all. A commit that
 * fails within 3 may have pointed to its blocks already: for the next one they are older blocks.
 */
import { type Pending, SECTOR_BYTES } from "../disk.js";
import type { ImageFile } from "../image-file.js";
import type { BlockTable } from "./bat.js";
import type { Bitmaps } from "./bitmaps.js";
import { FOOTER_BYTES, type Footer, writeFooter } from "./footer.js";
import type { Header } from "./header.js";

/** With this many blocks changed a commit begins by itself, so that memory stays bounded. */
const SOFT_LIMIT = 2048;
/** With this many, writers wait for it. */
const HARD_LIMIT = 16384;
/** The same for blocks given back: until a commit is done, what is written takes new room at the end of the file. */
const SOFT_FREED_LIMIT = 64;
const HARD_FREED_LIMIT = 1024;

export interface CommitSource {
  readonly file: ImageFile;
  readonly bitmaps: Bitmaps;
  image(): {
    readonly table: BlockTable;
    readonly footer: Footer;
    readonly header: Header;
    /** In sectors. */
    readonly end: number;
  };
  /** These sectors hold blocks that nothing points to any more. */
  freed(sectors: readonly number[]): void;
  readonly endFooterIntact: boolean;
}

export class Commits {
  #running: Promise<void> | null = null;
  #next: Promise<void> | null = null;
  /** The last commit did. */
  #hasFailed = false;
  #footerIntact: boolean;
  /** Blocks given back since a commit took them. */
  #freed: number[] = [];

  constructor(private readonly source: CommitSource) {
    this.#footerIntact = source.endFooterIntact;
  }

  /** Makes durable what was written before: by a commit that begins now, or after the one that is under way. */
  flush(): Promise<void> {
    if (this.#running === null) return this.#start();
    const start = (): Promise<void> => this.#start();
    this.#next ??= this.#running.then(start, start);
    return this.#next;
  }

  /** Keeps what is held within bounds, and the file. */
  relieve(): Pending {
    const held = this.source.bitmaps.dirty.size;
    const freed = this.#freed.length;
    if (held < SOFT_LIMIT && freed < SOFT_FREED_LIMIT) return;
    // A failure is found again by the next flush, which tells somebody; until then each try would write all of it again.
    if (this.#running === null && !this.#hasFailed) this.#start().catch(() => {});
    if (held >= HARD_LIMIT || freed >= HARD_FREED_LIMIT) return this.flush();
  }

  /** The file now reaches to sector `end`: the footer goes there. */
  moveEnd(end: number): void {
    const { file } = this.source;
    const image = this.source.image();
    // Of one that failed a part may be there, where blocks will be that begin as zeros.
    if (!this.#footerIntact) file.truncate(image.end * SECTOR_BYTES);
    this.#footerIntact = false;
    file.write(end * SECTOR_BYTES, [writeFooter(image.footer)]);
    this.#footerIntact = true;
  }

  /** The file ends at sector `end` from now on, before it did: nothing points to what is cut off. */
  cutEnd(end: number): void {
    const { file } = this.source;
    const at = end * SECTOR_BYTES;
    // There is a footer at the end at any time, as there is when the file grows.
    file.write(at, [writeFooter(this.source.image().footer)]);
    file.truncate(at + FOOTER_BYTES);
    this.#footerIntact = true;
  }

  /** A block's sectors are free once the table says so durably. */
  free(sector: number): void {
    this.#freed.push(sector);
  }

  #start(): Promise<void> {
    this.#next = null;
    const run = this.#run().finally(() => {
      // One that waits begins next, and before anybody who hears first that this one is done.
      if (this.#next === null) this.#running = null;
    });
    this.#running = run;
    return run;
  }

  async #run(): Promise<void> {
    const { file, bitmaps } = this.source;
    const { table, header, end } = this.source.image();
    const entries = table.capture();
    const dirty = bitmaps.capture();
    const freed = this.#freed;
    this.#freed = [];
    let done = false;
    try {
      const changed = this.#writeNew(table, entries, dirty);
      if (!this.#footerIntact) this.moveEnd(end);
      await file.sync();
      if (entries.size > 0 || changed.length > 0) {
        const tableOffset = Number(header.tableOffset);
        for (const sector of table.apply()) {
          const at = sector * SECTOR_BYTES;
          file.write(tableOffset + at, [table.bytes.subarray(at, at + SECTOR_BYTES)]);
        }
        for (const { sector, bytes } of changed) file.write(sector * SECTOR_BYTES, [bytes]);
        await file.sync();
      }
      done = true;
    } finally {
      this.#hasFailed = !done;
      table.release(done);
      bitmaps.release(dirty, done);
      if (done) this.source.freed(freed);
      else this.#freed = freed.concat(this.#freed);
    }
  }

  /** Writes the bitmaps of new blocks; answers those of blocks that the file may point to as they are now, for later. */
  #writeNew(
    table: BlockTable,
    entries: ReadonlyMap<number, number>,
    dirty: ReadonlySet<number>,
  ): { readonly sector: number; readonly bytes: Uint8Array }[] {
    const changed: { sector: number; bytes: Uint8Array }[] = [];
    for (const block of dirty) {
      const { bytes } = this.source.bitmaps.kept(block)!;
      const fresh = entries.get(block);
      if (fresh !== undefined && fresh !== table.stored(block)) this.source.file.write(fresh * SECTOR_BYTES, [bytes]);
      else changed.push({ sector: table.lookup(block), bytes: bytes.slice() });
    }
    return changed;
  }
}
