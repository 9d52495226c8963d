/**
 * A dynamic or differencing image as a disk. [VHD] "Implementing a Dynamic Disk", "Implementing a Differencing Hard Disk".
 *
 * Data goes to the file at once; what makes it reachable, block table and sector bitmaps, is held in memory until a flush
 * and then written by `commit.ts` in the order that README.md gives. Reads see what is held.
 */

import { type Asker, unlessGone } from "../asker.js";
import { type Disk, type Pending, SECTOR_BYTES } from "../disk.js";
import { StorageError } from "../errors.js";
import type { ImageFile } from "../image-file.js";
import { checkRange, checkRequest, checkWritable, clearSegments, cutSegments, type Segments } from "../segments.js";
import { together } from "../waits.js";
import { UNUSED } from "./bat.js";
import type { SectorBitmap } from "./bitmap.js";
import { type BitmapSource, Bitmaps } from "./bitmaps.js";
import { Commits } from "./commit.js";
import { fillFile } from "./create.js";
import { DiskType, type Footer } from "./footer.js";
import type { Header } from "./header.js";
import { type BlockShape, blockShape, type SparseImage } from "./sparse-image.js";

/** Data of blocks begins at a multiple of this many sectors: pages of the host are then written whole. */
const ALIGNMENT_SECTORS = 8;

/** A read in parts: those that make one wait, and for whom. */
interface Reading {
  readonly waits: Promise<void>[];
  readonly asker: Asker | undefined;
}

export class SparseDisk implements Disk, BitmapSource {
  readonly sectorSize = SECTOR_BYTES;
  readonly shape: BlockShape;
  readonly #bitmaps: Bitmaps;
  readonly #commits: Commits;
  #footer: Footer;
  #header: Header;
  #table: SparseImage["table"];
  /** Where the next block may begin, in sectors. */
  #end: number;
  /** Where it may begin as soon as the file has been cut there: nothing behind it is in use. */
  #usedEnd: number;
  /** What ends before is whole in the file, in sectors: SparseImage.wholeEnd, until the file grows. */
  #wholeEnd: number;
  /** Blocks of the file that the table no longer uses, durably. */
  readonly #free: number[] = [];
  #closed = false;

  /** Takes the file and the parent over: they are closed with the disk. */
  constructor(
    readonly file: ImageFile,
    image: SparseImage,
    private parent: Disk | null,
  ) {
    this.#footer = image.footer;
    this.#header = image.header;
    this.#table = image.table;
    this.#end = image.end;
    this.#usedEnd = image.usedEnd;
    this.#wholeEnd = image.wholeEnd;
    this.shape = blockShape(image.header.blockSize);
    this.#bitmaps = new Bitmaps(this);
    this.#commits = new Commits({
      file,
      bitmaps: this.#bitmaps,
      image: () => ({ table: this.#table, footer: this.#footer, header: this.#header, end: this.#end }),
      freed: (sectors) => {
        for (const sector of sectors) this.#free.push(sector);
      },
      endFooterIntact: image.endFooterIntact,
    });
  }

  get description(): string {
    return `vhd ${this.file.name}`;
  }

