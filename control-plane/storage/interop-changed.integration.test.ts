/** Images that were changed by one operation or another, and those made by hand, read by programs of others. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { SECTOR_BYTES } from "./disk.js";
import { NodeFolder } from "./folders/folder-node.js";
import type { Images } from "./images.js";
import { LiveDisk } from "./live/live-disk.js";
import { takeSnapshot } from "./live/snapshot.js";
import { repairImage } from "./operations/check.js";
import { convertImage } from "./operations/copy.js";
import { createImage } from "./operations/create.js";
import { renameImage, setParent } from "./operations/rename.js";
import { revertImage } from "./operations/revert.js";
import { shrinkImage } from "./operations/shrink.js";
import { foreignContents, foreignVhd } from "./testing/foreign.js";
import { FOREIGN_CHAINS } from "./testing/foreign-chains.js";
import { contentsOf, imageContents, pattern, sameBytes, testImages } from "./testing/images.js";
import { OtherPrograms } from "./testing/other-programs.js";

const SECTORS = 18_433;
const BLOCK_SECTORS = 4096;

let others: OtherPrograms;
let images: Images;

beforeEach(() => {
  others = new OtherPrograms();
  images = testImages({ folder: new NodeFolder(others.folder) });
});
afterEach(() => others.remove());

/** A dynamic image, and what it holds: pages here and there, those at the end among them. */
async function prepare(name: string): Promise<Uint8Array> {
  await createImage(images, name, { kind: "dynamic", bytes: SECTORS * SECTOR_BYTES });
  return write(name, 1, [0, 296, 5000, 8200, 18_424]);
}

/** Writes some pages, and answers what the disk then holds. */
async function write(name: string, seed: number, sectors: readonly number[]): Promise<Uint8Array> {
  const disk = await LiveDisk.open(images, name);
  for (const sector of sectors) await disk.write(sector, [pattern(4096, seed + sector)]);
  const held = await contentsOf(disk);
  await disk.close();
  return held;
}

async function snapshot(name: string, to: string): Promise<void> {
  const disk = await LiveDisk.open(images, name);
  await takeSnapshot(disk, to);
  await disk.close();
}

/** The one that stands on no other is read by all three, a chain by those that know chains. */
function expectRead(name: string, expected: Uint8Array, isChain = false): void {
  expect(sameBytes(others.sevenZip(name), expected), `${name}: 7-Zip`).toBe(true);
  expect(sameBytes(others.libvhdi(name, expected.length), expected), `${name}: libvhdi`).toBe(true);
  if (!isChain) expect(others.isToQemu(name, expected), `${name}: qemu-img`).toBe(true);
}

describe("to programs of others an image", () => {
  it("is the same when it, or what it stands on, has another name or place", async () => {
    await prepare("base.vhd");
    await snapshot("base.vhd", "ground.vhd");
    await write("base.vhd", 2, [8, 5000]);
    await snapshot("base.vhd", "middle.vhd");
    const expected = await write("base.vhd", 3, [16, 5008, 14_000]);
    await renameImage(images, "ground.vhd", "the very first one.vhd");
    await renameImage(images, "middle.vhd", "second.vhd");
    await renameImage(images, "base.vhd", "top.vhd");
    expectRead("top.vhd", expected, true);
    await images.folder.rename("second.vhd", "moved.vhd");
    await setParent(images, "top.vhd", "moved.vhd");
    expectRead("top.vhd", expected, true);
    expectRead("the very first one.vhd", await imageContents(images, "the very first one.vhd"));
  });

  it("is what it was when it has gone back", async () => {
    const before = await prepare("a.vhd");
    await snapshot("a.vhd", "s.vhd");
    await write("a.vhd", 2, [0, 4096]);
    await revertImage(images, "a.vhd", "s.vhd");
    expectRead("a.vhd", before, true);
    expectRead("s.vhd", before);
  });

  it("ends where it was cut off", async () => {
    const expected = (await prepare("a.vhd")).slice(0, 8209 * SECTOR_BYTES);
    const disk = await LiveDisk.open(images, "a.vhd");
    await disk.write(18_424, [new Uint8Array(4096)]);
    await disk.close();
    await shrinkImage(images, "a.vhd", 8209);
    expect(others.sizeToQemu("a.vhd")).toBe(expected.length);
    expect(others.isToQemu("a.vhd", expected)).toBe(true);
    // libvhdi takes the size at creation for the size.
    expect(sameBytes(others.sevenZip("a.vhd"), expected)).toBe(true);
  });

  it("holds nothing where it was discarded, and what was written there since", async () => {
    const expected = await prepare("a.vhd");
    const disk = await LiveDisk.open(images, "a.vhd");
    await disk.discard(BLOCK_SECTORS, 2 * BLOCK_SECTORS);
    await disk.flush();
    expected.fill(0, BLOCK_SECTORS * SECTOR_BYTES, 3 * BLOCK_SECTORS * SECTOR_BYTES);
    const { size } = disk.top.file;
    await disk.write(13_000, [pattern(4096, 9)]);
    expected.set(pattern(4096, 9), 13_000 * SECTOR_BYTES);
    expect(disk.top.file.size).toBe(size);
    await disk.close();
    expectRead("a.vhd", expected);
  });

  it.each([
    ["footer", (bytes: Uint8Array) => bytes.fill(7, bytes.length - 400)],
    ["footer's copy", (bytes: Uint8Array) => bytes.fill(7, 20, 30)],
    ["footers, which differ", (bytes: Uint8Array) => bytes.fill(0, 0, 512)],
    ["block table", (bytes: Uint8Array) => bytes.fill(0x7f, 1536 + 2 * 4, 1536 + 3 * 4)],
  ] as const)("is whole again when its %s has been repaired", async (_, damage) => {
    const expected = await prepare("a.vhd");
    const path = join(others.folder, "a.vhd");
    writeFileSync(path, damage(readFileSync(path)));
    const mended = await repairImage(images, "a.vhd", { giveUpBlocks: true });
    if (mended[0]!.kind === "block")
      expected.fill(0, 2 * BLOCK_SECTORS * SECTOR_BYTES, 3 * BLOCK_SECTORS * SECTOR_BYTES);
    expectRead("a.vhd", expected);
  });

  it.each(["fixed", "dynamic"] as const)("holds all of a chain when that was made one, %s", async (kind) => {
    await prepare("a.vhd");
    await snapshot("a.vhd", "s.vhd");
    const expected = await write("a.vhd", 2, [0, 4096]);
    await convertImage(images, "a.vhd", "b.vhd", { kind });
    expectRead("b.vhd", expected);
  });
});

// That they read these as we do says that these are what they should be.
describe.each(FOREIGN_CHAINS)("to programs of others a chain made as $by makes them", ({ images: chain }) => {
  it("holds what it does here", () => {
    const whole = chain.map(([, image]) => image);
    for (const [name, image] of chain) writeFileSync(join(others.folder, name), foreignVhd(image));
    for (const [i, [name]] of chain.entries()) {
      const expected = foreignContents(whole.slice(0, i + 1));
      expect(sameBytes(others.sevenZip(name), expected), `${name}: 7-Zip`).toBe(true);
      // libvhdi 20210425 shows the parent's in place of later blocks of an image that has several below 2 MiB.
      if (i > 0 && whole[i]!.blockSectors < BLOCK_SECTORS) continue;
      expect(sameBytes(others.libvhdi(name, expected.length), expected), `${name}: libvhdi`).toBe(true);
    }
  });
});
