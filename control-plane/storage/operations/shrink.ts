/** Making a disk smaller: only when what is cut off holds nothing but zeros, and nobody uses the image. */
import { type Disk, SECTOR_BYTES } from "../disk.js";
import { StorageError } from "../errors.js";
import type { Images } from "../images.js";
import { LiveDisk } from "../live/live-disk.js";
import { Intent, patch, type Step } from "../notes.js";
import { RawDisk } from "../raw-disk.js";
import { ENTRY_BYTES, UNUSED } from "../vhd/bat.js";
import { FixedDisk } from "../vhd/fixed-disk.js";
import { type Footer, writeFooter } from "../vhd/footer.js";
import { geometryOf } from "../vhd/geometry.js";
import { writeHeader } from "../vhd/header.js";
import type { SparseDisk } from "../vhd/sparse-disk.js";
import { isZero } from "./copy.js";
import { refuseChildren } from "./revert.js";

/** Shrinks the disk; fails with `in-use` when data would be lost. */
export async function shrinkImage(images: Images, name: string, sectors: number): Promise<void> {
  const live = await LiveDisk.open(images, name);
  try {
    await refuseChildren(images, name, "a smaller one would cut them off");
    const { top } = live;
    if (!Number.isSafeInteger(sectors) || sectors <= 0 || sectors > top.sectors) {
      const expected = `1 to ${top.sectors} sectors`;
      throw new StorageError("bad-request", "this is no smaller size", { file: name, found: `${sectors}`, expected });
    }
    await refuseData(top, sectors);
    await top.flush();
    const intent = await Intent.write(images.folder, name, stepsOf(top, sectors));
    await intent.apply([top.file]);
  } finally {
    await live.close();
  }
}

const CHUNK_SECTORS = 2048;

async function refuseData(disk: Disk, from: number): Promise<void> {
  const buffer = new Uint8Array(CHUNK_SECTORS * SECTOR_BYTES);
  for (let sector = from; sector < disk.sectors; sector += CHUNK_SECTORS) {
    const part = buffer.subarray(0, Math.min(CHUNK_SECTORS, disk.sectors - sector) * SECTOR_BYTES);
    await disk.read(sector, [part]);
    if (isZero(part)) continue;
    const next = "shrink the partitions and file systems first, and clear what is behind them";
    const found = `data at sector ${sector} or soon after`;
    throw new StorageError("in-use", "the part to cut off holds data", { file: disk.description, found, next });
  }
}

function stepsOf(disk: LiveDisk["top"], sectors: number): Step[] {
  const { name } = disk.file;
  const bytes = sectors * SECTOR_BYTES;
  if (disk instanceof RawDisk) return [{ kind: "cut", file: name, size: bytes }];
  const footer: Footer = { ...disk.footer, currentSize: BigInt(bytes), geometry: geometryOf(sectors) };
  if (!(disk instanceof FixedDisk)) {
    return [...unusedEntries(disk, sectors), shorterTable(disk, sectors), ...footers(disk, footer)];
  }
  return [patch(name, bytes, writeFooter(footer)), { kind: "cut", file: name, size: bytes + SECTOR_BYTES }];
}

function footers(disk: SparseDisk, footer: Footer): Step[] {
  const bytes = writeFooter(footer);
  return [patch(disk.file.name, 0, bytes), patch(disk.file.name, disk.end * SECTOR_BYTES, bytes)];
}

/** The table has as many entries as the disk has blocks. [VHD] "Max Table Entries" */
function shorterTable({ file, footer, header, shape }: SparseDisk, sectors: number): Step {
  const maxTableEntries = Math.ceil(sectors / shape.sectorsPerBlock);
  return patch(file.name, Number(footer.dataOffset), writeHeader({ ...header, maxTableEntries }));
}

/** Takes blocks that are wholly cut off out of the table. */
function unusedEntries(disk: SparseDisk, sectors: number): Step[] {
  const first = Math.ceil(sectors / disk.shape.sectorsPerBlock);
  let last = first;
  for (const { block } of disk.table.used()) if (block >= first) last = block + 1;
  if (last === first) return [];
  const entries = disk.table.bytes.slice(first * ENTRY_BYTES, last * ENTRY_BYTES);
  const view = new DataView(entries.buffer);
  for (let at = 0; at < entries.length; at += ENTRY_BYTES) view.setUint32(at, UNUSED);
  return [patch(disk.file.name, Number(disk.header.tableOffset) + first * ENTRY_BYTES, entries)];
}
