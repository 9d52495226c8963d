/** Which format an image is of. */
import { byteString } from "../util/index.js";
import { StorageError } from "./errors.js";
import type { ImageFile } from "./image-file.js";
import { hasFooterCookie } from "./vhd/footer.js";

export type ImageFormat = "raw" | "vhd" | "qcow2";

const BY_ENDING: Readonly<Record<string, ImageFormat>> = {
  vhd: "vhd",
  avhd: "vhd",
  vpc: "vhd",
  qcow2: "qcow2",
  qcow: "qcow2",
  raw: "raw",
  img: "raw",
  iso: "raw",
};

/** The format that a name tells; undefined when it tells none. */
export function formatOfName(name: string): ImageFormat | undefined {
  const dot = name.lastIndexOf(".");
  return dot < 0 ? undefined : BY_ENDING[name.slice(dot + 1).toLowerCase()];
}

/**
 * The format of a file: what its name tells and else what its contents look like. Contents are a guest's: one that may
 * write a raw image can make it look like another format, so whoever knows the format says it instead.
 */
export async function detectFormat(file: ImageFile): Promise<ImageFormat> {
  // The ending of an address is that of its path.
  const told = formatOfName(file.name.replace(/(?<=^https?:.*)[?#].*$/is, ""));
  if (told !== undefined) return told;
  const head = new Uint8Array(8);
  if (file.size < head.length) return "raw";
  await file.read(0, [head]);
  if (byteString(head.subarray(0, 4)) === "QFI\xfb") return "qcow2";
  if (hasFooterCookie(head)) return "vhd";
  if (file.size < 512) return "raw";
  await file.read(file.size - 512, [head]);
  return hasFooterCookie(head) ? "vhd" : "raw";
}

/** Fails when a format cannot be what it was said to be. */
export function checkedFormat(format: string): ImageFormat {
  if (format === "raw" || format === "vhd" || format === "qcow2") return format;
  const expected = "raw, vhd or qcow2";
  throw new StorageError("unsupported", "unknown image format", { found: format, expected });
}
