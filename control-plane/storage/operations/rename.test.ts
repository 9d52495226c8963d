import { describe, expect, it } from "vitest";
import { SeededRandom } from "../../util/index.js";
import type { MemoryFolder } from "../folders/memory.js";
import type { Images } from "../images.js";
import { LiveDisk } from "../live/live-disk.js";
import { CrashFolder } from "../testing/crash-folder.js";
import { cutDeed } from "../testing/cut.js";
import { failure, imageContents, pattern, sameBytes, testImages } from "../testing/images.js";
import { imageInfo, imageTree, type TreeNode } from "../tree.js";
import { checkImage } from "./check.js";
import { cloneImage, createImage } from "./create.js";
import { renameImage, setParent } from "./rename.js";

const BYTES = 64 * 1024;

async function write(images: Images, name: string, sector: number, seed: number): Promise<void> {
  const disk = await LiveDisk.open(images, name);
  await disk.write(sector, [pattern(1024, seed)]);
  await disk.close();
}

/** base.vhd, with mid.vhd on it, with a.vhd and b.vhd on that. */
async function prepare(images: Images): Promise<void> {
  await createImage(images, "base.vhd", { kind: "dynamic", bytes: BYTES, blockBytes: 4096 });
  await write(images, "base.vhd", 0, 1);
  await cloneImage(images, "base.vhd", "mid.vhd");
  await write(images, "mid.vhd", 8, 2);
  for (const [name, seed] of [
    ["a.vhd", 3],
    ["b.vhd", 4],
  ] as const) {
    await cloneImage(images, "mid.vhd", name);
    await write(images, name, 16, seed);
  }
}

const shape = (nodes: readonly TreeNode[]): unknown =>
  nodes.map((n) => (n.children.length === 0 ? n.name : [n.name, shape(n.children)]));
const damage = async (images: Images, name: string) =>
  (await checkImage(images, name)).filter(({ severity }) => severity !== "note");

describe("another name", () => {
  it("is found by those that stand on the image, wherever it leads", async () => {
    const images = testImages();
    await prepare(images);
    const before = await imageContents(images, "a.vhd");
    const time = (await imageInfo(images, "a.vhd")).modifiedMs;
    await renameImage(images, "mid.vhd", `deep/down/${"a rather long name ".repeat(10)}.vhd`);
    await renameImage(images, "base.vhd", "ground.vhd");
    await renameImage(images, "a.vhd", "deep/a.vhd");
    const name = `deep/down/${"a rather long name ".repeat(10)}.vhd`;
    expect(shape(await imageTree(images))).toEqual([["ground.vhd", [[name, ["b.vhd", "deep/a.vhd"]]]]]);
    expect(sameBytes(await imageContents(images, "deep/a.vhd"), before)).toBe(true);
    expect((await imageInfo(images, "deep/a.vhd")).modifiedMs).toBe(time);
    for (const image of ["ground.vhd", name, "b.vhd", "deep/a.vhd"]) expect(await damage(images, image)).toEqual([]);
    await write(images, "deep/a.vhd", 24, 9);
    await write(images, "deep/a.vhd", 120, 9);
    expect(await damage(images, "deep/a.vhd")).toEqual([]);
  });

  it("is refused where it is taken, tells another format, or somebody uses the image or one that stands on it", async () => {
    const images = testImages();
    await prepare(images);
    expect((await failure(() => renameImage(images, "mid.vhd", "a.vhd"))).code).toBe("exists");
    expect((await failure(() => renameImage(images, "mid.vhd", "mid.raw"))).code).toBe("bad-name");
    expect((await failure(() => renameImage(images, "mid.vhd", "../mid.vhd"))).code).toBe("bad-name");
    expect((await failure(() => renameImage(images, "none.vhd", "some.vhd"))).code).toBe("not-found");
    const disk = await LiveDisk.open(images, "a.vhd");
    for (const name of ["a.vhd", "mid.vhd", "base.vhd"]) {
      expect((await failure(() => renameImage(images, name, "new.vhd"))).code).toBe("locked");
    }
    await disk.close();
    expect(shape(await imageTree(images))).toEqual([["base.vhd", [["mid.vhd", ["a.vhd", "b.vhd"]]]]]);
  });

  it("is there with all that stands on it, or not at all, after a cut at any change", async () => {
    const base = new CrashFolder();
    await prepare(testImages({ folder: base }));
    const files = base.afterwards("kill", new SeededRandom(1));
    const before = await imageContents(testImages({ folder: CrashFolder.memory(files) }), "a.vhd");
    const shapes = ["mid.vhd", "deep/new.vhd"].map((name) => [["base.vhd", [[name, ["a.vhd", "b.vhd"]]]]]);
    const look = async (found: MemoryFolder, where: string): Promise<void> => {
      const images = testImages({ folder: found });
      expect(shapes, where).toContainEqual(shape(await imageTree(images)));
      expect(sameBytes(await imageContents(images, "a.vhd"), before), where).toBe(true);
      await write(images, "b.vhd", 100, 5);
      for (const name of ["a.vhd", "b.vhd"]) {
        const findings = await checkImage(images, name);
        expect(
          findings.filter(({ severity }) => severity === "error"),
          where,
        ).toEqual([]);
      }
    };
    const rename = (folder: CrashFolder) => renameImage(testImages({ folder }), "mid.vhd", "deep/new.vhd");
    const cuts = await cutDeed(files, rename, look, 6);
    expect(cuts).toBeGreaterThan(10);
  });
});

describe("a parent in another place", () => {
  it("is the same parent, and else is refused", async () => {
    const images = testImages();
    await prepare(images);
    const before = await imageContents(images, "a.vhd");
    // As somebody else would move it.
    await images.folder.rename("mid.vhd", "moved/middle.vhd");
    expect((await failure(() => images.openShared("a.vhd"))).code).toBe("parent-missing");
    await setParent(images, "moved/middle.vhd", "base.vhd");
    await setParent(images, "a.vhd", "moved/middle.vhd");
    expect(sameBytes(await imageContents(images, "a.vhd"), before)).toBe(true);
    expect(await damage(images, "a.vhd")).toEqual([]);
    expect((await failure(() => setParent(images, "b.vhd", "base.vhd"))).code).toBe("parent-changed");
    expect((await failure(() => setParent(images, "b.vhd", "b.vhd"))).code).toBe("parent-loop");
    expect((await failure(() => setParent(images, "base.vhd", "a.vhd"))).code).toBe("bad-request");
    expect((await failure(() => setParent(images, "b.vhd", "none.vhd"))).code).toBe("not-found");
  });
});
