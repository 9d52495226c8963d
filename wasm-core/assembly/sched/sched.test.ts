import { describe, expect, it } from "vitest";
import { CrashReason, Domain, ShutdownReason } from "../../abi/structs/domain.js";
import { Jit } from "../../abi/structs/jit.js";
import { Machine, MACHINE_BASE, Pcpu, PCPU_BASE } from "../../abi/structs/machine.js";
import { Priority, VcpuRunState } from "../../abi/structs/sched.js";
import { CodeCache } from "../../abi/structs/translation.js";
import { EventBit, Vcpu } from "../../abi/structs/vcpu.js";
import { XenVcpu } from "../../abi/structs/xen.js";
import { type Guest, LIST, machineWith, STRUCT } from "../xen/testing/guests.js";
import { anotherInstance, type TestCore } from "../xen/testing/harness.js";

const AGAIN = 0;
const IDLE = 1;
const RBX = 24;
const R13 = 104;
const R15 = 120;
const MS = 1_000_000;

/** What the harness's instance writes into its locks. */
const ME = 1;
const [BLOCKED, RUNNABLE] = [Number(VcpuRunState.values.BLOCKED), Number(VcpuRunState.values.RUNNABLE)];

/** Makes the stand-in guest halt at once (1), spin (0), triple fault (3) or poll before it spins (4). */
const behave = (g: Guest, how: number, n = 0) => g.core.view().setBigUint64(g.vcpu(n) + RBX, BigInt(how), true);
const icount = (g: Guest, n = 0) => g.core.view().getBigUint64(g.vcpu(n) + Vcpu.off.icount, true);
const upcalls = (g: Guest, n = 0) => g.core.view().getBigUint64(g.vcpu(n) + R15, true);
const doorbell = (core: TestCore, pcpu: number) => core.u32(PCPU_BASE + pcpu * Pcpu.size + Pcpu.off.doorbell);

function start(g: Guest, how: number): void {
  expect(g.core.call.vcpuStartPvh(g.domid, 0, 0x1000, 0)).toBe(0);
  behave(g, how);
  g.core.view().setUint32(g.vcpu() + Vcpu.off.eflags, 0x202, true);
  expect(g.core.call.domainUnpause(g.domid)).toBe(0);
}

/** The host's clock runs while the stand-in guest "runs": each look costs 10 us. */
function ticking(core: TestCore, ns = 10_000): void {
  let now = core.clock.ns;
  Object.defineProperty(core.clock, "ns", {
    get: () => (now += ns),
    set: (v: number) => (now = v),
    configurable: true,
  });
}

