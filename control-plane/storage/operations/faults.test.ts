/** Operations that the host lets down half way: what they answer is true, and they can be asked for again. */
import { describe, expect, it } from "vitest";
import { type Disk, SECTOR_BYTES } from "../disk.js";
import { StorageError } from "../errors.js";
import { coalesce } from "../live/coalesce.js";
import { LiveDisk } from "../live/live-disk.js";
import { grow } from "../live/resize.js";
import { parentReference, takeSnapshot } from "../live/snapshot.js";
import { recoverFolder } from "../notes.js";
import { ImageStore } from "../store.js";
import { HookedFolder } from "../testing/hooked-folder.js";
import { failure, imageContents, pattern, sameBytes, testImages } from "../testing/images.js";
import { imageInfo } from "../tree.js";
import { createSparse } from "../vhd/create.js";
import { checkImage } from "./check.js";
import { createImage } from "./create.js";
import { revertImage } from "./revert.js";

const BYTES = 64 * 1024;
const BLOCK_BYTES = 4096;
const NOTE = "a.vhd.intent~";

const put = (disk: Disk, sector: number, sectors: number, seed: number) =>
  disk.write(sector, [pattern(sectors * SECTOR_BYTES, seed)]);

const ioError = (file: string) => new StorageError("io", "the host said EIO", { file });

function makeImages() {
  const folder = new HookedFolder();
  const images = testImages({ folder });
  const create = () => createImage(images, "a.vhd", { kind: "dynamic", bytes: BYTES, blockBytes: BLOCK_BYTES });
  /** The next such call fails, once it has become true that it may. */
  const failOnce = (what: "sync" | "rename", name: string, after: { what: string; name: string } | null = null) => {
    let armed = after === null;
    folder.before = (does, file) => {
      if (does === what && file === name && armed) {
        folder.before = () => {};
        throw ioError(file);
      }
      if (does === after?.what && file === after.name) armed = true;
    };
  };
  const names = async () => (await folder.list()).map(({ name }) => name).sort();
  return { folder, images, create, failOnce, names };
}

describe("an operation that fails leaves nothing that is in the way of the next", () => {
  it("when its note cannot be written", async () => {
    const { images, create, failOnce, names } = makeImages();
    await create();
    const disk = await LiveDisk.open(images, "a.vhd");
    failOnce("sync", NOTE);
    expect((await failure(() => takeSnapshot(disk, "s.vhd"))).code).toBe("io");
    expect(await names()).toEqual(["a.vhd"]);
    await takeSnapshot(disk, "s.vhd");
    expect(await names()).toEqual(["a.vhd", "s.vhd"]);
    await disk.close();
  });

  it("when a new image does not get its name", async () => {
    const { create, failOnce, names } = makeImages();
    failOnce("rename", "a.vhd.image-new~");
    expect((await failure(create)).code).toBe("io");
    expect(await names()).toEqual([]);
    await create();
    expect(await names()).toEqual(["a.vhd"]);
  });

  it("when an image has been put to use while it was to go back", async () => {
    const { folder, images, create, names } = makeImages();
    await create();
    const before = await LiveDisk.open(images, "a.vhd");
    await takeSnapshot(before, "s.vhd");
    await before.close();
    let user: LiveDisk | null = null;
    folder.before = async (what) => {
      if (what === "rename") user ??= await LiveDisk.open(images, "a.vhd");
    };
    expect((await failure(() => revertImage(images, "a.vhd", "s.vhd"))).code).toBe("locked");
    expect(await names()).toEqual(["a.vhd", "s.vhd"]);
    await user!.close();
    await revertImage(images, "a.vhd", "s.vhd");
  });
});

