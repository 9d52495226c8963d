/** What somebody else does between two steps of an operation: nobody loses what he stands on. */
import { describe, expect, it } from "vitest";
import { type Disk, SECTOR_BYTES } from "../disk.js";
import { StorageError } from "../errors.js";
import { coalesce } from "../live/coalesce.js";
import { LiveDisk } from "../live/live-disk.js";
import { ImageStore } from "../store.js";
import { HookedFolder } from "../testing/hooked-folder.js";
import { failure, imageContents, pattern, sameBytes, testImages, testSources } from "../testing/images.js";
import { checkImage } from "./check.js";
import { cloneImage } from "./create.js";

const BYTES = 64 * 1024;

const put = (disk: Disk, sector: number, sectors: number, seed: number) =>
  disk.write(sector, [pattern(sectors * SECTOR_BYTES, seed)]);

/** `a.vhd` over `s.vhd`, and a raw image. */
async function prepare() {
  const folder = new HookedFolder();
  const store = await ImageStore.open({ folder, sources: testSources() });
  await store.create("a.vhd", { kind: "dynamic", bytes: BYTES, blockBytes: 4096 });
  const disk = await store.openDisk("a.vhd");
  await put(disk, 0, 60, 1);
  await store.snapshot("a.vhd", "s.vhd");
  await put(disk, 10, 10, 2);
  await disk.close();
  return { folder, store, images: store.images };
}

describe("a clone that is made while children are looked for", () => {
  const operations: Record<string, [parent: string, (store: ImageStore) => Promise<unknown>]> = {
    remove: ["a.vhd", (store) => store.remove("a.vhd")],
    "open and write": [
      "a.vhd",
      async (store) => {
        const disk = await store.openDisk("a.vhd");
        await put(disk, 30, 5, 9);
        await disk.close();
      },
    ],
    revert: ["a.vhd", (store) => store.revert("a.vhd", "s.vhd")],
    snapshot: ["a.vhd", (store) => store.snapshot("a.vhd", "t.vhd")],
    shrink: ["a.vhd", (store) => store.resize("a.vhd", BYTES / 2)],
    merge: ["s.vhd", (store) => store.coalesce("a.vhd")],
    rename: ["a.vhd", (store) => store.rename("a.vhd", "c.vhd")],
  };

  it.each(Object.entries(operations))("keeps what it stands on: %s", async (_, [parent, operation]) => {
    const { folder, store, images } = await prepare();
    const before = await imageContents(images, parent);
    let cloned = false;
    folder.before = async (what) => {
      if (what !== "list" || cloned) return;
      cloned = true;
      // Refused is as good.
      await cloneImage(images, parent, "clone.vhd").catch(() => {});
    };
    await operation(store).catch(() => {});
    folder.before = () => {};
    expect(cloned).toBe(true);
    if (!(await folder.exists("clone.vhd"))) return;
    expect(sameBytes(await imageContents(images, "clone.vhd"), before)).toBe(true);
    expect((await checkImage(images, "clone.vhd")).filter(({ severity }) => severity === "error")).toEqual([]);
  });
});

it("what an editor left beside images is not what an operation left", async () => {
  const { folder } = await prepare();
  folder.put("notes.new~", new Uint8Array(5));
  await ImageStore.open({ folder, sources: testSources() });
  expect(await folder.exists("notes.new~")).toBe(true);
});

it("two disks on the image that is to be merged both go on when that is refused", async () => {
  const { images, store } = await prepare();
  const maker = await store.openDisk("a.vhd");
  await store.snapshot("a.vhd", "t.vhd");
  await maker.close();
  await cloneImage(images, "t.vhd", "b.vhd");
  const expected = await imageContents(images, "t.vhd");
  const [one, two] = [await LiveDisk.open(images, "a.vhd"), await LiveDisk.open(images, "b.vhd")];
  expect((await failure(() => coalesce(one, { image: "t.vhd" }))).code).toBe("in-use");
  await one.close();
  const bytes = new Uint8Array(BYTES);
  await two.read(0, [bytes]);
  expect(sameBytes(bytes, expected)).toBe(true);
  const again = await LiveDisk.open(images, "a.vhd");
  await two.close();
  await coalesce(again, { image: "t.vhd" });
  await again.close();
  expect(sameBytes(await imageContents(testImages({ folder: images.folder }), "b.vhd"), expected)).toBe(true);
});

it("a raw image that others stand on keeps its size, by which they know it", async () => {
  const { store, images } = await prepare();
  await store.create("r.raw", { kind: "raw", bytes: BYTES });
  await store.clone("r.raw", "c.vhd");
  expect(await failure(() => store.resize("r.raw", BYTES * 2))).toMatchObject({ code: "in-use" });
  expect(sameBytes(await imageContents(images, "c.vhd"), new Uint8Array(BYTES))).toBe(true);
  await store.remove("c.vhd");
  await store.resize("r.raw", BYTES * 2);
});

it("of two images where a child looks for its parent the right one is its parent for all", async () => {
  const { store, images, folder } = await prepare();
  await store.create("deep/base.vhd", { kind: "dynamic", bytes: BYTES });
  await store.clone("deep/base.vhd", "child.vhd");
  const base = folder.contents("deep/base.vhd").copy();
  const other = folder.contents("s.vhd").copy();
  // The child's first path leads to another image of that name, and its name to the right one.
  folder.put("deep/base.vhd", other);
  folder.put("base.vhd", base);
  expect(sameBytes(await imageContents(images, "child.vhd"), new Uint8Array(BYTES))).toBe(true);
  expect((await store.info("child.vhd")).parent?.name).toBe("base.vhd");
  expect((await failure(() => store.remove("base.vhd"))).code).toBe("in-use");
  expect((await checkImage(images, "child.vhd")).filter(({ severity }) => severity === "error")).toEqual([]);
  await store.remove("deep/base.vhd");
});

it("who reads an image as another format than it is does so alone", async () => {
  const { store, images } = await prepare();
  const raw = await store.openDisk("s.vhd", { readOnly: true, format: "raw" });
  const [asRaw, asVhd] = [new Uint8Array(8), await imageContents(images, "s.vhd")];
  const first = new Uint8Array(512);
  await raw.read(0, [first]);
  asRaw.set(first.subarray(0, 8));
  expect(Buffer.from(asRaw).toString()).toBe("conectix");
  expect(asVhd.length).toBe(BYTES);
  await cloneImage(images, "s.vhd", "c.vhd");
  await raw.close();
  expect(sameBytes(await imageContents(images, "c.vhd"), asVhd)).toBe(true);
});

it("an image that cannot be looked at for a moment is a child all the same", async () => {
  const { store, folder } = await prepare();
  const { peek } = folder;
  let looks = 0;
  folder.peek = (name) => {
    if (name === "a.vhd" && looks++ < 2) throw new StorageError("io", "the handle is closed", { file: name });
    return peek.call(folder, name);
  };
  expect((await failure(() => store.remove("s.vhd"))).code).toBe("in-use");
});
