/**
 * Disks in the page, in a real Chromium against the simulated machine, whose images are real ones in memory: the tree
 * by mouse and by keyboard, every action, and what axe-core says in both themes.
 * Run: npx tsx --test tests/e2e/page-disks.e2e.ts
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import type { Page } from "playwright-core";
import { fakePages, type OpenOptions } from "./fake-page.js";
import { assertAccessible, dropFile, picture } from "./page-tools.js";

const MIB = 2 ** 20;

const withPage = fakePages();

/** As in browsers that write no files for pages: only then can a test see the download. */
const withoutFilePicker = (page: Page): Promise<unknown> =>
  page.addInitScript(() => Object.assign(window, { showSaveFilePicker: undefined }));

/** Runs `use` on the disks screen of a fresh page. */
const onDisks = (options: OpenOptions, use: (page: Page) => Promise<void>): Promise<void> =>
  withPage({ ...options, prepare: withoutFilePicker }, async (page) => {
    await page.getByRole("navigation").getByRole("button", { name: "Disks" }).click();
    await use(page);
  });

const item = (page: Page, name: string) => page.getByRole("treeitem", { name: new RegExp(`^${name},`) });
const action = (page: Page, name: string) =>
  page.getByRole("group", { name: /^Actions for/ }).getByRole("button", { name, exact: true });

async function create(page: Page, name: string, size: string): Promise<void> {
  await page.getByRole("button", { name: "Create" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Name").fill(name);
  await dialog.getByLabel("Size").fill(size);
  await dialog.getByRole("button", { name: "Create" }).click();
  await item(page, name).waitFor();
}

/** Chooses an image and one of its actions, and agrees to what is suggested. */
async function act(page: Page, image: string, name: string, agree: string): Promise<void> {
  await item(page, image).locator(".image-row").first().click();
  await action(page, name).click();
  await page.getByRole("dialog").getByRole("button", { name: agree }).click();
}

/** Exports an image in a form of those that are offered; answers the file. */
async function exported(page: Page, name: string, form: string | RegExp): Promise<Uint8Array> {
  await item(page, name).locator(".image-row").first().click();
  await action(page, "Export").click();
  const dialog = page.getByRole("dialog");
  const label = await dialog.getByRole("option", { name: form }).textContent();
  await dialog.getByLabel("As").selectOption(label);
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    dialog.getByRole("button", { name: "Export" }).click(),
  ]);
  return new Uint8Array(await readFile(await download.path()));
}

const AS_IT_IS = /^The file as it is/;

/** What qemu-img makes of a raw image. */
async function qcow2Of(raw: Uint8Array): Promise<Uint8Array> {
  const folder = await mkdtemp(join(tmpdir(), "xenolith-qcow2-"));
  try {
    const paths = [join(folder, "raw"), join(folder, "qcow2")] as const;
    await writeFile(paths[0], raw);
    execFileSync("qemu-img", ["convert", "-f", "raw", "-O", "qcow2", ...paths]);
    return await readFile(paths[1]);
  } finally {
    await rm(folder, { recursive: true });
  }
}

