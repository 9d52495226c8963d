/** Pages of the simulated machine, each fresh, for a file of tests: one site and one browser for all of them. */
import assert from "node:assert/strict";
import { after, before } from "node:test";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { launchBrowser } from "./browser.js";
import { type FakeSite, startFakeSite } from "./fake-site.js";

/** Generous: the machines that run tests are shared. */
export const TIMEOUT_MS = 30_000;

export interface OpenOptions {
  readonly query?: string;
  readonly colorScheme?: "light" | "dark";
  readonly width?: number;
  readonly height?: number;
  /** Before the page is there. */
  readonly prepare?: (page: Page) => Promise<unknown>;
}

export type WithPage = (
  options: OpenOptions,
  use: (page: Page, context: BrowserContext) => Promise<void>,
) => Promise<void>;

/** What runs `use` on a fresh page and then asserts that the page reported no error of its own. */
export function fakePages(): WithPage {
  let site: FakeSite;
  let browser: Browser;
  before(async () => {
    site = await startFakeSite();
    browser = await launchBrowser();
  });
  after(async () => {
    await browser?.close();
    await site?.close();
  });
  return async ({ query = "", colorScheme = "light", width = 1280, height = 800, prepare }, use) => {
    const context = await browser.newContext({ colorScheme, viewport: { width, height } });
    await context.grantPermissions(["clipboard-read", "clipboard-write"]);
    const page = await context.newPage();
    const problems: string[] = [];
    page.on("pageerror", (error) => problems.push(error.message));
    page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
    page.setDefaultTimeout(TIMEOUT_MS);
    await prepare?.(page);
    await page.goto(`${site.url}?fake=1${query}`);
    await page.waitForSelector("xl-app, .requirements");
    await use(page, context);
    assert.deepEqual(problems, []);
    await context.close();
  };
}
