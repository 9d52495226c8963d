import { describe, expect, it } from "vitest";
import { Vcpu } from "../../../abi/structs/vcpu.js";
import { IrqMachine } from "../testing/harness.js";

const NEVER = 0xffffffffffffffffn;
const ONE_SHOT = 0x40;
const PERIODIC = 0x20040;
const DEADLINE = 0x40040;

/** A machine whose timer divides by one and has vector 0x40. */
async function timer(entry: number) {
  const m = await IrqMachine.create(1);
  const cpu = m.cpu(0);
  const reg = (offset: number, value: number) => m.core.lapicWrite(cpu, offset, value);
  reg(0x3e0, 0xb);
  reg(0x320, entry);
  const count = () => m.core.lapicRead(cpu, 0x390) >>> 0;
  const fire = () => m.core.lapicTimerFire(cpu);
  return { m, core: m.core, cpu, reg, count, fire, deadline: () => BigInt.asUintN(64, m.core.lapicTimerDeadline(cpu)) };
}

describe("one-shot", () => {
  it("counts down to zero, interrupts once and stays there", async () => {
    const t = await timer(ONE_SHOT);
    t.reg(0x380, 1000);
    t.m.now = 999;
    expect(t.count()).toBe(1);
    t.fire();
    expect(t.m.take()).toBe(-1);
    expect(t.deadline()).toBe(1000n);
    t.m.now = 1000;
    t.fire();
    expect(t.m.take()).toBe(0x40);
    expect(t.count()).toBe(0);
    expect(t.deadline()).toBe(NEVER);
  });

  it("divides the 1 GHz bus by 1 to 128", async () => {
    const t = await timer(ONE_SHOT);
    for (const [config, divisor] of [
      [0xb, 1],
      [0, 2],
      [1, 4],
      [2, 8],
      [3, 16],
      [8, 32],
      [9, 64],
      [10, 128],
    ] as const) {
      t.reg(0x3e0, config);
      t.reg(0x380, 100);
      expect(t.deadline()).toBe(BigInt(t.m.now + 100 * divisor));
    }
  });

  it("counts without interrupting while masked", async () => {
    const t = await timer(0x10000 | ONE_SHOT);
    t.reg(0x380, 10);
    t.m.now = 11;
    t.fire();
    expect(t.m.take()).toBe(-1);
    expect(t.count()).toBe(0);
  });

  it("stops when the initial count is zeroed", async () => {
    const t = await timer(ONE_SHOT);
    t.reg(0x380, 10);
    t.reg(0x380, 0);
    expect(t.deadline()).toBe(NEVER);
  });

  it("goes on at the new rate when the divisor changes", async () => {
    const t = await timer(ONE_SHOT);
    t.reg(0x380, 1000);
    t.m.now = 400;
    t.reg(0x3e0, 0);
    expect(t.count()).toBe(600);
    expect(t.deadline()).toBe(1600n);
  });
});

describe("the slice that runs", () => {
  it("ends when the timer is armed earlier than anything the scheduler knows of", async () => {
    const t = await timer(ONE_SHOT);
    const budget = () => t.m.get32(t.cpu + Vcpu.off.budget);
    t.m.view.setBigUint64(t.cpu + Vcpu.off.wakeTime, 5000n, true);
    t.m.put32(t.cpu + Vcpu.off.budget, 777);
    t.reg(0x380, 6000);
    expect(budget()).toBe(777);
    t.reg(0x380, 1000);
    expect(budget()).toBe(0);
    expect(t.m.view.getBigUint64(t.cpu + Vcpu.off.wakeTime, true)).toBe(1000n);
  });
});

describe("periodic", () => {
  it("re-arms from the deadline, not from when it was noticed", async () => {
    const t = await timer(PERIODIC);
    t.reg(0x380, 1000);
    t.m.now = 1300;
    t.fire();
    expect(t.m.take()).toBe(0x40);
    expect(t.deadline()).toBe(2000n);
    expect(t.count()).toBe(700);
  });

  it("collapses missed periods into one interrupt and keeps its phase", async () => {
    const t = await timer(PERIODIC);
    t.reg(0x380, 1000);
    t.m.now = 7250;
    t.fire();
    expect(t.m.take()).toBe(0x40);
    t.core.lapicEoi(t.cpu);
    expect(t.m.take()).toBe(-1);
    expect(t.deadline()).toBe(8000n);
  });

  it("keeps counting when the mode changes to one-shot and back", async () => {
    const t = await timer(PERIODIC);
    t.reg(0x380, 1000);
    t.m.now = 2600;
    t.fire();
    t.reg(0x320, ONE_SHOT);
    expect(t.count()).toBe(400);
    t.m.now = 3000;
    t.fire();
    expect(t.count()).toBe(0);
    t.reg(0x320, PERIODIC);
    expect(t.count()).toBe(0);
    expect(t.core.lapicRead(t.cpu, 0x380)).toBe(1000);
  });
});

describe("TSC deadline", () => {
  it("fires when the guest's TSC reaches the deadline and reads zero afterwards", async () => {
    const t = await timer(DEADLINE);
    t.m.view.setBigInt64(t.cpu + Vcpu.off.tscOffset, -500n, true);
    t.m.now = 1000;
    t.core.lapicTscDeadlineWrite(t.cpu, 700n);
    expect(t.deadline()).toBe(1200n);
    expect(t.core.lapicTscDeadlineRead(t.cpu)).toBe(700n);
    t.m.now = 1200;
    t.fire();
    expect(t.m.take()).toBe(0x40);
    expect(t.core.lapicTscDeadlineRead(t.cpu)).toBe(0n);
  });

  it("fires at once for a deadline in the past, disarms on zero", async () => {
    const t = await timer(DEADLINE);
    t.m.view.setBigInt64(t.cpu + Vcpu.off.tscOffset, 5000n, true);
    t.core.lapicTscDeadlineWrite(t.cpu, 10n);
    expect(t.m.take()).toBe(0x40);
    t.core.lapicTscDeadlineWrite(t.cpu, 1_000_000n);
    t.core.lapicTscDeadlineWrite(t.cpu, 0n);
    expect(t.deadline()).toBe(NEVER);
  });

  it("never comes for a deadline beyond the end of time", async () => {
    const t = await timer(DEADLINE);
    t.m.view.setBigInt64(t.cpu + Vcpu.off.tscOffset, -5000n, true);
    t.core.lapicTscDeadlineWrite(t.cpu, NEVER);
    expect(t.deadline()).toBe(NEVER);
  });

  it("ignores the MSR in the other modes and the initial count in this one", async () => {
    const t = await timer(ONE_SHOT);
    t.core.lapicTscDeadlineWrite(t.cpu, 10n);
    expect(t.core.lapicTscDeadlineRead(t.cpu)).toBe(0n);
    t.reg(0x380, 100);
    t.reg(0x320, DEADLINE);
    expect(t.deadline()).toBe(NEVER);
    t.reg(0x380, 100);
    expect(t.count()).toBe(0);
    expect(t.deadline()).toBe(NEVER);
  });
});
