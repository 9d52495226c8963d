import { describe, expect, it } from "vitest";
import type { DomainConfig, DomId, HostApi } from "../../control-plane/api/index.js";
import { DEFAULT_BOOT_OPTIONS } from "./boot-options.js";
import { download } from "./download.js";
import { Launch, type LaunchProgress, nameFromFile, sortDropped, uniqueName } from "./launch.js";
import { parseManifest } from "./manifest.js";

const BASE = "http://page/";

function hostThatKeeps(configs: DomainConfig[], taken: string[] = []): HostApi {
  return {
    list: async () => taken.map((name) => ({ name })),
    create: async (config: DomainConfig) => {
      configs.push(config);
      return 7 as DomId;
    },
  } as unknown as HostApi;
}

/** Answers in turn per address; the last answer stays. */
function site(answers: Record<string, (() => Response)[]>) {
  return async (url: string): Promise<Response> => {
    const queue = answers[url];
    if (!queue) return new Response("", { status: 404 });
    return (queue.length > 1 ? queue.shift()! : queue[0]!)();
  };
}

function sized(bytes: number[]): () => Response {
  return () => new Response(new Uint8Array(bytes), { headers: { "content-length": String(bytes.length) } });
}

const MANIFEST = `${BASE}guest/cloud/manifest.json`;
const READY = {
  state: "ready",
  name: "debian-cloud",
  title: "Debian",
  kernel: { url: "vmlinuz", sizeBytes: 3 },
  initramfs: { url: "initramfs.cpio", sizeBytes: 2 },
  cmdline: "console=hvc0",
};

describe("Launch", () => {
  const request = { source: { kind: "guest" } as const, options: DEFAULT_BOOT_OPTIONS, pcDevices: false };

  it("makes the local image over a server's, uses one of before again, and hands both kinds on", async () => {
    const configs: DomainConfig[] = [];
    const asked: string[] = [];
    const taken = (name: string) => Object.assign(new Error("the name is taken"), { code: name });
    const host = {
      ...hostThatKeeps(configs),
      image: async (call: string, ...params: string[]) => {
        asked.push(`${call} ${params.join(" ")}`);
        if (call === "clone" && params[1] === "old.vhd") throw taken("name-taken");
        return { parent: { told: "http://there/a.vhd" } };
      },
    } as unknown as HostApi;
    const fetcher = site({ "http://there/k": [sized([1])] });
    const source = { kind: "urls", kernel: "http://there/k", initrd: null } as const;
    const disk = { readOnly: false, cdrom: false, layer: null };
    const disks = [
      { ...disk, vdev: "xvda", target: "http://there/a.vhd", layer: "new.vhd" },
      { ...disk, vdev: "xvdb", target: "http://there/a.vhd", layer: "old.vhd" },
      { ...disk, vdev: "xvdc", target: "cd.iso", cdrom: true },
    ];
    await new Launch({ host, fetcher, base: BASE }, { ...request, source, disks }).run();
    expect(asked).toEqual(["clone http://there/a.vhd new.vhd", "clone http://there/a.vhd old.vhd", "info old.vhd"]);
    expect(configs[0]?.disks).toEqual([
      { target: "new.vhd", vdev: "xvda", access: "w" },
      { target: "old.vhd", vdev: "xvdb", access: "w" },
      { target: "cd.iso", vdev: "xvdc", access: "r", devtype: "cdrom" },
    ]);
    const other = { ...disks[1]!, target: "http://there/b.vhd" };
    const refused = new Launch({ host, fetcher, base: BASE }, { ...request, source, disks: [other] });
    await expect(refused.run()).rejects.toThrow("the name is taken");
  });

  it("waits for the server, downloads with real bytes, and creates under a free name", async () => {
    const configs: DomainConfig[] = [];
    const fetcher = site({
      [MANIFEST]: [
        () => Response.json({ state: "preparing", step: "Unpacking", doneBytes: 0, totalBytes: null }),
        () => Response.json(READY),
      ],
      [`${BASE}guest/cloud/vmlinuz`]: [sized([1, 2, 3])],
      [`${BASE}guest/cloud/initramfs.cpio`]: [sized([4, 5])],
    });
    const launch = new Launch({ host: hostThatKeeps(configs, ["debian-cloud"]), fetcher, base: BASE }, request);
    const seen: LaunchProgress[] = [];
    launch.progress.subscribe((progress) => seen.push(progress));
    expect(await launch.run()).toEqual({ domid: 7, name: "debian-cloud-2", notice: null });
    expect(configs[0]).toMatchObject({ memoryMiB: 256, vcpus: 1, cmdline: "console=hvc0" });
    expect([...configs[0]!.kernel, ...configs[0]!.ramdisk!]).toEqual([1, 2, 3, 4, 5]);
    expect(seen.map(({ text }) => text)).toContain("Unpacking");
    expect(seen).toContainEqual({
      phase: "downloading",
      text: "Downloading the initramfs",
      doneBytes: 5,
      totalBytes: 5,
    });
  });

  it("says what the server said when there is no guest, and where there is none at all", async () => {
    const failed = site({ [MANIFEST]: [() => Response.json({ state: "failed", message: "a hash is wrong" })] });
    const run = (fetcher: ReturnType<typeof site>) =>
      new Launch({ host: hostThatKeeps([]), fetcher, base: BASE }, request).run();
    await expect(run(failed)).rejects.toThrow("a hash is wrong");
    await expect(run(site({}))).rejects.toMatchObject({ title: "This server has no guest to boot" });
    const html = site({ [MANIFEST]: [() => new Response("<!doctype html>")] });
    await expect(run(html)).rejects.toMatchObject({ title: "This server has no guest to boot" });
  });

  it("boots one's own files with a PC's devices when asked", async () => {
    const configs: DomainConfig[] = [];
    const kernel = new File([new Uint8Array([0x7f, 0x45])], "my kernel.elf");
    await new Launch(
      { host: hostThatKeeps(configs), fetcher: site({}), base: BASE },
      { source: { kind: "files", kernel, initrd: null }, options: DEFAULT_BOOT_OPTIONS, pcDevices: true },
    ).run();
    expect(configs[0]).toMatchObject({
      name: "my-kernel",
      cmdline: "console=hvc0",
      platform: { serial: true, debugcon: true, exitPort: true },
    });
    expect(configs[0]).not.toHaveProperty("ramdisk");
  });

  it("stops when cancelled", async () => {
    const fetcher = site({ [MANIFEST]: [() => Response.json({ state: "preparing" })] });
    const configs: DomainConfig[] = [];
    const launch = new Launch({ host: hostThatKeeps(configs), fetcher, base: BASE }, request);
    const running = launch.run();
    launch.cancel();
    await expect(running).rejects.toThrow();
    expect([launch.cancelled, configs.length]).toEqual([true, 0]);
  });
});

