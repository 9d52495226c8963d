/** What unmodified Linux discards: freed before and after a snapshot, never refused once offered, and nothing else is lost. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connectNode } from "../../control-plane/api/connect-node.js";
import type { HostApi } from "../../control-plane/api/index.js";
import { BOOT_MS, Debian } from "./debian.js";
import { sumOf } from "./load.js";

const MIB = 2 ** 20;

describe("discards of a Linux", () => {
  const folder = mkdtempSync(join(tmpdir(), "xenolith-discard-"));
  const at = (name: string) => join(folder, name);
  const size = (name: string) => statSync(at(name)).size;
  let host: HostApi;
  let debian: Debian;

  beforeAll(async () => {
    host = await connectNode({ pcpus: 1, imageFolders: [folder] });
    await host.image("create", "a.vhd", { bytes: 64 * MIB, kind: "dynamic" });
    await host.image("create", "b.vhd", { bytes: 16 * MIB, kind: "fixed" });
    execFileSync("mke2fs", ["-q", "-t", "ext4", at("c.img"), "128M"]);
    await host.image("convert", "c.img", "c.vhd", { kind: "dynamic" });
    debian = await Debian.boot(host, {
      disks: ["a", "b", "c"].map((letter) => ({ target: `${letter}.vhd`, vdev: `xvd${letter}` })),
    });
    await debian.output("head -c 8388608 /dev/urandom >/tmp/data");
  }, BOOT_MS);

  afterAll(async () => {
    await host?.close();
    rmSync(folder, { recursive: true });
  });

  const counters = async (index: number) => (await host.disks(debian.domid))[index]!.counters;
  /** Writes 8 MiB of noise at a mebibyte of xvda. */
  const write = (mib: number) =>
    debian.output(`dd if=/tmp/data of=/dev/xvda bs=1M seek=${mib} oflag=direct conv=fsync 2>/dev/null`);
  const discard = (mib: number) => debian.output(`blkdiscard -o ${mib * MIB} -l ${8 * MIB} /dev/xvda`);
  /** What stands there now. */
  const held = async (mib: number): Promise<"noise" | "zeros" | "something else"> => {
    const read = `dd if=/dev/xvda bs=1M skip=${mib} count=8 iflag=direct 2>/dev/null`;
    if ((await debian.run(`${read} | cmp -s - /tmp/data`)).status === 0) return "noise";
    const isZero = (await debian.run(`${read} | tr -d '\\0' | grep -q .`)).status !== 0;
    return isZero ? "zeros" : "something else";
  };

  it("are offered where they free something", async () => {
    const most = await debian.output(
      "cat /sys/block/xvda/queue/discard_max_bytes /sys/block/xvdb/queue/discard_max_bytes",
    );
    expect(most.split("\n").map((bytes) => Number(bytes) > 0)).toEqual([true, false]);
    expect((await debian.run("blkdiscard /dev/xvdb")).status).not.toBe(0);
  });

  it("make room for what is written next", async () => {
    await write(0);
    await write(16);
    const before = size("a.vhd");
    await discard(0);
    expect([await held(0), await held(16)]).toEqual(["zeros", "noise"]);
    // Durable, so that the places are free.
    await debian.output("dd if=/dev/zero of=/dev/xvda bs=4k seek=4096 count=1 oflag=direct conv=fsync 2>/dev/null");
    await write(16);
    await write(32);
    expect([await held(0), await held(16), await held(32)]).toEqual(["zeros", "noise", "noise"]);
    expect(size("a.vhd")).toBe(before);
  });

  it("go on after a snapshot and a merge: freed where the snapshot holds nothing, else as it was", async () => {
    await host.image("snapshot", "a.vhd", "s.vhd");
    await write(0);
    await write(32);
    const { errors } = await counters(0);
    for (const mib of [0, 16, 32]) await discard(mib);
    expect([await held(0), await held(16), await held(32)]).toEqual(["zeros", "noise", "noise"]);
    await write(48);
    await discard(48);
    expect(await held(48)).toBe("zeros");
    await host.image("coalesce", "a.vhd");
    for (const mib of [0, 16, 32, 48]) await discard(mib);
    for (const mib of [0, 16, 32, 48]) expect(await held(mib)).toBe("zeros");
    expect(await counters(0)).toMatchObject({ errors, discards: expect.any(Number) });
    expect(await debian.output("cat /sys/block/xvda/queue/discard_max_bytes")).not.toBe("0");
  });

  it("of a file system lose nothing that it holds, before and after a snapshot", { timeout: BOOT_MS }, async () => {
    await debian.output("mount -t ext4 /dev/xvdc /mnt; mkdir /mnt/kept; cp -a /bin /mnt/kept");
    const sum = await debian.output(sumOf("/mnt/kept"));
    for (const round of [1, 2]) {
      await debian.output(
        "cp /tmp/data /mnt/more1; cp /tmp/data /mnt/more2; cp /tmp/data /mnt/more3; sync; rm /mnt/more*; sync",
      );
      const { discards } = await counters(2);
      await debian.output("fstrim /mnt");
      expect((await counters(2)).discards).toBeGreaterThan(discards!);
      if (round === 1) await host.image("snapshot", "c.vhd", "t.vhd");
    }
    await debian.output("umount /mnt; mount -t ext4 /dev/xvdc /mnt");
    expect(await debian.output(sumOf("/mnt/kept"))).toBe(sum);
    await debian.output("umount /mnt");
    expect((await counters(2)).errors).toBe(0);
    await host.destroy(debian.domid);
    for (const letter of ["a", "c"]) {
      const findings = await host.image("check", `${letter}.vhd`);
      expect(findings.filter(({ severity }) => severity !== "note")).toEqual([]);
    }
    await host.image("convert", "c.vhd", "found.img", { kind: "raw" });
    execFileSync("e2fsck", ["-fn", at("found.img")], { stdio: "pipe" });
  });
});
