/** A dynamic or differencing image's metadata, read from its file, with everything checked that could lead astray later. */
import { SECTOR_BYTES } from "../disk.js";
import { StorageError } from "../errors.js";
import type { ImageFile } from "../image-file.js";
import { BlockTable, ENTRY_BYTES, tableBytes } from "./bat.js";
import { type FieldFault, hex, refuseFaults } from "./fault.js";
import { DiskType, FOOTER_BYTES, type Footer, hasFooterCookie, OLD_FOOTER_BYTES, readFooter } from "./footer.js";
import { HEADER_BYTES, type Header, readHeader } from "./header.js";
import { MOST_LOCATOR_BYTES, PlatformCode } from "./locator.js";

/** How the blocks of an image are laid out. */
export interface BlockShape {
  readonly sectorsPerBlock: number;
  readonly bitmapSectors: number;
}

export function blockShape(blockSize: number): BlockShape {
  const sectorsPerBlock = blockSize / SECTOR_BYTES;
  return { sectorsPerBlock, bitmapSectors: Math.ceil(sectorsPerBlock / 8 / SECTOR_BYTES) };
}

export interface SparseImage {
  readonly footer: Footer;
  readonly header: Header;
  readonly table: BlockTable;
  /** Behind everything, in sectors: where the footer is, or belongs. */
  readonly end: number;
  /** Behind everything that anything points to, in sectors: what is between there and `end` a crash left. */
  readonly usedEnd: number;
  /** Up to where the file goes without its footer, in sectors: the last block of another program may be cut short there. */
  readonly wholeEnd: number;
  /** Whether the footer at the end was good; else its copy was used. */
  readonly endFooterIntact: boolean;
}

export interface FoundFooter {
  readonly footer: Footer;
  /** Bytes from the beginning of the file, or null when only the copy is good. */
  readonly at: number | null;
}

/** The footer at the end of a file or, when that is damaged, its copy at the beginning. */
export async function findFooter(file: ImageFile): Promise<FoundFooter> {
  const faults: FieldFault[] = [];
  for (const length of [FOOTER_BYTES, OLD_FOOTER_BYTES]) {
    const at = file.size - length;
    const bytes = await readPart(file, at, length, FOOTER_BYTES);
    if (bytes === null) continue;
    const read = readFooter(bytes);
    if (read.faults.length === 0) return { footer: read.footer, at };
    if (faults.length === 0 || hasFooterCookie(bytes)) faults.splice(0, 1, read.faults[0]!);
  }
  const copy = await readPart(file, 0, FOOTER_BYTES, FOOTER_BYTES);
  if (copy !== null && hasFooterCookie(copy)) {
    const read = readFooter(copy);
    if (read.faults.length === 0 && read.footer.diskType !== DiskType.FIXED) return { footer: read.footer, at: null };
  }
  if (faults.length === 0) {
    const details = { file: file.name, found: `${file.size} bytes`, expected: "at least 512" };
    throw new StorageError("truncated", "the file is too short for a VHD", details);
  }
  refuseFaults(faults, file.name, "check the image, and repair it if it was one");
  throw new StorageError("corrupt", "there is no footer", { file: file.name });
}

/** Bytes of a file in an array of `room`; null when they are not all there. */
async function readPart(file: ImageFile, at: number, length: number, room: number): Promise<Uint8Array | null> {
  if (at < 0 || at + length > file.size) return null;
  const bytes = new Uint8Array(room);
  await file.read(at, [bytes.subarray(0, length)]);
  return bytes;
}

export async function readSparseHeader(file: ImageFile, footer: Footer): Promise<Header> {
  const at = Number(footer.dataOffset);
  const bytes = at < FOOTER_BYTES ? null : await readPart(file, at, HEADER_BYTES, HEADER_BYTES);
  if (bytes === null) {
    throw new StorageError("corrupt", "the dynamic disk header is outside of the file", {
      file: file.name,
      field: "Data Offset",
      found: hex(footer.dataOffset),
      expected: `from 512 to ${file.size - HEADER_BYTES}`,
    });
  }
  const { header, faults } = readHeader(bytes);
  refuseFaults(faults, file.name);
  return header;
}

