/** Networks of unmodified Linux: the way out, forwards, switches, queues, and interfaces that come and go under traffic. */
import { spawnSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { createSocket } from "node:dgram";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connectNode } from "../../control-plane/api/connect-node.js";
import type { HostApi } from "../../control-plane/api/index.js";
import { makeDisk, NETCHANNEL2, prepareGuest } from "../../control-plane/guest/index.js";
import { unwrap } from "../../control-plane/util/index.js";
import { compile } from "../bench/programs.js";
import { BOOT_MS, Debian } from "./debian.js";
import { unexpectedMessages } from "./kernel-messages.js";
import { MACHINES } from "./machines.js";
import { type TestServers, testServers } from "./network-servers.js";

const MIB = 2 ** 20;
const FOLLOW_MS = 60_000;
const BIG_BYTES = 32 * MIB;
const GATEWAY = "10.0.2.2";

const UDP_ECHO = { name: "udp-echo", source: "udp-echo.c" };

let servers: TestServers;
beforeAll(async () => {
  const folder = mkdtempSync(join(tmpdir(), "xenolith-programs-"));
  compile(folder, UDP_ECHO, 64);
  servers = await testServers(BIG_BYTES, { "/udp-echo": readFileSync(join(folder, "udp-echo.64")) });
  rmSync(folder, { recursive: true });
});
afterAll(() => servers?.close());

/** The IPv4 address that DHCP gave. */
const addressOf = (debian: Debian, interface_ = "eth0") =>
  debian.run(`ip -4 -o addr show dev ${interface_}`).then(({ output }) => /inet ([\d.]+)/.exec(output)?.[1]);
/** Waits until DHCP gave one. */
async function hasAddress(debian: Debian, interface_ = "eth0"): Promise<void> {
  const look = `ip -4 -o addr show dev ${interface_} 2>/dev/null | grep -q 'inet 10[.]0[.]2[.]'`;
  await debian.output(`n=0; until ${look}; do [ $((n += 1)) -le 300 ] || break; sleep 0.1; done; ${look}`);
}
/** Waits until the guest has no such interface. */
async function isGone(debian: Debian, interface_: string): Promise<void> {
  const isThere = async () => (await debian.run(`test -e /sys/class/net/${interface_}`)).status;
  await expect.poll(isThere, { timeout: FOLLOW_MS }).not.toBe(0);
}
const fetchBig = (debian: Debian) =>
  debian.output(`wget -qO- http://${GATEWAY}:${servers.http}/big | sha256sum | cut -c -64`, BOOT_MS);

