import { describe, expect, it } from "vitest";
import { type Disk, SECTOR_BYTES } from "../disk.js";
import type { Images } from "../images.js";
import { coalesce } from "../live/coalesce.js";
import { LiveDisk } from "../live/live-disk.js";
import { grow } from "../live/resize.js";
import { takeSnapshot } from "../live/snapshot.js";
import { failure, imageContents, pattern, sameBytes, testImages } from "../testing/images.js";
import { imageInfo, imageTree, type TreeNode } from "../tree.js";
import { readHeader } from "../vhd/header.js";
import { checkImage, repairImage } from "./check.js";
import { convertImage, exportFile, importFile } from "./copy.js";
import { cloneImage, createImage } from "./create.js";
import { removeImage, revertImage } from "./revert.js";
import { shrinkImage } from "./shrink.js";

const BYTES = 64 * 1024;
const BLOCK_BYTES = 4096;

async function withDisk(images: Images, name: string, work: (disk: LiveDisk) => unknown): Promise<void> {
  const disk = await LiveDisk.open(images, name);
  await work(disk);
  await disk.close();
}

const create = (images: Images, name: string) =>
  createImage(images, name, { kind: "dynamic", bytes: BYTES, blockBytes: BLOCK_BYTES });

const put = (disk: Disk, sector: number, sectors: number, seed: number) =>
  disk.write(sector, [pattern(sectors * SECTOR_BYTES, seed)]);

const shape = (nodes: readonly TreeNode[]): unknown =>
  nodes.map((n) => (n.children.length === 0 ? n.name : [n.name, shape(n.children)]));

describe("snapshots and clones", () => {
  it("keep what was, and go on apart", async () => {
    const images = testImages();
    await create(images, "a.vhd");
    const expected = new Uint8Array(BYTES);
    await withDisk(images, "a.vhd", async (disk) => {
      await put(disk, 0, 20, 1);
      expected.set(pattern(20 * 512, 1));
      await takeSnapshot(disk, "before.vhd");
      await put(disk, 5, 3, 2);
    });
    const after = expected.slice();
    after.set(pattern(3 * 512, 2), 5 * 512);
    expect(sameBytes(await imageContents(images, "before.vhd"), expected)).toBe(true);
    expect(sameBytes(await imageContents(images, "a.vhd"), after)).toBe(true);
    await cloneImage(images, "before.vhd", "b.vhd");
    await cloneImage(images, "before.vhd", "c.vhd");
    const [b, c] = [await LiveDisk.open(images, "b.vhd"), await LiveDisk.open(images, "c.vhd")];
    await put(b, 0, 1, 7);
    await put(c, 0, 1, 8);
    await Promise.all([b.close(), c.close()]);
    expect(sameBytes((await imageContents(images, "b.vhd")).subarray(0, 512), pattern(512, 7))).toBe(true);
    expect(sameBytes((await imageContents(images, "c.vhd")).subarray(512), expected.subarray(512))).toBe(true);
    expect(shape(await imageTree(images))).toEqual([["before.vhd", ["a.vhd", "b.vhd", "c.vhd"]]]);
  });

  it("are taken under the writer's feet: every write is in one or the other", async () => {
    const images = testImages();
    await create(images, "a.vhd");
    await withDisk(images, "a.vhd", async (disk) => {
      const taken = takeSnapshot(disk, "s.vhd");
      let sector = 0;
      let isTaken = false;
      taken.then(() => {
        isTaken = true;
      });
      while (!isTaken && sector < 120) {
        await put(disk, sector, 1, sector + 1);
        sector++;
        await Promise.resolve();
      }
      await taken;
      await disk.flush();
      const now = new Uint8Array(BYTES);
      await disk.read(0, [now]);
      const frozen = await imageContents(images, "s.vhd");
      let isBefore = true;
      for (let s = 0; s < sector; s++) {
        expect(sameBytes(now.subarray(s * 512, s * 512 + 512), pattern(512, s + 1))).toBe(true);
        const isThere = frozen[s * 512] !== 0 || frozen[s * 512 + 1] !== 0;
        // Writes were made in order: the snapshot has a beginning of them.
        if (isThere) expect(isBefore).toBe(true);
        isBefore &&= isThere;
      }
    });
  });

  it("of a disk in use refuse what would break them", async () => {
    const images = testImages();
    await create(images, "a.vhd");
    await createImage(images, "r.raw", { kind: "raw", bytes: BYTES });
    await withDisk(images, "a.vhd", async (disk) => {
      await takeSnapshot(disk, "s.vhd");
      expect((await failure(() => takeSnapshot(disk, "s.vhd"))).code).toBe("exists");
      expect((await failure(() => cloneImage(images, "a.vhd", "b.vhd"))).code).toBe("locked");
      expect((await failure(() => LiveDisk.open(images, "a.vhd"))).code).toBe("locked");
      expect((await failure(() => LiveDisk.open(images, "s.vhd"))).code).toBe("locked");
      expect((await failure(() => removeImage(images, "s.vhd"))).code).toBe("in-use");
      const both = [takeSnapshot(disk, "x.vhd"), failure(() => takeSnapshot(disk, "y.vhd"))] as const;
      expect((await both[1]).message).toBe("a.vhd: a snapshot is under way; wait until it is done");
      await both[0];
    });
    await withDisk(images, "r.raw", async (disk) => {
      expect((await failure(() => takeSnapshot(disk, "t.vhd"))).code).toBe("unsupported");
    });
    expect((await failure(() => cloneImage(images, "s.vhd", "b.raw"))).code).toBe("bad-name");
  });

  it("stand on raw images, and notice when those are others", async () => {
    const images = testImages();
    await createImage(images, "r.raw", { kind: "raw", bytes: BYTES });
    await withDisk(images, "r.raw", (disk) => put(disk, 0, 4, 1));
    await cloneImage(images, "r.raw", "a.vhd");
    expect(sameBytes((await imageContents(images, "a.vhd")).subarray(0, 2048), pattern(2048, 1))).toBe(true);
    await withDisk(images, "r.raw", (disk) => put(disk, 0, 4, 2));
    expect((await failure(() => images.openShared("a.vhd"))).code).toBe("parent-changed");
  });

  it("make chains as deep as one likes", async () => {
    const images = testImages();
    await create(images, "a.vhd");
    const disk = await LiveDisk.open(images, "a.vhd");
    for (let i = 0; i < 100; i++) {
      await put(disk, i, 1, i + 1);
      await takeSnapshot(disk, `s${i}.vhd`);
    }
    await disk.close();
    const bytes = await imageContents(images, "a.vhd");
    for (let i = 0; i < 100; i++)
      expect(sameBytes(bytes.subarray(i * 512, i * 512 + 512), pattern(512, i + 1))).toBe(true);
  });
});

