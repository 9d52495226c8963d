import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { createServer, request as httpRequest, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type GuestFiles, GuestShelf, type ShelfSources } from "./guest-shelf.js";
import { createPlaygroundServer, listen } from "./http-server.js";
import { browserCommand } from "./open-browser.js";
import { parseRange } from "./range.js";
import { splitPath } from "./static-path.js";

let folder: string;
let root: string;
let server: Server;
let base: string;
const kernelBytes = Buffer.from("0123456789abcdef");

function shelfOf(overrides: Partial<ShelfSources>): GuestShelf {
  return new GuestShelf({
    prepare: async () => ({ ok: false, error: { code: "offline", message: "no package source can be reached" } }),
    embedded: async () => null,
    onProgress: () => {},
    onSettled: () => {},
    ...overrides,
  });
}

async function serve(shelf: GuestShelf): Promise<{ server: Server; base: string }> {
  const made = createPlaygroundServer(root, shelf);
  await listen(made, "127.0.0.1", 0, true);
  return { server: made, base: `http://127.0.0.1:${(made.address() as AddressInfo).port}` };
}

/** Sends a path as it stands: fetch would tidy "..". */
function rawStatus(path: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const { port } = server.address() as AddressInfo;
    httpRequest({ host: "127.0.0.1", port, path }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    })
      .on("error", reject)
      .end();
  });
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "xenolith-playground-"));
  root = join(folder, "web");
  await mkdir(join(root, "assets"), { recursive: true });
  await writeFile(join(root, "index.html"), `<!doctype html><title>page</title>${" ".repeat(2000)}`);
  await writeFile(join(root, "assets", "core.wasm"), Buffer.from([0, 0x61, 0x73, 0x6d]));
  await writeFile(join(root, ".hidden"), "hidden");
  await writeFile(join(folder, "secret.txt"), "secret");
  await symlink(join(folder, "secret.txt"), join(root, "link.txt"));
  await writeFile(join(folder, "vmlinuz-6.1"), kernelBytes);
  await writeFile(join(folder, "initramfs.cpio"), "cpio");
  const files: Omit<GuestFiles, "notice"> = {
    name: "embedded",
    title: "own",
    kernel: join(folder, "vmlinuz-6.1"),
    initramfs: null,
    cmdline: "console=hvc0",
  };
  ({ server, base } = await serve(shelfOf({ embedded: async () => files })));
});

afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await rm(folder, { recursive: true });
});

describe("the page", () => {
  it("carries the headers of cross-origin isolation", async () => {
    const response = await fetch(`${base}/`);
    expect(response.status).toBe(200);
    expect(response.headers.get("cross-origin-opener-policy")).toBe("same-origin");
    expect(response.headers.get("cross-origin-embedder-policy")).toBe("require-corp");
    expect(response.headers.get("cross-origin-resource-policy")).toBe("same-origin");
    expect(await response.text()).toContain("<title>page</title>");
  });

  it("has wasm's own media type and caches hashed files", async () => {
    const response = await fetch(`${base}/assets/core.wasm`);
    expect(response.headers.get("content-type")).toBe("application/wasm");
    expect(response.headers.get("cache-control")).toContain("immutable");
  });

  it("compresses text, and validates per encoding", async () => {
    const response = await fetch(`${base}/index.html`, { headers: { "accept-encoding": "gzip" } });
    expect(response.headers.get("content-encoding")).toBe("gzip");
    const etag = response.headers.get("etag")!;
    expect(etag).toContain("gzip");
    await response.text();
    const again = await fetch(`${base}/index.html`, { headers: { "accept-encoding": "gzip", "if-none-match": etag } });
    expect(again.status).toBe(304);
  });

  it.each(["/../secret.txt", "/%2e%2e/secret.txt", "/..%2fsecret.txt", "/..%5csecret.txt", "/.hidden", "/%00", "/%zz"])(
    "refuses %s",
    async (path) => {
      expect(await rawStatus(path)).toBe(400);
    },
  );

  it("does not follow a link out of its folder", async () => {
    expect(await rawStatus("/link.txt")).toBe(404);
  });

  it("answers only GET and HEAD", async () => {
    expect((await fetch(`${base}/`, { method: "POST" })).status).toBe(405);
    const head = await fetch(`${base}/assets/core.wasm`, { method: "HEAD" });
    expect([head.status, head.headers.get("content-length")]).toEqual([200, "4"]);
  });
});

