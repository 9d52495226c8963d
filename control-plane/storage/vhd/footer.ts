/**
 * The hard disk footer: the last 512 bytes of every VHD, and once more the first 512 of one that is not fixed.
 * [VHD] "Hard Disk Footer Format". Offsets of its fields live only here.
 */
import { byteString } from "../../util/index.js";
import { SECTOR_BYTES } from "../disk.js";
import { vhdChecksum } from "./checksum.js";
import { type FieldFault, hex } from "./fault.js";
import { readUuid, writeUuid } from "./fields.js";
import type { Geometry } from "./geometry.js";

export const FOOTER_BYTES = 512;
/** Before Virtual PC 2004 the last byte was left out. */
export const OLD_FOOTER_BYTES = 511;

/** [VHD] "Disk Type" */
export const DiskType = { FIXED: 2, DYNAMIC: 3, DIFFERENCING: 4 } as const;
export type DiskType = (typeof DiskType)[keyof typeof DiskType];

/** A dynamic or differencing disk is at most this large. [VHD] "Dynamic Hard Disk Image" */
export const MOST_SPARSE_BYTES = 2040 * 2 ** 30;

/** A fixed disk has no header to point to. */
export const NO_DATA_OFFSET = 0xffff_ffff_ffff_ffffn;

export interface Footer {
  readonly features: number;
  readonly version: number;
  /** Where the dynamic header is; all ones in a fixed disk. */
  readonly dataOffset: bigint;
  /** Creation time, seconds since 2000. */
  readonly timeStamp: number;
  readonly creatorApplication: number;
  readonly creatorVersion: number;
  readonly creatorHostOs: number;
  readonly originalSize: bigint;
  readonly currentSize: bigint;
  readonly geometry: Geometry;
  readonly diskType: number;
  readonly uniqueId: string;
  readonly savedState: number;
}

const COOKIE = "conectix";
const VERSION = 0x0001_0000;
const FEATURE_RESERVED = 2;

const Offset = {
  COOKIE: 0,
  FEATURES: 8,
  VERSION: 12,
  DATA_OFFSET: 16,
  TIME_STAMP: 24,
  CREATOR_APPLICATION: 28,
  CREATOR_VERSION: 32,
  CREATOR_HOST_OS: 36,
  ORIGINAL_SIZE: 40,
  CURRENT_SIZE: 48,
  CYLINDERS: 56,
  HEADS: 58,
  SECTORS_PER_TRACK: 59,
  DISK_TYPE: 60,
  CHECKSUM: 64,
  UNIQUE_ID: 68,
  SAVED_STATE: 84,
} as const;

/** Whether a footer may be here at all. */
export const hasFooterCookie = (bytes: Uint8Array): boolean => byteString(bytes.subarray(0, 8)) === COOKIE;

/** The fields, whatever they say, and what is wrong with them. */
export function readFooter(bytes: Uint8Array): { readonly footer: Footer; readonly faults: readonly FieldFault[] } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const footer: Footer = {
    features: view.getUint32(Offset.FEATURES),
    version: view.getUint32(Offset.VERSION),
    dataOffset: view.getBigUint64(Offset.DATA_OFFSET),
    timeStamp: view.getUint32(Offset.TIME_STAMP),
    creatorApplication: view.getUint32(Offset.CREATOR_APPLICATION),
    creatorVersion: view.getUint32(Offset.CREATOR_VERSION),
    creatorHostOs: view.getUint32(Offset.CREATOR_HOST_OS),
    originalSize: view.getBigUint64(Offset.ORIGINAL_SIZE),
    currentSize: view.getBigUint64(Offset.CURRENT_SIZE),
    geometry: {
      cylinders: view.getUint16(Offset.CYLINDERS),
      heads: bytes[Offset.HEADS]!,
      sectorsPerTrack: bytes[Offset.SECTORS_PER_TRACK]!,
    },
    diskType: view.getUint32(Offset.DISK_TYPE),
    uniqueId: readUuid(bytes, Offset.UNIQUE_ID),
    savedState: bytes[Offset.SAVED_STATE]!,
  };
  return { footer, faults: footerFaults(bytes, footer, view.getUint32(Offset.CHECKSUM)) };
}

