import { describe, expect, it } from "vitest";
import { Domain } from "../../../abi/structs/domain.js";
import { EventBit, Vcpu } from "../../../abi/structs/vcpu.js";
import { XenVcpu } from "../../../abi/structs/xen.js";
import { IrqMachine, SCRATCH } from "../testing/harness.js";

const LEVEL = 0x8000;
const MASKED = 0x10000;
const REMOTE_IRR = 0x4000;

async function machine(vcpus = 1) {
  const m = await IrqMachine.create(vcpus);
  const line = (pin: number, level: number) => m.core.ioapicSetIrq(m.dom, pin, level);
  const pulse = (pin: number) => {
    line(pin, 1);
    line(pin, 0);
  };
  const eoi = (i = 0) => m.core.lapicEoi(m.cpu(i));
  return { m, line, pulse, eoi };
}

describe("edge-triggered pins", () => {
  it("sends one message for each rising edge", async () => {
    const { m, line, eoi } = await machine();
    m.route(5, 0x45);
    line(5, 1);
    expect(m.take()).toBe(0x45);
    eoi();
    line(5, 1);
    expect(m.take()).toBe(-1);
    line(5, 0);
    line(5, 1);
    expect(m.take()).toBe(0x45);
  });

  it("loses edges while masked", async () => {
    const { m, pulse, line } = await machine();
    m.route(5, 0x45 | MASKED);
    pulse(5);
    line(5, 1);
    m.route(5, 0x45);
    expect(m.take()).toBe(-1);
  });
});

describe("level-triggered pins", () => {
  it("waits for the end of interrupt and comes again while the line is asserted", async () => {
    const { m, line, eoi } = await machine();
    m.route(6, 0x46 | LEVEL);
    line(6, 1);
    expect(m.ioapicRead(0x1c) & REMOTE_IRR).toBe(REMOTE_IRR);
    expect(m.take()).toBe(0x46);
    expect(m.take()).toBe(-1);
    eoi();
    expect(m.take()).toBe(0x46);
    line(6, 0);
    eoi();
    expect(m.take()).toBe(-1);
    expect(m.ioapicRead(0x1c) & REMOTE_IRR).toBe(0);
  });

  it("is delivered when unmasked with the line asserted", async () => {
    const { m, line } = await machine();
    m.route(6, 0x46 | LEVEL | MASKED);
    line(6, 1);
    expect(m.take()).toBe(-1);
    m.ioapicWrite(0x1c, 0x46 | LEVEL);
    expect(m.take()).toBe(0x46);
  });

  it("is ended by the EOI register when the broadcast is suppressed", async () => {
    const { m, line, eoi } = await machine();
    m.core.lapicWrite(m.cpu(0), 0xf0, 0x11ff);
    m.route(6, 0x46 | LEVEL);
    line(6, 1);
    m.take();
    eoi();
    expect(m.take()).toBe(-1);
    m.core.mmioWrite(m.cpu(0), 0xfec00040n, 4, 0x46n);
    expect(m.take()).toBe(0x46);
  });

  it("forgets the interrupt in service when the entry becomes edge-triggered", async () => {
    const { m, line } = await machine();
    m.route(6, 0x46 | LEVEL);
    line(6, 1);
    m.ioapicWrite(0x1c, 0x46 | MASKED);
    expect(m.ioapicRead(0x1c)).toBe(0x46 | MASKED);
  });

  it("is not in service when nobody accepted it", async () => {
    const { m, line } = await machine();
    m.route(6, 0x46 | LEVEL, 9);
    line(6, 1);
    expect(m.ioapicRead(0x1c) & REMOTE_IRR).toBe(0);
    m.route(6, 0x46 | LEVEL, 0);
    expect(m.take()).toBe(0x46);
  });
});

