/**
 * Debian's Chromium for the end-to-end tests: found, started with what a container needs, closed again. The tests never
 * skip: without a browser they fail and say what to install.
 */
import { existsSync } from "node:fs";
import { type Browser, type BrowserContext, chromium } from "playwright-core";

const CANDIDATES = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

const FLAGS = [
  "--no-first-run",
  "--disable-gpu",
  "--disable-quic",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** @param flags of Chromium's, besides those that it always gets */
export async function launchBrowser(flags: readonly string[] = []): Promise<Browser> {
  return chromium.launch(options(flags));
}

/** A browser that keeps what pages store in a folder, as a person's does. */
export async function launchProfile(folder: string): Promise<BrowserContext> {
  return chromium.launchPersistentContext(folder, options());
}

function options(flags: readonly string[] = []) {
  const executablePath = process.env.CHROMIUM ?? CANDIDATES.find((path) => existsSync(path));
  if (!executablePath) {
    throw new Error("no Chromium: install Debian's (apt-get install chromium) or name one in the variable CHROMIUM");
  }
  // Chromium's sandbox refuses to run as root, as which containers run.
  const asRoot = process.getuid?.() === 0;
  return { executablePath, headless: true, args: [...FLAGS, ...flags, ...(asRoot ? ["--no-sandbox"] : [])] };
}
