/** Domains that come and go: what they leave to those that come after them. */
import { describe, expect, it } from "vitest";
import { Domain } from "../../abi/structs/domain.js";
import { Vcpu } from "../../abi/structs/vcpu.js";
import { Guest, machineWith } from "./testing/guests.js";
import type { TestCore } from "./testing/harness.js";

describe("a domain that shuts down", () => {
  it("has its reason before it counts as shut down, and keeps the first", async () => {
    const [core, a] = await machineWith([[1, 64]]);
    const { dom } = a as Guest;
    const [POWEROFF, REBOOT, SUSPEND, NONE] = [0, 1, 2, 0xffffffff];
    const said = () => [core.u32(dom + Domain.off.shutdown), core.u32(dom + Domain.off.shutdownReason)];
    // Another pCPU is about to shut it down: it has said why.
    core.view().setUint32(dom + Domain.off.shutdownReason, POWEROFF, true);
    expect(core.call.domainShutdown(1, REBOOT)).toBe(0);
    expect(said()).toEqual([0, POWEROFF]);
    core.view().setUint32(dom + Domain.off.shutdownReason, NONE, true);
    for (const reason of [SUSPEND, REBOOT]) expect(core.call.domainShutdown(1, reason)).toBe(0);
    expect(said()).toEqual([1, SUSPEND]);
    expect(core.call.domainResume(1)).toBe(0);
    expect(said()).toEqual([0, NONE]);
    expect(core.call.domainShutdown(1, REBOOT)).toBe(0);
    expect(said()).toEqual([1, REBOOT]);
  });

  it("is off when its last vCPU goes down, whichever that is", async () => {
    const DOWN = 2;
    const [core, a] = (await machineWith([[2, 64]])) as [TestCore, Guest];
    const reason = () => core.u32(a.dom + Domain.off.shutdownReason);
    core.view().setUint8(a.vcpu(1) + Vcpu.off.online, 1);
    expect(a.call(24, DOWN, 0)).toBe(0);
    expect(reason()).toBe(0xffffffff);
    expect(a.call(24, DOWN, 1, 0, 1)).toBe(0);
    expect(reason()).toBe(0);
  });
});

describe("a domain that is gone", () => {
  it("leaves its memory to one with more vCPUs, also when it had used up the machine", async () => {
    const [core, a] = await machineWith([[1, 32768]]);
    const { call } = core;
    // Until there is nothing left: the domain is crashed for it.
    for (let gfn = 0; core.u32((a as Guest).dom + Domain.off.shutdown) === 0; gfn++) call.domainPage(1, gfn);
    expect(call.domainCreate(2, 1, 1024)).toBe(-12);
    expect(call.domainDestroy(1)).toBe(0);
    for (let domid = 2; domid < 6; domid++) {
      expect(call.domainCreate(domid, 4, 1024), `domain ${domid}`).toBe(0);
      expect(call.domainAddRam(domid, 0, 1024)).toBe(0);
      expect(call.domainPage(domid, 5) >>> 0).not.toBe(0);
    }
  });

  it("comes and goes a thousand times and takes nothing along", async () => {
    const [core] = await machineWith([]);
    const { call } = core;
    const once = () => {
      expect(call.domainCreate(1, 2, 4096)).toBe(0);
      expect(call.domainAddRam(1, 0, 2048)).toBe(0);
      const g = new Guest(core, 1);
      g.put(0x5000, 4, 1);
      expect(g.allocUnbound(0)).toBeGreaterThan(0);
      expect(call.evtchnBind(1, 1)).toBeGreaterThan(0);
      expect(call.domainDestroy(1)).toBe(0);
      expect(call.evtchnClose(0, 1)).toBe(0);
    };
    once();
    const free = call.machineFreeFrames();
    for (let i = 0; i < 1000; i++) once();
    expect(call.machineFreeFrames()).toBe(free);
  });

  it("leaves its struct's locks to whoever still has one", async () => {
    const [core, a] = await machineWith([[1, 64]]);
    const { dom } = a as Guest;
    const late = 77;
    const locks = ["lock", "p2mLock", "gntLock", "mapLock", "monitorLock"] as const;
    expect(core.call.domainDestroy(1)).toBe(0);
    for (const lock of locks) core.view().setUint32(dom + Domain.off[lock], late, true);
    expect(core.call.domainCreate(9, 1, 64)).toBe(0);
    expect(core.call.domainAddress(9) >>> 0).toBe(dom);
    for (const lock of locks) expect(core.u32(dom + Domain.off[lock]), lock).toBe(late);
    expect(core.u32(dom + Domain.off.evtLock)).toBe(0);
    expect(core.u32(dom + Domain.off.shutdownReason)).toBe(0xffffffff);
    expect(core.u32(dom + Domain.off.e820Count)).toBe(0);
  });
});
