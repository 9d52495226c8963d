/**
 * Images in a real browser's origin private file system, with a profile on the disk, in a dedicated worker, from shared
 * memory. Run: npx tsx --test tests/e2e/disks.e2e.ts
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { build } from "esbuild";
import type { BrowserContext, Page } from "playwright-core";
import { launchProfile } from "./browser.js";
import { ImageServer } from "./image-server.js";

let server: Server;
let profile: string;
let context: BrowserContext;
let url: string;

before(async () => {
  const bundle = await build({
    entryPoints: [join(import.meta.dirname, "disks-worker.ts")],
    bundle: true,
    format: "esm",
    target: "es2022",
    write: false,
  });
  const script = bundle.outputFiles[0]!.text;
  server = createServer((request, response) => {
    const isScript = request.url === "/worker.js";
    response.writeHead(200, {
      "content-type": isScript ? "text/javascript" : "text/html",
      "cross-origin-opener-policy": "same-origin",
      "cross-origin-embedder-policy": "require-corp",
    });
    response.end(isScript ? script : "<title>disks</title>");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  profile = mkdtempSync(join(tmpdir(), "xenolith-profile-"));
  context = await launchProfile(profile);
});

after(async () => {
  await context?.close();
  server?.close();
  rmSync(profile, { recursive: true, force: true });
});

async function openPage(): Promise<Page> {
  const page = await context.newPage();
  await page.goto(url);
  return page;
}

/** Has a new worker of a page do something, and answers what came of it. */
function ask<T>(page: Page, deed: string): Promise<T> {
  return page.evaluate(
    (name) =>
      new Promise<never>((resolve, reject) => {
        const worker = new Worker("/worker.js", { type: "module" });
        worker.onerror = (event) => reject(new Error(event.message));
        worker.onmessage = ({ data }) => {
          worker.terminate();
          if ("failed" in data) reject(new Error(data.failed));
          else resolve(data.done as never);
        };
        worker.postMessage(name);
      }),
    deed,
  );
}

describe("images in the browser", () => {
  it("live: snapshots, clones, growth and merges of a disk in use", async () => {
    const page = await openPage();
    assert.deepEqual(await ask(page, "live"), { seen: Array(6).fill(true), findings: [], tree: ["a.vhd"] });
    await page.close();
  });

  it("hold what was flushed when their worker is killed", async () => {
    const page = await openPage();
    const flushed = await page.evaluate(
      () =>
        new Promise<number>((resolve, reject) => {
          const worker = new Worker("/worker.js", { type: "module" });
          worker.onmessage = ({ data }) => {
            if ("failed" in data) reject(new Error(data.failed));
            if (data.flushed < 20) return;
            worker.terminate();
            resolve(data.flushed);
          };
          worker.postMessage("writeUntilKilled");
        }),
    );
    const { rounds, findings } = await ask<{ rounds: number; findings: unknown[] }>(page, "afterKill");
    assert.ok(rounds >= flushed, `${rounds} rounds of ${flushed}`);
    assert.deepEqual(findings, []);
    await page.close();
  });

  it("are there in another page, and as fast as they are", async (test) => {
    const page = await openPage();
    test.diagnostic(JSON.stringify(await ask(page, "speed")));
    const { rounds } = await ask<{ rounds: number }>(page, "afterKill");
    assert.ok(rounds >= 20);
    await page.close();
  });
});

describe("an image on a server of another origin", () => {
  const images = new ImageServer();
  before(() => images.start());
  after(() => images.stop());
  const ALLOW = { "access-control-allow-origin": "*" };
  const EXPOSE = { "access-control-expose-headers": "Content-Range, ETag" };
  /** What lets an isolated page see that something answers at all. */
  const THERE = { "cross-origin-resource-policy": "cross-origin" };
  const RIGHT = { seen: [true, true] };

  async function read(headers: Record<string, string>, methods = ["HEAD", "GET"]): Promise<unknown> {
    Object.assign(images, { headers, methods });
    const page = await openPage();
    try {
      return await ask(page, `remote ${images.url}`);
    } finally {
      await page.close();
    }
  }

  it("is read where the server allows it: by its own account of the size, or by that of a range", async () => {
    assert.deepEqual(await read(ALLOW), RIGHT);
    assert.deepEqual(await read({ ...ALLOW, ...EXPOSE }, ["GET"]), RIGHT);
  });

  it("is not where it does not, and the failure says which headers are missing", async () => {
    const origin = url.replace(/\/$/, "");
    const refused = (await read(THERE)) as { code: string; next: string };
    assert.equal(refused.code, "network");
    assert.ok(refused.next.startsWith(`have it send "Access-Control-Allow-Origin: ${origin}" (or *)`), refused.next);
    const unknown = (await read({})) as { code: string; next: string };
    assert.ok(unknown.next.startsWith("check the connection and the address, and have it send"), unknown.next);
    const hidden = (await read(ALLOW, ["GET"])) as { code: string; next: string };
    assert.ok(hidden.next.startsWith('have it send "Access-Control-Expose-Headers: Content-Range, ETag"'), hidden.next);
  });
});
