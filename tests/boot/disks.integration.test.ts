/** Disks of unmodified Linux: used, attached and detached, snapshot, merged and grown while it works, and booted from. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connectNode } from "../../control-plane/api/connect-node.js";
import type { HostApi } from "../../control-plane/api/index.js";
import { makeDisk } from "../../control-plane/guest/index.js";
import { unwrap } from "../../control-plane/util/index.js";
import { BOOT_MS, Debian } from "./debian.js";
import { MACHINES } from "./machines.js";

const MIB = 2 ** 20;
const FOLLOW_MS = 60_000;

describe.each(MACHINES)("disks in $name", ({ machine }) => {
  const folder = mkdtempSync(join(tmpdir(), "xenolith-disks-"));
  const at = (name: string) => join(folder, name);
  let host: HostApi;
  let debian: Debian;

  beforeAll(async () => {
    host = await connectNode({ ...machine, imageFolders: [folder] });
    await host.image("create", "a.vhd", { bytes: 256 * MIB, kind: "dynamic" });
    await host.image("create", "b.img", { bytes: 32 * MIB, kind: "raw" });
    writeFileSync(at("cd.iso"), "a medium ".repeat(MIB / 8));
    debian = await Debian.boot(host, {
      disks: [
        { target: "a.vhd", vdev: "xvda", persistentGrants: true },
        { target: "b.img", vdev: "xvdb", access: "r" },
        { target: "", vdev: "xvdd", devtype: "cdrom" },
      ],
    });
  }, BOOT_MS);

  afterAll(async () => {
    await host?.close();
    rmSync(folder, { recursive: true });
  });

  const size = (disk: string) => debian.output(`cat /sys/block/${disk}/size`);
  const sha256 = (name: string) =>
    createHash("sha256")
      .update(readFileSync(at(name)))
      .digest("hex");

  it("are found by xen-blkfront, as they are described", async () => {
    expect(
      await debian.output("cd /sys/block; echo xvd*; cat xvda/size xvdb/size xvdd/size xvdb/ro xvda/queue/write_cache"),
    ).toBe(`xvda xvdb xvdd\n${512 * 1024}\n${64 * 1024}\n0\n1\nwrite back`);
    const states = (await host.disks(debian.domid)).map(({ vdev, state }) => [vdev, state]);
    expect(states).toEqual([
      ["xvda", 4],
      ["xvdb", 4],
      ["xvdd", 4],
    ]);
  });

  it("have persistent grants where these are asked for", async () => {
    const found = await debian.output("dmesg | grep -o 'blkfront: xvd[ab]:.*persistent grants: [a-z]*' | sort");
    expect(found.split("\n").map((line) => line.replace(/^blkfront: (\w+): .* /, "$1 "))).toEqual([
      "xvda enabled",
      "xvdb disabled",
    ]);
  });

  it("refuse to be written where they are only read", async () => {
    expect((await debian.run("dd if=/dev/zero of=/dev/xvdb bs=4k count=1 conv=fsync")).status).not.toBe(0);
    expect((await host.disks(debian.domid))[1]!.counters.writes).toBe(0);
  });

  it("hold a file system and what is written to it", { timeout: BOOT_MS }, async () => {
    await debian.output(
      "mke2fs -q /dev/xvda 2>/dev/null || mkfs.ext2 /dev/xvda; mount -t ext4 /dev/xvda /mnt; cp -a /bin /lib /mnt; sync",
    );
    const sum = "cd /mnt; find bin lib -type f | sort | xargs sha256sum | sha256sum; cd /";
    const before = await debian.output(sum);
    await debian.output("umount /mnt; mount -t ext4 /dev/xvda /mnt");
    expect(await debian.output(sum)).toBe(before);
  });

  it("come and go while the guest runs", { timeout: BOOT_MS }, async () => {
    await host.image("create", "hot.vhd", { bytes: 64 * MIB, kind: "dynamic" });
    await host.attachDisk(debian.domid, { target: "hot.vhd", vdev: "xvdh" });
    await expect.poll(() => size("xvdh").catch(() => ""), { timeout: FOLLOW_MS }).toBe(String(128 * 1024));
    await debian.output("yes hot | head -c 1048576 >/tmp/hot; dd if=/tmp/hot of=/dev/xvdh bs=64k conv=fsync");
    await host.detachDisk(debian.domid, "xvdh");
    const isThere = async () => (await debian.run("test -e /sys/block/xvdh")).status;
    await expect.poll(isThere, { timeout: FOLLOW_MS }).not.toBe(0);
    await host.image("convert", "hot.vhd", "hot.img", { kind: "raw" });
    expect(readFileSync(at("hot.img")).subarray(0, MIB).toString()).toBe("hot\n".repeat(MIB / 4));
    await host.attachDisk(debian.domid, { target: "hot.vhd", vdev: "xvdh", access: "r" });
    await expect.poll(() => size("xvdh").catch(() => ""), { timeout: FOLLOW_MS }).toBe(String(128 * 1024));
    await host.detachDisk(debian.domid, "xvdh");
  });

  it("have media that are changed", { timeout: BOOT_MS }, async () => {
    await host.changeMedium(debian.domid, "xvdd", "cd.iso");
    const sectors = Math.floor(readFileSync(at("cd.iso")).length / 512);
    await expect.poll(() => size("xvdd"), { timeout: FOLLOW_MS }).toBe(String(sectors));
    expect(await debian.output(`head -c ${sectors * 512} /dev/xvdd | sha256sum | cut -c -64`)).toBe(sha256("cd.iso"));
    await host.changeMedium(debian.domid, "xvdd", null);
    await expect.poll(() => size("xvdd"), { timeout: FOLLOW_MS }).toBe("0");
  });

  it("are snapshot, cloned, grown and merged under load, and lose nothing", { timeout: 2 * BOOT_MS }, async () => {
    const load = "for i in 1 2 3 4 5 6; do cp -a /lib /mnt/l$i && sync && rm -rf /mnt/l$i; done";
    const work = debian.run(load, BOOT_MS);
    await host.image("snapshot", "a.vhd", "s1.vhd");
    await host.image("clone", "s1.vhd", "c.vhd");
    await host.image("snapshot", "a.vhd", "s2.vhd");
    await host.image("resize", "a.vhd", 512 * MIB);
    await host.image("coalesce", "a.vhd");
    expect((await work).status).toBe(0);
    expect(await size("xvda")).toBe(String(1024 * 1024));
    await debian.output("umount /mnt");
    expect((await host.image("check", "a.vhd")).filter(({ severity }) => severity !== "note")).toEqual([]);
    // The clone is what a power cut would have left: its journal, where it has one, is replayed by mounting it.
    await host.attachDisk(debian.domid, { target: "c.vhd", vdev: "xvdc" });
    await expect.poll(() => size("xvdc").catch(() => ""), { timeout: FOLLOW_MS }).toBe(String(512 * 1024));
    await debian.output("mount -t ext4 /dev/xvdc /mnt && ls /mnt/bin/busybox && umount /mnt");
    await host.detachDisk(debian.domid, "xvdc");
  });

  it("survive a reboot of their guest, and are closed with it", { timeout: BOOT_MS }, async () => {
    debian = await debian.reboot();
    await debian.output("mount -t ext4 /dev/xvda /mnt && ls /mnt/bin/busybox && umount /mnt");
    await host.destroy(debian.domid);
    await host.image("revert", "a.vhd", "s1.vhd");
    await host.image("remove", "a.vhd");
  });
});

describe("a Debian on a disk", () => {
  const folder = mkdtempSync(join(tmpdir(), "xenolith-root-"));
  const at = (name: string) => join(folder, name);
  const root = { extra: "root=/dev/xvda", prompt: "debian:~# " };
  const disk = (target: string) => ({ disks: [{ target, vdev: "xvda" }] });
  let host: HostApi;
  let debian: Debian;

  beforeAll(async () => {
    unwrap(await makeDisk(at("root.vhd"), { sizeBytes: 512 * MIB }));
    host = await connectNode({ pcpus: 2, imageFolders: [folder] });
    debian = await Debian.boot(host, { name: "root", ...root, ...disk("root.vhd") });
  }, 3 * BOOT_MS);

  afterAll(async () => {
    await host?.close();
    rmSync(folder, { recursive: true });
  });

  it("boots, works in its own file system, and is snapshot under load with a clone beside it", {
    timeout: 3 * BOOT_MS,
  }, async () => {
    expect(await debian.output("findmnt -no SOURCE,FSTYPE / | tr -s ' '; stat -c '%U %a' /usr/bin/su")).toBe(
      "/dev/xvda ext4\nroot 4755",
    );
    await debian.output("mkdir /var/before && cp -a /usr/lib /var/before && sync");
    const sum = (folder: string) => `cd ${folder}; find . -type f | LC_ALL=C sort | xargs sha256sum | sha256sum; cd /`;
    const before = await debian.output(sum("/var/before"), BOOT_MS);
    const work = debian.run("for i in 1 2 3; do cp -a /usr/share /var/t$i && sync; done", BOOT_MS);
    await host.image("snapshot", "root.vhd", "golden.vhd");
    await host.image("clone", "golden.vhd", "clone.vhd");
    const clone = await Debian.boot(host, { name: "clone", ...root, ...disk("clone.vhd") });
    expect((await work).status).toBe(0);
    expect(await clone.output(sum("/var/before"), BOOT_MS)).toBe(before);
    await clone.output("rm -rf /var/before && sync");
    expect(await debian.output(sum("/var/before"), BOOT_MS)).toBe(before);
    for (const { console, domid } of [clone, debian]) {
      const ended = host.waitShutdown(domid);
      console.type("poweroff\n");
      expect((await ended).reason).toBe("poweroff");
    }
  });

  it("leaves file systems that fsck finds clean", async () => {
    for (const name of ["root", "clone"]) {
      await host.image("convert", `${name}.vhd`, `${name}.img`, { kind: "raw" });
      execFileSync("fsck.ext4", ["-fn", at(`${name}.img`)], { stdio: "pipe" });
      expect((await host.image("check", `${name}.vhd`)).filter(({ severity }) => severity !== "note")).toEqual([]);
    }
  });
});