describe("the scheduler", () => {
  it("is idle without guests, and wakes a sleeping pCPU for one", async () => {
    const [core, a] = await machineWith([[1, 64]]);
    expect(core.call.pcpuRun(1)).toBe(IDLE);
    expect(core.call.pcpuIdleNs(1)).toBe(Infinity);
    const bell = doorbell(core, 1);
    start(a as Guest, 1);
    expect(doorbell(core, 1)).toBe(bell + 1);
  });

  it("shares a pCPU between vCPUs that spin", async () => {
    const [core, a, b] = await machineWith([
      [1, 64],
      [1, 64],
    ]);
    ticking(core);
    start(a as Guest, 0);
    start(b as Guest, 0);
    for (let i = 0; i < 40; i++) expect(core.call.pcpuRun(0)).toBe(AGAIN);
    const [x, y] = [Number(icount(a as Guest)), Number(icount(b as Guest))];
    expect(x).toBeGreaterThan(0);
    expect(Math.abs(x - y) / Math.max(x, y)).toBeLessThan(0.5);
  });

  it("learns its rate of ticks that are too short to tell, and makes them longer", async () => {
    const [core, a] = await machineWith([[1, 64]]);
    const [rate, slices] = [PCPU_BASE + Pcpu.off.rate, PCPU_BASE + Pcpu.off.slices];
    // A tick takes 10 us, whatever it does: the rate is as much as it was given.
    ticking(core);
    start(a as Guest, 0);
    core.view().setUint32(rate, 10, true);
    for (let i = 0; i < 40; i++) expect(core.call.pcpuRun(0)).toBe(AGAIN);
    const [before, work] = [core.u32(slices), icount(a as Guest)];
    expect(core.u32(rate)).toBeGreaterThan(400);
    core.call.pcpuRun(0);
    const each = Number(icount(a as Guest) - work) / (core.u32(slices) - before);
    expect(each).toBeGreaterThan(200_000);
    expect(each).toBeLessThanOrEqual(400_000);
  });

  it("is slower at once where a tick took long", async () => {
    const [core, a] = await machineWith([[1, 64]]);
    const rate = PCPU_BASE + Pcpu.off.rate;
    ticking(core, 2 * MS);
    start(a as Guest, 0);
    core.view().setUint32(rate, 300, true);
    core.call.pcpuRun(0);
    expect(core.u32(rate)).toBeLessThan(300);
  });

  it("offers a vCPU that gives way to another pCPU that is idle", async () => {
    const [core, a, b] = await machineWith([
      [1, 64],
      [1, 64],
    ]);
    const [free, pinned] = [a as Guest, b as Guest];
    ticking(core);
    start(free, 0);
    core.call.pcpuRun(0);
    expect(core.call.vcpuSetAffinity(pinned.domid, 0, 0, 1, 0, 0, 0)).toBe(0);
    // The second pCPU has nothing to do; the first runs the one until it takes turns with the other.
    const bell = doorbell(core, 1);
    start(pinned, 0);
    core.view().setUint32(MACHINE_BASE + Machine.off.idlePcpus, 2, true);
    for (let n = 0; n < 200 && icount(pinned) === 0n; n++) core.call.pcpuRun(0);
    expect(icount(pinned)).toBeGreaterThan(0n);
    expect(doorbell(core, 1)).toBeGreaterThan(bell);
    expect(core.u32(MACHINE_BASE + Machine.off.idlePcpus)).toBe(0);
  });

  it("blocks a halted vCPU until an event, and does not spin for a masked one", async () => {
    const [core, a, b] = await machineWith([
      [1, 64],
      [1, 64],
    ]);
    const [g, other] = [a as Guest, b as Guest];
    start(g, 1);
    expect(core.call.pcpuRun(0)).toBe(IDLE);
    const before = icount(g);
    expect(core.call.pcpuRun(0)).toBe(IDLE);
    expect(icount(g)).toBe(before);
    const port = g.allocUnbound(other.domid);
    const far = other.bindInterdomain(g.domid, port);
    other.send(far);
    expect(core.call.pcpuRun(0)).toBe(IDLE);
    expect(upcalls(g)).toBe(0n);
    g.unmask(port);
    expect(core.call.pcpuRun(0)).toBe(IDLE);
    expect(upcalls(g)).toBe(1n);
  });

  it("turns a domain off when the last of its vCPUs halts with interrupts off, and not while one is up", async () => {
    const [SIPI, NONE] = [Number(EventBit.values.SIPI), 0xffffffff];
    const [core, a] = await machineWith([[2, 64]]);
    const g = a as Guest;
    const reason = () => core.u32(g.dom + Domain.off.shutdownReason);
    const halt = (): void => {
      core.view().setUint8(g.vcpu() + Vcpu.off.online, 1);
      core.view().setUint8(g.vcpu() + Vcpu.off.halted, 0);
      // An NMI that is over before it runs.
      core.call.vcpuTrigger(g.domid, 0, 0);
      core.view().setUint32(g.vcpu() + Vcpu.off.events, 0, true);
      core.call.pcpuRun(0);
    };
    start(g, 1);
    core.view().setUint32(g.vcpu() + Vcpu.off.eflags, 0x002, true);
    // The other one halts as well, with interrupts on.
    behave(g, 1, 1);
    core.view().setUint8(g.vcpu(1) + Vcpu.off.waitForSipi, 0);
    core.view().setUint8(g.vcpu(1) + Vcpu.off.online, 1);
    core.view().setUint32(g.vcpu(1) + Vcpu.off.eflags, 0x202, true);
    expect(core.call.pcpuRun(0)).toBe(IDLE);
    expect([core.view().getUint8(g.vcpu() + Vcpu.off.online), reason()]).toEqual([0, NONE]);
    // One that has been told to start is not up yet.
    core.view().setUint8(g.vcpu(1) + Vcpu.off.online, 0);
    core.view().setUint32(g.vcpu(1) + Vcpu.off.events, SIPI, true);
    halt();
    expect(reason()).toBe(NONE);
    core.view().setUint32(g.vcpu(1) + Vcpu.off.events, 0, true);
    halt();
    expect(reason()).toBe(Number(ShutdownReason.values.POWEROFF));
  });

  it("fires one-shot and periodic timers on time, and tells how long it may sleep", async () => {
    const [core, a] = await machineWith([[1, 64]]);
    const g = a as Guest;
    start(g, 1);
    const port = g.bindVirq(0);
    g.unmask(port);
    expect(core.call.pcpuRun(0)).toBe(IDLE);
    const now = core.call.machineNow();
    expect(
      g.call(
        24,
        8,
        0,
        g.struct([
          [8, now + 3 * MS],
          [4, 0],
        ]),
      ),
    ).toBe(0);
    core.call.vcpuTrigger(1, 0, 4);
    expect(core.call.pcpuRun(0)).toBe(IDLE);
    expect(core.call.pcpuIdleNs(0)).toBe(3 * MS);
    expect(core.call.pcpuIdleNs(1)).toBe(Infinity);
    core.clock.ns += 3 * MS;
    expect(core.call.pcpuRun(0)).toBe(IDLE);
    expect(upcalls(g)).toBe(1n);
    expect(core.call.pcpuIdleNs(0)).toBe(Infinity);
    expect(g.call(24, 6, 0, g.struct([[8, 4 * MS]]))).toBe(0);
    core.call.vcpuTrigger(1, 0, 4);
    for (let i = 0; i < 10; i++) {
      core.call.pcpuRun(0);
      g.consume(port);
      g.clearUpcall();
      core.clock.ns += 4 * MS;
    }
    expect(Number(upcalls(g))).toBeGreaterThanOrEqual(9);
  });

  it("ends a poll by port or by time", async () => {
    const [core, a, b] = await machineWith([
      [1, 64],
      [1, 64],
    ]);
    const [g, other] = [a as Guest, b as Guest];
    start(g, 0);
    ticking(core, 100_000);
    const port = g.allocUnbound(other.domid);
    const far = other.bindInterdomain(g.domid, port);
    const poll = (timeout: bigint) => {
      g.put(LIST, 4, port);
      return g.call(
        29,
        3,
        g.struct([
          [8, LIST],
          [4, 1],
          [8, timeout],
        ]),
      );
    };
    expect(poll(0n)).toBe(0);
    expect(core.u32(g.xen() + XenVcpu.off.block)).toBe(2);
    other.send(far);
    expect(poll(0n)).toBe(0);
    expect(core.u32(g.xen() + XenVcpu.off.block)).toBe(0);
    g.put(LIST, 4, 4000);
    expect(
      g.call(
        29,
        3,
        g.struct([
          [8, LIST],
          [4, 1],
          [8, 0],
        ]),
      ),
    ).toBe(-22);
    expect(
      g.call(
        29,
        3,
        g.struct([
          [8, LIST],
          [4, 129],
          [8, 0],
        ]),
      ),
    ).toBe(-22);
  });

  it("keeps a vCPU running whose poll was over before it left its pCPU", async () => {
    const [core, a] = await machineWith([[1, 64]]);
    const g = a as Guest;
    ticking(core);
    start(g, 4);
    // Interrupts are off: the event ends the poll and stays where it is.
    core.view().setUint32(g.vcpu() + Vcpu.off.eflags, 2, true);
    for (let i = 0; i < 4; i++) expect(core.call.pcpuRun(0)).toBe(AGAIN);
    expect(Number(icount(g))).toBeGreaterThan(0);
    expect(core.u32(g.xen() + XenVcpu.off.block)).toBe(0);
  });

  it("stops a paused domain and one that crashed, and says when it is out", async () => {
    const [core, a, b] = await machineWith([
      [1, 64],
      [1, 64],
    ]);
    ticking(core);
    start(a as Guest, 0);
    start(b as Guest, 3);
    // Until the first one's timeslice is over.
    for (let i = 0; i < 8; i++) core.call.pcpuRun(0);
    expect(core.u32((b as Guest).dom + Domain.off.shutdownReason)).toBe(3);
    expect(core.u32((b as Guest).dom + Domain.off.crashReason)).toBe(2);
    expect(core.u32(MACHINE_BASE + Machine.off.domExc)).toBeGreaterThan(0);
    expect(core.call.domainPause(1)).toBe(0);
    expect(core.call.pcpuRun(0)).toBe(IDLE);
    expect(core.call.domainQuiescent(1)).toBe(1);
    const before = icount(a as Guest);
    expect(core.call.pcpuRun(0)).toBe(IDLE);
    expect(icount(a as Guest)).toBe(before);
    expect(core.call.domainUnpause(1)).toBe(0);
    expect(core.call.domainUnpause(1)).toBe(-22);
    expect(core.call.pcpuRun(0)).toBe(AGAIN);
    expect(icount(a as Guest)).toBeGreaterThan(before);
    expect(core.call.domainDestroy(1)).toBe(0);
    expect(core.call.domainDestroy(2)).toBe(0);
    expect(core.call.pcpuRun(0)).toBe(IDLE);
  });

  it("runs a domain that is unpaused while a pCPU, which saw it paused, takes its vCPU out of the queue", async () => {
    const [core, a] = await machineWith([[1, 64]]);
    const g = a as Guest;
    ticking(core);
    start(g, 0);
    const put = (at: number, value: number) => core.view().setUint32(at, value, true);
    const word = (at: number) => core.u32(MACHINE_BASE + at);
    const list = 4 * Number(Priority.values.BOOST);
    expect(word(Machine.off.runHead + list)).toBe(g.vcpu());
    // A pCPU put it into the queue just after it was paused; another holds the lock to take the next one.
    put(g.dom + Domain.off.pauseCount, 1);
    put(MACHINE_BASE + Machine.off.schedLock, ME + 1);
    let waited = false;
    const takeOut = () => {
      waited = true;
      for (const at of [Machine.off.runHead + list, Machine.off.runTail + list, Machine.off.runMask])
        put(MACHINE_BASE + at, 0);
      put(MACHINE_BASE + Machine.off.runCount, 0);
      put(g.vcpu() + Vcpu.off.runState, BLOCKED);
      put(MACHINE_BASE + Machine.off.schedLock, 0);
    };
    const { domainUnpause } = await anotherInstance(core, takeOut);
    expect(domainUnpause(1)).toBe(0);
    if (!waited) takeOut();
    expect(core.u32(g.vcpu() + Vcpu.off.runState)).toBe(RUNNABLE);
    expect(core.call.pcpuRun(0)).toBe(AGAIN);
  });

  it("sees that a processor shut down with the last instruction of its budget", async () => {
    const [core, a] = await machineWith([[1, 64]]);
    const g = a as Guest;
    ticking(core);
    start(g, 6);
    expect(core.call.pcpuRun(0)).toBe(IDLE);
    expect(core.u32(g.dom + Domain.off.crashReason)).toBe(CrashReason.values.TRIPLE_FAULT);
  });

  it("leaves a vCPU alone until SIPI, and starts it then", async () => {
    const [core, a] = await machineWith([[2, 64]]);
    const g = a as Guest;
    start(g, 1);
    ticking(core);
    expect(core.call.pcpuRun(0)).toBe(IDLE);
    expect(icount(g, 1)).toBe(0n);
    core.call.vcpuTrigger(1, 1, 2);
    expect(core.call.pcpuRun(0)).toBe(AGAIN);
    expect(icount(g, 1)).toBeGreaterThan(0n);
    expect(g.call(24, 3, 1)).toBe(1);
    expect(g.call(24, 2, 1)).toBe(0);
    expect(core.call.pcpuRun(0)).toBe(IDLE);
    const before = icount(g, 1);
    expect(core.call.pcpuRun(0)).toBe(IDLE);
    expect(icount(g, 1)).toBe(before);
    expect(g.call(24, 1, 1)).toBe(0);
    expect(core.call.pcpuRun(0)).toBe(AGAIN);
    expect(icount(g, 1)).toBeGreaterThan(before);
  });

  it("shuts down when the guest asks, and resumes from suspend only", async () => {
    const [core, a] = await machineWith([[1, 64]]);
    const g = a as Guest;
    start(g, 1);
    expect(g.call(29, 2, g.struct([[4, 2]]))).toBe(0);
    expect(core.call.pcpuRun(0)).toBe(IDLE);
    expect(core.call.domainResume(1)).toBe(0);
    expect(g.call(29, 2, g.struct([[4, 9]]))).toBe(-22);
    expect(g.call(29, 2, g.struct([[4, 1]]))).toBe(0);
    expect(core.u32(g.dom + Domain.off.shutdownReason)).toBe(1);
    expect(core.call.domainResume(1)).toBe(-22);
    expect(g.get(STRUCT, 4)).toBe(1n);
  });

  it("says that it knows no deadline while it asks the devices for theirs, which another pCPU may be setting", async () => {
    const [core, a] = await machineWith([[1, 64]]);
    const g = a as Guest;
    start(g, 1);
    g.call(24, 6, 0, g.struct([[8, 5 * MS]]));
    for (let i = 0; i < 3; i++) expect(core.call.pcpuRun(0)).toBe(IDLE);
    expect(core.call.pcpuIdleNs(0)).toBe(5 * MS);
    // Whoever sets one compares it with this, and makes the vCPU look again when it is earlier.
    expect(core.view().getBigUint64(g.vcpu() + R13, true)).toBe((1n << 64n) - 1n);
  });

  it("in deterministic mode makes time of instructions, and jumps over idle time", async () => {
    const run = async () => {
      const [core, a] = await machineWith([[1, 64]], 1, 1);
      const g = a as Guest;
      start(g, 1);
      const port = g.bindVirq(0);
      g.unmask(port);
      g.call(24, 6, 0, g.struct([[8, 5 * MS]]));
      const log: unknown[] = [];
      for (let i = 0; i < 12; i++) {
        core.clock.ns += 1_234_567 * i;
        log.push(core.call.pcpuRun(0), core.call.machineNow(), core.call.pcpuIdleNs(0), upcalls(g));
        g.consume(port);
        g.clearUpcall();
      }
      return log;
    };
    const first = await run();
    expect(await run()).toEqual(first);
    expect(first.at(-3)).toBeGreaterThan(10 * MS);
  });
});

