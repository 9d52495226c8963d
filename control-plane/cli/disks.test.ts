/** Verbs of disks and images as a user types them: on files, and on those that a running host's domains use. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest";
import { Host } from "../api/host.js";
import { FakeCore } from "../core-link/fake.js";
import { makeElf } from "../domain/testing/kernels.js";
import { Toolstack } from "../domain/toolstack.js";
import { nodeFinder } from "../storage/folders/finder-node.js";
import { ImageLibrary } from "../storage/index.js";
import { LogRing, SeededRandom } from "../util/index.js";
import { formatSize, parseSize } from "./commands/vhd/size.js";
import { type HostServer, serveSocket } from "./socket/index.js";
import { xl } from "./testing/run-xl.js";
import { VHD_VERBS } from "./verbs/vhd.js";

const base = mkdtempSync(join(tmpdir(), "xl-disks-"));
let folder: string;
let count = 0;
let server: HostServer | null = null;
let host: Host;

beforeEach(() => {
  folder = join(base, `t${count++}`);
  mkdirSync(folder);
  process.env.XENOLITH_SOCKET = join(folder, "own", "host.sock");
});
afterEach(async () => {
  await server?.close();
  server = null;
  delete process.env.XENOLITH_SOCKET;
});
afterAll(() => rmSync(base, { recursive: true }));

const path = (name: string) => join(folder, name);

async function startHost(): Promise<Toolstack> {
  const core = new FakeCore();
  core.calls.machineInit(8192, 1, 0, 0, 0);
  const clock = { now: () => 0 };
  const log = new LogRing(clock);
  const images = new ImageLibrary(nodeFinder({ sources: { random: new SeededRandom(3), now: () => 0 } }));
  const openDisk: ConstructorParameters<typeof Toolstack>[0]["openDisk"] = (target, options) =>
    images.openDisk(target, options);
  const later = (work: () => void) => void setTimeout(work);
  const toolstack = new Toolstack({ core, clock, random: new SeededRandom(1), log, coreSink: null, later, openDisk });
  host = new Host({ core, toolstack, log, clock, pcpus: 1, images, close: async () => {} });
  server = await serveSocket(host, process.env.XENOLITH_SOCKET!);
  writeFileSync(path("kernel"), makeElf());
  return toolstack;
}

/** Does what the freeze-agent of a guest does, and answers what it was asked. */
function freezeAgent({ store: { local } }: Toolstack, domid: number): string[] {
  const home = `/local/domain/${domid}`;
  const asked: string[] = [];
  local.write(`${home}/control/feature-freeze`, "1");
  local.watch(`${home}/control/freeze`, () => {
    const [verb, id] = (local.read(`${home}/control/freeze`) ?? "").split(" ");
    if (verb === "") return;
    asked.push(verb!);
    setTimeout(() => local.write(`${home}/data/freeze`, `${verb === "freeze" ? "frozen" : "thawed"} ${id}`));
  });
  return asked;
}

