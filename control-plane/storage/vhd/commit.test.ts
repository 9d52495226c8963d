/** Commits that the host lets down half way, in the middle of what a guest goes on to write. */
import { describe, expect, it } from "vitest";
import { SECTOR_BYTES } from "../disk.js";
import { StorageError } from "../errors.js";
import { checkImage } from "../operations/check.js";
import { cloneImage, createImage } from "../operations/create.js";
import { HookedFolder } from "../testing/hooked-folder.js";
import { failure, imageContents, pattern, sameBytes, testImages } from "../testing/images.js";
import { SparseDisk } from "./sparse-disk.js";
import { findFooter, readSparseImage } from "./sparse-image.js";

const BYTES = 64 * 1024;
const BLOCK_BYTES = 4096;
const ERROR = new StorageError("io", "the host said EIO", { file: "b.vhd" });

/** An image over another one that is full. */
async function makeClone() {
  const folder = new HookedFolder();
  const images = testImages({ folder });
  await createImage(images, "a.vhd", { kind: "dynamic", bytes: BYTES, blockBytes: BLOCK_BYTES });
  const below = await images.open("a.vhd", "write");
  await below.write(0, [pattern(BYTES, 1)]);
  await below.close();
  await cloneImage(images, "a.vhd", "b.vhd");
  const disk = (await images.open("b.vhd", "write")) as SparseDisk;
  return { folder, disk };
}

/** What the power leaves when all has reached the medium but one sector of these contents. */
async function without(folder: HookedFolder, lost: Uint8Array) {
  const found = await folder.restarted();
  const bytes = found.contents("b.vhd").copy();
  const at = Buffer.from(bytes).indexOf(lost);
  expect(at).toBeGreaterThan(0);
  bytes.fill(0xee, at, at + lost.length);
  found.put("b.vhd", bytes);
  return found;
}

describe("a commit that is made again", () => {
  it.each([
    ["after its second sync failed", 2],
    ["after its first sync failed", 1],
  ])("points to nothing that is not durable: %s", async (_, failing) => {
    const { folder, disk } = await makeClone();
    const late = pattern(SECTOR_BYTES, 3);
    let syncs = 0;
    folder.before = (what, name) => {
      if (what === "sync" && name === "b.vhd" && ++syncs === failing) throw ERROR;
    };
    await disk.write(0, [pattern(SECTOR_BYTES, 2)]);
    expect((await failure(() => disk.flush())).code).toBe("io");
    await disk.write(1, [late]);
    let found: Awaited<ReturnType<typeof without>> | null = null;
    folder.before = async (what, name) => {
      if (what === "sync" && name === "b.vhd") found ??= await without(folder, late);
    };
    await disk.flush();
    const bytes = await imageContents(testImages({ folder: found! }), "b.vhd");
    expect(sameBytes(bytes.subarray(512, 1024), pattern(BYTES, 1).subarray(512, 1024))).toBe(true);
    await disk.close();
    const after = await imageContents(testImages({ folder: await folder.restarted() }), "b.vhd");
    expect(sameBytes(after.subarray(0, 1024), Buffer.concat([pattern(512, 2), late]))).toBe(true);
  });
});

describe("a footer of which only a part could be written", () => {
  it("is written whole by the next flush, where the file then ends", async () => {
    const { folder, disk } = await makeClone();
    await disk.write(0, [pattern(BLOCK_BYTES, 2)]);
    await disk.flush();
    const { file } = disk;
    const write = file.write.bind(file);
    file.write = (at, from) => {
      write(at, [from[0]!.subarray(0, 100)]);
      throw ERROR;
    };
    expect((await failure(() => disk.write(8, [pattern(BLOCK_BYTES, 3)]))).code).toBe("io");
    file.write = write;
    await disk.flush();
    const images = testImages({ folder: await folder.restarted() });
    expect((await checkImage(images, "b.vhd")).filter(({ severity }) => severity !== "note")).toEqual([]);
    await disk.close();
  });
});

describe("blocks that are discarded", () => {
  it("are used again soon, also when nobody flushes", async () => {
    const images = testImages();
    await createImage(images, "a.vhd", { kind: "dynamic", bytes: BYTES, blockBytes: BLOCK_BYTES });
    const disk = (await images.open("a.vhd", "write")) as SparseDisk;
    for (let round = 0; round < 5000; round++) {
      await disk.write(0, [pattern(SECTOR_BYTES, round)]);
      await disk.discard(0, 8);
    }
    expect(disk.file.size).toBeLessThan(1100 * (BLOCK_BYTES + 512));
    await disk.close();
  });

  it("may be as many as an image has", async () => {
    const images = testImages();
    const blocks = 1_000_000;
    await createImage(images, "a.vhd", { kind: "dynamic", bytes: blocks * BLOCK_BYTES, blockBytes: BLOCK_BYTES });
    const file = await images.folder.open("a.vhd", "write");
    const image = await readSparseImage(file, await findFooter(file));
    // On each other, so that the file is not as long as the disk.
    const end = image.end + 900;
    for (let block = 0; block < blocks; block++) image.table.change(block, image.end + 9 * (block % 100));
    const disk = new SparseDisk(file, { ...image, end, usedEnd: end }, null);
    await disk.discard(0, disk.sectors);
    await disk.flush();
    await disk.write(0, [pattern(SECTOR_BYTES, 1)]);
    expect(disk.end).toBe(end);
    await disk.close();
  });
});
