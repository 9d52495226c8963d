/** Disks of a Linux with four vCPUs: a queue each, rings of sixteen pages, indirect requests, flushes; and sixteen disks at once. */
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connectNode } from "../../control-plane/api/connect-node.js";
import type { DiskConfig, DiskInfo, HostApi } from "../../control-plane/api/index.js";
import { BOOT_MS, Debian } from "./debian.js";

const MIB = 2 ** 20;
const VCPUS = 4;
const RING_ORDER = 4;
/** Of 112 bytes, in sixteen pages; a ring of one page has 32. */
const RING_REQUESTS = 512;
/** What a request without indirect segments moves at most: eleven pages. */
const DIRECT_SECTORS = 88;

const folder = mkdtempSync(join(tmpdir(), "xenolith-rings-"));
const at = (name: string) => join(folder, name);
let host: HostApi;

beforeAll(async () => {
  host = await connectNode({ pcpus: 2, imageFolders: [folder] });
});

afterAll(async () => {
  await host?.close();
  rmSync(folder, { recursive: true });
});

describe("a disk of four vCPUs", () => {
  let debian: Debian;

  beforeAll(async () => {
    await host.image("create", "a.vhd", { bytes: 64 * MIB, kind: "dynamic" });
    debian = await Debian.boot(host, {
      name: "four",
      vcpus: VCPUS,
      extra: `xen_blkfront.max_ring_page_order=${RING_ORDER}`,
      disks: [{ target: "a.vhd", vdev: "xvda" }],
    });
  }, BOOT_MS);

  const disk = async (): Promise<DiskInfo> => (await host.disks(debian.domid))[0]!;
  const counters = async () => (await disk()).counters as Record<"writes" | "writtenSectors" | "flushes", number>;

  it("has a queue for each, with rings of sixteen pages, and takes indirect requests", async () => {
    const keys = `/local/domain/${debian.domid}/device/vbd/${(await disk()).id}`;
    expect(await host.xenstoreRead(`${keys}/ring-page-order`)).toBe(String(RING_ORDER));
    expect((await disk()).counters.queues).toBe(VCPUS);
    expect(await debian.output("echo $(ls /sys/block/xvda/mq; cat /sys/block/xvda/queue/nr_requests)")).toBe(
      `0 1 2 3 ${RING_REQUESTS}`,
    );
    expect(await debian.output("dmesg | grep -o 'indirect descriptors: [a-z]*'")).toBe("indirect descriptors: enabled");
  });

  it("is written to through all queues at once, by large requests, and holds what was written", async () => {
    const before = await counters();
    await debian.output("head -c 16777216 /dev/urandom >/tmp/data");
    const part = (vcpu: number) =>
      `taskset -c ${vcpu} dd if=/tmp/data of=/dev/xvda bs=1M skip=${vcpu * 4} seek=${vcpu * 4} count=4 oflag=direct`;
    await debian.output(`${Array.from({ length: VCPUS }, (_, vcpu) => `${part(vcpu)} &`).join(" ")} wait`);
    const after = await counters();
    const sectors = after.writtenSectors - before.writtenSectors;
    expect(sectors).toBe((16 * MIB) / 512);
    expect(sectors / (after.writes - before.writes)).toBeGreaterThan(DIRECT_SECTORS);
    const interrupts = await debian.output("awk '/blkif/ { print $2 + $3 + $4 + $5 }' /proc/interrupts");
    expect(interrupts.split("\n").map((count) => Number(count) > 0)).toEqual(Array(VCPUS).fill(true));
    const sum = await debian.output("sha256sum </tmp/data");
    expect(await debian.output("dd if=/dev/xvda bs=1M count=16 iflag=direct 2>/dev/null | sha256sum")).toBe(sum);
  });

  it("is flushed when a program says so, and not before", async () => {
    const flushes = async () => (await counters()).flushes;
    const before = await flushes();
    await debian.output("dd if=/tmp/data of=/dev/xvda bs=1M seek=32 count=1 oflag=direct");
    expect(await flushes()).toBe(before);
    await debian.output("dd if=/tmp/data of=/dev/xvda bs=1M seek=32 count=1 oflag=direct conv=fsync");
    expect(await flushes()).toBe(before + 1);
  });

  it("is the same as an image", async () => {
    const sum = (await debian.output("sha256sum </tmp/data")).slice(0, 64);
    await host.destroy(debian.domid);
    await host.image("convert", "a.vhd", "a.img", { kind: "raw" });
    const bytes = readFileSync(at("a.img")).subarray(0, 16 * MIB);
    expect(createHash("sha256").update(bytes).digest("hex")).toBe(sum);
  });
});

describe("sixteen disks", () => {
  /** Also by the old names, which Linux shows as the same letters. */
  const letters = [..."abcdefghijklmnop"];
  const disks: readonly DiskConfig[] = letters.map((letter) => ({
    target: `${letter}.vhd`,
    vdev: letter === "a" ? "hda" : letter === "b" ? "sdb" : `xvd${letter}`,
  }));
  const marked = (letter: string) => `disk ${letter}\n`.repeat(1000);

  it("are all there, and each holds what is written to it", { timeout: 2 * BOOT_MS }, async () => {
    for (const { target } of disks) {
      await host.image("create", target, { bytes: 16 * MIB, kind: "dynamic" }).catch(() => {});
    }
    const debian = await Debian.boot(host, { name: "sixteen", vcpus: VCPUS, disks });
    expect(await debian.output("echo /sys/block/xvd?")).toBe(letters.map((l) => `/sys/block/xvd${l}`).join(" "));
    const infos = await host.disks(debian.domid);
    expect(infos.map(({ state, counters }) => [state, counters.queues])).toEqual(letters.map(() => [4, VCPUS]));
    const write = "yes disk $d | head -n 1000 | dd of=/dev/xvd$d bs=64k seek=16 conv=fsync 2>/dev/null &";
    await debian.output(`for d in ${letters.join(" ")}; do ${write} done; wait`);
    await host.destroy(debian.domid);
    for (const letter of letters) {
      await host.image("convert", `${letter}.vhd`, "one.img", { kind: "raw" });
      const text = marked(letter);
      expect(
        readFileSync(at("one.img"))
          .subarray(MIB, MIB + text.length)
          .toString(),
      ).toBe(text);
      await host.image("remove", "one.img");
    }
  });
});
