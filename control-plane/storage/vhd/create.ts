/** New images: fixed, dynamic, differencing. What is here writes whole files; names and renames are others' work. */
import type { Random } from "../../util/index.js";
import { randomUuid } from "../../util/index.js";
import { SECTOR_BYTES } from "../disk.js";
import { StorageError } from "../errors.js";
import type { ImageFile } from "../image-file.js";
import { tableBytes, UNUSED_BYTE } from "./bat.js";
import { NO_UUID, toVhdTime } from "./fields.js";
import { DiskType, FOOTER_BYTES, type Footer, MOST_SPARSE_BYTES, NO_DATA_OFFSET, writeFooter } from "./footer.js";
import { geometryOf } from "./geometry.js";
import { DEFAULT_BLOCK_BYTES, HEADER_BYTES, type Header, LOCATORS, MOST_TABLE_ENTRIES, writeHeader } from "./header.js";
import { type LocatorEntry, locatorData, PlatformCode } from "./locator.js";

/** Where identity and time of new images come from. */
export interface ImageSources {
  readonly random: Random;
  /** Milliseconds since 1970. */
  now(): number;
}

/** "tap", with a zero: of the known creators those readers that doubt the size field trust this one, as it is Xen's. */
const CREATOR_APPLICATION = 0x7461_7000;
const CREATOR_VERSION = 1;
/** "Wi2k": there are only this and the Macintosh's. */
const HOST_OS = 0x5769_326b;
const VERSION = 0x0001_0000;
const HEADER_OFFSET = FOOTER_BYTES;
const TABLE_OFFSET = HEADER_OFFSET + HEADER_BYTES;

export function newFooter(diskType: DiskType, bytes: number, sources: ImageSources): Footer {
  if (!Number.isSafeInteger(bytes) || bytes <= 0 || bytes % SECTOR_BYTES !== 0) {
    const expected = "a positive multiple of 512";
    throw new StorageError("bad-request", "this is no size for a disk", { found: `${bytes}`, expected });
  }
  if (diskType !== DiskType.FIXED && bytes > MOST_SPARSE_BYTES) {
    const expected = `at most ${MOST_SPARSE_BYTES} (2040 GiB)`;
    throw new StorageError("limit", "a VHD cannot be that large", {
      found: `${bytes}`,
      expected,
      next: "use a raw image",
    });
  }
  return {
    features: 0,
    version: VERSION,
    dataOffset: diskType === DiskType.FIXED ? NO_DATA_OFFSET : BigInt(HEADER_OFFSET),
    timeStamp: toVhdTime(sources.now()),
    creatorApplication: CREATOR_APPLICATION,
    creatorVersion: CREATOR_VERSION,
    creatorHostOs: HOST_OS,
    originalSize: BigInt(bytes),
    currentSize: BigInt(bytes),
    geometry: geometryOf(bytes / SECTOR_BYTES),
    diskType,
    uniqueId: randomUuid(sources.random),
    savedState: 0,
  };
}

/** Makes an empty file a fixed image whose disk is zeros. */
export async function createFixed(file: ImageFile, bytes: number, sources: ImageSources): Promise<void> {
  const footer = newFooter(DiskType.FIXED, bytes, sources);
  file.truncate(bytes);
  file.write(bytes, [writeFooter(footer)]);
  await file.sync();
}

/** How a differencing image refers to its parent. */
export interface ParentReference {
  readonly uniqueId: string;
  readonly modifiedMs: number;
  /** The last part of its name, or the address of one across the network. */
  readonly name: string;
  /** From the image, beginning with `./` or `../`; null when there is no such way. */
  readonly relativePath: string | null;
  /** Null when it is across the network. */
  readonly absolutePath: string | null;
}

export interface SparseOptions {
  readonly bytes: number;
  readonly blockSize?: number;
  readonly parent?: ParentReference;
}

/** Makes an empty file a dynamic image, or with a parent a differencing one. */
export async function createSparse(file: ImageFile, options: SparseOptions, sources: ImageSources): Promise<void> {
  const { bytes, blockSize = DEFAULT_BLOCK_BYTES, parent } = options;
  const footer = newFooter(parent === undefined ? DiskType.DYNAMIC : DiskType.DIFFERENCING, bytes, sources);
  const entries = Math.ceil(bytes / blockSize);
  const isPower = blockSize >= SECTOR_BYTES * 8 && blockSize <= 2 ** 30 && (blockSize & (blockSize - 1)) === 0;
  if (!isPower || entries > MOST_TABLE_ENTRIES) {
    const expected = `a power of two from 4096 to 2^30, with at most ${MOST_TABLE_ENTRIES} blocks`;
    throw new StorageError("bad-request", "impossible block size", { found: `${blockSize}`, expected });
  }
  const table = tableBytes(entries);
  const { locators, data, end } = placeLocators(parent, TABLE_OFFSET + table);
  const header: Header = {
    tableOffset: BigInt(TABLE_OFFSET),
    version: VERSION,
    maxTableEntries: entries,
    blockSize,
    parentUniqueId: parent?.uniqueId ?? NO_UUID,
    parentTimeStamp: parent === undefined ? 0 : toVhdTime(parent.modifiedMs),
    parentName: parent?.name ?? "",
    locators,
  };
  const ending = writeFooter(footer);
  file.write(0, [ending, writeHeader(header)]);
  fillFile(file, TABLE_OFFSET, table, UNUSED_BYTE);
  for (const { at, bytes } of data) file.write(at, [bytes]);
  file.write(end, [ending]);
  await file.sync();
}

const FILL_BYTES = 64 * 1024;

/** Writes the same byte many times. */
export function fillFile(file: ImageFile, at: number, length: number, value: number): void {
  const piece = new Uint8Array(Math.min(length, FILL_BYTES)).fill(value);
  for (let done = 0; done < length; done += piece.length) {
    file.write(at + done, [piece.subarray(0, Math.min(piece.length, length - done))]);
  }
}

export interface PlacedLocators {
  readonly locators: readonly LocatorEntry[];
  readonly data: readonly { readonly at: number; readonly bytes: Uint8Array }[];
  /** Behind them, in bytes. */
  readonly end: number;
}

/** The locators of a parent, each with whole sectors of its own from `start` on. */
export function placeLocators(parent: ParentReference | undefined, start: number): PlacedLocators {
  const none: LocatorEntry = { platformCode: PlatformCode.NONE, dataSpace: 0, dataLength: 0, dataOffset: 0n };
  const locators: LocatorEntry[] = [];
  const data: { at: number; bytes: Uint8Array }[] = [];
  let at = start;
  if (parent !== undefined && parent.absolutePath !== null) {
    for (const { platformCode, data: bytes } of locatorData(parent.relativePath, parent.absolutePath)) {
      const dataSpace = Math.ceil(bytes.length / SECTOR_BYTES) * SECTOR_BYTES;
      locators.push({ platformCode, dataSpace, dataLength: bytes.length, dataOffset: BigInt(at) });
      const padded = new Uint8Array(dataSpace);
      padded.set(bytes);
      data.push({ at, bytes: padded });
      at += dataSpace;
    }
  }
  while (locators.length < LOCATORS) locators.push(none);
  return { locators, data, end: at };
}