describe("destinations and delivery modes", () => {
  it("routes by physical and by logical destination", async () => {
    const { m, pulse } = await machine(3);
    m.core.lapicWrite(m.cpu(1), 0xd0, 0x02000000);
    m.core.lapicWrite(m.cpu(2), 0xd0, 0x04000000);
    m.route(3, 0x51, 4);
    m.route(4, 0x52 | 0x800, 0x06);
    pulse(3);
    pulse(4);
    expect([0, 1, 2].map((i) => m.take(i))).toEqual([-1, 0x52, 0x52]);
    m.core.lapicEoi(m.cpu(2));
    expect(m.take(2)).toBe(0x51);
  });

  it("sends NMI without a vector", async () => {
    const { m, pulse } = await machine(2);
    m.takeEvents(1);
    m.route(3, 0x400, 2);
    pulse(3);
    expect(m.takeEvents(1)).toBe(Number(EventBit.values.NMI));
  });
});

describe("the pin of the event channels' upcall", () => {
  const XEN = SCRATCH;
  const INFO = SCRATCH + 0x1000;
  async function callback(pin: number, entry: number) {
    const { m, line, eoi } = await machine();
    m.put32(m.cpu(0) + Vcpu.off.xen, XEN);
    m.put32(XEN + XenVcpu.off.info, INFO);
    m.put32(m.dom + Domain.off.callbackPin, pin);
    m.route(pin, entry);
    const raise = () => {
      m.view.setUint8(INFO, 1);
      m.core.ioapicRaiseCallback(m.dom);
    };
    return { m, line, eoi, raise, take: () => m.view.setUint8(INFO, 0) };
  }

  it("is asserted while the upcall is pending", async () => {
    const { m, eoi, raise, take } = await callback(9, 0x49 | LEVEL);
    raise();
    expect(m.take()).toBe(0x49);
    eoi();
    expect(m.take()).toBe(0x49);
    take();
    eoi();
    expect(m.take()).toBe(-1);
    raise();
    expect(m.take()).toBe(0x49);
  });

  it("waits for the mask to go, and for nothing when it was taken meanwhile", async () => {
    const { m, raise, take } = await callback(9, 0x49 | LEVEL | MASKED);
    raise();
    expect(m.take()).toBe(-1);
    m.route(9, 0x49 | LEVEL);
    expect(m.take()).toBe(0x49);
    m.core.lapicEoi(m.cpu(0));
    take();
    m.route(9, 0x4a | LEVEL | MASKED);
    m.core.lapicEoi(m.cpu(0));
    m.route(9, 0x4a | LEVEL);
    expect(m.take()).toBe(0x49);
    expect(m.take()).toBe(-1);
  });

  it("is one edge for each upcall", async () => {
    const { m, eoi, raise } = await callback(9, 0x49);
    raise();
    expect(m.take()).toBe(0x49);
    eoi();
    expect(m.take()).toBe(-1);
  });

  it("shares the line with a device", async () => {
    const { m, line, eoi, raise, take } = await callback(4, 0x44 | LEVEL);
    raise();
    line(4, 1);
    expect(m.take()).toBe(0x44);
    line(4, 0);
    eoi();
    expect(m.take()).toBe(0x44);
    line(4, 1);
    take();
    eoi();
    expect(m.take()).toBe(0x44);
  });

  it("is silent when vCPU 0 has a vector of its own", async () => {
    const { m, raise } = await callback(9, 0x49 | LEVEL);
    m.put32(XEN + XenVcpu.off.upcallVector, 0xf3);
    raise();
    expect(m.take()).toBe(-1);
  });
});

describe("registers", () => {
  it("has 24 masked entries and version 0x20 after reset", async () => {
    const { m } = await machine();
    expect(m.ioapicRead(1)).toBe(0x00170020);
    for (let pin = 0; pin < 24; pin++) expect(m.ioapicRead(0x10 + 2 * pin)).toBe(MASKED);
    expect(m.ioapicRead(0x40)).toBe(0xffffffff);
  });

  it("keeps writable bits only", async () => {
    const { m } = await machine();
    m.ioapicWrite(0, 0xffffffff);
    expect([m.ioapicRead(0), m.ioapicRead(2)]).toEqual([0x0f000000, 0x0f000000]);
    m.ioapicWrite(0x11, 0xffffffff);
    expect(m.ioapicRead(0x11)).toBe(0xff000000);
    m.ioapicWrite(0x10, 0xffffffff);
    expect(m.ioapicRead(0x10)).toBe(0x1afff);
  });
});