describe("images", () => {
  it("are created, snapshot, cloned, gone back with, merged and deleted with what stands on them", () =>
    onDisks({}, async (page) => {
      await create(page, "disk.vhd", "64 MiB");
      await act(page, "disk.vhd", "Snapshot", "Take the snapshot");
      await item(page, "disk-snapshot-1.vhd")
        .getByRole("treeitem", { name: /^disk\.vhd,/ })
        .waitFor();
      await act(page, "disk-snapshot-1.vhd", "Clone", "Clone");
      await item(page, "disk-snapshot-1.vhd")
        .getByRole("treeitem", { name: /^disk-clone-1\.vhd,/ })
        .waitFor();
      await act(page, "disk.vhd", "Go back", "Go back");
      await act(page, "disk-clone-1.vhd", "Delete", "Delete");
      await item(page, "disk-clone-1.vhd").waitFor({ state: "detached" });
      await act(page, "disk.vhd", "Merge down", "Merge");
      await item(page, "disk-snapshot-1.vhd").waitFor({ state: "detached" });
      await act(page, "disk.vhd", "Check", "Close");
      await act(page, "disk.vhd", "Snapshot", "Take the snapshot");
      await item(page, "disk-snapshot-1.vhd").locator(".image-row").first().click();
      await action(page, "Delete").click();
      await page.getByRole("dialog").getByText("disk.vhd stand on it").waitFor();
      await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
      await page.getByText("No image yet.").waitFor();
    }));

  it("get other names, which those that stand on them know, and parents that came under another name", () =>
    onDisks({}, async (page) => {
      await create(page, "disk.vhd", "64 MiB");
      await act(page, "disk.vhd", "Clone", "Clone");
      await item(page, "disk.vhd").locator(".image-row").first().click();
      await action(page, "Rename").click();
      await page.getByRole("dialog").getByLabel("New name").fill("golden.vhd");
      await page.getByRole("dialog").getByRole("button", { name: "Rename" }).click();
      await item(page, "golden.vhd")
        .getByRole("treeitem", { name: /^disk-clone-1\.vhd,/ })
        .waitFor();
      // The clone's file alone, and its parent's under a third name, as they come from elsewhere.
      const clone = await exported(page, "disk-clone-1.vhd", AS_IT_IS);
      const parent = await exported(page, "golden.vhd", AS_IT_IS);
      await item(page, "golden.vhd").locator(".image-row").first().click();
      await action(page, "Delete").click();
      await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
      await page.getByText("No image yet.").waitFor();
      await dropFile(page, "clone.vhd", clone);
      await dropFile(page, "base.vhd", parent);
      await item(page, "base.vhd").waitFor();
      await act(page, "clone.vhd", "Find its parent", "Use it");
      await item(page, "base.vhd")
        .getByRole("treeitem", { name: /^clone\.vhd,/ })
        .waitFor();
    }));

  it("grow, refuse what is no name or size, and say the next step when something fails", () =>
    onDisks({}, async (page) => {
      await create(page, "disk.vhd", "64 MiB");
      await page.getByRole("button", { name: "Create" }).click();
      const dialog = page.getByRole("dialog");
      await dialog.getByRole("button", { name: "Create" }).click();
      await dialog.getByText("There is an image disk.vhd already.").waitFor();
      await dialog.getByLabel("Name").fill("other.vhd");
      await dialog.getByLabel("Size").fill("much");
      await dialog.getByRole("button", { name: "Create" }).click();
      await dialog.getByText('"much" is no size.').waitFor();
      await page.keyboard.press("Escape");
      await item(page, "disk.vhd").click();
      await action(page, "Resize").click();
      await dialog.getByLabel("Size").fill("1 GiB");
      await dialog.getByRole("button", { name: "Resize" }).click();
      await page.getByRole("treeitem", { name: "disk.vhd, dynamic VHD, 1 GiB" }).waitFor();
      await dropFile(page, "no.vhd", new Uint8Array(1024));
      await page.getByRole("treeitem", { name: /^no\.vhd, cannot be read/ }).waitFor();
      await act(page, "no.vhd", "Check", "Close");
    }));

  it("come in by dropping, and go out in another format", () =>
    onDisks({}, async (page) => {
      const bytes = new Uint8Array(2 * MIB);
      bytes.fill(7, MIB);
      await dropFile(page, "disk.raw", bytes);
      await page.getByRole("treeitem", { name: "disk.raw, raw, 2 MiB" }).waitFor();
      await dropFile(page, "disk.raw", bytes);
      await page.getByRole("treeitem", { name: "disk-2.raw, raw, 2 MiB" }).waitFor();
      await action(page, "Export").click();
      const [download] = await Promise.all([
        page.waitForEvent("download"),
        page.getByRole("dialog").getByRole("button", { name: "Export" }).click(),
      ]);
      assert.equal(download.suggestedFilename(), "disk-2.vhd");
    }));

  it("keep their size, which is shown rounded, when nothing else is asked for", () =>
    onDisks({}, async (page) => {
      await create(page, "odd.vhd", "1537 KiB");
      await act(page, "odd.vhd", "Resize", "Resize");
      await page.getByRole("dialog").waitFor({ state: "detached" });
      assert.equal((await exported(page, "odd.vhd", "Raw, whole")).length, 1537 * 1024);
    }));

  it("are converted: what came as qcow2 can be snapshot then, and holds what it held", () =>
    onDisks({}, async (page) => {
      const raw = new Uint8Array(3 * MIB).map((_, at) => (at >> 12) & 0xff);
      await dropFile(page, "disk.qcow2", await qcow2Of(raw));
      await item(page, "disk.qcow2").locator(".image-row").click();
      await action(page, "Check").waitFor();
      assert.equal(await action(page, "Snapshot").count(), 0);
      await action(page, "Convert").click();
      const dialog = page.getByRole("dialog");
      await dialog.getByLabel("Type").selectOption({ value: "raw" });
      await dialog.getByRole("button", { name: "Convert" }).click();
      await dialog.getByText("A raw image’s name must not end in .vhd.").waitFor();
      await dialog.getByLabel("Type").selectOption({ value: "dynamic" });
      await dialog.getByRole("button", { name: "Convert" }).click();
      await page.getByText("disk.qcow2 converted to disk-copy-1.vhd").waitFor({ state: "attached" });
      await page.getByRole("treeitem", { name: "disk-copy-1.vhd, dynamic VHD, 3 MiB" }).waitFor();
      await act(page, "disk-copy-1.vhd", "Snapshot", "Take the snapshot");
      await item(page, "disk-snapshot-1.vhd").waitFor();
      assert.deepEqual(await exported(page, "disk-copy-1.vhd", "Raw, whole"), raw);
      await item(page, "disk.qcow2").waitFor();
    }));

  it("are repaired, first without loss and then with the loss that is agreed to", () =>
    onDisks({}, async (page) => {
      await create(page, "disk.vhd", "64 MiB");
      const bytes = await exported(page, "disk.vhd", AS_IT_IS);
      const view = new DataView(bytes.buffer);
      // The copy of the footer, and an entry of the block table: beyond the end.
      bytes.fill(0xee, 0, 16);
      view.setUint32(Number(view.getBigUint64(512 + 16)), 0x7fffffff);
      await dropFile(page, "broken.vhd", bytes);
      const dialog = page.getByRole("dialog");
      const safe = dialog.getByRole("button", { name: "Repair without loss" });
      const lossy = dialog.getByRole("button", { name: "Repair, giving up bad blocks" });
      const check = async () => {
        await item(page, "broken.vhd").locator(".image-row").click();
        await action(page, "Check").click();
        await dialog.waitFor();
      };
      await check();
      await lossy.waitFor();
      await assertAccessible(page, "findings");
      await safe.click();
      await page.getByText("broken.vhd: 1 finding mended").waitFor();
      await check();
      assert.equal(await safe.count(), 0);
      await lossy.click();
      await page.getByText("broken.vhd: 1 finding mended").nth(1).waitFor();
      await check();
      await dialog.getByText("broken.vhd is sound").waitFor();
      await dialog.getByRole("button", { name: "Close" }).click();
      const mended = await exported(page, "broken.vhd", "Raw, whole");
      assert.ok(mended.length === 64 * MIB && mended.every((byte) => byte === 0));
    }));

  it("go straight into a file where the browser lets a page write one", () =>
    onDisks({}, async (page) => {
      await dropFile(page, "disk.raw", new Uint8Array(2 * MIB).fill(7));
      await item(page, "disk.raw").waitFor();
      // The site's own files can be written in the same way, and need no window of the browser's to choose one.
      await page.evaluate(() => {
        Object.assign(window, {
          async showSaveFilePicker() {
            return (await navigator.storage.getDirectory()).getFileHandle("saved", { create: true });
          },
        });
      });
      await action(page, "Export").click();
      await page.getByRole("dialog").getByLabel("As").selectOption("The file as it is");
      await page.getByRole("dialog").getByRole("button", { name: "Export" }).click();
      await page.getByText("disk.raw exported").waitFor({ state: "attached" });
      const saved = await page.evaluate(async () => {
        const handle = await (await navigator.storage.getDirectory()).getFileHandle("saved");
        const bytes = new Uint8Array(await (await handle.getFile()).arrayBuffer());
        return { size: bytes.length, right: bytes.every((byte) => byte === 7) };
      });
      assert.deepEqual(saved, { size: 2 * MIB, right: true });
    }));

  it("are a tree for the keyboard", () =>
    onDisks({}, async (page) => {
      await create(page, "disk.vhd", "64 MiB");
      await act(page, "disk.vhd", "Snapshot", "Take the snapshot");
      const parent = item(page, "disk-snapshot-1.vhd");
      await parent.waitFor();
      const focused = () =>
        page.evaluate(
          () => (document.activeElement as HTMLElement).dataset.name ?? document.activeElement?.textContent,
        );
      await parent.focus();
      await page.keyboard.press("ArrowDown");
      assert.equal(await focused(), "disk.vhd");
      await page.keyboard.press("ArrowLeft");
      assert.equal(await focused(), "disk-snapshot-1.vhd");
      await page.keyboard.press("ArrowLeft");
      assert.equal(await parent.getAttribute("aria-expanded"), "false");
      await page.keyboard.press("ArrowRight");
      await page.keyboard.press("End");
      assert.equal(await focused(), "disk.vhd");
      await page.keyboard.press("Enter");
      assert.equal(await focused(), "Snapshot");
      await page.keyboard.press("Enter");
      await page.getByRole("dialog").waitFor();
    }));

  it("need files of the site: without, the screen says what is missing and what works", () =>
    onDisks({ query: "&lack=originFiles" }, async (page) => {
      await page.getByText("it has no origin private file system").waitFor();
      await page.getByText("Guests run all the same").waitFor();
      await assertAccessible(page, "no files");
    }));
});

