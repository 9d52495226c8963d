/** Hypercalls of 32-bit code: the structures and the shared pages as 32-bit guests lay them out. */
import { describe, expect, it } from "vitest";
import { Domain } from "../../abi/structs/domain.js";
import { SharedInfo32, VcpuInfo32, XenVcpu } from "../../abi/structs/xen.js";
import { type Guest, LIST, machineWith, STRUCT } from "./testing/guests.js";

const SELF = 0x7ff0;
const CALLBACK_VECTOR = (2n << 56n) | 0xf3n;

async function one(vcpus = 1, pages = 512): Promise<Guest> {
  const [, g] = await machineWith([[vcpus, pages]]);
  return g as Guest;
}
async function pair(): Promise<[Guest, Guest]> {
  const [, a, b] = await machineWith([
    [1, 256],
    [1, 256],
  ]);
  return [a as Guest, b as Guest];
}
const setCallback = (g: Guest, how: "call" | "call32", via = CALLBACK_VECTOR) =>
  g[how](
    34,
    0,
    g.struct([
      [2, SELF],
      [4, 0],
      [8, via],
    ]),
  );
/** Writes an entry of version 1. */
function grant(g: Guest, ref: number, to: number, gfn: number): void {
  const at = g.core.u32(g.dom + Domain.off.gntShared) + ref * 8;
  g.core.view().setUint32(at, 1 | (to << 16), true);
  g.core.view().setUint32(at + 4, gfn, true);
}

