/**
 * A disk's way through the page in a real Chromium: made by qemu-img, dropped on the page, written to by Debian on the
 * real hypervisor beside a disk on a web server, snapshot under it, cloned, exported, and read by qemu-img again. Needs a build (npm run build).
 * Run: npx tsx --test tests/e2e/real-disks.e2e.ts
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { Browser, Page } from "playwright-core";
import { launchBrowser } from "./browser.js";
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

describe("a disk in a tab", () => {
  it("comes from qemu-img, is used, snapshot and cloned under its guest, and goes back", {
    timeout: PREPARE_MS + BOOT_MS,
  }, async () => {
    const made = join(folder, "disk.vhd");
    execFileSync("qemu-img", ["create", "-q", "-f", "vpc", made, "64M"]);
    const context = await browser.newContext();
    await context.addInitScript(() => Object.assign(window, { showSaveFilePicker: undefined }));
    const page = await context.newPage();
    page.setDefaultTimeout(STEP_MS);
    await page.goto(`${playground.url}?mem=128`);
    await page.getByRole("navigation").getByRole("button", { name: "Disks" }).click();
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
