import { describe, expect, it, vi } from "vitest";
import type { DomainInfo, DomId, HostInfo } from "../../control-plane/api/index.js";
import { DEFAULT_BOOT_OPTIONS, memoryStepIndex, parsePageParameters } from "./boot-options.js";
import { BootWatcher } from "./boot-stages.js";
import { advance, EMPTY_SNAPSHOT, HISTORY_LENGTH } from "./domains.js";
import { explain, PageError } from "./errors.js";
import { formatBytes, formatPercent, formatUptime } from "./format.js";
import { type BrowserFacts, canRun, judge } from "./requirements.js";
import { clampFontSize, nextTheme, parseSettings, rememberedSettings } from "./settings.js";
import { Store } from "./store.js";

describe("Store", () => {
  it("tells the value at once, then changes, and nothing for the same value", () => {
    const store = new Store(1);
    const heard: number[] = [];
    const end = store.subscribe((value) => heard.push(value));
    store.set(1);
    store.set(2);
    end();
    store.set(3);
    expect(heard).toEqual([1, 2]);
  });
});

describe("format", () => {
  it("uses binary units and few digits", () => {
    expect([0, 1023, 1024, 14026295, 268435456].map(formatBytes)).toEqual([
      "0 B",
      "1023 B",
      "1 KiB",
      "13.4 MiB",
      "256 MiB",
    ]);
  });

  it("writes time as a clock does", () => {
    expect([5, 65, 3725, 90000].map(formatUptime)).toEqual(["0:05", "1:05", "1:02:05", "1 d 1:00:00"]);
    expect([formatPercent(0.04), formatPercent(-0), formatPercent(142.4)]).toEqual(["0.0 %", "0.0 %", "142 %"]);
  });
});

describe("page parameters", () => {
  const parse = (search: string) => parsePageParameters(search, "https://host/play/");

  it("takes images of servers as disks", () => {
    const { diskUrls, problems } = parse("?disk=a.vhd&disk=ftp://x/b.vhd");
    expect([diskUrls.length, problems.length]).toEqual([1, 1]);
  });

  it("takes defaults from nothing", () => {
    expect(parse("")).toEqual({
      options: DEFAULT_BOOT_OPTIONS,
      diskUrls: [],
      relayUrl: null,
      joins: [],
      kernelUrl: null,
      initrdUrl: null,
      autostart: false,
      embed: false,
      problems: [],
    });
  });

  it("reads everything, relative addresses against the page", () => {
    const { options, kernelUrl, initrdUrl, autostart, embed } = parse(
      "?kernel=vm/linux&initrd=https://other/x&cmdline=a+b&vcpus=4&mem=1024&autostart=1&embed=1&flavour=full",
    );
    expect(options).toEqual({ flavour: "full", vcpus: 4, memoryMiB: 1024, cmdline: "a b", network: "nat" });
    expect([kernelUrl, initrdUrl]).toEqual(["https://host/play/vm/linux", "https://other/x"]);
    expect([autostart, embed]).toEqual([true, true]);
  });

  it("corrects what is out of range and says so", () => {
    const { options, problems } = parse("?vcpus=99&mem=1e9&flavour=x");
    expect(options).toEqual(DEFAULT_BOOT_OPTIONS.vcpus === 1 ? { ...DEFAULT_BOOT_OPTIONS, vcpus: 8 } : options);
    expect(problems).toHaveLength(3);
  });

  it("takes no address but http's, and no initramfs without a kernel", () => {
    expect(parse("?kernel=javascript:alert(1)").kernelUrl).toBeNull();
    const alone = parse("?initrd=x");
    expect([alone.initrdUrl, alone.problems]).toEqual([null, ["initrd= needs kernel="]]);
  });

  it("takes names of networks and addresses of relays", () => {
    expect(parse("?net=none").options.network).toBeNull();
    expect(parse("?net=lab.1").options.network).toBe("lab.1");
    expect(parse("?relay=wisps://relay.example/x/").relayUrl).toBe("wss://relay.example/x/");
    expect(parse("?relay_url=ws://localhost:8080").relayUrl).toBe("ws://localhost:8080/");
    const wrong = parse("?net=a b&relay=https://x");
    expect([wrong.options.network, wrong.relayUrl, wrong.problems.length]).toEqual(["nat", null, 2]);
  });

  it("joins networks, whose guests are on the first of them", () => {
    const { joins, options, problems } = parse("?join=lab@ws://there:8082/x&join=wss://here/far/&token=s3cret");
    expect(joins).toEqual([
      { network: "lab", url: "ws://there:8082/x", token: "s3cret" },
      { network: "far", url: "wss://here/far/", token: "s3cret" },
    ]);
    expect([options.network, problems]).toEqual(["lab", []]);
    expect(parse("?join=ws://x/lab&net=nat").options.network).toBe("nat");
    expect(parse("?join=ws://x/lab&net=none").options.network).toBeNull();
    const wrong = ["nat@ws://x/", "ws://x/", "lab@http://x/", "a b@ws://x/", "ws://a:b@x/lab", "lab", ""];
    const read = parse(wrong.map((text, n) => `${n === 0 ? "?" : "&"}join=${encodeURIComponent(text)}`).join(""));
    expect([read.joins, read.problems.length, read.options.network]).toEqual([[], wrong.length, "nat"]);
  });

  it("finds the nearest memory step", () => {
    expect(memoryStepIndex(256)).toBe(2);
    expect(memoryStepIndex(5000)).toBe(10);
  });
});