describe("a 32-bit guest's structures", () => {
  it("multicall: entries of 32 bytes, continued where they were left", async () => {
    const g = await one(1, 2048);
    const words = [17, 0, 7, 0, 0, 0, 0, 0, /* memory_op decrease */ 12, 0, 1, Number(STRUCT), 0, 0, 0, 0, 999, 0];
    for (const [i, w] of words.entries()) g.put(LIST + BigInt(4 * i), 4, w);
    const list = LIST + 0x1000n;
    for (let i = 0; i < 600; i++) g.put(list + BigInt(i * 4), 4, 1000 + i);
    g.struct([
      [4, list],
      [4, 600],
      [4, 0],
      [4, 0],
      [2, SELF],
    ]);
    expect(g.call32(13, LIST, 3)).toBe(0);
    expect(g.get(LIST + 4n, 4)).toBe(4096n);
    expect(g.get(LIST + 36n, 4)).toBe(600n);
    expect(BigInt.asIntN(32, g.get(LIST + 68n, 4))).toBe(-38n);
    expect(g.core.u32(g.dom + Domain.off.curPages)).toBe(2048 - 600);
  });

  it("grant copy: 24 bytes, several at once", async () => {
    const [a, b] = await pair();
    grant(a, 9, b.domid, 5);
    a.put(0x5000, 8, 0x1122334455667788n);
    for (const [i, len] of [8, 4097].entries())
      b.struct(
        [
          [4, 9],
          [2, a.domid],
          [2, 0],
          [4, 6],
          [2, SELF],
          [2, 16 * (i + 1)],
          [2, len],
          [2, 1],
          [2, 99],
          [2, 0x5a5a],
        ],
        STRUCT + BigInt(24 * i),
      );
    expect(b.call32(20, 5, STRUCT, 2)).toBe(0);
    expect(b.get(0x6010, 8)).toBe(0x1122334455667788n);
    expect(b.get(STRUCT + 20n, 2)).toBe(0n);
    expect(b.get(STRUCT + 22n, 2)).toBe(0x5a5an);
    expect(BigInt.asIntN(16, b.get(STRUCT + 44n, 2))).toBe(-10n);
  });

  it("setup_table and get_status_frames: lists of gfns", async () => {
    const g = await one();
    const add = (idx: number, gfn: number) =>
      g.call32(
        12,
        7,
        g.struct([
          [2, SELF],
          [2, 0],
          [4, 1],
          [4, idx],
          [4, gfn],
        ]),
      );
    expect(add(0, 0x110)).toBe(0);
    expect(add(2, 0x112)).toBe(0);
    g.struct([
      [2, SELF],
      [4, 3],
      [2, 77],
      [4, LIST],
    ]);
    g.put(LIST + 12n, 4, 0x12345678);
    expect(g.call32(20, 2, STRUCT, 1)).toBe(0);
    expect(g.get(STRUCT + 8n, 2)).toBe(0n);
    expect([0n, 4n, 8n, 12n].map((at) => g.get(LIST + at, 4))).toEqual([0x110n, 0xffffffffn, 0x112n, 0x12345678n]);
    expect(g.call32(20, 8, g.struct([[4, 2]]), 1)).toBe(0);
    expect(add(0x80000000, 0x120)).toBe(0);
    g.struct([
      [4, 1],
      [2, SELF],
      [2, 77],
      [4, LIST],
    ]);
    expect(g.call32(20, 9, STRUCT, 1)).toBe(0);
    expect(g.get(STRUCT + 6n, 2)).toBe(0n);
    expect(g.get(LIST, 8)).toBe(0x120n);
  });

  it("grant transfer: 16 bytes", async () => {
    const [a, b] = await pair();
    const at = b.core.u32(b.dom + Domain.off.gntShared) + 9 * 8;
    b.core.view().setUint32(at, 2 | (a.domid << 16), true);
    b.core.view().setUint32(at + 4, 0x30, true);
    a.put(0x7000, 4, 4711);
    a.struct([
      [4, 7],
      [2, b.domid],
      [4, 9],
      [2, 5],
    ]);
    expect(a.call32(20, 4, STRUCT, 1)).toBe(0);
    expect(a.get(STRUCT + 12n, 2)).toBe(0n);
    expect(b.get(0x30000, 4)).toBe(4711n);
    // The entry is completed and still names the gfn: machine frames are nothing that a guest sees.
    expect(b.core.u32(at + 4)).toBe(0x30);
    expect(b.core.view().getUint16(at, true) & 12).toBe(12);
  });

  it("add_to_physmap_batch: words of 4 bytes, and of 8 in 64-bit code", async () => {
    const g = await one();
    for (const [how, size] of [
      ["call32", 4],
      ["call", 8],
    ] as const) {
      const first = size === 4 ? 0x120 : 0x130;
      for (let i = 0; i < 2; i++) {
        g.put(LIST + BigInt(size * i), size, i);
        g.put(LIST + 0x100n + BigInt(size * i), size, first + i);
        g.put(LIST + 0x200n + BigInt(4 * i), 4, 55);
      }
      g.put(LIST + BigInt(size * 2), size, 3000);
      g.put(LIST + 0x100n + BigInt(size * 2), size, first + 2);
      g.struct([
        [2, SELF],
        [2, 1],
        [2, 3],
        [2, 0],
        [size, LIST],
        [size, LIST + 0x100n],
        [size, LIST + 0x200n],
      ]);
      expect(g[how](12, 23, STRUCT)).toBe(0);
      expect([0n, 4n, 8n].map((at) => BigInt.asIntN(32, g.get(LIST + 0x200n + at, 4)))).toEqual([0n, 0n, -22n]);
      const frames = g.dom + Domain.off.gntShared;
      expect([0, 1].map((i) => g.core.call.domainPeek(1, first + i) >>> 0)).toEqual([
        g.core.u32(frames),
        g.core.u32(frames + 4),
      ]);
    }
  });

  it("runstate: 44 bytes, by area and by question", async () => {
    const g = await one();
    const area = 0x30000n;
    g.put(area + 44n, 4, 0x55aa55aa);
    g.put(area + 4n, 8, 1);
    expect(g.call32(24, 5, 0, g.struct([[4, area]]))).toBe(0);
    const entry = g.core.view().getBigUint64(g.xen() + XenVcpu.off.runstateEntry, true);
    expect(g.get(area, 4)).toBe(BigInt(g.core.u32(g.xen() + XenVcpu.off.runstate)));
    expect(g.get(area + 4n, 8)).toBe(entry);
    expect(g.get(area + 44n, 4)).toBe(0x55aa55aan);
    g.core.clock.ns += 5000;
    g.put(LIST + 44n, 4, 0x55aa55aa);
    expect(g.call32(24, 4, 0, LIST)).toBe(0);
    const state = Number(g.get(LIST, 4));
    expect(g.get(LIST + 4n, 8)).toBe(entry);
    expect(g.get(LIST + 12n + BigInt(8 * state), 8)).toBeGreaterThanOrEqual(5000n);
    expect(g.get(LIST + 44n, 4)).toBe(0x55aa55aan);
  });

  it("poll: a list by a 32-bit pointer", async () => {
    const g = await one();
    const port = g.bindIpi();
    g.send(port);
    g.put(LIST, 4, port);
    expect(
      g.call32(
        29,
        3,
        g.struct([
          [4, LIST],
          [4, 1],
          [8, 1],
        ]),
      ),
    ).toBe(0);
    g.put(LIST, 4, 4000);
    expect(g.call32(29, 3, STRUCT)).toBe(-22);
  });
});

