import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it, vi } from "vitest";
import { Asker } from "../asker.js";
import { StorageError } from "../errors.js";
import { MemoryFolder } from "../folders/memory.js";
import { OpfsFolder } from "../folders/opfs.js";
import type { Folder } from "../image-file.js";
import { Images } from "../images.js";
import { LiveDisk } from "../live/live-disk.js";
import { takeSnapshot } from "../live/snapshot.js";
import { isCacheName } from "../notes.js";
import { checkImage } from "../operations/check.js";
import { createImage } from "../operations/create.js";
import { ImageStore } from "../store.js";
import { FakeDirectory } from "../testing/fake-opfs.js";
import { HookedFolder } from "../testing/hooked-folder.js";
import { contentsOf, failure, imageContents, pattern, sameBytes, testImages, testSources } from "../testing/images.js";
import { imageInfo } from "../tree.js";
import { HttpFile, type HttpFileOptions } from "./file.js";
import { cloneRemote, openHttp } from "./remote.js";

const CHUNK = 256 * 1024;

/** A web server with one file, that counts requests and can misbehave. */
class TestServer {
  requests: string[] = [];
  etag: string | undefined = '"one"';
  /** Answers instead of the server, when it answers true. */
  trouble: (request: IncomingMessage, response: ServerResponse) => boolean = () => false;
  #server: Server | null = null;

  constructor(public bytes: Uint8Array) {}

  async start(name = "disk.raw"): Promise<string> {
    this.#server = createServer((request, response) => this.answer(request, response));
    await new Promise<void>((resolve) => this.#server!.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/${name}`;
  }

  stop(): void {
    this.#server?.closeAllConnections();
    this.#server?.close();
  }

  /** Also a request that was held back. */
  answer(request: IncomingMessage, response: ServerResponse): void {
    const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "");
    this.requests.push(range === null ? request.method! : `${range[1]}-${range[2]}`);
    if (this.trouble(request, response)) return;
    if (this.etag !== undefined) response.setHeader("etag", this.etag);
    if (range === null) {
      response.writeHead(200, { "content-length": this.bytes.length });
      response.end(request.method === "HEAD" ? undefined : this.bytes);
      return;
    }
    const [from, to] = [Number(range[1]), Math.min(Number(range[2]), this.bytes.length - 1)];
    const part = this.bytes.subarray(from, to + 1);
    response.writeHead(206, {
      "content-length": part.length,
      "content-range": `bytes ${from}-${to}/${this.bytes.length}`,
    });
    response.end(part);
  }
}

let server: TestServer;
afterEach(() => server?.stop());

const waits: number[] = [];
const quick: HttpFileOptions = {
  chunkBytes: CHUNK,
  sleep: async (ms) => void waits.push(ms),
};

async function readAll(file: HttpFile, at: number, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  await file.read(at, [bytes.subarray(0, 100), bytes.subarray(100)]);
  return bytes;
}

describe("a server of another origin than the page's", () => {
  const PAGE = "https://page.example";
  const URL_THERE = "https://images.example/disk.raw";
  /** A browser that keeps answers from the page, as `allowed` says by request. */
  const browser =
    (allowed: (init: RequestInit) => Response | null, isThere: boolean) => async (_: string, init: RequestInit) => {
      if (init.mode === "no-cors") {
        if (!isThere) throw new TypeError("Failed to fetch");
        return new Response(null);
      }
      const response = allowed(init);
      if (response === null) throw new TypeError("Failed to fetch");
      return response;
    };
  const refused = (allowed: (init: RequestInit) => Response | null, isThere = true, url = URL_THERE) =>
    failure(() => HttpFile.open(url, { ...quick, page: PAGE, fetch: browser(allowed, isThere) }));

  it("must allow it, and the failure says how, at once where that is certain", async () => {
    waits.length = 0;
    const { code, message } = await refused(() => null);
    expect(code).toBe("network");
    expect(message).toBe(
      `${URL_THERE}: the server does not let pages of ${PAGE} read this (CORS); have it send ` +
        `"Access-Control-Allow-Origin: ${PAGE}" (or *), "Access-Control-Allow-Headers: Range" and ` +
        '"Access-Control-Expose-Headers: Content-Range, ETag", or put the image on this page\'s own server, or import it',
    );
    expect(waits).toEqual([]);
    const unknown = await refused(() => null, false);
    expect(unknown.message).toMatch(
      /tried 5 times: Failed to fetch; check the connection .*, and have it send "Access-/,
    );
    expect((await refused(() => null, true, "http://images.example/a.raw")).message).toContain(
      "use an https:// address",
    );
    expect((await refused(() => null, true, "http://127.0.0.1:8/a.raw")).message).toContain("does not let pages");
  });

  it("must show the size, in one header or the other", async () => {
    const hidden = await refused(({ method }) => new Response(null, { status: method === "HEAD" ? 405 : 206 }));
    expect(hidden.message).toContain(
      `let pages of ${PAGE} see the size of the file (CORS); have it send "Access-Control-Exp`,
    );
    const file = await HttpFile.open(URL_THERE, {
      ...quick,
      page: PAGE,
      fetch: browser(() => new Response(null, { headers: { "content-length": "512" } }), true),
    });
    expect(file.size).toBe(512);
  });
});