  get sectors(): number {
    return Number(this.#footer.currentSize) / SECTOR_BYTES;
  }

  get readOnly(): boolean {
    return this.file.mode === "read";
  }

  get supportsDiscard(): boolean {
    return !this.readOnly;
  }

  get footer(): Footer {
    return this.#footer;
  }

  /** Where the next block may begin, in sectors: behind everything. */
  get end(): number {
    return this.#end;
  }

  get header(): Header {
    return this.#header;
  }

  get table(): SparseImage["table"] {
    return this.#table;
  }

  read(sector: number, into: Segments, asker?: Asker): Pending {
    this.#check();
    const count = checkRequest(this, sector, into);
    const { sectorsPerBlock } = this.shape;
    if ((sector % sectorsPerBlock) + count <= sectorsPerBlock) {
      const at = this.#wholeAt(sector, count);
      if (at !== undefined) return this.file.read(at, into, asker);
    }
    return together((waits) => this.#readBlocks(sector, count, into, { waits, asker }));
  }

  #readBlocks(sector: number, count: number, into: Segments, reading: Reading): void {
    const { sectorsPerBlock } = this.shape;
    for (let done = 0; done < count; ) {
      const at = sector + done;
      const block = Math.floor(at / sectorsPerBlock);
      const first = at % sectorsPerBlock;
      const part = Math.min(count - done, sectorsPerBlock - first);
      const entry = this.#table.lookup(block);
      const buffers = cutSegments(into, done * SECTOR_BYTES, part * SECTOR_BYTES);
      if (entry === UNUSED) keep(reading.waits, this.#readBelow(at, buffers, reading));
      else {
        const bitmap = this.#bitmaps.get(block, entry);
        // Nothing read before is lost: a buffer may be filled twice.
        if (bitmap instanceof Promise) reading.waits.push(this.#readOnce(bitmap, at, buffers, reading));
        else this.#readBlock(entry, bitmap, first, at, buffers, reading);
      }
      done += part;
    }
  }

  async #readOnce(bitmap: Promise<SectorBitmap>, sector: number, into: Segments, { asker }: Reading): Promise<void> {
    await unlessGone(bitmap, asker);
    await this.read(sector, into, asker);
  }

  /** Where the file has all of some sectors of one block in a row; undefined when it does not, or may not. */
  #wholeAt(sector: number, count: number): number | undefined {
    const block = Math.floor(sector / this.shape.sectorsPerBlock);
    const entry = this.#table.lookup(block);
    const bitmap = entry === UNUSED ? undefined : this.#bitmaps.kept(block);
    if (bitmap === undefined || count === 0) return undefined;
    const first = sector % this.shape.sectorsPerBlock;
    if (!bitmap.has(first) || bitmap.runLength(first, count) < count) return undefined;
    return this.#dataAt(entry, first);
  }

  /** Reads sectors of one block that is in the file. */
  #readBlock(
    entry: number,
    bitmap: SectorBitmap,
    first: number,
    sector: number,
    into: Segments,
    reading: Reading,
  ): void {
    const { waits, asker } = reading;
    let count = 0;
    for (let i = 0; i < into.length; i++) count += into[i]!.length / SECTOR_BYTES;
    for (let done = 0; done < count; ) {
      const run = bitmap.runLength(first + done, count - done);
      const buffers = cutSegments(into, done * SECTOR_BYTES, run * SECTOR_BYTES);
      if (bitmap.has(first + done)) keep(waits, this.file.read(this.#dataAt(entry, first + done), buffers, asker));
      else keep(waits, this.#readBelow(sector + done, buffers, reading));
      done += run;
    }
  }

  /** What this image does not hold: the parent's, and zeros where that ends. */
  #readBelow(sector: number, into: Segments, { asker }: Reading): Pending {
    const below = this.parent === null ? 0 : this.parent.sectors - sector;
    let bytes = 0;
    for (let i = 0; i < into.length; i++) bytes += into[i]!.length;
    if (below <= 0) return clearSegments(into);
    if (below * SECTOR_BYTES >= bytes) return this.parent!.read(sector, into, asker);
    clearSegments(cutSegments(into, below * SECTOR_BYTES, bytes - below * SECTOR_BYTES));
    return this.parent!.read(sector, cutSegments(into, 0, below * SECTOR_BYTES), asker);
  }

  write(sector: number, from: Segments): Pending {
    this.#check();
    checkWritable(this);
    const count = checkRequest(this, sector, from);
    const { sectorsPerBlock } = this.shape;
    for (let done = 0; done < count; ) {
      const block = Math.floor((sector + done) / sectorsPerBlock);
      const first = (sector + done) % sectorsPerBlock;
      const part = Math.min(count - done, sectorsPerBlock - first);
      let entry = this.#table.lookup(block);
      if (entry === UNUSED) entry = this.#allocate(block);
      const buffers = cutSegments(from, done * SECTOR_BYTES, part * SECTOR_BYTES);
      this.file.write(this.#dataAt(entry, first), buffers);
      // A file that is written to is local, and its bitmaps are there at once.
      if ((this.#bitmaps.get(block, entry) as SectorBitmap).setRun(first, part)) this.#bitmaps.markDirty(block);
      done += part;
    }
    return this.#commits.relieve();
  }

  flush(): Pending {
    this.#check();
    if (this.file.mode === "write") return this.#commits.flush();
  }

  /**
   * Gives whole blocks back that read as zeros without this image. The rest of what is discarded stays as it is: of a block
   * that the parent has something of, the format cannot say that it is to be zeros, and what the parent has is older.
   */
  discard(sector: number, count: number): Pending {
    this.#check();
    checkWritable(this);
    checkRange(this, sector, count);
    const { sectorsPerBlock } = this.shape;
    const end = sector + count === this.sectors ? Math.ceil(this.sectors / sectorsPerBlock) : undefined;
    const last = end ?? Math.floor((sector + count) / sectorsPerBlock);
    for (let block = Math.ceil(sector / sectorsPerBlock); block < last; block++) {
      const entry = this.#table.lookup(block);
      // In place of what is missing of a block that is cut short there is the footer.
      if (entry === UNUSED || this.#endOf(entry) > this.#wholeEnd) continue;
      if (!this.#isEmptyBelow(block * sectorsPerBlock, sectorsPerBlock)) continue;
      this.#commits.free(entry);
      this.#table.change(block, UNUSED);
      this.#bitmaps.forget(block);
    }
    return this.#commits.relieve();
  }

  holdsNothing(sector: number, count: number): boolean {
    const { sectorsPerBlock } = this.shape;
    for (let block = Math.floor(sector / sectorsPerBlock); block * sectorsPerBlock < sector + count; block++) {
      if (this.#table.lookup(block) !== UNUSED) return false;
    }
    return this.#isEmptyBelow(sector, count);
  }

  /** Whether what shows through there is zeros; behind the parent's end it is. */
  #isEmptyBelow(sector: number, count: number): boolean {
    const { parent } = this;
    if (parent === null || sector >= parent.sectors) return true;
    return parent.holdsNothing?.(sector, Math.min(count, parent.sectors - sector)) ?? false;
  }

  /** The disk that shows through where this image holds nothing. */
  get below(): Disk | null {
    return this.parent;
  }

  /** Puts another disk of the same contents below, or none, and answers the former one. */
  replaceBelow(parent: Disk | null): Disk | null {
    const former = this.parent;
    this.parent = parent;
    return former;
  }

  /** Becomes another image in name: the file's footers have been changed already. */
  adoptIdentity({ uniqueId, timeStamp }: Footer): void {
    this.#footer = { ...this.#footer, uniqueId, timeStamp };
  }

  /** Goes on behind the footer at the end: a note may have it written there once more. */
  leaveFooter(): void {
    this.#end++;
    this.#usedEnd = this.#end;
    this.#commits.moveEnd(this.#end);
  }

  /** The footer, header and table have been changed in the file by others than this. */
  reload(image: SparseImage): void {
    this.#footer = image.footer;
    this.#header = image.header;
    this.#table = image.table;
    this.#end = image.end;
    // Blocks that were given back since then are behind it, and will be used again.
    this.#usedEnd = image.end;
    this.#wholeEnd = image.wholeEnd;
  }

  /** The bits of a block, for those who copy images: null when the image holds nothing of it. */
  heldSectors(block: number): SectorBitmap | null | Promise<SectorBitmap> {
    const entry = this.#table.lookup(block);
    return entry === UNUSED ? null : this.#bitmaps.get(block, entry);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    try {
      if (this.file.mode === "write") await this.#commits.flush();
    } finally {
      await this.file.close();
      await this.parent?.close();
    }
  }

  #allocate(block: number): number {
    const entry = this.#reuse() ?? this.#extend();
    // What a dynamic image has of a new block is zeros.
    this.#bitmaps.make(block, this.#footer.diskType === DiskType.DYNAMIC);
    this.#table.change(block, entry);
    return entry;
  }

  /** The place of a block that was given back. It holds what it held: not every reader of dynamic images looks at bits. */
  #reuse(): number | undefined {
    const entry = this.#free.at(-1);
    if (entry === undefined) return undefined;
    if (this.#footer.diskType === DiskType.DYNAMIC)
      fillFile(this.file, this.#dataAt(entry, 0), this.#header.blockSize, 0);
    this.#free.pop();
    return entry;
  }

  /** A place behind the end of the file, where zeros are read. */
  #extend(): number {
    this.#cutUnused();
    const entry = alignedStart(this.#end, this.shape);
    if (entry >= UNUSED) throw this.#tooFar(entry);
    const end = this.#endOf(entry);
    this.#commits.moveEnd(end);
    this.#end = end;
    this.#usedEnd = end;
    this.#wholeEnd = end;
    return entry;
  }

  /** Takes back what a crash left at the end of the file: with the first new block, as until then nothing else changes it. */
  #cutUnused(): void {
    const { sectorsPerBlock, bitmapSectors } = this.shape;
    // Less than a block would hold none, and may be what other programs keep there.
    if (this.#end - this.#usedEnd < bitmapSectors + sectorsPerBlock) return;
    this.#commits.cutEnd(this.#usedEnd);
    this.#end = this.#usedEnd;
  }

  /** The table's entries have 32 bits, and small blocks with their bitmaps need more sectors than the disk has. */
  #tooFar(entry: number): StorageError {
    const details = { file: this.file.name, found: `sector ${entry}`, expected: `below ${UNUSED}` };
    const next = "convert it into an image of larger blocks, or a raw one";
    return new StorageError("limit", "a VHD has no block that far behind in its file", { ...details, next });
  }

  /** Behind the block at sector `entry`, in sectors. */
  #endOf(entry: number): number {
    return entry + this.shape.bitmapSectors + this.shape.sectorsPerBlock;
  }

  #dataAt(entry: number, sectorInBlock: number): number {
    return (entry + this.shape.bitmapSectors + sectorInBlock) * SECTOR_BYTES;
  }

  #check(): void {
    if (this.#closed) throw new StorageError("closed", "the disk is closed", { file: this.description });
  }
}

/** The first sector from `end` on where a block's data is aligned. */
export function alignedStart(end: number, shape: BlockShape): number {
  const data = end + shape.bitmapSectors;
  return end + ((ALIGNMENT_SECTORS - (data % ALIGNMENT_SECTORS)) % ALIGNMENT_SECTORS);
}

function keep(waits: Promise<void>[], pending: Pending): void {
  if (pending instanceof Promise) waits.push(pending);
}
