/** Guests at rest for snapshots; the guest's part is what its agent writes into the store. */
import { beforeEach, describe, expect, it, vi } from "vitest";
import { Host } from "../api/host.js";
import type { DomId } from "../api/types.js";
import { FakeCore } from "../core-link/fake.js";
import { ImageLibrary, ImageStore, MemoryFolder, oneStore } from "../storage/index.js";
import { LogRing, SeededRandom } from "../util/index.js";
import { makeElf } from "./testing/kernels.js";
import { Toolstack } from "./toolstack.js";

const POWEROFF = 0;
const MIB = 2 ** 20;
type Agent = (words: readonly string[], answer: (text: string) => void) => void;

const RELIABLE: Agent = ([verb, id], answer) => answer(`${verb === "freeze" ? "frozen" : "thawed"} ${id}`);

class Rig {
  readonly core = new FakeCore();
  readonly folder = new MemoryFolder();
  readonly sources = { random: new SeededRandom(2), now: () => 0 };
  readonly images = new ImageLibrary(oneStore(() => ImageStore.open({ folder: this.folder, sources: this.sources })));
  readonly toolstack: Toolstack;
  readonly host: Host;
  readonly asked: string[] = [];
  /** The images when the guest was asked. */
  readonly seen: string[][] = [];

  constructor() {
    const { core, images } = this;
    core.calls.machineInit(4096, 1, 0, 0, 0);
    const clock = { now: () => 0 };
    const log = new LogRing(clock);
    const later = (work: () => void) => void setTimeout(work);
    const openDisk = images.openDisk.bind(images);
    this.toolstack = new Toolstack({ core, clock, random: new SeededRandom(1), log, coreSink: null, later, openDisk });
    this.host = new Host({ core, toolstack: this.toolstack, log, clock, pcpus: 1, images, close: async () => {} });
  }

  async guest(agent: Agent | null): Promise<DomId> {
    const disks = [{ target: "a.vhd", vdev: "xvda" }];
    const domid = await this.host.create({ name: "guest", kernel: makeElf(), memoryMiB: 16, vcpus: 1, disks });
    const { local } = this.toolstack.store;
    const home = `/local/domain/${domid}`;
    if (agent === null) return domid;
    local.write(`${home}/control/feature-freeze`, "1");
    local.watch(`${home}/control/freeze`, () => {
      const request = local.read(`${home}/control/freeze`);
      if (request === null) return;
      this.asked.push(request);
      void this.folder.list().then((files) => this.seen.push(files.map(({ name }) => name)));
      agent(request.split(" "), (text) => void setTimeout(() => local.write(`${home}/data/freeze`, text)));
    });
    return domid;
  }

  snapshot(quiesce: boolean | "try", quiesceSeconds?: number) {
    return this.host.image("snapshot", "a.vhd", "s.vhd", { quiesce, ...(quiesceSeconds && { quiesceSeconds }) });
  }

  async chain(): Promise<string[]> {
    const [node] = await this.host.image("tree");
    return [node!.name, ...node!.children.map(({ name }) => name)];
  }
}

let rig: Rig;
beforeEach(async () => {
  vi.useRealTimers();
  rig = new Rig();
  await rig.host.image("create", "a.vhd", { bytes: 64 * MIB, kind: "dynamic" });
});