describe("boot stages", () => {
  const encode = (text: string) => new TextEncoder().encode(text);

  it("follows a Linux boot to its prompt", () => {
    const watcher = new BootWatcher();
    expect([watcher.stage, watcher.hasOutput]).toEqual(["Start", false]);
    expect(watcher.feed(encode("hello"))).toBe(true);
    watcher.feed(encode("[ 0.0] Linux ver"));
    watcher.feed(encode("sion 6.1.0-51-cloud-amd64\r\n"));
    expect(watcher.stage).toBe("Kernel");
    watcher.feed(encode("[ 0.2] smp: Brought up 1 node, 1 CPU\r\n[ 0.8] Run /init as init process\r\n"));
    expect(watcher.stage).toBe("User space");
    watcher.feed(encode("\r\n~ # "));
    expect(watcher.stage).toBe("Ready");
  });

  it("knows when Xenolith's own guest is ready", () => {
    const watcher = new BootWatcher();
    watcher.feed(encode("Xenolith's embedded guest\r\ncommand line: console=hvc0\r\n"));
    expect(watcher.stage).toBe("Start");
    watcher.feed(encode("Type help for the commands.\r\n\r\n[00:00:00] > "));
    expect(watcher.stage).toBe("Ready");
  });

  it("never goes back and takes split UTF-8", () => {
    const watcher = new BootWatcher();
    watcher.feed(encode("Run /init as init process\n"));
    watcher.feed(new Uint8Array([0xe2]));
    watcher.feed(new Uint8Array([0x80, 0x93]));
    expect(watcher.feed(encode("Linux version 6"))).toBe(false);
    expect(watcher.stage).toBe("User space");
  });
});

