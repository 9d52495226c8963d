/**
 * A snapshot of a disk in use. The top image is frozen and gets the snapshot's name; a new differencing image over it takes
 * its place and its name. Everything that needs waiting is done before the step from one to the other, which is between
 * two requests, or after it.
 */
import { SECTOR_BYTES } from "../disk.js";
import { StorageError } from "../errors.js";
import { relativePath } from "../folders/names.js";
import type { ImageFile } from "../image-file.js";
import { type Images, identityOf } from "../images.js";
import { createNew, Intent, isElsewhere, newName, stamp } from "../notes.js";
import { RawDisk } from "../raw-disk.js";
import { createSparse, type ParentReference } from "../vhd/create.js";
import { SparseDisk } from "../vhd/sparse-disk.js";
import { findFooter, readSparseImage } from "../vhd/sparse-image.js";
import type { LiveDisk } from "./live-disk.js";

/** How a differencing image in the file `child` refers to a parent of the same folder. */
export function parentReference(
  images: Images,
  child: string,
  parent: { readonly name: string; readonly uniqueId: string; readonly modifiedMs: number },
): ParentReference {
  const { name, uniqueId, modifiedMs } = parent;
  return {
    uniqueId,
    modifiedMs,
    name: name.split(/[\\/]/).at(-1)!,
    relativePath: isElsewhere(name) ? null : relativePath(child, name),
    absolutePath: images.folder.path(name),
  };
}

/** Freezes what the disk holds now under the name `snapshot`. */
export function takeSnapshot(live: LiveDisk, snapshot: string): Promise<void> {
  return live.operate("a snapshot", async () => {
    const { images, name } = live;
    const { folder } = images;
    if (live.top instanceof RawDisk) {
      const next = "convert it to VHD, or clone it";
      throw new StorageError("unsupported", "a raw image has no snapshots", { file: name, next });
    }
    if (live.readOnly) throw new StorageError("read-only", "the disk may only be read", { file: name });
    if (await folder.exists(snapshot)) throw new StorageError("exists", "the name is taken", { file: snapshot });
    const file = await createNew(folder, name);
    const modifiedMs = Math.floor(images.sources.now() / 1000) * 1000;
    const { image, intent } = await prepare(live, file, snapshot, modifiedMs).catch(async (error: unknown) => {
      await file.close();
      await folder.remove(newName(name));
      throw error;
    });
    // The step itself: from here on the guest writes to the new image.
    const frozen = images.adopt(snapshot, live.top);
    live.goOnIn(new SparseDisk(file, image, frozen), modifiedMs);
    await live.finish(intent);
  });
}

/** Makes the new top, whole, and writes down that it and the snapshot get their names. */
async function prepare(live: LiveDisk, file: ImageFile, snapshot: string, modifiedMs: number) {
  const { images, name, top } = live;
  const uniqueId = await identityOf(top);
  const parent = parentReference(images, name, { name: snapshot, uniqueId, modifiedMs });
  const blockSize = top instanceof SparseDisk ? top.header.blockSize : undefined;
  const bytes = top.sectors * SECTOR_BYTES;
  await createSparse(file, { bytes, parent, ...(blockSize !== undefined && { blockSize }) }, images.sources);
  // What may fail comes before the note: after it there is no way back.
  const image = await readSparseImage(file, await findFooter(file));
  const intent = await Intent.write(images.folder, name, [
    // Whoever finishes this after a crash finds it under the one name or the other; of the new image the time says nothing.
    stamp(name, modifiedMs),
    stamp(snapshot, modifiedMs),
    { kind: "rename", from: name, to: snapshot },
    { kind: "replace", from: newName(name), to: name },
  ]);
  return { image, intent };
}
