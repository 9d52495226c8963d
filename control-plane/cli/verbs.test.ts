/** The verbs as a user types them, against Domain0 over a core without a processor, through a real socket. */
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, test } from "vitest";
import { Host, type RegionSource } from "../api/host.js";
import type { DomId, RegionExitInfo } from "../api/index.js";
import { FakeCore } from "../core-link/fake.js";
import { makeElf } from "../domain/testing/kernels.js";
import { Toolstack } from "../domain/toolstack.js";
import { LogRing, SeededRandom } from "../util/index.js";
import { parseMemory } from "./commands/lifecycle.js";
import { formatUptime } from "./commands/list.js";
import { type HostServer, serveSocket } from "./socket/index.js";
import { xl } from "./testing/run-xl.js";
import { VERB_GROUPS } from "./verbs/index.js";

const EXITS: readonly RegionExitInfo[] = [
  { rip: "ffffffff81c01199", why: "left", exits: 23360, instructions: 700928, text: "iretq" },
  { rip: "0000000000401000", why: "fault", exits: 64, instructions: 3200 },
];

let noted = EXITS;

const REGIONS: RegionSource = {
  list: async () => [{ id: 7, rip: "ffffffff81000000", nodes: 3, instructions: 41, bytes: 2090, runs: 120256 }],
  exits: async (clear) => {
    const now = [...noted];
    if (clear) noted = [];
    return now;
  },
  describe: async (id, wasm) => (id === 7 ? `node 0\n${wasm ? "get rax\n" : ""}` : undefined),
};

function makeHost(): { host: Host; core: FakeCore; toolstack: Toolstack } {
  const core = new FakeCore();
  core.calls.machineInit(8192, 4, 0, 0, 0);
  const clock = { now: () => core.now };
  const log = new LogRing(clock);
  const later = (work: () => void) => void setTimeout(work);
  const toolstack = new Toolstack({ core, clock, random: new SeededRandom(1), log, coreSink: null, later });
  return {
    host: new Host({ core, toolstack, log, clock, pcpus: 4, regions: REGIONS, close: async () => {} }),
    core,
    toolstack,
  };
}

const folder = mkdtempSync(join(tmpdir(), "xl-verbs-"));
const cfg = join(folder, "web.cfg");

beforeAll(() => {
  process.env.XENOLITH_SOCKET = join(folder, "own", "host.sock");
  writeFileSync(join(folder, "kernel"), makeElf());
  writeFileSync(cfg, 'kernel = "kernel"\nmemory = 4\n');
});

afterAll(() => {
  delete process.env.XENOLITH_SOCKET;
  rmSync(folder, { recursive: true });
});

describe("usage", () => {
  it.each([
    [["lsit"], 'xl: there is no verb "lsit"; did you mean "list"?\n'],
    [["frobnicate"], 'xl: there is no verb "frobnicate"; "xl --help" lists them\n'],
    [["list", "--lnog"], "xl: unknown option '--lnog'\nTry: xl list --help\n"],
    [["rename", "a"], "xl: missing required argument 'name'\nTry: xl rename --help\n"],
    [
      ["mem-set", "a", "much"],
      'xl: "much" is no amount of memory: expected MiB, as in 256, or a unit, as in 256m or 1g\n',
    ],
    [["trigger", "a", "nim"], 'xl: "nim" cannot be triggered: expected nmi, init or reset; did you mean "nmi"?\n'],
    [["sysrq", "a", "tt"], 'xl: "tt" is no system request: expected one letter or digit\n'],
    [["xenstore-write", "/a"], "xl: expected PATH VALUE [PATH VALUE ...]: the last path has no value\n"],
    [["run"], "xl: give a configuration file, kernel=FILE, or --default for Debian's Linux\n"],
    [["run", "kernel=k", "--pcpus", "2", "--single-thread"], "xl: --single-thread has one pCPU: leave out --pcpus\n"],
    [
      ["run", "kernel=k", "--pcpus", "2", "--deterministic"],
      "xl: --deterministic runs on one pCPU: leave out --pcpus\n",
    ],
    [
      ["run", cfg, "memory=much"],
      `xl: command line "memory=much":1:8: memory: expected a whole number of MiB from 2 to 1048576, found "much"\n`,
    ],
    [["run", cfg, "--console", "wbe"], 'xl: --console: no guest of this run is named "wbe"; did you mean "web"?\n'],
    [["run", cfg, cfg], 'xl: two guests are named "web": set name in their configurations\n'],
  ])("%j is refused with status 1", async (args, err) => {
    expect(await xl(...args)).toEqual({ status: 1, out: "", err });
  });

  it("a verb without a host says how to start one", async () => {
    expect(await xl("list")).toEqual({
      status: 2,
      out: "",
      err: 'xl: no host is running: start one with "xl host --detach"\n',
    });
  });

  test.each(VERB_GROUPS.flatMap(([, verbs]) => verbs.map((verb) => [verb.name, verb] as const)))(
    "xl %s --help teaches",
    async (name, verb) => {
      const { status, out } = await xl(name, "--help");
      expect(status).toBe(0);
      for (const [command] of verb.examples) expect(out).toContain(`xl ${command}`);
      expect(await verb.load()).toBeTypeOf("function");
    },
  );

  it("--help lists every verb", async () => {
    const { status, out } = await xl("--help");
    expect(status).toBe(0);
    for (const [, verbs] of VERB_GROUPS) for (const { name } of verbs) expect(out).toContain(`\n  ${name}`);
  });
});