describe("a snapshot of a disk whose guest is at rest", () => {
  it("is taken between freeze and thaw", async () => {
    await rig.guest(RELIABLE);
    expect(await rig.snapshot(true, 7)).toEqual({ quiesced: true, reason: null });
    expect(rig.asked).toEqual(["freeze 1 7", "thaw 1"]);
    expect(rig.seen.map((names) => names.includes("s.vhd"))).toEqual([false, true]);
    expect(await rig.chain()).toEqual(["s.vhd", "a.vhd"]);
  });

  it("leaves nothing behind when the answer is there before the question", async () => {
    const domid = await rig.guest(([verb, id], answer) => {
      if (verb === "thaw") answer(`thawed ${id}`);
    });
    const { local } = rig.toolstack.store;
    local.write(`/local/domain/${domid}/data/freeze`, "frozen 1");
    const { watch } = local;
    let watches = 0;
    local.watch = (path, changed) => {
      watches++;
      const end = watch.call(local, path, changed);
      return () => {
        watches--;
        end();
      };
    };
    await rig.snapshot(true);
    expect(watches).toBe(0);
  });

  it("is not asked for without saying so, and needs nobody where no guest uses the image", async () => {
    const domid = await rig.guest(RELIABLE);
    expect(await rig.host.image("snapshot", "a.vhd", "plain.vhd")).toEqual({ quiesced: false, reason: null });
    expect(rig.asked).toEqual([]);
    await rig.host.destroy(domid);
    expect(await rig.snapshot(true)).toEqual({ quiesced: true, reason: null });
  });

  it.each<[string, Agent | null, string]>([
    ["has nobody who could", null, "nothing in the guest freezes its file systems; run Xenolith's freeze-agent in it"],
    ["cannot", ([, id], answer) => answer(`failed ${id} /boot\n: \x1b[1mno`), "the guest says: /boot?: ?[1mno"],
    ["says nothing that it could be known by", ([, id], answer) => answer(`failed ${id}`), "cannot be frozen"],
  ])("is not taken when the guest %s, or with less than was tried", async (_, agent, reason) => {
    await rig.guest(agent);
    await expect(rig.snapshot(true)).rejects.toMatchObject({
      code: "bad-state",
      message: expect.stringContaining(reason),
    });
    expect(await rig.chain()).toEqual(["a.vhd"]);
    expect(await rig.snapshot("try")).toEqual({ quiesced: false, reason: expect.stringContaining(reason) });
    expect(await rig.chain()).toEqual(["s.vhd", "a.vhd"]);
  });

  it("is not taken of a guest that is paused, or does not answer in time; it is then told to go on", async () => {
    const domid = await rig.guest(([, id], answer) => answer(`frozen 1${id}`));
    await rig.host.pause(domid);
    await expect(rig.snapshot(true)).rejects.toThrow("the guest is paused; let it go on");
    await rig.host.unpause(domid);
    vi.useFakeTimers();
    const late = expect(rig.snapshot(true, 30)).rejects.toThrow("has not frozen its file systems within 30 s");
    await vi.advanceTimersByTimeAsync(36_000);
    await late;
    expect(rig.asked).toEqual(["freeze 1 30", "thaw 1"]);
  });

  it.each<[string, Agent, string]>([
    ["went on by itself", ([verb, id], answer) => answer(`${verb === "freeze" ? "frozen" : "late"} ${id}`), "too soon"],
    ["never says", ([verb, id], answer) => verb === "freeze" && answer(`frozen ${id}`), "does not say whether"],
  ])("is taken back when the guest %s", async (_, agent, reason) => {
    await rig.guest(agent);
    vi.useFakeTimers();
    const refused = expect(rig.snapshot(true)).rejects.toThrow(reason);
    await vi.advanceTimersByTimeAsync(60_000);
    await refused;
    vi.useRealTimers();
    expect(await rig.chain()).toEqual(["a.vhd"]);
    expect((await rig.host.disks(1 as DomId))[0]!.chain).toEqual(["a.vhd"]);
  });

  it.each(["freeze", "thaw"])("is not waited for when the guest ends at %s", async (when) => {
    const domid = await rig.guest(([verb, id], answer) => {
      if (verb !== when) return answer(`frozen ${id}`);
      setTimeout(() => {
        rig.core.guestShutdown(1, POWEROFF);
        rig.toolstack.service();
      });
    });
    expect(domid).toBe(1);
    await expect(rig.snapshot(true)).rejects.toThrow(
      when === "freeze" ? "the guest ended before" : "the guest ended while",
    );
    await rig.host.waitShutdown(domid);
    // What has become of it, the disk can be used again.
    await rig.host.image("resize", "a.vhd", 128 * MIB);
  });

  it("waits for the one before it", async () => {
    await rig.guest(RELIABLE);
    await rig.host.image("create", "b.vhd", { bytes: MIB, kind: "dynamic" });
    await rig.host.attachDisk(1 as DomId, { target: "b.vhd", vdev: "xvdb" });
    const both = [rig.snapshot(true), rig.host.image("snapshot", "b.vhd", "t.vhd", { quiesce: true })];
    expect((await Promise.all(both)).map(({ quiesced }) => quiesced)).toEqual([true, true]);
    expect(rig.asked).toEqual(["freeze 1 20", "thaw 1", "freeze 2 20", "thaw 2"]);
  });

  it("is for a time that makes sense", async () => {
    await expect(rig.snapshot(true, 10_000)).rejects.toThrow("at rest for that long");
  });
});
