import { describe, expect, it } from "vitest";
import { EventBit } from "../../../abi/structs/vcpu.js";
import { IrqMachine, SCRATCH } from "../testing/harness.js";

const INTERRUPT = Number(EventBit.values.INTERRUPT);

async function one() {
  const m = await IrqMachine.create(1);
  m.takeEvents(0);
  return { m, core: m.core, cpu: m.cpu(0) };
}

describe("interrupt acceptance and priority", () => {
  it("delivers the highest vector first and nests only higher priority classes", async () => {
    const { m, core, cpu } = await one();
    for (const v of [0x31, 0x52, 0x41]) core.lapicInject(cpu, v, 0);
    expect(m.takeEvents(0) & INTERRUPT).toBe(INTERRUPT);
    expect(m.take()).toBe(0x52);
    expect(m.take()).toBe(-1);
    core.lapicInject(cpu, 0x5f, 0);
    expect(m.take()).toBe(-1);
    core.lapicInject(cpu, 0x60, 0);
    expect(m.take()).toBe(0x60);
    core.lapicEoi(cpu);
    expect(m.take()).toBe(-1);
    core.lapicEoi(cpu);
    expect(m.take()).toBe(0x5f);
  });

  it("ends the highest vector in service, whatever order they came in", async () => {
    const { m, core, cpu } = await one();
    core.lapicInject(cpu, 0x40, 0);
    m.take();
    core.lapicInject(cpu, 0x80, 0);
    m.take();
    expect(core.lapicRead(cpu, 0x120)).toBe(1);
    expect(core.lapicRead(cpu, 0x140)).toBe(1);
    core.lapicEoi(cpu);
    expect(core.lapicRead(cpu, 0x140)).toBe(0);
    expect(core.lapicRead(cpu, 0x120)).toBe(1);
  });

  it("holds back vectors of the task priority's class and below, and asks again when it falls", async () => {
    const { m, core, cpu } = await one();
    core.lapicSetTpr(cpu, 0x45);
    core.lapicInject(cpu, 0x4f, 0);
    expect(m.take()).toBe(-1);
    expect(core.lapicRead(cpu, 0xa0)).toBe(0x45);
    m.takeEvents(0);
    core.lapicWrite(cpu, 0x80, 0x3f);
    expect(m.takeEvents(0) & INTERRUPT).toBe(INTERRUPT);
    expect(m.take()).toBe(0x4f);
    expect(core.lapicRead(cpu, 0xa0)).toBe(0x40);
  });

  it("holds a latched vector back until the APIC is software-enabled", async () => {
    const { m, core, cpu } = await one();
    core.lapicWrite(cpu, 0xf0, 0xff);
    core.lapicLatch(cpu, 0xf3);
    expect(core.lapicRead(cpu, 0x270)).toBe(0);
    core.lapicWrite(cpu, 0xf0, 0x1ff);
    expect(m.take()).toBe(0xf3);
    core.lapicEoi(cpu);
    expect(m.take()).toBe(-1);
    core.lapicLatch(cpu, 0xf3);
    expect(m.take()).toBe(0xf3);
  });

  it("coalesces a vector requested twice, and takes one more while it is in service", async () => {
    const { m, core, cpu } = await one();
    core.lapicInject(cpu, 0x55, 0);
    core.lapicInject(cpu, 0x55, 0);
    expect(m.take()).toBe(0x55);
    core.lapicInject(cpu, 0x55, 0);
    core.lapicEoi(cpu);
    expect(m.take()).toBe(0x55);
    core.lapicEoi(cpu);
    expect(m.take()).toBe(-1);
  });

  it("answers with the spurious vector when nothing is pending any more", async () => {
    const { core, cpu } = await one();
    expect(core.lapicAck(cpu)).toBe(0xff);
    expect(core.lapicRead(cpu, 0x170)).toBe(0);
  });

  it("refuses interrupts while software-disabled and masks the vector table", async () => {
    const { core, cpu } = await one();
    core.lapicWrite(cpu, 0x320, 0x20);
    core.lapicWrite(cpu, 0xf0, 0xff);
    expect(core.lapicRead(cpu, 0x320)).toBe(0x10020);
    core.lapicWrite(cpu, 0x320, 0x30);
    expect(core.lapicRead(cpu, 0x320)).toBe(0x10030);
    expect(core.lapicInject(cpu, 0x50, 0)).toBe(0);
    expect(core.lapicPending(cpu)).toBe(-1);
  });

  it("notes an illegal vector and raises the error interrupt; ESR is latched by a write", async () => {
    const { m, core, cpu } = await one();
    core.lapicWrite(cpu, 0x370, 0x70);
    core.lapicInject(cpu, 3, 0);
    expect(core.lapicRead(cpu, 0x280)).toBe(0);
    core.lapicWrite(cpu, 0x280, 0);
    expect(core.lapicRead(cpu, 0x280)).toBe(0x40);
    expect(m.take()).toBe(0x70);
    core.lapicWrite(cpu, 0x280, 0);
    expect(core.lapicRead(cpu, 0x280)).toBe(0);
    core.lapicRead(cpu, 0x3f0);
    core.lapicWrite(cpu, 0x280, 0);
    expect(core.lapicRead(cpu, 0x280)).toBe(0x80);
  });

  it("does not raise the error interrupt for its own illegal vector", async () => {
    const { m, core, cpu } = await one();
    core.lapicWrite(cpu, 0x370, 5);
    core.lapicInject(cpu, 3, 0);
    expect(m.take()).toBe(-1);
  });
});

