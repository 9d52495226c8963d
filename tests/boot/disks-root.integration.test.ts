/** Debian on its own disk, as a whole and in the place of a partition, and clones of it that run at once. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connectNode } from "../../control-plane/api/connect-node.js";
import type { HostApi } from "../../control-plane/api/index.js";
import { makeDisk } from "../../control-plane/guest/index.js";
import { unwrap } from "../../control-plane/util/index.js";
import { BOOT_MS, Debian } from "./debian.js";
import { sumOf, underLoad } from "./load.js";

const MIB = 2 ** 20;
/** What each clone calls its disk: a whole one, a partition of a disk that is not there, and by the old names. */
const CLONES = [
  { name: "first", vdev: "xvda", device: "/dev/xvda" },
  { name: "second", vdev: "xvda1", device: "/dev/xvda1" },
  { name: "third", vdev: "sda2", device: "/dev/xvda2" },
];

describe("a Debian on a disk", () => {
  const folder = mkdtempSync(join(tmpdir(), "xenolith-root-"));
  const at = (name: string) => join(folder, name);
  let host: HostApi;
  let debian: Debian;
  let clones: Debian[] = [];

  const boot = (name: string, vdev: string, device: string) =>
    Debian.boot(host, {
      name,
      extra: `root=${device}`,
      prompt: "debian:~# ",
      disks: [{ target: `${name}.vhd`, vdev }],
    });

  beforeAll(async () => {
    unwrap(await makeDisk(at("root.vhd"), { sizeBytes: 512 * MIB }));
    host = await connectNode({ pcpus: 2, imageFolders: [folder] });
    debian = await boot("root", "xvda1", "/dev/xvda1");
  }, 3 * BOOT_MS);

  afterAll(async () => {
    await host?.close();
    rmSync(folder, { recursive: true });
  });

  it("boots from what Linux takes for a partition, and works in its own file system", async () => {
    expect(await debian.output("findmnt -no SOURCE,FSTYPE,OPTIONS / | tr -s ' '; stat -c '%U %a' /usr/bin/su")).toMatch(
      /^\/dev\/xvda1 ext4 rw,.*\nroot 4755$/,
    );
    expect(await debian.output("cat /proc/partitions | awk '$4 ~ /xvd/ { print $3, $4 }'")).toBe("524288 xvda1");
  });

  it("is snapshot under load, and three clones of it work at once, each on its own", {
    timeout: 5 * BOOT_MS,
  }, async () => {
    await debian.output("mkdir /var/before && cp -a /usr/lib /var/before && sync", BOOT_MS);
    const before = await debian.output(sumOf("/var/before"), BOOT_MS);
    await underLoad(debian, "/var", async (further) => {
      await host.image("snapshot", "root.vhd", "golden.vhd");
      await further();
      for (const { name } of CLONES) await host.image("clone", "golden.vhd", `${name}.vhd`);
      clones = await Promise.all(CLONES.map(({ name, vdev, device }) => boot(name, vdev, device)));
    });
    for (const [index, clone] of clones.entries()) {
      expect(await clone.output("findmnt -no SOURCE /")).toBe(CLONES[index]!.device);
    }
    const sums = clones.map((clone) => clone.output(sumOf("/var/before"), BOOT_MS));
    expect(await Promise.all(sums)).toEqual(CLONES.map(() => before));
    await Promise.all(
      clones.map((clone, i) => clone.output(`rm -rf /var/before/lib/x86*; echo ${i} >/var/mine; sync`)),
    );
    expect(await debian.output(`ls /var/mine 2>/dev/null; ${sumOf("/var/before")}`, BOOT_MS)).toBe(before);
    expect(await Promise.all(clones.map((clone) => clone.output("cat /var/mine")))).toEqual(["0", "1", "2"]);
  });

  it("leaves file systems that fsck finds clean", { timeout: 2 * BOOT_MS }, async () => {
    for (const { console, domid } of [...clones, debian]) {
      const ended = host.waitShutdown(domid);
      console.type("poweroff\n");
      expect((await ended).reason).toBe("poweroff");
    }
    for (const name of ["root", ...CLONES.map((clone) => clone.name)]) {
      await host.image("convert", `${name}.vhd`, `${name}.img`, { kind: "raw" });
      execFileSync("fsck.ext4", ["-fn", at(`${name}.img`)], { stdio: "pipe" });
      expect((await host.image("check", `${name}.vhd`)).filter(({ severity }) => severity !== "note")).toEqual([]);
    }
  });
});
