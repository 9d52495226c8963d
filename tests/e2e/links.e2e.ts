/**
 * Two browsers on one network: a page in each boots Debian on the real hypervisor, both join a network at `xl switch`, and
 * the guests hear each other. Needs a build (npm run build). Run: npx tsx --test tests/e2e/links.e2e.ts
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import type { Browser, Page } from "playwright-core";
import { launchBrowser } from "./browser.js";
import { picture, waitForText } from "./page-tools.js";
import { type Playground, PREPARE_MS, startPlayground } from "./playground.js";

const XL = fileURLToPath(new URL("../../dist/xl.js", import.meta.url));
const BOOT_MS = 300_000;
const STEP_MS = 60_000;

let browser: Browser;
let playground: Playground;
let switchProgram: ChildProcess;
let switchUrl: string;

before(async () => {
  playground = await startPlayground();
  switchProgram = spawn(process.execPath, [XL, "switch", "--port", "0"], { stdio: ["ignore", "ignore", "pipe"] });
  switchUrl = await addressOf(switchProgram);
  browser = await launchBrowser();
});

after(async () => {
  await browser?.close();
  if (switchProgram?.exitCode === null) {
    switchProgram.kill("SIGTERM");
    await once(switchProgram, "exit");
  }
  await playground?.close();
});

/** What it says that pages are to join. */
function addressOf(program: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    program.stderr!.on("data", (chunk) => {
      text += chunk;
      const found = /join=(ws:\S+)/.exec(text);
      if (found) resolve(found[1]!);
    });
    program.once("exit", (code) => reject(new Error(`the switch ended (${code}) without an address:\n${text}`)));
  });
}

/** A page in a browser of its own, whose guest has an address on the network. */
async function join(address: string): Promise<Page> {
  const page = await (await browser.newContext()).newPage();
  await page.goto(`${playground.url}?mem=128&autostart=1&join=${encodeURIComponent(switchUrl)}`);
  await page.getByRole("tab", { name: "debian-cloud" }).waitFor({ timeout: PREPARE_MS });
  await waitForText(page, "xenolith:", BOOT_MS);
  await page.keyboard.type(`ip addr add ${address}/24 dev eth0 && echo has=$((40 + 2))\r`);
  await waitForText(page, "has=42", STEP_MS);
  return page;
}

describe("two pages that join one network", () => {
  it("have guests that hear each other", { timeout: PREPARE_MS + BOOT_MS }, async () => {
    const [near, far] = await Promise.all([join("192.0.2.1"), join("192.0.2.2")]);
    await far.keyboard.type("ping -c 3 -W 5 192.0.2.1 >/dev/null; echo missed=$?.\r");
    await waitForText(far, "missed=0.", STEP_MS);
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
    await waitForText(far, "apart=1.", STEP_MS);
    assert.equal(await near.getByRole("alert").count(), 0);
  });
});