describe("a file of a web server", () => {
  it("is read in chunks, each once", async () => {
    server = new TestServer(pattern(CHUNK * 40 + 777, 1));
    const file = await HttpFile.open(await server.start(), quick);
    expect(file.size).toBe(server.bytes.length);
    expect(
      sameBytes(await readAll(file, CHUNK * 20 - 10, 500), server.bytes.subarray(CHUNK * 20 - 10, CHUNK * 20 + 490)),
    ).toBe(true);
    // Both chunks in one request, and at once when they are there.
    expect(server.requests).toEqual(["HEAD", `${CHUNK * 19}-${CHUNK * 21 - 1}`]);
    expect(file.read(CHUNK * 20, [new Uint8Array(1000)])).toBe(undefined);
    expect(sameBytes(await readAll(file, server.bytes.length - 200, 200), server.bytes.subarray(-200))).toBe(true);
    expect((await failure(() => file.read(server.bytes.length - 1, [new Uint8Array(2)]))).code).toBe("truncated");
  });

  it("is fetched ahead of who goes straight on, and not of others", async () => {
    server = new TestServer(pattern(CHUNK * 40, 1));
    const file = await HttpFile.open(await server.start(), quick);
    for (const index of [30, 10, 20]) await readAll(file, index * CHUNK, 200);
    expect(server.requests.length).toBe(4);
    for (let index = 21; index < 33; index++) {
      await readAll(file, index * CHUNK, 200);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    const wanted = server.requests.slice(4).reduce((sum, text) => {
      const [from, to] = text.split("-").map(Number);
      return sum + (to! - from! + 1) / CHUNK;
    }, 0);
    expect(server.requests.length).toBeLessThan(4 + 12);
    expect(wanted).toBeLessThanOrEqual(19);
  });

  it("keeps no more than it may, also of a request that is larger", async () => {
    server = new TestServer(pattern(CHUNK * 60, 1));
    const file = await HttpFile.open(await server.start(), { ...quick, cacheBytes: CHUNK });
    expect(sameBytes(await readAll(file, 0, server.bytes.length), server.bytes)).toBe(true);
    const before = server.requests.length;
    await readAll(file, 0, 200);
    expect(server.requests.length).toBeGreaterThan(before);
  });

  it("is asked for again when that may help, waiting longer each time", async () => {
    server = new TestServer(pattern(CHUNK * 4, 1));
    let left = 3;
    server.trouble = (_, response) => {
      if (left-- <= 0) return false;
      if (left === 2) response.destroy();
      else if (left === 1) response.writeHead(503, { "retry-after": "2" }).end();
      else {
        response.writeHead(206, { "content-length": CHUNK });
        response.write("half");
        response.destroy();
      }
      return true;
    };
    waits.length = 0;
    const address = await server.start();
    const file = await HttpFile.open(address, quick);
    expect(sameBytes(await readAll(file, 5, 300), server.bytes.subarray(5, 305))).toBe(true);
    left = 99;
    const { code, message } = await failure(() => readAll(file, CHUNK * 3, 300));
    expect(code).toBe("network");
    expect(message).toContain("tried 5 times");
    expect(waits.slice(0, 2)).toEqual([250, 2000]);
    left = 0;
    expect(sameBytes(await readAll(file, CHUNK * 3, 300), server.bytes.subarray(CHUNK * 3, CHUNK * 3 + 300))).toBe(
      true,
    );
  });

  it("lets go of answers that it does not use, however long they are", async () => {
    server = new TestServer(pattern(CHUNK * 4, 1));
    const file = await HttpFile.open(await server.start(), quick);
    let kept = 0;
    const endless = (response: ServerResponse, status: number, headers = {}): boolean => {
      kept++;
      response.once("close", () => kept--);
      const more = (): void => {
        while (!response.destroyed && response.write(new Uint8Array(65536)));
      };
      response.on("drain", more).writeHead(status, headers);
      more();
      return true;
    };
    for (const status of [503, 403]) {
      server.trouble = (_, response) => endless(response, status);
      expect((await failure(() => readAll(file, 0, 300))).message).toContain(`the server answers ${status}`);
      await vi.waitFor(() => expect(kept).toBe(0));
    }
    const total = server.bytes.length;
    server.trouble = (_, response) => endless(response, 206, { "content-range": `bytes 0-${CHUNK - 1}/${total}` });
    expect((await failure(() => readAll(file, 0, 300))).message).toContain("sends more than the range");
    await vi.waitFor(() => expect(kept).toBe(0));
  });

  it("says what is wrong with the server", async () => {
    server = new TestServer(pattern(CHUNK * 4, 1));
    const address = await server.start();
    const file = await HttpFile.open(address, quick);
    await readAll(file, 0, 300);
    server.etag = '"two"';
    expect(await failure(() => readAll(file, CHUNK * 3, 300))).toMatchObject({ code: "source-changed" });
    server.trouble = (_, response) => {
      response.writeHead(200, { "content-length": server.bytes.length }).end(server.bytes);
      return true;
    };
    const none = await failure(async () => readAll(await HttpFile.open(address, quick), 0, 300));
    expect(none.message).toContain("the server has no byte ranges (found status 200); use a server that has them");
    server.trouble = (_, response) => {
      response.writeHead(404).end();
      return true;
    };
    expect((await failure(() => HttpFile.open(address, quick))).code).toBe("not-found");
  });

  it("is not taken for what another part of it is, nor for one of another size", async () => {
    server = new TestServer(pattern(CHUNK * 4, 1));
    server.etag = undefined;
    const file = await HttpFile.open(await server.start(), quick);
    server.trouble = (request, response) => {
      if (request.method === "HEAD") return false;
      const headers = { "content-length": CHUNK, "content-range": `bytes 0-${CHUNK - 1}/${server.bytes.length}` };
      response.writeHead(206, headers).end(server.bytes.subarray(0, CHUNK));
      return true;
    };
    expect(await failure(() => readAll(file, CHUNK * 2, 300))).toMatchObject({
      code: "network",
      message: expect.stringContaining("the server answers with another range"),
    });
    server.trouble = () => false;
    await readAll(file, 0, 300);
    server.bytes = pattern(CHUNK * 5, 2);
    expect((await failure(() => readAll(file, CHUNK * 3, 300))).code).toBe("source-changed");
  });

  it("that is closed asks for nothing more, whether it waits for an answer or for the next try", async () => {
    server = new TestServer(pattern(CHUNK * 4, 1));
    const address = await server.start();
    for (const status of [null, 503]) {
      const file = await HttpFile.open(address, { chunkBytes: CHUNK });
      server.requests = [];
      const asked = new Promise<ServerResponse>((resolve) => {
        server.trouble = (_, response) => {
          if (status !== null) response.writeHead(status, { "retry-after": "600" }).end();
          resolve(response);
          return true;
        };
      });
      const read = failure(() => readAll(file, 0, 300));
      const response = await asked;
      const ended = new Promise<void>((resolve) => response.once("close", () => resolve()));
      file.close();
      expect((await read).code).toBe("closed");
      if (status === null) await ended;
      server.trouble = () => false;
      expect(server.requests.length).toBe(1);
    }
  });

  it("needs no HEAD, and no version", async () => {
    server = new TestServer(pattern(CHUNK, 1));
    server.etag = undefined;
    server.trouble = (request, response) => {
      if (request.method === "HEAD") response.writeHead(405).end();
      return request.method === "HEAD";
    };
    const file = await HttpFile.open(await server.start(), quick);
    expect(sameBytes(await readAll(file, 0, CHUNK), server.bytes)).toBe(true);
  });
});

describe("a local image over one across the network", () => {
  const imagesWith = () => testImages({ openRemote: openHttp(quick) });

  it.each(["raw", "dynamic", "fixed"] as const)("takes the writes, over a %s image", async (kind) => {
    const origin = testImages();
    const name = kind === "raw" ? "o.raw" : "o.vhd";
    await createImage(origin, name, { kind, bytes: CHUNK * 12 });
    const disk = await LiveDisk.open(origin, name);
    for (let i = 0; i < 12; i++) await disk.write(i * 400, [pattern(512 * 150, i + 1)]);
    await disk.close();
    const expected = await imageContents(origin, name);
    server = new TestServer(origin.folder.contents(name).copy());
    const address = await server.start(`${name}?signature=x.y`);
    const images = imagesWith();
    await cloneRemote(images, address, "a.vhd");
    const local = await LiveDisk.open(images, "a.vhd");
    expect(sameBytes(await contentsOf(local), expected)).toBe(true);
    await local.write(399, [pattern(1024, 50)]);
    expected.set(pattern(1024, 50), 399 * 512);
    await takeSnapshot(local, "s.vhd");
    await local.write(800, [pattern(512, 51)]);
    expected.set(pattern(512, 51), 800 * 512);
    expect(sameBytes(await contentsOf(local), expected)).toBe(true);
    await local.close();
    const again = new Images({ folder: images.folder, sources: testSources(9), openRemote: openHttp(quick) });
    expect(sameBytes(await imageContents(again, "a.vhd"), expected)).toBe(true);
    expect((await imageInfo(again, "s.vhd")).parent?.name).toBe(address);
    expect((await checkImage(again, "a.vhd")).filter((f) => f.severity !== "note")).toEqual([]);
  });

  it.each([
    ["raw", false],
    ["raw", true],
    ["dynamic", false],
    ["dynamic", true],
  ] as const)("is left by a reader who is gone, for others to read: %s, with a cache: %s", async (kind, isCached) => {
    const origin = testImages();
    await createImage(origin, "o", { kind, bytes: CHUNK * 12 });
    const disk = await LiveDisk.open(origin, "o");
    await disk.write(CHUNK / 512, [pattern(CHUNK * 11, 7)]);
    await disk.close();
    server = new TestServer(origin.folder.contents("o").copy());
    const address = await server.start(kind === "raw" ? "o.raw" : "o.vhd");
    const cache = isCached ? { cache: { folder: new MemoryFolder(), sources: testSources(5) } } : {};
    const images = testImages({ openRemote: openHttp({ ...quick, ...cache }) });
    await cloneRemote(images, address, "a.vhd");
    await cloneRemote(images, address, "b.vhd");
    const [local, other] = [await LiveDisk.open(images, "a.vhd"), await LiveDisk.open(images, "b.vhd")];
    let answer = (): void => {};
    const told = new Promise<void>((resolve) => {
      answer = resolve;
    });
    const asked = new Promise<void>((resolve) => {
      server.trouble = (request, response) => {
        resolve();
        told.then(() => {
          server.trouble = () => false;
          server.answer(request, response);
        });
        return true;
      };
    });
    const guest = new Asker();
    const buffers = Array.from({ length: 20 }, () => new Uint8Array(1024));
    const reads = buffers.map((bytes, i) => failure(() => local.read(4000 + i * 2, [bytes], guest)));
    const theirs = new Uint8Array(1024);
    const theirRead = other.read(4000, [theirs]);
    await asked;
    guest.leave();
    for (const read of reads) expect((await read).code).toBe("closed");
    expect((await failure(() => local.read(4000, [buffers[0]!], guest))).code).toBe("closed");
    await local.close();
    answer();
    await theirRead;
    expect(
      sameBytes(
        theirs,
        pattern(CHUNK * 11, 7)
          .subarray(4000 * 512 - CHUNK)
          .subarray(0, 1024),
      ),
    ).toBe(true);
    for (const bytes of buffers) expect(bytes.every((byte) => byte === 0)).toBe(true);
    await other.close();
  });

  it("notices that the other has changed, and is nothing without the network", async () => {
    server = new TestServer(pattern(CHUNK * 2, 1));
    const address = await server.start();
    const images = imagesWith();
    await cloneRemote(images, address, "a.vhd");
    server.etag = '"two"';
    expect((await failure(() => images.openShared("a.vhd"))).code).toBe("parent-changed");
    const offline = testImages({ folder: images.folder });
    expect((await failure(() => offline.openShared("a.vhd"))).code).toBe("unsupported");
    expect((await failure(() => cloneRemote(images, "ftp://a/b", "b.vhd"))).code).toBe("bad-request");
  });

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
    await store.import(
      "b.img",
      (async function* () {
        yield pattern(2 ** 20, 3);
        yield pattern(2 ** 20, 4);
      })(),
    );
    expect(await names()).toEqual(["a.vhd", "b.img"]);
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

  it("takes the guest's requests together while chunks are on the way", async () => {
    server = new TestServer(pattern(CHUNK * 8, 1));
    const images = imagesWith();
    await cloneRemote(images, await server.start(), "a.vhd");
    const disk = await LiveDisk.open(images, "a.vhd");
    const parts = Array.from({ length: 16 }, (_, i) => ({ sector: i * 256, bytes: new Uint8Array(4096) }));
    await Promise.all(parts.map(({ sector, bytes }) => disk.read(sector, [bytes])));
    for (const { sector, bytes } of parts) {
      expect(sameBytes(bytes, server.bytes.subarray(sector * 512, sector * 512 + 4096))).toBe(true);
    }
    await disk.close();
  });
});
