/**
 * A disk that is in use and whose images change under it: the back end keeps one of these while snapshots are taken,
 * layers merged and the disk grown. It forwards requests to the top image of the chain, and what changes the chain does so
 * between two requests.
 */

import { type Asker, unlessGone } from "../asker.js";
import { type Disk, type Pending, SECTOR_BYTES } from "../disk.js";
import { StorageError } from "../errors.js";
import { type Images, SharedDisk } from "../images.js";
import type { Intent } from "../notes.js";
import { RawDisk } from "../raw-disk.js";
import { isFull, makesRoom, withRoom } from "../room.js";
import { cutSegments, type Segments, segmentsLength } from "../segments.js";
import { FixedDisk } from "../vhd/fixed-disk.js";
import { SparseDisk } from "../vhd/sparse-disk.js";
import { settled } from "../waits.js";

/** What can be the image that a guest writes to. */
export type TopDisk = RawDisk | FixedDisk | SparseDisk;

/** A second disk that gets every write to sectors below `end` as well. */
export interface Mirror {
  readonly disk: TopDisk;
  end: number;
  /** Why the mirror is no longer one. */
  failure: unknown;
}

interface Unsettled {
  readonly disk: TopDisk;
  /** When it was changed last, as the image above it says. */
  readonly modifiedMs: number;
}

export class LiveDisk implements Disk {
  readonly sectorSize = SECTOR_BYTES;
  #top: TopDisk;
  /** Former tops whose last writes are not durable yet, the oldest first. */
  #unsettled: Unsettled[] = [];
  #mirror: Mirror | null = null;
  /** While it is there, requests wait for it. */
  #gate: Promise<void> | null = null;
  /** What is left to do of an operation whose last steps failed. */
  #unfinished: Intent | null = null;
  #finishing: Promise<void> | null = null;
  #operation: { readonly what: string; readonly done: Promise<void> } | null = null;
  #closing = false;
  readonly #onResize = new Set<() => void>();
  readonly #onClose = new Set<() => void>();

  constructor(
    readonly images: Images,
    top: TopDisk,
  ) {
    this.#top = top;
  }

  /** Opens an image for writing, with whatever is below it. */
  static async open(images: Images, name: string, format?: "raw" | "vhd"): Promise<LiveDisk> {
    const disk = await images.open(name, "write", format);
    if (disk instanceof RawDisk || disk instanceof FixedDisk || disk instanceof SparseDisk) {
      return new LiveDisk(images, disk);
    }
    await disk.close();
    const next = "convert it to VHD, or clone it";
    throw new StorageError("read-only", "images of this format are only read", { file: name, next });
  }

  get name(): string {
    return this.#top.file.name;
  }

  get description(): string {
    return this.#top.description;
  }

  get sectors(): number {
    return this.#top.sectors;
  }

  get readOnly(): boolean {
    return this.#top.readOnly;
  }

  get supportsDiscard(): boolean {
    return this.#top.supportsDiscard;
  }

  /** The image that is written to. It is another one after a snapshot. */
  get top(): TopDisk {
    return this.#top;
  }