describe("going back", () => {
  it("makes the image what the snapshot was", async () => {
    const images = testImages();
    await create(images, "a.vhd");
    await withDisk(images, "a.vhd", async (disk) => {
      await put(disk, 0, 8, 1);
      await takeSnapshot(disk, "s.vhd");
      await put(disk, 0, 8, 2);
      expect((await failure(() => revertImage(images, "a.vhd", "s.vhd"))).code).toBe("locked");
    });
    expect((await failure(() => revertImage(images, "a.vhd", "a.vhd"))).code).toBe("bad-request");
    await revertImage(images, "a.vhd", "s.vhd");
    expect(sameBytes((await imageContents(images, "a.vhd")).subarray(0, 4096), pattern(4096, 1))).toBe(true);
    await removeImage(images, "a.vhd");
    expect(shape(await imageTree(images))).toEqual(["s.vhd"]);
  });
});

describe("merging", () => {
  it("leaves the disk as it is, and one image less", async () => {
    const images = testImages();
    await create(images, "a.vhd");
    await withDisk(images, "a.vhd", async (disk) => {
      await put(disk, 0, 60, 1);
      await takeSnapshot(disk, "s.vhd");
      await put(disk, 10, 30, 2);
      const merged = coalesce(disk, { onProgress: ({ doneBytes }) => void (doneBytes > 0 && put(disk, 3, 2, 3)) });
      await put(disk, 100, 5, 4);
      await merged;
      await put(disk, 120, 2, 5);
    });
    const expected = new Uint8Array(BYTES);
    for (const [sector, count, seed] of [
      [0, 60, 1],
      [10, 30, 2],
      [3, 2, 3],
      [100, 5, 4],
      [120, 2, 5],
    ] as const) {
      expected.set(pattern(count * 512, seed), sector * 512);
    }
    expect(sameBytes(await imageContents(images, "a.vhd"), expected)).toBe(true);
    expect(shape(await imageTree(images))).toEqual(["a.vhd"]);
    expect((await checkImage(images, "a.vhd")).filter((f) => f.severity !== "note")).toEqual([]);
  });

  it("in the middle of a chain is not noticed by the images above", async () => {
    const images = testImages();
    await create(images, "a.vhd");
    await withDisk(images, "a.vhd", async (disk) => {
      await put(disk, 0, 10, 1);
      await takeSnapshot(disk, "one.vhd");
      await put(disk, 5, 10, 2);
      await takeSnapshot(disk, "two.vhd");
      await put(disk, 10, 10, 3);
      await coalesce(disk, { image: "two.vhd" });
      await put(disk, 40, 1, 4);
    });
    expect(shape(await imageTree(images))).toEqual([["two.vhd", ["a.vhd"]]]);
    const expected = new Uint8Array(BYTES);
    for (const [sector, count, seed] of [
      [0, 10, 1],
      [5, 10, 2],
      [10, 10, 3],
      [40, 1, 4],
    ] as const) {
      expected.set(pattern(count * 512, seed), sector * 512);
    }
    expect(sameBytes(await imageContents(images, "a.vhd"), expected)).toBe(true);
  });

  it("refuses while others stand on the parent, and can be cancelled", async () => {
    const images = testImages();
    await create(images, "a.vhd");
    await withDisk(images, "a.vhd", async (disk) => {
      await put(disk, 0, 60, 1);
      expect((await failure(() => coalesce(disk))).message).toContain("the image has no parent");
      await takeSnapshot(disk, "s.vhd");
      await put(disk, 0, 60, 2);
      await cloneImage(images, "s.vhd", "b.vhd");
      expect((await failure(() => coalesce(disk))).message).toContain("other images stand on the parent (found b.vhd)");
      await removeImage(images, "b.vhd");
      const controller = new AbortController();
      const cancelled = coalesce(disk, { signal: controller.signal, onProgress: () => controller.abort() });
      expect((await failure(() => cancelled)).code).toBe("cancelled");
      await put(disk, 0, 1, 3);
      await coalesce(disk);
    });
    const bytes = await imageContents(images, "a.vhd");
    expect(sameBytes(bytes.subarray(0, 512), pattern(512, 3))).toBe(true);
    expect(sameBytes(bytes.subarray(512, 60 * 512), pattern(60 * 512, 2).subarray(512))).toBe(true);
  });

  it("goes into fixed images, and not into raw ones", async () => {
    const images = testImages();
    await createImage(images, "f.vhd", { kind: "fixed", bytes: BYTES });
    await createImage(images, "r.raw", { kind: "raw", bytes: BYTES });
    await cloneImage(images, "r.raw", "c.vhd");
    await withDisk(images, "f.vhd", async (disk) => {
      await put(disk, 0, 9, 1);
      await takeSnapshot(disk, "s.vhd");
      await put(disk, 4, 3, 2);
      await coalesce(disk);
      await put(disk, 100, 1, 3);
    });
    const expected = new Uint8Array(BYTES);
    for (const [sector, count, seed] of [
      [0, 9, 1],
      [4, 3, 2],
      [100, 1, 3],
    ] as const) {
      expected.set(pattern(count * 512, seed), sector * 512);
    }
    expect(sameBytes(await imageContents(images, "f.vhd"), expected)).toBe(true);
    expect(await imageInfo(images, "f.vhd")).toMatchObject({ kind: "fixed" });
    await withDisk(images, "c.vhd", async (disk) => {
      expect((await failure(() => coalesce(disk))).code).toBe("unsupported");
    });
  });

  it("into a smaller parent grows that first", async () => {
    const images = testImages();
    await create(images, "a.vhd");
    await withDisk(images, "a.vhd", async (disk) => {
      await takeSnapshot(disk, "s.vhd");
      await grow(disk, 4096);
      await put(disk, 4000, 2, 1);
      await coalesce(disk);
      expect(disk.sectors).toBe(4096);
    });
    expect((await imageInfo(images, "a.vhd")).sizeBytes).toBe(4096 * 512);
    expect(sameBytes((await imageContents(images, "a.vhd")).subarray(4000 * 512, 4002 * 512), pattern(1024, 1))).toBe(
      true,
    );
  });
});

