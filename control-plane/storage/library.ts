/**
 * Images by what people call them, wherever they are: finds the store of each, and offers all that can be done to them in
 * one place, as plain data that crosses between workers. What a running domain uses is changed under it.
 */
import { type Disk, SECTOR_BYTES } from "./disk.js";
import { StorageError } from "./errors.js";
import { formatOfName, type ImageFormat } from "./format.js";
import { type Quiesce, type SnapshotOptions, type SnapshotResult, snapshotAtRest } from "./live/at-rest.js";
import type { LongOptions } from "./live/coalesce.js";
import { newName, refuseOwnName } from "./notes.js";
import type { CreateOptions } from "./operations/create.js";
import type { ImageStore, OpenOptions } from "./store.js";
import type { ImageInfo, TreeNode } from "./tree.js";
import type { Finding } from "./vhd/check.js";
import { isAddress } from "./vhd/parent.js";
import type { RepairOptions } from "./vhd/repair.js";

/** An image in its store. */
export interface ImagePlace {
  readonly store: ImageStore;
  readonly name: string;
}

/** How a host finds images. */
export interface ImageFinder {
  /** The store of an image that there is or will be. */
  place(image: string): Promise<ImagePlace>;
  /** One store that reaches both, the second to be written; fails where no image of one may stand on the other. */
  pair(source: string, target: string, onlyCopy: boolean): Promise<ImagePlace & { readonly source: string }>;
  /** The store of a folder of images; of the usual one when none is named. */
  folder(name: string | undefined): Promise<ImageStore>;
}

/** A tree as plain data. */
export interface ImageNode {
  readonly name: string;
  readonly info: ImageInfo | null;
  /** Why there is no info. */
  readonly problem: string | null;
  readonly children: readonly ImageNode[];
}

export type NewImage = CreateOptions;

export interface CopyOptions {
  readonly kind: CreateOptions["kind"];
  readonly blockBytes?: number;
}

/** A file from elsewhere; only what is asked for is read. A browser's File is one. */
export interface FileSource {
  readonly size: number;
  slice(start: number, end: number): { arrayBuffer(): Promise<ArrayBuffer> };
}

/** What can be done to images. Progress comes only where the caller is in the same thread. */
export interface ImageApi {
  create(image: string, options: NewImage): Promise<void>;
  info(image: string, format?: ImageFormat): Promise<ImageInfo>;
  tree(folder?: string): Promise<ImageNode[]>;
  check(image: string, format?: ImageFormat): Promise<Finding[]>;
  repair(image: string, options?: RepairOptions): Promise<readonly Finding[]>;
  /** Keeps what the disk holds now under another name, also while a guest uses it; with `quiesce` while it is at rest. */
  snapshot(image: string, snapshot: string, options?: SnapshotOptions): Promise<SnapshotResult>;
  clone(parent: string, image: string): Promise<void>;
  coalesce(image: string, options?: LongOptions): Promise<void>;
  revert(image: string, snapshot: string): Promise<void>;
  resize(image: string, bytes: number): Promise<void>;
  convert(source: string, target: string, options: CopyOptions & LongOptions): Promise<void>;
  /** Gives an image that nobody uses another name, in its folder; those that stand on it find it there. */
  rename(image: string, name: string): Promise<void>;
  /** Says where the parent of an image is now: the same parent, in another place. */
  setParent(image: string, parent: string): Promise<void>;
  remove(image: string): Promise<void>;
  /** Puts a file from elsewhere among the images, as it is. */
  import(image: string, source: FileSource, options?: LongOptions): Promise<void>;
  /**
   * An image that nobody writes to as a file to take elsewhere: its own, or, of a kind, a copy that holds the whole chain
   * and is kept until the folder is opened again or `exported` is told.
   */
  export(image: string, options?: Partial<CopyOptions> & LongOptions): Promise<Blob>;
  /** The file of an export is no longer read. */
  exported(image: string): Promise<void>;
}

/** The calls by name, for those who carry them between processes. */
export const IMAGE_CALLS: readonly (keyof ImageApi)[] = [
  "create",
  "info",
  "tree",
  "check",
  "repair",
  "snapshot",
  "clone",
  "coalesce",
  "revert",
  "resize",
  "convert",
  "rename",
  "setParent",
  "remove",
  "import",
  "export",
  "exported",
];

/** Those that take long, and which of their parameters has the options with progress and cancellation. */
export const IMAGE_JOBS = { import: 2, export: 1, coalesce: 1, convert: 2 } as const;
export type ImageJobCall = keyof typeof IMAGE_JOBS;

const IMPORT_STEP_BYTES = 4 * 1024 * 1024;

export class ImageLibrary implements ImageApi {
  #quiesce: Quiesce | null = null;

  constructor(private readonly finder: ImageFinder) {}

  /** How the guests that use disks are brought to rest. */
  quiesceBy(quiesce: Quiesce): void {
    this.#quiesce = quiesce;
  }

  /** Opens an image for a guest. Its format is what was said, what its name says, or raw: never what its contents look like. */
  async openDisk(image: string, options: OpenOptions = {}): Promise<Disk> {
    const { store, name } = await this.finder.place(image);
    const format = options.format ?? formatOfName(name);
    if (isAddress(name)) return store.openDisk(name, options);
    return store.openDisk(name, { ...options, format: format ?? "raw" });
  }