describe("download", () => {
  it("tells failures apart", async () => {
    const get = (fetcher: (url: string) => Promise<Response>) => download("http://x/", fetcher, () => {});
    await expect(get(async () => new Response("", { status: 404 }))).rejects.toThrow("answered 404");
    const refused = async (): Promise<Response> => {
      throw new TypeError("failed to fetch");
    };
    await expect(get(refused)).rejects.toMatchObject({ title: "The download did not start" });
    const short = async () => new Response(new Uint8Array(2), { headers: { "content-length": "9" } });
    await expect(get(short)).rejects.toMatchObject({ title: "The download broke off" });
    const huge = async () => new Response(new Uint8Array(2), { headers: { "content-length": "9000000000" } });
    await expect(get(huge)).rejects.toMatchObject({ title: "The download is too large" });
  });

  it("knows no total for a compressed body", async () => {
    const headers = { "content-length": "9", "content-encoding": "gzip" };
    const totals: (number | null)[] = [];
    const bytes = await download(
      "http://x/",
      async () => new Response(new Uint8Array(4), { headers }),
      ({ totalBytes }) => totals.push(totalBytes),
    );
    expect([bytes.length, totals.every((total) => total === null)]).toEqual([4, true]);
  });
});

describe("manifest", () => {
  it("takes nothing that is malformed", () => {
    for (const raw of [null, 3, "x", [], {}, { state: "ready" }, { ...READY, kernel: { url: 4 } }]) {
      expect(parseManifest(raw, MANIFEST)).toBeNull();
    }
    expect(parseManifest({ ...READY, initramfs: null }, MANIFEST)).toMatchObject({
      kernel: { url: `${BASE}guest/cloud/vmlinuz`, sizeBytes: 3 },
      initramfs: null,
      notice: null,
    });
  });
});

describe("names and drops", () => {
  it("makes domain names of file names", () => {
    expect(nameFromFile("/boot/vmlinuz-6.1.0.bin")).toBe("vmlinuz-6.1.0");
    expect(nameFromFile("C:\\kernels\\größe &c.elf")).toBe("gr-e-c");
    expect(nameFromFile("///")).toBe("guest");
    expect(uniqueName("a", new Set(["a", "a-2"]))).toBe("a-3");
  });

  it("tells a kernel from an initramfs by content, then by name", () => {
    const entry = (name: string, head: number[]) => ({ file: { name }, head: Uint8Array.from(head) });
    const bzImage = new Array<number>(0x206).fill(0);
    bzImage.splice(0x202, 4, 0x48, 0x64, 0x72, 0x53);
    expect(sortDropped([entry("a", [0x1f, 0x8b]), entry("b", bzImage)])).toMatchObject({
      kernel: { name: "b" },
      initrd: { name: "a" },
    });
    expect(sortDropped([entry("initramfs.img", [])])).toMatchObject({
      kernel: null,
      initrd: { name: "initramfs.img" },
    });
    expect(sortDropped([entry("unknown", [])])).toMatchObject({ kernel: { name: "unknown" }, initrd: null });
    expect(sortDropped([])).toEqual({ kernel: null, initrd: null });
  });
});
