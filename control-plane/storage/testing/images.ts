/** Images in memory for tests: reproducible identities, and contents that say where they belong. */
import { SeededRandom } from "../../util/index.js";
import { type Disk, SECTOR_BYTES } from "../disk.js";
import { MemoryFolder } from "../folders/memory.js";
import type { Folder } from "../image-file.js";
import { Images, type ImagesOptions } from "../images.js";
import type { ImageSources } from "../vhd/create.js";

/** 2026-01-01T00:00:00Z. */
export const TEST_NOW_MS = 1_767_225_600_000;

export const testSources = (seed = 1): ImageSources => ({ random: new SeededRandom(seed), now: () => TEST_NOW_MS });

export function testImages<F extends Folder = MemoryFolder>(
  options: Partial<ImagesOptions> & { folder?: F; seed?: number } = {},
): Images & { readonly folder: F } {
  const folder = options.folder ?? (new MemoryFolder() as Folder);
  return new Images({ sources: testSources(options.seed), ...options, folder }) as Images & { readonly folder: F };
}

/** Bytes that are the same for the same seed. */
export function pattern(count: number, seed: number): Uint8Array {
  const random = new SeededRandom(seed);
  const words = Uint32Array.from({ length: Math.ceil(count / 4) }, () => random.u32());
  return new Uint8Array(words.buffer, 0, count);
}

/** All that a disk holds. */
export async function contentsOf(disk: Disk): Promise<Uint8Array> {
  const bytes = new Uint8Array(disk.sectors * SECTOR_BYTES);
  if (bytes.length > 0) await disk.read(0, [bytes]);
  return bytes;
}

/** All that an image of that name holds. */
export async function imageContents(images: Images, name: string): Promise<Uint8Array> {
  const disk = await images.openShared(name);
  try {
    return await contentsOf(disk);
  } finally {
    await disk.close();
  }
}

export const sameBytes = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;

/** Runs what must fail, and answers the code and message of its StorageError. */
export async function failure(work: () => unknown): Promise<{ code: string; message: string }> {
  try {
    await work();
  } catch (error) {
    return { code: (error as { code: string }).code, message: (error as Error).message };
  }
  return { code: "none", message: "it did not fail" };
}
