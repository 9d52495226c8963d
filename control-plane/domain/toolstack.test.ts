import { beforeEach, describe, expect, it } from "vitest";
import { LogKind, LogRecord, MACHINE_BASE, Machine } from "../../wasm-core/abi/structs/machine.js";
import { Host } from "../api/host.js";
import type { DomainConfig, DomId, HostEvent } from "../api/types.js";
import { FakeCore } from "../core-link/fake.js";
import { StructView } from "../core-link/index.js";
import { ByteView, byteString, bytesOf, LogRing, SeededRandom } from "../util/index.js";
import { makeElf } from "./testing/kernels.js";
import { Toolstack } from "./toolstack.js";

const POWEROFF = 0;
const REBOOT = 1;
const CRASH = 3;
const STORE_EVTCHN = 2;
const CONSOLE_EVTCHN = 18;
const STORE_PFN = 1;
const CONSOLE_PFN = 17;

const text = (bytes: Uint8Array): string => byteString(bytes);

class Rig {
  readonly core = new FakeCore();
  readonly log = new LogRing({ now: () => this.core.now });
  readonly dumps = new Map<string, number>();
  dumpsFail = false;
  readonly toolstack: Toolstack;
  readonly host: Host;
  readonly events: HostEvent[] = [];

  constructor() {
    const { core, log } = this;
    core.calls.machineInit(4096, 1, 0, 0, 0);
    const clock = { now: () => core.now };
    const coreSink = async (name: string, chunks: Iterable<Uint8Array>) => {
      if (this.dumpsFail) throw new Error("ENOSPC: no space left on device");
      this.dumps.set(
        name,
        [...chunks].reduce((sum, chunk) => sum + chunk.length, 0),
      );
    };
    const later = (work: () => void) => void setTimeout(work);
    this.toolstack = new Toolstack({ core, clock, random: new SeededRandom(1), log, coreSink, later });
    this.host = new Host({ core, toolstack: this.toolstack, log, clock, pcpus: 1, close: async () => {} });
    this.toolstack.subscribe((event) => this.events.push(event));
  }

  config(changes: Partial<DomainConfig> = {}): DomainConfig {
    return { name: "guest", kernel: makeElf(), memoryMiB: 16, vcpus: 1, cmdline: "console=hvc0", ...changes };
  }

  create(changes: Partial<DomainConfig> = {}): Promise<DomId> {
    return this.host.create(this.config(changes));
  }

  /** Lets queued work happen. */
  async settle(): Promise<void> {
    this.toolstack.service();
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setTimeout(resolve, 2));
  }

  guestPrints(domid: DomId, words: string): void {
    const page = this.core.guestPage(domid, this.core.guestParam(domid, CONSOLE_PFN));
    const { memory } = this.core;
    let prod = memory.load32(page + 3084);
    for (const byte of bytesOf(words)) memory.write(page + 1024 + (prod++ % 2048), Uint8Array.of(byte));
    memory.store32(page + 3084, prod);
    this.core.guestNotify(domid, this.core.guestParam(domid, CONSOLE_EVTCHN));
    this.toolstack.service();
  }
}

let rig: Rig;
beforeEach(() => {
  rig = new Rig();
});