describe("disks of a domain", () => {
  it("are given at its start, listed, attached, snapshot, cloned beside it and detached", () =>
    onDisks({}, async (page) => {
      await create(page, "disk.vhd", "64 MiB");
      await create(page, "second.vhd", "64 MiB");
      await create(page, "third.vhd", "64 MiB");
      await item(page, "disk.vhd").click();
      await action(page, "Use in a new domain").click();
      await page.getByText("1 disk").waitFor();
      await page.getByRole("button", { name: "Boot Debian" }).click();
      await page.getByRole("tab", { name: "debian-cloud" }).waitFor();
      await page.getByRole("button", { name: "Disks", exact: true }).last().click();
      await page.getByRole("row", { name: /xvda disk\.vhd 64 MiB connected/ }).waitFor();
      await page.getByRole("button", { name: "Attach a disk" }).click();
      const dialog = page.getByRole("dialog");
      await dialog.getByLabel("Image").selectOption("second.vhd");
      assert.equal(await dialog.getByLabel("Name in the guest").inputValue(), "xvdb");
      await dialog.getByLabel("As a CD-ROM").check();
      await dialog.getByRole("button", { name: "Attach" }).click();
      const second = page.getByRole("row", { name: /xvdb second\.vhd/ });
      await second.waitFor();
      await assertAccessible(page, "disks of a domain");
      await picture(page, "guest-disks");
      await page.getByRole("button", { name: "Actions for xvdb" }).click();
      await page.getByRole("menuitem", { name: "Eject" }).click();
      await page.getByRole("row", { name: /xvdb empty drive/ }).waitFor();
      const insert = async (how: string, image: string) => {
        await page.getByRole("button", { name: "Actions for xvdb" }).click();
        await page.getByRole("menuitem", { name: how }).click();
        await dialog.getByLabel("Image").selectOption(image);
        await dialog.getByRole("button", { name: "Insert" }).click();
        await page.getByRole("row", { name: new RegExp(`xvdb ${image}`) }).waitFor();
      };
      await insert("Insert a medium", "third.vhd");
      await insert("Change the medium", "second.vhd");
      await page.getByRole("button", { name: "Actions for xvdb" }).click();
      await page.getByRole("menuitem", { name: "Detach" }).click();
      await page.getByRole("row", { name: /xvdb/ }).waitFor({ state: "detached" });
      await page.getByRole("button", { name: "Actions for xvda" }).click();
      await page.getByRole("menuitem", { name: "Start a clone beside it" }).click();
      await page.getByRole("tab", { name: "debian-cloud-2", selected: true }).waitFor();
      await page.getByRole("navigation").getByRole("button", { name: "Disks" }).click();
      await page.getByRole("treeitem", { name: /^disk-clone-1\.vhd.*used by debian-cloud-2 as xvda/ }).waitFor();
      await item(page, "disk-clone-1.vhd").locator(".image-row").first().click();
      await action(page, "Delete").click();
      await page.getByRole("alert").getByText("Detach the disk, or shut the domain down first.").waitFor();
    }));
});

