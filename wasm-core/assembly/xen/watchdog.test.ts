import { describe, expect, it } from "vitest";
import { Domain } from "../../abi/structs/domain.js";
import { Vcpu } from "../../abi/structs/vcpu.js";
import { type Guest, machineWith } from "./testing/guests.js";
import type { TestCore } from "./testing/harness.js";

const EINVAL = -22;
const ENOSPC = -28;
const SECOND = 1_000_000_000;
const SHUTDOWN_WATCHDOG = 4;
const RBX = 24;

const watchdog = (g: Guest, id: number, seconds: number, vcpu = 0) =>
  g.call(
    29,
    6,
    g.struct([
      [4, id],
      [4, seconds],
    ]),
    0,
    vcpu,
  );
const isShutDown = (g: Guest) => g.core.u32(g.dom + Domain.off.shutdown) !== 0;

/** A guest whose vCPU 0 halts at once, or (0) spins. */
async function started(vcpus = 1, behaviour = 1n, deterministic = 0): Promise<[TestCore, Guest]> {
  const [core, a] = await machineWith([[vcpus, 64]], 1, deterministic);
  const g = a as Guest;
  expect(core.call.vcpuStartPvh(1, 0, 0x1000, 0)).toBe(0);
  core.view().setBigUint64(g.vcpu() + RBX, behaviour, true);
  core.view().setUint32(g.vcpu() + Vcpu.off.eflags, 0x202, true);
  expect(core.call.domainUnpause(1)).toBe(0);
  core.call.pcpuRun(0);
  return [core, g];
}

describe("SCHEDOP_watchdog", () => {
  it("gives two of them, and knows which are in use", async () => {
    const [, g] = await started();
    expect(watchdog(g, 0, 30)).toBe(1);
    expect(watchdog(g, 0, 30)).toBe(2);
    expect(watchdog(g, 0, 30)).toBe(ENOSPC);
    expect(watchdog(g, 3, 30)).toBe(EINVAL);
    expect(watchdog(g, 1, 0)).toBe(0);
    expect(watchdog(g, 1, 0)).toBe(EINVAL);
    expect(watchdog(g, 1, 9)).toBe(EINVAL);
    expect(watchdog(g, 0, 30)).toBe(1);
    expect(g.call(29, 6, 1n << 50n)).toBe(-14);
    expect(g.call32(29, 6, g.struct([[4, 1]]))).toBe(0);
  });

  it("shuts a sleeping domain down when its time has come, and not before", async () => {
    const [core, g] = await started(2);
    expect(watchdog(g, 0, 30, 1)).toBe(1);
    core.call.pcpuRun(0);
    core.clock.ns += 29 * SECOND;
    core.call.pcpuRun(0);
    expect(isShutDown(g)).toBe(false);
    expect(watchdog(g, 1, 30, 1)).toBe(0);
    core.clock.ns += 29 * SECOND;
    core.call.pcpuRun(0);
    expect(isShutDown(g)).toBe(false);
    core.clock.ns += SECOND;
    core.call.pcpuRun(0);
    expect(isShutDown(g)).toBe(true);
    expect(core.u32(g.dom + Domain.off.shutdownReason)).toBe(SHUTDOWN_WATCHDOG);
  });

  it("does nothing once it was given up", async () => {
    const [core, g] = await started(2);
    watchdog(g, 0, 1, 1);
    core.call.pcpuRun(0);
    watchdog(g, 1, 0, 1);
    core.clock.ns += 100 * SECOND;
    core.call.pcpuRun(0);
    expect(isShutDown(g)).toBe(false);
  });

  it("is kept for a vCPU that sleeps when another sets it", async () => {
    const [core, g] = await started(2);
    expect(core.call.pcpuIdleNs(0)).toBe(Infinity);
    expect(watchdog(g, 0, 2, 1)).toBe(1);
    core.call.pcpuRun(0);
    core.call.pcpuRun(0);
    expect(core.call.pcpuIdleNs(0)).toBe(2 * SECOND);
  });

  it("counts instructions where time does", async () => {
    const [core, g] = await started(1, 0n, 1);
    watchdog(g, 0, 1);
    let turns = 0;
    while (!isShutDown(g) && turns < 10_000) {
      core.call.pcpuRun(0);
      turns++;
    }
    expect(isShutDown(g)).toBe(true);
    const retired = Number(core.view().getBigUint64(g.vcpu() + Vcpu.off.icount, true));
    expect(core.call.machineNow()).toBeGreaterThanOrEqual(SECOND);
    expect(core.call.machineNow()).toBeLessThan(SECOND + 10_000_000);
    expect(retired).toBeGreaterThan(1000);
  });
});
