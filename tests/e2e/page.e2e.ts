/**
 * The page in a real Chromium, against the simulated machine: what a person does with mouse and with keyboard alone,
 * and what axe-core says of every screen in both themes. Run: npx tsx --test tests/e2e/page.e2e.ts
 * XENOLITH_SCREENSHOTS=DIR keeps a picture of each screen.
 */
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import type { Page } from "playwright-core";
import { fakePages, TIMEOUT_MS } from "./fake-page.js";
import { assertAccessible, picture } from "./page-tools.js";

const withPage = fakePages();

/** The text of the shown terminal, without xterm's padding. */
function screenText(page: Page): Promise<string> {
  return page.evaluate(() => {
    const rows = document.querySelectorAll(".console-panel:not([hidden]) .screen:not([hidden]) .xterm-rows > div");
    return [...rows].map((row) => row.textContent?.trimEnd() ?? "").join("\n");
  });
}

/** What the page says of its layers. */
async function layersOf(page: Page): Promise<string> {
  const figure = page.getByRole("region", { name: "What runs here" });
  return (await figure.getByRole("listitem").allTextContents()).join("\n");
}

async function waitForText(page: Page, text: string): Promise<void> {
  const deadline = Date.now() + TIMEOUT_MS;
  while (!(await screenText(page)).includes(text)) {
    assert.ok(Date.now() < deadline, `"${text}" did not appear on the console:\n${await screenText(page)}`);
    await page.waitForTimeout(50);
  }
}

async function bootDebian(page: Page): Promise<void> {
  await page.getByRole("button", { name: "Boot Debian" }).click();
  await waitForText(page, "~ #");
}

/** What has the keyboard, in a screen reader's words. */
function focusName(page: Page): Promise<string> {
  return page.evaluate(() => {
    const element = document.activeElement;
    if (element === null || element === document.body) return "";
    return element.getAttribute("aria-label") ?? element.textContent?.trim() ?? "";
  });
}

async function tabTo(page: Page, name: string): Promise<void> {
  for (let presses = 0; presses < 40; presses++) {
    await page.keyboard.press("Tab");
    if ((await focusName(page)).includes(name)) return;
  }
  assert.fail(`Tab never reached "${name}"`);
}

describe("booting", () => {
  it("boots Debian on one click, shows the download, then the console with the keyboard in it", () =>
    withPage({}, async (page) => {
      assert.equal(await page.evaluate(() => crossOriginIsolated), true);
      const figures: string[] = [];
      await page.exposeFunction("note", (text: string) => figures.push(text));
      await page.evaluate(() => {
        const note = (globalThis as unknown as { note(text: string): void }).note;
        new MutationObserver(() => note(document.querySelector(".launch-figures")?.textContent ?? "")).observe(
          document.body,
          { childList: true, subtree: true, characterData: true },
        );
      });
      await bootDebian(page);
      assert.ok(
        figures.some((text) => text.endsWith("of 15.7 MiB")),
        figures.slice(0, 5).join(" | "),
      );
      await page.keyboard.type("echo hello from the guest\r");
      await waitForText(page, "\nhello from the guest");
    }));

  it("gives the guest what was chosen", () =>
    withPage({}, async (page) => {
      await page.getByText("Kernel, processors, memory, disks and network").click();
      await page.getByLabel("vCPUs").fill("4");
      await page.getByLabel("Kernel command line").fill("console=hvc0 quiet");
      await bootDebian(page);
      await page.keyboard.type("nproc\rcat /proc/cmdline\r");
      await waitForText(page, "\n4\n");
      await waitForText(page, "\nconsole=hvc0 quiet");
    }));

  it("says so when another guest stands in for the one asked for", () =>
    withPage({}, async (page) => {
      await page.getByText("Kernel, processors, memory, disks and network").click();
      await page.getByLabel("Full kernel").check();
      await bootDebian(page);
      await page.getByRole("tab", { name: "embedded" }).waitFor();
      await page.getByText("no package source can be reached").waitFor();
    }));

  it("takes links: parameters, autostart, a kernel by address", () =>
    withPage({ query: "&vcpus=2&mem=512&autostart=1&kernel=icon.svg" }, async (page) => {
      await waitForText(page, "~ #");
      await page.keyboard.type("nproc\rfree\r");
      await waitForText(page, "Mem: 524288 KiB");
      await page.getByRole("tab", { name: "icon.svg" }).waitFor();
    }));

  it("boots a kernel and an initramfs dropped on the page", () =>
    withPage({}, async (page) => {
      await page.evaluate(() => {
        const transfer = new DataTransfer();
        transfer.items.add(new File([new Uint8Array([0x1f, 0x8b, 8, 0])], "rootfs.gz"));
        transfer.items.add(new File([new Uint8Array([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0])], "my-unikernel"));
        window.dispatchEvent(new DragEvent("dragenter", { dataTransfer: transfer, bubbles: true, cancelable: true }));
        window.dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true }));
      });
      await page.getByText("Taken: kernel my-unikernel, initramfs rootfs.gz.").waitFor();
      await page.keyboard.press("Enter");
      await page.getByRole("tab", { name: "my-unikernel" }).waitFor();
    }));

  it("says kindly what is wrong with a kernel", () =>
    withPage({}, async (page) => {
      const folder = await mkdtemp(join(tmpdir(), "xenolith-bad-"));
      const bad = join(folder, "bad.bin");
      await writeFile(bad, "no");
      await page.getByLabel("Kernel", { exact: true }).setInputFiles(bad);
      await page.getByRole("button", { name: "Boot this kernel" }).click();
      const alert = page.getByRole("alert");
      await alert.getByText("This kernel cannot be booted").waitFor();
      await alert.getByText("PVH note (CONFIG_PVH=y)").waitFor();
      await rm(folder, { recursive: true });
    }));
});

