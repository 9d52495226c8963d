/** Growing a disk in use. Requests wait while its image's table or footer moves, which takes some syncs. */
import { SECTOR_BYTES } from "../disk.js";
import { StorageError } from "../errors.js";
import { Intent, patch, type Step, stamp } from "../notes.js";
import { RawDisk } from "../raw-disk.js";
import { childrenOf } from "../tree.js";
import { tableBytes, UNUSED_BYTE } from "../vhd/bat.js";
import { fillFile } from "../vhd/create.js";
import { FixedDisk } from "../vhd/fixed-disk.js";
import { FOOTER_BYTES, type Footer, MOST_SPARSE_BYTES, writeFooter } from "../vhd/footer.js";
import { geometryOf } from "../vhd/geometry.js";
import { type Header, MOST_TABLE_ENTRIES, writeHeader } from "../vhd/header.js";
import type { SparseDisk } from "../vhd/sparse-disk.js";
import { findFooter, readSparseImage } from "../vhd/sparse-image.js";
import type { LiveDisk, TopDisk } from "./live-disk.js";

/** Grows the disk; what is new reads as zeros. */
export function grow(live: LiveDisk, sectors: number): Promise<void> {
  return live.operate("a resize", async () => {
    if (live.readOnly) throw new StorageError("read-only", "the disk may only be read", { file: live.name });
    const { name, modifiedMs } = live.top.file;
    // Others stand on it only when it is in use for this alone, and go on seeing what they saw.
    const isRemembered = (await childrenOf(live.images, name)).length > 0;
    await live.hold(() => growTop(live, live.top, sectors, isRemembered ? [stamp(name, modifiedMs)] : []));
    live.announceResize();
  });
}

/** Grows an image of the chain of a disk; nobody writes to it meanwhile. `also` is done with it. */
export async function growTop(
  live: LiveDisk,
  disk: TopDisk,
  sectors: number,
  also: readonly Step[] = [],
): Promise<void> {
  checkGrowth(disk, sectors);
  if (disk instanceof RawDisk) return disk.grow(sectors);
  const size = BigInt(sectors * SECTOR_BYTES);
  const footer: Footer = { ...disk.footer, currentSize: size, geometry: geometryOf(sectors) };
  await disk.flush();
  if (disk instanceof FixedDisk) await growFixed(live, disk, footer, also);
  else await growSparse(live, disk, footer, also);
}

function checkGrowth(disk: TopDisk, sectors: number): void {
  const file = disk.file.name;
  if (!Number.isSafeInteger(sectors * SECTOR_BYTES) || sectors < disk.sectors) {
    const expected = `at least ${disk.sectors} sectors`;
    throw new StorageError("bad-request", "a disk in use only grows", { file, found: `${sectors}`, expected });
  }
  if (disk instanceof RawDisk || disk instanceof FixedDisk) return;
  const most = MOST_SPARSE_BYTES / SECTOR_BYTES;
  const entries = Math.ceil(sectors / disk.shape.sectorsPerBlock);
  if (sectors <= most && entries <= MOST_TABLE_ENTRIES) return;
  const expected = `at most ${most} sectors (2040 GiB)`;
  throw new StorageError("limit", "a VHD cannot be that large", { file, found: `${sectors}`, expected });
}

/** The footer moves to the new end, and where it was the disk has a sector of zeros. */
async function growFixed(live: LiveDisk, disk: FixedDisk, footer: Footer, also: readonly Step[]): Promise<void> {
  const { file, footerAt } = disk;
  const [old, now] = [Number(disk.footer.currentSize), Number(footer.currentSize)];
  if (old === now) return;
  // What lies between the data and the footer of others' images becomes the disk's.
  const newFooterAt = Math.max(footerAt, now);
  fillFile(file, old, Math.min(footerAt, now) - old, 0);
  await file.sync();
  const moved = patch(file.name, footerAt, new Uint8Array(SECTOR_BYTES));
  const steps = [...(newFooterAt === footerAt ? [] : [moved]), patch(file.name, newFooterAt, writeFooter(footer))];
  const intent = await Intent.write(live.images.folder, file.name, [...steps, ...also]);
  await intent.applyOrUndo(file, () => {
    file.write(footerAt, [writeFooter(disk.footer)]);
    file.truncate(footerAt + FOOTER_BYTES);
  });
  disk.reload(footer, newFooterAt);
  await live.finish(intent);
}

async function growSparse(live: LiveDisk, disk: SparseDisk, footer: Footer, also: readonly Step[]): Promise<void> {
  const { file } = disk;
  const old = writeFooter(disk.footer);
  const headerAt = Number(footer.dataOffset);
  /** The table that was put there is space for blocks again. */
  const giveBack = (): void => {
    file.write(disk.end * SECTOR_BYTES, [old]);
    file.truncate(disk.end * SECTOR_BYTES + FOOTER_BYTES);
  };
  let intent: Intent;
  try {
    const { header, end } = placeTable(disk, Number(footer.currentSize) / SECTOR_BYTES);
    const footers = [0, end * SECTOR_BYTES].map((at) => patch(file.name, at, writeFooter(footer)));
    const steps = [patch(file.name, headerAt, writeHeader(header)), ...footers, ...also];
    file.write(end * SECTOR_BYTES, [old]);
    await file.sync();
    intent = await Intent.write(live.images.folder, file.name, steps);
  } catch (error) {
    giveBack();
    throw error;
  }
  await intent.applyOrUndo(file, () => {
    file.write(headerAt, [writeHeader(disk.header)]);
    file.write(0, [old]);
    giveBack();
  });
  disk.reload(await readSparseImage(file, await findFooter(file)));
  await live.finish(intent).catch((error: unknown) => {
    disk.leaveFooter();
    throw error;
  });
}

/** Where the table of a disk of that size goes: a longer one gets a place of its own, and the old one stays unused. */
function placeTable(disk: SparseDisk, sectors: number): { readonly header: Header; readonly end: number } {
  const { file, header, end } = disk;
  const maxTableEntries = Math.max(header.maxTableEntries, Math.ceil(sectors / disk.shape.sectorsPerBlock));
  const isRoomy = tableBytes(maxTableEntries) <= tableBytes(header.maxTableEntries);
  if (isRoomy && hasSpareEntries(disk, maxTableEntries)) return { header: { ...header, maxTableEntries }, end };
  const at = end * SECTOR_BYTES;
  const length = tableBytes(maxTableEntries);
  fillFile(file, at, length, UNUSED_BYTE);
  file.write(at, [disk.table.bytes.subarray(0, disk.table.entries * 4)]);
  return { header: { ...header, tableOffset: BigInt(at), maxTableEntries }, end: end + length / SECTOR_BYTES };
}

/** Whether the rest of the table's last sector, which belongs to the table, says "unused". */
function hasSpareEntries(disk: SparseDisk, entries: number): boolean {
  const { bytes } = disk.table;
  for (let at = disk.table.entries * 4; at < entries * 4; at++) if (bytes[at] !== UNUSED_BYTE) return false;
  return true;
}
