/** The dynamic disk header: 1,024 bytes to which the footer points. [VHD] "Dynamic Disk Header Format" */
import { byteString } from "../../util/index.js";
import { SECTOR_BYTES } from "../disk.js";
import { vhdChecksum } from "./checksum.js";
import { type FieldFault, hex } from "./fault.js";
import { readUtf16, readUuid, utf16Bytes, writeUuid } from "./fields.js";
import type { LocatorEntry } from "./locator.js";

export const HEADER_BYTES = 1024;
export const LOCATORS = 8;
export const DEFAULT_BLOCK_BYTES = 2 * 1024 * 1024;
/** Tables with more entries are refused: at 2 MiB a block, 2040 GiB have 1,044,480. */
export const MOST_TABLE_ENTRIES = 1 << 24;
export const NAME_BYTES = 512;

export interface Header {
  readonly tableOffset: bigint;
  readonly version: number;
  readonly maxTableEntries: number;
  readonly blockSize: number;
  readonly parentUniqueId: string;
  /** When the parent was changed last, seconds since 2000. */
  readonly parentTimeStamp: number;
  readonly parentName: string;
  readonly locators: readonly LocatorEntry[];
}

const COOKIE = "cxsparse";
const VERSION = 0x0001_0000;
const ALL_ONES = 0xffff_ffff_ffff_ffffn;
const LOCATOR_BYTES = 24;

const Offset = {
  COOKIE: 0,
  DATA_OFFSET: 8,
  TABLE_OFFSET: 16,
  VERSION: 24,
  MAX_TABLE_ENTRIES: 28,
  BLOCK_SIZE: 32,
  CHECKSUM: 36,
  PARENT_UNIQUE_ID: 40,
  PARENT_TIME_STAMP: 56,
  PARENT_NAME: 64,
  LOCATORS: 576,
} as const;

/** The fields, whatever they say, and what is wrong with them. */
export function readHeader(bytes: Uint8Array): { readonly header: Header; readonly faults: readonly FieldFault[] } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const locators = Array.from({ length: LOCATORS }, (_, i): LocatorEntry => {
    const at = Offset.LOCATORS + i * LOCATOR_BYTES;
    return {
      platformCode: view.getUint32(at),
      dataSpace: view.getUint32(at + 4),
      dataLength: view.getUint32(at + 8),
      dataOffset: view.getBigUint64(at + 16),
    };
  });
  const header: Header = {
    tableOffset: view.getBigUint64(Offset.TABLE_OFFSET),
    version: view.getUint32(Offset.VERSION),
    maxTableEntries: view.getUint32(Offset.MAX_TABLE_ENTRIES),
    blockSize: view.getUint32(Offset.BLOCK_SIZE),
    parentUniqueId: readUuid(bytes, Offset.PARENT_UNIQUE_ID),
    parentTimeStamp: view.getUint32(Offset.PARENT_TIME_STAMP),
    parentName: readUtf16(bytes.subarray(Offset.PARENT_NAME, Offset.PARENT_NAME + NAME_BYTES), false),
    locators,
  };
  return { header, faults: headerFaults(bytes, header, view.getUint32(Offset.CHECKSUM)) };
}

function headerFaults(bytes: Uint8Array, header: Header, checksum: number): FieldFault[] {
  const cookie = byteString(bytes.subarray(0, 8));
  if (cookie !== COOKIE) {
    const found = JSON.stringify(cookie);
    const what = "there is no dynamic disk header where the footer points";
    return [{ code: "corrupt", what, field: "Cookie", found, expected: `"${COOKIE}"` }];
  }
  const computed = vhdChecksum(bytes, Offset.CHECKSUM);
  if (computed !== checksum) {
    const what = "the dynamic disk header's checksum is wrong";
    return [{ code: "corrupt", what, field: "Checksum", found: hex(checksum), expected: hex(computed) }];
  }
  const faults: FieldFault[] = [];
  const { version, blockSize, maxTableEntries } = header;
  if (version >>> 16 !== VERSION >>> 16) {
    const what = "the dynamic disk header is of another version";
    faults.push({ code: "unsupported", what, field: "Header Version", found: hex(version), expected: hex(VERSION) });
  }
  if (blockSize < SECTOR_BYTES || (blockSize & (blockSize - 1)) !== 0) {
    const expected = "a power of two of at least 512";
    faults.push({
      code: "corrupt",
      what: "impossible block size",
      field: "Block Size",
      found: `${blockSize}`,
      expected,
    });
  }
  if (maxTableEntries > MOST_TABLE_ENTRIES) {
    const found = `${maxTableEntries}`;
    const expected = `at most ${MOST_TABLE_ENTRIES}`;
    faults.push({ code: "limit", what: "the block table is too large", field: "Max Table Entries", found, expected });
  }
  return faults;
}

/** The 1,024 bytes of a header, with its checksum. */
export function writeHeader(header: Header): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(HEADER_BYTES);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < COOKIE.length; i++) bytes[Offset.COOKIE + i] = COOKIE.charCodeAt(i);
  view.setBigUint64(Offset.DATA_OFFSET, ALL_ONES);
  view.setBigUint64(Offset.TABLE_OFFSET, header.tableOffset);
  view.setUint32(Offset.VERSION, VERSION);
  view.setUint32(Offset.MAX_TABLE_ENTRIES, header.maxTableEntries);
  view.setUint32(Offset.BLOCK_SIZE, header.blockSize);
  writeUuid(bytes, Offset.PARENT_UNIQUE_ID, header.parentUniqueId);
  view.setUint32(Offset.PARENT_TIME_STAMP, header.parentTimeStamp);
  bytes.set(utf16Bytes(header.parentName.slice(0, NAME_BYTES / 2 - 1), false), Offset.PARENT_NAME);
  header.locators.forEach((locator, i) => {
    const at = Offset.LOCATORS + i * LOCATOR_BYTES;
    view.setUint32(at, locator.platformCode);
    view.setUint32(at + 4, locator.dataSpace);
    view.setUint32(at + 8, locator.dataLength);
    view.setBigUint64(at + 16, locator.dataOffset);
  });
  view.setUint32(Offset.CHECKSUM, vhdChecksum(bytes, Offset.CHECKSUM));
  return bytes;
}
