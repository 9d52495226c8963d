import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ShutdownReason } from "../../abi/structs/domain.js";
import { PlatformFlag } from "../../abi/structs/platform.js";
import { ALL_DEVICES, IrqMachine } from "../irq/testing/harness.js";

const POWEROFF = Number(ShutdownReason.values.POWEROFF);
const REBOOT = Number(ShutdownReason.values.REBOOT);
const NONE = 0xffffffff;

/** How the domain ended, or "runs". */
function end(m: IrqMachine): string {
  if (m.domainField("shutdown") === 0) return "runs";
  return m.domainField("shutdownReason") === POWEROFF ? "poweroff" : "reboot";
}

describe("absent devices", () => {
  it("reads all ones of each size and ignores writes", async () => {
    const m = await IrqMachine.create(1, 0);
    for (const port of [0x20, 0x40, 0x60, 0x64, 0x70, 0x71, 0xe9, 0xf4, 0x3f8, 0x3fd, 0x608, 0xcf8, 0xffff]) {
      m.core.ioWrite(m.cpu(0), port, 4, 0);
      expect([1, 2, 4].map((size) => m.core.ioRead(m.cpu(0), port, size) >>> 0)).toEqual([0xff, 0xffff, 0xffffffff]);
    }
    for (const gpa of [0xfec00000n, 0xfed00000n, 0xfee01000n, 1n << 40n]) {
      m.core.mmioWrite(m.cpu(0), gpa, 8, 0n);
      expect(BigInt.asUintN(64, m.core.mmioRead(m.cpu(0), gpa, 8))).toBe(0xffffffffffffffffn);
      expect(m.core.mmioRead(m.cpu(0), gpa, 2)).toBe(0xffffn);
    }
    expect(end(m)).toBe("runs");
  });
});

describe("access sizes", () => {
  it("splits wide accesses to byte devices, low byte first", async () => {
    const m = await IrqMachine.create(1);
    m.core.ioWrite(m.cpu(0), 0x3fe, 2, 0x5a00);
    expect(m.core.ioRead(m.cpu(0), 0x3ff, 1)).toBe(0x5a);
    expect(m.core.ioRead(m.cpu(0), 0x3ff, 2)).toBe(0xff5a);
    expect(m.core.ioRead(m.cpu(0), 0xe8, 4) >>> 0).toBe(0xffffe9ff);
  });

  it("gives bytes 4 to 15 of a memory-mapped register as zero and takes aligned dwords only", async () => {
    const m = await IrqMachine.create(1);
    const read = (gpa: bigint, size: number) => m.core.mmioRead(m.cpu(0), gpa, size);
    expect(read(0xfee00030n, 4)).toBe(0x01060015n);
    expect(read(0xfee00030n, 8)).toBe(0x01060015n);
    expect(read(0xfee00032n, 1)).toBe(6n);
    expect(read(0xfee00034n, 4)).toBe(0n);
    m.core.mmioWrite(m.cpu(0), 0xfee00080n, 1, 0x50n);
    m.core.mmioWrite(m.cpu(0), 0xfee00084n, 4, 0x50n);
    expect(read(0xfee00080n, 4)).toBe(0n);
    m.core.mmioWrite(m.cpu(0), 0xfee00080n, 4, 0x50n);
    expect(read(0xfee00080n, 4)).toBe(0x50n);
  });
});

describe("the local APIC page", () => {
  it("follows IA32_APIC_BASE and is each vCPU's own", async () => {
    const m = await IrqMachine.create(2);
    expect(m.core.mmioRead(m.cpu(1), 0xfee00020n, 4)).toBe(0x02000000n);
    m.core.lapicSetBase(m.cpu(1), 0x12345800n);
    expect(m.core.mmioRead(m.cpu(1), 0x12345020n, 4)).toBe(0x02000000n);
    expect(m.core.mmioRead(m.cpu(1), 0xfee00020n, 4)).toBe(0xffffffffn);
    expect(m.core.mmioRead(m.cpu(0), 0xfee00020n, 4)).toBe(0n);
  });

  it("disappears in x2APIC mode", async () => {
    const m = await IrqMachine.create(1);
    m.enterX2apic(0);
    expect(m.core.mmioRead(m.cpu(0), 0xfee00030n, 4)).toBe(0xffffffffn);
  });
});

describe("exit port", () => {
  it("ends the domain with twice the value plus one; the first write counts", async () => {
    const m = await IrqMachine.create(1);
    m.core.ioWrite(m.cpu(0), 0xf4, 4, 0x123);
    m.outb(0xf4, 1);
    expect(m.domainField("exitStatus")).toBe(0x247);
    expect(end(m)).toBe("poweroff");
  });

  it("has a status for every value", async () => {
    const m = await IrqMachine.create(1);
    m.core.ioWrite(m.cpu(0), 0xf4, 4, -1);
    expect(m.domainField("exitStatus")).toBe(0x7fffffff);
  });

  it("takes only the bytes written", async () => {
    const m = await IrqMachine.create(1);
    m.core.ioWrite(m.cpu(0), 0xf4, 1, 0xffffff10);
    expect(m.domainField("exitStatus")).toBe(0x21);
  });
});