describe("other sizes", () => {
  it.each(["dynamic", "fixed", "raw"] as const)(
    "a %s image grows in use, and shrinks when that loses nothing",
    async (kind) => {
      const images = testImages();
      const name = kind === "raw" ? "a.raw" : "a.vhd";
      await createImage(images, name, { kind, bytes: BYTES, ...(kind === "dynamic" && { blockBytes: BLOCK_BYTES }) });
      await withDisk(images, name, async (disk) => {
        await put(disk, 127, 1, 1);
        let told = 0;
        disk.onResize(() => told++);
        expect((await failure(() => grow(disk, 5))).code).toBe("bad-request");
        const grown = grow(disk, 9000);
        await put(disk, 0, 1, 2);
        await grown;
        expect([disk.sectors, told]).toEqual([9000, 1]);
        await put(disk, 8990, 5, 3);
      });
      const bytes = await imageContents(images, name);
      const expected = new Uint8Array(9000 * 512);
      expected.set(pattern(512, 2));
      expected.set(pattern(512, 1), 127 * 512);
      expected.set(pattern(5 * 512, 3), 8990 * 512);
      expect(sameBytes(bytes, expected)).toBe(true);
      expect((await failure(() => shrinkImage(images, name, 8994))).code).toBe("in-use");
      await shrinkImage(images, name, 8995);
      await withDisk(images, name, (disk) => disk.write(8990, [new Uint8Array(5 * 512)]));
      await shrinkImage(images, name, 128);
      expect(sameBytes(await imageContents(images, name), expected.subarray(0, BYTES))).toBe(true);
      expect((await checkImage(images, name)).filter((f) => f.severity !== "note")).toEqual([]);
      if (kind !== "dynamic") return;
      const { header } = readHeader(images.folder.contents(name).copy().subarray(512, 1536));
      expect(header.maxTableEntries).toBe(BYTES / BLOCK_BYTES);
    },
  );
});

