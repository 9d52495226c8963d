/**
 * A disk's way through the page in a real Chromium: made by qemu-img, dropped on the page, written to by Debian on the
 * real hypervisor beside a disk on a web server, snapshot under it, cloned, exported, and read by qemu-img again; and a file
 * of GiBs, in pieces. Needs a build (npm run build).
 * Run: npx tsx --test tests/e2e/real-disks.e2e.ts
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { launchBrowser, launchProfile } from "./browser.js";
import { assertAccessible, dropFile, picture } from "./page-tools.js";
import { PREPARE_MS, startPlayground } from "./playground.js";
import type { Program } from "./program.js";
import { BOOT_MS, bootDebian, STEP_MS, waitForText } from "./real-page.js";

const SECTOR_BYTES = 512;

let browser: Browser;
let playground: Program;
let folder: string;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "xenolith-disks-"));
  playground = await startPlayground();
  browser = await launchBrowser();
});

after(async () => {
  await browser?.close();
  await playground?.close();
  rmSync(folder, { recursive: true, force: true });
});

const item = (page: Page, name: string) => page.getByRole("treeitem", { name: new RegExp(`^${name},`) });
const agree = (page: Page, name: string) => page.getByRole("dialog").getByRole("button", { name }).click();

/** Chooses an image on the disks screen and one of its actions. */
async function act(page: Page, image: string, name: string): Promise<void> {
  await item(page, image).locator(".image-row").first().click();
  await page
    .getByRole("group", { name: `Actions for ${image}` })
    .getByRole("button", { name, exact: true })
    .click();
}

/** A file that the playground serves in ranges: the core, whose second to fourth bytes are "asm". */
function servedFile(): string {
  return readdirSync(new URL("../../dist/web/assets", import.meta.url)).find((name) =>
    /^core-single.*wasm$/.test(name),
  )!;
}

/** What qemu-img says of an image. */
function describeImage(path: string): { format: string; bytes: number } {
  const told = JSON.parse(execFileSync("qemu-img", ["info", "--output=json", path], { encoding: "utf8" }));
  return { format: told.format, bytes: told["virtual-size"] };
}

/** What an image's disk holds, as qemu-img reads it. */
function readRaw(path: string): Buffer {
  execFileSync("qemu-img", ["convert", "-f", "vpc", "-O", "raw", path, `${path}.raw`]);
  return readFileSync(`${path}.raw`);
}

/** Exports an image in the form that is suggested; answers the path. */
async function exportTo(page: Page, image: string, path: string): Promise<string> {
  await act(page, image, "Export");
  const [download] = await Promise.all([page.waitForEvent("download"), agree(page, "Export")]);
  await download.saveAs(path);
  return path;
}

/** Has the guest write a word to a sector of its disk, durably. */
async function write(page: Page, word: string, sector: number): Promise<void> {
  await page.locator(".console-panel:not([hidden]) .screen:not([hidden])").focus();
  await page.keyboard.press("Enter");
  await page.keyboard.type(
    `echo ${word} | dd of=/dev/xvda bs=512 seek=${sector} conv=sync,fsync && echo wrote-$((${sector}+0))-it\r`,
  );
  await waitForText(page, `\nwrote-${sector}-it`);
}

/** The disks screen of a new page. */
async function openDisks(context: BrowserContext, query = ""): Promise<Page> {
  await context.addInitScript(() => Object.assign(window, { showSaveFilePicker: undefined }));
  const page = await context.newPage();
  page.setDefaultTimeout(STEP_MS);
  await page.goto(playground.url + query);
  await page.getByRole("navigation").getByRole("button", { name: "Disks" }).click();
  return page;
}

