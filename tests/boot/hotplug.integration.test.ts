/** Processors that are taken from a running Debian and given back, and where its vCPUs run. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connectNode } from "../../control-plane/api/connect-node.js";
import type { HostApi } from "../../control-plane/api/index.js";
import { BOOT_MS, Debian } from "./debian.js";
import { unexpectedMessages } from "./kernel-messages.js";
import { machinesOf } from "./machines.js";

/** How long the guest may take to follow. */
const FOLLOW_MS = 60_000;

describe.each(machinesOf(2))("on a machine of $name", ({ machine }) => {
  const pcpus = Array.from({ length: machine.pcpus ?? 1 }, (_, n) => n);
  let host: HostApi;
  let debian: Debian;

  beforeAll(async () => {
    host = await connectNode(machine);
    debian = await Debian.boot(host, { name: "hotplug", vcpus: 2, maxVcpus: 4, weight: 512, cpus: [pcpus] });
  }, BOOT_MS);

  afterAll(() => host?.close());

  const online = () => debian.output("cat /sys/devices/system/cpu/online");
  const vcpus = async () => (await host.domain(debian.domid)).vcpus.map((vcpu) => vcpu.online);

  it("those beyond vcpus are down at the start", async () => {
    await expect.poll(online, { timeout: FOLLOW_MS }).toBe("0-1");
    await expect.poll(vcpus, { timeout: FOLLOW_MS }).toEqual([true, true, false, false]);
  });

  it("more come up when asked for, and work", { timeout: 4 * FOLLOW_MS }, async () => {
    await host.setVcpus(debian.domid, 4);
    await expect.poll(online, { timeout: FOLLOW_MS }).toBe("0-3");
    expect(await vcpus()).toEqual([true, true, true, true]);
    expect(await debian.output("for c in 0 1 2 3; do taskset -c $c sh -c 'echo $((6 * 7))'; done")).toBe(
      "42\n42\n42\n42",
    );
  });

  it("they go again, and come back a second time", { timeout: 8 * FOLLOW_MS }, async () => {
    for (const [count, expected] of [
      [1, "0"],
      [3, "0-2"],
      [2, "0-1"],
      [4, "0-3"],
    ] as const) {
      // Typing interrupts the processor that goes first.
      await debian.output(
        "grep -o '[0-9]*$' /sys/devices/system/cpu/online >$(dirname /proc/irq/*/hvc_console)/smp_affinity_list",
      );
      await host.setVcpus(debian.domid, count);
      const wanted = [0, 1, 2, 3].map((id) => id < count);
      for (let n = 0; n < 8; n++) expect(await debian.output(`echo ${n}`)).toBe(`${n}`);
      await expect.poll(vcpus, { timeout: FOLLOW_MS }).toEqual(wanted);
      await expect.poll(online, { timeout: FOLLOW_MS }).toBe(expected);
    }
    expect(unexpectedMessages(await debian.output("dmesg -r"))).toEqual([]);
  });

  // In one thread no vCPU runs while Domain0 looks.
  if (pcpus.length > 1) {
    it("vCPUs run where they are pinned", { timeout: 4 * FOLLOW_MS }, async () => {
      await host.pinVcpu(debian.domid, null, { hard: [1] });
      await debian.output("i=0; while [ $i -lt 200 ]; do i=$((i+1)); done");
      const places = new Set<number | null>();
      const busy = debian.output(
        "for c in 0 1; do taskset -c $c dd if=/dev/zero of=/dev/null bs=64 count=5000 & done; wait",
      );
      for (let look = 0; look < 20; look++) {
        for (const { pcpu } of (await host.domain(debian.domid)).vcpus) places.add(pcpu);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      await busy;
      places.delete(null);
      expect([...places]).toEqual([1]);
    });
  }
});