describe("a running domain", () => {
  it("pauses, resumes, reboots on the same tab and is destroyed after a question", () =>
    withPage({}, async (page) => {
      await bootDebian(page);
      await page.getByRole("button", { name: "Pause debian-cloud" }).click();
      await page.locator(".state", { hasText: "paused" }).waitFor();
      await page.getByRole("button", { name: "Resume debian-cloud" }).click();
      await page.locator(".state", { hasText: "idle" }).waitFor();
      await page.getByRole("button", { name: "More actions for debian-cloud" }).click();
      await page.getByRole("menuitem", { name: "Reboot" }).click();
      await waitForText(page, "restarted as domain 2");
      assert.equal(await page.getByRole("tab").count(), 1);
      await page.getByRole("button", { name: "More actions for debian-cloud" }).click();
      await page.getByRole("menuitem", { name: "Destroy" }).click();
      await page.getByRole("dialog").getByRole("button", { name: "Destroy" }).click();
      await page.getByText("debian-cloud is gone.").waitFor();
      await page.getByRole("button", { name: "Close this tab" }).click();
      await page.getByText("No domain is running.").waitFor();
    }));

  it("keeps a crashed guest's console and says so", () =>
    withPage({}, async (page) => {
      await bootDebian(page);
      await page.keyboard.type("panic\r");
      await page.getByRole("alert").getByText("debian-cloud crashed").waitFor();
      await waitForText(page, "Kernel panic");
      await page.locator(".state", { hasText: "crashed" }).waitFor();
    }));

  it("runs beside another, each with its console", () =>
    withPage({}, async (page) => {
      await bootDebian(page);
      await page.keyboard.type("echo first\r");
      await page.getByRole("complementary").getByRole("button", { name: "New domain" }).click();
      await page.getByRole("button", { name: "Boot Debian" }).click();
      await page.getByRole("tab", { name: "debian-cloud-2", selected: true }).waitFor();
      await waitForText(page, "~ #");
      assert.ok(!(await screenText(page)).includes("echo first"));
      await page.getByRole("tab", { name: "debian-cloud", exact: true }).click();
      await waitForText(page, "echo first");
      assert.equal(await page.locator(".domain").count(), 2);
    }));

  it("follows the window's size and the font's", () =>
    withPage({}, async (page) => {
      await bootDebian(page);
      const rows = async (): Promise<number> => {
        await page.keyboard.type("stty size\r");
        await page.waitForTimeout(200);
        return Number(/\n(\d+) \d+\n[^\n]*$/.exec((await screenText(page)).trimEnd())?.[1]);
      };
      const before = await rows();
      await page.setViewportSize({ width: 1280, height: 600 });
      await page.waitForTimeout(200);
      const smaller = await rows();
      assert.ok(smaller < before, `${smaller} < ${before}`);
      await page.getByRole("button", { name: "Larger text" }).click({ clickCount: 4 });
      await page.locator(".xterm-helper-textarea").first().focus();
      assert.ok((await rows()) < smaller);
    }));

  it("searches, copies and pastes", () =>
    withPage({}, async (page) => {
      await bootDebian(page);
      await page.keyboard.press("Control+Shift+F");
      await page.keyboard.type("Hypervisor detected");
      await page.getByText("1 of 1").waitFor();
      await page.keyboard.press("Escape");
      await page.keyboard.type("echo copied-word\r");
      await waitForText(page, "\ncopied-word");
      // The words lie under xterm's own layer, which takes the pointer.
      const word = await page.locator(".xterm-rows span", { hasText: /^copied-word$/ }).boundingBox();
      await page.mouse.dblclick(word!.x + 12, word!.y + 6);
      await page.keyboard.press("Control+Shift+C");
      await page.waitForTimeout(100);
      assert.equal(await page.evaluate(() => navigator.clipboard.readText()), "copied-word");
      await page.evaluate(() => navigator.clipboard.writeText("echo pasted"));
      await page.keyboard.press("Control+Shift+V");
      await page.keyboard.press("Enter");
      await waitForText(page, "\npasted");
    }));

  it("asks before leaving only while it runs", () =>
    withPage({}, async (page) => {
      let asked = 0;
      page.on("dialog", (dialog) => {
        asked++;
        void dialog.accept();
      });
      await page.reload();
      assert.equal(asked, 0);
      await bootDebian(page);
      await page.reload();
      assert.equal(asked, 1);
    }));

  it("shows xenstore live and the hypervisor's log", () =>
    withPage({}, async (page) => {
      await bootDebian(page);
      await page.getByRole("button", { name: "XenStore" }).click();
      const key = (name: RegExp) => page.getByRole("treeitem", { name });
      await key(/^1$/).first().click();
      await key(/^name: debian-cloud$/).waitFor();
      await page.getByRole("button", { name: "Shut down debian-cloud" }).click();
      await page.locator('[role="treeitem"][aria-label="1"]').waitFor({ state: "detached" });
      await page.getByRole("button", { name: "Hypervisor log" }).click();
      await page.getByText("d1 destroyed").waitFor();
    }));
});

