/**
 * VHDs as other programs write them, byte by byte after [VHD]. Nothing here is shared with the code that reads and writes
 * images, so that both cannot be wrong in the same way.
 */
const SECTOR = 512;
const HEADER_BYTES = 1024;
const LOCATOR_PLACES = 8;

export interface ForeignLocator {
  /** Four characters. */
  readonly code: string;
  readonly data: Uint8Array;
  /** In which unit the header tells the room for the data: none tells zero. */
  readonly unit: "bytes" | "sectors" | "none";
  /** Sectors that are kept for it, as many as it needs unless told. */
  readonly room?: number;
}

/** What a differencing image says of its parent. */
export interface ForeignParent {
  readonly id: number;
  /** Since 2000. */
  readonly seconds: number;
  readonly name: string;
  /** By place in the header. */
  readonly locators: readonly (ForeignLocator | null)[];
}

/** Sectors from one on, all of them filled with a byte. */
export type Run = readonly [sector: number, count: number, fill: number];

type Part = "header" | "table" | "locators" | "blocks";

export interface ForeignImage {
  /** Four characters, and the version. */
  readonly creator: readonly [string, number];
  /** Each byte of its UUID. */
  readonly id: number;
  readonly sectors: number;
  readonly geometry: readonly [cylinders: number, heads: number, sectorsPerTrack: number];
  readonly blockSectors: number;
  /** In which order the parts follow the footer's copy. */
  readonly parts: readonly Part[];
  readonly runs: readonly Run[];
  readonly parent?: ForeignParent;
}

export const utf16 = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "utf16le"));
export const latin1 = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "latin1"));

const up = (bytes: number): number => Math.ceil(bytes / SECTOR) * SECTOR;
const roomOf = ({ data, room }: ForeignLocator): number => (room === undefined ? up(data.length) : room * SECTOR);

/** The file of an image. */
export function foreignVhd(image: ForeignImage): Uint8Array {
  const blocks = blocksOf(image);
  const entries = Math.ceil(image.sectors / image.blockSectors);
  const locators = image.parent?.locators ?? [];
  const lengths: Record<Part, number> = {
    header: HEADER_BYTES,
    table: up(entries * 4),
    locators: locators.reduce((sum, locator) => sum + (locator === null ? 0 : roomOf(locator)), 0),
    blocks: [...blocks.values()].reduce((sum, { length }) => sum + length, 0),
  };
  const at: Record<Part, number> = { header: 0, table: 0, locators: 0, blocks: 0 };
  let end = SECTOR;
  for (const part of image.parts) {
    at[part] = end;
    end += lengths[part];
  }
  const bytes = new Uint8Array(end + SECTOR);
  for (const place of [0, end]) bytes.set(footer(image, at.header), place);
  bytes.set(header(image, entries, at.table, at.locators), at.header);
  let next = at.locators;
  for (const locator of locators) {
    if (locator === null) continue;
    bytes.set(locator.data, next);
    next += roomOf(locator);
  }
  const table = new DataView(bytes.buffer, at.table, lengths.table);
  for (let i = 0; i < lengths.table; i += 4) table.setUint32(i, 0xffffffff);
  next = at.blocks;
  for (const [block, contents] of blocks) {
    table.setUint32(block * 4, next / SECTOR);
    bytes.set(contents, next);
    next += contents.length;
  }
  return bytes;
}

/** What the disk shows whose images these are, the one below all others first. */
export function foreignContents(chain: readonly ForeignImage[]): Uint8Array {
  const bytes = new Uint8Array(chain[0]!.sectors * SECTOR);
  for (const [sector, count, fill] of chain.flatMap(({ runs }) => runs)) {
    bytes.fill(fill, sector * SECTOR, (sector + count) * SECTOR);
  }
  return bytes;
}

/** Blocks by number, each its bitmap and its data; the last one first. Where the parent shows through is garbage. */
function blocksOf({ runs, blockSectors, parent }: ForeignImage): Map<number, Uint8Array> {
  const bitmapBytes = up(blockSectors / 8);
  const blocks = new Map<number, Uint8Array>();
  for (const [first, count, fill] of runs) {
    for (let sector = first; sector < first + count; sector++) {
      const block = Math.floor(sector / blockSectors);
      const within = sector % blockSectors;
      const bytes = blocks.get(block) ?? new Uint8Array(bitmapBytes + blockSectors * SECTOR);
      if (!blocks.has(block) && parent !== undefined) bytes.fill(0xee, bitmapBytes);
      blocks.set(block, bytes);
      bytes[within >> 3]! |= 0x80 >> (within & 7);
      bytes.fill(fill, bitmapBytes + within * SECTOR, bitmapBytes + (within + 1) * SECTOR);
    }
  }
  return new Map([...blocks].sort(([a], [b]) => b - a));
}

/** [VHD] "Hard Disk Footer Format" */
function footer(image: ForeignImage, headerAt: number): Uint8Array {
  const bytes = new Uint8Array(SECTOR);
  const view = new DataView(bytes.buffer);
  bytes.set(latin1("conectix"), 0);
  view.setUint32(8, 2);
  view.setUint32(12, 0x00010000);
  view.setBigUint64(16, BigInt(headerAt));
  view.setUint32(24, 0x0f00_0000);
  bytes.set(latin1(image.creator[0]), 28);
  view.setUint32(32, image.creator[1]);
  bytes.set(latin1("Wi2k"), 36);
  view.setBigUint64(40, BigInt(image.sectors * SECTOR));
  view.setBigUint64(48, BigInt(image.sectors * SECTOR));
  const [cylinders, heads, sectorsPerTrack] = image.geometry;
  view.setUint16(56, cylinders);
  view.setUint8(58, heads);
  view.setUint8(59, sectorsPerTrack);
  view.setUint32(60, image.parent === undefined ? 3 : 4);
  bytes.fill(image.id, 68, 84);
  return summed(bytes, 64);
}

/** [VHD] "Dynamic Disk Header Format" */
function header(image: ForeignImage, entries: number, tableAt: number, locatorsAt: number): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES);
  const view = new DataView(bytes.buffer);
  bytes.set(latin1("cxsparse"), 0);
  view.setBigUint64(8, 0xffff_ffff_ffff_ffffn);
  view.setBigUint64(16, BigInt(tableAt));
  view.setUint32(24, 0x00010000);
  view.setUint32(28, entries);
  view.setUint32(32, image.blockSectors * SECTOR);
  const { parent } = image;
  if (parent === undefined) return summed(bytes, 36);
  bytes.fill(parent.id, 40, 56);
  view.setUint32(56, parent.seconds);
  bytes.set(Buffer.from(utf16(parent.name)).swap16(), 64);
  let next = locatorsAt;
  for (let place = 0; place < LOCATOR_PLACES; place++) {
    const locator = parent.locators[place];
    if (locator === undefined || locator === null) continue;
    const at = 576 + place * 24;
    const room = roomOf(locator);
    bytes.set(latin1(locator.code), at);
    view.setUint32(at + 4, { bytes: room, sectors: room / SECTOR, none: 0 }[locator.unit]);
    view.setUint32(at + 8, locator.data.length);
    view.setBigUint64(at + 16, BigInt(next));
    next += room;
  }
  return summed(bytes, 36);
}

/** With the one's complement of the sum of all bytes at that place. */
function summed(bytes: Uint8Array, at: number): Uint8Array {
  const sum = bytes.reduce((total, byte) => total + byte, 0);
  new DataView(bytes.buffer).setUint32(at, ~sum >>> 0);
  return bytes;
}
