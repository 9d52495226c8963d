/** A page with Debian on the real hypervisor: booted, and its console read. */
import assert from "node:assert/strict";
import type { Page } from "playwright-core";
import { PREPARE_MS } from "./playground.js";

/** Generous: the machines that run tests are shared. */
export const BOOT_MS = 300_000;
export const STEP_MS = 60_000;

/** Boots Debian in a page that was just opened, to a shell that has the keyboard. */
export async function bootDebian(page: Page, name = "debian-cloud"): Promise<void> {
  await page.getByRole("button", { name: "Boot Debian" }).click();
  await page.getByRole("tab", { name }).waitFor({ timeout: PREPARE_MS });
  await waitForText(page, "xenolith:", BOOT_MS);
}

/** Waits until the console shows a text; its lines end without blanks. An alert of the page ends the wait. */
export async function waitForText(page: Page, text: string, timeoutMs = STEP_MS): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const screen = await screenText(page);
    if (screen.includes(text)) return;
    const alerts = await page.getByRole("alert").allTextContents();
    assert.ok(Date.now() < deadline && alerts.join("") === "", `no "${text}"; alerts: ${alerts.join("; ")}\n${screen}`);
    await page.waitForTimeout(200);
  }
}

function screenText(page: Page): Promise<string> {
  return page.evaluate(() => {
    const rows = document.querySelectorAll(".console-panel:not([hidden]) .screen:not([hidden]) .xterm-rows > div");
    return [...rows].map((row) => row.textContent?.trimEnd() ?? "").join("\n");
  });
}
