/** Disks of domains over images in memory; the guest's part is its keys in the store. */
import { beforeEach, describe, expect, it, vi } from "vitest";
import { Host } from "../api/host.js";
import type { DiskConfig, DomainConfig, DomId } from "../api/types.js";
import { BlkBackend } from "../backends/blk/index.js";
import { FakeCore } from "../core-link/fake.js";
import { type Disk, ImageLibrary, ImageStore, MemoryFolder, oneStore } from "../storage/index.js";
import { LogRing, ok, SeededRandom } from "../util/index.js";
import { makeElf } from "./testing/kernels.js";
import { Toolstack } from "./toolstack.js";

const MIB = 2 ** 20;
const XVDA = 51712;
const XVDB = 51728;
const POWEROFF = 0;
const REBOOT = 1;

class Rig {
  readonly core = new FakeCore();
  readonly log = new LogRing({ now: () => 0 });
  readonly folder = new MemoryFolder();
  readonly sources = { random: new SeededRandom(2), now: () => 0 };
  readonly images = new ImageLibrary(oneStore(() => ImageStore.open({ folder: this.folder, sources: this.sources })));
  readonly toolstack: Toolstack;
  readonly host: Host;

  constructor(opened: (disk: Disk) => Promise<Disk> = async (disk) => disk) {
    const { core, log, images } = this;
    core.calls.machineInit(4096, 1, 0, 0, 0);
    const clock = { now: () => 0 };
    this.toolstack = new Toolstack({
      core,
      clock,
      random: new SeededRandom(1),
      log,
      coreSink: null,
      later: (work) => void setTimeout(work),
      openDisk: async (target, options) => opened(await images.openDisk(target, options)),
    });
    this.host = new Host({ core, toolstack: this.toolstack, log, clock, pcpus: 1, images, close: async () => {} });
  }

  create(disks: readonly DiskConfig[], changes: Partial<DomainConfig> = {}): Promise<DomId> {
    return this.host.create({ name: "guest", kernel: makeElf(), memoryMiB: 16, vcpus: 1, disks, ...changes });
  }

  key(domid: number, id: number, end: "frontend" | "backend", key: string): string | null {
    const paths = {
      frontend: `/local/domain/${domid}/device/vbd/${id}`,
      backend: `/local/domain/0/backend/vbd/${domid}/${id}`,
    };
    return this.toolstack.store.local.read(`${paths[end]}/${key}`);
  }

  /** The guest's driver says something. */
  guestState(domid: number, id: number, state: number): void {
    this.toolstack.store.local.write(`/local/domain/${domid}/device/vbd/${id}/state`, String(state));
  }