  async create(image: string, options: NewImage): Promise<void> {
    const { store, name } = await this.finder.place(image);
    await store.create(name, options);
  }

  async info(image: string, format?: ImageFormat): Promise<ImageInfo> {
    const { store, name } = await this.finder.place(image);
    return store.info(name, format);
  }

  async tree(folder?: string): Promise<ImageNode[]> {
    const store = await this.finder.folder(folder);
    return (await store.tree()).map(plainNode);
  }

  async check(image: string, format?: ImageFormat): Promise<Finding[]> {
    const { store, name } = await this.finder.place(image);
    return store.check(name, format);
  }

  async repair(image: string, options?: RepairOptions): Promise<readonly Finding[]> {
    const { store, name } = await this.finder.place(image);
    return store.repair(name, options);
  }

  async snapshot(image: string, snapshot: string, options: SnapshotOptions = {}): Promise<SnapshotResult> {
    const { store, name, source } = await this.finder.pair(image, snapshot, false);
    const disk = store.liveDisk(source);
    return snapshotAtRest(disk, this.#quiesce, options, {
      take: () => store.snapshot(source, name),
      undo: async () => {
        // Another guest's disk by now, or nobody's.
        if (disk !== store.liveDisk(source)) throw new StorageError("closed", "the disk is closed", { file: source });
        await store.coalesce(source);
      },
    });
  }

  async clone(parent: string, image: string): Promise<void> {
    const { store, name, source } = await this.finder.pair(parent, image, false);
    await store.clone(source, name);
  }

  async coalesce(image: string, options?: LongOptions): Promise<void> {
    const { store, name } = await this.finder.place(image);
    await store.coalesce(name, options);
  }

  async revert(image: string, snapshot: string): Promise<void> {
    const { store, name, source } = await this.finder.pair(snapshot, image, false);
    await store.revert(name, source);
  }

  async resize(image: string, bytes: number): Promise<void> {
    if (bytes % SECTOR_BYTES !== 0) {
      const details = { file: image, found: `${bytes}`, expected: "a multiple of 512" };
      throw new StorageError("bad-request", "this is no size for a disk", details);
    }
    const { store, name } = await this.finder.place(image);
    await store.resize(name, bytes);
  }

  async convert(source: string, target: string, options: CopyOptions & LongOptions): Promise<void> {
    const pair = await this.finder.pair(source, target, true);
    refuseOwnName(pair.name);
    await pair.store.convert(pair.source, pair.name, options);
  }

  async rename(image: string, name: string): Promise<void> {
    const [from, to] = [await this.finder.place(image), await this.finder.place(name)];
    if (from.store !== to.store) {
      const next = "copy it there, or name a folder that has both with --images";
      throw new StorageError("bad-name", "an image is renamed in its folder", { file: image, found: name, next });
    }
    await from.store.rename(from.name, to.name);
  }

  async setParent(image: string, parent: string): Promise<void> {
    const { store, name, source } = await this.finder.pair(parent, image, false);
    await store.setParent(name, source);
  }

  async remove(image: string): Promise<void> {
    const { store, name } = await this.finder.place(image);
    await store.remove(name);
  }

  async import(image: string, source: FileSource, options?: LongOptions): Promise<void> {
    const { store, name } = await this.finder.place(image);
    await store.import(name, chunksOf(source), { ...options, totalBytes: source.size });
  }

  async export(image: string, options: Partial<CopyOptions> & LongOptions = {}): Promise<Blob> {
    const { store, name } = await this.finder.place(image);
    const { folder } = store.images;
    if (folder.blob === undefined) {
      const next = "copy it, or convert it";
      throw new StorageError("unsupported", "on this host an image is a file already", { file: name, next });
    }
    const { kind } = options;
    if (kind === undefined) return folder.blob(name);
    const copy = exportName(name);
    if (await folder.exists(copy)) await folder.remove(copy);
    await store.convert(name, copy, { ...options, kind });
    return folder.blob(copy);
  }

  async exported(image: string): Promise<void> {
    const { store, name } = await this.finder.place(image);
    const { folder } = store.images;
    if (await folder.exists(exportName(name))) await folder.remove(exportName(name));
  }
}

/** The name of a copy for export: one that recovery throws away. */
const exportName = (name: string): string => newName(`${name}.export`);

async function* chunksOf(source: FileSource): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < source.size; at += IMPORT_STEP_BYTES) {
    yield new Uint8Array(await source.slice(at, Math.min(source.size, at + IMPORT_STEP_BYTES)).arrayBuffer());
  }
}

function plainNode({ name, info, problem, children }: TreeNode): ImageNode {
  return { name, info, problem: problem?.message ?? null, children: children.map(plainNode) };
}

/** All images of a host in one store, as in the browser. */
export function oneStore(open: () => Promise<ImageStore>): ImageFinder {
  let opened: Promise<ImageStore> | null = null;
  const store = (): Promise<ImageStore> => {
    opened ??= open().catch((error: unknown) => {
      opened = null;
      throw error;
    });
    return opened;
  };
  return {
    place: async (name) => ({ store: await store(), name }),
    pair: async (source, name) => ({ store: await store(), name, source }),
    folder: store,
  };
}
