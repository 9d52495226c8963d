/** Interfaces of domains; the guest's part is its keys in the store. */
import { beforeEach, describe, expect, it, vi } from "vitest";
import { Host } from "../api/host.js";
import type { DomainConfig, DomId, VifConfig } from "../api/types.js";
import { VifBackend } from "../backends/vif/index.js";
import { Bypasses } from "../backends/vif2/index.js";
import { FakeCore } from "../core-link/fake.js";
import { nowhere, type Outside } from "../net/index.js";
import { LogRing, SeededRandom } from "../util/index.js";
import { makeElf } from "./testing/kernels.js";
import { Toolstack } from "./toolstack.js";

const POWEROFF = 0;
const REBOOT = 1;
const MAC = /^00:16:3e:[0-7][0-9a-f](:[0-9a-f]{2}){2}$/;

class Rig {
  readonly core = new FakeCore();
  readonly log = new LogRing({ now: () => 0 });
  readonly toolstack: Toolstack;
  readonly host: Host;

  constructor(seed = 1, outside: Outside = nowhere("nothing is outside")) {
    const { core, log } = this;
    core.calls.machineInit(8192, 1, 0, 0, 0);
    const clock = { now: () => 0 };
    const later = (work: () => void) => void setTimeout(work);
    const network = { outside, hostLoopback: true, epochMs: 0 };
    const random = new SeededRandom(seed);
    this.toolstack = new Toolstack({ core, clock, random, log, coreSink: null, later, network });
    this.host = new Host({ core, toolstack: this.toolstack, log, clock, pcpus: 1, close: async () => {} });
  }

  create(vifs: readonly VifConfig[], changes: Partial<DomainConfig> = {}): Promise<DomId> {
    return this.host.create({ name: "guest", kernel: makeElf(), memoryMiB: 4, vcpus: 1, vifs, ...changes });
  }

  keys(domid: number, devid: number, end: "frontend" | "backend", ...names: string[]): (string | null)[] {
    const path = {
      frontend: `/local/domain/${domid}/device/vif/${devid}`,
      backend: `/local/domain/0/backend/vif/${domid}/${devid}`,
    }[end];
    return names.map((name) => this.toolstack.store.local.read(`${path}/${name}`));
  }