  read(sector: number, into: Segments, asker?: Asker): Pending {
    if (this.#gate !== null) return unlessGone(this.#gate, asker).then(() => this.read(sector, into, asker));
    return this.#top.read(sector, into, asker);
  }

  write(sector: number, from: Segments): Pending {
    if (this.#gate !== null) return this.#gate.then(() => this.write(sector, from));
    let pending: Pending;
    try {
      pending = this.#top.write(sector, from);
    } catch (error) {
      if (!isFull(error)) throw error;
      return this.#again(error, () => this.write(sector, from));
    }
    if (this.#mirror !== null && sector < this.#mirror.end) writeMirror(this.#mirror, sector, from);
    return pending?.catch((error: unknown) => this.#again(error, () => this.write(sector, from)));
  }

  flush(): Pending {
    if (this.#gate !== null) return this.#gate.then(() => this.flush());
    // A guest that goes on may find the host well again; who asks for the next operation is told otherwise.
    if (this.#unfinished !== null) this.finish(this.#unfinished).catch(() => {});
    const pending = this.#unsettled.length === 0 && this.#mirror === null ? this.#top.flush() : this.#flushAll();
    return pending?.catch((error: unknown) => this.#again(error, () => this.flush()));
  }

  /** Does once more what found no room, when something gives way. */
  async #again(error: unknown, work: () => Pending): Promise<void> {
    if (!(await makesRoom(this.images.folder, error))) throw error;
    await work();
  }

  discard(sector: number, count: number): Pending {
    if (this.#gate !== null) return this.#gate.then(() => this.discard(sector, count));
    return this.#top.discard(sector, count);
  }

  /** Calls back when the disk has grown; answers how to stop that. */
  onResize(listener: () => void): () => void {
    this.#onResize.add(listener);
    return () => this.#onResize.delete(listener);
  }

  /** Calls back when the disk has been closed. */
  onClose(listener: () => void): void {
    this.#onClose.add(listener);
  }

  /** The names of the images of the chain, from the top down; of those in the folder. */
  get chain(): readonly string[] {
    const names = [this.name];
    for (let disk: Disk | null = this.#top; disk instanceof SparseDisk; ) {
      const below: Disk | null = disk.below;
      if (!(below instanceof SharedDisk)) break;
      names.push(below.name);
      disk = below.disk;
    }
    return names;
  }

  /** Whether an operation that takes long should give up: somebody waits for its end to close the disk. */
  get closing(): boolean {
    return this.#closing;
  }

  /** Flushes and closes the chain, after the operation that is under way. */
  async close(): Promise<void> {
    if (this.#closing) return;
    this.#closing = true;
    await this.#operation?.done;
    try {
      await withRoom(this.images.folder, async () => {
        await this.settle();
        await this.#top.flush();
      });
      await this.#finishNow();
    } finally {
      await this.#unfinished?.leave();
      for (const listener of this.#onClose) listener();
      await this.#top.close();
    }
  }

  /** Runs something that changes the chain; one at a time. */
  async operate<T>(what: string, work: () => Promise<T>): Promise<T> {
    if (this.#closing) throw new StorageError("closed", "the disk is closed", { file: this.description });
    if (this.#operation !== null) throw busy(this.name, this.#operation.what);
    let end = (): void => {};
    const done = new Promise<void>((resolve) => {
      end = resolve;
    });
    this.#operation = { what, done };
    try {
      await this.#finishNow();
      return await work();
    } finally {
      this.#operation = null;
      end();
    }
  }

  /**
   * Does the last steps of an operation that is certain by now. When they fail they are tried again before the next operation,
   * when the guest flushes, and when the disk is closed, which leaves what is left to whoever recovers the folder.
   */
  finish(intent: Intent): Promise<void> {
    this.#unfinished = intent;
    this.#finishing ??= withRoom(this.images.folder, () => this.#finishSteps(intent))
      .then(() => {
        this.#unfinished = null;
      })
      .finally(() => {
        this.#finishing = null;
      });
    return this.#finishing;
  }

  async #finishSteps(intent: Intent): Promise<void> {
    await intent.applyRenames();
    // The note knows the time that a former top gets then.
    await this.settle();
    await intent.forget();
  }

  async #finishNow(): Promise<void> {
    if (this.#unfinished !== null) await this.finish(this.#unfinished);
  }

  /** Lets nobody in while `work` is done. Reads that wait for the network may still be under way. */
  async hold<T>(work: () => Promise<T>): Promise<T> {
    let open = (): void => {};
    this.#gate = new Promise((resolve) => {
      open = resolve;
    });
    try {
      return await work();
    } finally {
      this.#gate = null;
      open();
    }
  }

  /**
   * Goes on in another image, from one request to the next. The former one still has to be settled, and then was changed
   * last at the time that the new one says.
   */
  goOnIn(top: TopDisk, modifiedMs: number): void {
    this.#unsettled.push({ disk: this.#top, modifiedMs });
    this.#top = top;
  }

  /** Goes on in another image that holds the same, durably. */
  replaceTop(top: TopDisk): void {
    this.#top = top;
  }

  setMirror(mirror: Mirror | null): void {
    this.#mirror = mirror;
  }

  /** Makes former tops durable and lets others read them. */
  async settle(): Promise<void> {
    for (const former of [...this.#unsettled]) {
      const { disk, modifiedMs } = former;
      await disk.flush();
      // Others settle too, and who had to wait for that may be writing to the image again.
      if (!this.#unsettled.includes(former)) continue;
      if (disk.file.mode === "write") {
        disk.file.setModified(modifiedMs);
        disk.file.downgrade();
      }
      this.#unsettled = this.#unsettled.filter((other) => other !== former);
    }
  }

  announceResize(): void {
    for (const listener of this.#onResize) listener();
  }

  async #flushAll(): Promise<void> {
    const waits: Promise<void>[] = [this.settle(), flushMirror(this.#mirror)];
    const own = this.#top.flush();
    if (own instanceof Promise) waits.push(own);
    await settled(waits);
  }
}

async function flushMirror(mirror: Mirror | null): Promise<void> {
  if (mirror === null || mirror.failure !== null) return;
  try {
    await mirror.disk.flush();
  } catch (error) {
    mirror.failure = error;
  }
}

function writeMirror(mirror: Mirror, sector: number, from: Segments): void {
  if (mirror.failure !== null) return;
  const bytes = Math.min(segmentsLength(from), (mirror.end - sector) * SECTOR_BYTES);
  try {
    const pending = mirror.disk.write(sector, cutSegments(from, 0, bytes));
    if (pending instanceof Promise) pending.catch(() => {});
  } catch (error) {
    // The guest's write is done; what fails is the merge.
    mirror.failure = error;
  }
}

function busy(file: string, operation: string): StorageError {
  return new StorageError("in-use", `${operation} is under way`, { file, next: "wait until it is done" });
}