describe("a 32-bit guest's shared_info", () => {
  it("is chosen by the code that sets the callback or writes the hypercall page", async () => {
    const g = await one();
    const clock = (at: number) => g.core.u32(g.sharedInfo() + at);
    expect(clock(SharedInfo32.off.wcSec)).toBe(0);
    expect(setCallback(g, "call32")).toBe(0);
    expect(clock(SharedInfo32.off.wcSec)).toBe(1_700_000_000);
    expect(SharedInfo32.off.wcSec).toBe(2308);
    expect(SharedInfo32.off.wcSecHi).toBe(2340);
    expect(g.core.u32(g.dom + Domain.off.narrowInfo)).toBe(1);
    expect(setCallback(g, "call")).toBe(0);
    expect(g.core.u32(g.dom + Domain.off.narrowInfo)).toBe(0);
    // The harness's vCPU is in 16-bit code.
    expect(g.core.call.hypercallPage(g.vcpu(), 0x9000n)).toBe(1);
    expect(g.core.u32(g.dom + Domain.off.narrowInfo)).toBe(1);
  });

  it("has words of 32 ports, and 1024 of them", async () => {
    const g = await one();
    expect(setCallback(g, "call32")).toBe(0);
    let port = 0;
    while (port < 40) port = g.bindIpi();
    const view = () => g.core.view();
    const info = g.info();
    const shared = g.sharedInfo();
    view().setUint32(shared + SharedInfo32.off.evtchnMask + 4, 0, true);
    g.clearUpcall();
    expect(g.send(port)).toBe(0);
    expect(view().getUint32(shared + SharedInfo32.off.evtchnPending + 4, true)).toBe(1 << 8);
    expect(view().getUint32(info + VcpuInfo32.off.pendingSel, true)).toBe(1 << 1);
    expect(view().getUint8(info)).toBe(1);
    view().setBigUint64(info, 0n, true);
    view().setUint32(shared + SharedInfo32.off.evtchnPending + 4, 0, true);
    view().setUint32(shared + SharedInfo32.off.evtchnMask + 4, 1 << 8, true);
    g.send(port);
    expect(view().getUint8(info)).toBe(0);
    expect(g.unmask(port)).toBe(0);
    expect(view().getUint32(shared + SharedInfo32.off.evtchnMask + 4, true)).toBe(0);
    expect(view().getUint8(info)).toBe(1);
    for (let last = port; ;) {
      const next = g.allocUnbound(1);
      if (next < 0) {
        expect(last).toBe(1023);
        break;
      }
      last = next;
    }
  });

  it("register_vcpu_info moves a 32-bit vcpu_info, everything pending", async () => {
    const g = await one();
    setCallback(g, "call32");
    expect(
      g.call32(
        24,
        10,
        0,
        g.struct([
          [8, 0x40],
          [4, 128],
          [4, 0],
        ]),
      ),
    ).toBe(0);
    expect(g.get(0x40000 + 128, 1)).toBe(1n);
    expect(g.get(0x40000 + 128 + 4, 4)).toBe(0xffffffffn);
    expect(g.get(0x40000 + 128 + 8, 4)).toBe(0n);
  });
});

describe("the callback as an interrupt line", () => {
  const via = async (platform: number, value: bigint) => {
    const g = await one();
    g.core.call.domainSetPlatform(1, platform);
    expect(setCallback(g, "call", value)).toBe(0);
    return g.core.u32(g.dom + Domain.off.callbackPin);
  };
  const IOAPIC = 8;

  it("is a GSI or a PCI line where there is an I/O APIC", async () => {
    expect(await via(IOAPIC, 9n)).toBe(9);
    expect(await via(IOAPIC, 30n)).toBe(0);
    // Device 1, INTA: GSI 20. Device 3, INTA: GSI 28, which has no pin.
    expect(await via(IOAPIC, (1n << 56n) | (1n << 11n))).toBe(20);
    expect(await via(IOAPIC, (1n << 56n) | (1n << 11n) | 3n)).toBe(23);
    expect(await via(IOAPIC, (1n << 56n) | (3n << 11n))).toBe(0);
    expect(await via(IOAPIC, CALLBACK_VECTOR)).toBe(0);
  });

  it("changes nothing where there is none", async () => {
    const g = await one();
    setCallback(g, "call");
    expect(setCallback(g, "call", 9n)).toBe(0);
    expect(g.core.u32(g.dom + Domain.off.callbackPin)).toBe(0);
    g.core.view().setUint8(g.info(), 1);
    expect(g.core.call.pendingVector(g.vcpu())).toBe(0xf3);
    g.call(
      34,
      1,
      g.struct([
        [2, SELF],
        [4, 0],
        [8, 0],
      ]),
    );
    expect(g.get(STRUCT + 8n, 8)).toBe(9n);
  });
});
