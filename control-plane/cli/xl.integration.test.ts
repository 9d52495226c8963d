/**
 * `xl` as built, with real guests: needs `npm run build`, and the default guest (from the cache, or through apt or a mirror).
 * The guests boot under an interpreter, so limits are generous.
 */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type GuestImage, makeDisk, prepareGuest } from "../guest/index.js";
import { unwrap } from "../util/index.js";

const XL = fileURLToPath(new URL("../../dist/xl.js", import.meta.url));
const BOOT_MS = 180_000;
const folder = mkdtempSync(join(tmpdir(), "xl-run-"));
const env = { ...process.env, XENOLITH_SOCKET: join(folder, "own", "host.sock") };
let guest: GuestImage;

beforeAll(async () => {
  expect(existsSync(XL), "dist/xl.js is missing: npm run build").toBe(true);
  guest = unwrap(await prepareGuest({ flavour: "cloud" }));
}, BOOT_MS);

afterAll(() => {
  spawnSync(process.execPath, [XL, "host", "--stop"], { env });
  rmSync(folder, { recursive: true });
});

interface Ended {
  readonly status: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs xl to its end; `talk` may write to its input when its output changes. */
function xl(args: readonly string[], talk?: (out: string, type: (text: string) => void) => void): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [XL, ...args], { env, cwd: folder });
    let out = "";
    let err = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      out += text;
      talk?.(out, (typed) => child.stdin.write(typed));
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      err += text;
    });
    if (!talk) child.stdin.end();
    child.on("error", reject);
    child.on("close", (status) => resolve({ status, out, err }));
  });
}

/** Types each line once the text before it has appeared. */
function script(...steps: readonly (readonly [seen: string, typed: string])[]) {
  let next = 0;
  let from = 0;
  return (out: string, type: (text: string) => void): void => {
    const step = steps[next];
    const at = step ? out.indexOf(step[0], from) : -1;
    if (!step || at < 0) return;
    from = at + step[0].length;
    next++;
    type(step[1]);
  };
}

const timeout = ["--timeout", String(BOOT_MS / 1000 - 5)];

describe("xl run", () => {
  it("boots Debian to a shell, which can be typed at, and ends with 0 when it powers off", {
    timeout: BOOT_MS,
  }, async () => {
    const stats = join(folder, "stats.json");
    const talk = script(["# ", "echo $((6 * 7)).\n"], ["\n42.", "poweroff -f\n"]);
    const { status, out, err } = await xl(["run", "--default", ...timeout, "--stats", stats], talk);
    expect({ status, err }).toEqual({ status: 0, err: "" });
    expect(out).toContain("Run /init as init process");
    const { domains, machine } = JSON.parse(readFileSync(stats, "utf8"));
    expect(domains).toMatchObject([{ name: "debian-cloud", reason: "poweroff" }]);
    expect(domains[0].instructions).toBeGreaterThan(1e6);
    expect(machine.framesUsed).toBeGreaterThan(1000);
  });

  it("--exec prints a command's output alone and ends with its status", { timeout: BOOT_MS }, async () => {
    const { status, out, err } = await xl(["run", ...timeout, "--exec", 'uname -s; echo "a  b"; exit 7', "vcpus=2"]);
    expect({ status, err }).toEqual({ status: 7, err: "" });
    expect(out).toMatch(/^Linux\na {2}b\n/);
  });

  it("--exec runs in the system of a disk that is the root, and says so when there is none", {
    timeout: 4 * BOOT_MS,
  }, async () => {
    unwrap(await makeDisk(join(folder, "root.vhd"), { sizeBytes: 512 * 2 ** 20 }));
    const onDisk = (command: string) =>
      xl(["run", ...timeout, "disk=root.vhd,vhd,xvda,w", "root=/dev/xvda", "--exec", command]);
    const about = "findmnt -no SOURCE /; readlink -f /bin/sh; id -un; dpkg --version | head -n 1; hostname; pwd";
    const first = await onDisk(`${about}; echo kept >/var/file; exit 9`);
    expect({ status: first.status, err: first.err }).toEqual({ status: 9, err: "" });
    expect(first.out).toMatch(/^\/dev\/xvda\n\/usr\/bin\/dash\nroot\nDebian 'dpkg'.*\ndebian\n\/root\n/);
    // Its file system was left without anything to repeat.
    const image = join(folder, "root.img");
    expect(await xl(["vhd", "convert", "-t", "raw", "root.vhd", image])).toMatchObject({ status: 0 });
    expect(spawnSync("dumpe2fs", ["-h", image]).stdout.toString()).not.toContain("needs_recovery");
    expect(await onDisk("cat /var/file")).toMatchObject({ status: 0, out: expect.stringMatching(/^kept\n/) });
    const none = await xl(["run", ...timeout, "root=/dev/xvdq", "--exec", "true"]);
    expect(none.status).toBe(125);
    expect(none.out).toContain("/dev/xvdq cannot be mounted as ext4: the command is not run");
  });

  it("a kernel panic is status 3 with the console kept", { timeout: BOOT_MS }, async () => {
    const args = ["run", ...timeout, `kernel=${guest.kernel}`, "cmdline=console=hvc0 earlyprintk=xen", "memory=128"];
    const { status, out, err } = await xl(args);
    expect(status).toBe(3);
    expect(out).toContain("Kernel panic - not syncing");
    expect(err).toContain('guest "guest" crashed');
  });

  it("a guest that does not end in time is status 124", { timeout: BOOT_MS }, async () => {
    const { status, err } = await xl(["run", "--default", "--timeout", "2"]);
    expect({ status, err }).toEqual({ status: 124, err: "xl: timeout: the guests did not end in 2 s\n" });
  });

  it("a mistake in a configuration is status 1 and says where", async () => {
    writeFileSync(join(folder, "bad.cfg"), 'name = "x"\nmemory = [\n');
    const { status, err } = await xl(["run", "bad.cfg"]);
    expect(status).toBe(1);
    expect(err).toBe('xl: bad.cfg:2:10: this list has no end: expected "]" before the end of the file\n');
  });

  it("what is no kernel is status 1", { timeout: BOOT_MS }, async () => {
    writeFileSync(join(folder, "text"), "not a kernel");
    const { status, err } = await xl(["run", "kernel=text"]);
    expect(status).toBe(1);
    expect(err).toContain("a bzImage or an ELF file with a PVH note is needed");
  });
});

