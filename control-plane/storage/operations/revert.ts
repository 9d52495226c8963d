/** Going back to a snapshot, and removing images. Both give up data, so both ask who stands on it. */
import { StorageError } from "../errors.js";
import type { Images } from "../images.js";
import { createNew, newName } from "../notes.js";
import { childrenOf, imageInfo } from "../tree.js";
import { fillClone } from "./create.js";

const GOING_BACK = "going back would change them";
const REMOVING = "they would lose their data";

/**
 * Makes the image what a snapshot below it was: an empty one over the snapshot takes its place. What was written since is
 * lost. The image must not be in use.
 */
export async function revertImage(images: Images, name: string, snapshot: string): Promise<void> {
  const { folder } = images;
  await refuseChildren(images, name, GOING_BACK);
  if (!(await ancestorsOf(images, name)).includes(snapshot)) {
    const next = "clone the snapshot instead";
    throw new StorageError("bad-request", "the image does not stand on that snapshot", {
      file: name,
      found: snapshot,
      next,
    });
  }
  // Held until the new one has the name, so that nobody begins to use it.
  const current = await folder.open(name, "write");
  const shared = await images.openShared(snapshot).catch(async (error: unknown) => {
    await current.close();
    throw error;
  });
  try {
    // Once more: before it was held others may have been put on it.
    await refuseChildren(images, name, GOING_BACK);
    const file = await createNew(folder, name);
    try {
      await fillClone(images, shared, name, file);
      await current.close();
      await folder.rename(newName(name), name);
    } catch (error) {
      const isNew = file.name !== name;
      await file.close();
      if (isNew) await folder.remove(newName(name));
      throw error;
    }
    await file.close();
  } finally {
    await current.close();
    await shared.close();
  }
}

/** The images that one stands on, nearest first. */
export async function ancestorsOf(images: Images, name: string): Promise<string[]> {
  const found: string[] = [];
  for (let at: string | null = name; at !== null && !/^https?:/i.test(at); ) {
    const parent: string | null = (await imageInfo(images, at)).parent?.name ?? null;
    if (parent === null || found.includes(parent)) break;
    found.push(parent);
    at = parent;
  }
  return found;
}

/** Removes an image that nothing stands on and nobody uses. */
export async function removeImage(images: Images, name: string): Promise<void> {
  await refuseChildren(images, name, REMOVING);
  // Held, so that nobody puts another one on it who has not done so before; one that may only be read goes as well.
  const file = await images.folder.open(name, "write").catch((error: unknown) => {
    if (error instanceof StorageError && (error.code === "denied" || error.code === "read-only")) return null;
    throw error;
  });
  try {
    await refuseChildren(images, name, REMOVING);
  } finally {
    await file?.close();
  }
  await images.folder.remove(name);
}

export async function refuseChildren(images: Images, name: string, why: string): Promise<void> {
  const children = await childrenOf(images, name);
  if (children.length === 0) return;
  const next = "remove or merge them first";
  throw new StorageError("in-use", `other images stand on this one, and ${why}`, {
    file: name,
    found: children.join(", "),
    next,
  });
}
