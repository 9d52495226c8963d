/**
 * Merging an image into its parent, with a guest writing to it meanwhile. Sectors go down step by step; what the guest
 * writes to sectors that have gone down goes to both. At the end the parent holds what the image holds, and takes over its
 * name and identity, so that images above notice nothing. The parent's own state, a snapshot, is given up by this.
 */
import { type Pending, SECTOR_BYTES } from "../disk.js";
import { StorageError } from "../errors.js";
import { SharedDisk } from "../images.js";
import { Intent, patch, type Step, stamp } from "../notes.js";
import { childrenOf } from "../tree.js";
import { FixedDisk } from "../vhd/fixed-disk.js";
import { type Footer, writeFooter } from "../vhd/footer.js";
import { SparseDisk } from "../vhd/sparse-disk.js";
import { settled } from "../waits.js";
import type { LiveDisk, Mirror } from "./live-disk.js";
import { growTop } from "./resize.js";

export interface Progress {
  readonly doneBytes: number;
  readonly totalBytes: number;
}

export interface LongOptions {
  readonly onProgress?: (progress: Progress) => void;
  readonly signal?: AbortSignal;
}

/** One step moves at most this much before others get their turn. */
const STEP_SECTORS = 2048;

/** Merges the image at the top of a chain, or the named one further down that nothing else stands on, into its parent. */
export function coalesce(live: LiveDisk, options: LongOptions & { readonly image?: string } = {}): Promise<void> {
  return live.operate("a merge", async () => {
    const pair = await completed(live, findPair(live, options.image ?? live.name));
    await checkAlone(live, pair);
    await openParent(live, pair);
    let note: Intent | null = null;
    try {
      // Once more: a clone may have been made before nobody else could open the parent.
      await checkAlone(live, pair);
      note = await Intent.ofMerge(live.images.folder, pair.parent.file);
      await growParent(live, pair);
      await merge(live, pair, options);
    } catch (error) {
      // A child without a parent has been taken over already: what is left to do its note says.
      if (pair.child.below !== null) await giveUp(live, pair, note);
      else await note?.forget().catch(() => {});
      throw error;
    }
    // One that stays is of an image that is no more.
    await note?.forget().catch(() => {});
  });
}

interface FoundPair {
  readonly child: SparseDisk;
  readonly parent: FixedDisk | SparseDisk;
  readonly shared: SharedDisk;
  /** What stands on the child; null when the child is the top. */
  readonly above: { readonly disk: SparseDisk; readonly shared: SharedDisk } | null;
}

interface Pair extends FoundPair {
  /** Whether images stand on the child, which then remember when it was changed last. */
  readonly isRemembered: boolean;
}

/** Walks down from the top to the image and its parent. */
function findPair(live: LiveDisk, name: string): FoundPair {
  let above: FoundPair["above"] = null;
  for (let disk: unknown = live.top; disk instanceof SparseDisk; ) {
    const below: unknown = disk.below;
    const next = below instanceof SharedDisk ? below : null;
    if (disk.file.name !== name) {
      if (next === null) break;
      above = { disk, shared: next };
      disk = next.disk;
      continue;
    }
    const parent = next?.disk;
    if (parent instanceof SparseDisk || parent instanceof FixedDisk) {
      return { child: disk, parent, shared: next!, above };
    }
    if (below === null) throw new StorageError("bad-request", "the image has no parent", { file: name });
    // Its file is to get the child's name, and with it be a VHD.
    const details = { file: name, next: "convert the image into one of its own" };
    throw new StorageError("unsupported", "only VHDs are merged into, and its parent is none here", details);
  }
  throw new StorageError("bad-request", "the image is not in the chain of this disk", { file: name, found: live.name });
}

/** A top may have others on it too, which then is in use for this merge alone. */
async function completed(live: LiveDisk, pair: FoundPair): Promise<Pair> {
  const children = pair.above === null ? await childrenOf(live.images, pair.child.file.name) : [];
  return { ...pair, isRemembered: pair.above !== null || children.length > 0 };
}

/** Others that stand on the parent would see its contents change. */
async function checkAlone(live: LiveDisk, { child, parent }: FoundPair): Promise<void> {
  const others = (await childrenOf(live.images, parent.file.name)).filter((name) => name !== child.file.name);
  if (others.length === 0) return;
  const next = "merge or remove those first";
  const found = others.join(", ");
  throw new StorageError("in-use", "other images stand on the parent", { file: parent.file.name, found, next });
}

async function openParent(live: LiveDisk, pair: Pair): Promise<void> {
  const { parent, shared, above } = pair;
  await live.settle();
  live.images.reclaim(above === null ? [shared] : [above.shared, shared]);
  try {
    await parent.file.upgrade();
  } catch (error) {
    await giveUp(live, pair, null);
    throw error;
  }
}

async function growParent(live: LiveDisk, { parent, child }: Pair): Promise<void> {
  if (parent.sectors < child.sectors) await growTop(live, parent, child.sectors);
}

