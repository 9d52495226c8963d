import { describe, expect, it } from "vitest";
import { IrqMachine, SCRATCH } from "../../irq/testing/harness.js";

const COM1 = 0x3f8;
const [DATA, IER, IIR, LCR, MCR, LSR, MSR, SCR] = [0, 1, 2, 3, 4, 5, 6, 7] as const;
/** Four characters of ten bits at 115200 baud, ns. */
const TIMEOUT = 4 * 10 * 8681;

/** A UART at 115200 8N1 with its interrupt connected to vector 0x34. */
async function uart(fcr = 0) {
  const m = await IrqMachine.create(1);
  m.route(4, 0x34);
  const read = (reg: number) => m.inb(COM1 + reg);
  const write = (reg: number, value: number) => m.outb(COM1 + reg, value);
  write(LCR, 0x83);
  write(DATA, 1);
  write(IER, 0);
  write(LCR, 0x03);
  write(MCR, 0x0b);
  write(IIR, fcr);
  /** True when an interrupt has come in; takes it. */
  const interrupted = () => {
    if (m.take() !== 0x34) return false;
    m.core.lapicEoi(m.cpu(0));
    return true;
  };
  return { m, read, write, interrupted };
}

describe("registers", () => {
  it("has the divisor latch behind DLAB", async () => {
    const { read, write } = await uart();
    write(LCR, 0x83);
    write(DATA, 0x34);
    write(IER, 0x12);
    expect([read(DATA), read(IER)]).toEqual([0x34, 0x12]);
    write(LCR, 0x03);
    expect(read(IER)).toBe(0);
  });

  it("keeps writable bits only, and the scratch register", async () => {
    const { read, write } = await uart();
    write(IER, 0xff);
    write(MCR, 0xff);
    write(SCR, 0xa5);
    expect([read(IER), read(MCR), read(SCR)]).toEqual([0x0f, 0x1f, 0xa5]);
  });

  it("shows a ready terminal on the modem lines", async () => {
    expect((await uart()).read(MSR)).toBe(0xb0);
  });

  it("identifies itself as a 16550A only with FIFOs enabled", async () => {
    const { read, write } = await uart();
    expect(read(IIR)).toBe(0x01);
    write(IIR, 0x06);
    expect(read(IIR)).toBe(0x01);
    write(IIR, 0x01);
    expect(read(IIR)).toBe(0xc1);
  });
});

describe("transmitter", () => {
  it("sends at once and interrupts when empty", async () => {
    const { m, read, write, interrupted } = await uart();
    write(IER, 0x02);
    expect(interrupted()).toBe(true);
    expect(read(IIR)).toBe(0x02);
    expect(read(IIR)).toBe(0x01);
    write(DATA, 0x41);
    expect(interrupted()).toBe(true);
    write(DATA, 0x42);
    expect(interrupted()).toBe(true);
    expect(m.serialOutput()).toBe("AB");
  });

  it("holds THRE back while Domain0 has no room, and loses nothing", async () => {
    const { m, read, write, interrupted } = await uart(0x01);
    write(IER, 0x02);
    read(IIR);
    interrupted();
    for (let i = 0; i < 2048 + 16; i++) write(DATA, 0x61 + (i % 26));
    interrupted();
    expect(read(LSR) & 0x60).toBe(0);
    expect(read(IIR)).toBe(0xc1);
    expect(m.core.platformDeadline(m.dom)).toBe(1_000_000n);
    const first = m.serialOutput();
    m.now = 1_000_000;
    m.core.platformFire(m.dom);
    expect(interrupted()).toBe(true);
    expect(read(LSR) & 0x60).toBe(0x60);
    const all = first + m.serialOutput();
    expect(all.length).toBe(2064);
    expect(all.slice(2040)).toBe(
      Array.from({ length: 24 }, (_, i) => String.fromCharCode(0x61 + ((2040 + i) % 26))).join(""),
    );
  });

  it("interrupts only with OUT2 set", async () => {
    const { write, interrupted } = await uart();
    write(MCR, 0x03);
    write(IER, 0x02);
    expect(interrupted()).toBe(false);
    write(MCR, 0x0b);
    expect(interrupted()).toBe(true);
  });
});

