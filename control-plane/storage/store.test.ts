import { expect, it } from "vitest";
import { crc32, encodeUtf8 } from "../formats/index.js";
import type { Disk } from "./disk.js";
import { StorageError } from "./errors.js";
import { MemoryFolder } from "./folders/memory.js";
import type { ImageFile, OpenMode } from "./image-file.js";
import { ImageStore } from "./store.js";
import { HookedFolder } from "./testing/hooked-folder.js";
import { failure, imageContents, pattern, sameBytes, testSources } from "./testing/images.js";

const BYTES = 128 * 1024;
const open = (folder = new MemoryFolder()) => ImageStore.open({ folder, sources: testSources() });
const put = (disk: Disk, sector: number, seed: number) => disk.write(sector, [pattern(1024, seed)]);

it("does to an image in use and to one that is not what was asked for", async () => {
  const store = await open();
  await store.create("a.vhd", { kind: "dynamic", bytes: BYTES, blockBytes: 4096 });
  await store.snapshot("a.vhd", "empty.vhd");
  const disk = await store.openDisk("a.vhd");
  await put(disk, 0, 1);
  await store.snapshot("a.vhd", "one.vhd");
  await put(disk, 2, 2);
  await store.snapshot("a.vhd", "two.vhd");
  await put(disk, 4, 3);
  // One in the middle of what is in use, then the top itself.
  await store.coalesce("two.vhd");
  await store.resize("a.vhd", BYTES * 2);
  expect(store.liveDisk("a.vhd")?.chain).toEqual(["a.vhd", "two.vhd", "empty.vhd"]);
  await put(disk, 300, 4);
  await store.coalesce("a.vhd");
  expect((await failure(() => store.resize("a.vhd", BYTES))).code).toBe("bad-request");
  await disk.close();
  expect(store.liveDisk("a.vhd")).toBe(undefined);
  await store.coalesce("a.vhd");
  expect((await store.tree()).map((node) => node.name)).toEqual(["a.vhd"]);
  const expected = new Uint8Array(BYTES * 2);
  for (const [sector, seed] of [
    [0, 1],
    [2, 2],
    [4, 3],
    [300, 4],
  ] as const)
    expected.set(pattern(1024, seed), sector * 512);
  expect(sameBytes(await imageContents(store.images, "a.vhd"), expected)).toBe(true);
  expect((await failure(() => store.resize("a.vhd", BYTES))).code).toBe("in-use");
  expect((await store.check("a.vhd")).filter((f) => f.severity !== "note")).toEqual([]);
});

it("has no image whose name is that of a note, and takes none for one that no operation wrote", async () => {
  const folder = new MemoryFolder();
  const store = await open(folder);
  await store.create("a.vhd", { kind: "dynamic", bytes: BYTES });
  const note = "a.vhd.intent~";
  const chunks = async function* () {
    yield new Uint8Array(0);
  };
  const deeds = {
    create: () => store.create(note, { kind: "dynamic", bytes: BYTES }),
    clone: () => store.clone("a.vhd", note),
    snapshot: () => store.snapshot("a.vhd", note),
    rename: () => store.rename("a.vhd", note),
    import: () => store.import(note, chunks()),
  };
  for (const [name, deed] of Object.entries(deeds)) expect((await failure(deed)).code, name).toBe("bad-name");
  for (const steps of [
    "{}",
    "[null]",
    "nothing",
    '[{"kind":"patch","file":"a.vhd","at":-1,"hex":"00"}]',
    '[{"kind":"patch","file":"a.vhd","at":0,"hex":"zz"}]',
    '[{"kind":"cut","file":"a.vhd"}]',
    '[{"kind":"rename","from":"a.vhd"}]',
  ]) {
    folder.put(note, encodeUtf8(`${crc32(encodeUtf8(steps))}\n${steps}`));
    await open(folder);
    expect(
      (await folder.list()).map(({ name }) => name),
      steps,
    ).toEqual(["a.vhd"]);
  }
});

it("never writes to what other images stand on", async () => {
  const store = await open();
  await store.create("a.vhd", { kind: "dynamic", bytes: BYTES });
  await store.clone("a.vhd", "b.vhd");
  expect(await failure(() => store.openDisk("a.vhd"))).toEqual({
    code: "in-use",
    message:
      "a.vhd: other images stand on this one, and they would see what is written (found b.vhd); remove or merge them first",
  });
  expect((await failure(() => store.snapshot("a.vhd", "s.vhd"))).code).toBe("in-use");
  expect((await failure(() => store.remove("a.vhd"))).code).toBe("in-use");
  await (await store.openDisk("a.vhd", { readOnly: true })).close();
});

