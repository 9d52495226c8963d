/** Parent locators: where a differencing disk says its parent is, once for each platform. [VHD] "Parent Locator Entries" */
import { byteString, textOfByteString } from "../../util/index.js";
import { readUtf16, utf16Bytes } from "./fields.js";

/** [VHD] "Platform Code" */
export const PlatformCode = {
  NONE: 0,
  /** An old Windows path, relative; deprecated. */
  WI2R: 0x57693272,
  /** An old Windows path, absolute; deprecated. */
  WI2K: 0x5769326b,
  /** A relative Windows path in UTF-16, little-endian. */
  W2RU: 0x57327275,
  /** An absolute Windows path in UTF-16, little-endian. */
  W2KU: 0x57326b75,
  /** A Macintosh alias, which only a Macintosh of old can follow. */
  MAC: 0x4d616320,
  /** A file URL in UTF-8. */
  MACX: 0x4d616358,
} as const;

export interface LocatorEntry {
  readonly platformCode: number;
  /** Room for the data: bytes, as Windows counts; the specification says sectors, and some files keep to that. */
  readonly dataSpace: number;
  readonly dataLength: number;
  readonly dataOffset: bigint;
}

/** A path longer than this is none. */
export const MOST_LOCATOR_BYTES = 64 * 1024;

/** The path that a locator's data holds, or null when it is of a kind that is not read here. */
export function readLocatorPath(platformCode: number, data: Uint8Array): string | null {
  switch (platformCode) {
    case PlatformCode.W2RU:
    case PlatformCode.W2KU:
      return readUtf16(data, true);
    case PlatformCode.WI2R:
    case PlatformCode.WI2K:
      return byteString(data).replace(/\0.*$/s, "");
    case PlatformCode.MACX:
      return pathOfFileUrl(textOfByteString(byteString(data)).replace(/\0.*$/s, ""));
    default:
      return null;
  }
}

/** `file://localhost/a/b` and `file:///a/b` are absolute, `file://./b` is relative. */
function pathOfFileUrl(url: string): string | null {
  const match = /^file:\/\/(localhost(?=\/)|(?=\/)|(?=\.))(.*)$/s.exec(url);
  if (match === null) return null;
  try {
    return decodeURIComponent(match[2]!);
  } catch {
    return null;
  }
}

/**
 * What is written for a parent: the relative path first, as Windows looks for it first. Without one, for a parent that is
 * in another folder, the absolute path has to do.
 */
export function locatorData(
  relativePath: string | null,
  absolutePath: string,
): { platformCode: number; data: Uint8Array }[] {
  const utf16 = (path: string): Uint8Array => utf16Bytes(path.replaceAll("/", "\\"), true);
  const absolute = { platformCode: PlatformCode.W2KU, data: utf16(absolutePath) };
  const url = `file://${(relativePath ?? absolutePath).split("/").map(encodeURIComponent).join("/")}`;
  const address = { platformCode: PlatformCode.MACX, data: new TextEncoder().encode(url) };
  if (relativePath === null) return [absolute, address];
  return [{ platformCode: PlatformCode.W2RU, data: utf16(relativePath) }, absolute, address];
}
