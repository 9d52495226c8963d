/**
 * The way out of a guest in a page, in a real Chromium: Debian's wget reaches a server of the test through `xl relay`, and
 * without it by the page's own fetch, where the server allows that. Needs a build (npm run build).
 * Run: npx tsx --test tests/e2e/real-networks.e2e.ts
 */
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { createServer, type IncomingHttpHeaders } from "node:http";
import { after, before, describe, it } from "node:test";
import type { Browser, Page } from "playwright-core";
import { launchBrowser } from "./browser.js";
import { type LoopbackSite, startLoopback } from "./loopback.js";
import { PREPARE_MS, startPlayground } from "./playground.js";
import { type Program, startProgram } from "./program.js";
import { BOOT_MS, bootDebian, STEP_MS, waitForText } from "./real-page.js";

/** The host's loopback as guests know it. */
const GATEWAY = "10.0.2.2";
/** A server that lets pages of other origins read what it says, and one that does not. Chromium finds both at port 80. */
const OPEN = "open.example";
const CLOSED = "closed.example";
const BIG_BYTES = 8 * 2 ** 20;
const big = randomBytes(BIG_BYTES);
const bigSha256 = createHash("sha256").update(big).digest("hex");

let web: LoopbackSite;
/** The last request that the server got for each path. */
const asked = new Map<string, { readonly headers: IncomingHttpHeaders; readonly body: string }>();
let playground: Program;
let browser: Browser;

before(async () => {
  web = await startLoopback(
    createServer(async (request, response) => {
      let body = "";
      for await (const chunk of request) body += chunk;
      const { url: path = "", headers } = request;
      asked.set(path, { headers, body });
      if (headers.host === OPEN) response.setHeader("access-control-allow-origin", "*");
      response.end(path === "/big" ? big : `hello from ${path}`);
    }),
  );
  playground = await startPlayground();
  browser = await launchBrowser([`--host-resolver-rules=MAP *.example 127.0.0.1:${new URL(web.url).port}`]);
});

after(async () => {
  await browser?.close();
  await playground?.close();
  web?.close();
});

/** A page whose guest is at its shell and has its address. */
async function openGuest(query = ""): Promise<Page> {
  const page = await browser.newPage();
  page.setDefaultTimeout(STEP_MS);
  await page.goto(`${playground.url}?mem=128${query}`);
  await bootDebian(page);
  await tell(page, "until ip -4 addr show eth0 | grep -q 'inet 10[.]0[.]2[.]'; do sleep 0.1; done", "");
  return page;
}

let commands = 0;

/** Types a command and waits for its output, which both streams are. */
async function tell(page: Page, command: string, output: string): Promise<void> {
  const number = ++commands;
  await page.keyboard.type(`said=$(${command} 2>&1); echo "<$said>$((${number}))"\r`);
  await waitForText(page, `\n<${output}>${number}`);
}

describe("the way out of a guest in a tab", { timeout: PREPARE_MS + BOOT_MS }, () => {
  it("leads through a relay to any port of any server, by address and by name", async () => {
    const relay = await startProgram("xl.js", ["relay", "--port", "0", "--allow-host-loopback"], /ws:\/\/\S+/);
    try {
      const { port } = new URL(web.url);
      const page = await openGuest(`&relay=${relay.url}`);
      await tell(page, `wget -qO- http://${GATEWAY}:${port}/address`, "hello from /address");
      // Of a name that everybody knows the relay's resolver is asked when the guest knows none.
      await tell(page, `echo >/etc/hosts; wget -qO- http://localhost:${port}/name`, "hello from /name");
      await tell(page, `wget -qO- --post-data=words http://${GATEWAY}:${port}/post`, "hello from /post");
      await tell(page, `wget -qO- http://${GATEWAY}:${port}/big | sha256sum`, `${bigSha256}  -`);
      const { headers } = asked.get("/name")!;
      assert.deepEqual(
        [headers.host, headers.origin, asked.get("/post")!.body],
        [`localhost:${port}`, undefined, "words"],
      );
      assert.match(headers["user-agent"] ?? "", /wget/i);
      await page.close();
    } finally {
      await relay.close();
    }
  });

  it("leads without one to port 80 of servers that allow it, and says why not to others", async () => {
    const page = await openGuest();
    await tell(page, `wget -qO- http://${OPEN}/fetched`, "hello from /fetched");
    await tell(page, `wget -qO- --post-data=words http://${OPEN}/post`, "hello from /post");
    await tell(page, `wget -qO- http://${OPEN}/big | sha256sum`, `${bigSha256}  -`);
    assert.equal(`${asked.get("/fetched")!.headers.origin}/`, playground.url);
    assert.equal(asked.get("/post")!.body, "words");
    await tell(page, `wget -qO- http://${CLOSED}/`, "wget: server returned error: HTTP/1.1 502 Refused");
    // The first name that a guest asks for has the first address.
    const refused = "wget: can't connect to remote host (198.18.0.1): Connection refused";
    await tell(page, `wget -qO- http://${OPEN}:81/`, refused);
    await page.getByRole("navigation").getByRole("button", { name: "Networks" }).click();
    await page.getByText("without a relay a page reaches HTTP on port 80").waitFor();
    await page.close();
  });
});
