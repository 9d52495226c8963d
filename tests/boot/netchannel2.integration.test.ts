/**
 * Netchannel2 between guests of Debian's kernel with our front end: by Domain0, and past it; and what a guest does that means
 * harm to another with which it has a bypass.
 */
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connectNode } from "../../control-plane/api/connect-node.js";
import type { HostApi } from "../../control-plane/api/index.js";
import { writeCpio } from "../../control-plane/formats/index.js";
import { buildModule, NETCHANNEL2, NETCHANNEL2_SOURCES, prepareGuest } from "../../control-plane/guest/index.js";
import { unwrap } from "../../control-plane/util/index.js";
import { BOOT_MS, Debian, type DebianOptions } from "./debian.js";
import { MACHINES } from "./machines.js";

const SCRIBBLE = fileURLToPath(new URL("../guests/netchannel2/", import.meta.url));
const FOLLOW_MS = 60_000;
/** Enough for rings to go round many times. */
const BYTES = 8 * 2 ** 20;
/** A driver that has a device keeps its module. */
const REMOVE = "echo vif2-0 >/sys/bus/xen/drivers/vif2/unbind && rmmod netchannel2";

/** The guest that carries our module, and one that misuses it. */
async function ramdisk(): Promise<Uint8Array> {
  const image = unwrap(await prepareGuest({ flavour: "cloud", modules: [NETCHANNEL2] }));
  const { release } = image.manifest;
  const scribble = await buildModule({ release, sources: [NETCHANNEL2_SOURCES, SCRIBBLE], name: "scribble" });
  const extra = writeCpio([{ path: "lib/scribble.ko", mode: 0o100644, data: unwrap(scribble) }]);
  const base = readFileSync(image.initramfs);
  const whole = new Uint8Array(((base.length + 3) & ~3) + extra.length);
  whole.set(base);
  whole.set(extra, whole.length - extra.length);
  return whole;
}

const NETWORK = "lab";
/** Of a recording: nobody reads it. */
const FEW_BYTES = 64;

/** Whether guests may go past Domain0: not while somebody records what they send. */
class Bypasses {
  #end: (() => Promise<unknown>) | null = null;

  constructor(private readonly host: HostApi) {}

  async forbid(): Promise<void> {
    this.#end ??= await this.host.capture({ network: NETWORK }, () => {}, { snaplen: FEW_BYTES });
  }

  async allow(): Promise<void> {
    await this.#end?.();
    this.#end = null;
  }
}

const addressOf = (debian: Debian): string => `10.0.0.${debian.domid}`;

async function join(host: HostApi, options: DebianOptions): Promise<Debian> {
  const debian = await Debian.boot(host, { ...options, vifs: [{ bridge: NETWORK, type: "vif2" }] });
  await debian.output(`head -c ${BYTES} /dev/urandom >/tmp/file`);
  await up(debian);
  return debian;
}

async function up(debian: Debian): Promise<void> {
  await debian.output("until [ -e /sys/class/net/eth0 ]; do sleep 0.1; done");
  await debian.output(`ip addr add ${addressOf(debian)}/24 dev eth0; ip link set eth0 up`);
  await debian.output('until [ "$(cat /sys/class/net/eth0/carrier)" = 1 ]; do sleep 0.1; done');
}

async function ping(from: Debian, to: Debian, options = "-c 3"): Promise<void> {
  expect(await from.output(`ping ${options} ${addressOf(to)}`)).toContain(" 0% packet loss");
}

const vifOf = async (debian: Debian) => (await debian.host.vifs(debian.domid))[0]!;

const macOf = async (debian: Debian): Promise<string> => (await vifOf(debian)).mac;

/** Lines about bypasses with the guest of that address: queue, address, packets received and sent. */
async function bypasses(of: Debian, mac: string): Promise<string[]> {
  const lines = (await of.output("cat /sys/class/net/eth0/netchannel2/bypasses")).split("\n");
  return lines.filter((line) => line.includes(mac));
}