describe("receiver", () => {
  it("interrupts for each character without FIFOs and never overruns", async () => {
    const { m, read, write, interrupted } = await uart();
    write(IER, 0x01);
    m.serialInput("hi");
    expect(interrupted()).toBe(true);
    expect(read(IIR)).toBe(0x04);
    expect(read(LSR)).toBe(0x61);
    expect([read(DATA), read(DATA)]).toEqual([0x68, 0x69]);
    expect(read(LSR)).toBe(0x60);
    expect(read(IIR)).toBe(0x01);
  });

  it("interrupts at the trigger level with FIFOs", async () => {
    const { m, read, write, interrupted } = await uart(0x81);
    write(IER, 0x01);
    m.serialInput("1234567");
    expect(interrupted()).toBe(false);
    m.serialInput("8");
    expect(interrupted()).toBe(true);
    expect(read(IIR)).toBe(0xc4);
    read(DATA);
    expect(read(IIR)).toBe(0xc1);
  });

  it("reports fewer characters after four character times without a change", async () => {
    const { m, read, write, interrupted } = await uart(0xc1);
    write(IER, 0x01);
    m.now = 1000;
    m.serialInput("ab");
    expect(m.core.platformDeadline(m.dom)).toBe(BigInt(1000 + TIMEOUT));
    m.now = 1000 + TIMEOUT;
    m.core.platformFire(m.dom);
    expect(interrupted()).toBe(true);
    expect(read(IIR)).toBe(0xcc);
    expect(read(DATA)).toBe(0x61);
    expect(read(IIR)).toBe(0xc1);
    m.now += TIMEOUT;
    expect(read(IIR)).toBe(0xcc);
    read(DATA);
    expect(m.core.platformDeadline(m.dom)).toBe(-1n);
  });

  it("takes more input than the FIFO holds as the guest reads it", async () => {
    const { m, read } = await uart(0x01);
    const text = "x".repeat(40) + "end";
    m.serialInput(text);
    let got = "";
    while (read(LSR) & 1) got += String.fromCharCode(read(DATA));
    expect(got).toBe(text);
  });

  it("drops received characters when the FIFO is reset", async () => {
    const { m, read, write } = await uart(0x01);
    m.serialInput("abc");
    write(IIR, 0x03);
    expect(read(LSR) & 1).toBe(0);
  });
});

describe("loopback", () => {
  it("returns characters to the receiver and not to the line, by word length", async () => {
    const { m, read, write } = await uart(0x01);
    write(MCR, 0x1b);
    write(LCR, 0x02);
    write(DATA, 0xc1);
    expect([read(LSR) & 1, read(DATA)]).toEqual([1, 0x41]);
    expect(m.serialOutput()).toBe("");
  });

  it("connects modem outputs to inputs, with change bits", async () => {
    const { read, write } = await uart();
    read(MSR);
    write(MCR, 0x1a);
    expect(read(MSR)).toBe(0x92);
    expect(read(MSR)).toBe(0x90);
    write(MCR, 0x14);
    expect(read(MSR)).toBe(0x49);
    write(MCR, 0x10);
    expect(read(MSR)).toBe(0x04);
  });

  it("overruns when the receiver is full, and reports it first", async () => {
    const { read, write, interrupted } = await uart(0x01);
    write(IER, 0x05);
    write(MCR, 0x1b);
    for (let i = 0; i < 17; i++) write(DATA, i);
    expect(interrupted()).toBe(true);
    expect(read(IIR)).toBe(0xc6);
    expect(read(LSR) & 0x03).toBe(0x03);
    expect(read(IIR)).toBe(0xc4);
    expect(read(DATA)).toBe(0);
  });

  it("receives a break as a zero with its error bit", async () => {
    const { read, write } = await uart(0x01);
    write(MCR, 0x1b);
    write(LCR, 0x43);
    expect(read(LSR) & 0x91).toBe(0x91);
    expect(read(LSR) & 0x91).toBe(0x01);
    expect(read(DATA)).toBe(0);
  });
});

describe("saved state", () => {
  it("brings back the whole platform", async () => {
    const a = await uart(0xc1);
    a.write(IER, 0x01);
    a.m.serialInput("ab");
    a.m.outb(0x43, 0x34);
    a.m.outb(0x40, 0xe8);
    a.m.outb(0x40, 0x03);
    a.m.now = 100_000;
    const bytes = a.m.core.platformSave(a.m.dom, SCRATCH);
    const b = await IrqMachine.create(1);
    new Uint8Array(b.view.buffer).set(new Uint8Array(a.m.view.buffer, SCRATCH, bytes), SCRATCH);
    b.now = 7_000_000;
    expect(b.core.platformRestore(b.dom, SCRATCH, bytes)).toBe(1);
    expect(b.core.platformDeadline(b.dom)).toBe(BigInt(7_000_000 + TIMEOUT - 100_000));
    b.outb(0x43, 0);
    expect(b.inb(0x40) | (b.inb(0x40) << 8)).toBe(1000 - (Math.floor((100_000 * 1193182) / 1e9) - 1));
    expect([b.inb(COM1), b.inb(COM1)]).toEqual([0x61, 0x62]);
  });

  it("refuses states that would break a device", async () => {
    const { m } = await uart();
    const bytes = m.core.platformSave(m.dom, SCRATCH);
    for (let at = 0; at < bytes; at += 4) {
      const old = m.get32(SCRATCH + at);
      m.put32(SCRATCH + at, 0xffffffff);
      m.core.platformRestore(m.dom, SCRATCH, bytes);
      m.inb(0x40);
      m.inb(COM1);
      m.core.platformFire(m.dom);
      m.put32(SCRATCH + at, old);
    }
    expect(m.core.platformRestore(m.dom, SCRATCH, bytes)).toBe(1);
  });
});