describe("creating a domain", () => {
  it("leaves vCPU 0 at the entry with the start information in EBX", async () => {
    const ramdisk = new Uint8Array(5000).fill(0xab);
    const domid = await rig.create({ ramdisk, kernel: makeElf({ paddr: 0x200000 }) });
    const { eip, ebx } = rig.core.domain(domid).started!;
    expect(eip).toBe(0x200000);
    const info = new ByteView(rig.core.guestBytes(domid, ebx, 56));
    expect([info.u32(0), info.u32(4), info.u32(8), info.u32(12), info.u32(48)]).toEqual([0x336ec578, 1, 0, 1, 4]);
    expect(text(rig.core.guestBytes(domid, info.u64(24), 13))).toBe("console=hvc0\0");
    const module = new ByteView(rig.core.guestBytes(domid, info.u64(16), 32));
    expect([module.u64(0), module.u64(8)]).toEqual([16 * 1024 * 1024 - 8192, 5000]);
    expect(rig.core.guestBytes(domid, module.u64(0), 5000)).toEqual(ramdisk);
    expect(text(rig.core.guestBytes(domid, info.u64(32), 8))).toBe("RSD PTR ");
    expect(rig.core.domain(domid).map).toEqual([0, 0x100000, 0xfc000000, 0xfeff8000]);
    expect([...rig.core.guestBytes(domid, 0x200000, 3)]).toEqual([0xf4, 0xeb, 0xfd]);
  });

  it("does not populate pages that hold only zeros", async () => {
    const domid = await rig.create({ kernel: makeElf({ data: new Uint8Array(1 << 20).fill(1, 0, 100) }) });
    expect((await rig.host.domain(domid)).populatedKiB).toBeLessThan(64);
  });

  it("fills xenstore and names the rings in HVM params", async () => {
    const domid = await rig.create({ vcpus: 1, maxVcpus: 2, xenstoreData: { "my/key": "ü" } });
    const read = (path: string) => rig.host.xenstoreRead(`/local/domain/${domid}/${path}`);
    expect(await read("name")).toBe("guest");
    expect(await read("memory/target")).toBe("16384");
    expect(await read("control/platform-feature-multiprocessor-suspend")).toBe("1");
    expect(await read("cpu/1/availability")).toBe("offline");
    expect(await read("data/my/key")).toBe("ü");
    const uuid = (await rig.host.domain(domid)).uuid;
    expect(await read("vm")).toBe(`/vm/${uuid}`);
    expect(await rig.host.xenstoreRead(`/vm/${uuid}/name`)).toBe("guest");
    expect(rig.core.guestParam(domid, STORE_PFN)).toBe(0xfeffc);
    expect(rig.core.guestParam(domid, STORE_EVTCHN)).toBe(1);
    expect(rig.core.guestParam(domid, CONSOLE_EVTCHN)).toBe(2);
  });

  it.each([
    ["bad-config", "name:", { name: "a/b" }],
    ["bad-config", "name:", { name: "12" }],
    ["bad-config", "kernel:", { kernel: new Uint8Array(0) }],
    ["bad-config", "memory:", { memoryMiB: 0 }],
    ["bad-config", "maxmem:", { maxMemoryMiB: 8 }],
    ["bad-config", "vcpus:", { vcpus: 129 }],
    ["bad-config", "maxvcpus:", { vcpus: 2, maxVcpus: 1 }],
    ["bad-config", "cmdline:", { cmdline: "x".repeat(5000) }],
    ["bad-config", "uuid:", { uuid: "nonsense" }],
    ["bad-config", "on_crash:", { onCrash: "explode" as "destroy" }],
    ["bad-config", "xenstoreData:", { xenstoreData: { "a//b": "" } }],
    ["bad-kernel", "neither an ELF file nor a bzImage", { kernel: new Uint8Array(100) }],
    ["bad-config", "memory: the kernel ends", { kernel: makeElf({ memoryBytes: 64 << 20 }) }],
    ["out-of-memory", "no frames left for the ramdisk", { memoryMiB: 512, ramdisk: new Uint8Array(100 << 20).fill(1) }],
  ])("refuses with %s: %s", async (code, message, changes) => {
    const free = rig.core.calls.machineFreeFrames();
    await expect(rig.create(changes)).rejects.toMatchObject({ code, message: expect.stringContaining(message) });
    expect(await rig.host.list()).toEqual([]);
    expect(await rig.host.xenstoreList("/local/domain")).toEqual(["0"]);
    expect(free - rig.core.calls.machineFreeFrames()).toBeLessThan(64);
    await rig.create();
  });

  it("refuses a name that is taken", async () => {
    await rig.create();
    await expect(rig.create()).rejects.toMatchObject({ code: "name-taken" });
  });
});

describe("who is told of what happens", () => {
  it("is forgotten when there is nobody any more, as when a process has died", async () => {
    const heard = { events: 0, paths: 0 };
    // What a dead process leaves behind are promises that fail.
    await rig.host.subscribe((async () => {
      heard.events++;
      throw new Error("the connection is closed");
    }) as () => void);
    await rig.host.xenstoreWatch("/tool", (async () => {
      heard.paths++;
      throw new Error("the connection is closed");
    }) as () => void);
    await rig.settle();
    for (const name of ["one", "two"]) {
      await rig.create({ name });
      await rig.host.xenstoreWrite(`/tool/${name}`, "1");
      await rig.settle();
    }
    expect(heard).toEqual({ events: 1, paths: 1 });
  });

  it("does not disturb the store by failing at once", async () => {
    let count = 0;
    await rig.host.xenstoreWatch("/tool", () => {
      count++;
      throw new Error("out of order");
    });
    await rig.host.xenstoreWrite("/tool/a", "1");
    expect([count, await rig.host.xenstoreRead("/tool/a")]).toEqual([1, "1"]);
  });
});

