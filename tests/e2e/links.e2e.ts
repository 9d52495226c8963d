/**
 * Two browsers on one network: a page in each boots Debian on the real hypervisor, both join a network at `xl switch`, and
 * the guests hear each other. Needs a build (npm run build). Run: npx tsx --test tests/e2e/links.e2e.ts
 */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { Browser, Page } from "playwright-core";
import { launchBrowser } from "./browser.js";
import { picture } from "./page-tools.js";
import { PREPARE_MS, startPlayground } from "./playground.js";
import { type Program, startProgram } from "./program.js";
import { BOOT_MS, STEP_MS, waitForText } from "./real-page.js";

let browser: Browser;
let playground: Program;
let meeting: Program;

before(async () => {
  playground = await startPlayground();
  // The address that it tells pages to join.
  meeting = await startProgram("xl.js", ["switch", "--port", "0"], /(?<=join=)ws:\S+/);
  browser = await launchBrowser();
});

after(async () => {
  await browser?.close();
  await meeting?.close();
  await playground?.close();
});

/** A page in a browser of its own, whose guest has an address on the network. */
async function join(address: string): Promise<Page> {
  const page = await (await browser.newContext()).newPage();
  await page.goto(`${playground.url}?mem=128&autostart=1&join=${encodeURIComponent(meeting.url)}`);
  await page.getByRole("tab", { name: "debian-cloud" }).waitFor({ timeout: PREPARE_MS });
  await waitForText(page, "xenolith:", BOOT_MS);
  await page.keyboard.type(`ip addr add ${address}/24 dev eth0 && echo has=$((40 + 2))\r`);
  await waitForText(page, "has=42");
  return page;
}

describe("two pages that join one network", () => {
  it("have guests that hear each other", { timeout: PREPARE_MS + BOOT_MS }, async () => {
    const [near, far] = await Promise.all([join("192.0.2.1"), join("192.0.2.2")]);
    await far.keyboard.type("ping -c 3 -W 5 192.0.2.1 >/dev/null; echo missed=$?.\r");
    await waitForText(far, "missed=0.");
    for (const page of [near, far]) {
      await page.getByRole("navigation").getByRole("button", { name: "Networks" }).click();
      const link = page.getByRole("table", { name: /^Joined with/ }).getByRole("row", { name: /^1 xl switch, .* up / });
      await link.waitFor({ timeout: STEP_MS });
      await page.getByRole("cell", { name: "icmp", exact: true }).waitFor({ timeout: STEP_MS });
    }
    await picture(near, "two-pages");
    await far.getByRole("button", { name: "Leave link 1 of lab" }).click();
    await far.getByRole("table", { name: /^Joined with/ }).waitFor({ state: "detached", timeout: STEP_MS });
    await far.getByRole("navigation").getByRole("button", { name: "Consoles" }).click();
    await far.locator(".console-panel:not([hidden]) .xterm").click();
    await far.keyboard.type("ping -c 1 -W 1 192.0.2.1 >/dev/null; echo apart=$?.\r");
    await waitForText(far, "apart=1.");
    assert.equal(await near.getByRole("alert").count(), 0);
  });
});
