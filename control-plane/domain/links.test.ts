/** Networks of two machines that are joined, by real sockets. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Host } from "../api/host.js";
import type { JoinedLink, JoinOptions, LinkId, NetworkInfo, ServedLink, ServeOptions } from "../api/types.js";
import { FakeCore } from "../core-link/fake.js";
import { type LinkServer, nowhere } from "../net/index.js";
import { openNodeSocket, serveLink } from "../net/link/link-node.js";
import { Middle } from "../net/link/testing/middle.js";
import { LogRing, SeededRandom } from "../util/index.js";
import { Links } from "./links.js";
import { makeElf } from "./testing/kernels.js";
import { type NetworkHost, Toolstack } from "./toolstack.js";

let seed = 0;
const hosts: Host[] = [];

function makeHost(name: string, changes: Partial<NetworkHost> = {}, deterministic = 0): Host {
  const core = new FakeCore();
  core.calls.machineInit(8192, 1, deterministic, 0, 0);
  const clock = { now: () => performance.now() * 1e6 };
  const log = new LogRing(clock);
  const later = (work: () => void) => void setTimeout(work);
  const links = { name, open: openNodeSocket, serve: serveLink };
  const network = { outside: nowhere("nothing is outside"), hostLoopback: true, epochMs: 0, links, ...changes };
  const parts = { core, clock, random: new SeededRandom(++seed), log, coreSink: null, later, network };
  const toolstack = new Toolstack(parts);
  const host = new Host({ core, toolstack, log, clock, pcpus: 1, close: async () => {} });
  hosts.push(host);
  return host;
}

let a: Host;
let b: Host;
beforeEach(() => {
  a = makeHost("a");
  b = makeHost("b");
});
afterEach(async () => {
  for (const host of hosts.splice(0)) await host.close();
});

const until = (condition: () => Promise<boolean>): Promise<void> =>
  vi.waitFor(async () => expect(await condition()).toBe(true), { timeout: 20_000, interval: 5 });

const network = async (host: Host, name: string): Promise<NetworkInfo | undefined> =>
  (await host.networks()).find((each) => each.name === name);
const joined = async (host: Host, id: LinkId): Promise<JoinedLink> => {
  const links = (await host.networks()).flatMap((each) => each.links);
  return links.find((link) => link.id === id) as JoinedLink;
};
const isUp = (host: Host, id: LinkId) => until(async () => (await joined(host, id)).state === "up");
const error = async (host: Host, id: LinkId): Promise<string | null> => {
  await until(async () => (await joined(host, id)).error !== null);
  return (await joined(host, id)).error;
};

describe("a network that is joined to another", () => {
  it("says so on both sides, is in use without a guest, and is gone when it is left", async () => {
    const served = await a.serveNetwork("lab", { port: 0 });
    expect(served).toEqual({ id: 1, port: expect.any(Number), url: `ws://127.0.0.1:${served.port}/` });
    const id = await b.joinNetwork("far", { url: served.url, name: "bob", vlan: 7 });
    await isUp(b, id);
    const counters = { framesIn: 0, bytesIn: 0, framesOut: 0, bytesOut: 0, dropsIn: 0, dropsOut: 0 };
    expect(await network(b, "far")).toMatchObject({
      ports: [{ name: "link1", linkUp: true, vlan: 7 }],
      links: [
        {
          ...{ kind: "joined", id: 1, url: served.url, port: "link1", vlan: 7 },
          ...{ state: "up", peer: "a", error: null, connects: 1, counters },
        },
      ],
    });
    expect(await network(a, "lab")).toMatchObject({
      ports: [{ name: "link1.0", linkUp: true }],
      links: [
        {
          ...{ kind: "served", id: 1, url: served.url },
          peers: [{ name: "bob", address: "127.0.0.1", port: "link1.0", counters }],
        },
      ],
    });
    await b.leaveNetwork(id);
    expect(await b.networks()).toEqual([]);
    await until(async () => ((await network(a, "lab"))!.links[0] as ServedLink).peers.length === 0);
    await a.leaveNetwork(served.id);
    expect(await a.networks()).toEqual([]);
    expect((await a.serveNetwork("other", { port: served.port })).id).toBe(2);
  });

  it("stays when its guests go, and its guests stay when it is left", async () => {
    const { url } = await a.serveNetwork("lab", { port: 0 });
    const id = await b.joinNetwork("lab", { url });
    const config = { name: "g", kernel: makeElf(), memoryMiB: 4, vcpus: 1, vifs: [{ bridge: "lab" }] };
    const domid = await b.create(config, { paused: true });
    expect((await network(b, "lab"))!.ports.map(({ name }) => name)).toEqual(["link1", "vif1.0"]);
    await b.leaveNetwork(id);
    expect((await network(b, "lab"))!.ports.map(({ name }) => name)).toEqual(["vif1.0"]);
    await b.joinNetwork("lab", { url });
    await b.destroy(domid);
    expect((await network(b, "lab"))!.ports.map(({ name }) => name)).toEqual(["link2"]);
  });

  it("comes back after a cut, and says why it was away", async () => {
    const { port } = await a.serveNetwork("lab", { port: 0 });
    const middle = await Middle.to(port);
    const id = await b.joinNetwork("lab", { url: middle.url });
    await isUp(b, id);
    middle.cut();
    expect(await error(b, id)).toMatch(/closed|ECONNRESET|hang up/);
    await isUp(b, id);
    expect(await joined(b, id)).toMatchObject({ error: null, connects: 2 });
    middle.close();
  });

  it("keeps trying where nobody is", async () => {
    const { id: served, url } = await a.serveNetwork("lab", { port: 0 });
    await a.leaveNetwork(served);
    const id = await b.joinNetwork("lab", { url });
    expect(await error(b, id)).toMatch(/ECONNREFUSED/);
    expect(await joined(b, id)).toMatchObject({ peer: null, connects: 0 });
    expect((await network(b, "lab"))!.ports).toMatchObject([{ name: "link1", linkUp: false }]);
  });

  it("wants the token where there is one", async () => {
    const { url } = await a.serveNetwork("lab", { port: 0, token: "open sesame" });
    const wrong = await b.joinNetwork("lab", { url, token: "open barley" });
    expect(await error(b, wrong)).toBe("the token is not the right one");
    await b.leaveNetwork(wrong);
    await isUp(b, await b.joinNetwork("lab", { url, token: "open sesame" }));
    expect(JSON.stringify([await a.networks(), await b.networks()])).not.toContain("sesame");
  });
});

describe("a loop", () => {
  it("of one network, and of two, is refused, whoever asks", async () => {
    const { url, port } = await a.serveNetwork("lab", { port: 0 });
    expect(await error(a, await a.joinNetwork("lab", { url }))).toBe("a network cannot join itself");
    const first = await b.joinNetwork("lab", { url });
    await isUp(b, first);
    await expect(b.joinNetwork("lab", { url: url.slice(0, -1) })).rejects.toMatchObject({ code: "bad-state" });
    const again = await b.joinNetwork("lab", { url: `ws://localhost:${port}/` });
    expect(await error(b, again)).toBe("these two networks are joined already");
    const back = await b.serveNetwork("lab", { port: 0 });
    expect(await error(a, await a.joinNetwork("lab", { url: back.url }))).toBe("these two networks are joined already");
    expect((await joined(b, first)).state).toBe("up");
  });

  it("is none with another VLAN or another network", async () => {
    const { url } = await a.serveNetwork("lab", { port: 0, vlan: 5 });
    const other = await a.serveNetwork("lab", { port: 0, vlan: 6 });
    await isUp(b, await b.joinNetwork("lab", { url, vlan: 5 }));
    await isUp(b, await b.joinNetwork("lab", { url: other.url, vlan: 6 }));
    await isUp(a, await a.joinNetwork("third", { url }));
  });
});

describe("what cannot be", () => {
  const url = "ws://127.0.0.1:1/";

  it.each<[string, unknown, RegExp]>([
    ["a b", { url }, /1 to 64 letters, digits/],
    ["lab", null, /no options/],
    ["lab", {}, /no address/],
    ["lab", { url: "http://x/" }, /"http:\/\/x\/" is not an address as in ws:\/\/host:8082\/lab/],
    ["lab", { url: "ws://x:99999/" }, /is not an address/],
    ["lab", { url: `ws://${"x".repeat(3000)}/` }, /is not an address/],
    ["lab", { url: "ws://a:b@x/" }, /a name or a password/],
    ["lab", { url: "ws://x/#y" }, /"#"/],
    ["lab", { url, token: "" }, /token/],
    ["lab", { url, token: "x".repeat(257) }, /token/],
    ["lab", { url, name: 5 }, /name/],
    ["lab", { url, vlan: 4095 }, /vlan 4095 is not from 1 to 4094/],
    ["nat", { url }, /leads out by itself.*; join with a network of another name/],
  ])("is refused in words: joining %s with %j", async (name, options, message) => {
    const error = { code: "bad-config", message: expect.stringMatching(message) };
    await expect(b.joinNetwork(name, options as JoinOptions)).rejects.toMatchObject(error);
    expect(await b.networks()).toEqual([]);
  });

  it.each<[string, unknown, RegExp]>([
    ["lab", {}, /port undefined/],
    ["lab", { port: 65536 }, /0 to 65535/],
    ["lab", { port: 0, address: "everywhere" }, /"everywhere" is no address/],
    ["lab", { port: 0, address: "0.0.0.0" }, /whoever reaches 0\.0\.0\.0 could join; give a token/],
    ["lab", { port: 0, origins: "x" }, /not a list/],
    ["lab", { port: 0, origins: ["https://a.example/"] }, /origin "https:\/\/a.example\/" is not as in/],
    ["nat", { port: 0 }, /reach servers of this host's loopback; start the machine with --no-host-loopback/],
  ])("is refused in words: serving %s with %j", async (name, options, message) => {
    const error = { code: "bad-config", message: expect.stringMatching(message) };
    await expect(a.serveNetwork(name, options as ServeOptions)).rejects.toMatchObject(error);
    expect(await a.networks()).toEqual([]);
  });

  it("is a port that is taken, and a link that is not there", async () => {
    const { port } = await a.serveNetwork("lab", { port: 0 });
    await expect(b.serveNetwork("lab", { port })).rejects.toMatchObject({
      code: "denied",
      message: expect.stringContaining("is taken"),
    });
    expect(await b.networks()).toEqual([]);
    await expect(a.leaveNetwork(7 as LinkId)).rejects.toMatchObject({
      code: "not-found",
      message: "there is no link 7: there is 1",
    });
  });

  it("is a link of a deterministic machine, and a page that is listened at", async () => {
    const exact = makeHost("exact", {}, 1);
    expect((await exact.info()).deterministic).toBe(true);
    for (const call of [exact.joinNetwork("lab", { url }), exact.serveNetwork("lab", { port: 0 })])
      await expect(call).rejects.toMatchObject({
        code: "unsupported",
        message: expect.stringMatching(/deterministic machine has no links/),
      });
    const page = makeHost("page", { links: { name: "a page", open: openNodeSocket, serve: null } });
    await expect(page.serveNetwork("lab", { port: 0 })).rejects.toMatchObject({
      code: "unsupported",
      problem: "a page cannot be listened at",
    });
  });

  it("is a way out that others join, unless the loopback is out of its reach", async () => {
    const far = makeHost("far", { hostLoopback: false });
    const { url } = await far.serveNetwork("nat", { port: 0 });
    await isUp(b, await b.joinNetwork("out", { url }));
    expect((await network(far, "nat"))!.ports.map(({ name }) => name)).toContain("link1.0");
  });
});

it("does not listen on when the machine has ended before it began to", async () => {
  const clock = { now: () => 0 };
  const parts = { clock, random: new SeededRandom(1), timer: () => () => {}, log: new LogRing(clock) };
  const links = new Links(parts, null);
  const port = (): never => {
    throw new Error("nobody joins");
  };
  const lab = { name: "lab", id: "lab", plugLink: port, release: () => {} };
  const close = vi.fn(async () => {});
  let listens: (server: LinkServer) => void = () => {};
  const asked = links.serve(() => new Promise((resolve) => (listens = resolve)), lab, "a", { port: 0 });
  await links.close();
  listens({ port: 1, url: "ws://127.0.0.1:1/", peers: () => [], close });
  await expect(asked).rejects.toThrow("the machine has ended");
  expect([close.mock.calls.length, links.ids()]).toEqual([1, []]);
});
