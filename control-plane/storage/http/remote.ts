/** Images of web servers as disks that are only read, and local images over them that take the writes. */
import { encodeUtf8, sha256 } from "../../formats/index.js";
import { type Disk, SECTOR_BYTES } from "../disk.js";
import { StorageError } from "../errors.js";
import { detectFormat } from "../format.js";
import type { ImageFile } from "../image-file.js";
import { type Images, identityOf, type OpenRemote } from "../images.js";
import { makeImage } from "../operations/create.js";
import { openQcow2 } from "../qcow2/index.js";
import { RawDisk } from "../raw-disk.js";
import { createSparse } from "../vhd/create.js";
import { readUuid } from "../vhd/fields.js";
import { openVhd } from "../vhd/open.js";
import { isAddress, LONGEST_ADDRESS } from "../vhd/parent.js";
import { type CacheOptions, withCache } from "./cache.js";
import { HttpFile, type HttpFileOptions } from "./file.js";

/** How addresses are opened: give it to `Images`, or addresses are refused. What is read is kept in the folder of `cache`. */
export function openHttp(options: HttpFileOptions & { readonly cache?: CacheOptions } = {}): OpenRemote {
  return async (address, { uncached = false } = {}) => {
    const file = await HttpFile.open(address, options);
    const disk = await openImage(file);
    const { etag, lastModified } = file.described;
    const version = encodeUtf8(`${await identityOf(disk)} ${disk.sectors} ${etag ?? lastModified ?? ""}`);
    const uniqueId = readUuid(sha256(version), 0);
    const { cache } = options;
    const cached = uncached || cache === undefined ? disk : await withCache(disk, uniqueId, cache);
    return { disk: cached, uniqueId };
  };
}

async function openImage(file: ImageFile): Promise<Disk> {
  const format = await detectFormat(file);
  if (format === "raw") return new RawDisk(file);
  const refuse = (): never => {
    file.close();
    const next = "use an image without a parent";
    throw new StorageError("unsupported", "an image across the network cannot stand on another", {
      file: file.name,
      next,
    });
  };
  return format === "vhd" ? openVhd(file, refuse) : openQcow2(file, refuse);
}

/** Makes a local image over one across the network: reads fall through to that, writes stay here. */
export async function cloneRemote(images: Images, address: string, name: string): Promise<void> {
  if (!isAddress(address) || address.length > LONGEST_ADDRESS) {
    const expected = `http:// or https://, at most ${LONGEST_ADDRESS} characters`;
    throw new StorageError("bad-request", "an image cannot stand on this address", { file: address, expected });
  }
  const { disk, uniqueId } = await images.openRemote(address);
  try {
    const parent = { uniqueId, modifiedMs: 0, name: address, relativePath: null, absolutePath: null };
    const bytes = disk.sectors * SECTOR_BYTES;
    await makeImage(images, name, (file) => createSparse(file, { bytes, parent }, images.sources));
  } finally {
    await disk.close();
  }
}