describe("copies", () => {
  it("of chains become one image of any kind", async () => {
    const images = testImages();
    await create(images, "a.vhd");
    await withDisk(images, "a.vhd", async (disk) => {
      await put(disk, 0, 20, 1);
      await takeSnapshot(disk, "s.vhd");
      await put(disk, 50, 20, 2);
    });
    const expected = await imageContents(images, "a.vhd");
    for (const [target, kind] of [
      ["f.vhd", "fixed"],
      ["d.vhd", "dynamic"],
      ["r.raw", "raw"],
    ] as const) {
      await convertImage(images, "a.vhd", target, { kind });
      expect((await imageInfo(images, target)).kind).toBe(kind);
      expect(sameBytes(await imageContents(images, target), expected)).toBe(true);
      expect(await checkImage(images, target)).toEqual([]);
    }
  });

  it("of files come and go in pieces, and leave nothing when they are broken off", async () => {
    const images = testImages();
    await create(images, "a.vhd");
    await withDisk(images, "a.vhd", (disk) => put(disk, 0, 100, 1));
    await importFile(images, "b.vhd", exportFile(images, "a.vhd"));
    expect(sameBytes(await imageContents(images, "b.vhd"), await imageContents(images, "a.vhd"))).toBe(true);
    async function* broken() {
      yield Uint8Array.of(1, 2);
      throw new Error("the file is gone");
    }
    expect((await failure(() => importFile(images, "c.vhd", broken()))).message).toBe("the file is gone");
    expect((await images.folder.list()).map(({ name }) => name)).toEqual(["a.vhd", "b.vhd"]);
  });
});

describe("repairs", () => {
  it("put the footers right, and leave alone what they were not asked for", async () => {
    const images = testImages();
    await create(images, "a.vhd");
    await withDisk(images, "a.vhd", (disk) => put(disk, 0, 100, 1));
    const expected = await imageContents(images, "a.vhd");
    const whole = images.folder.contents("a.vhd").copy();
    const damaged = [
      { kind: "end-footer", bytes: whole.subarray(0, whole.length - 512) },
      { kind: "footer-copy", bytes: Uint8Array.from(whole).fill(7, 100, 120) },
    ];
    for (const { kind, bytes } of damaged) {
      images.folder.put("a.vhd", bytes);
      expect((await checkImage(images, "a.vhd")).map((f) => f.kind)).toContain(kind);
      expect(sameBytes(await imageContents(images, "a.vhd"), expected)).toBe(true);
      expect((await repairImage(images, "a.vhd")).map((f) => f.kind)).toEqual([kind]);
      expect((await checkImage(images, "a.vhd")).filter((f) => f.severity !== "note")).toEqual([]);
      expect(sameBytes(await imageContents(images, "a.vhd"), expected)).toBe(true);
    }
  });
});
