/** MONITOR's lines in pages that others than the domain's vCPUs write. */
import { beforeEach, describe, expect, it } from "vitest";
import { VcpuRunState } from "../../abi/structs/sched.js";
import { EventBit, Vcpu } from "../../abi/structs/vcpu.js";
import { copy, grant, map, pair, SELF, unmap } from "./testing/grants.js";
import { type Guest, machineWith } from "./testing/guests.js";

const LINE = 0x5040n;
const NONE = 0xffffffffffffffffn;

describe("a vCPU that waits for a write", () => {
  let a: Guest;
  let b: Guest;
  const armed = () => a.core.view().getBigUint64(a.vcpu() + Vcpu.off.monitorGpa, true);
  const waits = () => a.core.view().getUint8(a.vcpu() + Vcpu.off.mwait) !== 0;
  const arm = () => a.core.call.armMonitor(a.vcpu(), LINE, a.at(LINE));

  beforeEach(async () => {
    [a, b] = await pair();
    a.core.view().setBigUint64(a.vcpu() + Vcpu.off.monitorGpa, NONE, true);
    a.put(LINE, 4, 1);
    grant(a, 8, b.domid, 5);
    grant(a, 9, 0, 5);
    arm();
    expect(armed()).toBe(LINE);
    expect(a.core.call.waitForWrite(a.vcpu())).toBe(1);
  });

  function registerInfo(): void {
    const info = a.struct([
      [8, 5],
      [4, 0],
      [4, 0],
    ]);
    expect(a.call(24, 10, 0, info)).toBe(0);
  }

  const takers: [string, () => void][] = [
    ["another domain maps the page", () => void expect(map(b, a.domid, 8, 0x7000n).status).toBe(0)],
    ["Domain0 maps the page", () => void expect(a.core.call.grantMap(a.domid, 9, 0)).not.toBe(0)],
    ["Domain0 pins the page", () => void expect(a.core.call.domainPin(a.domid, 5)).not.toBe(0)],
    [
      "a grant copy goes there",
      () => void expect(copy(b, { gfn: 6, dom: SELF, off: 0 }, { ref: 8, dom: a.domid, off: 0x40 }, 4)).toBe(0),
    ],
    [
      "a copy of its own domain goes there",
      () => void expect(copy(a, { gfn: 6, dom: SELF, off: 0 }, { gfn: 5, dom: SELF, off: 0x40 }, 4)).toBe(0),
    ],
    ["the hypervisor gets the page for vcpu_info", registerInfo],
    ["the hypercall page goes there", () => void expect(a.core.call.hypercallPage(a.vcpu(), 0x5000n)).toBe(1)],
  ];
  it.each(takers)("goes on when %s", (_, take) => {
    take();
    expect(waits()).toBe(false);
    expect(armed()).toBe(NONE);
  });

  it("goes on when a page walk sets a flag in an entry that lies there", () => {
    const PRESENT = 7;
    const { cr0, cr3 } = Vcpu.off;
    a.put(LINE, 4, 0x6000 | PRESENT);
    a.put(0x6000, 4, 0x8000 | PRESENT);
    a.core.view().setBigUint64(a.vcpu() + cr0, 0x80000001n, true);
    a.core.view().setBigUint64(a.vcpu() + cr3, 0x5000n, true);
    const read = 0;
    expect(a.core.call.walk(a.vcpu(), BigInt(0x10 << 22), read, 0, 1)).toBe(-1);
    expect(a.get(LINE, 4)).toBe(0x6027n);
    expect(waits()).toBe(false);
  });

  it("does not begin to as long as another has the page, and does again afterwards", () => {
    const { handle } = map(b, a.domid, 8, 0x7000n);
    arm();
    expect(a.core.call.waitForWrite(a.vcpu())).toBe(0);
    expect(unmap(b, handle, 0x7000n)).toBe(0);
    arm();
    expect(a.core.call.waitForWrite(a.vcpu())).toBe(1);
  });

  it("sleeps in the page where the hypervisor has its vcpu_info, as a processor that is down does", () => {
    registerInfo();
    arm();
    expect(a.core.call.waitForWrite(a.vcpu())).toBe(1);
  });

  it("sleeps on when the page is taken to be read", () => {
    expect(a.core.call.domainHold(a.domid, 5)).not.toBe(0);
    expect(copy(b, { ref: 8, dom: a.domid, off: 0 }, { gfn: 6, dom: SELF, off: 0 }, 4)).toBe(0);
    expect(waits()).toBe(true);
  });
});

describe("a vCPU that waits while another of its domain runs on another pCPU", () => {
  const { events, runState, inHypervisor } = Vcpu.off;
  const SETTLE = Number(EventBit.values.SETTLE);

  it("sleeps when it has armed the line anew after the other's answer: a store under way may be seen by nobody", async () => {
    const [core, one] = await machineWith([[2, 64]]);
    const a = one as Guest;
    const other = a.vcpu(1);
    const arm = () => core.call.armMonitor(a.vcpu(), LINE, a.at(LINE));
    const sleeps = () => core.call.waitForWrite(a.vcpu()) === 1;
    core.view().setUint32(other + runState, Number(VcpuRunState.values.RUNNING), true);
    core.view().setUint32(other + inHypervisor, 0, true);
    arm();
    expect(sleeps()).toBe(false);
    expect(core.u32(other + events) & SETTLE).not.toBe(0);
    core.view().setUint32(other + events, 0, true);
    expect(sleeps()).toBe(false);
    arm();
    expect(core.u32(other + events) & SETTLE).toBe(0);
    expect(sleeps()).toBe(true);
  });
});
