/** Growing a disk in use. Requests wait while its image's table or footer moves, which takes some syncs. */
import { SECTOR_BYTES } from "../disk.js";
import { StorageError } from "../errors.js";
import type { Images } from "../images.js";
import { Intent, patch, type Step } from "../notes.js";
import { RawDisk } from "../raw-disk.js";
import { tableBytes } from "../vhd/bat.js";
import { fillTable } from "../vhd/create.js";
import { FixedDisk } from "../vhd/fixed-disk.js";
import { type Footer, MOST_SPARSE_BYTES, writeFooter } from "../vhd/footer.js";
import { geometryOf } from "../vhd/geometry.js";
import { MOST_TABLE_ENTRIES, writeHeader } from "../vhd/header.js";
import type { SparseDisk } from "../vhd/sparse-disk.js";
import { findFooter, readSparseImage } from "../vhd/sparse-image.js";
import type { LiveDisk, TopDisk } from "./live-disk.js";

/** Grows the disk; what is new reads as zeros. */
export function grow(live: LiveDisk, sectors: number): Promise<void> {
  return live.operate("a resize", async () => {
    if (live.readOnly) throw new StorageError("read-only", "the disk may only be read", { file: live.name });
    await live.hold(() => growTop(live.images, live.top, sectors));
    live.announceResize();
  });
}

/** Grows an image that nobody writes to meanwhile. */
export async function growTop(images: Images, disk: TopDisk, sectors: number): Promise<void> {
  checkGrowth(disk, sectors);
  if (disk instanceof RawDisk) return disk.grow(sectors);
  const size = BigInt(sectors * SECTOR_BYTES);
  const footer: Footer = { ...disk.footer, currentSize: size, geometry: geometryOf(sectors) };
  await disk.flush();
  if (disk instanceof FixedDisk) await growFixed(images, disk, footer);
  else await growSparse(images, disk, footer);
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
async function growFixed(images: Images, disk: FixedDisk, footer: Footer): Promise<void> {
  const { file } = disk;
  const [old, now] = [Number(disk.footer.currentSize), Number(footer.currentSize)];
  if (old === now) return;
  file.truncate(now + SECTOR_BYTES);
  await file.sync();
  const zeros = new Uint8Array(SECTOR_BYTES);
  const steps = [patch(file.name, now, writeFooter(footer)), patch(file.name, old, zeros)];
  const intent = await Intent.write(images.folder, file.name, steps);
  await intent.apply([file]);
  disk.reload(footer);
}

async function growSparse(images: Images, disk: SparseDisk, footer: Footer): Promise<void> {
  const { file } = disk;
  const entries = Number(footer.currentSize) / SECTOR_BYTES / disk.shape.sectorsPerBlock;
  const maxTableEntries = Math.max(disk.header.maxTableEntries, Math.ceil(entries));
  const steps: Step[] = [];
  let { end } = disk;
  let { header } = disk;
  if (tableBytes(maxTableEntries) > tableBytes(header.maxTableEntries) || !hasSpareEntries(disk, maxTableEntries)) {
    // A longer table gets a place of its own; the old one stays unused.
    const at = end * SECTOR_BYTES;
    header = { ...header, tableOffset: BigInt(at), maxTableEntries };
    const length = tableBytes(maxTableEntries);
    fillTable(file, at, length);
    file.write(at, [disk.table.bytes.subarray(0, disk.table.entries * 4)]);
    end += length / SECTOR_BYTES;
  } else header = { ...header, maxTableEntries };
  file.write(end * SECTOR_BYTES, [writeFooter(disk.footer)]);
  await file.sync();
  steps.push(patch(file.name, Number(footer.dataOffset), writeHeader(header)));
  steps.push(patch(file.name, 0, writeFooter(footer)), patch(file.name, end * SECTOR_BYTES, writeFooter(footer)));
  const intent = await Intent.write(images.folder, file.name, steps);
  await intent.apply([file]);
  disk.reload(await readSparseImage(file, await findFooter(file)));
}

/** Whether the rest of the table's last sector, which belongs to the table, says "unused". */
function hasSpareEntries(disk: SparseDisk, entries: number): boolean {
  const { bytes } = disk.table;
  for (let at = disk.table.entries * 4; at < entries * 4; at++) if (bytes[at] !== 0xff) return false;
  return true;
}