describe("a disk in a tab", () => {
  it("comes from qemu-img, is used, snapshot and cloned under its guest, and goes back", {
    timeout: PREPARE_MS + BOOT_MS,
  }, async () => {
    const made = join(folder, "disk.vhd");
    execFileSync("qemu-img", ["create", "-q", "-f", "vpc", made, "64M"]);
    const context = await browser.newContext();
    const page = await openDisks(context, "?mem=128");
    await dropFile(page, "disk.vhd", readFileSync(made));
    await item(page, "disk.vhd").waitFor();

    await page.getByRole("button", { name: "From a server" }).click();
    await page.getByRole("dialog").getByLabel("Address").fill(`${playground.url}assets/${servedFile()}`);
    await agree(page, "Make the local image");
    await item(page, "server-layer-1.vhd").waitFor();

    await act(page, "disk.vhd", "Use in a new domain");
    await page.getByRole("navigation").getByRole("button", { name: "Disks" }).click();
    await act(page, "server-layer-1.vhd", "Use in a new domain");
    await bootDebian(page);
    await page.keyboard.type("echo a-$(dd if=/dev/xvdb bs=1 skip=1 count=3 2>/dev/null)-from-there\r");
    await waitForText(page, "\na-asm-from-there");
    await write(page, "before", 0);

    await page.locator(".console-toolbar").getByRole("button", { name: "Disks" }).click();
    await page.getByRole("row", { name: /xvda disk\.vhd .* connected/ }).waitFor();
    await page.getByRole("button", { name: "Actions for xvda" }).click();
    await page.getByRole("menuitem", { name: "Snapshot" }).click();
    await page.getByRole("dialog").getByLabel("Freeze the guest’s file systems meanwhile").check();
    await agree(page, "Take the snapshot");
    await page.getByRole("row", { name: /disk\.vhd, on 1 image/ }).waitFor();
    await write(page, "after", 8);

    await page.getByRole("navigation").getByRole("button", { name: "Disks" }).click();
    await page.getByRole("treeitem", { name: /^disk\.vhd,.* used by debian-cloud as xvda/ }).waitFor();
    await act(page, "disk-snapshot-1.vhd", "Clone");
    await agree(page, "Clone");
    await item(page, "disk-clone-1.vhd").waitFor();
    await assertAccessible(page, "disks in use");
    await picture(page, "disks-in-use");
    const back = await exportTo(page, "disk-clone-1.vhd", join(folder, "back.vhd"));
    // As it is, while the guest's disk stands on it.
    const kept = await exportTo(page, "disk-snapshot-1.vhd", join(folder, "kept.vhd"));

    assert.deepEqual(describeImage(back), describeImage(made));
    for (const path of [back, kept]) {
      const raw = readRaw(path);
      assert.equal(raw.subarray(0, 7).toString(), "before\n");
      const later = raw.subarray(8 * SECTOR_BYTES, 9 * SECTOR_BYTES);
      assert.ok(
        later.every((byte) => byte === 0),
        `${path} holds what was written after the snapshot`,
      );
    }
    assert.deepEqual(await page.getByRole("alert").allTextContents(), []);
    await context.close();
  });
});

const MIB = 2 ** 20;
/** Of zeros, between a MiB at the beginning and one at the end. */
const ZEROS_MIB = 2048;
const HOLD_AT_BYTES = 256 * MIB;
/** Of a file from elsewhere, read at once. */
const PIECE_MAX_BYTES = 4 * MIB;

interface Watched {
  largest: number;
  done: number;
  note(bytes: number): void;
  release(): void;
}