describe.each(MACHINES)("the way out in $name", ({ machine }) => {
  const folder = mkdtempSync(join(tmpdir(), "xenolith-network-"));
  let host: HostApi;
  let debian: Debian;

  beforeAll(async () => {
    host = await connectNode(machine);
    const forwards = [
      { protocol: "tcp", hostPort: 0, guestPort: 80 },
      { protocol: "udp", hostPort: 0, guestPort: 5353 },
    ] as const;
    debian = await Debian.boot(host, { name: "web", vifs: [{ forwards }] });
    await hasAddress(debian);
  }, BOOT_MS);

  afterAll(async () => {
    await host?.close();
    rmSync(folder, { recursive: true });
  });

  const vif = async () => (await host.vifs(debian.domid))[0]!;
  const ping = async () => (await debian.run(`ping -c 1 -W 2 ${GATEWAY}`)).status;

  it("gives an address, a router and a name server by DHCP", async () => {
    expect(await debian.output("ip -4 route; cat /etc/resolv.conf")).toMatch(
      /^default via 10\.0\.2\.2 dev eth0.*\n10\.0\.2\.0\/24 dev eth0.*\nnameserver 10\.0\.2\.3$/,
    );
    const { state, addresses, mac, network, queues } = await vif();
    expect({ state, network, queues: queues.length }).toEqual({ state: 4, network: "nat", queues: 1 });
    expect(addresses).toContain(await addressOf(debian));
    expect(await debian.output("cat /sys/class/net/eth0/address")).toBe(mac);
  });

  it("answers echo requests and questions for names", async () => {
    expect(await ping()).toBe(0);
    expect(await debian.output("nslookup -type=a localhost 10.0.2.3")).toMatch(/Address: 127\.0\.0\.1$/m);
    expect((await debian.run("nslookup -type=a nothing.invalid 10.0.2.3")).status).not.toBe(0);
  });

  it("gives IPv6 by what its router says", { timeout: BOOT_MS }, async () => {
    const addresses = async () =>
      (await debian.run("ip -6 -o addr show dev eth0 scope site | grep -v tentative")).output;
    await expect.poll(addresses, { timeout: FOLLOW_MS }).toMatch(/inet6 fec0::[\da-f:]+\/64/);
    expect((await debian.run("ping6 -c 1 -W 5 fec0::2")).status).toBe(0);
    expect(await debian.output(`wget -qO- http://[fec0::2]:${servers.http6}/six`)).toBe("hello from /six");
  });

  it("carries 32 MiB to a guest and from it, whole", { timeout: 3 * BOOT_MS }, async () => {
    expect(await fetchBig(debian)).toBe(servers.bigSha256);
    await debian.output(`head -c ${BIG_BYTES} /dev/urandom >/tmp/up`, BOOT_MS);
    const sent = await debian.output("sha256sum </tmp/up | cut -c -64", BOOT_MS);
    expect(await debian.output(`nc ${GATEWAY} ${servers.hash} </tmp/up`, BOOT_MS)).toBe(sent);
    // Those that came while no driver was there are all that were dropped.
    const { counters } = await vif();
    expect(counters["port.drops"]).toBe(counters["port.rxDrop-down"] ?? 0);
    await debian.output("rm /tmp/up");
  });

  it("leads from a port of the host to a server in the guest", { timeout: BOOT_MS }, async () => {
    const { forwards } = await vif();
    expect(forwards).toMatchObject([
      { protocol: "tcp", guestPort: 80, hostPort: expect.any(Number) },
      { protocol: "udp", guestPort: 5353, hostPort: expect.any(Number) },
    ]);
    await debian.output("mkdir -p /tmp/www; head -c 4194304 /dev/urandom >/tmp/www/file; httpd -h /tmp/www");
    const response = await fetch(`http://127.0.0.1:${forwards[0]!.hostPort}/file`);
    const body = new Uint8Array(await response.arrayBuffer());
    expect(createHash("sha256").update(body).digest("hex")).toBe(
      await debian.output("sha256sum /tmp/www/file | cut -c -64"),
    );
    await debian.output("killall httpd");
  });

  it("leads datagrams from a port of the host to a server in the guest, and its answers back", async () => {
    await debian.output(`wget -qO /tmp/udp-echo http://${GATEWAY}:${servers.http}/udp-echo; chmod +x /tmp/udp-echo`);
    await debian.output("/tmp/udp-echo 5353 & until grep -q ':14E9 ' /proc/net/udp; do sleep 0.1; done");
    const { forwards } = await vif();
    const people = [createSocket("udp4"), createSocket("udp4")];
    // More than a frame holds goes in fragments, both ways.
    for (const bytes of [0, 1, 1472, 1473, 9000])
      for (const person of people) {
        const sent = randomBytes(bytes);
        const send = () => person.send(sent, forwards[1]!.hostPort, "127.0.0.1");
        const isBack = new Promise<void>((resolve) => {
          person.on("message", (got) => sent.equals(got) && resolve());
        });
        send();
        // Whoever sends datagrams sends them again.
        const again = setInterval(send, 1000);
        await isBack;
        clearInterval(again);
      }
    for (const person of people) person.close();
    await debian.output("killall udp-echo");
  });

  it("knows who talks to whom", async () => {
    const nat = (await host.networks()).find(({ name }) => name === "nat")!;
    expect(nat.flows).toContainEqual(
      expect.objectContaining({ server: GATEWAY, protocol: "tcp", service: servers.http }),
    );
    expect(nat.nat!.leases).toEqual([
      expect.objectContaining({ mac: (await vif()).mac, address: await addressOf(debian) }),
    ]);
  });

  it("is recorded so that tcpdump reads it", { timeout: BOOT_MS }, async () => {
    const pieces: Uint8Array[] = [];
    const stop = await host.capture({ domid: debian.domid, devid: 0 }, (piece) => void pieces.push(piece));
    expect(await ping()).toBe(0);
    const { frames } = await stop();
    writeFileSync(join(folder, "ping.pcapng"), Buffer.concat(pieces));
    const { stdout, status } = spawnSync("tcpdump", ["-nr", join(folder, "ping.pcapng")], { encoding: "utf8" });
    expect(status).toBe(0);
    expect(stdout).toMatch(/> 10\.0\.2\.2: ICMP echo request[\s\S]*10\.0\.2\.2 > .*ICMP echo reply/);
    expect(stdout.trimEnd().split("\n")).toHaveLength(frames);
  });

  it("is cut and mended", { timeout: BOOT_MS }, async () => {
    await host.setVif(debian.domid, 0, { linkUp: false });
    expect(await ping()).not.toBe(0);
    expect((await vif()).counters["port.txDrop-down"]).toBeGreaterThan(0);
    await host.setVif(debian.domid, 0, { linkUp: true, toGuest: { delayMs: 300 } });
    const slow = await debian.output(`ping -c 2 -W 5 ${GATEWAY} | grep seq=1`);
    expect(Number(/time=([\d.]+)/.exec(slow)![1])).toBeGreaterThanOrEqual(300);
    await host.setVif(debian.domid, 0, { toGuest: {} });
    expect(await ping()).toBe(0);
  });

  it("comes and goes under traffic", { timeout: 4 * BOOT_MS }, async () => {
    const transfer = fetchBig(debian);
    const devid = await host.attachVif(debian.domid, {});
    expect(await transfer).toBe(servers.bigSha256);
    await hasAddress(debian, "eth1");
    const received = (await vif()).counters.rxBytes!;
    const cut = debian.run(`timeout 20 wget -qO- http://${GATEWAY}:${servers.http}/big >/dev/null`, BOOT_MS);
    await expect
      .poll(async () => (await vif()).counters.rxBytes, { timeout: FOLLOW_MS, interval: 10 })
      .toBeGreaterThan(received + MIB);
    await host.detachVif(debian.domid, devid);
    await host.detachVif(debian.domid, 0);
    expect((await cut).status).not.toBe(0);
    await isGone(debian, "eth0");
    await isGone(debian, "eth1");
    expect(await host.vifs(debian.domid)).toEqual([]);
    await host.attachVif(debian.domid, { forwards: [{ protocol: "tcp", hostPort: 0, guestPort: 80 }] });
    await hasAddress(debian);
    expect(await fetchBig(debian)).toBe(servers.bigSha256);
    expect(unexpectedMessages(await debian.output("dmesg -r"))).toEqual([]);
  });

  it("is the same after a reboot", { timeout: 2 * BOOT_MS }, async () => {
    const before = await vif();
    debian = await debian.reboot();
    await hasAddress(debian);
    expect(await debian.output("cat /sys/class/net/eth0/address")).toBe(before.mac);
    expect((await vif()).addresses[0]).toBe(before.addresses[0]);
    await debian.output("mkdir -p /tmp/www; echo reborn >/tmp/www/file; httpd -h /tmp/www");
    const response = await fetch(`http://127.0.0.1:${(await vif()).forwards[0]!.hostPort}/file`);
    expect(await response.text()).toBe("reborn\n");
  });
});