/** All is as before; what went down already is hidden by the child, which holds the same. */
async function giveUp(live: LiveDisk, { child, parent, above }: Pair, note: Intent | null): Promise<void> {
  live.setMirror(null);
  child.replaceBelow(live.images.adopt(parent.file.name, parent));
  if (above !== null) above.disk.replaceBelow(live.images.adopt(child.file.name, child));
  if (parent.file.mode === "read") return;
  try {
    await parent.flush();
    parent.file.setModified(parent.file.modifiedMs);
    await note?.forget();
    parent.file.downgrade();
  } catch {
    // It stays locked, and its note there. Why the merge failed says more.
    await note?.leave();
  }
}

async function merge(live: LiveDisk, pair: Pair, options: LongOptions): Promise<void> {
  const { child, parent, above } = pair;
  const mirror: Mirror = { disk: parent, end: 0, failure: null };
  if (above === null) live.setMirror(mirror);
  await copyDown(live, child, mirror, options);
  // Most of the waiting, before anybody has to.
  await parent.flush();
  await child.flush();
  await live.hold(async () => {
    await parent.flush();
    await child.flush();
    if (mirror.failure !== null) throw mirror.failure;
    await takeOver(live, pair);
  });
}

async function copyDown(
  live: LiveDisk,
  child: SparseDisk,
  mirror: Mirror,
  { onProgress, signal }: LongOptions,
): Promise<void> {
  const buffer = new Uint8Array(STEP_SECTORS * SECTOR_BYTES);
  const totalBytes = child.sectors * SECTOR_BYTES;
  const { sectorsPerBlock } = child.shape;
  while (mirror.end < child.sectors) {
    if (signal?.aborted) throw new StorageError("cancelled", "the merge was cancelled", { file: child.file.name });
    if (live.closing) throw new StorageError("cancelled", "the merge ended with the guest", { file: child.file.name });
    if (mirror.failure !== null) throw mirror.failure;
    const block = Math.floor(mirror.end / sectorsPerBlock);
    const bits = child.heldSectors(block);
    const first = mirror.end % sectorsPerBlock;
    const left = Math.min(sectorsPerBlock - first, child.sectors - mirror.end);
    if (bits === null) {
      mirror.end += left;
      continue;
    }
    const held = await bits;
    const count = Math.min(left, STEP_SECTORS);
    const waits: Promise<void>[] = [];
    for (let done = 0; done < count; ) {
      const run = held.runLength(first + done, count - done);
      if (held.has(first + done)) {
        const pending = copyRun(child, mirror, mirror.end + done, buffer.subarray(0, run * SECTOR_BYTES));
        if (pending instanceof Promise) waits.push(pending);
      }
      done += run;
    }
    mirror.end += count;
    // Only after the end has moved: until then nothing that the guest writes may come between.
    await settled(waits);
    onProgress?.({ doneBytes: mirror.end * SECTOR_BYTES, totalBytes });
    await turn();
  }
}

function copyRun(child: SparseDisk, mirror: Mirror, sector: number, buffer: Uint8Array): Pending {
  child.read(sector, [buffer]);
  return mirror.disk.write(sector, [buffer]);
}

/** Lets requests and messages be served. */
export const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0));

/** Parent and child hold the same, durably: the parent becomes the child. */
async function takeOver(live: LiveDisk, { child, parent, above, isRemembered }: Pair): Promise<void> {
  const name = child.file.name;
  const { uniqueId, timeStamp } = child.footer;
  const { modifiedMs } = child.file;
  const intent = await Intent.write(live.images.folder, name, [
    ...footerPatches(parent, { ...parent.footer, uniqueId, timeStamp }),
    ...(isRemembered ? [stamp(parent.file.name, modifiedMs)] : []),
    { kind: "replace", from: parent.file.name, to: name },
  ]);
  // When it fails the guest goes on in the child, which must find its parent as it was.
  await intent.applyOrUndo(parent.file, () => {
    for (const at of footerPlaces(parent)) parent.file.write(at, [writeFooter(parent.footer)]);
  });
  parent.adoptIdentity(child.footer);
  child.replaceBelow(null);
  live.setMirror(null);
  if (above === null) live.replaceTop(parent);
  else {
    parent.file.downgrade();
    above.disk.replaceBelow(live.images.adopt(name, parent));
  }
  await child.close();
  await live.finish(intent).catch((error: unknown) => {
    // Who does it again puts the footer there once more; nothing goes behind that of an image that is only read.
    if (parent instanceof SparseDisk && above === null) parent.leaveFooter();
    if (above === null && isRemembered) parent.file.setModified(modifiedMs);
    throw error;
  });
}

/** Puts a footer in the place of an image's own, and of its copy. */
function footerPatches(disk: FixedDisk | SparseDisk, footer: Footer): Step[] {
  const bytes = writeFooter(footer);
  return footerPlaces(disk).map((at) => patch(disk.file.name, at, bytes));
}

function footerPlaces(disk: FixedDisk | SparseDisk): number[] {
  return disk instanceof FixedDisk ? [disk.footerAt] : [0, disk.end * SECTOR_BYTES];
}