describe("debug console", () => {
  it("puts bytes out, identifies itself and says when it must wait", async () => {
    const m = await IrqMachine.create(1);
    for (const c of "hello") m.outb(0xe9, c.charCodeAt(0));
    expect(m.serialOutput()).toBe("hello");
    expect(m.inb(0xe9)).toBe(0xe9);
    for (let i = 0; i < 2048; i++) m.outb(0xe9, 0x2e);
    expect(m.core.ioWriteBlocked(m.cpu(0), 0xe9)).toBe(1);
    m.serialOutput();
    expect(m.core.ioWriteBlocked(m.cpu(0), 0xe9)).toBe(0);
    expect(m.core.ioWriteBlocked(m.cpu(0), 0xea)).toBe(0);
  });
});

describe("power", () => {
  const ends: [string, number, number, string][] = [
    ["S5 through the sleep control register", 0x600, 0x34, "poweroff"],
    ["another sleep type", 0x600, 0x30, "runs"],
    ["S5 without SLP_EN", 0x600, 0x14, "runs"],
    ["the ACPI reset register", 0x604, 0x01, "reboot"],
    ["another value in it", 0x604, 0x00, "runs"],
    ["the keyboard controller's reset pulse", 0x64, 0xfe, "reboot"],
    ["another keyboard command", 0x64, 0xd1, "runs"],
    ["port 0x92 bit 0", 0x92, 0x03, "reboot"],
    ["the A20 bit of port 0x92", 0x92, 0x02, "runs"],
    ["the choice of reset in 0xcf9", 0xcf9, 0x02, "runs"],
    ["the reset in 0xcf9", 0xcf9, 0x06, "reboot"],
  ];
  it.each(ends)("%s", async (_name, port, value, expected) => {
    const m = await IrqMachine.create(1, 0);
    m.outb(port, value);
    expect(end(m)).toBe(expected);
    expect(m.domainField("shutdownReason")).toBe(
      expected === "runs" ? NONE : expected === "reboot" ? REBOOT : POWEROFF,
    );
  });

  it("leaves 0xcf9 alone when the PCI address register is written", async () => {
    const m = await IrqMachine.create(1, 0);
    m.core.ioWrite(m.cpu(0), 0xcf8, 4, 0x80000600);
    expect(end(m)).toBe("runs");
  });
});

describe("ACPI PM timer", () => {
  it("counts 3.579545 MHz, also by bytes", async () => {
    const m = await IrqMachine.create(1);
    m.now = 3_000_000_000_000;
    const ticks = (3000 * 3579545) % 2 ** 32;
    expect(m.core.ioRead(m.cpu(0), 0x608, 4) >>> 0).toBe(ticks);
    expect(m.inb(0x609)).toBe((ticks >>> 8) & 0xff);
  });
});

describe("hostile guests", () => {
  it("cannot make any port or address trap", async () => {
    const m = await IrqMachine.create(2, ALL_DEVICES);
    const port = fc.oneof(
      fc.constantFrom(0x40, 0x42, 0x43, 0x61, 0x3f8, 0x3f9, 0x3fa, 0x3fb, 0x3fc, 0xe9, 0x608),
      fc.nat(0xffff),
    );
    const gpa = fc.oneof(
      fc.nat(0xfff).map((o) => 0xfee00000n + BigInt(o)),
      fc.nat(0xff).map((o) => 0xfec00000n + BigInt(o)),
      fc.bigInt(0n, (1n << 52n) - 1n),
    );
    const value = fc.bigInt(0n, (1n << 64n) - 1n);
    const step = fc.tuple(fc.nat(7), port, gpa, fc.constantFrom(1, 2, 4), value, fc.nat(10_000_000));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        for (const [kind, at, address, size, v, pass] of steps) {
          const cpu = m.cpu(pass & 1);
          m.now += pass;
          if (kind < 2) m.core.ioRead(cpu, at, size);
          else if (kind < 4) m.core.ioWrite(cpu, at, size, Number(v & 0xffffffffn));
          else if (kind === 4) m.core.mmioRead(cpu, address, size);
          else if (kind === 5) m.core.mmioWrite(cpu, address, size, v);
          else if (kind === 6) m.core.lapicMsrWrite(cpu, 0x800 + (at & 0xff), v);
          else m.core.platformFire(m.dom);
          m.core.lapicTimerFire(cpu);
          m.core.platformDeadline(m.dom);
        }
      }),
      { numRuns: 200 },
    );
  });

  it("has flags for every device", () => {
    expect(Object.keys(PlatformFlag.values)).toEqual(["SERIAL", "DEBUGCON", "EXIT_PORT", "IOAPIC", "PIT", "PM_TIMER"]);
  });
});