/** Reads and checks all metadata of an image that is not fixed. */
export async function readSparseImage(file: ImageFile, found: FoundFooter): Promise<SparseImage> {
  const { footer } = found;
  const header = await readSparseHeader(file, footer);
  refuseFaults(tableFaults(file.size, footer, header), file.name);
  const bytes = new Uint8Array(tableBytes(header.maxTableEntries));
  const at = Number(header.tableOffset);
  // The sector that holds the last entries may be cut by the end of a foreign file.
  await file.read(at, [bytes.subarray(0, Math.min(bytes.length, file.size - at))]);
  const table = new BlockTable(bytes, header.maxTableEntries);
  const { faults, end, usedEnd } = checkBlocks(file.size, found, header, table);
  refuseFaults(faults, file.name, "check the image");
  const wholeEnd = Math.floor((found.at ?? file.size) / SECTOR_BYTES);
  return { footer, header, table, end, usedEnd, wholeEnd, endFooterIntact: found.at !== null };
}

export function tableFaults(fileSize: number, footer: Footer, header: Header): FieldFault[] {
  const needed = Math.ceil(Number(footer.currentSize) / header.blockSize);
  if (header.maxTableEntries < needed) {
    const what = "the block table is too small for the disk";
    const expected = `at least ${needed}`;
    return [{ code: "corrupt", what, field: "Max Table Entries", found: `${header.maxTableEntries}`, expected }];
  }
  const at = header.tableOffset;
  const length = BigInt(header.maxTableEntries * ENTRY_BYTES);
  if (at % BigInt(SECTOR_BYTES) === 0n && at >= BigInt(FOOTER_BYTES) && at + length <= BigInt(fileSize)) return [];
  const expected = `a multiple of 512 with ${length} bytes behind it in a file of ${fileSize}`;
  return [
    {
      code: "corrupt",
      what: "the block table is outside of the file",
      field: "Table Offset",
      found: hex(at),
      expected,
    },
  ];
}

/** A part of the file, in sectors. */
interface Extent {
  readonly name: string;
  readonly from: number;
  readonly to: number;
}

/** What holds metadata. */
function metadataExtents(fileSize: number, footer: Footer, header: Header): Extent[] {
  const extent = (name: string, at: number, length: number): Extent => ({
    name,
    from: Math.floor(at / SECTOR_BYTES),
    to: Math.ceil((at + length) / SECTOR_BYTES),
  });
  const locators = header.locators
    .filter((l) => l.platformCode !== PlatformCode.NONE && l.dataLength > 0)
    .filter((l) => l.dataLength <= MOST_LOCATOR_BYTES && Number(l.dataOffset) + l.dataLength <= fileSize)
    .map((l) => extent("a parent locator", Number(l.dataOffset), l.dataLength));
  return [
    extent("the footer's copy", 0, FOOTER_BYTES),
    extent("the dynamic disk header", Number(footer.dataOffset), HEADER_BYTES),
    extent("the block table", Number(header.tableOffset), header.maxTableEntries * ENTRY_BYTES),
    ...locators,
  ];
}

/** As many faults as this are told; a table of garbage has millions. */
export const MOST_FAULTS = 100;

export interface BlockCheck {
  readonly faults: readonly FieldFault[];
  readonly badBlocks: readonly number[];
  /** Behind everything, in sectors. */
  readonly end: number;
  /** Behind what something points to. */
  readonly usedEnd: number;
  /** Sectors in gaps in which blocks had room: smaller ones align what follows. */
  readonly unused: number;
}