function footerFaults(bytes: Uint8Array, footer: Footer, checksum: number): FieldFault[] {
  const cookie = byteString(bytes.subarray(0, 8));
  if (cookie !== COOKIE) {
    const found = JSON.stringify(cookie);
    return [{ code: "corrupt", what: "this is no VHD footer", field: "Cookie", found, expected: `"${COOKIE}"` }];
  }
  const computed = vhdChecksum(bytes, Offset.CHECKSUM);
  if (computed !== checksum) {
    const what = "the footer's checksum is wrong";
    return [{ code: "corrupt", what, field: "Checksum", found: hex(checksum), expected: hex(computed) }];
  }
  return [...versionFaults(footer), ...sizeFaults(footer)];
}

function versionFaults({ version, diskType }: Footer): FieldFault[] {
  const faults: FieldFault[] = [];
  if (version >>> 16 !== VERSION >>> 16) {
    const what = "the format is of another version";
    const field = "File Format Version";
    faults.push({ code: "unsupported", what, field, found: hex(version), expected: hex(VERSION) });
  }
  if (diskType !== DiskType.FIXED && diskType !== DiskType.DYNAMIC && diskType !== DiskType.DIFFERENCING) {
    const expected = "2 (fixed), 3 (dynamic) or 4 (differencing)";
    faults.push({ code: "unsupported", what: "unknown type", field: "Disk Type", found: `${diskType}`, expected });
  }
  return faults;
}

function sizeFaults({ currentSize, diskType }: Footer): FieldFault[] {
  const field = "Current Size";
  const found = `${currentSize}`;
  if (currentSize % BigInt(SECTOR_BYTES) !== 0n) {
    return [{ code: "corrupt", what: "the size is no whole number of sectors", field, found }];
  }
  if (currentSize > BigInt(Number.MAX_SAFE_INTEGER)) {
    return [{ code: "limit", what: "the size overflows", field, found, expected: `at most ${MOST_SPARSE_BYTES}` }];
  }
  if (diskType !== DiskType.FIXED && currentSize > BigInt(MOST_SPARSE_BYTES)) {
    const expected = `at most ${MOST_SPARSE_BYTES} (2040 GiB)`;
    return [{ code: "limit", what: "the disk is larger than the format allows", field, found, expected }];
  }
  return [];
}

/** The 512 bytes of a footer, with its checksum. */
export function writeFooter(footer: Footer): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(FOOTER_BYTES);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < COOKIE.length; i++) bytes[Offset.COOKIE + i] = COOKIE.charCodeAt(i);
  view.setUint32(Offset.FEATURES, footer.features | FEATURE_RESERVED);
  view.setUint32(Offset.VERSION, footer.version);
  view.setBigUint64(Offset.DATA_OFFSET, footer.dataOffset);
  view.setUint32(Offset.TIME_STAMP, footer.timeStamp);
  view.setUint32(Offset.CREATOR_APPLICATION, footer.creatorApplication);
  view.setUint32(Offset.CREATOR_VERSION, footer.creatorVersion);
  view.setUint32(Offset.CREATOR_HOST_OS, footer.creatorHostOs);
  view.setBigUint64(Offset.ORIGINAL_SIZE, footer.originalSize);
  view.setBigUint64(Offset.CURRENT_SIZE, footer.currentSize);
  view.setUint16(Offset.CYLINDERS, footer.geometry.cylinders);
  bytes[Offset.HEADS] = footer.geometry.heads;
  bytes[Offset.SECTORS_PER_TRACK] = footer.geometry.sectorsPerTrack;
  view.setUint32(Offset.DISK_TYPE, footer.diskType);
  writeUuid(bytes, Offset.UNIQUE_ID, footer.uniqueId);
  bytes[Offset.SAVED_STATE] = footer.savedState;
  view.setUint32(Offset.CHECKSUM, vhdChecksum(bytes, Offset.CHECKSUM));
  return bytes;
}