describe("xl vhd on files", () => {
  it("makes, describes, keeps, clones, lists, converts and removes images", async () => {
    expect(await xl("vhd", "create", path("a.vhd"), "64M")).toEqual({ status: 0, out: "", err: "" });
    expect((await xl("vhd", "info", path("a.vhd"))).out).toMatch(/kind +vhd, dynamic\nsize +64 MiB \(67108864 bytes\)/);
    expect((await xl("vhd", "snapshot", path("a.vhd"), path("monday.vhd"))).status).toBe(0);
    expect((await xl("vhd", "clone", path("monday.vhd"), path("clone.vhd"))).status).toBe(0);
    const { out } = await xl("vhd", "list", folder);
    expect(out.split("\n").map((line) => line.slice(0, 14).trimEnd())).toEqual([
      "monday.vhd",
      "├─ a.vhd",
      "└─ clone.vhd",
      "",
    ]);
    expect((await xl("vhd", "convert", "-t", "raw", path("clone.vhd"), path("c.img"))).status).toBe(0);
    expect(readFileSync(path("c.img")).length).toBe(64 * 2 ** 20);
    expect((await xl("vhd", "resize", path("a.vhd"), "0.125G")).status).toBe(0);
    expect(JSON.parse((await xl("vhd", "info", "-l", path("a.vhd"))).out)).toMatchObject({ sizeBytes: 128 * 2 ** 20 });
    expect((await xl("vhd", "remove", path("clone.vhd"), path("c.img"))).status).toBe(0);
    expect((await xl("vhd", "coalesce", path("a.vhd"))).status).toBe(0);
    expect((await xl("vhd", "list", "-l", folder)).out).toContain('"name": "a.vhd"');
    expect(await xl("vhd", "check", path("a.vhd"))).toMatchObject({ status: 0, out: `${path("a.vhd")}: no damage\n` });
  });

  it("goes back to a snapshot", async () => {
    await xl("vhd", "create", path("a.vhd"), "16M");
    await xl("vhd", "snapshot", path("a.vhd"), path("s.vhd"));
    expect((await xl("vhd", "revert", path("a.vhd"), path("s.vhd"))).status).toBe(0);
  });

  it("finds damage, and mends it when told", async () => {
    await xl("vhd", "create", path("a.vhd"), "16M");
    const bytes = readFileSync(path("a.vhd"));
    bytes[70] = bytes[70]! ^ 1;
    writeFileSync(path("a.vhd"), bytes);
    const found = await xl("vhd", "check", path("a.vhd"));
    expect(found.status).toBe(1);
    expect(found.out).toMatch(/^(warning|error): a\.vhd: .*field .*; repair mends it\n$/);
    expect((await xl("vhd", "repair", path("a.vhd"))).out).toContain("a.vhd");
    expect((await xl("vhd", "check", path("a.vhd"))).status).toBe(0);
  });

  it.each([
    [["vhd"], /give a verb/],
    [["vhd", "create", "x.vhd", "much"], /"much" is no size: expected MiB/],
    [["vhd", "info", "/nowhere/x.vhd"], /\/nowhere: there is no such file/],
    [["vhd", "clone", "/a/x.vhd", "/b/y.vhd"], /only on images of its own folder.*--images/],
    [["vhd", "frobnicate"], /unknown command|too many/],
  ])("says what is wrong: %j", async (args, message) => {
    const said = await xl(...args);
    expect(said.status).toBe(1);
    expect(said.err).toMatch(message);
  });

  it("gives up blocks only when told", async () => {
    await xl("vhd", "create", path("a.vhd"), "16M");
    const bytes = readFileSync(path("a.vhd"));
    // The first entry of the block table: somewhere behind the end.
    bytes.writeUInt32BE(0x7fffffff, 1536);
    writeFileSync(path("a.vhd"), bytes);
    const found = { status: 1, out: expect.stringMatching(/^error: .*; repair --give-up-blocks gives it up\n$/) };
    expect(await xl("vhd", "check", path("a.vhd"))).toMatchObject(found);
    expect((await xl("vhd", "repair", path("a.vhd"))).out).toMatch(/: nothing that could be mended\n$/);
    expect(await xl("vhd", "check", path("a.vhd"))).toMatchObject(found);
    const { status, out } = await xl("vhd", "repair", "--give-up-blocks", path("a.vhd"));
    expect([status, out]).toEqual([0, expect.stringContaining("a block reaches beyond the end of the file")]);
    expect((await xl("vhd", "check", path("a.vhd"))).out).toMatch(/: no damage\n$/);
  });

  it("teaches each verb", async () => {
    for (const { name, options = [] } of VHD_VERBS) {
      const { out, status } = await xl("vhd", name, "--help");
      expect([status, out]).toEqual([0, expect.stringContaining(`Examples:\n  xl vhd ${name}`)]);
      for (const { flags } of options) expect(out).toContain(flags);
    }
    expect((await xl("vhd", "--help")).out).toContain("snapshot");
  });
});

