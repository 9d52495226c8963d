import { afterEach, describe, expect, it, vi } from "vitest";
import { StorageError } from "../errors.js";
import { MemoryFolder } from "../folders/memory.js";
import { OpfsFolder } from "../folders/opfs.js";
import type { Folder } from "../image-file.js";
import { isCacheName } from "../notes.js";
import { ImageStore } from "../store.js";
import { FakeDirectory } from "../testing/fake-opfs.js";
import { HookedFolder } from "../testing/hooked-folder.js";
import { contentsOf, failure, imageContents, pattern, sameBytes, testSources } from "../testing/images.js";
import { TestServer } from "../testing/test-server.js";
import type { HttpFileOptions } from "./file.js";
import { openHttp } from "./remote.js";

const CHUNK = 256 * 1024;

let server: TestServer;
afterEach(() => server?.stop());

const quick: HttpFileOptions = { chunkBytes: CHUNK, sleep: async () => {} };

describe("what is kept of an image across the network", () => {
  it("is read from the folder the next time, and of that server's next version anew", async () => {
    server = new TestServer(pattern(CHUNK * 16 + 512, 1));
    const address = await server.start();
    const folder = new MemoryFolder();
    const open = () => openHttp({ ...quick, cache: { folder, sources: testSources(5) } });
    const first = await open()(address);
    for (const sector of [0, 3000, (CHUNK * 16) / 512]) await first.disk.read(sector, [new Uint8Array(512)]);
    await first.disk.close();
    server.requests = [];
    const second = await open()(address);
    const bytes = new Uint8Array(4096);
    expect(second.disk.read(3001, [bytes])).toBe(undefined);
    expect(sameBytes(bytes, server.bytes.subarray(3001 * 512, 3009 * 512))).toBe(true);
    expect(second.disk.read((CHUNK * 16) / 512, [bytes.subarray(0, 512)])).toBe(undefined);
    expect(sameBytes(bytes.subarray(0, 512), server.bytes.subarray(-512))).toBe(true);
    // Only what tells the size and the identity.
    expect(server.requests).toEqual(["HEAD", `0-${CHUNK - 1}`]);
    // Another process would go without.
    const beside = await open()(address);
    const slow = beside.disk.read(3001, [bytes]);
    expect(slow).toBeInstanceOf(Promise);
    await slow;
    await second.disk.close();
    await beside.disk.close();
    server.bytes = pattern(CHUNK * 16 + 512, 2);
    server.etag = '"two"';
    const third = await open()(address);
    await third.disk.read(3001, [bytes]);
    expect(sameBytes(bytes, server.bytes.subarray(3001 * 512, 3009 * 512))).toBe(true);
    await third.disk.close();
    expect((await folder.list()).length).toBe(2);
    const store = await ImageStore.open({ folder, sources: testSources() });
    await store.clearCache();
    expect(await folder.list()).toEqual([]);
  });

  it("is read from the folder the next time, also when the process ended without a word", async () => {
    server = new TestServer(pattern(CHUNK * 16, 1));
    const address = await server.start();
    const folder = new HookedFolder();
    const due: (() => void)[] = [];
    const later = (work: () => void) => {
      due.push(work);
      return () => {};
    };
    const open = (folder: Folder) => openHttp({ ...quick, cache: { folder, sources: testSources(5), later } })(address);
    const first = await open(folder);
    for (const sector of [0, 3000]) await first.disk.read(sector, [new Uint8Array(512)]);
    expect(due.length).toBe(1);
    due[0]!();
    await new Promise((resolve) => setImmediate(resolve));
    const second = await open(await folder.restarted());
    server.requests = [];
    const bytes = new Uint8Array(4096);
    expect(second.disk.read(3000, [bytes])).toBe(undefined);
    expect(sameBytes(bytes, server.bytes.subarray(3000 * 512, 3008 * 512))).toBe(true);
    expect(server.requests).toEqual([]);
    for (const { disk } of [first, second]) await disk.close();
  });

  it.each(["read", "sync"] as const)("is read from there when the cache fails: %s", async (fails) => {
    server = new TestServer(pattern(CHUNK * 16, 1));
    const folder = new HookedFolder();
    const later = (work: () => void) => {
      setImmediate(work);
      return () => {};
    };
    const cache = { folder, sources: testSources(5), later };
    const { disk } = await openHttp({ ...quick, cache })(await server.start());
    await disk.read(3000, [new Uint8Array(512)]);
    folder.before = (what, name) => {
      if (what === fails && isCacheName(name)) throw new StorageError("io", "the host said EIO", { file: name });
    };
    const bytes = new Uint8Array(4096);
    for (const sector of [3000, 6000, 3000]) {
      await disk.read(sector, [bytes]);
      expect(sameBytes(bytes, server.bytes.subarray(sector * 512, sector * 512 + 4096))).toBe(true);
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
    await disk.close();
  });

  it("is read without a cache when that finds no room, and leaves what it took to others", async () => {
    server = new TestServer(pattern(CHUNK * 16, 1));
    const directory = new FakeDirectory();
    const folder = await OpfsFolder.of(directory.handle, (work) => work());
    const { disk } = await openHttp({ ...quick, cache: { folder, sources: testSources(5) } })(await server.start());
    await disk.read(0, [new Uint8Array(512)]);
    expect((await folder.list()).length).toBe(1);
    directory.quota = 3 * 2 ** 20;
    expect(sameBytes(await contentsOf(disk), server.bytes)).toBe(true);
    await vi.waitFor(async () => expect(await folder.list()).toEqual([]), { timeout: 20_000, interval: 2 });
    await disk.close();
  });

  it("has a cache that gives way to images, those first that nobody uses, and nobody sees an error", async () => {
    server = new TestServer(pattern(CHUNK * 16, 1));
    const address = await server.start();
    const directory = new FakeDirectory();
    const folder = await OpfsFolder.of(directory.handle, (work) => work());
    const cache = { folder, sources: testSources(5) };
    const openRemote = openHttp({ ...quick, cache });
    const unused = await openRemote(address);
    await contentsOf(unused.disk);
    await unused.disk.close();
    server.etag = '"two"';
    const store = await ImageStore.open({ folder, sources: testSources(6), openRemote });
    await store.clone(address, "a.vhd");
    const disk = await store.openDisk("a.vhd");
    const expected = await contentsOf(disk);
    const fill = (): void => {
      directory.quota = [...directory.files.values()].reduce((sum, { bytes }) => sum + bytes.size, 0) + 2000;
    };
    const names = async () => (await folder.list()).map(({ name }) => (isCacheName(name) ? "cache" : name)).sort();
    expect(await names()).toEqual(["a.vhd", "cache", "cache"]);
    fill();
    await disk.write(0, [pattern(4096, 2)]);
    expected.set(pattern(4096, 2));
    expect(await names()).toEqual(["a.vhd", "cache"]);
    fill();
    const parts = async function* () {
      yield pattern(2 ** 20, 3);
      yield pattern(2 ** 20, 4);
    };
    const name = "b.img";
    await store.import(name, parts());
    expect(await names()).toEqual(["a.vhd", name]);
    await disk.flush();
    expect(sameBytes(await contentsOf(disk), expected)).toBe(true);
    fill();
    expect(await failure(() => disk.write(4096, [pattern(4096, 5)]))).toMatchObject({
      code: "full",
      message: expect.stringContaining("; remove images or allow more storage"),
    });
    directory.quota = 2 ** 40;
    await disk.write(4096, [pattern(4096, 5)]);
    expected.set(pattern(4096, 5), 4096 * 512);
    expect(sameBytes(await contentsOf(disk), expected)).toBe(true);
    await disk.close();
  });

  it.each(["create", "snapshot", "convert", "coalesce"] as const)("has a cache that gives way: %s", async (deed) => {
    server = new TestServer(pattern(CHUNK * 16, 1));
    const address = await server.start();
    const directory = new FakeDirectory();
    const folder = await OpfsFolder.of(directory.handle, (work) => work());
    const openRemote = openHttp({ ...quick, cache: { folder, sources: testSources(5) } });
    const store = await ImageStore.open({ folder, sources: testSources(6), openRemote });
    await store.create("a.vhd", { kind: "dynamic", bytes: 2 ** 22, blockBytes: 2 ** 16 });
    const disk = await store.openDisk("a.vhd");
    if (deed === "coalesce") await store.snapshot("a.vhd", "s.vhd");
    await disk.write(0, [pattern(2 ** 20, 1)]);
    const remote = await openRemote(address);
    await contentsOf(remote.disk);
    directory.quota = [...directory.files.values()].reduce((sum, { bytes }) => sum + bytes.size, 0) + 100;
    if (deed === "create") await store.create("b.vhd", { kind: "dynamic", bytes: 2 ** 22 });
    else if (deed === "snapshot") await store.snapshot("a.vhd", "s.vhd");
    else if (deed === "coalesce") await store.coalesce("a.vhd");
    else {
      await disk.close();
      await store.convert("a.vhd", "b.vhd", { kind: "dynamic" });
    }
    expect((await folder.list()).some(({ name }) => isCacheName(name))).toBe(false);
    await remote.disk.close();
    await disk.close();
    expect(sameBytes((await imageContents(store.images, "a.vhd")).subarray(0, 2 ** 20), pattern(2 ** 20, 1))).toBe(
      true,
    );
  });

  it("is read without a cache where there can be none, and leaves nothing of one", async () => {
    server = new TestServer(new Uint8Array(0));
    const folder = new MemoryFolder();
    const { disk } = await openHttp({ ...quick, cache: { folder, sources: testSources(5) } })(await server.start());
    expect(disk.sectors).toBe(0);
    expect(await folder.list()).toEqual([]);
    await disk.close();
  });
});
