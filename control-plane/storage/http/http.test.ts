import type { ServerResponse } from "node:http";
import { afterEach, describe, expect, it, vi } from "vitest";
import { Asker } from "../asker.js";
import { MemoryFolder } from "../folders/memory.js";
import { Images } from "../images.js";
import { LiveDisk } from "../live/live-disk.js";
import { takeSnapshot } from "../live/snapshot.js";
import { checkImage } from "../operations/check.js";
import { createImage } from "../operations/create.js";
import { contentsOf, failure, imageContents, pattern, sameBytes, testImages, testSources } from "../testing/images.js";
import { TestServer } from "../testing/test-server.js";
import { imageInfo } from "../tree.js";
import type { Finding } from "../vhd/check.js";
import { HttpFile, type HttpFileOptions } from "./file.js";
import { cloneRemote, openHttp } from "./remote.js";

let server: TestServer;
afterEach(() => server?.stop());

const CHUNK = 256 * 1024;

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

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

  it("is checked with the other as its server has it now, of which nothing is kept", async () => {
    server = new TestServer(pattern(CHUNK * 2, 1));
    const address = await server.start();
    const folder = new MemoryFolder();
    const images = testImages({
      folder,
      openRemote: openHttp({ ...quick, cache: { folder, sources: testSources(5) } }),
    });
    await cloneRemote(testImages({ folder, openRemote: openHttp(quick) }), address, "a.vhd");
    const found = async (by: Images = images) =>
      (await checkImage(by, "a.vhd")).map(({ kind, severity, file, fault }) => [kind, severity, file, fault.code]);
    expect(await found()).toEqual([]);
    server.etag = '"two"';
    expect(await found()).toEqual([["parent", "error", "a.vhd", "parent-changed"]]);
    const [{ fault }] = (await checkImage(images, "a.vhd")) as [Finding];
    expect(fault).toMatchObject({
      what: `${address} is not the parent that the image was made for; put the right parent there`,
      field: "Parent Unique ID",
      found: expect.stringMatching(UUID),
      expected: expect.stringMatching(UUID),
    });
    server.trouble = (_, response) => !!response.writeHead(404).end();
    expect(await found()).toEqual([["parent", "error", "a.vhd", "not-found"]]);
    // What gives no answer may still be what it was.
    server.trouble = (_, response) => !!response.writeHead(503).end();
    expect(await found()).toEqual([["parent", "warning", "a.vhd", "network"]]);
    expect(await found(testImages({ folder }))).toEqual([["parent", "error", "a.vhd", "unsupported"]]);
    expect((await folder.list()).map(({ name }) => name)).toEqual(["a.vhd"]);
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
