/** One VHD file as a disk; its parent is for the caller to find. */
import type { Disk } from "../disk.js";
import { StorageError } from "../errors.js";
import type { ImageFile } from "../image-file.js";
import { FixedDisk } from "./fixed-disk.js";
import { DiskType, type Footer } from "./footer.js";
import type { Header } from "./header.js";
import { SparseDisk } from "./sparse-disk.js";
import { type FoundFooter, findFooter, readSparseImage, type SparseImage } from "./sparse-image.js";

export type VhdDisk = FixedDisk | SparseDisk;

/** Finds and opens the parent of a differencing image. */
export type OpenParent = (file: ImageFile, footer: Footer, header: Header) => Promise<Disk>;

/** Opens the image in a file, which is closed with the disk, or at once when this fails. */
export async function openVhd(file: ImageFile, openParent: OpenParent): Promise<VhdDisk> {
  try {
    const found = await findFooter(file);
    if (found.footer.diskType === DiskType.FIXED) return openFixed(file, found);
    const image = await readSparseImage(file, found);
    return new SparseDisk(file, image, await parentOf(file, image, openParent));
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function parentOf(file: ImageFile, image: SparseImage, openParent: OpenParent): Promise<Disk | null> {
  if (image.footer.diskType !== DiskType.DIFFERENCING) return null;
  return openParent(file, image.footer, image.header);
}

function openFixed(file: ImageFile, { footer, at }: FoundFooter): FixedDisk {
  const size = Number(footer.currentSize);
  if (at !== null && size <= at) return new FixedDisk(file, footer, at);
  throw new StorageError("truncated", "the file is smaller than its disk", {
    file: file.name,
    field: "Current Size",
    found: `${at} bytes before the footer`,
    expected: `${size}`,
  });
}
