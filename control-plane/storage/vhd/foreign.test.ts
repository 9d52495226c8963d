/** Images and chains of others, made by hand: `testing/foreign.ts` says of what. */
import { describe, expect, it } from "vitest";
import { coalesce } from "../live/coalesce.js";
import { LiveDisk } from "../live/live-disk.js";
import { grow } from "../live/resize.js";
import { takeSnapshot } from "../live/snapshot.js";
import { checkImage } from "../operations/check.js";
import { renameImage } from "../operations/rename.js";
import {
  type ForeignImage,
  type ForeignLocator,
  foreignContents,
  foreignVhd,
  latin1,
  utf16,
} from "../testing/foreign.js";
import { FOREIGN_CHAINS, FOREIGN_TIME_MS, type ForeignChain } from "../testing/foreign-chains.js";
import { contentsOf, failure, imageContents, pattern, sameBytes, testImages } from "../testing/images.js";
import { imageInfo, imageTree } from "../tree.js";

function put({ images: chain }: ForeignChain) {
  const images = testImages();
  for (const [name, image] of chain) {
    images.folder.put(name, foreignVhd(image));
    images.folder.contents(name).modifiedMs = FOREIGN_TIME_MS;
  }
  return images;
}

describe.each(FOREIGN_CHAINS)("a chain as $by writes it", (chain) => {
  const names = chain.images.map(([name]) => name);
  const top = names.at(-1)!;
  const whole = foreignContents(chain.images.map(([, image]) => image));

  it("shows what its images hold together, each where it was put, and has nothing wrong", async () => {
    const images = put(chain);
    for (const [i, name] of names.entries()) {
      const expected = foreignContents(chain.images.slice(0, i + 1).map(([, image]) => image));
      expect(sameBytes(await imageContents(images, name), expected), name).toBe(true);
      expect(await imageInfo(images, name)).toMatchObject({ creator: chain.creator });
    }
    expect(await checkImage(images, top)).toEqual([]);
    const [root] = await imageTree(images);
    expect([root!.name, root!.children[0]!.name, root!.children[0]!.children[0]!.name]).toEqual(names);
  });

  it("is written to, kept, grown and merged, and loses nothing", async () => {
    const images = put(chain);
    const disk = await LiveDisk.open(images, top);
    const expected = new Uint8Array((disk.sectors + 70_000) * 512);
    expected.set(whole);
    const write = async (sector: number, count: number, seed: number): Promise<void> => {
      const data = pattern(count * 512, seed);
      expected.set(data, sector * 512);
      await disk.write(sector, [data]);
    };
    for (const [i, sector] of [3, 1020, 4090, 9000, 32700].entries()) await write(sector, 8, i);
    await takeSnapshot(disk, "kept.vhd");
    const kept = expected.slice(0, whole.length);
    await grow(disk, expected.length / 512);
    for (const [i, sector] of [5, 2050, 32704, 100_000].entries()) await write(sector, 20, i + 9);
    await disk.flush();
    expect(sameBytes(await imageContents(images, "kept.vhd"), kept)).toBe(true);
    for (let left = names.length; left > 0; left--) {
      await coalesce(disk);
      expect(sameBytes(await contentsOf(disk), expected)).toBe(true);
    }
    await disk.close();
    expect((await images.folder.list()).map(({ name }) => name)).toEqual([top]);
    expect(sameBytes(await imageContents(images, top), expected)).toBe(true);
    expect((await checkImage(images, top)).filter(({ kind }) => kind !== "unused-space")).toEqual([]);
  });

  it("is found together under other names", async () => {
    const images = put(chain);
    await renameImage(images, names[1]!, "deep/middle.vhd");
    await renameImage(images, names[0]!, "ground.vhd");
    expect(sameBytes(await imageContents(images, top), whole)).toBe(true);
    expect(await checkImage(images, top)).toEqual([]);
  });
});

