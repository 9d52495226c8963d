/** What is in a folder: every image with its facts, and which stands on which. Looks without locks, so also at what is in use. */
import { type StorageError, toStorageError } from "./errors.js";
import { detectFormat, type ImageFormat } from "./format.js";
import type { Folder, ImageFile } from "./image-file.js";
import { type Images, identityOf } from "./images.js";
import { isOwnName } from "./notes.js";
import { readQcow2Header } from "./qcow2/index.js";
import { UNUSED } from "./vhd/bat.js";
import { fourCharacters, fromVhdTime } from "./vhd/fields.js";
import { DiskType, type Footer } from "./vhd/footer.js";
import { isAddress, parentNames } from "./vhd/parent.js";
import { findFooter, readSparseHeader, readSparseImage } from "./vhd/sparse-image.js";

export type ImageKind = "raw" | "fixed" | "dynamic" | "differencing" | "qcow2";

/** Facts of one image. */
export interface ImageInfo {
  readonly name: string;
  readonly format: ImageFormat;
  readonly kind: ImageKind;
  /** Size of the disk in bytes. */
  readonly sizeBytes: number;
  /** Size of the file in bytes, holes included. */
  readonly fileBytes: number;
  readonly modifiedMs: number;
  readonly uniqueId?: string;
  readonly createdMs?: number;
  /** Four characters and a version. */
  readonly creator?: string;
  readonly blockBytes?: number;
  /** How much of the disk the image holds itself, in whole blocks. */
  readonly allocatedBytes?: number;
  readonly parent?: ParentInfo;
}

export interface ParentInfo {
  /** Where it was found; null when it is not there. */
  readonly name: string | null;
  /** What the image calls it. */
  readonly told: string;
  readonly uniqueId?: string;
}

/** An image in the tree of a folder, or a file that looks like one and cannot be read. */
export interface TreeNode {
  readonly name: string;
  readonly info: ImageInfo | null;
  /** Why there is no info. */
  readonly problem: StorageError | null;
  readonly children: readonly TreeNode[];
}

const KINDS: Readonly<Record<number, ImageKind>> = {
  [DiskType.FIXED]: "fixed",
  [DiskType.DYNAMIC]: "dynamic",
  [DiskType.DIFFERENCING]: "differencing",
};

/** The facts of an image. */
export async function imageInfo(images: Images, name: string, format?: ImageFormat): Promise<ImageInfo> {
  const file = await images.folder.peek(name);
  try {
    return await readInfo(images, file, format ?? (await detectFormat(file)), true);
  } finally {
    await file.close();
  }
}

async function readInfo(images: Images, file: ImageFile, format: ImageFormat, whole: boolean): Promise<ImageInfo> {
  const { folder } = images;
  const { name, size: fileBytes, modifiedMs } = file;
  const base = { name, format, fileBytes, modifiedMs };
  if (format === "raw") return { ...base, kind: "raw", sizeBytes: fileBytes - (fileBytes % 512) };
  if (format === "qcow2") return { ...base, kind: "qcow2", ...(await qcow2Facts(folder, file)) };
  const found = await findFooter(file);
  const { footer } = found;
  const facts = { ...base, kind: KINDS[footer.diskType]!, ...footerFacts(footer) };
  if (footer.diskType === DiskType.FIXED) return facts;
  const header = await readSparseHeader(file, footer);
  const blockBytes = header.blockSize;
  let allocated = {};
  if (whole) {
    const { table } = await readSparseImage(file, found);
    let blocks = 0;
    for (let block = 0; block < table.entries; block++) if (table.lookup(block) !== UNUSED) blocks++;
    allocated = { allocatedBytes: blocks * blockBytes };
  }
  if (footer.diskType === DiskType.DYNAMIC) return { ...facts, blockBytes, ...allocated };
  const { parentName: told, parentUniqueId: uniqueId } = header;
  const where = isAddress(told) ? told : await rightParent(images, uniqueId, await parentNames(folder, file, header));
  return { ...facts, blockBytes, ...allocated, parent: { name: where, told, uniqueId } };
}