describe("the life of a domain", () => {
  it("pauses, unpauses, renames and destroys", async () => {
    const domid = await rig.create();
    const state = async () => (await rig.host.domain(domid)).state;
    expect(await state()).toBe("blocked");
    await rig.host.pause(domid);
    expect(await state()).toBe("paused");
    await rig.host.unpause(domid);
    expect(await state()).toBe("blocked");
    await rig.host.rename(domid, "other");
    expect(await rig.host.resolve("other")).toBe(domid);
    expect(await rig.host.xenstoreRead(`/local/domain/${domid}/name`)).toBe("other");
    rig.core.busyDestroys = 2;
    await rig.host.destroy(domid);
    await expect(rig.host.domain(domid)).rejects.toMatchObject({ code: "no-such-domain" });
    expect(await rig.host.xenstoreRead(`/local/domain/${domid}/name`)).toBeNull();
    expect(rig.events.map(({ kind }) => kind)).toEqual([
      "domain-created",
      "domain-changed",
      "domain-changed",
      "domain-changed",
      "domain-destroyed",
    ]);
  });

  it("is destroyed after a power-off, and its end is still known", async () => {
    const domid = await rig.create();
    const waiting = rig.host.waitShutdown(domid);
    rig.core.guestShutdown(domid, POWEROFF);
    await rig.settle();
    expect(await waiting).toEqual({ reason: "poweroff" });
    expect(await rig.host.waitShutdown(domid)).toEqual({ reason: "poweroff" });
    expect(await rig.host.list()).toEqual([]);
  });

  it("tells the exit port's status", async () => {
    const domid = await rig.create({ onPoweroff: "preserve", platform: { exitPort: true } });
    rig.core.guestShutdown(domid, POWEROFF, 0x21);
    await rig.settle();
    expect(await rig.host.domain(domid)).toMatchObject({ state: "shutdown", shutdownReason: "exit", exitStatus: 0x21 });
  });

  it("comes back under a new number after a reboot, with its console", async () => {
    const domid = await rig.create({ uuid: "12345678-1234-4234-8234-123456789abc" });
    let seen = "";
    await rig.host.attachConsole(domid, "pv", (data) => {
      seen += text(data);
    });
    rig.guestPrints(domid, "first life\n");
    rig.core.guestShutdown(domid, REBOOT);
    await rig.settle();
    const [next] = await rig.host.list();
    expect(next).toMatchObject({ name: "guest", uuid: "12345678-1234-4234-8234-123456789abc" });
    expect(next!.domid).not.toBe(domid);
    rig.guestPrints(next!.domid, "second life\n");
    expect(seen).toBe("first life\nsecond life\n");
    expect(rig.events).toContainEqual({ kind: "domain-created", domid: next!.domid, restartOf: domid });
  });

  it("keeps a crashed domain, dumps it, or puts a renamed one aside, as configured", async () => {
    const kept = await rig.create({ name: "kept", onCrash: "preserve" });
    const dumped = await rig.create({ name: "dumped", onCrash: "coredump-destroy" });
    const renamed = await rig.create({ name: "renamed", onCrash: "rename-restart" });
    for (const domid of [kept, dumped, renamed]) rig.core.guestShutdown(domid, CRASH);
    await rig.settle();
    const domains = (await rig.host.list()).map(({ name, state }) => `${name} ${state}`);
    expect(domains).toEqual(["kept crashed", "renamed-1 crashed", "renamed blocked"]);
    expect(rig.dumps.get(`dumped.${dumped}.core`)).toBeGreaterThan(0);
  });

  it("gives its successor the name that it had last, and that to nobody else meanwhile", async () => {
    const domid = await rig.create({ name: "first", onCrash: "rename-restart", onReboot: "restart" });
    await rig.host.rename(domid, "second");
    await rig.create({ name: "first" });
    rig.core.guestShutdown(domid, CRASH);
    await rig.settle();
    const names = async () => (await rig.host.list()).map(({ name }) => name);
    expect(await names()).toEqual(["second-1", "first", "second"]);
    // The core lets go of it only after a while.
    rig.core.busyDestroys = 3;
    rig.core.guestShutdown(await rig.host.resolve("second"), REBOOT);
    rig.toolstack.service();
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect((await names()).filter((name) => name === "second")).toHaveLength(1);
    await expect(rig.create({ name: "second" })).rejects.toMatchObject({ code: "name-taken" });
    const other = rig.host.resolve("first").then((first) => rig.host.rename(first, "second"));
    await expect(other).rejects.toMatchObject({ code: "name-taken" });
    await rig.settle();
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect((await names()).sort()).toEqual(["first", "second", "second-1"]);
  });

  it("gets a name that two want only once", async () => {
    const [one, two] = [await rig.create({ name: "one" }), await rig.create({ name: "two" })];
    const results = await Promise.allSettled([rig.host.rename(one, "wanted"), rig.host.rename(two, "wanted")]);
    expect(results.map(({ status }) => status)).toEqual(["fulfilled", "rejected"]);
    expect((await rig.host.list()).map(({ name }) => name)).toEqual(["wanted", "two"]);
  });

  it("ends a crashed domain although its dump cannot be kept, and says why", async () => {
    const domid = await rig.create({ onCrash: "coredump-destroy" });
    rig.dumpsFail = true;
    rig.core.guestShutdown(domid, CRASH);
    await rig.settle();
    expect(await rig.host.list()).toEqual([]);
    expect(rig.log.text()).toContain(`d${domid}: no core dump: ENOSPC: no space left on device`);
  });

  it("asks the guest through xenstore", async () => {
    const domid = await rig.create();
    const read = (path: string) => rig.host.xenstoreRead(`/local/domain/${domid}/${path}`);
    await rig.host.shutdown(domid, "poweroff");
    expect(await read("control/shutdown")).toBe("poweroff");
    await rig.host.setMemory(domid, 8);
    expect(await read("memory/target")).toBe("8192");
    await expect(rig.host.setMemory(domid, 17)).rejects.toMatchObject({ code: "bad-config" });
    await rig.host.trigger(domid, "sysrq", "s");
    expect(await read("control/sysrq")).toBe("s");
    await rig.host.trigger(domid, "nmi");
    expect(rig.core.triggers).toEqual([{ domid, vcpu: 0, trigger: 0 }]);
    await rig.host.trigger(domid, "reset");
    await rig.settle();
    expect((await rig.host.list()).map(({ name }) => name)).toEqual(["guest"]);
  });

  it("dumps an ELF core", async () => {
    const domid = await rig.create();
    const chunks: Uint8Array[] = [];
    await rig.host.dumpCore(domid, (chunk) => void chunks.push(chunk));
    const file = new ByteView(chunks[0]!);
    expect([file.u32(0), file.u16(16), file.u16(18)]).toEqual([0x464c457f, 4, 62]);
    expect((await rig.host.domain(domid)).state).toBe("blocked");
  });
});

