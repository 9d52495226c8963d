import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Domain, DomainStat } from "../../abi/structs/domain.js";
import { LogRecord, LOG_BYTES, Machine, MACHINE_BASE } from "../../abi/structs/machine.js";
import { SharedInfo, VcpuInfo, VcpuTime, XenVcpu } from "../../abi/structs/xen.js";
import { TLB_BYTES } from "../../abi/structs/translation.js";
import { SegIndex, Vcpu } from "../../abi/structs/vcpu.js";
import { Guest, LIST, machineWith, STRUCT } from "./testing/guests.js";

const SELF = 0x7ff0;
const ENOSYS = -38;
const EFAULT = -14;
const EPERM = -1;

async function one(vcpus = 1, pages = 512): Promise<Guest> {
  const [, g] = await machineWith([[vcpus, pages]]);
  return g as Guest;
}
const stat = (g: Guest, n: number | bigint) =>
  g.core.view().getBigUint64(g.dom + Domain.off.stats + Number(n) * 8, true);

describe("memory_op", () => {
  const reservation = (g: Guest, cmd: number, n: number, order = 0) =>
    g.call(
      12,
      cmd,
      g.struct([
        [8, LIST],
        [8, n],
        [4, order],
        [4, 0],
        [2, SELF],
      ]),
    );

  it("takes pages back and gives them again, exactly as counted", async () => {
    const g = await one();
    for (let i = 0; i < 300; i++) {
      g.put(i * 4096 + 0x80000, 4, 1);
      g.put(LIST + BigInt(i * 8), 8, 128 + i);
    }
    g.put(STRUCT, 4, 0);
    const free = g.core.call.machineFreeFrames();
    expect(reservation(g, 1, 300)).toBe(300);
    expect(g.core.call.machineFreeFrames()).toBe(free + 300);
    expect(g.core.u32(g.dom + Domain.off.curPages)).toBe(512 - 300);
    expect(g.core.call.domainPage(1, 128)).toBe(0);
    expect(reservation(g, 1, 1)).toBe(0);
    expect(reservation(g, 6, 300)).toBe(300);
    expect(g.core.u32(g.dom + Domain.off.curPages)).toBe(512);
    expect(g.get(0x80000, 4)).toBe(0n);
  });

  it("goes on where it was interrupted", async () => {
    const g = await one(1, 2048);
    for (let i = 0; i < 600; i++) g.put(LIST + BigInt(i * 8), 8, 1000 + i);
    const args = g.struct([
      [8, LIST],
      [8, 600],
      [4, 0],
      [4, 0],
      [2, SELF],
    ]);
    expect(g.core.call.callOnce(g.vcpu(), 12, 1n, args, 0n, 1)).toBe(-(1n << 63n));
    const left = g.core.view().getBigUint64(g.xen() + XenVcpu.off.args, true);
    expect(left & 63n).toBe(1n);
    expect(left >> 6n).toBe(256n);
    expect(g.call(12, left, args)).toBe(600);
    expect(g.core.u32(g.dom + Domain.off.curPages)).toBe(2048 - 600);
  });

  it("stops at the maximum, at bad gfns and at large extents it has no right to", async () => {
    const g = await one();
    g.put(LIST, 8, 0x100000);
    g.put(LIST + 8n, 8, 1n << 40n);
    expect(reservation(g, 6, 2)).toBe(1);
    expect(g.core.call.domainPage(1, 0x100000)).not.toBe(0);
    expect(reservation(g, 6, 1, 9)).toBe(1);
    expect(reservation(g, 6, 1, 10)).toBe(0);
    g.put(LIST, 8, 0x200000);
    expect(reservation(g, 6, 1, 9)).toBe(1);
    g.put(LIST, 8, 0x300000);
    expect(reservation(g, 6, 1, 9)).toBe(0);
    expect(g.core.u32(g.dom + Domain.off.curPages)).toBeLessThanOrEqual(512 + 1024);
  });

  it("places shared_info where the guest wants it, and nothing else's pages", async () => {
    const g = await one();
    const add = (space: number, idx: bigint, gfn: bigint) =>
      g.call(
        12,
        7,
        g.struct([
          [2, SELF],
          [2, 0],
          [4, space],
          [8, idx],
          [8, gfn],
        ]),
      );
    expect(add(0, 0n, 0x10n)).toBe(0);
    expect(g.core.call.domainPeek(1, 0x10)).toBe(g.sharedInfo());
    expect(add(0, 0n, 0x3fffffffn)).toBe(0);
    expect(add(0, 0n, 1n << 30n)).toBe(-22);
    expect(add(0, 1n, 0x10n)).toBe(-22);
    expect(add(4, 0n, 0x10n)).toBe(EPERM);
    expect(add(9, 0n, 0x10n)).toBe(-22);
    g.put(0x5000, 4, 99);
    expect(add(2, 5n, 0x200n)).toBe(0);
    expect(g.get(0x200000, 4)).toBe(99n);
    expect(g.core.call.domainPeek(1, 5)).toBe(0);
    expect(
      g.call(
        12,
        15,
        g.struct([
          [2, SELF],
          [8, 0x10],
        ]),
      ),
    ).toBe(0);
    expect(g.core.call.domainPeek(1, 0x10)).toBe(0);
    expect(g.core.u32(g.sharedInfo() + SharedInfo.off.wcSec)).toBe(1_700_000_000);
  });

  it("tells the memory map and the reservation", async () => {
    const g = await one();
    g.core.call.domainAddMapEntry(1, 0, 0, 0x200000, 0, 1);
    expect(
      g.call(
        12,
        9,
        g.struct([
          [4, 128],
          [8, LIST],
        ]),
      ),
    ).toBe(0);
    expect(g.get(STRUCT, 4)).toBe(1n);
    expect([g.get(LIST, 8), g.get(LIST + 8n, 8), g.get(LIST + 16n, 4)]).toEqual([0n, 0x200000n, 1n]);
    expect(g.call(12, 3, g.struct([[2, SELF]]))).toBe(512);
    expect(g.call(12, 4, g.struct([[2, SELF]]))).toBe(512 + 1024);
    expect(g.call(12, 3, g.struct([[2, 7]]))).toBe(EPERM);
  });
});