  async settle(): Promise<void> {
    this.toolstack.service();
    for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

let rig: Rig;
beforeEach(() => {
  rig = new Rig();
});

describe("a domain's interfaces", () => {
  it("stand in xenstore before the guest starts", async () => {
    const config = { mac: "00:16:3E:00:00:07", bridge: "lab", rateBytesPerSecond: 1_000_000, rateWindowUs: 20_000 };
    const domid = await rig.create([config, { vifname: "second", trusted: false, mtu: 9000 }]);
    expect(rig.keys(domid, 0, "frontend", "mac", "handle", "backend-id", "state", "trusted")).toEqual([
      "00:16:3e:00:00:07",
      "0",
      "0",
      "1",
      null,
    ]);
    expect(rig.keys(domid, 0, "backend", "mac", "bridge", "type", "rate", "hotplug-status", "vifname")).toEqual([
      "00:16:3e:00:00:07",
      "lab",
      "vif",
      "20000,20000",
      "connected",
      `vif${domid}.0`,
    ]);
    expect(rig.keys(domid, 1, "frontend", "trusted")).toEqual(["0"]);
    expect(rig.keys(domid, 1, "backend", "bridge", "vifname", "mtu")).toEqual(["nat", "second", "9000"]);
    expect(await rig.host.vifs(domid)).toMatchObject([
      { devid: 0, mac: "00:16:3e:00:00:07", network: "lab", name: `vif${domid}.0`, linkUp: true },
      { devid: 1, mac: expect.stringMatching(MAC), network: "nat", name: "second" },
    ]);
  });

  it("have their guests held to their rates and windows, at first, when they change, and after a reboot", async () => {
    const limit = vi.spyOn(VifBackend.prototype, "limit");
    const rates = (): unknown[] => limit.mock.calls.splice(0);
    const domid = await rig.create([{ rateBytesPerSecond: 1_000_000, rateWindowUs: 20_000 }, {}]);
    expect(rates()).toEqual([
      [1_000_000, 20_000],
      [null, undefined],
    ]);
    await rig.host.setVif(domid, 0, { rateBytesPerSecond: 2000 });
    await rig.host.setVif(domid, 0, { rateWindowUs: 1000 });
    expect(rates()).toEqual([
      [2000, 20_000],
      [2000, 1000],
    ]);
    rig.core.guestShutdown(domid, REBOOT);
    await rig.settle();
    expect(rates()).toContainEqual([2000, 1000]);
    const [successor] = await rig.host.list();
    await rig.host.setVif(successor!.domid, 0, { rateBytesPerSecond: 0 });
    await rig.host.setVif(successor!.domid, 0, { rateBytesPerSecond: 3000 });
    expect(rates()).toEqual([
      [null, undefined],
      [3000, undefined],
    ]);
    limit.mockRestore();
  });

  it("get their addresses from the machine's chance, so that a seed gives them again", async () => {
    const macsOf = async (some: Rig): Promise<string[]> => {
      const vifs = await some.host.vifs(await some.create([{}, {}], { uuid: "0f9d2e5a-0000-4000-8000-000000000001" }));
      return vifs.map(({ mac }) => mac);
    };
    const macs = await macsOf(new Rig(7));
    expect(macs[0]).not.toBe(macs[1]);
    expect(await macsOf(new Rig(7))).toEqual(macs);
    expect(await macsOf(new Rig(8))).not.toEqual(macs);
  });

  it("take the first free numbers, and leave those that are asked for", async () => {
    const domid = await rig.create([{}, { devid: 0 }, {}, { devid: 9 }]);
    expect((await rig.host.vifs(domid)).map(({ devid }) => devid)).toEqual([0, 1, 2, 9]);
    expect(await rig.host.attachVif(domid, {})).toBe(3);
  });

  it("come and go while the guest runs", async () => {
    const domid = await rig.create([]);
    expect(await rig.host.networks()).toEqual([]);
    const devid = await rig.host.attachVif(domid, { bridge: "lab", vlan: 7 });
    const { mac } = (await rig.host.vifs(domid))[0]!;
    expect(await rig.host.networks()).toMatchObject([{ name: "lab", ports: [{ domid, devid, mac, vlan: 7 }] }]);
    await expect(rig.host.attachVif(domid, { devid })).rejects.toMatchObject({ code: "name-taken" });
    const leaving = rig.host.detachVif(domid, devid);
    await rig.settle();
    expect(rig.keys(domid, devid, "backend", "online", "state")).toEqual(["0", "5"]);
    rig.toolstack.store.local.write(`/local/domain/${domid}/device/vif/${devid}/state`, "6");
    await leaving;
    expect(rig.keys(domid, devid, "frontend", "mac")).toEqual([null]);
    expect([await rig.host.vifs(domid), await rig.host.networks()]).toEqual([[], []]);
  });

  it("go at once when they are forced to", async () => {
    const domid = await rig.create([{ bridge: "lab" }]);
    await rig.host.detachVif(domid, 0, true);
    expect(rig.keys(domid, 0, "backend", "state")).toEqual([null]);
    await expect(rig.host.detachVif(domid, 0, true)).rejects.toMatchObject({
      code: "not-found",
      message: expect.stringContaining("it has none"),
    });
  });

  it("are there again after a reboot, with address and line", async () => {
    const domid = await rig.create([{ bridge: "lab" }]);
    const [before] = await rig.host.vifs(domid);
    await rig.host.setVif(domid, 0, { linkUp: false, toGuest: { delayMs: 20 }, rateBytesPerSecond: 1000 });
    await rig.host.attachVif(domid, { bridge: "other" });
    rig.core.guestShutdown(domid, REBOOT);
    await rig.settle();
    const [successor] = await rig.host.list();
    expect(successor!.domid).not.toBe(domid);
    const [after, second] = await rig.host.vifs(successor!.domid);
    expect(after).toMatchObject({
      mac: before!.mac,
      linkUp: false,
      toGuest: { delayMs: 20 },
      name: `vif${successor!.domid}.0`,
    });
    expect(after!.config.rateBytesPerSecond).toBe(1000);
    expect(second).toMatchObject({ devid: 1, network: "other" });
    expect((await rig.host.networks()).map(({ ports }) => ports.length)).toEqual([1, 1]);
  });

  it("leave their networks when their domain ends, also one that stays to be looked at", async () => {
    const domid = await rig.create([{ bridge: "lab" }], { onPoweroff: "preserve" });
    rig.core.guestShutdown(domid, POWEROFF);
    await rig.settle();
    expect(await rig.host.networks()).toEqual([]);
    await rig.create([{ bridge: "lab" }], { name: "other" });
    expect(await rig.host.networks()).toHaveLength(1);
    await rig.host.close();
    expect(await rig.host.networks()).toEqual([]);
  });

  it.each<[VifConfig[], RegExp]>([
    [[{ mac: "01:00:00:00:00:01" }], /no address of a single station/],
    [[{ mac: "00:16:3e:00:00:01" }, { mac: "00:16:3E:00:00:01" }], /there twice/],
    [[{ devid: 3 }, { devid: 3 }], /devid 3 is there twice/],
    [[{ devid: 256 }], /0 to 255/],
    [[{ bridge: "a b" }], /letters, digits/],
    [[{ type: "ioemu" as "vif" }], /is not vif or vif2/],
    [[{ mtu: 1.5 }], /mtu 1.5/],
    [[{ ip: "10.0.2" }], /is no address/],
    [[{ vlan: 0 }], /1 to 4094/],
    [[{ rateBytesPerSecond: -1 }], /rate -1/],
    [[{ bridge: "lab", forwards: [{ protocol: "tcp", hostPort: 0, guestPort: 80 }] }], /leave bridge out/],
    [[{ forwards: [{ protocol: "sctp" as "tcp", hostPort: 0, guestPort: 80 }] }], /is not tcp or udp/],
    [[{ forwards: [{ protocol: "tcp", hostPort: 0, guestPort: 0 }] }], /1 to 65535/],
    [[null as unknown as VifConfig], /not an interface/],
  ])("are refused: %j", async (vifs, message) => {
    await expect(rig.create(vifs)).rejects.toMatchObject({
      code: "bad-config",
      message: expect.stringMatching(message),
    });
    expect(await rig.host.networks()).toEqual([]);
  });

  it.each([
    [{ fromGuest: { loss: 2 } }, /loss: 2 is not from 0 to 1/],
    [{ toGuest: { delayMs: -1 } }, /delayMs/],
    [{ rateBytesPerSecond: Number.NaN }, /rate/],
    [{ rateWindowUs: 0 }, /windows of 0 microseconds/],
    [{ rateWindowUs: 0.5 }, /windows of 0.5 microseconds/],
  ])("refuse lines that there are not: %j", async (change, message) => {
    const domid = await rig.create([{}]);
    await expect(rig.host.setVif(domid, 0, change)).rejects.toMatchObject({ message: expect.stringMatching(message) });
  });
});

/** An outside whose ports are numbers in a set. */
function listening(open: Set<number>): Outside {
  let next = 40_000;
  const listen = async (_address: string, wanted: number) => {
    const port = wanted === 0 ? next++ : wanted;
    if (open.has(port)) throw new Error(`port ${port} is in use`);
    open.add(port);
    return { port, close: () => void open.delete(port), send: () => {} };
  };
  return { ...nowhere("only ports"), listen, listenDatagrams: listen };
}

describe("forwards", () => {
  const tcp = (hostPort: number) => ({ protocol: "tcp", hostPort, guestPort: 80 }) as const;
  const udp = { protocol: "udp", hostPort: 0, guestPort: 53 } as const;

  it("are open from the start to the end of their domain, also over a reboot", async () => {
    const open = new Set<number>();
    rig = new Rig(1, listening(open));
    const domid = await rig.create([{ forwards: [tcp(8080), udp] }]);
    expect((await rig.host.vifs(domid))[0]!.forwards).toEqual([tcp(8080), { ...udp, hostPort: 40_000 }]);
    expect([...open]).toEqual([8080, 40_000]);
    rig.core.guestShutdown(domid, REBOOT);
    await rig.settle();
    const [successor] = await rig.host.list();
    expect((await rig.host.vifs(successor!.domid))[0]!.forwards).toEqual([tcp(8080), { ...udp, hostPort: 40_001 }]);
    await rig.host.destroy(successor!.domid);
    expect([...open]).toEqual([]);
  });

  it("whose port is taken keep their domain from starting, and leave nothing behind", async () => {
    const open = new Set([8080]);
    rig = new Rig(1, listening(open));
    await expect(rig.create([{}, { forwards: [udp, tcp(8080)] }])).rejects.toMatchObject({
      code: "bad-state",
      message: expect.stringContaining("hostfwd: port 8080 is in use"),
    });
    expect([...open]).toEqual([8080]);
    const domid = await rig.create([]);
    await expect(rig.host.attachVif(domid, { forwards: [tcp(8080)] })).rejects.toThrow("in use");
    expect((await rig.host.networks())[0]!.ports.filter((port) => port.domid !== undefined)).toEqual([]);
  });

  it("are refused where nothing can listen", async () => {
    await expect(rig.create([{ forwards: [tcp(0)] }])).rejects.toThrow("nothing is outside");
  });
});

describe("addresses", () => {
  it("of the user-mode network are given once, and none of others", async () => {
    const domid = await rig.create([{ ip: "10.0.2.77" }]);
    await expect(rig.host.attachVif(domid, { ip: "10.0.2.77" })).rejects.toMatchObject({ code: "bad-config" });
    await expect(rig.host.attachVif(domid, { ip: "192.0.2.1" })).rejects.toThrow(/ip: /);
    expect(await rig.host.attachVif(domid, { ip: "192.0.2.1", bridge: "lab" })).toBe(1);
    await rig.host.detachVif(domid, 0, true);
    expect(await rig.host.attachVif(domid, { ip: "10.0.2.77" })).toBe(0);
  });
});

describe("one address for two interfaces", () => {
  const mac = "00:16:3e:00:00:07";

  it("is refused on the network that gives addresses by it, and the first keeps its own", async () => {
    const first = await rig.create([{ mac, ip: "10.0.2.50" }]);
    await expect(rig.create([{ mac: mac.toUpperCase() }], { name: "other" })).rejects.toThrow(
      `mac ${mac} is vif${first}.0's`,
    );
    const other = await rig.create([{ mac, bridge: "lab" }], { name: "other" });
    await expect(rig.host.attachVif(other, { mac })).rejects.toMatchObject({ code: "bad-config" });
    const thief = rig.host.attachVif(other, { ip: "10.0.2.50" });
    await expect(thief).rejects.toThrow("10.0.2.50 is another interface's already");
  });

  it("is free again when the interface is gone, and after a reboot its own", async () => {
    const first = await rig.create([{ mac }]);
    rig.core.guestShutdown(first, REBOOT);
    await rig.settle();
    const [successor] = await rig.host.list();
    expect(await rig.host.vifs(successor!.domid)).toMatchObject([{ mac, network: "nat" }]);
    await rig.host.destroy(successor!.domid);
    await rig.create([{ mac }]);
  });
});

describe("netchannel2", () => {
  it("is a device of its own kind, and guests are not introduced while somebody looks on", async () => {
    const domid = await rig.create([{ type: "vif2", bridge: "lab" }]);
    const read = (key: string) => rig.toolstack.store.local.read(`/local/domain/0/backend/vif2/${domid}/0/${key}`);
    expect(["type", "bridge", "max-bypasses"].map(read)).toEqual(["vif2", "lab", "5"]);
    const network = rig.toolstack.context.vifs.networks.hold("lab");
    const allowed = vi.spyOn(network.bypasses(0), "allowed", "set");
    const stop = await rig.host.capture({ domid, devid: 0 }, () => {});
    await rig.host.setVif(domid, 0, { toGuest: { loss: 0.1 } });
    await stop();
    expect(allowed.mock.calls.at(-1)).toEqual([false]);
    await rig.host.setVif(domid, 0, { toGuest: {} });
    expect(allowed.mock.calls.at(-1)).toEqual([true]);
  });

  it("is nobody's shortcut past the filter of an address", async () => {
    const network = rig.toolstack.context.vifs.networks.hold("lab");
    const introduced = vi.spyOn(network, "bypasses");
    await rig.create([{ type: "vif2", bridge: "lab", ip: "192.0.2.1" }]);
    expect(introduced).not.toHaveBeenCalled();
  });
});

describe("recordings", () => {
  it("whose taker fails are over: bypasses are allowed again, and the log says why", async () => {
    const domid = await rig.create([{ bridge: "lab", type: "vif2" }]);
    const allowed = vi.spyOn(Bypasses.prototype, "allowed", "set");
    for (const target of [{ network: "lab" }, { domid, devid: 0 }]) {
      allowed.mockClear();
      const take = vi.fn(() => Promise.reject(new Error("the disk is full")));
      const stop = await rig.host.capture(target, take);
      expect(allowed.mock.calls).toEqual([[false]]);
      await vi.waitFor(() => expect(allowed.mock.calls).toEqual([[false], [true]]));
      await stop();
      expect([allowed.mock.calls.length, take.mock.calls.length]).toEqual([2, 1]);
    }
    expect(rig.log.text()).toMatch(/recording has ended.*the disk is full/);
  });

  it("are pcapng files that end whole, of an interface or of a network that is not there yet", async () => {
    const domid = await rig.create([{}]);
    for (const target of [{ network: "later" }, { domid, devid: 0 }]) {
      const pieces: Uint8Array[] = [];
      const slowly = (piece: Uint8Array) =>
        new Promise<void>((resolve) => setTimeout(() => resolve(void pieces.push(piece)), 5));
      const stop = await rig.host.capture(target, slowly, { snaplen: 128 });
      expect(await stop()).toMatchObject({ frames: 0, drops: 0 });
      expect(Buffer.concat(pieces).subarray(0, 4).toString("hex")).toBe("0a0d0d0a");
    }
    expect((await rig.host.networks()).map(({ name }) => name)).toEqual(["nat"]);
  });

  it("end, and let their network go, when nobody is there any more who takes them", async () => {
    const stop = await rig.host.capture({ network: "lab" }, () => new Promise(() => {}));
    vi.useFakeTimers();
    const stopped = stop();
    await vi.advanceTimersByTimeAsync(5000);
    vi.useRealTimers();
    expect(await stopped).toMatchObject({ frames: 0 });
    expect((await rig.host.networks()).map(({ name }) => name)).not.toContain("lab");
  });

  it("of an interface end with it, and say so", async () => {
    const domid = await rig.create([{ bridge: "lab" }]);
    const pieces: Uint8Array[] = [];
    const stop = await rig.host.capture({ domid, devid: 0 }, (piece) => void pieces.push(piece));
    await rig.host.destroy(domid);
    expect(pieces.map(({ length }) => length > 0)).toEqual([true, false]);
    expect(await stop()).toMatchObject({ frames: 0, drops: 0 });
  });

  it("are refused in words", async () => {
    const domid = await rig.create([]);
    const take = () => {};
    await expect(rig.host.capture({ domid, devid: 0 }, take)).rejects.toMatchObject({ code: "not-found" });
    await expect(rig.host.capture({ network: "a" }, take, { snaplen: 0 })).rejects.toThrow("snaplen");
  });

  it("are of a network that lives on when one is stopped twice", async () => {
    await rig.create([{ bridge: "lab" }]);
    const stop = await rig.host.capture({ network: "lab" }, () => {});
    expect(await stop()).toEqual(await stop());
    await rig.create([{ bridge: "lab" }], { name: "other" });
    const [lab] = (await rig.host.networks()).filter(({ name }) => name === "lab");
    expect(lab!.ports).toHaveLength(2);
  });
});
