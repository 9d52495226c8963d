/** What a discard frees in images that stand on others, and what is read afterwards: never what an image below holds. */
import { beforeEach, describe, expect, it } from "vitest";
import { SECTOR_BYTES } from "../disk.js";
import { coalesce } from "../live/coalesce.js";
import { LiveDisk } from "../live/live-disk.js";
import { takeSnapshot } from "../live/snapshot.js";
import { checkImage } from "../operations/check.js";
import { cloneImage, createImage } from "../operations/create.js";
import { contentsOf, imageContents, pattern, sameBytes, testImages } from "../testing/images.js";
import type { SparseDisk } from "./sparse-disk.js";

const BLOCK_BYTES = 4096;
const BLOCK_SECTORS = BLOCK_BYTES / SECTOR_BYTES;
const BLOCKS = 16;
const BYTES = BLOCKS * BLOCK_BYTES;

let images: ReturnType<typeof testImages>;
beforeEach(() => {
  images = testImages();
});

const create = (name: string, blockBytes = BLOCK_BYTES) =>
  createImage(images, name, { kind: "dynamic", bytes: BYTES, blockBytes });

const blocksOf = (disk: SparseDisk) => [...disk.table.used()].map(({ block }) => block);

/** Writes whole blocks of an image, each with contents of its own. */
async function fill(name: string, blocks: readonly number[], seed: number): Promise<void> {
  const disk = await images.open(name, "write");
  for (const block of blocks) await disk.write(block * BLOCK_SECTORS, [pattern(BLOCK_BYTES, seed + block)]);
  await disk.close();
}

/** A clone that has been written to from end to end; the block at `i` then holds the pattern of 100 + `i`. */
async function fullClone(parent: string, name = "top.vhd"): Promise<SparseDisk> {
  await cloneImage(images, parent, name);
  await fill(name, [...Array(BLOCKS).keys()], 100);
  return (await images.open(name, "write")) as SparseDisk;
}

/** The disk's contents where the blocks of `kept` are as they were written, and the rest zeros. */
function expected(kept: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(BYTES);
  for (const block of kept) bytes.set(pattern(BLOCK_BYTES, 100 + block), block * BLOCK_BYTES);
  return bytes;
}

const errors = async (name: string) => (await checkImage(images, name)).filter(({ severity }) => severity !== "note");

describe("a discard in a differencing image", () => {
  it("frees the blocks that no image below has anything of, and keeps the others as they were written", async () => {
    await create("base.vhd");
    await fill("base.vhd", [1, 2], 1);
    await cloneImage(images, "base.vhd", "middle.vhd");
    await fill("middle.vhd", [5], 50);
    const disk = await fullClone("middle.vhd");
    await disk.discard(0, disk.sectors);
    expect(blocksOf(disk)).toEqual([1, 2, 5]);
    expect(sameBytes(await contentsOf(disk), expected([1, 2, 5]))).toBe(true);
    await disk.close();
    expect(sameBytes(await imageContents(images, "top.vhd"), expected([1, 2, 5]))).toBe(true);
    expect(await errors("top.vhd")).toEqual([]);
  });

  it("gives the freed places to later blocks, in which what is not written is zeros", async () => {
    await create("base.vhd");
    const disk = await fullClone("base.vhd");
    const { size } = disk.file;
    await disk.discard(0, disk.sectors);
    await disk.flush();
    const bytes = new Uint8Array(BYTES);
    for (let block = BLOCKS - 1; block >= 0; block--) {
      const data = pattern(SECTOR_BYTES, block);
      await disk.write(block * BLOCK_SECTORS + 3, [data]);
      bytes.set(data, block * BLOCK_BYTES + 3 * SECTOR_BYTES);
    }
    expect(disk.file.size).toBe(size);
    await disk.close();
    expect(sameBytes(await imageContents(images, "top.vhd"), bytes)).toBe(true);
    expect(await errors("top.vhd")).toEqual([]);
  });

  it("looks at the blocks of its parent as large as they are there", async () => {
    await create("base.vhd", 4 * BLOCK_BYTES);
    await fill("base.vhd", [6], 1);
    await create("top.vhd");
    const disk = (await images.open("top.vhd", "write")) as SparseDisk;
    // Clones made here have their parent's; others need not.
    disk.replaceBelow(await images.openShared("base.vhd"));
    for (const block of [3, 4, 7, 8]) await disk.write(block * BLOCK_SECTORS, [pattern(BLOCK_BYTES, 100 + block)]);
    await disk.discard(0, disk.sectors);
    expect(blocksOf(disk)).toEqual([4, 7]);
    await disk.close();
  });

  it("frees nothing over an image of which nobody can tell at once what it holds", async () => {
    await createImage(images, "base.img", { kind: "raw", bytes: BYTES });
    const disk = await fullClone("base.img");
    await disk.discard(0, disk.sectors);
    expect(sameBytes(await contentsOf(disk), expected([...Array(BLOCKS).keys()]))).toBe(true);
    await disk.close();
  });
});

