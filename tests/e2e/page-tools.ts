/** What the tests of the page share: axe-core, pictures for people, files dropped on the window. */
import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import AxeBuilder from "@axe-core/playwright";
import type { Page } from "playwright-core";

/** Keeps a picture of the screen where XENOLITH_SCREENSHOTS names a folder. */
export async function picture(page: Page, name: string): Promise<void> {
  const folder = process.env.XENOLITH_SCREENSHOTS;
  if (!folder) return;
  await mkdir(folder, { recursive: true });
  await page.screenshot({ path: join(folder, `${name}.png`) });
}

export async function assertAccessible(page: Page, where: string): Promise<void> {
  const { violations } = await new AxeBuilder({ page }).analyze();
  const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.target.join(" ")).join(", ")}`);
  assert.deepEqual(found, [], where);
}

/** Drops a file on the window. */
export async function dropFile(page: Page, name: string, bytes: Uint8Array): Promise<void> {
  await page.evaluate(
    ({ name, base64 }) => {
      const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
      const transfer = new DataTransfer();
      transfer.items.add(new File([bytes], name));
      window.dispatchEvent(new DragEvent("dragenter", { dataTransfer: transfer, bubbles: true, cancelable: true }));
      window.dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true }));
    },
    { name, base64: Buffer.from(bytes).toString("base64") },
  );
}

/** Waits until the console in sight shows a text; fails at once when the page tells of a failure. */
export async function waitForText(page: Page, text: string, timeoutMs: number): Promise<void> {
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
