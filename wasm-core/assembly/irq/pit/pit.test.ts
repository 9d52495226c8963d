import { describe, expect, it } from "vitest";
import { EventBit, Vcpu } from "../../../abi/structs/vcpu.js";
import { IrqMachine } from "../testing/harness.js";

const NEVER = 0xffffffffffffffffn;
const HZ = 1193182;
/** First nanosecond at which `clocks` PIT clocks have passed. */
const ns = (clocks: number) => Math.ceil((clocks * 1e9) / HZ);

async function pit() {
  const m = await IrqMachine.create(1);
  m.route(2, 0x30);
  const at = (clocks: number) => {
    m.now = ns(clocks);
  };
  const write = (channel: number, count: number) => {
    m.outb(0x40 + channel, count & 0xff);
    m.outb(0x40 + channel, count >> 8);
  };
  const read = (channel: number) => m.inb(0x40 + channel) | (m.inb(0x40 + channel) << 8);
  const out2 = () => (m.inb(0x61) >> 5) & 1;
  const gate = (level: number) => m.outb(0x61, level);
  /** Levels of OUT2 at successive clocks. */
  const wave = (from: number, clocks: number) =>
    Array.from({ length: clocks }, (_, i) => {
      at(from + i);
      return out2();
    }).join("");
  /** Interrupts that have come in until now. */
  const interrupts = () => {
    m.core.platformFire(m.dom);
    let n = 0;
    for (; m.take() === 0x30; n++) m.core.lapicEoi(m.cpu(0));
    return n;
  };
  const deadline = () => BigInt.asUintN(64, m.core.platformDeadline(m.dom));
  return { m, at, write, read, out2, gate, wave, interrupts, deadline };
}

describe("mode 0, interrupt on terminal count", () => {
  it("raises OUT count + 1 clocks after the write and interrupts once", async () => {
    const t = await pit();
    t.m.outb(0x43, 0x30);
    t.interrupts();
    t.write(0, 1000);
    expect(t.deadline()).toBe(BigInt(ns(1001)));
    t.at(1000);
    expect(t.interrupts()).toBe(0);
    t.at(1001);
    expect(t.interrupts()).toBe(1);
    expect(t.deadline()).toBe(NEVER);
    t.at(1011);
    expect(t.read(0)).toBe(65536 - 10);
  });

  it("is held by a low gate and stopped by the first byte of a new count", async () => {
    const t = await pit();
    t.gate(1);
    t.m.outb(0x43, 0xb0);
    t.write(2, 100);
    t.at(51);
    t.gate(0);
    t.at(500);
    expect(t.read(2)).toBe(50);
    t.gate(1);
    t.at(520);
    expect(t.read(2)).toBe(30);
    t.at(550);
    expect(t.out2()).toBe(1);
    t.m.outb(0x42, 5);
    expect(t.out2()).toBe(0);
    t.at(5000);
    expect(t.out2()).toBe(0);
  });
});

describe("mode 1, retriggerable one-shot", () => {
  it("goes low for count clocks after each trigger", async () => {
    const t = await pit();
    t.m.outb(0x43, 0xb2);
    t.write(2, 3);
    expect(t.wave(10, 3)).toBe("111");
    t.at(20);
    t.gate(1);
    expect(t.wave(20, 6)).toBe("100011");
    t.gate(0);
    t.gate(1);
    t.at(27);
    t.gate(0);
    t.gate(1);
    expect(t.wave(28, 5)).toBe("00011");
  });
});

describe("mode 2, rate generator", () => {
  it("goes low for the last clock of each period and interrupts at its end, without drift", async () => {
    const t = await pit();
    t.gate(1);
    t.m.outb(0x43, 0xb4);
    t.write(2, 4);
    expect(t.wave(1, 9)).toBe("111011101");
    t.m.outb(0x43, 0x34);
    t.write(0, 1193);
    const start = 10;
    let count = 0;
    for (let i = 1; i <= 50; i++) {
      t.at(start + i * 1193);
      count += t.interrupts();
    }
    expect(count).toBe(50);
    expect(t.deadline()).toBe(BigInt(ns(start + 51 * 1193)));
  });

  it("takes a new count at the end of the period", async () => {
    const t = await pit();
    t.gate(1);
    t.m.outb(0x43, 0xb4);
    t.write(2, 4);
    t.at(2);
    t.write(2, 2);
    expect(t.wave(3, 6)).toBe("101010");
  });

  it("restarts at a rising gate and is high while the gate is low", async () => {
    const t = await pit();
    t.gate(1);
    t.m.outb(0x43, 0xb4);
    t.write(2, 3);
    t.at(2);
    t.gate(0);
    expect(t.wave(3, 4)).toBe("1111");
    t.at(10);
    t.gate(1);
    expect(t.wave(11, 6)).toBe("110110");
  });
});