describe("guests beside each other", () => {
  it("one that breaks its rings does not disturb the other", async () => {
    const bad = await rig.create({ name: "bad" });
    const good = await rig.create({ name: "good" });
    for (const param of [STORE_PFN, CONSOLE_PFN]) {
      const page = rig.core.guestPage(bad, rig.core.guestParam(bad, param));
      for (let at = 0; at < 4096; at += 4) rig.core.memory.store32(page + at, at * 0x01234567);
    }
    rig.core.guestNotify(bad, rig.core.guestParam(bad, STORE_EVTCHN));
    rig.core.guestNotify(bad, rig.core.guestParam(bad, CONSOLE_EVTCHN));
    rig.toolstack.service();
    rig.guestPrints(good, "still here");
    expect(text(await rig.host.consoleScrollback(good, "pv"))).toBe("still here");
    expect(await rig.host.dmesg()).toContain("xenstore ring broken");
    expect(await rig.host.dmesg()).toContain("console ring broken");
  });

  it("passes typed input on and wakes the guest", async () => {
    const domid = await rig.create();
    const session = await rig.host.attachConsole(domid, "pv", () => {});
    session.write(bytesOf("ls\n"));
    const page = rig.core.guestPage(domid, rig.core.guestParam(domid, CONSOLE_PFN));
    expect(text(rig.core.memory.copy(page, 3))).toBe("ls\n");
    expect(rig.core.guestTakePending(domid, rig.core.guestParam(domid, CONSOLE_EVTCHN))).toBe(true);
  });
});

describe("the hypervisor's log", () => {
  it("appears in dmesg, line by line, with who wrote it", async () => {
    const machine = new StructView(rig.core.memory, Machine, MACHINE_BASE);
    let prod = 0;
    const write = (domid: number, words: string) => {
      const header = new DataView(new ArrayBuffer(LogRecord.size));
      header.setUint16(0, domid, true);
      header.setUint16(2, Number(LogKind.values.CONSOLE), true);
      header.setUint32(4, words.length, true);
      rig.core.memory.write(machine.get("logBase") + prod, new Uint8Array(header.buffer));
      rig.core.memory.write(machine.get("logBase") + prod + LogRecord.size, bytesOf(words));
      prod += LogRecord.size + ((words.length + 3) & ~3);
      machine.set("logProd", prod);
    };
    write(3, "hel");
    write(4, "other\n");
    write(3, "lo\r\n");
    rig.toolstack.service();
    expect(await rig.host.dmesg(true)).toContain("(d4) other\n(d3) hello\n");
    expect(await rig.host.dmesg()).toBe("");
  });
});