describe("what the disks screen looks like", () => {
  for (const colorScheme of ["light", "dark"] as const) {
    it(`has no axe-core violation, ${colorScheme}`, () =>
      onDisks({ colorScheme }, async (page) => {
        await assertAccessible(page, "no image");
        await create(page, "disk.vhd", "64 MiB");
        await act(page, "disk.vhd", "Snapshot", "Take the snapshot");
        await act(page, "disk-snapshot-1.vhd", "Clone", "Clone");
        await create(page, "another.vhd", "10 GiB");
        await item(page, "disk-clone-1.vhd").locator(".image-row").first().click();
        await assertAccessible(page, "images");
        await picture(page, `disks-${colorScheme}`);
        await page.getByRole("button", { name: "Create" }).click();
        await assertAccessible(page, "form");
        await picture(page, `disks-form-${colorScheme}`);
        await page.keyboard.press("Escape");
        await page.getByRole("navigation").getByRole("button", { name: "New domain" }).click();
        await page.getByText("Kernel, processors, memory, disks and network").click();
        await page.getByRole("button", { name: "Image of this browser" }).click();
        await page.getByRole("dialog").getByRole("button", { name: "Add" }).click();
        await assertAccessible(page, "disks of a new domain");
        await picture(page, `disks-new-domain-${colorScheme}`);
      }));
  }

  it("fits a phone", () =>
    onDisks({ width: 360 }, async (page) => {
      await create(page, "a-rather-long-name-of-an-image.vhd", "64 MiB");
      await act(page, "a-rather-long-name-of-an-image.vhd", "Snapshot", "Take the snapshot");
      await item(page, "a-rather-long-name-of-an-image-snapshot-1.vhd").waitFor();
      assert.equal(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth), 0);
      await picture(page, "disks-phone");
    }));
});