describe("domain snapshots", () => {
  const host = { pcpus: 2 } as HostInfo;
  const info = (cpuSeconds: number): DomainInfo => ({ domid: 1 as DomId, cpuSeconds }) as DomainInfo;

  it("works out use between samples, and keeps the base over a look too soon", () => {
    let snapshot = advance(EMPTY_SNAPSHOT, [info(0)], host, 1000);
    snapshot = advance(snapshot, [info(0.4)], host, 1200);
    expect(snapshot.rows[0]?.history).toEqual([]);
    snapshot = advance(snapshot, [info(0.5)], host, 2000);
    expect(snapshot.rows[0]?.cpuPercent).toBeCloseTo(50);
    expect(snapshot.rows[0]?.history).toHaveLength(1);
  });

  it("keeps a minute and drops what is gone", () => {
    let snapshot = EMPTY_SNAPSHOT;
    for (let second = 1; second <= 100; second++) snapshot = advance(snapshot, [info(second)], host, second * 1000);
    expect(snapshot.rows[0]?.history).toHaveLength(HISTORY_LENGTH);
    expect(advance(snapshot, [], host, 200_000).rows).toEqual([]);
  });
});

describe("requirements", () => {
  const all: BrowserFacts = {
    wasm: true,
    sharedArrayBuffer: true,
    crossOriginIsolated: true,
    secureContext: true,
    framed: false,
    wasmThreads: true,
    wasmSimd: true,
    wasmBulkMemory: true,
    bigInt64: true,
    moduleWorkers: true,
    atomicsWaitInWorker: true,
    originFiles: true,
  };

  it("passes a browser that has everything", () => {
    expect(canRun(judge(all))).toBe(true);
  });

  it("names what is missing with versions", () => {
    const verdict = judge({ ...all, wasmSimd: false });
    expect(verdict.missing).toMatchObject([{ name: "WebAssembly SIMD", since: { safari: "16.4" } }]);
    expect(canRun(verdict)).toBe(false);
  });

  it("blames headers, not the browser, when isolation alone is missing", () => {
    const facts = { ...all, crossOriginIsolated: false, sharedArrayBuffer: false, atomicsWaitInWorker: false };
    expect(judge(facts)).toEqual({ missing: [], isolation: "headers", images: true });
    expect(canRun(judge(facts))).toBe(true);
    expect(judge({ ...facts, framed: true }).isolation).toBe("framed");
    expect(judge({ ...facts, secureContext: false }).isolation).toBe("insecure");
  });
});

describe("settings", () => {
  it("survives storage with nonsense in it, or none", () => {
    for (const text of [null, "", "{", "null", "7", '{"theme":"pink","fontSizePx":"x","screenReader":0}']) {
      expect(parseSettings(text)).toEqual({ theme: "system", fontSizePx: 14, screenReader: true });
    }
    const denied = rememberedSettings(() => {
      throw new Error("denied");
    });
    denied.patch({ theme: "dark" });
    expect(denied.get().theme).toBe("dark");
  });

  it("writes changes, not what it has just read", () => {
    const storage = { getItem: vi.fn(() => '{"theme":"dark"}'), setItem: vi.fn() };
    const settings = rememberedSettings(() => storage);
    expect([settings.get().theme, storage.setItem.mock.calls.length]).toEqual(["dark", 0]);
    settings.patch({ fontSizePx: 18 });
    expect(storage.setItem).toHaveBeenCalledWith("xenolith.settings", expect.stringContaining('"fontSizePx":18'));
  });

  it("keeps font sizes readable and goes round the themes", () => {
    expect([clampFontSize(2), clampFontSize(99), clampFontSize(Number.NaN)]).toEqual([10, 28, 14]);
    expect([nextTheme("system"), nextTheme("light"), nextTheme("dark")]).toEqual(["light", "dark", "system"]);
  });
});

describe("explain", () => {
  it("knows Domain0's codes, the page's own failures and neither", () => {
    expect(explain(Object.assign(new Error("no PVH note"), { code: "bad-kernel" }))).toMatchObject({
      title: "This kernel cannot be booted",
      detail: "no PVH note",
    });
    expect(explain(new PageError("a", "b", "c"))).toEqual({ title: "a", detail: "b", nextStep: "c" });
    expect(explain({ code: "toString", message: "x" })).toMatchObject({ title: "Something went wrong", detail: "x" });
    expect(explain("plain").detail).toBe("plain");
  });
});
