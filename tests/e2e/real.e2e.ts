/**
 * The whole thing in a real Chromium: the production page behind the playground's own program, Debian's kernel on the
 * real hypervisor. Needs a build (npm run build). Run: npx tsx --test tests/e2e/real.e2e.ts
 */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { Browser, Page } from "playwright-core";
import { launchBrowser } from "./browser.js";
import type { LoopbackSite } from "./loopback.js";
import { startPlainSite } from "./plain-site.js";
import { PREPARE_MS, startPlayground } from "./playground.js";
import type { Program } from "./program.js";
import { BOOT_MS, bootDebian, STEP_MS, waitForText } from "./real-page.js";
import { assertBothRun, BE_BUSY_TWICE, BUSY, REST, RESTED } from "./two-processors.js";

let browser: Browser;
let playground: Program;
let plainSite: LoopbackSite;

before(async () => {
  playground = await startPlayground();
  plainSite = await startPlainSite(playground.url);
  browser = await launchBrowser();
});

after(async () => {
  await browser?.close();
  plainSite?.close();
  await playground?.close();
});

interface Life {
  readonly name: string;
  readonly vcpus: number;
  /** What the page says of the machine's threads. */
  readonly threads: string;
}

/** Boots Debian in a page that was just opened, types at its shell, pauses it, and has it power off. */
async function liveThrough(page: Page, { name, vcpus, threads }: Life): Promise<void> {
  await bootDebian(page, name);
  await page.keyboard.type("echo cpus=$(nproc) on $(uname -m)\r");
  await waitForText(page, `cpus=${vcpus} on x86_64`);
  await page.getByText(threads, { exact: true }).waitFor({ timeout: STEP_MS });
  await page.getByRole("button", { name: `Pause ${name}` }).click();
  await page.locator(".state", { hasText: "paused" }).waitFor({ timeout: STEP_MS });
  await page.getByRole("button", { name: `Resume ${name}` }).click();
  await page.getByRole("button", { name: `Shut down ${name}` }).click();
  await page.getByText(`${name} is gone.`).waitFor({ timeout: STEP_MS });
}

describe("Debian in a tab", () => {
  // Both kernels, at both ends of what they are given.
  for (const { flavour, vcpus, mem } of [
    { flavour: "cloud", vcpus: 1, mem: 128 },
    { flavour: "cloud", vcpus: 4, mem: 4096 },
    { flavour: "full", vcpus: 4, mem: 128 },
    { flavour: "full", vcpus: 1, mem: 4096 },
  ]) {
    const name = `debian-${flavour}`;
    const what = `the ${flavour} kernel boots to a shell with ${vcpus} vCPU and ${mem} MiB, and powers off`;
    it(what, { timeout: PREPARE_MS + BOOT_MS }, async () => {
      const page = await browser.newPage();
      await page.goto(`${playground.url}?flavour=${flavour}&vcpus=${vcpus}&mem=${mem}`);
      await liveThrough(page, { name, vcpus, threads: "one for each pCPU" });
      await page.close();
    });
  }

  it("runs two vCPUs at the same time, on two pCPUs", { timeout: PREPARE_MS + BOOT_MS }, async () => {
    const page = await browser.newPage();
    await page.goto(`${playground.url}?vcpus=2&mem=256`);
    await bootDebian(page);
    await page.keyboard.type(`${BE_BUSY_TWICE}\r`);
    await waitForText(page, BUSY);
    await assertBothRun((expression) => page.evaluate(expression));
    await page.keyboard.type(`${REST}\r`);
    await waitForText(page, RESTED);
    await page.close();
  });

  it("does so in one thread where the page is not isolated", { timeout: PREPARE_MS + BOOT_MS }, async () => {
    const page = await browser.newPage();
    await page.goto(`${plainSite.url}?vcpus=2&mem=256`);
    assert.deepEqual(await page.evaluate(() => [crossOriginIsolated, typeof SharedArrayBuffer]), [false, "undefined"]);
    await page.getByText("One thread: this page is not isolated").waitFor({ timeout: STEP_MS });
    await liveThrough(page, { name: "debian-cloud", vcpus: 2, threads: "one: this page is not isolated" });
    // One worker: Domain0's.
    assert.equal(page.workers().length, 1);
    await page.close();
  });
});
