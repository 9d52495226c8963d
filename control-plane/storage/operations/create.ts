/** New images by name: empty ones, and clones. A name appears when its image is whole. */
import { SECTOR_BYTES } from "../disk.js";
import { StorageError } from "../errors.js";
import { formatOfName } from "../format.js";
import type { ImageFile } from "../image-file.js";
import { type Images, identityOf, type SharedDisk } from "../images.js";
import { parentReference } from "../live/snapshot.js";
import { createNew, newName } from "../notes.js";
import { withRoom } from "../room.js";
import { createFixed, createSparse } from "../vhd/create.js";
import { FixedDisk } from "../vhd/fixed-disk.js";
import { SparseDisk } from "../vhd/sparse-disk.js";

export interface CreateOptions {
  readonly bytes: number;
  readonly kind: "raw" | "fixed" | "dynamic";
  /** Of a dynamic image; a power of two, 2 MiB unless told. */
  readonly blockBytes?: number;
}

/** Makes an image whose disk is zeros. */
export function createImage(images: Images, name: string, options: CreateOptions): Promise<void> {
  const { bytes, kind, blockBytes } = options;
  return makeImage(images, name, async (file) => {
    if (kind === "raw") {
      if (!Number.isSafeInteger(bytes) || bytes <= 0 || bytes % SECTOR_BYTES !== 0) {
        const expected = "a positive multiple of 512";
        throw new StorageError("bad-request", "this is no size for a disk", {
          file: name,
          found: `${bytes}`,
          expected,
        });
      }
      file.truncate(bytes);
      await file.sync();
    } else if (kind === "fixed") await createFixed(file, bytes, images.sources);
    else await createSparse(file, { bytes, ...(blockBytes && { blockSize: blockBytes }) }, images.sources);
  });
}

/** Makes a file under another name, and gives it its own when `fill` is done; when that fails nothing stays. */
export async function makeImage(images: Images, name: string, fill: (file: ImageFile) => Promise<void>): Promise<void> {
  const { folder } = images;
  if (await folder.exists(name)) throw new StorageError("exists", "the name is taken", { file: name });
  const file = await withRoom(folder, () => createNew(folder, name));
  try {
    await fill(file);
    if (await folder.exists(name)) {
      throw new StorageError("exists", "the name has been taken meanwhile", { file: name });
    }
    await withRoom(folder, () => folder.rename(newName(name), name));
  } catch (error) {
    const made = file.name;
    await file.close();
    await folder.remove(made);
    throw error;
  }
  await file.close();
}

/** Makes a differencing image over another one, which from then on must not change. */
export async function cloneImage(images: Images, parent: string, name: string): Promise<void> {
  if (formatOfName(name) !== undefined && formatOfName(name) !== "vhd") {
    const next = "choose a name that ends in .vhd";
    throw new StorageError("bad-name", "a clone is a VHD, and its name says something else", { file: name, next });
  }
  const shared = await images.openShared(parent);
  try {
    await makeImage(images, name, (file) => fillClone(images, shared, name, file));
  } finally {
    await shared.close();
  }
}

/** Writes an empty differencing image over `parent` that will have the name `name`. */
export async function fillClone(images: Images, parent: SharedDisk, name: string, file: ImageFile): Promise<void> {
  const { disk } = parent;
  const isVhd = disk instanceof FixedDisk || disk instanceof SparseDisk;
  const told = formatOfName(parent.name);
  if (!isVhd && told !== "raw" && told !== "qcow2") {
    const next = "rename it so that its ending tells its format";
    throw new StorageError("unsupported", "a parent that is no VHD must say so by its name", {
      file: parent.name,
      next,
    });
  }
  const uniqueId = await identityOf(disk);
  const modifiedMs = isVhd ? disk.file.modifiedMs : images.sources.now();
  const reference = parentReference(images, name, { name: parent.name, uniqueId, modifiedMs });
  const blockSize = disk instanceof SparseDisk ? disk.header.blockSize : undefined;
  const options = { bytes: disk.sectors * SECTOR_BYTES, parent: reference, ...(blockSize && { blockSize }) };
  await createSparse(file, options, images.sources);
}