describe("mode 3, square wave", () => {
  it("is high for half the count, rounded up", async () => {
    const t = await pit();
    t.gate(1);
    t.m.outb(0x43, 0xb6);
    t.write(2, 4);
    expect(t.wave(1, 8)).toBe("11001100");
    t.m.outb(0x43, 0xb6);
    t.write(2, 5);
    expect(t.wave(9, 10)).toBe("1110011100");
  });

  it("counts by two", async () => {
    const t = await pit();
    t.gate(1);
    t.m.outb(0x43, 0xb6);
    t.write(2, 1000);
    t.at(11);
    expect(t.read(2)).toBe(980);
    t.at(511);
    expect(t.read(2)).toBe(980);
  });

  it("takes a new count at the end of the half period", async () => {
    const t = await pit();
    t.gate(1);
    t.m.outb(0x43, 0xb6);
    t.write(2, 8);
    t.at(2);
    t.write(2, 4);
    expect(t.wave(3, 10)).toBe("1100110011");
  });
});

describe("modes 4 and 5, strobes", () => {
  it("strobes for one clock after the count", async () => {
    const t = await pit();
    t.gate(1);
    t.m.outb(0x43, 0xb8);
    t.write(2, 3);
    expect(t.wave(1, 6)).toBe("111011");
  });

  it("starts at the gate in mode 5", async () => {
    const t = await pit();
    t.m.outb(0x43, 0xba);
    t.write(2, 3);
    expect(t.wave(1, 6)).toBe("111111");
    t.gate(1);
    expect(t.wave(7, 6)).toBe("111011");
  });
});

describe("reading", () => {
  it("latches a count until both bytes are read", async () => {
    const t = await pit();
    t.m.outb(0x43, 0x34);
    t.write(0, 0x8000);
    t.at(0x101);
    t.m.outb(0x43, 0x00);
    t.at(0x201);
    t.m.outb(0x43, 0x00);
    expect(t.read(0)).toBe(0x7f00);
    expect(t.read(0)).toBe(0x7e00);
  });

  it("reads status and counts back from several counters at once", async () => {
    const t = await pit();
    t.m.outb(0x43, 0x34);
    t.m.outb(0x43, 0xc2);
    expect(t.m.inb(0x40)).toBe(0xf4);
    t.read(0);
    t.write(0, 1000);
    t.at(101);
    t.m.outb(0x43, 0xc2);
    t.at(500);
    expect(t.m.inb(0x40)).toBe(0xb4);
    expect(t.read(0)).toBe(900);
  });

  it("counts in BCD", async () => {
    const t = await pit();
    t.m.outb(0x43, 0x35);
    t.write(0, 0x1000);
    t.at(2);
    expect(t.read(0)).toBe(0x0999);
    t.m.outb(0x43, 0x31);
    t.write(0, 0);
    t.at(4);
    expect(t.read(0)).toBe(0x9999);
  });

  it("gives one byte in the single-byte access modes", async () => {
    const t = await pit();
    t.m.outb(0x43, 0x14);
    t.m.outb(0x40, 100);
    t.at(11);
    expect([t.m.inb(0x40), t.m.inb(0x40)]).toEqual([90, 90]);
    t.m.outb(0x43, 0x24);
    t.m.outb(0x40, 2);
    expect(t.m.inb(0x40)).toBe(2);
  });
});

describe("port 0x61", () => {
  it("keeps its low bits, toggles the refresh bit", async () => {
    const t = await pit();
    t.m.outb(0x61, 0xff);
    expect(t.m.inb(0x61) & 0xcf).toBe(0x0f);
    const first = t.m.inb(0x61) & 0x10;
    t.m.now += 15_100;
    expect(t.m.inb(0x61) & 0x10).not.toBe(first);
  });
});

describe("waking", () => {
  it("makes vCPU 0, which keeps the platform's time, look again", async () => {
    const m = await IrqMachine.create(2);
    m.route(2, 0x30);
    for (const i of [0, 1]) m.view.setBigUint64(m.cpu(i) + Vcpu.off.wakeTime, NEVER, true);
    m.takeEvents(0);
    for (const [port, value] of [
      [0x43, 0x34],
      [0x40, 0xe8],
      [0x40, 0x03],
    ] as const)
      m.core.ioWrite(m.cpu(1), port, 1, value);
    expect(m.takeEvents(0)).toBe(Number(EventBit.values.INTERRUPT));
    m.put32(m.cpu(0) + Vcpu.off.budget, 777);
    m.outb(0x43, 0xd2);
    expect(m.get32(m.cpu(0) + Vcpu.off.budget)).toBe(0);
    expect(m.view.getBigUint64(m.cpu(0) + Vcpu.off.wakeTime, true)).toBe(m.core.platformDeadline(m.dom));
  });

  it("asks for no wake-up while the interrupt is masked", async () => {
    const t = await pit();
    t.m.outb(0x43, 0x34);
    t.write(0, 1000);
    t.m.route(2, 0x10030);
    expect(t.deadline()).toBe(NEVER);
    t.at(5500);
    t.m.route(2, 0x30);
    expect(t.interrupts()).toBe(0);
    expect(t.deadline()).toBe(BigInt(ns(6001)));
  });
});
