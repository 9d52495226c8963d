/** Images in memory, and one of them as the disk of a guest, whose images change under it. */
import {
  checkImage,
  cloneImage,
  createImage,
  type Disk,
  Images,
  LiveDisk,
  MemoryFolder,
  SECTOR_BYTES,
} from "../../../storage/index.js";
import { SeededRandom } from "../../../util/index.js";

/** Of an image's blocks, so that small disks have many. */
const BLOCK_SECTORS = 8;

export const memoryImages = (seed = 1): Images =>
  new Images({ folder: new MemoryFolder(), sources: { random: new SeededRandom(seed), now: () => 0 } });

/** A disk of so many sectors over an image of its own. */
export async function liveImage(name: string, sectors: number, images = memoryImages()): Promise<LiveDisk> {
  const blockBytes = BLOCK_SECTORS * SECTOR_BYTES;
  await createImage(images, name, { kind: "dynamic", bytes: sectors * SECTOR_BYTES, blockBytes });
  return LiveDisk.open(images, name);
}

export async function contentsOf(disk: Disk): Promise<Uint8Array> {
  const bytes = new Uint8Array(disk.sectors * SECTOR_BYTES);
  await disk.read(0, [bytes]);
  return bytes;
}

/** A disk over an image that holds something of every other block, and that nobody may change. */
export class Clone {
  private constructor(
    private readonly images: Images,
    private readonly below: Uint8Array,
    readonly disk: LiveDisk,
  ) {}

  static async create(sectors: number, seed: number): Promise<Clone> {
    const images = memoryImages(seed);
    const base = await liveImage("base.vhd", sectors, images);
    const block = new Uint8Array(BLOCK_SECTORS * SECTOR_BYTES).fill(0xb5);
    for (let sector = 0; sector < sectors; sector += 2 * BLOCK_SECTORS) await base.write(sector, [block]);
    const below = await contentsOf(base);
    await base.close();
    await cloneImage(images, "base.vhd", "top.vhd");
    return new Clone(images, below, await LiveDisk.open(images, "top.vhd"));
  }

  /** Closes the disk; answers what is wrong with its images, or with what they hold. */
  async wrong(): Promise<string[]> {
    const held = await contentsOf(this.disk);
    await this.disk.close();
    const findings = (await checkImage(this.images, "top.vhd")).filter(({ severity }) => severity !== "note");
    const wrong = findings.map((finding) => JSON.stringify(finding));
    for (const [name, expected] of [
      ["top.vhd", held],
      ["base.vhd", this.below],
    ] as const) {
      const disk = await this.images.openShared(name);
      if (Buffer.compare(await contentsOf(disk), expected) !== 0) wrong.push(`${name} holds something else`);
      await disk.close();
    }
    return wrong;
  }
}
