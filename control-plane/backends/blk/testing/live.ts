/** Images in memory, and one of them as the disk of a guest, whose images change under it. */
import { createImage, Images, LiveDisk, MemoryFolder, SECTOR_BYTES } from "../../../storage/index.js";
import { SeededRandom } from "../../../util/index.js";

/** Of an image's blocks, so that small disks have many. */
export const BLOCK_SECTORS = 8;

export interface LiveImage {
  readonly images: Images;
  readonly disk: LiveDisk;
}

/** A disk of so many sectors over an image of its own. */
export async function liveImage(name: string, sectors: number, images = memoryImages()): Promise<LiveImage> {
  await createImage(images, name, {
    kind: "dynamic",
    bytes: sectors * SECTOR_BYTES,
    blockBytes: BLOCK_SECTORS * SECTOR_BYTES,
  });
  return { images, disk: await LiveDisk.open(images, name) };
}

export const memoryImages = (seed = 1): Images =>
  new Images({ folder: new MemoryFolder(), sources: { random: new SeededRandom(seed), now: () => 0 } });
