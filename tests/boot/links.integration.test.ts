/** Networks of two machines that are joined: one serves, the other joins, and an unmodified Debian on each is none the wiser. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connectNode } from "../../control-plane/api/connect-node.js";
import type { HostApi, JoinedLink, LinkId } from "../../control-plane/api/index.js";
import { Middle } from "../../control-plane/net/link/testing/middle.js";
import { BOOT_MS, Debian } from "./debian.js";
import { unexpectedMessages } from "./kernel-messages.js";
import { MACHINES } from "./machines.js";
import { type TestServers, testServers } from "./network-servers.js";

const MIB = 2 ** 20;
const FOLLOW_MS = 60_000;
const [NEAR, FAR] = ["192.0.2.1", "192.0.2.2"];

let servers: TestServers;
let hosts: HostApi[] = [];
let near: Debian;
let far: Debian;
let middle: Middle;
let link: LinkId;

beforeAll(async () => {
  servers = await testServers(MIB);
  // One that has threads, and one that has not; the user-mode network of the first is for others, too.
  hosts = await Promise.all(MACHINES.map(({ machine }) => connectNode({ ...machine, hostLoopback: false })));
  [near, far] = (await Promise.all(
    hosts.map((host, n) => Debian.boot(host, { name: `g${n}`, vifs: [{ bridge: "lab" }] })),
  )) as [Debian, Debian];
  await near.output(`ip addr add ${NEAR}/24 dev eth0`);
  await far.output(`ip addr add ${FAR}/24 dev eth0`);
  const { port } = await near.host.serveNetwork("lab", { port: 0, token: "s3cret" });
  middle = await Middle.to(port);
  link = await far.host.joinNetwork("lab", { url: middle.url, token: "s3cret", name: "far" });
}, 2 * BOOT_MS);

afterAll(async () => {
  for (const host of hosts) await host.close();
  middle?.close();
  await servers?.close();
});

const links = async (host: HostApi) => (await host.networks()).flatMap((network) => network.links);
const joined = async () => (await links(far.host)).find(({ id }) => id === link) as JoinedLink;
const isUp = () => expect.poll(async () => (await joined()).state, { timeout: FOLLOW_MS }).toBe("up");

/** A stream of random bytes from the far guest to the near one, by TCP, comes whole. */
async function transfer(bytes: number): Promise<void> {
  const sent = await far.output(`head -c ${bytes} /dev/urandom >/tmp/up; sha256sum </tmp/up`, BOOT_MS);
  await near.output("rm -f /tmp/down; (nc -l -p 7001 >/tmp/down; echo >/tmp/down.done) >/dev/null 2>&1 &");
  await far.output(`until nc ${NEAR} 7001 </tmp/up; do sleep 0.1; done`, BOOT_MS);
  const received =
    "n=0; until [ -e /tmp/down.done ]; do [ $((n += 1)) -le 600 ] || break; sleep 0.1; done; rm /tmp/down.done";
  expect(await near.output(`${received}; sha256sum </tmp/down`, BOOT_MS)).toBe(sent);
}

describe("two machines on one network", () => {
  it("hear each other", { timeout: BOOT_MS }, async () => {
    await isUp();
    await near.output(`ping -c 3 -W 5 ${FAR}`);
    await far.output(`ping -c 3 -W 5 ${NEAR}`);
    const [served] = await links(near.host);
    expect(served).toMatchObject({ kind: "served", peers: [{ name: "far", address: "127.0.0.1" }] });
    expect((await joined()).counters.framesIn).toBeGreaterThanOrEqual(6);
  });

  it("carry 4 MiB of TCP whole", { timeout: 2 * BOOT_MS }, async () => {
    await transfer(4 * MIB);
    const { counters } = await joined();
    expect(counters).toMatchObject({ dropsIn: 0, dropsOut: 0 });
    expect(counters.bytesOut).toBeGreaterThan(4 * MIB);
  });

  it("are cut in the middle of a stream, which goes on when they are joined again", {
    timeout: 2 * BOOT_MS,
  }, async () => {
    middle.cutAfter = middle.passed + MIB;
    await transfer(4 * MIB);
    await isUp();
    expect((await joined()).connects).toBe(2);
    await far.output(`ping -c 1 -W 5 ${NEAR}`);
  });

  it("are two again when one leaves", { timeout: BOOT_MS }, async () => {
    await far.host.leaveNetwork(link);
    expect((await far.run(`ping -c 1 -W 2 ${NEAR}`)).status).not.toBe(0);
    expect(unexpectedMessages(await far.output("dmesg -r"))).toEqual([]);
  });

  it("have one way out, when its owner serves that", { timeout: BOOT_MS }, async () => {
    const { url } = await near.host.serveNetwork("nat", { port: 0 });
    await far.host.joinNetwork("out", { url });
    await far.host.attachVif(far.domid, { bridge: "out" });
    const look = "ip -4 -o addr show dev eth1 2>/dev/null | grep 'inet 10[.]0[.]2[.]'";
    await far.output(`n=0; until ${look}; do [ $((n += 1)) -le 600 ] || break; sleep 0.1; done; ${look}`);
    expect(await far.output("ping -c 1 -W 5 10.0.2.2 >/dev/null && nslookup -type=a localhost 10.0.2.3")).toMatch(
      /Address: 127\.0\.0\.1$/m,
    );
    // The loopback of the host that serves it stays out of reach.
    expect((await far.run(`wget -T 5 -qO- http://10.0.2.2:${servers.http}/x`)).status).not.toBe(0);
  });
});
