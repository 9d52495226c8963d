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

/** Drops a file on the window; with `zerosMiB` one that begins and ends with the bytes, and has so much between, of no memory. */
export async function dropFile(page: Page, name: string, bytes: Uint8Array, zerosMiB = 0): Promise<void> {
  await page.evaluate(
    ({ name, base64, zerosMiB }) => {
      const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
      const transfer = new DataTransfer();
      const mib = new Blob([new Uint8Array(2 ** 20)]);
      const parts = zerosMiB === 0 ? [bytes] : [bytes, ...Array<Blob>(zerosMiB).fill(mib), bytes];
      transfer.items.add(new File(parts, name));
      window.dispatchEvent(new DragEvent("dragenter", { dataTransfer: transfer, bubbles: true, cancelable: true }));
      window.dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true }));
    },
    { name, base64: Buffer.from(bytes).toString("base64"), zerosMiB },
  );
}