describe("on a running host", () => {
  let server: HostServer;
  let host: Host;
  let core: FakeCore;
  let toolstack: Toolstack;

  beforeEach(async () => {
    ({ host, core, toolstack } = makeHost());
    server = await serveSocket(host, process.env.XENOLITH_SOCKET!);
  });

  afterEach(() => server.close());

  it("jit lists the regions and shows one of them", async () => {
    const head = "Region RIP               Blocks     x86   Bytes    Runs\n";
    expect(await xl("jit")).toEqual({
      status: 0,
      out: `${head}     7 ffffffff81000000       3      41    2090  120256\n`,
      err: "",
    });
    expect((await xl("jit", "7")).out).toBe("node 0\n");
    expect((await xl("jit", "--wasm", "7")).out).toBe("node 0\nget rax\n");
    expect(JSON.parse((await xl("jit", "--long")).out)).toEqual(await REGIONS.list());
    expect((await xl("jit", "8")).err).toBe('xl: there is no region 8; "xl jit" lists them\n');
    expect((await xl("jit", "seven")).status).toBe(1);
    expect((await xl("jit", "--wasm")).status).toBe(1);
  });

  it("jit tells where regions are left", async () => {
    const { out } = await xl("jit", "--exits");
    expect(out.split("\n")).toEqual([
      "  Interpreted      Exits RIP              Why   x86",
      "       700928      23360 ffffffff81c01199 left  iretq",
      "         3200         64 0000000000401000 fault",
      "",
    ]);
    expect(JSON.parse((await xl("jit", "--exits", "--clear", "--long")).out)).toEqual([...EXITS]);
    expect((await xl("jit", "--exits")).out.split("\n")).toHaveLength(2);
    expect((await xl("jit", "--exits", "7")).status).toBe(1);
    expect((await xl("jit", "--clear")).status).toBe(1);
  });

  const created = async (...more: string[]): Promise<DomId> => {
    const { status, err } = await xl("create", cfg, ...more);
    expect({ status, err }).toEqual({ status: 0, err: "" });
    const infos = await host.list();
    return infos[infos.length - 1]!.domid;
  };

  it("create, list, domid, domname, rename, destroy", async () => {
    const domid = await created();
    const { out } = await xl("list");
    const [header, row] = out.split("\n");
    expect(header).toBe("Name                                        ID   Mem VCPUs\tState\tTime(s)");
    expect(row).toMatch(/^web {37} {5}\d {5}4 {5}1 {5}[rb-]{2}---- {7}0\.0$/);
    expect(await xl("domid", "web")).toMatchObject({ status: 0, out: `${domid}\n` });
    expect(await xl("domname", String(domid))).toMatchObject({ out: "web\n" });
    expect(await xl("rename", "web", "old")).toMatchObject({ status: 0 });
    expect(JSON.parse((await xl("list", "-l", "old")).out)).toMatchObject([{ domid, name: "old" }]);
    expect(await xl("destroy", "old")).toMatchObject({ status: 0 });
    expect((await xl("list")).out.split("\n")).toHaveLength(2);
  });

  it("pause, unpause, vcpu-list, uptime, info, dmesg", async () => {
    await created("-p", "vcpus=2", "name=two");
    expect((await xl("list")).out).toMatch(/--p---/);
    await xl("unpause", "two");
    expect((await xl("list")).out).not.toMatch(/--p---/);
    await xl("pause", "two");
    expect((await xl("vcpu-list")).out.split("\n")).toHaveLength(4);
    expect((await xl("uptime", "two")).out).toMatch(/two +\d+ 0:00:0\d\n$/);
    expect((await xl("info")).out).toMatch(/^nr_domains +: 1$/m);
    expect(JSON.parse((await xl("info", "-l")).out)).toMatchObject({ domains: 1, pid: process.pid });
    expect((await xl("dmesg", "-c")).out).toContain("two created");
    expect((await xl("dmesg")).out).toBe("");
  });

  it("shutdown asks the guest, and -w waits for its end", async () => {
    const domid = await created();
    const asked = xl("shutdown", "-w", "web");
    await expect.poll(() => host.xenstoreRead(`/local/domain/${domid}/control/shutdown`)).toBe("poweroff");
    core.calls.domainShutdown(domid, 0);
    toolstack.service();
    expect(await asked).toMatchObject({ status: 0, err: "" });
  });

  it("mem-set writes the balloon's target", async () => {
    const domid = await created("maxmem=8");
    expect(await xl("mem-set", "web", "8m")).toMatchObject({ status: 0 });
    expect(await host.xenstoreRead(`/local/domain/${domid}/memory/target`)).toBe("8192");
    expect(await xl("mem-set", "web", "9")).toMatchObject({ status: 1 });
  });

  it("vcpu-set asks the guest for processors by xenstore", async () => {
    const domid = await created("vcpus=1", "maxvcpus=3");
    const asked = () =>
      Promise.all([0, 1, 2].map((cpu) => host.xenstoreRead(`/local/domain/${domid}/cpu/${cpu}/availability`)));
    expect(await asked()).toEqual(["online", "offline", "offline"]);
    expect(await xl("vcpu-set", "web", "2")).toMatchObject({ status: 0, err: "" });
    expect(await asked()).toEqual(["online", "online", "offline"]);
    expect((await xl("vcpu-set", "web", "4")).err).toMatch(/4 is not a whole number from 1 to 3 \(maxvcpus\)/);
    expect(await xl("vcpu-set", "web", "0")).toMatchObject({ status: 1 });
    expect(await xl("vcpu-set", "web", "two")).toMatchObject({ status: 1 });
  });

  it("vcpu-pin moves vCPUs, and vcpu-list shows where they may be", async () => {
    await created("vcpus=2", "cpus=['0', 'all']", "cpus_soft=1-2");
    const affinity = async () =>
      (await xl("vcpu-list", "web")).out
        .trimEnd()
        .split("\n")
        .map((line) => line.slice(line.lastIndexOf("  ") + 2));
    expect(await affinity()).toEqual(["Affinity (Hard / Soft)", "0 / 1-2", "all / 1-2"]);
    expect(await xl("vcpu-pin", "web", "all", "all,^1", "3")).toMatchObject({ status: 0, err: "" });
    expect((await affinity()).slice(1)).toEqual(["0,2-3 / 3", "0,2-3 / 3"]);
    expect(await xl("vcpu-pin", "web", "1", "-", "all")).toMatchObject({ status: 0, err: "" });
    expect((await affinity()).slice(1)).toEqual(["0,2-3 / 3", "0,2-3 / all"]);
    expect((await xl("vcpu-pin", "web", "0", "7")).err).toMatch(/the machine has pCPUs 0 to 3/);
    expect((await xl("vcpu-pin", "web", "5", "0")).err).toMatch(/has no vCPU 5/);
    expect(await xl("vcpu-pin", "web", "first", "0")).toMatchObject({ status: 1 });
    expect(await xl("vcpu-pin", "web", "0", "0;1")).toMatchObject({ status: 1 });
    expect(await xl("create", cfg, "name=far", "cpus=9")).toMatchObject({ status: 1 });
  });

  it("sched-credit shows and sets weights and caps", async () => {
    const domid = await created("cpu_weight=300", "cap=50");
    const pool = "Cpupool Pool-0: tslice=4ms ratelimit=0us migration-delay=0us\n";
    const head = `Name                                ID Weight  Cap\n`;
    const row = (weight: number, cap: number) =>
      `${"web".padEnd(33)} ${String(domid).padStart(4)} ${String(weight).padStart(6)} ${String(cap).padStart(4)}\n`;
    expect((await xl("sched-credit")).out).toBe(pool + head + row(300, 50));
    expect(await xl("sched-credit", "-d", "web", "-w", "512", "-c", "0")).toEqual({ status: 0, out: "", err: "" });
    expect((await xl("sched-credit", "-d", "web")).out).toBe(head + row(512, 0));
    expect((await xl("sched-credit", "-s")).out).toBe(pool);
    expect(await xl("sched-credit", "-w", "512")).toMatchObject({ status: 1 });
    expect(await xl("sched-credit", "-d", "web", "-w", "0")).toMatchObject({ status: 1 });
    expect((await xl("sched-credit", "-d", "web", "-c", "500")).err).toMatch(/cap: 500 is not a whole number from 0/);
  });

  it("dump-core writes an ELF file that only its owner reads", async () => {
    await created();
    const file = join(folder, "web.core");
    expect(await xl("dump-core", "web", file)).toMatchObject({ status: 0, err: "" });
    expect(readFileSync(file).subarray(0, 4).toString("latin1")).toBe("\x7fELF");
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(await xl("dump-core", "web", join(folder, "no/where"))).toMatchObject({ status: 1 });
  });

  it("xenstore verbs", async () => {
    expect(await xl("xenstore-write", "/tool/a", 'x "y"\n', "/tool/a/b", "2")).toMatchObject({ status: 0 });
    expect(await xl("xenstore-read", "/tool/a/b")).toMatchObject({ out: "2\n" });
    expect(await xl("xenstore-list", "/tool/a")).toMatchObject({ out: "b\n" });
    expect((await xl("xenstore-ls", "/tool")).out).toContain('a = "x \\"y\\"\\012"\n b = "2"\n');
    expect((await xl("xenstore-ls", "-f", "/tool")).out).toContain('/tool/a/b = "2"\n');
    const watching = xl("xenstore-watch", "-n", "2", "/tool/a");
    // Until one of them comes after the watch is set.
    const writing = setInterval(() => host.xenstoreWrite("/tool/a/b", "3"), 50);
    expect(await watching).toMatchObject({ status: 0, out: "/tool/a\n/tool/a/b\n" });
    clearInterval(writing);
    expect(await xl("xenstore-rm", "/tool/a")).toMatchObject({ status: 0 });
    expect(await xl("xenstore-read", "/tool/a")).toEqual({
      status: 1,
      out: "",
      err: 'xl: xenstore has no "/tool/a": "xl xenstore-ls" shows what it has\n',
    });
  });

  it("refusals say what to do next", async () => {
    expect((await xl("pause", "nobody")).err).toBe(
      'xl: there is no domain "nobody": "xl list" shows the domains there are\n',
    );
    await created();
    expect((await xl("create", cfg)).err).toMatch(/a domain named "web" exists already: give another name/);
    writeFileSync(join(folder, "text"), "no kernel");
    expect(await xl("create", cfg, `kernel=${join(folder, "text")}`, "name=t")).toMatchObject({ status: 1 });
    expect((await xl("shutdown")).err).toMatch(/give a domain, by name or number, or --all/);
  });

  it("host --stop asks for the end", async () => {
    const stopping = xl("host", "--stop");
    await server.stopAsked;
    await server.close();
    expect(await stopping).toMatchObject({ status: 0 });
    server = await serveSocket(host, process.env.XENOLITH_SOCKET!);
  });
});

describe("small formats", () => {
  test.each([
    ["256", 256],
    ["256m", 256],
    ["1g", 1024],
    ["2GB", 2048],
    ["1024k", 1],
    ["x", null],
    ["-1", null],
  ])("memory %s", (text, expected) => expect(parseMemory(text)).toBe(expected));

  test.each([
    [5, false, "0:00:05"],
    [3_725, false, "1:02:05"],
    [90_061, false, "1 day, 1:01:01"],
    [190_000, true, "2 days, 4:46"],
  ])("uptime %d", (seconds, short, expected) => expect(formatUptime(seconds, short)).toBe(expected));
});