describe("xl host", () => {
  it("keeps domains for other processes", { timeout: 2 * BOOT_MS }, async () => {
    const started = await xl(["host", "--detach"]);
    expect({ status: started.status, err: started.err }).toEqual({ status: 0, err: "" });
    expect((await xl(["host", "--detach"])).err).toContain("a host is running already");
    expect(await xl(["create", "-p", "--default", "name=deb", "memory=256"])).toMatchObject({ status: 0 });
    expect((await xl(["list"])).out).toMatch(/^deb +1 +256 +1 +--p---/m);
    expect(await xl(["unpause", "deb"])).toMatchObject({ status: 0 });
    // A region of a running guest may be gone, or made anew under another number, when it is asked for.
    let listing = "";
    for (const end = Date.now() + 60_000; listing === "" && Date.now() < end; ) {
      const region = / (\d+) [0-9a-f]{16} /.exec((await xl(["jit"])).out)?.[1];
      if (region !== undefined) listing = (await xl(["jit", region])).out;
    }
    expect(listing).toMatch(/^node 0\n {2}[0-9a-f]{16} {2}\S/);
    const shown = await xl(["console", "deb"], script(["# ", "echo on hvc$((0))\n"], ["on hvc0", "poweroff -f\n"]));
    expect(shown).toMatchObject({ status: 0, err: 'xl: domain "deb" has ended\n' });
    expect((await xl(["list"])).out.trimEnd().split("\n")).toHaveLength(1);
    expect(await xl(["host", "--stop"])).toMatchObject({ status: 0 });
    expect(await xl(["list"])).toMatchObject({ status: 2 });
  });

  it("takes a guest's processor and gives it back, pins and weighs it", { timeout: 2 * BOOT_MS }, async () => {
    expect(await xl(["host", "--detach", "--pcpus", "2"])).toMatchObject({ status: 0, err: "" });
    expect(await xl(["create", "-p", "--default", "name=two", "memory=256", "vcpus=2"])).toMatchObject({ status: 0 });
    const until = (cpus: string, say: string) =>
      `until grep -qx ${cpus} /sys/devices/system/cpu/online; do sleep 0.1; done; echo ${say}`;
    const line = `${until("0-1", "has $((1 + 1))")}; ${until("0", "has $((1 + 0))")}; ${until("0-1", "again $((1 + 1))")}`;
    const steps = script(["# ", `${line}; poweroff -f\n`]);
    let shown = "";
    const console = xl(["console", "two"], (out, type) => {
      shown = out;
      steps(out, type);
    });
    const says = (text: string) => expect.poll(() => shown, { timeout: BOOT_MS }).toContain(text);
    expect(await xl(["vcpu-pin", "two", "0", "1"])).toMatchObject({ status: 0, err: "" });
    expect(await xl(["sched-credit", "-d", "two", "-w", "512", "-c", "150"])).toMatchObject({ status: 0, err: "" });
    expect(await xl(["unpause", "two"])).toMatchObject({ status: 0 });
    await says("\nhas 2");
    const rows = (await xl(["vcpu-list", "two"])).out.trimEnd().split("\n").slice(1);
    expect(rows.map((row) => row.split(/ {2,}/).at(-1))).toEqual(["1 / all", "all / all"]);
    expect((await xl(["sched-credit", "-d", "two"])).out).toMatch(/^two +\d+ +512 +150$/m);
    expect(await xl(["vcpu-set", "two", "1"])).toMatchObject({ status: 0, err: "" });
    await says("\nhas 1");
    expect(await xl(["vcpu-set", "two", "2"])).toMatchObject({ status: 0, err: "" });
    await says("\nagain 2");
    expect(await console).toMatchObject({ status: 0, err: 'xl: domain "two" has ended\n' });
    expect(await xl(["host", "--stop"])).toMatchObject({ status: 0 });
  });
});