/** In Domain0's worker: notes the most that is read or written at once, and has what reads wait at a place until `release`. */
function watchPieces(holdAt: number): void {
  const watched = globalThis as unknown as Watched;
  watched.largest = 0;
  watched.done = 0;
  const held = new Promise<void>((resolve) => {
    watched.release = resolve;
  });
  watched.note = (bytes) => {
    watched.largest = Math.max(watched.largest, bytes);
  };
  const { arrayBuffer, text, stream } = Blob.prototype;
  Object.assign(Blob.prototype, {
    async arrayBuffer(this: Blob) {
      watched.note(this.size);
      watched.done += this.size;
      if (watched.done > holdAt) await held;
      return arrayBuffer.call(this);
    },
    text(this: Blob) {
      watched.note(this.size);
      return text.call(this);
    },
    stream(this: Blob) {
      watched.note(this.size);
      return stream.call(this);
    },
  });
  type Access = Record<"read" | "write", (bytes: Uint8Array, options: object) => number>;
  const handles = (globalThis as unknown as { FileSystemSyncAccessHandle: { prototype: Access } })
    .FileSystemSyncAccessHandle.prototype;
  for (const name of ["read", "write"] as const) {
    const move = handles[name];
    handles[name] = function (this: Access, bytes, options) {
      watched.note(bytes.length);
      return move.call(this, bytes, options);
    };
  }
}

/** In the page: bytes that all files of the site have. */
async function storedBytes(): Promise<number> {
  const folders = [await navigator.storage.getDirectory()];
  let bytes = 0;
  for (const folder of folders) {
    for await (const entry of (folder as unknown as { values(): AsyncIterable<FileSystemHandle> }).values()) {
      if (entry.kind === "directory") folders.push(entry as FileSystemDirectoryHandle);
      else bytes += (await (entry as FileSystemFileHandle).getFile()).size;
    }
  }
  return bytes;
}

/** A file of the same contents as the one that is dropped. */
function largeFile(path: string, ends: Uint8Array): string {
  const file = openSync(path, "w");
  for (const mib of [0, ZEROS_MIB + 1]) writeSync(file, ends, 0, MIB, mib * MIB);
  closeSync(file);
  return path;
}

describe("a file of GiBs", () => {
  let context: BrowserContext;
  before(async () => {
    context = await launchProfile(join(folder, "profile"));
  });
  after(() => context?.close());

  it("comes in and goes out in pieces, and leaves nothing when it is cancelled", { timeout: BOOT_MS }, async () => {
    const page = await openDisks(context);
    const domain0 = page.workers().find((worker) => worker.url().includes("domain0"))!;
    await domain0.evaluate(watchPieces, HOLD_AT_BYTES);
    const ends = new Uint8Array(MIB).map((_, at) => (at * 7) >> 8);

    await dropFile(page, "large.raw", ends, ZEROS_MIB);
    const job = page.getByRole("progressbar", { name: "Importing large.raw" });
    await page.getByText(/ MiB of 2\.0 GiB/).waitFor();
    const share = await job.evaluate((bar: HTMLProgressElement) => bar.value);
    assert.ok(share > 0 && share <= HOLD_AT_BYTES / (ZEROS_MIB * MIB), `${share}`);
    await page.getByRole("button", { name: "Cancel: Importing large.raw" }).click();
    await domain0.evaluate(() => (globalThis as unknown as Watched).release());
    await page.getByText("The import of large.raw was cancelled").waitFor({ state: "attached" });
    await job.waitFor({ state: "detached" });
    assert.equal(await item(page, "large.raw").count(), 0);
    assert.ok((await page.evaluate(storedBytes)) < MIB);

    await dropFile(page, "large.raw", ends, ZEROS_MIB);
    await page.getByRole("treeitem", { name: "large.raw, raw, 2.0 GiB" }).waitFor({ timeout: BOOT_MS });
    const back = await exportTo(page, "large.raw", join(folder, "large.vhd"));
    const same = ["compare", "-q", "-f", "vpc", "-F", "raw", back, largeFile(join(folder, "large.raw"), ends)];
    execFileSync("qemu-img", same);
    const largest = await domain0.evaluate(() => (globalThis as unknown as Watched).largest);
    assert.ok(largest > 0 && largest <= PIECE_MAX_BYTES, `${largest} bytes at once`);
    assert.deepEqual(await page.getByRole("alert").allTextContents(), []);
  });
});
