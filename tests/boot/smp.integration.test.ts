/** Debian with four processors on two pCPUs, and on the one of a single thread, with 4 GiB of memory that nothing backs until it is touched; it ends in a panic. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connectNode } from "../../control-plane/api/connect-node.js";
import type { HostApi } from "../../control-plane/api/index.js";
import { BOOT_MS, Debian } from "./debian.js";
import { idleShare } from "./idle.js";
import { unexpectedMessages } from "./kernel-messages.js";
import { machinesOf } from "./machines.js";

/** What a fresh 4 GiB guest may hold: a sixteenth of 4 GiB, of which the kernel's own page descriptors are 64 MiB. */
const FRESH_KIB = 256 * 1024;

describe.each(machinesOf(2))("on a machine of $name", ({ machine }) => {
  let host: HostApi;
  let debian: Debian;

  beforeAll(async () => {
    host = await connectNode(machine);
    debian = await Debian.boot(host, { name: "smp", memoryMiB: 4096, vcpus: 4, onCrash: "preserve" });
  }, BOOT_MS);

  afterAll(() => host?.close());

  it("the guest sees four processors and 4 GiB, and costs what it touches", async () => {
    expect((await host.domain(debian.domid)).populatedKiB).toBeLessThan(FRESH_KIB);
    expect(await debian.output("grep -c ^processor /proc/cpuinfo")).toBe("4");
    expect(Number(await debian.output("awk '/MemTotal/ { print $2 }' /proc/meminfo"))).toBeGreaterThan(
      3.8 * 1024 * 1024,
    );
    expect(unexpectedMessages(await debian.output("dmesg -r"))).toEqual([]);
  });

  it("every processor works at the same time and none loses a step", async () => {
    const worker = "i=0; while [ $i -lt 2000 ]; do i=$((i+1)); done; echo $i | gzip | gunzip";
    const jobs = [0, 1, 2, 3].map((cpu) => `taskset ${1 << cpu} sh -c '${worker}' >/tmp/out${cpu} & `).join("");
    expect((await debian.output(`${jobs}wait; cat /tmp/out?`)).split("\n")).toEqual(["2000", "2000", "2000", "2000"]);
    const { vcpus } = await host.domain(debian.domid);
    expect(vcpus).toHaveLength(4);
    for (const vcpu of vcpus) expect(vcpu).toMatchObject({ online: true });
  });

  it("processes that pass data between processors: pipes, shared files and signals", async () => {
    const pipe = "head -c 200000 /dev/zero | tr '\\0' x | gzip -1 | gunzip | wc -c";
    expect(await debian.output(`for n in 1 2 3; do ${pipe} & done; wait`)).toBe("200000\n200000\n200000");
    // The shell ignores SIGTERM, and so does its child until it has become sleep.
    expect(await debian.output("sleep 100 & sleep 1; kill $!; wait $!; echo ended")).toContain("ended");
    expect(unexpectedMessages(await debian.output("dmesg -r"))).toEqual([]);
  });

  it("idle, its four processors cost under 2 % of a core together", { timeout: 150_000 }, async () => {
    expect(await idleShare(0.02)).toBeLessThan(0.02);
  });

  it("a panic ends as a crash, with the console and the memory kept for whoever asks", {
    timeout: BOOT_MS,
  }, async () => {
    const ended = host.waitShutdown(debian.domid);
    debian.console.type("echo c >/proc/sysrq-trigger\n");
    expect(await ended).toEqual({ reason: "crash" });
    const kept = new TextDecoder().decode(await host.consoleScrollback(debian.domid, "pv"));
    expect(kept).toContain("Kernel panic - not syncing: sysrq triggered crash");
    expect(await host.domain(debian.domid)).toMatchObject({ state: "crashed", shutdownReason: "crash" });
    let bytes = 0;
    await host.dumpCore(debian.domid, (chunk) => {
      bytes += chunk.length;
    });
    expect(bytes).toBeGreaterThan(32 << 20);
    await host.destroy(debian.domid);
    expect(await host.list()).toEqual([]);
  });
});
