/**
 * The images of a folder by name, for those who do not care which of them are in use: what can be done to a running disk is
 * done to it, and else the image is opened for that moment.
 */
import type { Disk } from "./disk.js";
import { SECTOR_BYTES } from "./disk.js";
import { StorageError } from "./errors.js";
import type { ImageFormat } from "./format.js";
import { cloneRemote } from "./http/remote.js";
import { Images, type ImagesOptions } from "./images.js";
import { coalesce, type LongOptions } from "./live/coalesce.js";
import { LiveDisk } from "./live/live-disk.js";
import { grow } from "./live/resize.js";
import { takeSnapshot } from "./live/snapshot.js";
import { finishIntents, isCacheName, recoverFolder, refuseOwnName } from "./notes.js";
import { checkImage, repairImage } from "./operations/check.js";
import { type ConvertOptions, convertImage, exportFile, importFile } from "./operations/copy.js";
import { type CreateOptions, cloneImage, createImage } from "./operations/create.js";
import { renameImage, setParent } from "./operations/rename.js";
import { refuseChildren, removeImage, revertImage } from "./operations/revert.js";
import { shrinkImage } from "./operations/shrink.js";
import { RawDisk } from "./raw-disk.js";
import { withRoom } from "./room.js";
import { type ImageInfo, imageInfo, imageTree, type TreeNode } from "./tree.js";
import type { Finding } from "./vhd/check.js";
import { isAddress } from "./vhd/parent.js";
import type { RepairOptions } from "./vhd/repair.js";

export interface OpenOptions {
  readonly readOnly?: boolean;
  readonly format?: ImageFormat;
}

export class ImageStore {
  readonly #live = new Set<LiveDisk>();

  private constructor(readonly images: Images) {}

  /** Opens a folder; finishes what a crash interrupted there. */
  static async open(options: ImagesOptions): Promise<ImageStore> {
    await recoverFolder(options.folder);
    return new ImageStore(new Images(options));
  }

  /** Opens an image as a disk for a guest. The address of an image across the network can be opened to read. */
  async openDisk(name: string, { readOnly = false, format }: OpenOptions = {}): Promise<Disk> {
    if (isAddress(name)) return this.#openAddress(name, readOnly);
    if (readOnly) return this.images.openShared(name, format);
    if (format === "qcow2") {
      const next = "convert it to VHD, or clone it";
      throw new StorageError("read-only", "qcow2 images are only read", { file: name, next });
    }
    await finishIntents(this.images.folder);
    const why = "they would see what is written";
    await refuseChildren(this.images, name, why);
    const disk = await LiveDisk.open(this.images, name, format);
    // Once more: before it was opened others may have been put on it.
    await refuseChildren(this.images, name, why).catch(async (error: unknown) => {
      await disk.close();
      throw error;
    });
    this.#live.add(disk);
    disk.onClose(() => this.#live.delete(disk));
    return disk;
  }

  /** The disk in use whose top is this image; undefined when there is none here. */
  liveDisk(name: string): LiveDisk | undefined {
    return [...this.#live].find((disk) => disk.name === name);
  }

  async create(name: string, options: CreateOptions): Promise<void> {
    refuseOwnName(name);
    return this.#roomy(() => createImage(this.images, name, options));
  }

  /** A writable image over another one, or over one across the network. */
  async clone(parent: string, name: string): Promise<void> {
    refuseOwnName(name);
    const clone = isAddress(parent) ? cloneRemote : cloneImage;
    return this.#roomy(() => clone(this.images, parent, name));
  }

  /** Keeps what the disk holds now under the name `snapshot`. */
  async snapshot(name: string, snapshot: string): Promise<void> {
    refuseOwnName(snapshot);
    const live = this.liveDisk(name);
    return this.#withLive(live, name, async (disk) => {
      if (live === undefined) await refuseChildren(this.images, name, "they would stand on another");
      await takeSnapshot(disk, snapshot);
    });
  }

  /** Merges an image into its parent, which takes its name. */
  coalesce(name: string, options: LongOptions = {}): Promise<void> {
    const inUse = this.liveDisk(name) ?? [...this.#live].find((disk) => disk.chain.includes(name));
    return this.#withLive(inUse, name, (disk) => coalesce(disk, { ...options, image: name }));
  }

  revert(name: string, snapshot: string): Promise<void> {
    return this.#roomy(() => revertImage(this.images, name, snapshot));
  }

  /** Grows a disk, or shrinks one that is not in use. */
  async resize(name: string, bytes: number): Promise<void> {
    const sectors = bytes / SECTOR_BYTES;
    const live = this.liveDisk(name);
    if (live !== undefined) return this.#roomy(() => grow(live, sectors));
    if (bytes < (await imageInfo(this.images, name)).sizeBytes)
      return this.#roomy(() => shrinkImage(this.images, name, sectors));
    return this.#withLive(undefined, name, async (disk) => {
      if (disk.top instanceof RawDisk) await refuseChildren(this.images, name, "they know it by its size");
      await grow(disk, sectors);
    });
  }

  async rename(name: string, to: string): Promise<void> {
    refuseOwnName(to);
    return this.#roomy(() => renameImage(this.images, name, to));
  }

  /** Says where the parent of an image is now. */
  setParent(name: string, parent: string): Promise<void> {
    return this.#roomy(() => setParent(this.images, name, parent));
  }

  remove(name: string): Promise<void> {
    return removeImage(this.images, name);
  }

  convert(source: string, target: string, options: ConvertOptions): Promise<void> {
    return this.#roomy(() => convertImage(this.images, source, target, options));
  }

  async import(
    name: string,
    chunks: AsyncIterable<Uint8Array>,
    options?: Parameters<typeof importFile>[3],
  ): Promise<void> {
    refuseOwnName(name);
    return importFile(this.images, name, chunks, options);
  }

  export(name: string, options?: LongOptions): AsyncGenerator<Uint8Array> {
    return exportFile(this.images, name, options);
  }

  /** Removes what is kept of images across the network and not in use. */
  async clearCache(): Promise<void> {
    const { folder } = this.images;
    for (const { name } of await folder.list()) {
      if (!isCacheName(name)) continue;
      await folder.remove(name).catch((error: unknown) => {
        if (!(error instanceof StorageError) || error.code !== "locked") throw error;
      });
    }
  }

  check(name: string, format?: ImageFormat): Promise<Finding[]> {
    return checkImage(this.images, name, format);
  }

  repair(name: string, options?: RepairOptions): Promise<readonly Finding[]> {
    return repairImage(this.images, name, options);
  }

  info(name: string, format?: ImageFormat): Promise<ImageInfo> {
    return imageInfo(this.images, name, format);
  }

  tree(): Promise<TreeNode[]> {
    return imageTree(this.images);
  }

  async #openAddress(address: string, readOnly: boolean): Promise<Disk> {
    if (readOnly) return (await this.images.openRemote(address)).disk;
    const next = "clone it: the clone takes the writes";
    throw new StorageError("read-only", "an image across the network is only read", { file: address, next });
  }

  /** An operation that happens or does not is done again when there was no room, and is by then. */
  #roomy(work: () => Promise<void>): Promise<void> {
    return withRoom(this.images.folder, work);
  }

  async #withLive(live: LiveDisk | undefined, name: string, work: (disk: LiveDisk) => Promise<void>): Promise<void> {
    if (live !== undefined) return this.#roomy(() => work(live));
    await finishIntents(this.images.folder);
    const disk = await LiveDisk.open(this.images, name);
    try {
      await this.#roomy(() => work(disk));
    } finally {
      await disk.close();
    }
  }
}
