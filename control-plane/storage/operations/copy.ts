/** Copying disks and files whole, in steps: never more than one step is in memory, and zeros take no room. */
import { type Disk, SECTOR_BYTES } from "../disk.js";
import { StorageError } from "../errors.js";
import type { ImageFile } from "../image-file.js";
import type { Images } from "../images.js";
import { type LongOptions, turn } from "../live/coalesce.js";
import { withRoom } from "../room.js";
import { createFixed, createSparse } from "../vhd/create.js";
import { openVhd } from "../vhd/open.js";
import { makeImage } from "./create.js";

const STEP_BYTES = 1024 * 1024;

/** Whether all bytes are zero. The length is a multiple of eight. */
export function isZero(bytes: Uint8Array): boolean {
  const words = new BigUint64Array(bytes.buffer, bytes.byteOffset, bytes.length / 8);
  for (let i = 0; i < words.length; i++) if (words[i] !== 0n) return false;
  return true;
}

export interface ConvertOptions extends LongOptions {
  readonly kind: "raw" | "fixed" | "dynamic";
  readonly blockBytes?: number;
}

/** Makes a new image that holds what the disk of another one shows: whole chains become one image. */
export async function convertImage(
  images: Images,
  source: string,
  target: string,
  options: ConvertOptions,
): Promise<void> {
  const from = await images.openShared(source);
  try {
    await makeImage(images, target, (file) => fillFrom(images, from, file, options));
  } finally {
    await from.close();
  }
}

/** Makes an empty file an image of what `from` holds. */
async function fillFrom(images: Images, from: Disk, file: ImageFile, options: ConvertOptions): Promise<void> {
  const bytes = from.sectors * SECTOR_BYTES;
  const { sources } = images;
  if (options.kind === "raw") file.truncate(bytes);
  else if (options.kind === "fixed") await createFixed(file, bytes, sources);
  else await createSparse(file, { bytes, ...(options.blockBytes && { blockSize: options.blockBytes }) }, sources);
  const disk = options.kind === "dynamic" ? await openVhd(file, noParent) : null;
  const buffer = new Uint8Array(STEP_BYTES);
  for (let at = 0; at < bytes; at += STEP_BYTES) {
    if (options.signal?.aborted)
      throw new StorageError("cancelled", "the conversion was cancelled", { file: file.name });
    const part = buffer.subarray(0, Math.min(STEP_BYTES, bytes - at));
    await from.read(at / SECTOR_BYTES, [part]);
    if (!isZero(part)) {
      if (disk === null) file.write(at, [part]);
      else await disk.write(at / SECTOR_BYTES, [part]);
    }
    options.onProgress?.({ doneBytes: at + part.length, totalBytes: bytes });
    await turn();
  }
  await (disk ?? { flush: () => file.sync() }).flush();
}

const noParent = (file: ImageFile): Promise<Disk> => {
  throw new StorageError("corrupt", "a new image has no parent", { file: file.name });
};

/** Puts a file from elsewhere into the folder, as it is. It has its name when it is whole. */
export async function importFile(
  images: Images,
  name: string,
  chunks: AsyncIterable<Uint8Array>,
  options: LongOptions & { readonly totalBytes?: number } = {},
): Promise<void> {
  await makeImage(images, name, async (file) => {
    let at = 0;
    for await (const chunk of chunks) {
      if (options.signal?.aborted) throw new StorageError("cancelled", "the import was cancelled", { file: name });
      // What was read of the file from elsewhere cannot be asked for again.
      const to = at;
      if (chunk.length > 0) await withRoom(images.folder, () => file.write(to, [chunk]));
      at += chunk.length;
      options.onProgress?.({ doneBytes: at, totalBytes: options.totalBytes ?? at });
    }
    await file.sync();
  });
}

/** The bytes of a file that nobody writes to, in pieces. */
export async function* exportFile(images: Images, name: string, options: LongOptions = {}): AsyncGenerator<Uint8Array> {
  const file = await images.folder.open(name, "read");
  try {
    for (let at = 0; at < file.size; at += STEP_BYTES) {
      if (options.signal?.aborted) throw new StorageError("cancelled", "the export was cancelled", { file: name });
      const chunk = new Uint8Array(Math.min(STEP_BYTES, file.size - at));
      await file.read(at, [chunk]);
      yield chunk;
      options.onProgress?.({ doneBytes: at + chunk.length, totalBytes: file.size });
    }
  } finally {
    await file.close();
  }
}
