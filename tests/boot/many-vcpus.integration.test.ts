/** Debian with as many processors as Xen allows, on two pCPUs and on the one of a single thread. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connectNode } from "../../control-plane/api/connect-node.js";
import type { HostApi } from "../../control-plane/api/index.js";
import { BOOT_MS, Debian } from "./debian.js";
import { unexpectedMessages } from "./kernel-messages.js";
import { machinesOf } from "./machines.js";

const VCPUS = 128;

describe.each(machinesOf(2))("on a machine of $name", ({ machine }) => {
  let host: HostApi;
  let debian: Debian;

  beforeAll(async () => {
    host = await connectNode(machine);
    debian = await Debian.boot(host, { name: "many", memoryMiB: 512, vcpus: VCPUS });
  }, BOOT_MS);

  afterAll(() => host?.close());

  it("all 128 are online and nothing was wrong with any", async () => {
    expect(await debian.output("cat /sys/devices/system/cpu/online")).toBe(`0-${VCPUS - 1}`);
    expect((await host.domain(debian.domid)).vcpus.filter((vcpu) => vcpu.online)).toHaveLength(VCPUS);
    expect(unexpectedMessages(await debian.output("dmesg -r"))).toEqual([]);
  });

  it("each of them runs a process", { timeout: BOOT_MS }, async () => {
    const all = `for c in $(seq 0 ${VCPUS - 1}); do taskset -c $c sh -c 'echo ran' & done; wait`;
    expect((await debian.output(`{ ${all}; } | grep -c ran`, BOOT_MS)).trim()).toBe(String(VCPUS));
  });
});
