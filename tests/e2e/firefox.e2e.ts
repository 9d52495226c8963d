/**
 * The same page in a real Firefox: Debian's kernel on the real hypervisor, to a shell and off again. Needs a build
 * (npm run build). Run: npx tsx --test tests/e2e/firefox.e2e.ts
 */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { askWorker, startDisksSite } from "./disks-site.js";
import { ENTER, Firefox } from "./firefox.js";
import { ImageServer } from "./image-server.js";
import { killAndLook, writeUntilKilled } from "./kills.js";
import type { LoopbackSite } from "./loopback.js";
import { startPlainSite } from "./plain-site.js";
import { PREPARE_MS, startPlayground } from "./playground.js";
import type { Program } from "./program.js";
import { assertBothRun, BE_BUSY_TWICE, BUSY, REST, RESTED } from "./two-processors.js";

const BOOT_MS = 300_000;
const STEP_MS = 60_000;
const POLL_MS = 200;

const SCREEN = `[...document.querySelectorAll(".console-panel:not([hidden]) .screen:not([hidden]) .xterm-rows > div")]
  .map((row) => row.textContent.trimEnd()).join("\\n")`;
const PAGE = "document.body.innerText";
const ALERTS = `[...document.querySelectorAll("[role=alert]")].map((alert) => alert.textContent).join("")`;

let firefox: Firefox;
let playground: Program;
let plainSite: LoopbackSite;

before(async () => {
  playground = await startPlayground();
  plainSite = await startPlainSite(playground.url);
  firefox = await Firefox.launch();
});

after(async () => {
  await firefox?.close();
  plainSite?.close();
  await playground?.close();
});

/** Waits until the text that `expression` gives holds `text`. An alert of the page ends the wait. */
async function waitFor(expression: string, text: string, timeoutMs: number): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const now = String(await firefox.evaluate(expression));
    if (now.includes(text)) return;
    const alerts = await firefox.evaluate(ALERTS);
    assert.ok(Date.now() < deadline && alerts === "", `no "${text}"; alerts: ${alerts}\n${now}`);
    await sleep(POLL_MS);
  }
}

const button = (label: string): string => `//button[contains(., "${label}") or @aria-label="${label}"]`;

/** Types a line at the guest's shell and waits for what comes of it. */
async function typeLine(line: string, answer: string): Promise<void> {
  await firefox.type(`${line}${ENTER}`);
  await waitFor(SCREEN, answer, STEP_MS);
}

/** Boots Debian with two vCPUs in the page at `url`, types at its shell, and has it power off. */
async function liveThrough(url: string, isolated: boolean): Promise<void> {
  await firefox.goto(`${url}?vcpus=2&mem=256`);
  await waitFor(PAGE, "Boot Debian", STEP_MS);
  assert.equal(await firefox.evaluate("crossOriginIsolated"), isolated);
  await firefox.click(button("Boot Debian"));
  await waitFor(SCREEN, "xenolith:", PREPARE_MS + BOOT_MS);
  await typeLine("echo cpus=$(nproc) on $(uname -m)", "cpus=2 on x86_64");
  if (isolated) {
    await typeLine(BE_BUSY_TWICE, BUSY);
    await assertBothRun((expression) => firefox.evaluate(expression));
    await typeLine(REST, RESTED);
  }
  await firefox.click(button("Shut down debian-cloud"));
  await waitFor(PAGE, "debian-cloud is gone.", STEP_MS);
}

describe("Debian in a tab of Firefox", () => {
  it("boots to a shell, runs two vCPUs at the same time, and powers off", { timeout: PREPARE_MS + BOOT_MS }, () =>
    liveThrough(playground.url, true),
  );

  it("does so in one thread where the page is not isolated", { timeout: PREPARE_MS + BOOT_MS }, async () => {
    await liveThrough(plainSite.url, false);
    await waitFor(PAGE, "One thread: this page is not isolated", STEP_MS);
  });
});

describe("images in Firefox's origin private file system", () => {
  const images = new ImageServer();
  let site: LoopbackSite;
  before(async () => {
    site = await startDisksSite();
    await images.start();
    await firefox.goto(site.url);
  });
  after(() => {
    site?.close();
    images.stop();
  });
  const ask = (deed: string) => firefox.evaluate(`(${askWorker})(${JSON.stringify(deed)})`);

  it("live: snapshots, clones, growth and merges of a disk in use", { timeout: BOOT_MS }, async () => {
    assert.deepEqual(await ask("live"), { seen: Array(6).fill(true), findings: [], tree: ["a.vhd"] });
  });

  it("hold what was flushed whenever their worker is killed, also while it snapshots and merges", {
    timeout: BOOT_MS,
  }, async (test) => {
    await killAndLook({
      kill: (kill) => firefox.evaluate(`(${writeUntilKilled})(${JSON.stringify(kill)})`) as Promise<number>,
      ask,
      diagnostic: (text) => test.diagnostic(text),
    });
  });

  it("are read from a server of another origin that allows it, without asking first", async () => {
    images.headers = { "access-control-allow-origin": "*" };
    assert.deepEqual(await ask(`remote ${images.url}`), { seen: [true, true] });
  });
});