function footerFacts(footer: Footer) {
  const { creatorApplication: application, creatorVersion: version } = footer;
  return {
    sizeBytes: Number(footer.currentSize),
    uniqueId: footer.uniqueId,
    createdMs: fromVhdTime(footer.timeStamp),
    creator: `${fourCharacters(application)} ${version >>> 16}.${version & 0xffff}`,
  };
}

async function qcow2Facts(folder: Folder, file: ImageFile) {
  const header = await readQcow2Header(file);
  const facts = { sizeBytes: header.size, blockBytes: 2 ** header.clusterBits };
  if (header.backingFile === null) return facts;
  const name = folder.resolve(file.name, header.backingFile);
  const where = await firstThatExists(folder, name === null ? [] : [name]);
  return { ...facts, parent: { name: where, told: header.backingFile } };
}

async function firstThatExists(folder: Folder, names: readonly string[]): Promise<string | null> {
  for (const name of names) if (await folder.exists(name)) return name;
  return null;
}

/** Of several images the one with the identity that a child remembers, as who opens it finds; else the first. */
export async function rightParent(images: Images, uniqueId: string, names: readonly string[]): Promise<string | null> {
  const there: string[] = [];
  for (const name of names) if (await images.folder.exists(name)) there.push(name);
  if (there.length > 1) {
    for (const name of there) {
      if ((await peekIdentity(images, name).catch(() => null)) === uniqueId) return name;
    }
  }
  return there[0] ?? null;
}

/** The identity of an image that others may be using; null of a VHD without a footer that can be read. */
export async function peekIdentity(images: Images, name: string): Promise<string | null> {
  const file = await images.folder.peek(name);
  try {
    if ((await detectFormat(file)) === "vhd") {
      const found = await findFooter(file).catch(() => null);
      return found === null ? null : found.footer.uniqueId;
    }
    const disk = await images.openFile(file);
    return await identityOf(disk).finally(() => disk.close());
  } finally {
    await file.close();
  }
}

async function look(images: Images, name: string, isAgain = false): Promise<Omit<TreeNode, "children">> {
  try {
    const file = await images.folder.peek(name);
    try {
      return { name, info: await readInfo(images, file, await detectFormat(file), false), problem: null };
    } finally {
      await file.close();
    }
  } catch (error) {
    const problem = toStorageError(error, name);
    // Others may have begun or ended to use it meanwhile: what looks broken for that moment is still somebody's child.
    const mayPass = problem.code === "io" || problem.code === "denied";
    return mayPass && !isAgain ? look(images, name, true) : { name, info: null, problem };
  }
}

/** All images of the folder, each under the one it stands on; those that stand on none come first level, by name. */
export async function imageTree(images: Images): Promise<TreeNode[]> {
  const names = (await images.folder.list()).map(({ name }) => name).filter((name) => !isOwnName(name));
  const nodes = new Map<string, TreeNode & { readonly children: TreeNode[] }>();
  for (const name of names.sort()) nodes.set(name, { ...(await look(images, name)), children: [] });
  const roots: TreeNode[] = [];
  for (const node of nodes.values()) {
    const parent = nodes.get(node.info?.parent?.name ?? "");
    if (parent === undefined || leadsTo(nodes, parent, node.name)) roots.push(node);
    else parent.children.push(node);
  }
  return roots;
}

/** Whether the parents of an image lead to `name`, which then is in a loop. */
function leadsTo(nodes: ReadonlyMap<string, TreeNode>, from: TreeNode, name: string): boolean {
  const seen = new Set<string>();
  for (let node: TreeNode | undefined = from; node !== undefined && !seen.has(node.name); ) {
    if (node.name === name) return true;
    seen.add(node.name);
    node = nodes.get(node.info?.parent?.name ?? "");
  }
  return false;
}

/** The images that stand directly on one. */
export async function childrenOf(images: Images, name: string): Promise<string[]> {
  const children: string[] = [];
  for (const { name: other } of await images.folder.list()) {
    if (isOwnName(other) || other === name) continue;
    const { info } = await look(images, other);
    if (info?.parent?.name === name) children.push(other);
  }
  return children;
}