/** Lets two guests talk until they have a bypass. */
async function acquaint(a: Debian, b: Debian, queues: number): Promise<void> {
  await ping(a, b, "-c 40 -i 0.02");
  for (const [one, other] of [
    [a, b],
    [b, a],
  ] as const) {
    const mac = await macOf(other);
    await expect.poll(() => bypasses(one, mac), { timeout: FOLLOW_MS }).toHaveLength(queues);
  }
}

/** Sends a file and compares what arrives. */
async function send(from: Debian, to: Debian, port: number, meanwhile = async () => {}): Promise<void> {
  await to.output(`rm -f /tmp/sum; (nc -l -p ${port} | sha256sum >/tmp/part; mv /tmp/part /tmp/sum) & sleep 0.2`);
  const sending = from.output(`nc ${addressOf(to)} ${port} </tmp/file`, BOOT_MS);
  await Promise.all([sending, sleep(100).then(meanwhile)]);
  const got = await to.output("until [ -e /tmp/sum ]; do sleep 0.1; done; cut -c -64 /tmp/sum");
  expect(got).toBe(await from.output("sha256sum /tmp/file | cut -c -64"));
}

const complaints = (debian: Debian): Promise<string> =>
  debian.output("dmesg | grep -E 'BUG|WARNING|Call Trace|Oops| stalls|timed out' || true");

