/**
 * The images of a folder that are open here. Whoever reads an image shares it with all others who do: a parent of a hundred
 * clones is opened once. Locks of the folder keep writers out of what is read.
 */

import { encodeUtf8, sha256 } from "../formats/index.js";
import { concatBytes } from "../util/index.js";
import type { Asker } from "./asker.js";
import { type Disk, type Pending, SECTOR_BYTES } from "./disk.js";
import { StorageError } from "./errors.js";
import { checkedFormat, detectFormat, formatOfName, type ImageFormat } from "./format.js";
import type { Folder, ImageFile, OpenMode } from "./image-file.js";
import { refuseInterrupted } from "./notes.js";
import { openQcow2 } from "./qcow2/index.js";
import { RawDisk } from "./raw-disk.js";
import { ReadOnlyDisk } from "./read-only.js";
import type { Segments } from "./segments.js";
import type { ImageSources } from "./vhd/create.js";
import { readUuid } from "./vhd/fields.js";
import { FixedDisk } from "./vhd/fixed-disk.js";
import type { Footer } from "./vhd/footer.js";
import type { Header } from "./vhd/header.js";
import { openVhd } from "./vhd/open.js";
import { isAddress, parentMissing, parentNames } from "./vhd/parent.js";
import { SparseDisk } from "./vhd/sparse-disk.js";

export interface RemoteOptions {
  /** Nothing of what is read is kept for the next time. */
  readonly uncached?: boolean;
}

/** Opens an image across the network, as a disk with its identity. */
export type OpenRemote = (
  address: string,
  options?: RemoteOptions,
) => Promise<{ readonly disk: Disk; readonly uniqueId: string }>;

export interface ImagesOptions {
  readonly folder: Folder;
  readonly sources: ImageSources;
  readonly openRemote?: OpenRemote;
}

interface Shared {
  readonly opened: Promise<Disk>;
  users: number;
  /** The image that this one's opening waits for. */
  waitsFor: string | null;
  /** Of an image across the network. */
  uniqueId?: string;
}

/** One user's hold on an image that is read by several. */
export class SharedDisk extends ReadOnlyDisk {
  #release: (() => Promise<void>) | null;

  constructor(
    readonly name: string,
    readonly disk: Disk,
    release: () => Promise<void>,
  ) {
    super();
    this.#release = release;
  }

  get description(): string {
    return this.disk.description;
  }

  get sectors(): number {
    return this.disk.sectors;
  }

  read(sector: number, into: Segments, asker?: Asker): Pending {
    return this.disk.read(sector, into, asker);
  }

  holdsNothing(sector: number, count: number): boolean {
    return this.disk.holdsNothing?.(sector, count) ?? false;
  }

  async close(): Promise<void> {
    const release = this.#release;
    this.#release = null;
    await release?.();
  }
}

export class Images {
  readonly folder: Folder;
  readonly sources: ImageSources;
  readonly #openRemote: OpenRemote | undefined;
  readonly #shared = new Map<string, Shared>();

  constructor(options: ImagesOptions) {
    this.folder = options.folder;
    this.sources = options.sources;
    this.#openRemote = options.openRemote;
  }

  /** Opens an image to read it, with all readers of this process sharing it. */
  async openShared(name: string, format?: ImageFormat): Promise<SharedDisk> {
    return this.#share(name, format, []);
  }

  /** Opens an image for oneself. Of a chain only the image itself can be written to; its parents are shared. */
  async open(name: string, mode: OpenMode, format?: ImageFormat): Promise<Disk> {
    return this.#openFile(await this.folder.open(name, mode), format, []);
  }

  /** The image in a file that is open already, and is closed with the disk. */
  async openFile(file: ImageFile, format?: ImageFormat): Promise<Disk> {
    return this.#openFile(file, format, []);
  }