it("closes a disk that is being merged: the merge is given up", async () => {
  const store = await open();
  await store.create("a.vhd", { kind: "dynamic", bytes: 64 * 2 ** 20 });
  const disk = await store.openDisk("a.vhd");
  for (let sector = 0; sector < disk.sectors; sector += 4096) await put(disk, sector, sector);
  await store.snapshot("a.vhd", "s.vhd");
  for (let sector = 8; sector < disk.sectors; sector += 4096) await put(disk, sector, sector);
  const before = await imageContents(store.images, "s.vhd");
  let closed: Promise<void> | null = null;
  const close = (): void => {
    closed ??= Promise.resolve(disk.close());
  };
  const merged = failure(() => store.coalesce("a.vhd", { onProgress: close }));
  expect((await merged).code).toBe("cancelled");
  await closed;
  await (await store.openDisk("a.vhd")).close();
  expect(sameBytes(await imageContents(store.images, "s.vhd"), before)).toBe(false);
  expect((await store.check("a.vhd")).filter((f) => f.severity !== "note")).toEqual([]);
  await store.coalesce("a.vhd");
  expect((await store.tree()).map((node) => node.name)).toEqual(["a.vhd"]);
});

it("opens what is only read for any number of readers", async () => {
  const store = await open();
  await store.create("a.raw", { kind: "raw", bytes: BYTES });
  const [one, two] = [
    await store.openDisk("a.raw", { readOnly: true }),
    await store.openDisk("a.raw", { readOnly: true }),
  ];
  expect([one.readOnly, one.sectors]).toEqual([true, BYTES / 512]);
  expect((await failure(() => one.write(0, [new Uint8Array(512)]))).code).toBe("read-only");
  expect((await failure(() => store.openDisk("a.raw"))).code).toBe("locked");
  await one.close();
  await one.close();
  await two.close();
  await (await store.openDisk("a.raw")).close();
  expect((await failure(() => store.openDisk("https://example.org/a.raw"))).code).toBe("read-only");
  expect((await failure(() => store.openDisk("https://example.org/a.raw", { readOnly: true }))).code).toBe(
    "unsupported",
  );
  expect((await failure(() => store.openDisk("a.raw", { format: "qcow2" }))).code).toBe("read-only");
});

/** What its owner lets others read. */
class DeniedFolder extends MemoryFolder {
  isOurs = false;

  override async open(name: string, mode: OpenMode): Promise<ImageFile> {
    if (mode === "write") this.#refuse(name);
    return super.open(name, mode);
  }

  override async create(name: string): Promise<ImageFile> {
    this.#refuse(name);
    return super.create(name);
  }

  override async remove(name: string): Promise<void> {
    this.#refuse(name);
    return super.remove(name);
  }

  #refuse(file: string): void {
    if (!this.isOurs) throw new StorageError("denied", "permission denied", { file });
  }
}

it("opens a folder that may only be read, but for the image at which an operation was interrupted there", async () => {
  const hooked = new HookedFolder();
  const store = await open(hooked);
  for (const name of ["a.vhd", "b.vhd"]) await store.create(name, { kind: "dynamic", bytes: BYTES });
  await store.snapshot("a.vhd", "s.vhd");
  hooked.before = (what, file) => {
    if (what === "rename" && file === "s.vhd") throw new StorageError("io", "the host failed", { file });
  };
  expect((await failure(() => store.coalesce("a.vhd"))).code).toBe("io");
  const folder = new DeniedFolder();
  for (const { name } of await hooked.list()) folder.put(name, hooked.contents(name).copy());
  folder.put("b.vhd.image-new~", new Uint8Array(10));

  const found = await open(folder);
  expect((await found.tree()).map(({ name }) => name)).toContain("b.vhd");
  await (await found.openDisk("b.vhd", { readOnly: true })).close();
  const left = await failure(() => found.openDisk("a.vhd", { readOnly: true }));
  expect(left.code).toBe("in-use");
  expect(left.message).toContain("a.vhd");
  expect((await failure(() => found.openDisk("a.vhd"))).code).toBe("denied");

  folder.isOurs = true;
  const again = await open(folder);
  await (await again.openDisk("a.vhd", { readOnly: true })).close();
  expect((await folder.list()).map(({ name }) => name).sort()).toEqual(["a.vhd", "b.vhd"]);
});
