/** A deterministic machine's run is the same again: what the guest prints, random numbers and time included, and each instruction. */
import { expect, it } from "vitest";
import { connectNode } from "../../control-plane/api/connect-node.js";
import type { DomainConfig } from "../../control-plane/api/index.js";
import { BOOT_MS, Console, debianConfig } from "./debian.js";

const COMMAND = "cat /proc/sys/kernel/random/uuid; cat /proc/uptime; cat /sys/hypervisor/uuid; dmesg | tail -n 5";

interface RunOptions extends Partial<DomainConfig> {
  readonly singleThread?: boolean;
  readonly command?: string;
}

async function run(seed: number, options: RunOptions = {}): Promise<{ text: string; instructions: number }> {
  const { singleThread = false, command = COMMAND, ...changes } = options;
  const host = await connectNode({ deterministic: true, seed, singleThread });
  try {
    const extra = `xl.exec="${command}"`;
    const config = await debianConfig({ memoryMiB: 128, vcpus: 2, extra, onPoweroff: "preserve", ...changes });
    const domid = await host.create(config, { paused: true });
    const console = await Console.of(host, domid);
    await host.unpause(domid);
    expect(await host.waitShutdown(domid)).toEqual({ reason: "poweroff" });
    const { instructions } = await host.domain(domid);
    return { text: console.text, instructions };
  } finally {
    await host.close();
  }
}

it("with the same seed, and another with another", { timeout: 4 * BOOT_MS }, async () => {
  const first = await run(7);
  expect(first.text).toMatch(/[0-9a-f]{8}-[0-9a-f]{4}-/);
  expect(await run(7)).toEqual(first);
  // The other build of the core has the same instructions, and time does not depend on threads.
  expect(await run(7, { singleThread: true })).toEqual(first);
  expect((await run(8)).text).not.toBe(first.text);
});

it("with networks, as far as they answer by themselves", { timeout: 4 * BOOT_MS }, async () => {
  const vifs = [{}, { bridge: "lab" }];
  const command = "cat /sys/class/net/eth*/address; ip -4 route; ping -c 5 10.0.2.2; cat /proc/uptime";
  const first = await run(7, { vifs, command });
  expect(first.text).toMatch(/default via 10\.0\.2\.2[\s\S]*5 packets received/);
  expect(await run(7, { vifs, command })).toEqual(first);
  expect((await run(8, { vifs, command })).text).not.toBe(first.text);
});