const DOMAIN_LOCKS = ["lock", "evtLock", "gntLock", "mapLock", "p2mLock", "ioLock", "monitorLock"] as const;
const MACHINE_LOCKS = ["domainLock", "schedLock", "heapLock", "frameLock", "logLock"] as const;

describe("after a trap", () => {
  async function two() {
    const [core, a, b] = await machineWith([
      [1, 64],
      [1, 64],
    ]);
    const [dead, other] = [a as Guest, b as Guest];
    ticking(core);
    start(dead, 0);
    start(other, 0);
    const put = (at: number, value: number) => core.view().setUint32(at, value, true);
    // The first runs on pCPU 0 when that dies.
    put(dead.vcpu() + Vcpu.off.runState, 2);
    put(dead.vcpu() + Vcpu.off.pcpu, 0);
    put(PCPU_BASE + Pcpu.off.current, dead.vcpu());
    return { core, dead, other, put };
  }

  it("its locks are released, those of others are not, and its domain is crashed", async () => {
    const { core, dead, other, put } = await two();
    for (const lock of MACHINE_LOCKS) put(MACHINE_BASE + Machine.off[lock], ME);
    for (const lock of DOMAIN_LOCKS) put(dead.dom + Domain.off[lock], ME | 256);
    put(other.dom + Domain.off.gntLock, ME + 1);
    // Of the region compiler: without it no region would ever be asked for again.
    const jit = core.u32(core.u32(MACHINE_BASE + Machine.off.run) + CodeCache.off.jit);
    put(jit + Jit.off.requestLock, ME);
    core.call.pcpuAbandon(0);
    expect(core.u32(jit + Jit.off.requestLock)).toBe(0);
    for (const lock of MACHINE_LOCKS) expect(core.u32(MACHINE_BASE + Machine.off[lock]), lock).toBe(0);
    for (const lock of DOMAIN_LOCKS) expect(core.u32(dead.dom + Domain.off[lock]), lock).toBe(0);
    expect(core.u32(other.dom + Domain.off.gntLock)).toBe(ME + 1);
    expect(core.u32(dead.dom + Domain.off.crashReason)).toBe(CrashReason.values.INTERNAL);
    expect(core.u32(dead.vcpu() + Vcpu.off.runState)).toBe(0);
    expect(core.u32(other.dom + Domain.off.shutdown)).toBe(0);
    expect(core.u32(PCPU_BASE + Pcpu.off.current)).toBe(0);
  });

  it("does not keep those waiting who hold the domains still until its vCPU has left its block", async () => {
    const { core, dead, put } = await two();
    put(MACHINE_BASE + Machine.off.domainLock, ME + 1);
    let state = -1;
    const { pcpuAbandon } = await anotherInstance(core, () => {
      state = core.u32(dead.vcpu() + Vcpu.off.runState);
      put(MACHINE_BASE + Machine.off.domainLock, 0);
    });
    pcpuAbandon(0);
    expect(state).toBe(BLOCKED);
  });

  it("a domain in whose locks it died is crashed too", async () => {
    const { core, other, put } = await two();
    put(other.dom + Domain.off.evtLock, ME);
    core.call.pcpuAbandon(0);
    expect(core.u32(other.dom + Domain.off.crashReason)).toBe(CrashReason.values.INTERNAL);
  });

  it("the run queue that it was changing is made anew, and the neighbour runs", async () => {
    const { core, other, put } = await two();
    put(MACHINE_BASE + Machine.off.schedLock, ME);
    const list = 4 * Number(Priority.values.BOOST);
    put(MACHINE_BASE + Machine.off.runHead + list, 0);
    put(MACHINE_BASE + Machine.off.runTail + list, 4);
    put(MACHINE_BASE + Machine.off.runCount, 7);
    core.call.pcpuAbandon(0);
    expect(core.u32(MACHINE_BASE + Machine.off.runHead + list)).toBe(other.vcpu());
    expect(core.u32(MACHINE_BASE + Machine.off.runCount)).toBe(1);
    const before = icount(other);
    expect(core.call.pcpuRun(0)).toBe(AGAIN);
    expect(icount(other)).toBeGreaterThan(before);
  });
});