describe("local sources", () => {
  it("deliver as their vector table entries say", async () => {
    const { m, core, cpu } = await one();
    core.lapicRaiseLocal(cpu, 0x2f0);
    expect(m.takeEvents(0)).toBe(0);
    core.lapicWrite(cpu, 0x2f0, 0x99);
    core.lapicWrite(cpu, 0x360, 0x400);
    core.lapicRaiseLocal(cpu, 0x2f0);
    expect(m.take()).toBe(0x99);
    m.takeEvents(0);
    core.lapicRaiseLocal(cpu, 0x360);
    expect(m.takeEvents(0)).toBe(Number(EventBit.values.NMI));
  });
});

describe("registers", () => {
  it("has the reset values of the manual", async () => {
    const { core, cpu } = await one();
    core.lapicReset(cpu);
    const values = [0x20, 0x30, 0x80, 0xd0, 0xe0, 0xf0, 0x320, 0x350, 0x370, 0x2f0, 0x380, 0x3e0].map(
      (r) => core.lapicRead(cpu, r) >>> 0,
    );
    expect(values).toEqual([0, 0x01060015, 0, 0, 0xffffffff, 0xff, 0x10000, 0x10000, 0x10000, 0x10000, 0, 0]);
  });

  it("keeps only the writable bits of each register", async () => {
    const { core, cpu } = await one();
    const after = (r: number) => {
      core.lapicWrite(cpu, r, 0xffffffff);
      return core.lapicRead(cpu, r) >>> 0;
    };
    expect([0xe0, 0xd0, 0x80].map(after)).toEqual([0xffffffff, 0xff000000, 0xff]);
    expect([0x320, 0x330, 0x350, 0x370, 0x3e0].map(after)).toEqual([0x700ff, 0x107ff, 0x1a7ff, 0x100ff, 0xb]);
    expect(after(0x30)).toBe(0x01060015);
    expect(after(0xf0)).toBe(0x13ff);
    core.lapicWrite(cpu, 0xe0, 0);
    expect(core.lapicRead(cpu, 0xe0)).toBe(0x0fffffff);
  });

  it("keeps the vector of a start-up IPI that comes while INIT resets", async () => {
    const { m, core } = await one();
    core.lapicWrite(m.cpu(0), 0x300, 0x469a);
    core.lapicInitReset(m.cpu(0));
    expect(m.lapicField(0, "sipiVector")).toBe(0x9a);
  });

  it("resets all but the id on INIT", async () => {
    const { m, core } = await one();
    const cpu = m.cpu(0);
    core.lapicWrite(cpu, 0x20, 0x07000000);
    core.lapicInject(cpu, 0x50, 0);
    core.lapicInitReset(cpu);
    expect(core.lapicRead(cpu, 0x20)).toBe(0x07000000);
    expect(core.lapicRead(cpu, 0xf0)).toBe(0xff);
    expect(core.lapicPending(cpu)).toBe(-1);
  });
});