describe("vcpu_op", () => {
  it("moves vcpu_info once, everything pending, with the time in it", async () => {
    const g = await one(2);
    const register = (vcpu: number, gfn: bigint, offset: number) =>
      g.call(
        24,
        10,
        vcpu,
        g.struct([
          [8, gfn],
          [4, offset],
          [4, 0],
        ]),
      );
    expect(register(0, 7n, 0x43)).toBe(-22);
    expect(register(0, 7n, 4096 - 32)).toBe(-22);
    expect(register(0, 1n << 50n, 0)).toBe(-22);
    expect(register(0, 7n, 0x40)).toBe(0);
    expect(g.info()).toBe(g.core.call.domainPeek(1, 7) + 0x40);
    expect(g.upcallPending()).toBe(true);
    expect(g.core.view().getBigUint64(g.info() + VcpuInfo.off.pendingSel, true)).toBe((1n << 64n) - 1n);
    const time = g.info() + VcpuInfo.off.time;
    expect(g.core.u32(time + VcpuTime.off.mul)).toBe(0x80000000);
    expect(g.core.u32(time) & 1).toBe(0);
    expect(register(0, 8n, 0x40)).toBe(-22);
    expect(register(9, 8n, 0x40)).toBe(-2);
  });

  it("registers runstate and time areas and answers about vCPUs", async () => {
    const g = await one(2);
    expect(g.call(24, 5, 0, g.struct([[8, LIST]]))).toBe(0);
    expect(g.call(24, 13, 0, g.struct([[8, LIST + 256n]]))).toBe(0);
    expect(g.get(LIST + 256n + 24n, 4)).toBe(0x80000000n);
    expect(g.call(24, 4, 0, LIST + 512n)).toBe(0);
    expect(g.call(24, 3, 0)).toBe(1);
    expect(g.call(24, 3, 1)).toBe(0);
    expect(g.call(24, 3, 2)).toBe(-2);
    expect(g.call(24, 1, 1)).toBe(-22);
    expect(g.call(24, 77, 0)).toBe(ENOSYS);
  });

  it("refuses timers of other vCPUs, short periods and deadlines that must not have passed", async () => {
    const g = await one(2);
    g.core.clock.ns += 5_000_000;
    expect(
      g.call(
        24,
        8,
        1,
        g.struct([
          [8, 1],
          [4, 0],
        ]),
      ),
    ).toBe(-22);
    expect(g.call(24, 6, 0, g.struct([[8, 999_999]]))).toBe(-22);
    expect(
      g.call(
        24,
        8,
        0,
        g.struct([
          [8, 1],
          [4, 1],
        ]),
      ),
    ).toBe(-62);
    expect(
      g.call(
        24,
        8,
        0,
        g.struct([
          [8, 1],
          [4, 0],
        ]),
      ),
    ).toBe(0);
    expect(g.call(24, 9, 0)).toBe(0);
    expect(g.call(24, 7, 0)).toBe(0);
  });
});

