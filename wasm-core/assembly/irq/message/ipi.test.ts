import { describe, expect, it } from "vitest";
import { EventBit } from "../../../abi/structs/vcpu.js";
import { IrqMachine } from "../testing/harness.js";

const NMI = Number(EventBit.values.NMI);
const INIT = Number(EventBit.values.INIT);
const SIPI = Number(EventBit.values.SIPI);
const LOGICAL = 0x800;
const LOWEST = 0x100;

async function machine(vcpus = 4) {
  const m = await IrqMachine.create(vcpus);
  for (let i = 0; i < vcpus; i++) m.takeEvents(i);
  const send = (low: number, destination = 0, from = 0) => {
    m.core.lapicWrite(m.cpu(from), 0x310, destination << 24);
    m.core.lapicWrite(m.cpu(from), 0x300, low);
  };
  /** Which vCPUs take a fixed interrupt now. */
  const takers = () =>
    Array.from({ length: vcpus }, (_, i) => i).filter((i) => {
      const vector = m.take(i);
      if (vector >= 0) m.core.lapicEoi(m.cpu(i));
      return vector >= 0;
    });
  const setLogical = (ids: number[], dfr = 0xffffffff) =>
    ids.forEach((id, i) => {
      m.core.lapicWrite(m.cpu(i), 0xe0, dfr);
      m.core.lapicWrite(m.cpu(i), 0xd0, id << 24);
    });
  return { m, send, takers, setLogical };
}

describe("physical destinations", () => {
  it("reaches the one processor with that id", async () => {
    const { send, takers } = await machine();
    send(0x40, 4);
    expect(takers()).toEqual([2]);
    send(0x40, 5);
    expect(takers()).toEqual([]);
  });

  it("broadcasts to 0xff, the sender included", async () => {
    const { send, takers } = await machine();
    send(0x40, 0xff);
    expect(takers()).toEqual([0, 1, 2, 3]);
  });

  it("follows an id that software has changed", async () => {
    const { m, send, takers } = await machine();
    m.core.lapicWrite(m.cpu(3), 0x20, 9 << 24);
    send(0x40, 9);
    expect(takers()).toEqual([3]);
  });
});

describe("shorthands", () => {
  it("means self, all or all others, whatever the destination says", async () => {
    const { send, takers } = await machine();
    send(0x40 | 0x40000, 6, 1);
    expect(takers()).toEqual([1]);
    send(0x40 | 0x80000, 6, 1);
    expect(takers()).toEqual([0, 1, 2, 3]);
    send(0x40 | 0xc0000, 6, 1);
    expect(takers()).toEqual([0, 2, 3]);
  });
});

describe("logical destinations", () => {
  it("matches any common bit in the flat model", async () => {
    const { send, takers, setLogical } = await machine();
    setLogical([1, 2, 4, 8]);
    send(0x40 | LOGICAL, 0x0a);
    expect(takers()).toEqual([1, 3]);
  });

  it("matches within one cluster in the cluster model, and everyone for 0xff", async () => {
    const { send, takers, setLogical } = await machine();
    setLogical([0x11, 0x12, 0x21, 0x22], 0x0fffffff);
    send(0x40 | LOGICAL, 0x13);
    expect(takers()).toEqual([0, 1]);
    send(0x40 | LOGICAL, 0x21);
    expect(takers()).toEqual([2]);
    send(0x40 | LOGICAL, 0xff);
    expect(takers()).toEqual([0, 1, 2, 3]);
  });

  it("matches the cluster and bit derived from the id in x2APIC mode", async () => {
    const { m, takers } = await machine(12);
    for (let i = 0; i < 12; i++) m.enterX2apic(i);
    const icr = (destination: bigint, low: number) =>
      m.core.lapicMsrWrite(m.cpu(0), 0x830, (destination << 32n) | BigInt(low));
    icr(0x10005n, 0x40 | LOGICAL);
    expect(takers()).toEqual([8, 9]);
    icr(22n, 0x40);
    expect(takers()).toEqual([11]);
    icr(0xffffffffn, 0x40);
    expect(takers().length).toBe(12);
  });
});

describe("lowest priority", () => {
  it("picks the processor with the lowest task priority", async () => {
    const { m, send, takers, setLogical } = await machine();
    setLogical([1, 2, 4, 8]);
    [0x30, 0x20, 0x10, 0x20].forEach((tpr, i) => m.core.lapicSetTpr(m.cpu(i), tpr));
    send(0x50 | LOGICAL | LOWEST, 0x0b);
    expect(takers()).toEqual([1]);
    send(0x50 | LOGICAL | LOWEST, 0x0f);
    expect(takers()).toEqual([2]);
  });

  it("takes turns among equals", async () => {
    const { send, takers, setLogical } = await machine();
    setLogical([1, 2, 4, 8]);
    const order = [0, 1, 2, 3, 4].map(() => {
      send(0x50 | LOGICAL | LOWEST, 0x0f);
      return takers()[0];
    });
    expect(order).toEqual([0, 1, 2, 3, 0]);
  });
});

describe("NMI, INIT and SIPI", () => {
  it("reaches processors whose APIC is software-disabled", async () => {
    const { m, send } = await machine();
    m.core.lapicWrite(m.cpu(1), 0xf0, 0xff);
    send(0x400, 2);
    expect(m.takeEvents(1)).toBe(NMI);
    send(0x4500, 2);
    expect(m.takeEvents(1)).toBe(INIT);
    send(0x4600 | 0x9a, 2);
    expect(m.takeEvents(1)).toBe(SIPI);
    expect(m.lapicField(1, "sipiVector")).toBe(0x9a);
  });

  it("ignores INIT level de-assert", async () => {
    const { m, send } = await machine();
    send(0x8500 | 0x80000);
    expect([0, 1, 2, 3].map((i) => m.takeEvents(i))).toEqual([0, 0, 0, 0]);
  });

  it("starts all others with INIT and SIPI by shorthand", async () => {
    const { m, send } = await machine();
    send(0xc4500);
    send(0xc4608);
    expect([0, 1, 2, 3].map((i) => m.takeEvents(i))).toEqual([0, INIT | SIPI, INIT | SIPI, INIT | SIPI]);
  });

  it("reaches nobody whose APIC is globally disabled", async () => {
    const { m, send } = await machine();
    m.core.lapicSetBase(m.cpu(1), 0xfee00000n);
    send(0x400, 2);
    send(0x400 | 0xc0000);
    expect(m.takeEvents(1)).toBe(0);
  });
});

describe("errors", () => {
  it("notes a vector below 16 at the sender and at the receiver", async () => {
    const { m, send } = await machine();
    send(0x0f, 2);
    for (const [i, errors] of [
      [0, 0x20],
      [1, 0x40],
    ] as const) {
      m.core.lapicWrite(m.cpu(i), 0x280, 0);
      expect(m.core.lapicRead(m.cpu(i), 0x280)).toBe(errors);
    }
  });

  it("keeps the delivery status and reserved bits of the command clear", async () => {
    const { m, send } = await machine();
    send(0xfff33000 | 0x40, 0x55);
    expect(m.core.lapicRead(m.cpu(0), 0x300) >>> 0).toBe(0x40);
    expect(m.core.lapicRead(m.cpu(0), 0x310) >>> 0).toBe(0x55000000);
  });
});
