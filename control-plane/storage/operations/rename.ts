/**
 * Other names for images, and other places for parents. Images are found by the paths that their children hold, so these
 * change with the name: all of it is written down first, and done as one. Nobody may use the images meanwhile.
 */
import { SECTOR_BYTES } from "../disk.js";
import { StorageError } from "../errors.js";
import { detectFormat, formatOfName } from "../format.js";
import type { ImageFile } from "../image-file.js";
import { changedFault, type Images, identityOf } from "../images.js";
import { parentReference } from "../live/snapshot.js";
import { Intent, patch, type Step, stamp } from "../notes.js";
import { childrenOf, imageInfo } from "../tree.js";
import { type ParentReference, placeLocators } from "../vhd/create.js";
import { fromVhdTime, toVhdTime } from "../vhd/fields.js";
import { FixedDisk } from "../vhd/fixed-disk.js";
import { DiskType, writeFooter } from "../vhd/footer.js";
import { type Header, writeHeader } from "../vhd/header.js";
import { isAddress } from "../vhd/parent.js";
import { SparseDisk } from "../vhd/sparse-disk.js";
import { findFooter, readSparseImage, type SparseImage } from "../vhd/sparse-image.js";

/** Gives an image another name; those that stand on it find it there. */
export async function renameImage(images: Images, name: string, to: string): Promise<void> {
  const { folder } = images;
  checkEnding(name, to);
  if (await folder.exists(to)) throw new StorageError("exists", "the name is taken", { file: to });
  const children = () => childrenOf(images, name);
  await withFiles(images, name, children, async ([own, ...files]) => {
    const steps: Step[] = await ownSteps(images, own!, to);
    for (const file of files) {
      const image = await readChild(file);
      steps.push(...(await referTo(file, image, { ...rememberedIn(image.header), ...placeOf(images, file.name, to) })));
    }
    steps.push({ kind: "rename", from: name, to });
    return steps;
  });
}

/** Says where the parent of an image is: it must be the one that the image was made for. */
export async function setParent(images: Images, name: string, parent: string): Promise<void> {
  if (parent === name) throw new StorageError("parent-loop", "an image cannot stand on itself", { file: name });
  const alone = async () => [];
  await withFiles(images, name, alone, async ([file]) => {
    const image = await readChild(file!);
    const reference = await referenceTo(images, name, parent);
    if (reference.uniqueId !== image.header.parentUniqueId) {
      throw changedFault(name, image.header, parent, reference.uniqueId);
    }
    return referTo(file!, image, reference);
  });
}

/** Holds an image, and then those that belong to it, for writing while `plan` looks at them; does what it says. */
async function withFiles(
  images: Images,
  name: string,
  others: () => Promise<readonly string[]>,
  plan: (files: readonly ImageFile[]) => Promise<readonly Step[]>,
): Promise<void> {
  const files: ImageFile[] = [];
  try {
    files.push(await images.folder.open(name, "write"));
    for (const other of await others()) files.push(await images.folder.open(other, "write"));
    const steps = await plan(files);
    if (steps.length === 0) return;
    // Nothing of their disks changes: children go on remembering that time.
    const stamps = files.map((file) => stamp(file.name, file.modifiedMs));
    const intent = await Intent.write(images.folder, name, [...stamps, ...steps]);
    await intent.apply(files);
  } finally {
    for (const file of files) await file.close();
  }
}

/** The format of an image is what its name says. */
function checkEnding(name: string, to: string): void {
  if (isAddress(name) || isAddress(to)) {
    throw new StorageError("bad-request", "an image across the network has the name that it has", { file: name });
  }
  if (formatOfName(name) === formatOfName(to)) return;
  const next = "keep its ending, or convert the image";
  throw new StorageError("bad-name", "the new name tells another format", { file: name, found: to, next });
}

/** In another folder it finds its own parent by another way. */
async function ownSteps(images: Images, file: ImageFile, to: string): Promise<Step[]> {
  const { parent, format } = await imageInfo(images, file.name);
  if (parent === undefined || folderOf(file.name) === folderOf(to)) return [];
  if (format === "qcow2") {
    const next = "leave it in its folder, or convert it";
    throw new StorageError("unsupported", "a qcow2 image with a backing file is not changed", {
      file: file.name,
      next,
    });
  }
  if (parent.name === null || isAddress(parent.name)) return [];
  const image = await readChild(file);
  return referTo(file, image, { ...rememberedIn(image.header), ...placeOf(images, to, parent.name) });
}

const folderOf = (name: string): string => name.slice(0, name.lastIndexOf("/") + 1);

async function readChild(file: ImageFile): Promise<SparseImage> {
  if ((await detectFormat(file)) !== "vhd") {
    const next = "convert it first";
    throw new StorageError("unsupported", "only of VHDs the parent's place is changed", { file: file.name, next });
  }
  const found = await findFooter(file);
  if (found.footer.diskType !== DiskType.DIFFERENCING) {
    throw new StorageError("bad-request", "the image has no parent", { file: file.name });
  }
  return readSparseImage(file, found);
}

/** What a child knows of its parent beside where that is. */
function rememberedIn({ parentUniqueId, parentTimeStamp }: Header) {
  return { uniqueId: parentUniqueId, modifiedMs: fromVhdTime(parentTimeStamp) };
}

function placeOf(images: Images, child: string, parent: string) {
  const { name, relativePath, absolutePath } = parentReference(images, child, {
    name: parent,
    uniqueId: "",
    modifiedMs: 0,
  });
  return { name, relativePath, absolutePath };
}

async function referenceTo(images: Images, child: string, parent: string): Promise<ParentReference> {
  if (isAddress(parent)) {
    const uniqueId = await images.remoteIdentity(parent);
    return { uniqueId, modifiedMs: 0, name: parent, relativePath: null, absolutePath: null };
  }
  const shared = await images.openShared(parent);
  try {
    const { disk } = shared;
    const uniqueId = await identityOf(disk);
    const isVhd = disk instanceof FixedDisk || disk instanceof SparseDisk;
    const modifiedMs = isVhd ? disk.file.modifiedMs : images.sources.now();
    return parentReference(images, child, { name: parent, uniqueId, modifiedMs });
  } finally {
    await shared.close();
  }
}

/**
 * Puts paths to the parent behind everything in the file, where nothing points yet, with the footer behind them; the step
 * left is the header that points there. Meanwhile the footer's copy at the beginning counts.
 */
async function referTo(
  file: ImageFile,
  { footer, header, end }: SparseImage,
  parent: ParentReference,
): Promise<Step[]> {
  const placed = placeLocators(parent, end * SECTOR_BYTES);
  for (const { at, bytes } of placed.data) file.write(at, [bytes]);
  file.write(placed.end, [writeFooter(footer)]);
  // Durable before the note that the header will point there is.
  await file.sync();
  const changed: Header = {
    ...header,
    parentUniqueId: parent.uniqueId,
    parentTimeStamp: toVhdTime(parent.modifiedMs),
    parentName: parent.name,
    locators: placed.locators,
  };
  return [patch(file.name, Number(footer.dataOffset), writeHeader(changed))];
}