describe("a merge that fails", () => {
  async function half() {
    const made = makeImages();
    await made.create();
    const disk = await LiveDisk.open(made.images, "a.vhd");
    await put(disk, 0, 60, 1);
    await takeSnapshot(disk, "s.vhd");
    await put(disk, 10, 10, 2);
    return { ...made, disk };
  }

  it("with its note written does not take back later what the guest goes on to write", async () => {
    const { folder, disk, failOnce, names } = await half();
    failOnce("sync", "s.vhd", { what: "sync", name: NOTE });
    expect((await failure(() => coalesce(disk))).code).toBe("io");
    await put(disk, 12, 1, 3);
    await disk.flush();
    const found = await folder.restarted();
    await recoverFolder(found);
    const bytes = await imageContents(testImages({ folder: found }), "a.vhd");
    expect(sameBytes(bytes.subarray(12 * 512, 13 * 512), pattern(512, 3))).toBe(true);
    expect(sameBytes(bytes.subarray(0, 10 * 512), pattern(10 * 512, 1))).toBe(true);
    await coalesce(disk);
    await disk.close();
    expect(await names()).toEqual(["a.vhd"]);
  });

  it("when all but the name is done leaves the guest a disk that it can write to", async () => {
    const { folder, disk, failOnce } = await half();
    failOnce("rename", "s.vhd");
    expect((await failure(() => coalesce(disk))).code).toBe("io");
    await put(disk, 12, 1, 3);
    const found = await folder.restarted();
    expect(await recoverFolder(found)).toEqual(["a.vhd"]);
    const bytes = await imageContents(testImages({ folder: found }), "a.vhd");
    expect(sameBytes(bytes.subarray(12 * 512, 13 * 512), pattern(512, 3))).toBe(true);
    expect((await found.list()).map(({ name }) => name)).toEqual(["a.vhd"]);
  });

  it("at the name gets it when the guest flushes, or when the next operation is asked for", async () => {
    for (const goOn of [(disk: LiveDisk) => disk.flush(), (disk: LiveDisk) => takeSnapshot(disk, "next.vhd")]) {
      const { disk, failOnce, names } = await half();
      failOnce("rename", "s.vhd");
      expect((await failure(() => coalesce(disk))).code).toBe("io");
      await goOn(disk);
      await disk.close();
      expect((await names()).filter((name) => name !== "next.vhd")).toEqual(["a.vhd"]);
    }
  });

  it("of images further down says what the host said", async () => {
    const { disk, failOnce, names } = await half();
    await takeSnapshot(disk, "t.vhd");
    failOnce("rename", "s.vhd");
    expect((await failure(() => coalesce(disk, { image: "t.vhd" }))).code).toBe("io");
    await disk.close();
    expect(await names()).toEqual(["a.vhd", "t.vhd"]);
  });

  it("at the name again and again leaves a note that the folder is recovered by, without a restart", async () => {
    const { folder, images, disk, names } = await half();
    folder.before = (what, name) => {
      if (what === "rename" && name === "s.vhd") throw ioError(name);
    };
    expect((await failure(() => coalesce(disk))).code).toBe("io");
    expect((await failure(() => takeSnapshot(disk, "next.vhd"))).code).toBe("io");
    expect((await failure(() => disk.close())).code).toBe("io");
    expect(await names()).toEqual(["a.vhd", NOTE, "s.vhd"]);
    folder.before = () => {};
    const store = await ImageStore.open({ folder, sources: images.sources });
    const again = await store.openDisk("a.vhd");
    await again.close();
    expect(await names()).toEqual(["a.vhd"]);
  });

  it("at the name takes nothing back when it is done later: the guest may have used what was free", async () => {
    const { folder, images } = makeImages();
    // Of such blocks the bitmaps begin where the footer was.
    const blockBytes = 2 ** 24;
    await createImage(images, "a.vhd", { kind: "dynamic", bytes: 2 * blockBytes, blockBytes });
    const disk = await LiveDisk.open(images, "a.vhd");
    await put(disk, 0, 8, 1);
    await takeSnapshot(disk, "s.vhd");
    folder.before = (what, name) => {
      if (what === "rename" && name === "s.vhd") throw ioError(name);
    };
    expect((await failure(() => coalesce(disk))).code).toBe("io");
    const second = blockBytes / 512;
    await put(disk, second, 8, 3);
    await disk.flush();
    const found = await folder.restarted();
    expect(await recoverFolder(found)).toEqual(["a.vhd"]);
    const bytes = await imageContents(testImages({ folder: found }), "a.vhd");
    expect(sameBytes(bytes.subarray(blockBytes, blockBytes + 4096), pattern(4096, 3))).toBe(true);
    expect(sameBytes(bytes.subarray(0, 4096), pattern(4096, 1))).toBe(true);
  });

  it("because the host cannot make things durable any more fails alone", async () => {
    const { folder, images } = makeImages();
    const blocks = 17_000;
    const bytes = blocks * BLOCK_BYTES;
    await createImage(images, "s.vhd", { kind: "dynamic", bytes, blockBytes: BLOCK_BYTES });
    const { uniqueId = "" } = await imageInfo(images, "s.vhd");
    const parent = parentReference(images, "a.vhd", { name: "s.vhd", uniqueId, modifiedMs: 0 });
    // Of larger blocks, so that there are fewer steps.
    const child = await folder.create("a.vhd");
    await createSparse(child, { bytes, parent }, images.sources);
    await child.close();
    const disk = await LiveDisk.open(images, "a.vhd");
    for (let block = 0; block < blocks; block++) await put(disk, block * 8, 1, block);
    await disk.flush();
    folder.before = (what, name) => {
      if (what === "sync" && name === "s.vhd") throw ioError(name);
    };
    const lost: unknown[] = [];
    const note = (error: unknown): void => void lost.push(error);
    process.on("unhandledRejection", note);
    expect((await failure(() => coalesce(disk))).code).toBe("io");
    await new Promise((resolve) => setTimeout(resolve, 0));
    process.off("unhandledRejection", note);
    expect(lost).toEqual([]);
    folder.before = () => {};
    await disk.close();
  });

  it("is none because the guest flushes when the snapshot has just been taken", async () => {
    const { folder, images, create } = makeImages();
    await create();
    const disk = await LiveDisk.open(images, "a.vhd");
    await put(disk, 0, 60, 1);
    let open = () => {};
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    let flushed: Promise<void> | null = null;
    const syncs = [
      // The snapshot's own: the guest's flush begins beside it, and takes longer.
      async () => {
        await Promise.resolve();
        flushed = Promise.resolve(disk.flush());
      },
      // The second half of that commit.
      () => {},
      () => gate,
    ];
    folder.before = (what, name) => (what === "sync" && name === "s.vhd" ? syncs.shift()?.() : undefined);
    await takeSnapshot(disk, "s.vhd");
    await put(disk, 10, 10, 2);
    const merged = coalesce(disk, { onProgress: () => open() });
    await Promise.all([merged, flushed]);
    await disk.close();
    expect(sameBytes((await imageContents(images, "a.vhd")).subarray(10 * 512, 20 * 512), pattern(10 * 512, 2))).toBe(
      true,
    );
  });
});