describe("guests", () => {
  it("stands in with the embedded guest and says why", async () => {
    await fetch(`${base}/guest/cloud/manifest.json`);
    const manifest = (await (await fetch(`${base}/guest/cloud/manifest.json`)).json()) as { notice: string };
    expect(manifest).toMatchObject({ state: "ready", name: "embedded", kernel: { url: "vmlinuz-6.1", sizeBytes: 16 } });
    expect(manifest.notice).toContain("no package source can be reached");
  });

  it("serves a guest's files in ranges, and no other file", async () => {
    const range = await fetch(`${base}/guest/cloud/vmlinuz-6.1`, { headers: { range: "bytes=4-7" } });
    expect([range.status, range.headers.get("content-range"), await range.text()]).toEqual([
      206,
      "bytes 4-7/16",
      "4567",
    ]);
    const beyond = await fetch(`${base}/guest/cloud/vmlinuz-6.1`, { headers: { range: "bytes=99-" } });
    expect(beyond.status).toBe(416);
    expect((await fetch(`${base}/guest/cloud/secret.txt`)).status).toBe(404);
    expect((await fetch(`${base}/guest/other/manifest.json`)).status).toBe(404);
  });

  it("reports the preparation while it goes, and a failure with its reason", async () => {
    let settle = (): void => {};
    const held = new Promise<void>((resolve) => {
      settle = resolve;
    });
    const shelf = shelfOf({
      prepare: async (_flavour, onProgress) => {
        await null;
        onProgress({ phase: "download", done: 5, total: 10 });
        await held;
        return { ok: false, error: { code: "unverified", message: "a hash is wrong" } };
      },
    });
    const done = shelf.request("full");
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(await shelf.manifest("full")).toMatchObject({ state: "preparing", doneBytes: 5, totalBytes: 10 });
    settle();
    expect(await done).toEqual({ ok: false, message: "a hash is wrong." });
    expect(await shelf.manifest("full")).toEqual({ state: "failed", message: "a hash is wrong." });
    expect(await shelf.manifest("full")).toMatchObject({ state: "preparing" });
  });
});

describe("starting", () => {
  it("takes the next free port, but not when one was insisted on", async () => {
    const taken = createServer();
    const port = await listen(taken, "127.0.0.1", 0, true);
    const second = createServer();
    expect(await listen(second, "127.0.0.1", port, false)).toBeGreaterThan(port);
    await expect(listen(createServer(), "127.0.0.1", port, true)).rejects.toMatchObject({ code: "EADDRINUSE" });
    taken.close();
    second.close();
  });

  it("opens a browser only where there is a desktop", () => {
    expect(browserCommand("u", "linux", {})).toBeNull();
    expect(browserCommand("u", "linux", { WAYLAND_DISPLAY: "wayland-0" })).toEqual(["xdg-open", ["u"]]);
    expect(browserCommand("u", "darwin", {})).toEqual(["open", ["u"]]);
    expect(browserCommand("u", "win32", {})?.[0]).toBe("cmd");
  });

  it("reads ranges as RFC 9110 has them", () => {
    expect(parseRange("bytes=0-0", 10)).toEqual({ start: 0, end: 0 });
    expect(parseRange("bytes=-3", 10)).toEqual({ start: 7, end: 9 });
    expect(parseRange("bytes=5-99", 10)).toEqual({ start: 5, end: 9 });
    expect(parseRange("bytes=10-", 10)).toBe("unsatisfiable");
    expect(parseRange("bytes=7-3", 10)).toBeNull();
    expect(parseRange("bytes=0-1,3-4", 10)).toBeNull();
  });

  it("splits only plain paths", () => {
    expect(splitPath("/assets//a%20b.js")).toEqual(["assets", "a b.js"]);
    expect(splitPath("/c:/x")).toBeNull();
  });
});
