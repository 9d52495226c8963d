/** Finding the parent of a differencing image by what the image says of it. [VHD] "Identification of the Parent Hard Disk Image" */
import { StorageError } from "../errors.js";
import type { Folder, ImageFile } from "../image-file.js";
import { type Header, NAME_BYTES } from "./header.js";
import { MOST_LOCATOR_BYTES, PlatformCode, readLocatorPath } from "./locator.js";

/** A parent across the network is told by its address in place of a name. */
export const isAddress = (name: string): boolean => /^https?:\/\//i.test(name);

/** In which order kinds of locators are believed: paths beside the image first, as those survive a move of both. */
const ORDER: readonly number[] = [
  PlatformCode.W2RU,
  PlatformCode.WI2R,
  PlatformCode.MACX,
  PlatformCode.W2KU,
  PlatformCode.WI2K,
];

/** The paths that an image gives for its parent, best first. */
export async function parentPaths(file: ImageFile, header: Header): Promise<string[]> {
  const paths: string[] = [];
  for (const code of ORDER) {
    for (const locator of header.locators) {
      if (locator.platformCode !== code || locator.dataLength > MOST_LOCATOR_BYTES) continue;
      const at = Number(locator.dataOffset);
      if (at + locator.dataLength > file.size) continue;
      const data = new Uint8Array(locator.dataLength);
      if (data.length > 0) await file.read(at, [data]);
      const path = readLocatorPath(code, data);
      if (path !== null && path !== "") paths.push(path);
    }
  }
  if (header.parentName !== "") paths.push(header.parentName.split(/[\\/]/).at(-1)!);
  return paths;
}

/** The names under which the parent may be found, best first, each once; what leads out of the folder is left out. */
export async function parentNames(folder: Folder, file: ImageFile, header: Header): Promise<string[]> {
  const names: string[] = [];
  for (const path of await parentPaths(file, header)) {
    const name = folder.resolve(file.name, path) ?? folder.resolve(file.name, path.split(/[\\/]/).at(-1)!);
    if (name !== null && name !== file.name && !names.includes(name)) names.push(name);
  }
  return names;
}

/** Nothing that the image says leads to a file. */
export async function parentMissing(folder: Folder, file: ImageFile, header: Header): Promise<StorageError> {
  const paths = await parentPaths(file, header);
  const found = paths.length === 0 ? "no path at all" : paths.map((path) => JSON.stringify(path)).join(", ");
  return new StorageError("parent-missing", "the parent image is not there", {
    file: file.name,
    field: "Parent Locator Entries",
    found,
    expected: `an image in ${folder.description}`,
    next: "put the parent there, or allow the folder that it is in",
  });
}

/** Names longer than the header's field are cut; an address must fit. */
export const LONGEST_ADDRESS = NAME_BYTES / 2 - 1;
