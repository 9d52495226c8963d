/**
 * The whole thing in a real Chromium: the production page behind the playground's own program, Debian's kernel on the
 * real hypervisor. Needs a build (npm run build). Run: npx tsx --test tests/e2e/real.e2e.ts
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import type { Browser, Page } from "playwright-core";
import { launchBrowser } from "./browser.js";

const PROGRAM = fileURLToPath(new URL("../../dist/playground.js", import.meta.url));
/** Fetching and unpacking Debian's packages the first time. */
const PREPARE_MS = 300_000;
const BOOT_MS = 300_000;
const STEP_MS = 60_000;

let browser: Browser;
let server: ChildProcess;
let url: string;

before(async () => {
  assert.ok(existsSync(PROGRAM), "dist/playground.js is missing: run npm run build");
  server = spawn(process.execPath, [PROGRAM, "--port", "0", "--no-open"], { stdio: ["ignore", "pipe", "inherit"] });
  url = await addressOf(server);
  browser = await launchBrowser();
});

after(async () => {
  await browser?.close();
  if (server && server.exitCode === null) {
    server.kill("SIGTERM");
    await once(server, "exit");
  }
});

/** The address the playground prints first. Its output is read to the end: a closed pipe would end the server. */
function addressOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    child.stdout!.on("data", (chunk) => {
      text += chunk;
      const found = /http:\/\/\S+/.exec(text);
      if (found) resolve(found[0]);
    });
    child.once("exit", (code) => reject(new Error(`the playground ended (${code}) without an address:\n${text}`)));
  });
}

async function waitForText(page: Page, text: string, timeoutMs: number): Promise<void> {
  const read = () =>
    page.evaluate(() => {
      const rows = document.querySelectorAll(".console-panel:not([hidden]) .screen:not([hidden]) .xterm-rows > div");
      return [...rows].map((row) => row.textContent?.trimEnd() ?? "").join("\n");
    });
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const screen = await read();
    if (screen.includes(text)) return;
    const alert = await page.getByRole("alert").allTextContents();
    assert.ok(Date.now() < deadline && alert.length === 0, `no "${text}"; alerts: ${alert.join("; ")}\n${screen}`);
    await page.waitForTimeout(200);
  }
}

describe("Debian in a tab", () => {
  for (const vcpus of [1, 4]) {
    it(`boots to a shell with ${vcpus} vCPU and powers off`, { timeout: PREPARE_MS + BOOT_MS }, async () => {
      const page = await browser.newPage();
      await page.goto(`${url}?vcpus=${vcpus}&mem=256`);
      await page.getByRole("button", { name: "Boot Debian" }).click();
      await page.getByRole("tab", { name: "debian-cloud" }).waitFor({ timeout: PREPARE_MS });
      await waitForText(page, "xenolith:", BOOT_MS);
      await page.keyboard.type("echo cpus=$(nproc) on $(uname -m)\r");
      await waitForText(page, `cpus=${vcpus} on x86_64`, STEP_MS);
      await page.getByRole("button", { name: "Pause debian-cloud" }).click();
      await page.locator(".state", { hasText: "paused" }).waitFor({ timeout: STEP_MS });
      await page.getByRole("button", { name: "Resume debian-cloud" }).click();
      await page.getByRole("button", { name: "Shut down debian-cloud" }).click();
      await page.getByText("debian-cloud is gone.").waitFor({ timeout: STEP_MS });
      await page.close();
    });
  }
});