describe("the keyboard alone", () => {
  it("boots, works in the guest, leaves the console and acts on the domain", () =>
    withPage({}, async (page) => {
      await tabTo(page, "Boot Debian");
      await page.keyboard.press("Enter");
      await waitForText(page, "~ #");
      await page.keyboard.type("echo typed\r");
      await waitForText(page, "\ntyped");
      await page.keyboard.press("Tab");
      assert.match(await focusName(page), /console of debian-cloud/);
      await page.keyboard.press("Control+Shift+Enter");
      assert.match(await focusName(page), /Enter goes in/);
      await page.keyboard.press("Enter");
      await page.keyboard.type("echo again\r");
      await waitForText(page, "\nagain");
      await page.keyboard.press("Control+Shift+Enter");
      await tabTo(page, "Pause debian-cloud");
      await page.keyboard.press("Space");
      await page.locator(".state", { hasText: "paused" }).waitFor();
      await tabTo(page, "More actions");
      await page.keyboard.press("ArrowDown");
      assert.equal(await focusName(page), "Reboot");
      await page.keyboard.press("Escape");
      assert.match(await focusName(page), /More actions/);
    }));

  it("starts with a link over the bar, and shows where it is", () =>
    withPage({}, async (page) => {
      await page.keyboard.press("Tab");
      assert.equal(await focusName(page), "Skip to the content");
      await page.keyboard.press("Enter");
      assert.equal(await focusName(page), "A Linux machine in this tab");
      await page.keyboard.press("Tab");
      const outline = await page.evaluate(() => getComputedStyle(document.activeElement!).outlineStyle);
      assert.equal(outline, "solid");
    }));
});