describe.each(MACHINES)("netchannel2 in $name", ({ machine: options }) => {
  let host: HostApi;
  let ways: Bypasses;
  let image: Uint8Array;
  let a: Debian;
  let b: Debian;
  let macB: string;

  beforeAll(async () => {
    image = await ramdisk();
    host = await connectNode(options);
    ways = new Bypasses(host);
    a = await join(host, { name: "a", ramdisk: image, vcpus: 2 });
    b = await join(host, { name: "b", ramdisk: image, vcpus: 2 });
    macB = await macOf(b);
    await ways.forbid();
  }, 3 * BOOT_MS);

  afterAll(async () => {
    await host?.close();
  });

  /** What has gone out by Domain0, of each guest. */
  const sent = () =>
    Promise.all(
      [a, b].map(async (debian) => {
        const { counters } = await vifOf(debian);
        return { bytes: counters.txBytes!, packets: counters.txPackets! };
      }),
    );

  it("has a queue for each vCPU, and what the cards of today do", async () => {
    const { mac, counters } = await vifOf(a);
    expect(await a.output("ls /sys/class/net/eth0/queues | sort | tr '\\n' ' '; cat /sys/class/net/eth0/address")).toBe(
      `rx-0 rx-1 tx-0 tx-1 ${mac}`,
    );
    expect(counters).toMatchObject({ queues: 2 });
  });

  it("carries packets by Domain0, small, large and many", { timeout: BOOT_MS }, async () => {
    await ping(a, b);
    await ping(b, a, "-c 3 -s 20000");
    const before = await sent();
    await send(a, b, 5001);
    await send(b, a, 5002);
    for (const [index, { bytes, packets }] of (await sent()).entries()) {
      expect(bytes - before[index]!.bytes).toBeGreaterThan(BYTES);
      expect(bytes / packets).toBeGreaterThan(1514);
    }
    for (const debian of [a, b]) expect((await vifOf(debian)).counters).toMatchObject({ txErrors: 0, bypasses: 0 });
  });

  it("carries them past Domain0 by bypasses, a ring for each queue", { timeout: BOOT_MS }, async () => {
    await ways.allow();
    await acquaint(a, b, 2);
    for (const debian of [a, b]) expect((await vifOf(debian)).counters).toMatchObject({ bypasses: 2 });
    const before = await sent();
    await ping(a, b, "-c 3 -s 20000");
    await send(a, b, 5003);
    await send(b, a, 5004);
    // What is for everybody still goes by Domain0: ARP and the like.
    for (const [index, { bytes }] of (await sent()).entries()) expect(bytes - before[index]!.bytes).toBeLessThan(5000);
    const received = (await bypasses(b, await macOf(a))).map((line) => Number(line.split(" ")[2]));
    expect(received.reduce((sum, count) => sum + count)).toBeGreaterThan(BYTES / 65536);
  });

  it("goes on by Domain0 when bypasses are forbidden under load, and past it again", {
    timeout: 2 * BOOT_MS,
  }, async () => {
    const [before] = await sent();
    await send(a, b, 5005, () => ways.forbid());
    await expect.poll(() => bypasses(a, macB), { timeout: FOLLOW_MS }).toEqual([]);
    const [after] = await sent();
    expect(after!.bytes).toBeGreaterThan(before!.bytes);
    await send(b, a, 5006, () => ways.allow());
    await acquaint(a, b, 2);
  });

  it("has as many queues past Domain0 as both have, and lets go of who is destroyed", {
    timeout: 2 * BOOT_MS,
  }, async () => {
    const c = await join(host, { name: "c", ramdisk: image });
    await acquaint(c, a, 1);
    await acquaint(b, c, 1);
    await send(c, a, 5007);
    await send(b, c, 5008);
    const mac = await macOf(c);
    await host.destroy(c.domid);
    for (const debian of [a, b]) await expect.poll(() => bypasses(debian, mac), { timeout: FOLLOW_MS }).toEqual([]);
    await send(a, b, 5009);
  });

  it("comes back after its module was taken away", { timeout: BOOT_MS }, async () => {
    await ways.allow();
    await b.output(REMOVE);
    await expect.poll(() => bypasses(a, macB), { timeout: FOLLOW_MS }).toEqual([]);
    await b.output("modprobe netchannel2");
    await up(b);
    await acquaint(a, b, 2);
    await send(b, a, 5010);
  });

  // What each deed makes the other guest say; nothing where only the packet is lost.
  it.each([
    ["index", "more messages than the ring holds"],
    ["consumed", "consumed more than there was"],
    ["size", "a message of no possible size"],
    ["prefix", "a packet that cannot be"],
    ["kind", "a packet that cannot be"],
    ["finish", "finished a packet that it was not given"],
    ["noise", "domain"],
    ["grants", null],
    ["source", null],
  ])("a guest whose %s is nonsense only loses its bypass", { timeout: BOOT_MS }, async (deed, why) => {
    await ways.allow();
    await b.output(`${REMOVE} && modprobe netchannel2`);
    await up(b);
    await acquaint(a, b, 2);
    await a.output("dmesg -c >/dev/null");
    await b.output(`insmod /lib/scribble.ko deed=${deed}`);
    await b.run(`ping -c 3 -i 0.2 -W 1 -s 3000 ${addressOf(a)}; ping -c 3 -i 0.2 -W 1 -s 100 ${addressOf(a)}`);
    if (why !== null) {
      await expect
        .poll(() => a.output("dmesg | grep 'queue [0-9], domain' || true"), { timeout: FOLLOW_MS })
        .toContain(why);
    }
    await b.output("rmmod scribble");
    await ping(a, b, "-c 3 -i 0.2 -s 3000");
    expect(await complaints(a)).toBe("");
  });

  it("a guest that reads nothing loses its bypass, and holds up nobody", { timeout: BOOT_MS }, async () => {
    await ways.allow();
    await b.output(`${REMOVE} && modprobe netchannel2`);
    await up(b);
    await acquaint(a, b, 2);
    await b.output("insmod /lib/scribble.ko deed=deaf");
    const flood = `ping -q -s 8000 -c 40 -i 0.02 -W 1 ${addressOf(b)} >/dev/null &`;
    await a.output(`for i in 1 2 3 4 5 6 7 8 9 10 11 12; do ${flood} done; wait`);
    // The kernel looks every five seconds for queues that have stood still for five.
    await expect.poll(() => bypasses(a, macB), { timeout: 3 * FOLLOW_MS }).toEqual([]);
    await b.output("rmmod scribble");
    // What was on the bypass when it ended is lost.
    await a.output(`until ping -c 1 -W 2 ${addressOf(b)} >/dev/null; do :; done`);
    await ping(a, b);
    // The kernel says once that a transmit queue stood still, which is so.
    await a.output("dmesg -c >/dev/null");
  });

  it("leaves no complaints behind", async () => {
    expect([await complaints(a), await complaints(b)]).toEqual(["", ""]);
    expect(await host.dmesg()).not.toMatch(/trapped|worker failed/);
  });
});