  async settle(): Promise<void> {
    this.toolstack.service();
    for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

let rig: Rig;
beforeEach(async () => {
  rig = new Rig();
  await rig.host.image("create", "a.vhd", { bytes: 64 * MIB, kind: "dynamic" });
  await rig.host.image("create", "b.img", { bytes: 8 * MIB, kind: "raw" });
});

const A: DiskConfig = { target: "a.vhd", vdev: "xvda" };
const B: DiskConfig = { target: "b.img", vdev: "xvdb", access: "r" };

describe("a domain's disks", () => {
  it("stand in xenstore before the guest starts", async () => {
    const domid = await rig.create([A, B]);
    const keys = (id: number, end: "frontend" | "backend", ...names: string[]) =>
      names.map((name) => rig.key(domid, id, end, name));
    expect(keys(XVDA, "frontend", "virtual-device", "device-type", "backend-id", "state")).toEqual([
      "51712",
      "disk",
      "0",
      "1",
    ]);
    expect(keys(XVDA, "backend", "dev", "mode", "params", "state", "sectors")).toEqual([
      "xvda",
      "w",
      "vhd:a.vhd",
      "2",
      "131072",
    ]);
    expect(keys(XVDB, "backend", "mode", "info", "feature-discard")).toEqual(["r", "4", "0"]);
    expect(await rig.host.disks(domid)).toMatchObject([
      { vdev: "xvda", id: XVDA, sizeBytes: 64 * MIB, readOnly: false, chain: ["a.vhd"] },
      { vdev: "xvdb", id: XVDB, sizeBytes: 8 * MIB, readOnly: true },
    ]);
  });

  it("may be sixteen, each with its own image and number", async () => {
    const disks = [..."abcdefghijklmnop"].map((letter) => ({ target: `${letter}${letter}.vhd`, vdev: `xvd${letter}` }));
    for (const { target } of disks) await rig.host.image("create", target, { bytes: MIB, kind: "dynamic" });
    const domid = await rig.create(disks);
    const shown = await rig.host.disks(domid);
    expect(shown.map(({ vdev, id, chain }) => [vdev, id, chain])).toEqual(
      disks.map(({ target, vdev }, i) => [vdev, XVDA + i * 16, [target]]),
    );
    for (const { id } of shown) expect(rig.key(domid, id, "backend", "state")).toBe("2");
    await rig.host.destroy(domid);
    await rig.create(disks, { name: "again" });
  });

  it("are closed with their domain", async () => {
    const domid = await rig.create([A]);
    await expect(rig.create([A], { name: "other" })).rejects.toMatchObject({ code: "bad-state" });
    await rig.host.destroy(domid);
    await rig.create([A], { name: "other" });
  });

  it("that only one of several can be opened leave nothing behind", async () => {
    await expect(rig.create([A, { target: "none.vhd", vdev: "xvdb" }])).rejects.toMatchObject({
      code: "not-found",
      message: expect.stringContaining("none.vhd"),
    });
    await rig.create([A]);
  });

  it("are opened anew when the guest reboots, with what was attached and detached meanwhile", async () => {
    const domid = await rig.create([A]);
    await rig.host.attachDisk(domid, B);
    await rig.host.detachDisk(domid, "xvda", true);
    rig.core.guestShutdown(domid, REBOOT);
    await rig.settle();
    const [successor] = await rig.host.list();
    expect(successor!.domid).not.toBe(domid);
    expect((await rig.host.disks(successor!.domid)).map(({ vdev }) => vdev)).toEqual(["xvdb"]);
  });

  it.each([
    [[A, { ...B, vdev: "d0" }], /"d0" is there twice/],
    [[{ ...A, vdev: "floppy" }], /vdev "floppy"/],
    [[{ ...A, target: "" }], /target is missing/],
    [[{ ...A, format: "vdi" as "raw" }], /format "vdi"/],
    [[{ ...A, devtype: "cdrom", access: "w" } as const], /only read/],
  ])("are refused: %j", async (disks, message) => {
    await expect(rig.create(disks)).rejects.toMatchObject({
      code: "bad-config",
      message: expect.stringMatching(message),
    });
  });

  it("are closed before anybody hears that the guest has ended", async () => {
    let release = () => {};
    const closing = new Promise<void>((resolve) => {
      release = resolve;
    });
    const slow = new Rig(async (disk) => {
      const close = disk.close.bind(disk);
      disk.close = () => closing.then(close);
      return disk;
    });
    await slow.host.image("create", "a.vhd", { bytes: 64 * MIB, kind: "dynamic" });
    const domid = await slow.create([A], { onPoweroff: "preserve" });
    let ended = false;
    const end = slow.host.waitShutdown(domid).then(() => {
      ended = true;
    });
    slow.core.guestShutdown(domid, POWEROFF);
    await slow.settle();
    expect(ended).toBe(false);
    release();
    await end;
    await slow.host.image("convert", "a.vhd", "copy.img", { kind: "raw" });
  });

  it.each(["destroy", "close"] as const)(
    "hold nothing up that waits for them when their guest is no more: %s",
    async (end) => {
      const domid = await rig.create([A]);
      const before = new Promise<void>((resolve) => {
        const { abandon } = BlkBackend.prototype;
        vi.spyOn(BlkBackend.prototype, "abandon").mockImplementation(function (this: BlkBackend) {
          abandon.call(this);
          resolve();
        });
      });
      // As a change of the medium does, for requests under way.
      const waiting = rig.toolstack.withDomain(domid, () => before.then(() => ok(undefined)));
      await (end === "destroy" ? rig.host.destroy(domid) : rig.host.close());
      expect((await waiting).ok).toBe(true);
      vi.restoreAllMocks();
    },
  );

  it.each(["attach", "create"] as const)("that are still being opened hold no destroy up: %s", async (how) => {
    let answer = () => {};
    const answered = new Promise<void>((resolve) => {
      answer = resolve;
    });
    const closed: string[] = [];
    const far = new Rig(async (disk) => {
      await answered;
      const close = disk.close.bind(disk);
      disk.close = () => {
        closed.push(disk.description);
        return close();
      };
      return disk;
    });
    await far.host.image("create", "a.vhd", { bytes: 64 * MIB, kind: "dynamic" });
    const domid = how === "attach" ? await far.create([]) : (1 as DomId);
    const waiting = how === "attach" ? far.host.attachDisk(domid, A) : far.create([A]);
    const refused = expect(waiting).rejects.toThrow(/nobody waits/);
    await far.settle();
    await far.host.destroy(domid).catch(() => {});
    await refused;
    expect(await far.host.list()).toEqual([]);
    answer();
    await far.settle();
    expect(closed).toEqual(["vhd a.vhd"]);
    await far.create([A]);
  });

  it("are closed when the machine ends", async () => {
    const domid = await rig.create([A]);
    await rig.host.close();
    expect(await rig.host.disks(domid)).toEqual([]);
    expect(await rig.images.check("a.vhd")).toEqual([]);
  });
});

describe("attaching and detaching", () => {
  it("gives the guest a disk while it runs", async () => {
    const domid = await rig.create([]);
    await rig.host.attachDisk(domid, A);
    expect(rig.key(domid, XVDA, "backend", "state")).toBe("2");
    await expect(rig.host.attachDisk(domid, { ...B, vdev: "d0p0" })).rejects.toMatchObject({ code: "name-taken" });
  });

  it("waits until the guest has let go", async () => {
    const domid = await rig.create([A]);
    rig.guestState(domid, XVDA, 3);
    let done = false;
    const detached = rig.host.detachDisk(domid, "xvda").then(() => {
      done = true;
    });
    await rig.settle();
    expect([done, rig.key(domid, XVDA, "backend", "online"), rig.key(domid, XVDA, "backend", "state")]).toEqual([
      false,
      "0",
      "5",
    ]);
    rig.guestState(domid, XVDA, 6);
    await detached;
    expect([rig.key(domid, XVDA, "backend", "state"), rig.key(domid, XVDA, "frontend", "state")]).toEqual([null, null]);
    await rig.host.attachDisk(domid, A);
  });

  it("says what to do when the guest does not, and takes it by force", async () => {
    vi.useFakeTimers();
    const domid = await rig.create([A]);
    const detached = rig.host.detachDisk(domid, "xvda").catch((error: unknown) => error);
    await vi.advanceTimersByTimeAsync(10_001);
    vi.useRealTimers();
    expect(await detached).toMatchObject({ code: "bad-state", message: expect.stringContaining("--force") });
    await rig.host.detachDisk(domid, "xvda", true);
    expect(await rig.host.disks(domid)).toEqual([]);
    expect(rig.key(domid, XVDA, "frontend", "state")).toBeNull();
  });

  it("knows the disks there are", async () => {
    const domid = await rig.create([A]);
    await expect(rig.host.detachDisk(domid, "xvdz")).rejects.toMatchObject({
      code: "not-found",
      message: /it has xvda/,
    });
  });
});

describe("a CD-ROM drive", () => {
  const drive: DiskConfig = { target: "", vdev: "xvdd", devtype: "cdrom" };

  it("is filled and emptied while the guest runs", async () => {
    const domid = await rig.create([drive]);
    const size = () => rig.key(domid, 51760, "backend", "sectors");
    expect([size(), rig.key(domid, 51760, "backend", "info")]).toEqual(["0", "7"]);
    await rig.host.changeMedium(domid, "xvdd", "b.img");
    expect([size(), rig.key(domid, 51760, "backend", "params")]).toEqual(["16384", "raw:b.img"]);
    await expect(rig.create([{ ...B, access: "w" }], { name: "writer" })).rejects.toMatchObject({ code: "bad-state" });
    await rig.host.changeMedium(domid, "xvdd", null);
    expect(size()).toBe("0");
    await rig.create([{ ...B, access: "w" }], { name: "writer" });
  });

  it("is the only thing that has media", async () => {
    const domid = await rig.create([A]);
    await expect(rig.host.changeMedium(domid, "xvda", "b.img")).rejects.toMatchObject({ code: "bad-config" });
  });
});

describe("images in use", () => {
  it("grow, are kept as snapshots and merged under the guest", async () => {
    const domid = await rig.create([A]);
    await rig.host.image("snapshot", "a.vhd", "monday.vhd");
    expect((await rig.host.disks(domid))[0]!.chain).toEqual(["a.vhd", "monday.vhd"]);
    await rig.host.image("resize", "a.vhd", 128 * MIB);
    expect(rig.key(domid, XVDA, "backend", "sectors")).toBe("262144");
    await rig.host.image("clone", "monday.vhd", "clone.vhd");
    await rig.create([{ target: "clone.vhd", vdev: "xvda" }], { name: "clone" });
    const tree = await rig.host.image("tree");
    expect(tree.map(({ name, children }) => [name, children.map((child) => child.name)])).toEqual([
      ["b.img", []],
      ["monday.vhd", ["a.vhd", "clone.vhd"]],
    ]);
    await expect(rig.host.image("coalesce", "a.vhd")).rejects.toMatchObject({ code: "bad-state" });
    await expect(rig.host.image("remove", "a.vhd")).rejects.toMatchObject({ code: "bad-state" });
    await expect(rig.host.image("dance" as "info", "a.vhd")).rejects.toMatchObject({ code: "unsupported" });
  });
});