describe("the rest", () => {
  it("tells the version, features and names", async () => {
    const g = await one();
    expect(g.call(17, 0)).toBe(0x40000);
    expect(
      g.call(
        17,
        6,
        g.struct([
          [4, 0],
          [4, 0],
        ]),
      ),
    ).toBe(0);
    expect(g.get(STRUCT + 4n, 4)).toBe(0x2305n);
    expect(g.call(17, 3, LIST)).toBe(0);
    const caps = Buffer.from(new Uint8Array(g.core.memory.buffer).slice(g.at(LIST), g.at(LIST) + 64)).toString(
      "latin1",
    );
    expect(caps.startsWith("hvm-3.0-x86_32 hvm-3.0-x86_32p hvm-3.0-x86_64 \0")).toBe(true);
    expect(g.call(17, 7)).toBe(4096);
    expect(g.call(17, 10, LIST)).toBe(-61);
  });

  it("keeps params that a guest may not set, and shows those it may read", async () => {
    const g = await one();
    g.core.call.hvmParamSet(1, 17, 0xfeff, 0);
    expect(
      g.call(
        34,
        1,
        g.struct([
          [2, SELF],
          [4, 17],
          [8, 0],
        ]),
      ),
    ).toBe(0);
    expect(g.get(STRUCT + 8n, 8)).toBe(0xfeffn);
    expect(
      g.call(
        34,
        0,
        g.struct([
          [2, SELF],
          [4, 17],
          [8, 1],
        ]),
      ),
    ).toBe(EPERM);
    expect(
      g.call(
        34,
        1,
        g.struct([
          [2, SELF],
          [4, 64],
          [8, 0],
        ]),
      ),
    ).toBe(-22);
    expect(
      g.call(
        34,
        1,
        g.struct([
          [2, 9],
          [4, 0],
          [8, 0],
        ]),
      ),
    ).toBe(EPERM);
    expect(g.core.call.hvmParamGet(1, 17)).toBe(0xfeff);
  });

  it("writes the console to the machine's log, which keeps the newest", async () => {
    const g = await one();
    const text = Buffer.from("hello from a guest\n");
    for (const [i, c] of text.entries()) g.put(LIST + BigInt(i), 1, c);
    expect(g.call(18, 0, text.length, LIST)).toBe(0);
    const m = (f: keyof typeof Machine.off) => g.core.u32(MACHINE_BASE + Machine.off[f]);
    expect(m("logProd")).toBe(LogRecord.size + 20);
    const at = m("logBase");
    expect(g.core.u32(at + LogRecord.off.length)).toBe(text.length);
    expect(Buffer.from(g.core.memory.buffer as ArrayBuffer, at + LogRecord.size, text.length).toString()).toBe(
      text.toString(),
    );
    for (let i = 0; i < 200; i++) expect(g.call(18, 0, 1000 + i, LIST)).toBe(0);
    const [tail, prod] = [m("logTail"), m("logProd")];
    expect(prod - tail).toBeLessThanOrEqual(LOG_BYTES);
    let p = tail;
    while (p < prod) {
      const length = g.core.u32(at + ((p + LogRecord.off.length) % LOG_BYTES));
      expect(length).toBeLessThanOrEqual(512);
      p += LogRecord.size + ((length + 3) & ~3);
    }
    expect(p).toBe(prod);
    expect(g.call(18, 0, 10, 1n << 50n)).toBe(EFAULT);
  });

  it("runs several calls in one, each with its result", async () => {
    const g = await one();
    g.struct(
      [
        [8, 17],
        [8, 0],
        [8, 7],
        [8, 0],
        [8, 0],
        [8, 0],
        [8, 0],
        [8, 0],
      ],
      LIST,
    );
    g.struct(
      [
        [8, 999],
        [8, 0],
        [8, 7],
        [8, 0],
        [8, 0],
        [8, 0],
        [8, 0],
        [8, 0],
      ],
      LIST + 64n,
    );
    g.struct(
      [
        [8, 13],
        [8, 0],
        [8, LIST],
        [8, 1],
        [8, 0],
        [8, 0],
        [8, 0],
        [8, 0],
      ],
      LIST + 128n,
    );
    expect(g.call(13, LIST, 3)).toBe(0);
    expect(g.get(LIST + 8n, 8)).toBe(4096n);
    expect(BigInt.asIntN(64, g.get(LIST + 72n, 8))).toBe(-38n);
    expect(BigInt.asIntN(64, g.get(LIST + 136n, 8))).toBe(-38n);
  });

  it("counts and traces what does not exist, refuses user mode, and keeps registers otherwise", async () => {
    const g = await one();
    expect(g.call(63)).toBe(ENOSYS);
    expect(g.call(35)).toBe(EPERM);
    expect(stat(g, DomainStat.values.UNKNOWN_HYPERCALLS)).toBe(1n);
    expect(g.core.traces.some(([code, a, b]) => code === 1 && a === 1 && b === 63)).toBe(true);
    const view = g.core.view();
    const cpu = g.vcpu();
    view.setBigUint64(cpu, 17n, true);
    view.setUint8(cpu + Vcpu.off.cpl, 3);
    expect(g.core.call.vmcall(cpu)).toBe(3);
    expect(view.getInt32(cpu, true)).toBe(EPERM);
    view.setUint8(cpu + Vcpu.off.cpl, 0);
    view.setBigUint64(cpu, 17n, true);
    view.setBigUint64(cpu + 3 * 8, 7n, true);
    expect(view.getUint16(cpu + Vcpu.off.seg + 16 * Number(SegIndex.values.CS) + 14, true) & 0x200).toBe(0);
    expect(g.core.call.vmcall(cpu)).toBe(3);
    expect(view.getBigUint64(cpu, true)).toBe(4096n);
  });

  it("writes the hypercall page", async () => {
    const g = await one();
    expect(g.core.call.hypercallPage(g.vcpu(), 0x9000n)).toBe(1);
    expect(g.get(0x9000 + 17 * 32, 8)).toBe(0xc1010f00000011b8n);
    expect(g.core.call.hypercallPage(g.vcpu(), 0x9001n)).toBe(0);
    expect(g.core.call.hypercallPage(g.vcpu(), 1n << 60n)).toBe(0);
  });
});

