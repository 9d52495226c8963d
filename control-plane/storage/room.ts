/** Room for images: what is kept of images across the network gives way to them, one after the other. */
import { StorageError } from "./errors.js";
import type { Folder } from "./image-file.js";
import { isCacheName } from "./notes.js";

export const isFull = (error: unknown): boolean => error instanceof StorageError && error.code === "full";

/** Does work that can be done again after it found no room, for as long as something gives way. */
export async function withRoom<T>(folder: Folder, work: () => T | Promise<T>): Promise<T> {
  while (true) {
    try {
      return await work();
    } catch (error) {
      if (!(await makesRoom(folder, error))) throw error;
    }
  }
}

/** Whether a failure was for want of room, and there is more now. */
export async function makesRoom(folder: Folder, error: unknown): Promise<boolean> {
  return isFull(error) && (await folder.spares.give(() => removeUnused(folder)));
}

/** Removes the cache that nobody has open and that has not been changed for longest. */
async function removeUnused(folder: Folder): Promise<boolean> {
  const caches = (await folder.list()).filter(({ name, size }) => isCacheName(name) && size > 0);
  for (const { name } of caches.sort((a, b) => a.modifiedMs - b.modifiedMs)) {
    try {
      const file = await folder.open(name, "write");
      try {
        // Its room is there from here on: that its name goes as well may take room of its own.
        file.truncate(0);
      } finally {
        await file.close();
      }
    } catch (error) {
      if (error instanceof StorageError) continue;
      throw error;
    }
    await folder.remove(name).catch(() => {});
    return true;
  }
  return false;
}