/** Looks at where every block is: inside the file, on nothing else, and no two on each other. */
export function checkBlocks(fileSize: number, found: FoundFooter, header: Header, table: BlockTable): BlockCheck {
  const faults: FieldFault[] = [];
  const badBlocks: number[] = [];
  const shape = blockShape(header.blockSize);
  const length = shape.bitmapSectors + shape.sectorsPerBlock;
  const diskSectors = Number(found.footer.currentSize) / SECTOR_BYTES;
  const fileSectors = Math.floor((found.at ?? fileSize) / SECTOR_BYTES);
  const extents = metadataExtents(fileSize, found.footer, header);
  const used: number[] = [];
  const report = (block: number, what: string, sector: number, expected: string): void => {
    const field = `Block Allocation Table, block ${block}`;
    badBlocks.push(block);
    if (faults.length < MOST_FAULTS) faults.push({ code: "corrupt", what, field, found: `sector ${sector}`, expected });
  };
  for (const { block, sector } of table.used()) {
    const held = Math.min(shape.sectorsPerBlock, diskSectors - block * shape.sectorsPerBlock);
    const on = extents.find(({ from, to }) => sector < to && sector + length > from);
    if (held <= 0) report(block, "a block beyond the end of the disk is in use", sector, "an unused entry");
    else if (sector + shape.bitmapSectors + held > fileSectors) {
      report(block, "a block reaches beyond the end of the file", sector, `at most ${fileSectors} sectors`);
    } else if (on !== undefined)
      report(block, `a block lies on ${on.name}`, sector, `none from ${on.from} to ${on.to}`);
    else used.push(sector);
  }
  const order = Float64Array.from(used).sort();
  // A block that begins inside of another one, and blocks at the very same place, of which the first is as good as any.
  const inside = new Set<number>();
  const same = new Set<number>();
  for (let i = 1; i < order.length; i++) {
    if (order[i] === order[i - 1]) same.add(order[i]!);
    else if (order[i]! - order[i - 1]! < length) inside.add(order[i]!);
  }
  const seen = new Set<number>();
  for (const { block, sector } of inside.size + same.size > 0 ? table.used() : []) {
    if (inside.has(sector) || seen.has(sector))
      report(block, "two blocks overlap", sector, `none within ${length} sectors`);
    if (same.has(sector)) seen.add(sector);
  }
  const last = order.length > 0 ? order.at(-1)! + length : 0;
  const told = Math.max(...extents.map(({ to }) => to), last);
  return {
    faults,
    badBlocks,
    end: Math.max(told, fileSectors),
    usedEnd: Math.max(told, ...reservedEnds(header)),
    unused: unusedSectors(order, length, extents, fileSectors),
  };
}

/** `order` has where blocks of that length begin. */
function unusedSectors(order: Float64Array, length: number, extents: readonly Extent[], fileSectors: number): number {
  let unused = 0;
  let end = 0;
  for (let i = 0; i <= order.length; i++) {
    const next = order[i] ?? fileSectors;
    if (next - end >= length) {
      const held = extents.map(({ from, to }) => Math.max(0, Math.min(to, next) - Math.max(from, end)));
      const gap = held.reduce((room, sectors) => room - sectors, next - end);
      if (gap >= length) unused += gap;
    }
    end = Math.max(end, next + length);
  }
  return unused;
}

/** Where the space ends that locators may grow into, in sectors: told in bytes or in sectors, as the small numbers are. */
function reservedEnds(header: Header): number[] {
  return header.locators
    .filter(({ platformCode, dataLength }) => platformCode !== PlatformCode.NONE && dataLength <= MOST_LOCATOR_BYTES)
    .map(({ dataOffset, dataSpace }) => {
      const bytes = dataSpace < SECTOR_BYTES ? dataSpace * SECTOR_BYTES : dataSpace;
      return Math.ceil((Number(dataOffset) + Math.min(bytes, MOST_LOCATOR_BYTES)) / SECTOR_BYTES);
    });
}