describe("a discard of a block that the end of the file cuts short, as other programs leave it", () => {
  it("leaves it in its place, where the footer is, until the file grows", async () => {
    const bytes = BYTES - 2 * SECTOR_BYTES;
    await createImage(images, "disk.vhd", { kind: "dynamic", bytes, blockBytes: BLOCK_BYTES });
    await fill("disk.vhd", [0], 1);
    const whole = (await images.open("disk.vhd", "write")) as SparseDisk;
    const last = pattern(BLOCK_BYTES - 2 * SECTOR_BYTES, 2);
    await whole.write((BLOCKS - 1) * BLOCK_SECTORS, [last]);
    await whole.close();
    const file = await images.folder.open("disk.vhd", "write");
    const footer = new Uint8Array(SECTOR_BYTES);
    await file.read(file.size - SECTOR_BYTES, [footer]);
    await file.truncate(file.size - 2 * SECTOR_BYTES);
    await file.write(file.size - SECTOR_BYTES, [footer]);
    await file.close();
    expect(await errors("disk.vhd")).toEqual([]);

    const disk = (await images.open("disk.vhd", "write")) as SparseDisk;
    await disk.discard(0, disk.sectors);
    expect(blocksOf(disk)).toEqual([BLOCKS - 1]);
    await disk.write(BLOCK_SECTORS, [pattern(BLOCK_BYTES, 3)]);
    expect(await errors("disk.vhd")).toEqual([]);
    await disk.write(2 * BLOCK_SECTORS, [pattern(BLOCK_BYTES, 4)]);
    await disk.flush();
    await disk.discard(0, disk.sectors);
    expect(blocksOf(disk)).toEqual([]);
    await disk.close();
    expect(await errors("disk.vhd")).toEqual([]);
  });
});

describe("a discard of a disk in use", () => {
  it("frees again what it freed before a snapshot, and does nothing where a merge has left a fixed image", async () => {
    await createImage(images, "base.vhd", { kind: "fixed", bytes: BYTES });
    await cloneImage(images, "base.vhd", "top.vhd");
    const live = await LiveDisk.open(images, "top.vhd");
    expect(live.supportsDiscard).toBe(true);
    await live.write(0, [pattern(BYTES, 1)]);
    await coalesce(live);
    await live.discard(0, live.sectors);
    expect(sameBytes(await contentsOf(live), pattern(BYTES, 1))).toBe(true);
    await live.close();

    await create("other.vhd");
    const other = await LiveDisk.open(images, "other.vhd");
    await other.write(0, [pattern(BYTES, 1)]);
    await other.discard(0, BYTES / 2 / SECTOR_BYTES);
    await takeSnapshot(other, "snapshot.vhd");
    await other.write(0, [pattern(BYTES, 2)]);
    await other.discard(0, other.sectors);
    const [freed, kept] = [BYTES / 2, pattern(BYTES, 2)];
    kept.fill(0, 0, freed);
    expect(sameBytes(await contentsOf(other), kept)).toBe(true);
    await coalesce(other);
    await other.discard(0, other.sectors);
    expect((await contentsOf(other)).every((byte) => byte === 0)).toBe(true);
    await other.close();
    expect(await errors("other.vhd")).toEqual([]);
  });

  it("in the middle of a merge leaves each sector as it was, or zero, and the images whole", async () => {
    const blocks = 1024;
    await createImage(images, "top.vhd", { kind: "dynamic", bytes: blocks * BLOCK_BYTES, blockBytes: BLOCK_BYTES });
    const live = await LiveDisk.open(images, "top.vhd");
    await takeSnapshot(live, "snapshot.vhd");
    await live.write(0, [pattern(blocks * BLOCK_BYTES, 1)]);
    let steps = 0;
    await coalesce(live, {
      onProgress: ({ doneBytes }) => {
        steps++;
        // Around what goes down next: before it, in it and behind it.
        const sector = Math.min(doneBytes / SECTOR_BYTES, live.sectors - BLOCK_SECTORS);
        void live.discard(Math.max(0, sector - BLOCK_SECTORS), BLOCK_SECTORS);
        void live.discard(sector, BLOCK_SECTORS);
        void live.discard(live.sectors - (steps + 1) * BLOCK_SECTORS, BLOCK_SECTORS);
      },
    });
    expect(steps).toBeGreaterThan(blocks / 4);
    const bytes = await contentsOf(live);
    const before = pattern(blocks * BLOCK_BYTES, 1);
    let zeros = 0;
    for (let at = 0; at < bytes.length; at += BLOCK_BYTES) {
      const block = bytes.subarray(at, at + BLOCK_BYTES);
      const isZero = block.every((byte) => byte === 0);
      if (isZero) zeros++;
      else expect(sameBytes(block, before.subarray(at, at + BLOCK_BYTES)), `block ${at / BLOCK_BYTES}`).toBe(true);
    }
    expect(zeros).toBeGreaterThan(blocks / 2);
    await live.close();
    expect(sameBytes(await imageContents(images, "top.vhd"), bytes)).toBe(true);
    expect(await errors("top.vhd")).toEqual([]);
  });
});
