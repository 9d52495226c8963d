/** Disks of unmodified Linux: used, attached and detached, snapshot, merged and grown while it works. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connectNode } from "../../control-plane/api/connect-node.js";
import type { HostApi } from "../../control-plane/api/index.js";
import { BOOT_MS, Debian } from "./debian.js";
import { sumOf, underLoad } from "./load.js";
import { MACHINES } from "./machines.js";

const MIB = 2 ** 20;
const FOLLOW_MS = 60_000;
const WRITES_OF_MERGES = 40;

describe.each(MACHINES)("disks in $name", ({ machine }) => {
  const folder = mkdtempSync(join(tmpdir(), "xenolith-disks-"));
  const at = (name: string) => join(folder, name);
  let host: HostApi;
  let debian: Debian;

  beforeAll(async () => {
    host = await connectNode({ ...machine, imageFolders: [folder] });
    // Of the host's making, with a journal: busybox makes none.
    execFileSync("mke2fs", ["-q", "-t", "ext4", at("a.img"), "256M"]);
    await host.image("convert", "a.img", "a.vhd", { kind: "dynamic" });
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

  /** The disk of a chain as its bytes; neither a check nor e2fsck finds anything wrong with it. */
  async function exported(name: string): Promise<Buffer> {
    expect((await host.image("check", name)).filter(({ severity }) => severity !== "note")).toEqual([]);
    await host.image("convert", name, "exported.img", { kind: "raw" });
    execFileSync("e2fsck", ["-fn", at("exported.img")], { stdio: "pipe" });
    const bytes = readFileSync(at("exported.img"));
    await host.image("remove", "exported.img");
    return bytes;
  }

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
    await debian.output("mount -t ext4 /dev/xvda /mnt; mkdir /mnt/kept; cp -a /bin /lib /mnt/kept; sync");
    const before = await debian.output(sumOf("/mnt/kept"));
    await debian.output("umount /mnt; mount -t ext4 /dev/xvda /mnt");
    expect(await debian.output(sumOf("/mnt/kept"))).toBe(before);
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
    const kept = await debian.output(sumOf("/mnt/kept"));
    const writes = async () => (await host.disks(debian.domid))[0]!.counters.writes!;
    await underLoad(debian, "/mnt", async (further) => {
      await host.image("snapshot", "a.vhd", "s1.vhd");
      await further();
      await host.image("clone", "s1.vhd", "c.vhd");
      await further();
      await host.image("resize", "a.vhd", 512 * MIB);
      await further();
      // As often as it takes for the guest to write while one is merged.
      for (let meanwhile = 0; meanwhile < WRITES_OF_MERGES; ) {
        await host.image("snapshot", "a.vhd", "s2.vhd");
        await further();
        const before = await writes();
        await host.image("coalesce", "a.vhd");
        meanwhile += (await writes()) - before;
      }
      expect((await host.disks(debian.domid))[0]!.chain).toEqual(["a.vhd", "s1.vhd"]);
    });
    expect(await size("xvda")).toBe(String(1024 * 1024));
    // Of what the guest wrote as it remembers it, and as the merged images have it.
    const all = await debian.output(sumOf("/mnt"));
    await debian.output("umount /mnt; mount -t ext4 /dev/xvda /mnt");
    expect(await debian.output(sumOf("/mnt"))).toBe(all);
    expect(await debian.output(sumOf("/mnt/kept"))).toBe(kept);
    await debian.output("umount /mnt; yes last | head -c 1048576 >/tmp/last");
    await debian.output("dd if=/tmp/last of=/dev/xvda bs=1M seek=511 conv=fsync");
    // The clone is what a power cut would have left: its journal is replayed by mounting it.
    await host.attachDisk(debian.domid, { target: "c.vhd", vdev: "xvdc" });
    await expect.poll(() => size("xvdc").catch(() => ""), { timeout: FOLLOW_MS }).toBe(String(512 * 1024));
    await debian.output("mount -t ext4 /dev/xvdc /mnt");
    expect(await debian.output(sumOf("/mnt/kept"))).toBe(kept);
    await debian.output("umount /mnt");
    await host.detachDisk(debian.domid, "xvdc");
    await expect.poll(() => size("xvdc").catch(() => ""), { timeout: FOLLOW_MS }).toBe("");
    await exported("c.vhd");
  });

  it("survive a reboot of their guest, and are closed with it", { timeout: BOOT_MS }, async () => {
    debian = await debian.reboot();
    await debian.output("mount -t ext4 /dev/xvda /mnt && ls /mnt/kept/bin/busybox && umount /mnt");
    await host.destroy(debian.domid);
    const image = await exported("a.vhd");
    expect(image.subarray(511 * MIB).toString()).toBe("last\n".repeat(MIB / 5 + 1).slice(0, MIB));
    await host.image("revert", "a.vhd", "s1.vhd");
    await host.image("remove", "a.vhd");
  });
});