describe("a disk that grows while the host fails", () => {
  const LARGE = 300 * BLOCK_BYTES;

  it.each([
    ["its note stays", "remove", NOTE],
    ["its note is not written", "sync", NOTE],
    ["what the note says is not done", "sync", "a.vhd"],
  ] as const)("keeps all that is written after: %s", async (_, what, name) => {
    const { folder, images, create, names } = makeImages();
    await create();
    const disk = await LiveDisk.open(images, "a.vhd");
    await put(disk, 0, 8, 1);
    await disk.flush();
    let noted = false;
    folder.before = (does, file) => {
      noted ||= file === NOTE;
      if (does === what && file === name && (noted || what === "remove")) throw ioError(file);
    };
    expect((await failure(() => grow(disk, LARGE / 512))).code).toBe("io");
    await put(disk, 64, 16, 2);
    folder.before = what === "remove" ? folder.before : () => {};
    await disk.flush();
    const found = await folder.restarted();
    await recoverFolder(found);
    const after = testImages({ folder: found });
    const bytes = await imageContents(after, "a.vhd");
    expect(sameBytes(bytes.subarray(0, 4096), pattern(4096, 1))).toBe(true);
    expect(sameBytes(bytes.subarray(64 * 512, 80 * 512), pattern(16 * 512, 2))).toBe(true);
    expect((await checkImage(after, "a.vhd")).filter(({ severity }) => severity !== "note")).toEqual([]);
    folder.before = () => {};
    await grow(disk, LARGE / 512);
    await put(disk, 2000, 8, 3);
    await disk.close();
    expect(await names()).toEqual(["a.vhd"]);
    expect(sameBytes((await imageContents(images, "a.vhd")).subarray(2000 * 512, 2008 * 512), pattern(4096, 3))).toBe(
      true,
    );
  });
});
