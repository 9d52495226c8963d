/**
 * Images of Node's file system by path. A folder that was named as one of images is a store with all below it; any other
 * folder is a store of the files directly in it, since below may be a whole home directory.
 */
import { basename, dirname, isAbsolute, relative, resolve, sep } from "node:path";
import { StorageError } from "../errors.js";
import { openHttp } from "../http/remote.js";
import type { ImageFinder, ImagePlace } from "../library.js";
import { ImageStore } from "../store.js";
import type { ImageSources } from "../vhd/create.js";
import { isAddress } from "../vhd/parent.js";
import { NodeFolder } from "./folder-node.js";

export interface NodeFinderOptions {
  readonly sources: ImageSources;
  /** Folders of images. Relative names count from the first; without any from the working directory. */
  readonly folders?: readonly string[];
}

export function nodeFinder({ sources, folders = [] }: NodeFinderOptions): ImageFinder {
  const roots = folders.map((folder) => resolve(folder));
  const home = roots[0] ?? resolve(".");
  const stores = new Map<string, Promise<ImageStore>>();

  function openStore(root: string, readFrom?: string): Promise<ImageStore> {
    const flat = !roots.includes(root);
    const parents = [...roots, ...(readFrom === undefined ? [] : [readFrom])].filter((other) => other !== root);
    const folder = new NodeFolder(root, { parents, flat });
    return ImageStore.open({ folder, sources, openRemote: openHttp({ cache: { folder, sources } }) });
  }

  function storeOf(root: string): Promise<ImageStore> {
    const known = stores.get(root);
    if (known !== undefined) return known;
    const opened = openStore(root);
    stores.set(root, opened);
    opened.catch(() => stores.delete(root));
    return opened;
  }

  /** The root that has a path, and the path below it. */
  function split(path: string): { readonly root: string; readonly name: string } {
    const root = roots.find((folder) => isBelow(folder, path)) ?? dirname(path);
    return { root, name: relative(root, path).split(sep).join("/") };
  }

  async function place(image: string): Promise<ImagePlace> {
    if (isAddress(image)) return { store: await storeOf(home), name: image };
    if (image === "" || basename(image) === "") {
      throw new StorageError("bad-name", "this names no image", { file: image, expected: "the path of a file" });
    }
    const { root, name } = split(resolve(home, image));
    return { store: await storeOf(root), name };
  }

  async function pair(source: string, target: string, onlyCopy: boolean) {
    if (isAddress(source)) return { ...(await place(target)), source };
    const path = resolve(home, source);
    const from = split(path);
    const to = split(resolve(home, target));
    if (from.root === to.root) return { ...(await place(target)), source: from.name };
    if (roots.includes(from.root)) return { ...(await place(target)), source: path };
    if (onlyCopy) return { store: await openStore(to.root, from.root), name: to.name, source: path };
    throw new StorageError("bad-name", "an image stands only on images of its own folder", {
      file: target,
      found: source,
      next: "put both into one folder, or name that folder with --images",
    });
  }

  return { place, pair, folder: (name) => storeOf(name === undefined ? home : resolve(home, name)) };
}

const isBelow = (folder: string, path: string): boolean => {
  const way = relative(folder, path);
  return way !== "" && !isAbsolute(way) && way.split(sep)[0] !== "..";
};