describe("what the page says and looks like", () => {
  for (const colorScheme of ["light", "dark"] as const) {
    it(`has no axe-core violation on any screen, ${colorScheme}`, () =>
      withPage({ colorScheme }, async (page) => {
        await page.getByText("Kernel, processors, memory, disks and network").click();
        await assertAccessible(page, "first screen");
        await picture(page, `first-${colorScheme}`);
        await bootDebian(page);
        await page.locator(".domain").getByText("Processors").click();
        await page.getByRole("table", { name: /^Compiled code: / }).waitFor();
        await assertAccessible(page, "console");
        await page.locator(".console-panel:not([hidden]) .xterm").click();
        await page.keyboard.press("Control+Shift+F");
        await page.keyboard.type("xen");
        await assertAccessible(page, "search");
        await picture(page, `console-${colorScheme}`);
        await page.getByRole("button", { name: "More actions" }).click();
        await assertAccessible(page, "menu");
        await picture(page, `menu-${colorScheme}`);
        await page.keyboard.press("Escape");
        for (const name of ["XenStore", "Hypervisor log", "New domain"]) {
          await page.getByRole("navigation").getByRole("button", { name }).click();
          await page.waitForTimeout(150);
          await assertAccessible(page, name);
          await picture(page, `${name.toLowerCase().replaceAll(" ", "-")}-${colorScheme}`);
        }
      }));
  }

  it("has no axe-core violation on a phone, and nothing wider than it", () =>
    withPage({ width: 360, height: 740 }, async (page) => {
      await assertAccessible(page, "first screen");
      const overflow = () => page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.equal(await overflow(), 0);
      await bootDebian(page);
      await assertAccessible(page, "console");
      assert.equal(await overflow(), 0);
      await picture(page, "phone-console");
    }));

  it("remembers the theme and the screen reader switch", () =>
    withPage({ colorScheme: "dark" }, async (page) => {
      const ground = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
      const dark = await ground();
      await page.getByRole("button", { name: "Colours: as the system" }).click();
      const light = await ground();
      assert.notEqual(light, dark);
      await page.reload();
      await page.getByRole("button", { name: "Colours: light" }).waitFor();
      assert.equal(await ground(), light);
      await bootDebian(page);
      const reader = page.getByRole("button", { name: "Screen reader" });
      assert.equal(await reader.getAttribute("aria-pressed"), "true");
      await reader.click();
      assert.equal(await reader.getAttribute("aria-pressed"), "false");
      assert.match(
        (await page.evaluate(() => localStorage.getItem("xenolith.settings"))) ?? "",
        /"screenReader":false/,
      );
    }));

  it("says what a browser lacks", () =>
    withPage({ query: "&lack=wasmSimd" }, async (page) => {
      await page.getByRole("row", { name: /WebAssembly SIMD.*91.*89.*16\.4/ }).waitFor();
      await assertAccessible(page, "requirements");
      await picture(page, "requirements");
    }));

  it("says what runs here", () =>
    withPage({}, async (page) => {
      const layers = await layersOf(page);
      assert.match(layers, /one block of shared memory/);
      assert.match(layers, /Workers that run guest code/);
    }));

  it("says that a page that is not isolated has one thread, and how to isolate it", () =>
    withPage({ query: "&lack=crossOriginIsolated" }, async (page) => {
      await page.getByText("One thread: this page is not isolated").waitFor();
      await page.getByText("Cross-Origin-Embedder-Policy: require-corp").waitFor();
      const layers = await layersOf(page);
      assert.match(layers, /one worker, whose memory/);
      assert.match(layers, /in the same thread/);
      assert.doesNotMatch(layers, /shared|Workers/);
      await assertAccessible(page, "one thread");
      await picture(page, "one-thread");
    }));

  it("is a console with a slim bar when embedded", () =>
    withPage({ query: "&embed=1&autostart=1" }, async (page) => {
      await waitForText(page, "~ #");
      assert.equal(await page.getByRole("complementary").count(), 0);
      await page.getByRole("button", { name: "Pause" }).click();
      await page.getByText("debian-cloud, paused").waitFor();
      await assertAccessible(page, "embedded");
      await picture(page, "embed");
    }));
});