  /** Opens an image across the network. */
  openRemote(address: string, options: RemoteOptions = {}): ReturnType<OpenRemote> {
    if (this.#openRemote !== undefined) return this.#openRemote(address, options);
    const next = "allow it, or copy the image here";
    throw new StorageError("unsupported", "images across the network are not allowed here", { file: address, next });
  }

  /** What a child remembers an image across the network by, as its server has it now. Leaves nothing behind. */
  async remoteIdentity(address: string): Promise<string> {
    const { disk, uniqueId } = await this.openRemote(address, { uncached: true });
    await disk.close();
    return uniqueId;
  }

  /** An image that was written to and will only be read from now on gets shared, with the caller as its first user. */
  adopt(name: string, disk: Disk): SharedDisk {
    const shared: Shared = { opened: Promise.resolve(disk), users: 1, waitsFor: null };
    this.#shared.set(name, shared);
    return new SharedDisk(name, disk, () => this.#release(name, shared));
  }

  /**
   * Takes images from those that are shared, to change them; fails with `in-use` unless the caller is the only user of each,
   * and then takes none.
   */
  reclaim(all: readonly SharedDisk[]): void {
    for (const { name } of all) {
      const users = this.#shared.get(name)?.users ?? 0;
      if (users === 1) continue;
      const details = { file: name, found: `${users} users`, expected: "one" };
      throw new StorageError("in-use", "other disks stand on this image", details);
    }
    for (const { name } of all) this.#shared.delete(name);
  }

  #share(name: string, format: ImageFormat | undefined, children: readonly string[]): Promise<SharedDisk> {
    this.#refuseDeadlock(name, children);
    // What is read as another format than its name tells is another disk.
    const key = format === undefined || format === formatOfName(name) ? name : `${format}\0${name}`;
    return this.#shareBy(name, key, async () => {
      // Opened first: who is in the middle of an operation has it locked.
      const file = await this.folder.open(name, "read");
      try {
        await refuseInterrupted(this.folder, name);
      } catch (error) {
        await file.close();
        throw error;
      }
      return this.#openFile(file, format, children);
    });
  }

  async #shareBy(name: string, key: string, open: (entry: Shared) => Promise<Disk>): Promise<SharedDisk> {
    let entry = this.#shared.get(key);
    if (entry === undefined) {
      const made: Shared = { opened: Promise.resolve().then(() => open(made)), users: 0, waitsFor: null };
      this.#shared.set(key, made);
      entry = made;
    }
    const shared = entry;
    shared.users++;
    try {
      const disk = await shared.opened;
      shared.waitsFor = null;
      return new SharedDisk(name, disk, () => this.#release(key, shared));
    } catch (error) {
      if (this.#shared.get(key) === shared) this.#shared.delete(key);
      throw error;
    }
  }

  /** Two that open a loop from both ends would wait for each other. */
  #refuseDeadlock(name: string, children: readonly string[]): void {
    const child = children.at(-1);
    if (child === undefined) return;
    const own = this.#shared.get(child);
    if (own !== undefined) own.waitsFor = name;
    const seen = [...children];
    for (let at: string | null = name; at !== null; at = this.#shared.get(at)?.waitsFor ?? null) {
      refuseLoop(at, seen);
      seen.push(at);
    }
  }

  async #release(key: string, entry: Shared): Promise<void> {
    entry.users--;
    if (entry.users > 0) return;
    if (this.#shared.get(key) === entry) this.#shared.delete(key);
    await (await entry.opened).close();
  }

  async #openFile(file: ImageFile, told: ImageFormat | undefined, children: readonly string[]): Promise<Disk> {
    try {
      const format = told === undefined ? await detectFormat(file) : checkedFormat(told);
      if (format === "raw") return new RawDisk(file);
      const chain = [...children, file.name];
      if (format === "vhd")
        return await openVhd(file, (f, footer, header) => this.#openParent(f, footer, header, chain));
      return await openQcow2(file, (f, path, backing) => this.#openBacking(f, path, backing, chain));
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  async #openParent(file: ImageFile, _footer: Footer, header: Header, chain: readonly string[]): Promise<Disk> {
    if (isAddress(header.parentName)) return this.#openAddress(file, header);
    const names = await parentNames(this.folder, file, header);
    let changed: StorageError | null = null;
    for (const name of names) {
      refuseLoop(name, chain);
      if (!(await this.folder.exists(name))) continue;
      const parent = await this.#share(name, undefined, chain);
      let isRight = false;
      try {
        const uniqueId = await identityOf(parent.disk);
        isRight = uniqueId === header.parentUniqueId;
        if (isRight) return parent;
        changed = changedFault(file.name, header, parent.name, uniqueId);
      } finally {
        if (!isRight) await parent.close();
      }
    }
    throw changed ?? (await parentMissing(this.folder, file, header));
  }

  async #openAddress(file: ImageFile, header: Header): Promise<Disk> {
    const address = header.parentName;
    const shared = await this.#shareBy(address, address, async (entry) => {
      const { disk, uniqueId } = await this.openRemote(address);
      entry.uniqueId = uniqueId;
      return disk;
    });
    const uniqueId = this.#shared.get(address)?.uniqueId ?? "unknown";
    if (uniqueId === header.parentUniqueId) return shared;
    await shared.close();
    throw changedFault(file.name, header, address, uniqueId);
  }

  async #openBacking(
    file: ImageFile,
    path: string,
    format: ImageFormat | undefined,
    chain: readonly string[],
  ): Promise<Disk> {
    const name = this.folder.resolve(file.name, path);
    if (name === null || !(await this.folder.exists(name))) throw backingMissing(file.name, path);
    refuseLoop(name, chain);
    return this.#share(name, format ?? formatOfName(name), chain);
  }
}

export function backingMissing(file: string, path: string): StorageError {
  const next = "put the backing file there, or allow the folder that it is in";
  const details = { file, field: "backing_file", found: JSON.stringify(path), next };
  return new StorageError("parent-missing", "the backing file is not in the folder", details);
}

export function refuseLoop(name: string, chain: readonly string[]): void {
  if (!chain.includes(name)) return;
  throw new StorageError("parent-loop", "the chain of parents leads back to an image in it", {
    file: chain.at(-1)!,
    found: [...chain, name].join(" -> "),
  });
}

/** How much of an image without an identity of its own makes one. */
const IDENTITY_BYTES = 64 * 1024;

/**
 * What a child remembers its parent by: the UUID of a VHD. Of other images it is made of their size and first bytes, which
 * nobody knows who cannot read them, so that a foreign image cannot name just any other image as its parent and show it.
 */
export async function identityOf(disk: Disk): Promise<string> {
  if (disk instanceof FixedDisk || disk instanceof SparseDisk) return disk.footer.uniqueId;
  const head = new Uint8Array(Math.min(IDENTITY_BYTES, disk.sectors * SECTOR_BYTES));
  if (head.length > 0) await disk.read(0, [head]);
  return readUuid(sha256(concatBytes([head, encodeUtf8(`${disk.sectors}`)])), 0);
}

export function changedFault(file: string, header: Header, parent: string, found: string): StorageError {
  return new StorageError("parent-changed", `${parent} is not the parent that the image was made for`, {
    file,
    field: "Parent Unique ID",
    found,
    expected: header.parentUniqueId,
    next: "put the right parent there",
  });
}