describe("hostile guests", () => {
  it("get an answer to anything, and the neighbour does not notice", async () => {
    const [core, a, b] = await machineWith([
      [2, 256],
      [1, 64],
    ]);
    const [g, other] = [a as Guest, b as Guest];
    other.put(0x3000, 8, 0x0123456789abcdefn);
    const number = fc.oneof(
      fc.bigInt({ min: 0n, max: 40n }),
      fc.constantFrom(STRUCT, LIST, 0xffffffffn, 1n << 63n, (1n << 64n) - 1n),
      fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
    );
    const u32 = fc.oneof(
      fc.integer({ min: 0, max: 20 }),
      fc.constantFrom(0x7ff0, 0x10000, 0x20000, 0xffffffff, 2),
      fc.integer({ min: 0, max: 0xffffffff }),
    );
    fc.assert(
      fc.property(
        fc.oneof(fc.constantFrom(12, 20, 32, 24, 29, 34, 13, 17, 18, 15, 21), fc.integer({ min: 0, max: 64 })),
        number,
        number,
        fc.oneof(fc.bigInt({ min: 0n, max: 600n }), number),
        fc.array(u32, { minLength: 16, maxLength: 16 }),
        fc.boolean(),
        (nr, a0, a1, a2, words, wide) => {
          for (const gpa of [STRUCT, LIST]) {
            if (core.call.domainPeek(1, Number(gpa >> 12n)) === 0) continue;
            words.forEach((w, i) =>
              core.view().setUint32(core.call.domainPeek(1, Number(gpa >> 12n)) + i * 4, w, true),
            );
          }
          const [b0, b1, b2] = wide ? [a0, a1, a2] : [a0, a1, a2].map((v) => BigInt.asUintN(32, v));
          core.call.callOnce(g.vcpu(), nr, b0, b1, b2, wide ? 1 : 0);
          // A domain that ended itself is replaced, so that the run goes on with a live one.
          if (core.u32(core.call.domainAddress(1) + Domain.off.shutdown) !== 0) {
            expect(core.call.domainDestroy(1)).toBe(0);
            expect(core.call.domainCreate(1, 2, 1280)).toBe(0);
            core.call.domainAddRam(1, 0, 256);
            core.call.domainPage(1, 0x10);
            core.call.domainPage(1, 0x20);
          }
        },
      ),
      { numRuns: 3000 },
    );
    expect(other.get(0x3000, 8)).toBe(0x0123456789abcdefn);
    expect(core.call.domainDestroy(1)).toBe(0);
    expect(core.u32(other.dom + Domain.off.shutdown)).toBe(0);
  });
});

describe("a domain's end", () => {
  it("gives back the memory that its vCPUs were given, whichever TLB they used last", async () => {
    const [core] = await machineWith([[1, 64]]);
    const tlbOf = () => {
      expect(core.call.domainCreate(7, 1, 64)).toBe(0);
      const cpu = core.call.vcpuAddress(7, 0);
      return { cpu, base: core.u32(cpu + Vcpu.off.tlbBase) };
    };
    const { cpu, base } = tlbOf();
    expect(base).toBeGreaterThan(0);
    // In user mode.
    core.view().setUint32(cpu + Vcpu.off.tlb, base + TLB_BYTES / 2, true);
    expect(core.call.domainDestroy(7)).toBe(0);
    expect(tlbOf().base).toBe(base);
  });
});