describe("sizes", () => {
  it.each([
    ["10", 10 * 2 ** 20, "10 MiB"],
    ["2G", 2 ** 31, "2 GiB"],
    ["1.5g", 1.5 * 2 ** 30, "1.5 GiB"],
    ["512K", 2 ** 19, "512 KiB"],
    ["1TiB", 2 ** 40, "1 TiB"],
  ])("%s", (text, bytes, shown) => {
    expect([parseSize(text), formatSize(bytes)]).toEqual([bytes, shown]);
  });
});

describe("disks of a running host", () => {
  it("are read from a configuration, found beside it, and shown", async () => {
    await xl("vhd", "create", path("root.vhd"), "32M");
    await startHost();
    writeFileSync(
      path("web.cfg"),
      'kernel = "kernel"\nmemory = 4\ndisk = [ "root.vhd,vhd,xvda,w", "cdrom,vdev=hdc,target=" ]\n',
    );
    expect(await xl("create", path("web.cfg"))).toMatchObject({ status: 0 });
    const { out } = await xl("block-list", "web");
    expect(out).toMatch(
      /^Vdev +BE .*\nhdc .*\(empty\) \(read-only\)\nxvda +0 +51712 +2 .*backend\/vbd\/1\/51712 +root\.vhd\n$/,
    );
  });

  it("come and go, and have media", async () => {
    for (const name of ["a.vhd", "b.vhd"]) await xl("vhd", "create", path(name), "32M");
    await xl("vhd", "create", "-t", "raw", path("cd.iso"), "1M");
    await startHost();
    writeFileSync(
      path("web.cfg"),
      `kernel = "kernel"\nmemory = 4\ndisk = ["${path("a.vhd")},vhd,xvda", ",,xvdd:cdrom"]\n`,
    );
    await xl("create", path("web.cfg"));
    expect((await xl("block-attach", "web", path("b.vhd"), "vhd", "xvdb", "w")).status).toBe(0);
    expect((await xl("cd-insert", "web", "xvdd", path("cd.iso"))).status).toBe(0);
    expect((await host.disks((await host.list())[0]!.domid)).map(({ vdev, sizeBytes }) => [vdev, sizeBytes])).toEqual([
      ["xvda", 32 * 2 ** 20],
      ["xvdb", 32 * 2 ** 20],
      ["xvdd", 2 ** 20],
    ]);
    expect((await xl("cd-eject", "web", "xvdd")).status).toBe(0);
    expect((await xl("block-detach", "--force", "web", "xvdb")).status).toBe(0);
    expect(JSON.parse((await xl("block-list", "-l", "web")).out)).toHaveLength(2);
    expect((await xl("vhd", "snapshot", path("a.vhd"), path("now.vhd"))).status).toBe(0);
    expect((await host.disks((await host.list())[0]!.domid))[0]!.chain).toEqual(["a.vhd", "now.vhd"]);
    expect((await xl("vhd", "revert", path("a.vhd"), path("now.vhd"))).err).toMatch(/a\.vhd/);
    const { status, err } = await xl("vhd", "remove", path("now.vhd"));
    // The next step is the storage's own, once, and not the advice for all of its kind.
    expect(status).toBe(1);
    expect(err).toMatch(
      /^xl: remove: .*now\.vhd: other images stand on this one.*\(found a\.vhd\); remove or merge them first\n$/,
    );
  });

  it("are kept with the guest at rest, or when told without", async () => {
    await xl("vhd", "create", path("a.vhd"), "32M");
    const toolstack = await startHost();
    writeFileSync(path("web.cfg"), `kernel = "kernel"\nmemory = 4\ndisk = ["${path("a.vhd")},vhd,xvda"]\n`);
    await xl("create", path("web.cfg"));
    const keep = (name: string, ...flags: string[]) => xl("vhd", "snapshot", ...flags, path("a.vhd"), path(name));
    const reason =
      "web: nothing in the guest freezes its file systems; run Xenolith's freeze-agent in it, or do without";
    const { status, err } = await keep("s.vhd", "--quiesce");
    expect([status, err, existsSync(path("s.vhd"))]).toEqual([1, expect.stringContaining(reason), false]);
    const tried = await keep("s.vhd", "--try-quiesce");
    expect(tried.err).toContain(`the snapshot is what a power cut would have left: ${reason}`);
    expect([tried.status, existsSync(path("s.vhd"))]).toEqual([0, true]);
    expect((await keep("t.vhd", "--quiesce", "--try-quiesce")).err).toContain(
      "give --quiesce or --try-quiesce, not both",
    );
    const [domain] = await host.list();
    const asked = freezeAgent(toolstack, domain!.domid);
    expect(await keep("t.vhd")).toEqual({ status: 0, out: "", err: "" });
    expect(asked).toEqual([]);
    for (const [i, flag] of ["--quiesce", "--try-quiesce"].entries()) {
      expect(await keep(`u${i}.vhd`, flag)).toEqual({ status: 0, out: "", err: "" });
      expect([asked.splice(0), existsSync(path(`u${i}.vhd`))]).toEqual([["freeze", "thaw"], true]);
    }
  });

  it("have other names, and are found again, by words", async () => {
    for (const start of [async () => {}, startHost]) {
      await start();
      await xl("vhd", "create", path("p.vhd"), "8M");
      await xl("vhd", "clone", path("p.vhd"), path("c.vhd"));
      expect(await xl("vhd", "rename", path("p.vhd"), path("q.vhd"))).toEqual({ status: 0, out: "", err: "" });
      expect((await xl("vhd", "info", path("c.vhd"))).out).toMatch(/parent +q\.vhd/);
      mkdirSync(path("below"), { recursive: true });
      const elsewhere = await xl("vhd", "rename", path("q.vhd"), path("below/q.vhd"));
      expect(elsewhere.err).toMatch(/renamed in its folder .*; copy it there, or name a folder that has both/);
      renameSync(path("q.vhd"), path("r.vhd"));
      expect((await xl("vhd", "info", path("c.vhd"))).out).toMatch(/parent +missing/);
      expect(await xl("vhd", "set-parent", path("c.vhd"), path("r.vhd"))).toEqual({ status: 0, out: "", err: "" });
      expect((await xl("vhd", "info", path("c.vhd"))).out).toMatch(/parent +r\.vhd/);
      await xl("vhd", "remove", path("c.vhd"));
      await xl("vhd", "remove", path("r.vhd"));
    }
  });

  it("show how far an operation of the host's is", async () => {
    await xl("vhd", "create", path("a.vhd"), "64M");
    await startHost();
    const terminal = Object.getOwnPropertyDescriptor(process.stderr, "isTTY");
    Object.defineProperty(process.stderr, "isTTY", { value: true, configurable: true });
    try {
      const { status, err } = await xl("vhd", "convert", "-t", "raw", path("a.vhd"), path("b.raw"));
      expect({ status, told: /\r\d+ %/.test(err) }).toEqual({ status: 0, told: true });
    } finally {
      Object.defineProperty(process.stderr, "isTTY", terminal ?? { value: undefined, configurable: true });
    }
  });

  it.each([
    [["block-attach", "web", "a.vhd,vhd,floppy"], /vdev: "floppy" names no disk.*\n.*\n +\^/],
    [["block-detach", "web", "xvdz"], /no disk "xvdz": it has none/],
  ])("are refused in words: %j", async (args, message) => {
    await startHost();
    writeFileSync(path("web.cfg"), 'kernel = "kernel"\nmemory = 4\n');
    await xl("create", path("web.cfg"));
    const said = await xl(...args);
    expect(said.status).toBe(1);
    expect(said.err.replaceAll("xl: ", "")).toMatch(message);
  });
});

describe("a configuration's mistakes", () => {
  it.each([
    ['disk = ["a.img,vdi,xvda"]', /w\.cfg:2:16: disk: format: expected raw, vhd or qcow2, found "vdi"/],
    ['disk = ["a.img,raw,xvda", "b.img,raw,d0"]', /w\.cfg:2:27: disk: xvda is there twice/],
    ["disk = [5]", /w\.cfg:2:9: disk: expected a text in quotes/],
  ])("have their place: %s", async (line, message) => {
    writeFileSync(path("w.cfg"), `kernel = "kernel"\n${line}\n`);
    await startHost();
    expect((await xl("create", path("w.cfg"))).err).toMatch(message);
  });
});