/** A small image, and one that stands on it by these locators alone. */
function pair(name: string, locators: readonly (ForeignLocator | null)[]) {
  const common = {
    creator: ["vs  ", 0x00010000],
    sectors: 68,
    geometry: [1, 4, 17],
    blockSectors: 8,
    parts: ["header", "table", "blocks", "locators"],
  } as const;
  const base: ForeignImage = { ...common, id: 7, runs: [[3, 30, 0x71]] };
  const parent = { id: 7, seconds: 0, name: "X:\\gone\\elsewhere.vhd", locators };
  const child: ForeignImage = { ...common, id: 8, parent, runs: [[10, 2, 0x81]] };
  const images = testImages();
  images.folder.put(name, foreignVhd(base));
  images.folder.put("child.vhd", foreignVhd(child));
  return { images, base, expected: foreignContents([base, child]) };
}

const UNITS = ["bytes", "sectors", "none"] as const;

describe("a parent locator", () => {
  it.each([
    ["W2ru", "in/Größe Ω.vhd", utf16(".\\in\\Größe Ω.vhd")],
    ["W2ru", "in/ended.vhd", utf16("in\\ended.vhd\0\0rest")],
    ["Wi2r", "in/Größe.vhd", latin1(".\\in\\Größe.vhd")],
    ["Wi2r", "in/ended.vhd", latin1("in\\ended.vhd\0rest")],
    ["W2ku", "Größe Ω.vhd", utf16("C:\\Disks\\Größe Ω.vhd")],
    ["W2ku", "share.vhd", utf16("\\\\server\\share\\share.vhd")],
    ["Wi2k", "Größe.vhd", latin1("C:\\Disks\\Größe.vhd\0")],
    ["MacX", "in/a b.vhd", latin1("file://./in/a%20b.vhd")],
  ])("of kind %s leads to %s, in whatever unit its room is told", async (code, name, data) => {
    for (const unit of UNITS) {
      const { images, expected } = pair(name, [null, null, { code, data, unit }]);
      expect(sameBytes(await imageContents(images, "child.vhd"), expected), unit).toBe(true);
      expect((await imageInfo(images, "child.vhd")).parent).toMatchObject({ name, told: "X:\\gone\\elsewhere.vhd" });
      expect((await checkImage(images, "child.vhd")).filter(({ severity }) => severity !== "note")).toEqual([]);
    }
  });

  it("of an unknown kind leads nowhere", async () => {
    for (const code of ["Mac ", "Xxxx"]) {
      const { images } = pair("a.vhd", [{ code, data: latin1("a.vhd"), unit: "bytes" }]);
      expect((await failure(() => images.openShared("child.vhd"))).code).toBe("parent-missing");
    }
  });

  it("is believed by its kind, not by its place in the header", async () => {
    const order = ["W2ru", "Wi2r", "MacX", "W2ku", "Wi2k"];
    const dataOf = (code: string) =>
      (code.startsWith("W2") ? utf16 : latin1)(code === "MacX" ? `file://./${code}.vhd` : `${code}.vhd`);
    const locators = order.map((code) => ({ code, data: dataOf(code), unit: "sectors" as const }));
    const { images, base } = pair("W2ru.vhd", [...locators.reverse(), null, null, null]);
    // All with the identity that the child remembers.
    for (const code of order)
      images.folder.put(`${code}.vhd`, foreignVhd({ ...base, runs: [[0, 1, code.charCodeAt(3)]] }));
    for (const code of order) {
      expect((await imageContents(images, "child.vhd"))[0]).toBe(code.charCodeAt(3));
      await images.folder.remove(`${code}.vhd`);
    }
    expect((await failure(() => images.openShared("child.vhd"))).code).toBe("parent-missing");
  });

  it.each(["bytes", "sectors"] as const)("keeps room for more than a block at the end, told in %s", async (unit) => {
    const room = 20;
    const { images, expected } = pair("a.vhd", [{ code: "W2ru", data: utf16("a.vhd"), unit, room }]);
    const roomOf = (end: number) =>
      images.folder
        .contents("child.vhd")
        .copy()
        .subarray(end - room * 512, end);
    const end = images.folder.contents("child.vhd").size - 512;
    const before = roomOf(end);
    const disk = await LiveDisk.open(images, "child.vhd");
    for (const sector of [0, 24, 48]) {
      expected.set(pattern(512, sector), sector * 512);
      await disk.write(sector, [pattern(512, sector)]);
    }
    await disk.close();
    expect(sameBytes(roomOf(end), before)).toBe(true);
    expect(sameBytes(await imageContents(images, "child.vhd"), expected)).toBe(true);
  });
});
