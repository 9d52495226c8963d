/** Who gets how much of the pCPUs, and which of them: weights, caps, affinity, boosts. Time is the test's. */
import { describe, expect, it } from "vitest";
import { Domain } from "../../abi/structs/domain.js";
import { Machine, MACHINE_BASE, Pcpu, PCPU_BASE } from "../../abi/structs/machine.js";
import { VcpuRunState } from "../../abi/structs/sched.js";
import { EventBit, Vcpu } from "../../abi/structs/vcpu.js";
import { type Guest, machineWith } from "../xen/testing/guests.js";
import type { TestCore } from "../xen/testing/harness.js";

const IDLE = 1;
const MS = 1_000_000;
const RBX = 24;
const RUNNING = Number(VcpuRunState.values.RUNNING);
const STOP = Number(EventBit.values.STOP);

/** A machine of guests whose first vCPU spins; each look at the clock costs 10 us. */
async function spinning(guests: number, pcpus = 1, vcpus = 1): Promise<[TestCore, ...Guest[]]> {
  const made = await ticking(guests, pcpus, vcpus);
  for (const guest of made.slice(1)) start(guest as Guest);
  return made;
}

async function ticking(guests: number, pcpus: number, vcpus = 1): Promise<[TestCore, ...Guest[]]> {
  const made = await machineWith(Array(guests).fill([vcpus, 64]), pcpus);
  const [core] = made;
  let now = core.clock.ns;
  Object.defineProperty(core.clock, "ns", {
    get: () => {
      now += 10_000;
      return now;
    },
  });
  return made;
}

function start(g: Guest, halting = 0, vcpu = 0): void {
  if (vcpu === 0) expect(g.core.call.vcpuStartPvh(g.domid, 0, 0x1000, 0)).toBe(0);
  behave(g, halting, vcpu);
  g.core.view().setUint32(g.vcpu(vcpu) + Vcpu.off.eflags, 0x202, true);
  if (vcpu === 0) expect(g.core.call.domainUnpause(g.domid)).toBe(0);
  else g.core.call.vcpuTrigger(g.domid, vcpu, 2);
}

const behave = (g: Guest, how: number, vcpu = 0) => g.core.view().setBigUint64(g.vcpu(vcpu) + RBX, BigInt(how), true);
const set = (g: Guest, key: "weight" | "cap", value: number) =>
  g.core.view().setUint32(g.dom + Domain.off[key], value, true);
const pin = (g: Guest, vcpu: number, pcpus: number, soft = 0) =>
  g.core.call.vcpuSetAffinity(g.domid, vcpu, soft, pcpus, 0, 0, 0);
const icount = (g: Guest, vcpu = 0) => Number(g.core.view().getBigUint64(g.vcpu(vcpu) + Vcpu.off.icount, true));
const current = (core: TestCore, pcpu: number) => core.u32(PCPU_BASE + pcpu * Pcpu.size + Pcpu.off.current);
const doorbell = (core: TestCore, pcpu: number) => core.u32(PCPU_BASE + pcpu * Pcpu.size + Pcpu.off.doorbell);

/** Instructions of the guests' first vCPUs while pCPU 0 runs for `ms` of machine time. */
function workOf(core: TestCore, guests: Guest[], ms: number): number[] {
  const before = guests.map((g) => icount(g));
  const end = core.call.machineNow() + ms * MS;
  while (core.call.machineNow() < end) core.call.pcpuRun(0);
  return guests.map((g, i) => icount(g) - before[i]!);
}

describe("weights", () => {
  it("share a pCPU between busy domains", async () => {
    const [core, a, b, c] = (await spinning(3)) as [TestCore, Guest, Guest, Guest];
    set(a, "weight", 512);
    set(c, "weight", 128);
    const [x, y, z] = workOf(core, [a, b, c], 6000) as [number, number, number];
    expect(x / y).toBeCloseTo(2, 0);
    expect(y / z).toBeCloseTo(2, 0);
  });

  it("of a domain that does not use its share leave the rest to the others", async () => {
    const [core, a, b] = (await spinning(2)) as [TestCore, Guest, Guest];
    set(a, "weight", 60000);
    behave(a, 1);
    const [idle, busy] = workOf(core, [a, b], 1000) as [number, number];
    expect(idle).toBeLessThan(busy / 10);
  });
});

