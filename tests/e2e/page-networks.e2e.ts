/**
 * Networks in the page, in a real Chromium against the simulated machine: the picture, the tables, cables that are pulled,
 * recordings, and what axe-core says in both themes. Run: npx tsx --test tests/e2e/page-networks.e2e.ts
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import type { Page } from "playwright-core";
import { fakePages, type OpenOptions } from "./fake-page.js";
import { assertAccessible, picture } from "./page-tools.js";

const PCAPNG_MAGIC = 0x0a0d0d0a;
const withPage = fakePages();

const show = (page: Page) => page.getByRole("navigation").getByRole("button", { name: "Networks" }).click();

/** Runs `use` on the networks screen of a page with one domain. */
const onNetworks = (options: OpenOptions, use: (page: Page) => Promise<void>): Promise<void> =>
  withPage({ ...options, query: `&autostart=1${options.query ?? ""}` }, async (page) => {
    await page.locator("xl-consoles .xterm").first().waitFor();
    await show(page);
    await use(page);
  });

describe("the networks screen", () => {
  it("says what to do when there is none", () =>
    withPage({}, async (page) => {
      await show(page);
      await page.getByText("No guest has a network interface.").waitFor();
    }));

  it("shows who talks to whom, and how fast, live", () =>
    onNetworks({}, async (page) => {
      const section = page.getByRole("region", { name: "Network nat" });
      await section
        .getByRole("img", { name: /^Network nat: vif1\.0, nat; 1 known conversations, 1 of them move/ })
        .waitFor();
      const flows = section.getByRole("table", { name: "Who talks to whom" });
      await flows.getByRole("cell", { name: "http (tcp 80)" }).waitFor();
      await section
        .getByRole("table", { name: "What is plugged in" })
        .getByRole("cell", { name: /KiB\/s$/ })
        .first()
        .waitFor();
      await section
        .getByRole("table", { name: "Addresses that were given" })
        .getByRole("cell", { name: "10.0.2.15" })
        .waitFor();
      await picture(page, "networks");
    }));

  it("pulls a cable and plugs it in again", () =>
    onNetworks({}, async (page) => {
      await page.getByRole("button", { name: "Unplug vif1.0" }).click();
      await page.locator(".network-cable.cut").waitFor({ state: "attached" });
      await page.getByText("Nobody has talked yet.").waitFor();
      await page.getByRole("button", { name: "Plug in vif1.0" }).click();
      await page.locator(".network-cable.busy").first().waitFor({ state: "attached" });
    }));

  it("records frames into a file that Wireshark opens", () =>
    onNetworks({}, async (page) => {
      await page.getByRole("button", { name: "Record vif1.0" }).click();
      const [download] = await Promise.all([
        page.waitForEvent("download"),
        page.getByRole("button", { name: "Stop recording vif1.0" }).click(),
      ]);
      assert.equal(download.suggestedFilename(), "vif1.0.pcapng");
      assert.equal(readFileSync(await download.path()).readUInt32LE(0), PCAPNG_MAGIC);
    }));

  it("has no section for a domain without a network", () =>
    onNetworks({ query: "&net=none" }, async (page) => {
      await page.getByText("No guest has a network interface.").waitFor();
    }));

  it("puts domains that name one network on it", () =>
    onNetworks({ query: "&net=lab" }, async (page) => {
      await page.getByRole("region", { name: "Network lab" }).waitFor();
    }));

  it("joins a network elsewhere and leaves it, by keyboard alone", () =>
    withPage({}, async (page) => {
      await show(page);
      await page.getByRole("button", { name: "Join a network elsewhere" }).focus();
      await page.keyboard.press("Enter");
      const dialog = page.getByRole("dialog", { name: "Join a network elsewhere" });
      await dialog.getByLabel("Network here").waitFor();
      await page.keyboard.press("Tab");
      await page.keyboard.type("there");
      await page.keyboard.press("Enter");
      await dialog.getByRole("alert").getByText('"there" is not an address').waitFor();
      await dialog.getByLabel("Address").fill("ws://there:8082/lab");
      await page.keyboard.press("Tab");
      assert.equal(await dialog.getByLabel("Secret").getAttribute("type"), "password");
      await page.keyboard.type("s3cret");
      await page.keyboard.press("Enter");
      await dialog.waitFor({ state: "detached" });
      const table = page.getByRole("region", { name: "Network lab" }).getByRole("table", { name: /^Joined with/ });
      await table.getByRole("row", { name: "1 a switch, ws://there:8082/lab up 4 KiB 1 KiB" }).waitFor();
      await page.getByRole("button", { name: "Leave link 1 of lab" }).focus();
      await page.keyboard.press("Enter");
      await page.getByText("No guest has a network interface.").waitFor();
      assert.equal(await page.evaluate(() => document.activeElement?.textContent), "Join a network elsewhere");
    }));

  it("joins what the link says, and puts its guest there", () =>
    withPage({ query: "&join=lab@ws://nobody:1/x&autostart=1" }, async (page) => {
      await page.getByText("Network lab is shared").waitFor();
      await page.locator("xl-consoles .xterm").first().waitFor();
      await show(page);
      const section = page.getByRole("region", { name: "Network lab" });
      await section.getByRole("img", { name: /^Network lab: vif1\.0, link1;/ }).waitFor();
      await section.getByRole("cell", { name: "tried again soon: it cannot be reached" }).waitFor();
      await picture(page, "network-link");
      await assertAccessible(page, "a network with a link");
    }));

  for (const colorScheme of ["light", "dark"] as const) {
    it(`has no axe-core violation, ${colorScheme}`, () =>
      onNetworks({ colorScheme }, async (page) => {
        await page.getByRole("region", { name: "Network nat" }).waitFor();
        await assertAccessible(page, "networks");
        await page.getByRole("button", { name: "Join a network elsewhere" }).click();
        await assertAccessible(page, "joining a network");
      }));
  }
});
