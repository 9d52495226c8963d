/**
 * Images in a real browser's origin private file system, with a profile on the disk, in a dedicated worker, from shared
 * memory. Run: npx tsx --test tests/e2e/disks.e2e.ts
 */
import assert from "node:assert/strict";
import { mkdtempSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { BrowserContext, Page } from "playwright-core";
import { launchProfile } from "./browser.js";
import { askWorker, startDisksSite } from "./disks-site.js";
import { ImageServer } from "./image-server.js";
import { assertKept, killAndLook, type Told, writeUntilKilled } from "./kills.js";
import type { LoopbackSite } from "./loopback.js";

const ROUNDS_BEFORE_KILL = 30;

let site: LoopbackSite;
let profile: string;
let context: BrowserContext;

before(async () => {
  site = await startDisksSite();
  profile = mkdtempSync(join(tmpdir(), "xenolith-profile-"));
  context = await launchProfile(profile);
});

after(async () => {
  await context?.close();
  site?.close();
  rmSync(profile, { recursive: true, force: true });
});

async function openPage(): Promise<Page> {
  const page = await context.newPage();
  await page.goto(site.url);
  return page;
}

/** The browser that uses a profile: it leaves host and process there. */
function processOf(profile: string): number {
  return Number(readlinkSync(join(profile, "SingletonLock")).split("-").at(-1));
}

interface Writing {
  told?: Told | { readonly failed: string };
}

/** In the page: has a worker write, and keeps what it tells. */
function write(first: number): void {
  const worker = new Worker("/worker.js", { type: "module" });
  worker.onmessage = ({ data }) => {
    (window as Writing).told = data;
  };
  worker.postMessage(`writeUntilKilled ${first}`);
}

/** In the page: whether it has told a round, or that it failed. */
function hasTold(round: number): boolean {
  const { told } = window as Writing;
  return told !== undefined && ("failed" in told || told.flushed >= round);
}

/** In the page: the last round that it told. */
function lastTold(): number {
  const { told } = window as Writing;
  if (told === undefined || "failed" in told) throw new Error(told?.failed);
  return told.flushed;
}

/** Has a new worker of a page do something, and answers what came of it. */
const ask = <T>(page: Page, deed: string): Promise<T> => page.evaluate(askWorker, deed);

describe("images in the browser", () => {
  it("live: snapshots, clones, growth and merges of a disk in use", async () => {
    const page = await openPage();
    assert.deepEqual(await ask(page, "live"), { seen: Array(6).fill(true), findings: [], tree: ["a.vhd"] });
    await page.close();
  });

  let told = 0;

  it("hold what was flushed whenever their worker is killed, also while it snapshots and merges", async (test) => {
    const page = await openPage();
    told = await killAndLook({
      kill: (kill) => page.evaluate(writeUntilKilled, kill),
      ask: (deed) => ask(page, deed),
      diagnostic: (text) => test.diagnostic(text),
    });
    await page.close();
  });

  it("hold what was flushed when the whole browser is killed", async () => {
    const page = await openPage();
    const first = told + 1;
    await page.evaluate(write, first);
    await page.waitForFunction(hasTold, first + ROUNDS_BEFORE_KILL);
    told = await page.evaluate(lastTold);
    const closed = context.waitForEvent("close");
    process.kill(processOf(profile), "SIGKILL");
    await closed;
    context = await launchProfile(profile);
    const after = await openPage();
    await assertKept({ ask: (deed) => ask(after, deed) }, told, `${told} rounds told`);
    await after.close();
  });

  it("are there in another page, and as fast as they are", async (test) => {
    const page = await openPage();
    test.diagnostic(JSON.stringify(await ask(page, "speed")));
    await assertKept({ ask: (deed) => ask(page, deed) }, told, "in another page");
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
    const origin = site.url.replace(/\/$/, "");
    const refused = (await read(THERE)) as { code: string; next: string };
    assert.equal(refused.code, "network");
    assert.ok(refused.next.startsWith(`have it send "Access-Control-Allow-Origin: ${origin}" (or *)`), refused.next);
    const unknown = (await read({})) as { code: string; next: string };
    assert.ok(unknown.next.startsWith("check the connection and the address, and have it send"), unknown.next);
    const hidden = (await read(ALLOW, ["GET"])) as { code: string; next: string };
    assert.ok(hidden.next.startsWith('have it send "Access-Control-Expose-Headers: Content-Range, ETag"'), hidden.next);
  });
});