describe("x2APIC and IA32_APIC_BASE", () => {
  it("allows exactly the transitions of the manual", async () => {
    const { core, cpu } = await one();
    const set = (v: number) => core.lapicSetBase(cpu, BigInt(0xfee00000 + v));
    expect(set(0x500)).toBe(0);
    expect(set(0xc00)).toBe(1);
    expect(set(0x800)).toBe(0);
    expect(set(0x400)).toBe(0);
    expect(set(0x000)).toBe(1);
    expect(set(0xc00)).toBe(0);
    expect(set(0x800)).toBe(1);
    expect(core.lapicSetBase(cpu, 0xfee00801n)).toBe(0);
    expect(core.lapicSetBase(cpu, 1n << 46n)).toBe(0);
  });

  it("takes no interrupts and answers no addresses while globally disabled", async () => {
    const { core, cpu } = await one();
    core.lapicSetBase(cpu, 0xfee00000n);
    expect(core.lapicInject(cpu, 0x50, 0)).toBe(0);
    expect(core.mmioRead(cpu, 0xfee00030n, 4)).toBe(0xffffffffn);
  });

  it("derives the logical id and shows the whole id", async () => {
    const m = await IrqMachine.create(12);
    m.enterX2apic(11);
    expect(m.core.lapicMsrRead(m.cpu(11), 0x802)).toBe(22n);
    expect(m.core.lapicMsrRead(m.cpu(11), 0x80d)).toBe(0x10040n);
  });

  it("faults on reserved bits, read-only and missing registers", async () => {
    const { m, core, cpu } = await one();
    m.enterX2apic(0);
    const write = (msr: number, v: bigint) => core.lapicMsrWrite(cpu, msr, v);
    expect(write(0x80b, 1n)).toBe(0);
    expect(write(0x80b, 0n)).toBe(1);
    expect(write(0x828, 1n)).toBe(0);
    expect(write(0x808, 0x100n)).toBe(0);
    expect(write(0x80f, 0x2000n)).toBe(0);
    expect(write(0x832, 0x80000n)).toBe(0);
    expect(write(0x830, 0x2000n)).toBe(0);
    expect(write(0x83f, 0x100n)).toBe(0);
    expect(write(0x838, 1n << 32n)).toBe(0);
    expect([0x802, 0x803, 0x80a, 0x80d, 0x80e, 0x810, 0x831, 0x839].map((r) => write(r, 0n))).toEqual(Array(8).fill(0));
    expect([0x802, 0x803, 0x830, 0x839].map(core.lapicMsrReadable)).toEqual([1, 1, 1, 1]);
    expect([0x800, 0x809, 0x80b, 0x80c, 0x80e, 0x831, 0x83f, 0x8ff].map(core.lapicMsrReadable)).toEqual(
      Array(8).fill(0),
    );
  });

  it("sends itself an interrupt through the self-IPI register", async () => {
    const { m, core, cpu } = await one();
    m.enterX2apic(0);
    expect(core.lapicMsrWrite(cpu, 0x83f, 0x66n)).toBe(1);
    expect(m.take()).toBe(0x66);
  });
});

describe("saved state", () => {
  it("comes back with requests, service and the time left on the timer", async () => {
    const { m, core, cpu } = await one();
    core.lapicInject(cpu, 0x61, 0);
    m.take();
    core.lapicInject(cpu, 0x52, 1);
    core.lapicWrite(cpu, 0x3e0, 0xb);
    core.lapicWrite(cpu, 0x320, 0x40);
    core.lapicWrite(cpu, 0x380, 1000);
    m.now = 400;
    const bytes = core.lapicSave(cpu, SCRATCH);
    const other = await one();
    new Uint8Array(other.m.view.buffer).set(new Uint8Array(m.view.buffer, SCRATCH, bytes), SCRATCH);
    other.m.now = 5000;
    expect(other.core.lapicRestore(other.cpu, SCRATCH, bytes)).toBe(1);
    expect(other.core.lapicTimerDeadline(other.cpu)).toBe(5600n);
    other.core.lapicEoi(other.cpu);
    expect(other.m.take()).toBe(0x52);
  });

  it("refuses bytes of another device, version or length", async () => {
    const { m, core, cpu } = await one();
    const bytes = core.lapicSave(cpu, SCRATCH);
    expect(core.lapicRestore(cpu, SCRATCH, bytes - 1)).toBe(0);
    m.view.setUint16(SCRATCH + 4, 99, true);
    expect(core.lapicRestore(cpu, SCRATCH, bytes)).toBe(0);
  });
});
