/** Verbs of interfaces and networks as a user types them, against Domain0 over a core without a processor. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Host } from "../api/host.js";
import type { DomId } from "../api/index.js";
import { FakeCore } from "../core-link/fake.js";
import { makeElf } from "../domain/testing/kernels.js";
import { Toolstack } from "../domain/toolstack.js";
import { nowhere } from "../net/index.js";
import { openNodeSocket, serveLink } from "../net/link/link-node.js";
import { LogRing, SeededRandom } from "../util/index.js";
import { formatBytes } from "./commands/network-show.js";
import { readChange } from "./line-words.js";
import { type HostServer, serveSocket } from "./socket/index.js";
import { xl } from "./testing/run-xl.js";

const folder = mkdtempSync(join(tmpdir(), "xl-networks-"));
const path = (name: string): string => join(folder, name);
let server: HostServer;
let host: Host;

beforeEach(async () => {
  process.env.XENOLITH_SOCKET = join(folder, "own", "host.sock");
  const core = new FakeCore();
  core.calls.machineInit(8192, 1, 0, 0, 0);
  const clock = { now: () => 0 };
  const log = new LogRing(clock);
  const later = (work: () => void) => void setTimeout(work);
  const links = { name: "here", open: openNodeSocket, serve: serveLink };
  const network = { outside: nowhere("nothing is outside"), hostLoopback: true, epochMs: 0, links };
  const toolstack = new Toolstack({ core, clock, random: new SeededRandom(1), log, coreSink: null, later, network });
  host = new Host({ core, toolstack, log, clock, pcpus: 1, close: async () => {} });
  server = await serveSocket(host, process.env.XENOLITH_SOCKET!);
  writeFileSync(path("kernel"), makeElf());
  writeFileSync(path("web.cfg"), 'kernel = "kernel"\nmemory = 4\nvif = ["bridge=lab,mac=00:16:3e:00:00:01"]\n');
  await xl("create", path("web.cfg"));
});
afterEach(async () => {
  await server.close();
  await host.close();
  delete process.env.XENOLITH_SOCKET;
});
afterAll(() => rmSync(folder, { recursive: true }));

const vifs = () => host.vifs(1 as DomId);

describe("interfaces of a running host", () => {
  it("are read from a configuration and shown in Xen's table", async () => {
    expect((await xl("network-list", "web")).out).toBe(
      `${"Idx BE Mac Addr.         handle state evt-ch   tx-/rx-ring-ref BE-path                        network"}\n` +
        "0   0  00:16:3e:00:00:01      0     2     -1     -1/-1          /local/domain/0/backend/vif/1/0 lab\n",
    );
    expect(JSON.parse((await xl("vif-list", "-l", "web")).out)).toMatchObject([{ devid: 0, network: "lab" }]);
  });

  it("are shown with what the guest has said, of either kind", async () => {
    await xl("network-attach", "web", "bridge=lab,type=vif2,mac=00:16:3e:00:00:02");
    const { backendPath } = (await vifs())[1]!;
    expect(backendPath).toBe("/local/domain/0/backend/vif2/1/1");
    for (const [key, value] of [
      ["event-channel", "17"],
      ["prod-gref-0", "801"],
      ["cons-gref-0", "802"],
    ])
      await xl("xenstore-write", `/local/domain/1/device/vif2/1/queue-0/${key}`, value!);
    expect((await xl("network-list", "web")).out).toContain(
      "1   0  00:16:3e:00:00:02      1     2     17    801/802         /local/domain/0/backend/vif2/1/1 lab\n",
    );
  });

  it("come, change and go", async () => {
    expect(await xl("network-attach", "web", "bridge=other", "vifname=second")).toEqual({
      status: 0,
      out: "",
      err: "",
    });
    expect((await xl("network-set", "web", "second", "link=down", "in.delay=20ms", "rate=1Mb/s")).status).toBe(0);
    expect((await vifs())[1]).toMatchObject({
      linkUp: false,
      toGuest: { delayMs: 20 },
      fromGuest: {},
      config: { rateBytesPerSecond: 125_000 },
    });
    expect((await xl("network-list", "web")).out).toContain("other, link down\n");
    expect((await xl("network-detach", "--force", "web", "00:16:3E:00:00:01")).status).toBe(0);
    expect((await vifs()).map(({ devid }) => devid)).toEqual([1]);
    expect((await xl("network-detach", "--force", "web", "1")).status).toBe(0);
    expect(await vifs()).toEqual([]);
  });

  it("are none when a run says so", async () => {
    await xl("create", "--no-network", path("web.cfg"), "name=alone");
    expect(await host.vifs(2 as DomId)).toEqual([]);
  });

  it.each([
    [["network-attach", "web", "bridge=a,model=e1000"], /vif: model: there are no emulated.*\n.*\n {11}\^/],
    [["network-detach", "web", "7"], /domain 1 has no interface "7": it has 0 \(00:16:3e:00:00:01\)/],
    [["network-set", "web", "0", "link=sideways"], /expected link=up or link=down/],
    [["network-set", "web", "0", "los=1%"], /expected link, rate,.*did you mean "loss"/],
    [["network", "lba"], /no network is named "lba": there is lab/],
    [["network-capture", "web"], /say what and where to/],
    [["network-capture", "web", "9", path("x.pcapng")], /no interface "9"/],
    [["network-capture", "web", "/nowhere/x.pcapng"], /\/nowhere\/x\.pcapng/],
  ])("are refused in words: %j", async (args, message) => {
    const said = await xl(...args);
    expect([said.status, said.err.replaceAll("xl: ", "")]).toEqual([1, expect.stringMatching(message)]);
  });
});

describe("networks", () => {
  it("are shown with who is plugged in", async () => {
    expect((await xl("network")).out).toBe(
      "lab: 1 interface\n" +
        "  Interface  Domain  MAC                VLAN  Link  Sent  Received  Dropped\n" +
        "  vif1.0     web     00:16:3e:00:00:01  -     down  0 B   0 B       0\n",
    );
    expect(JSON.parse((await xl("network", "-l", "lab")).out)).toMatchObject([{ name: "lab", flows: [] }]);
  });

  it("are recorded into files", async () => {
    const said = await xl("network-capture", "--network", "lab", "--seconds", "0.05", path("lab.pcapng"));
    expect(said).toMatchObject({ status: 0, err: expect.stringContaining("xl: 0 frames recorded\n") });
    expect(readFileSync(path("lab.pcapng")).subarray(0, 4).toString("hex")).toBe("0a0d0d0a");
    expect(readFileSync(path("lab.pcapng")).toString("latin1")).toContain("vif1.0");
  });
});

describe("a recording of an interface", () => {
  it("ends with it, and says so", async () => {
    const file = path("gone.pcapng");
    const recording = xl("network-capture", "web", file);
    await vi.waitFor(() => expect(readFileSync(file).length).toBeGreaterThan(0), { timeout: 10_000 });
    await host.detachVif(1 as DomId, 0, true);
    expect(await recording).toEqual({
      status: 0,
      out: "",
      err: `xl: recording to ${file}; Ctrl-C ends it\nxl: the interface is gone, and the recording ends\nxl: 0 frames recorded\n`,
    });
  });
});

describe("a recording that finds no room", () => {
  it.skipIf(!existsSync("/dev/full"))("ends and says so", async () => {
    const said = await xl("network-capture", "--network", "lab", "--seconds", "0.05", "/dev/full");
    expect([said.status, said.err]).toEqual([1, expect.stringMatching(/\/dev\/full/)]);
  });
});

describe("links between networks", () => {
  it("are made, shown and ended", async () => {
    const served = await xl("network-serve", "lab", "--port", "0", "--token", "s3cret", "--name", "hall");
    const [, url] = /^link 1: lab is served at (ws:\/\/127\.0\.0\.1:\d+\/)\n$/.exec(served.out)!;
    expect((await xl("network-join", "far", url!, "--token", "s3cret", "--vlan", "7")).out).toBe(
      "link 2: far is joined to hall\n",
    );
    const { out } = await xl("network");
    expect(out).toMatch(/^lab: 1 interface, 1 link\n/);
    expect(out).toContain("  Link  With                 Received  Sent  Dropped  State\n");
    expect(out).toContain(`  1     who joins            -         -     -        served at ${url}\n`);
    expect(out).toContain("        here from 127.0.0.1  0 B       0 B   0        up\n");
    expect(out).toMatch(
      new RegExp(`\nfar: 0 interfaces, 1 link\n.*\n  2     hall at ${url}  0 B {7}0 B   0        up, VLAN 7\n`),
    );
    expect((await xl("network-serve", "lab", "--port", new URL(url!).port)).err).toMatch(
      / is taken: choose another\n$/,
    );
    expect(await xl("network-leave", "link1")).toEqual({ status: 0, out: "", err: "" });
    await expect.poll(async () => (await xl("network", "far")).out).toMatch(/ws:.* waiting: .+, VLAN 7\n/);
    expect((await xl("network-leave", "2")).status).toBe(0);
    expect((await host.networks()).map(({ name, links }) => [name, links])).toEqual([["lab", []]]);
  });

  it("that are not up yet say why", async () => {
    const said = await xl("network-join", "far", "ws://127.0.0.1:1/");
    expect(said).toMatchObject({ status: 0, out: "link 1\n" });
    expect(said.err).toMatch(/not up yet: .*ECONNREFUSED.*; it is tried again until "xl network-leave 1"/);
  });

  it.each([
    [["network-join", "nat", "ws://x/"], /join with a network of another name/],
    [["network-join", "lab", "x"], /"x" is not an address as in ws:\/\/host:8082\/lab/],
    [["network-join", "lab", "ws://x/", "--vlan", "5000"], /from 1 to 4094/],
    [["network-serve", "lab", "--address", "0.0.0.0"], /give a token that others must know/],
    [["network-serve", "nat"], /start the machine with --no-host-loopback/],
    [["network-leave", "x"], /"x" is not the number of a link: "xl network" shows them/],
    [["network-leave", "4"], /there is no link 4: there is none/],
  ])("are refused in words: %j", async (args, message) => {
    const said = await xl(...args);
    expect([said.status, said.err]).toEqual([1, expect.stringMatching(message)]);
  });

  it("meet at a switch that needs no host", async () => {
    const before = process.listenerCount("SIGTERM");
    const said = xl("switch", "--port", "0", "--origin", "https://a.example", "https://b.example");
    await expect.poll(() => process.listenerCount("SIGTERM")).toBe(before + 1);
    (process.listeners("SIGTERM").at(-1) as () => void)();
    expect(await said).toMatchObject({
      status: 0,
      err: expect.stringMatching(/ready; "xl network-join lab ws:\/\/127\.0\.0\.1:\d+\/lab" joins it, or a page with/),
    });
    expect(await xl("relay", "--address", "192.0.2.1", "--port", "0")).toMatchObject({
      status: 2,
      err: expect.stringContaining("192.0.2.1 is no address of this computer"),
    });
    expect(await xl("switch", "--address", "0.0.0.0")).toMatchObject({
      status: 2,
      err: expect.stringContaining("whoever reaches 0.0.0.0 could join; give a token"),
    });
  });
});

describe("a line's words", () => {
  const vif = { fromGuest: { loss: 0.5 }, toGuest: { delayMs: 3 } };
  it.each([
    [["delay=0.5s"], { fromGuest: { loss: 0.5, delayMs: 500 }, toGuest: { delayMs: 500 } }],
    [["out.loss=1%", "in.jitter=100us"], { fromGuest: { loss: 0.01 }, toGuest: { delayMs: 3, jitterMs: 0.1 } }],
    [["perfect", "rate=none"], { fromGuest: {}, toGuest: {}, rateBytesPerSecond: 0 }],
    [["in.perfect", "in.rate=8Kb/s"], { fromGuest: { loss: 0.5 }, toGuest: { rateBytesPerSecond: 1000 } }],
    [["rate=1MB/s@20ms"], { ...vif, rateBytesPerSecond: 1_000_000, rateWindowUs: 20_000 }],
    [["link=up"], { ...vif, linkUp: true }],
  ])("%j", (words, expected) => {
    expect(readChange(words, vif)).toEqual(expected);
  });

  it.each(["loss=101%", "loss=1", "delay=20", "in.link=down", "rate=fast", "in.rate=1Mb/s@20ms", "constructor=1%", ""])(
    "not %s",
    (word) => {
      expect(() => readChange([word], vif)).toThrow(/expected/);
    },
  );
});

it.each([
  [0, "0 B"],
  [999, "999 B"],
  [1000, "0.98 KiB"],
  [10 * 2 ** 20, "10.0 MiB"],
  [500 * 2 ** 30, "500 GiB"],
])("%d bytes are %s", (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text);
});
