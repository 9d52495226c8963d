// Front door of qcow2, which is only read here.
import type { Disk } from "../disk.js";
import type { ImageFormat } from "../format.js";
import type { ImageFile } from "../image-file.js";
import { ClusterMap } from "./clusters.js";
import { Qcow2Disk } from "./disk.js";
import { type Qcow2Header, readQcow2Header } from "./header.js";

/** Opens a backing file by the path that the image gives, and the format if it gives one. */
export type OpenBacking = (file: ImageFile, path: string, format: ImageFormat | undefined) => Promise<Disk>;

const FORMATS: Readonly<Record<string, ImageFormat>> = { raw: "raw", qcow2: "qcow2", vpc: "vhd" };

/** The format that the image gives for its backing file, if it gives one that is known. */
export const backingFormatOf = ({ backingFormat }: Qcow2Header): ImageFormat | undefined =>
  backingFormat === null ? undefined : FORMATS[backingFormat];

/** Opens the image in a file, which is closed with the disk. */
export async function openQcow2(file: ImageFile, openBacking: OpenBacking): Promise<Qcow2Disk> {
  const header = await readQcow2Header(file);
  const map = await ClusterMap.open(file, header);
  const { backingFile } = header;
  const backing = backingFile === null ? null : await openBacking(file, backingFile, backingFormatOf(header));
  return new Qcow2Disk(file, header, map, backing);
}

export { ClusterMap } from "./clusters.js";
export { type Qcow2Header, readQcow2Header } from "./header.js";