describe("many on a network", () => {
  let host: HostApi;
  beforeAll(async () => {
    host = await connectNode({ pcpus: 2 });
  });
  afterAll(() => host?.close());

  it("ten guests on a switch hear each other, and those of another VLAN do not", {
    timeout: 12 * BOOT_MS,
  }, async () => {
    const guests: Debian[] = [];
    for (let n = 1; n <= 10; n++) {
      const vifs = [{ bridge: "lab", ...(n === 10 ? { vlan: 7 } : {}) }];
      guests.push(await Debian.boot(host, { name: `g${n}`, memoryMiB: 96, vifs }));
    }
    for (const [index, guest] of guests.entries()) {
      await guest.output(`ip addr add 192.0.2.${index + 1}/24 dev eth0`);
    }
    const all = guests.map((_, index) => index + 1).join(" ");
    const heard = await Promise.all(
      guests.map((guest, index) => {
        // Ten guests at once are slow to answer on a busy machine; who is not there answers none.
        const tries = index === 9 ? "1" : "1 2 3 4 5 6";
        const asks = `for try in ${tries}; do ping -c 1 -W 2 192.0.2.$n >/dev/null && printf "$n " && break; done`;
        return guest.output(`for n in ${all}; do ${asks}; done; echo`, BOOT_MS);
      }),
    );
    expect(heard).toEqual([...Array(9).fill("1 2 3 4 5 6 7 8 9"), "10"]);
    const lab = (await host.networks()).find(({ name }) => name === "lab")!;
    expect(lab.ports).toHaveLength(10);
    expect(lab.flows.filter(({ protocol }) => protocol === "icmp").length).toBeGreaterThanOrEqual(36);
    await Promise.all(guests.map(({ domid }) => host.destroy(domid)));
    expect((await host.networks()).map(({ name }) => name)).not.toContain("lab");
  });

  it("a Debian on a disk comes up with its network", { timeout: 3 * BOOT_MS }, async () => {
    const folder = mkdtempSync(join(tmpdir(), "xenolith-network-root-"));
    const target = join(folder, "root.vhd");
    unwrap(await makeDisk(target, { sizeBytes: 512 * MIB }));
    const disks = [{ target, vdev: "xvda" }];
    const debian = await Debian.boot(host, {
      name: "root",
      extra: "root=/dev/xvda",
      prompt: "debian:~# ",
      disks,
      vifs: [{}],
    });
    await debian.output("n=0; until [ -s /etc/resolv.conf ]; do [ $((n += 1)) -le 300 ] || break; sleep 0.1; done");
    expect(await debian.output(`busybox wget -qO- http://${GATEWAY}:${servers.http}/disk; cat /etc/resolv.conf`)).toBe(
      "hello from /disk\nnameserver 10.0.2.3",
    );
    await host.destroy(debian.domid);
    rmSync(folder, { recursive: true });
  });

  it("a netchannel2 interface leads out, and comes and goes", { timeout: 3 * BOOT_MS }, async () => {
    const image = unwrap(await prepareGuest({ flavour: "cloud", modules: [NETCHANNEL2] }));
    const ramdisk = new Uint8Array(readFileSync(image.initramfs));
    const debian = await Debian.boot(host, { name: "nc2", ramdisk, vifs: [{ type: "vif2" }] });
    await hasAddress(debian);
    expect(await fetchBig(debian)).toBe(servers.bigSha256);
    await host.detachVif(debian.domid, 0);
    await isGone(debian, "eth0");
    await host.attachVif(debian.domid, { type: "vif2" });
    await hasAddress(debian);
    expect((await host.vifs(debian.domid)).map(({ config, state }) => [config.type, state])).toEqual([["vif2", 4]]);
    await host.destroy(debian.domid);
  });

  it("a guest of four vCPUs uses four queues", { timeout: 4 * BOOT_MS }, async () => {
    const debian = await Debian.boot(host, { name: "four", vcpus: 4, vifs: [{}] });
    await hasAddress(debian);
    expect(await debian.output("echo $(ls /sys/class/net/eth0/queues)")).toBe(
      "rx-0 rx-1 rx-2 rx-3 tx-0 tx-1 tx-2 tx-3",
    );
    expect(
      await debian.output(
        "for q in 0 1 2 3; do echo $(cat $(dirname /proc/irq/*/vif0-q$q-rx)/smp_affinity_list); done",
      ),
    ).toBe("0\n1\n2\n3");
    const job = (cpu: number) =>
      `(i=0; while [ $((i += 1)) -le 12 ]; do taskset -c ${cpu} wget -qO /dev/null http://${GATEWAY}:${servers.http}/; done) &`;
    await debian.output(`${[0, 1, 2, 3].map(job).join(" ")} wait`, BOOT_MS);
    const { queues, counters } = (await host.vifs(debian.domid))[0]!;
    expect(queues).toHaveLength(4);
    for (const queue of queues) {
      expect(queue.txFrames).toBeGreaterThan(0);
      expect(queue.rxFrames).toBeGreaterThan(0);
    }
    expect(queues.reduce((sum, { rxFrames = 0 }) => sum + rxFrames, 0)).toBe(counters.rxFrames);
    expect(unexpectedMessages(await debian.output("dmesg -r"))).toEqual([]);
    await host.destroy(debian.domid);
  });
});