describe("a cap", () => {
  it("holds although nobody else wants the pCPU, and ends when it is taken away", async () => {
    const [core, a] = (await spinning(1)) as [TestCore, Guest];
    const [all] = workOf(core, [a], 3000) as [number];
    set(a, "cap", 25);
    workOf(core, [a], 500);
    const [capped] = workOf(core, [a], 3000) as [number];
    expect(capped / all).toBeGreaterThan(0.2);
    expect(capped / all).toBeLessThan(0.3);
    set(a, "cap", 0);
    workOf(core, [a], 100);
    expect(workOf(core, [a], 3000)[0]! / all).toBeGreaterThan(0.9);
  });

  it("lets the pCPU sleep until there is credit again", async () => {
    const [core, a] = (await spinning(1)) as [TestCore, Guest];
    set(a, "cap", 10);
    let exit = 0;
    for (let i = 0; i < 100 && exit !== IDLE; i++) exit = core.call.pcpuRun(0);
    expect(exit).toBe(IDLE);
    expect(core.call.pcpuIdleNs(0)).toBeLessThanOrEqual(30 * MS);
  });

  it("is looked after in time whichever pCPU kept the time, when all have become idle", async () => {
    const [core, a] = (await ticking(1, 2)) as [TestCore, Guest];
    expect(core.call.pcpuRun(1)).toBe(IDLE);
    expect(core.call.pcpuIdleNs(1)).toBe(Infinity);
    set(a, "cap", 10);
    pin(a, 0, 0b01);
    start(a);
    const bell = doorbell(core, 1);
    let exit = 0;
    for (let i = 0; i < 100 && exit !== IDLE; i++) exit = core.call.pcpuRun(0);
    expect(exit).toBe(IDLE);
    const wakes = [core.call.pcpuIdleNs(0), doorbell(core, 1) === bell ? Infinity : core.call.pcpuIdleNs(1)];
    expect(Math.min(...wakes)).toBeLessThanOrEqual(30 * MS);
  });

  it("of a domain that waited does not keep it from its credit once something happens", async () => {
    const [core, a] = (await spinning(1)) as [TestCore, Guest];
    behave(a, 1);
    let exit = 0;
    for (let i = 0; i < 100 && exit !== IDLE; i++) exit = core.call.pcpuRun(0);
    expect(exit).toBe(IDLE);
    expect(core.call.pcpuIdleNs(0)).toBe(Infinity);
    core.view().setUint8(a.vcpu() + Vcpu.off.parked, 1);
    const bell = doorbell(core, 0);
    core.call.vcpuTrigger(a.domid, 0, 4);
    expect(doorbell(core, 0)).toBe(bell + 1);
    expect(core.call.pcpuIdleNs(0)).toBeLessThanOrEqual(30 * MS);
  });
});

describe("affinity", () => {
  it("keeps a vCPU off the other pCPUs, whoever is idle", async () => {
    const [core, a] = (await spinning(1, 2)) as [TestCore, Guest];
    expect(pin(a, 0, 0b10)).toBe(0);
    expect(core.call.pcpuRun(0)).toBe(IDLE);
    expect(icount(a)).toBe(0);
    core.call.pcpuRun(1);
    expect(icount(a)).toBeGreaterThan(0);
    expect(current(core, 0)).toBe(0);
  });

  it("that changes moves a vCPU that waits and stops one that runs elsewhere", async () => {
    const [core, a] = (await spinning(1, 2)) as [TestCore, Guest];
    pin(a, 0, 0b01);
    expect(core.call.pcpuRun(1)).toBe(IDLE);
    const bell = doorbell(core, 1);
    expect(pin(a, 0, 0b10)).toBe(0);
    expect(doorbell(core, 1)).toBe(bell + 1);
    core.view().setUint32(a.vcpu() + Vcpu.off.runState, RUNNING, true);
    pin(a, 0, 0b01);
    expect(core.u32(a.vcpu() + Vcpu.off.events) & STOP).toBe(STOP);
  });

  it("refuses a set without a pCPU of the machine, and domains and vCPUs that are not there", async () => {
    const [core, a] = (await spinning(1, 2)) as [TestCore, Guest];
    expect(pin(a, 0, 0b100)).toBe(-22);
    expect(pin(a, 1, 1)).toBe(-2);
    expect(core.call.vcpuSetAffinity(9, 0, 0, 1, 0, 0, 0)).toBe(-3);
  });

  it("by preference decides which idle pCPU is woken, and does not keep a vCPU waiting", async () => {
    const [core, a] = (await ticking(1, 4)) as [TestCore, Guest];
    for (let pcpu = 0; pcpu < 4; pcpu++) expect(core.call.pcpuRun(pcpu)).toBe(IDLE);
    expect(pin(a, 0, 0b0100, 1)).toBe(0);
    const bell = doorbell(core, 2);
    start(a);
    expect(doorbell(core, 2)).toBe(bell + 1);
    core.call.pcpuRun(0);
    expect(icount(a)).toBeGreaterThan(0);
  });
});

describe("a boost", () => {
  it("lets a woken vCPU stop one that has run on its credit", async () => {
    const [core, busy, sleeper] = (await spinning(2)) as [TestCore, Guest, Guest];
    behave(sleeper, 1);
    workOf(core, [busy], 100);
    // Busy is on the pCPU when the other is woken.
    const p = PCPU_BASE;
    core.view().setUint32(p + Pcpu.off.current, busy.vcpu(), true);
    core.view().setUint32(p + Pcpu.off.priority, core.u32(busy.vcpu() + Vcpu.off.priority), true);
    core.view().setUint32(busy.vcpu() + Vcpu.off.runState, RUNNING, true);
    core.call.vcpuTrigger(sleeper.domid, 0, 4);
    expect(core.u32(busy.vcpu() + Vcpu.off.events) & STOP).toBe(STOP);
  });

  it("does not starve the others", async () => {
    const [core, busy, sleeper] = (await spinning(2)) as [TestCore, Guest, Guest];
    behave(sleeper, 1);
    const before = icount(busy);
    for (let i = 0; i < 200; i++) {
      core.call.vcpuTrigger(sleeper.domid, 0, 4);
      core.call.pcpuRun(0);
    }
    expect(icount(busy)).toBeGreaterThan(before);
  });
});

describe("many vCPUs", () => {
  it("128 on one pCPU all run", async () => {
    const [core, a] = (await spinning(1, 1, 128)) as [TestCore, Guest];
    for (let vcpu = 1; vcpu < 128; vcpu++) start(a, 0, vcpu);
    for (let i = 0; i < 128 * 8; i++) core.call.pcpuRun(0);
    for (let vcpu = 0; vcpu < 128; vcpu++) expect(icount(a, vcpu), `vCPU ${vcpu}`).toBeGreaterThan(0);
    expect(core.u32(MACHINE_BASE + Machine.off.runCount)).toBe(128);
  });
});
