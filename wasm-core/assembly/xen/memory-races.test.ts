/** A domain's memory while another of its vCPUs, or Domain0, is about the same. */
import { describe, expect, it } from "vitest";
import { Domain } from "../../abi/structs/domain.js";
import { MACHINE_BASE, Machine } from "../../abi/structs/machine.js";
import { XenVcpu } from "../../abi/structs/xen.js";
import { entry, flags, grant, map, mapTable, pair, TRANSFER, unmap } from "./testing/grants.js";
import { type Guest, machineWith, STRUCT } from "./testing/guests.js";
import { anotherInstance } from "./testing/harness.js";

const SELF = 0x7ff0;
const DECREASE = 1;
const POPULATE = 6;

/** A reservation of one page, laid out at `at`. */
const extent = (g: Guest, gfn: number, at: bigint) => {
  g.put(at + 64n, 8, gfn);
  return g.struct(
    [
      [8, at + 64n],
      [8, 1],
      [4, 0],
      [4, 0],
      [2, SELF],
    ],
    at,
  );
};
const word = (g: Guest, name: "curPages" | "maxPages") => g.core.u32(g.dom + Domain.off[name]);
const leave = (g: Guest, pages: number) =>
  g.core.view().setUint32(g.dom + Domain.off.maxPages, word(g, "curPages") + pages, true);

/** Another instance of the core, which finds the p2m's lock taken, and what happens before it gets it. */
async function delayed(g: Guest, meanwhile: () => void) {
  const lock = g.dom + Domain.off.p2mLock;
  let done = false;
  const { call } = await anotherInstance(g.core, () => {
    g.core.view().setUint32(lock, 0, true);
    if (!done) meanwhile();
    done = true;
  });
  g.core.view().setUint32(lock, 99, true);
  return call;
}

describe("the last page that a domain may have", () => {
  it.each([
    ["beyond RAM", 0x2000, 0x3000],
    ["in holes of RAM", 5, 6],
  ])("goes to one of two vCPUs that ask at once, %s", async (_, mine, yours) => {
    const [, g] = (await machineWith([[2, 256]])) as [unknown, Guest];
    for (const gfn of [5, 6]) expect(g.call(12, DECREASE, extent(g, gfn, STRUCT))).toBe(1);
    leave(g, 1);
    const [first, second] = [extent(g, mine, STRUCT), extent(g, yours, STRUCT + 256n)];
    let got = -1;
    const call = await delayed(g, () => {
      got = g.call(12, POPULATE, second, 0, 1);
    });
    const nodes = () => g.core.u32(g.dom + Domain.off.p2mNodes);
    const had = g.core.call.machineFreeFrames() + nodes();
    expect(call(g.vcpu(), 12, BigInt(POPULATE), first, 0n, 0n, 0n)).toBe(0n);
    expect(got).toBe(1);
    expect(word(g, "curPages")).toBe(word(g, "maxPages"));
    // What was taken for the one that lost is free again.
    expect(g.core.call.machineFreeFrames() + nodes()).toBeGreaterThanOrEqual(had - 1);
    expect(g.core.call.domainPeek(1, mine)).toBe(0);
  });

  it("is not given away twice by a transfer, which then leaves the offer as it was", async () => {
    const [a, b] = await pair();
    b.put(0x6000, 4, 4242);
    a.core.view().setUint32(entry(a, 8) + 4, 0x2000, true);
    a.core.view().setUint32(entry(a, 8), TRANSFER | (b.domid << 16), true);
    const args = extent(a, 0x3000, STRUCT);
    leave(a, 1);
    b.struct([
      [8, 6],
      [2, a.domid],
      [4, 8],
      [2, 0],
    ]);
    const call = await delayed(a, () => expect(a.call(12, POPULATE, args)).toBe(1));
    const had = word(b, "curPages");
    expect(call(b.vcpu(), 20, 4n, STRUCT, 1n, 0n, 0n)).toBe(0n);
    expect(BigInt.asIntN(16, b.get(STRUCT + 16n, 2))).toBe(-9n);
    expect(flags(a, 8)).toBe(TRANSFER);
    expect(word(a, "curPages")).toBe(word(a, "maxPages"));
    expect(word(b, "curPages")).toBe(had);
    expect(b.get(0x6000, 4)).toBe(4242n);
  });
});

describe("pages that are given back while others have them", () => {
  it.each([
    ["beyond RAM", 0x2000],
    ["in a hole of RAM", 5],
  ])("are their domain's until the others let go, and then make room %s", async (_, gfn) => {
    const [a, b] = await pair();
    grant(a, 8, b.domid, 5);
    const { handle } = map(b, a.domid, 8, 0x7000n);
    leave(a, 0);
    expect(a.call(12, DECREASE, extent(a, 5, STRUCT))).toBe(1);
    const more = extent(a, gfn, STRUCT);
    expect(a.call(12, POPULATE, more)).toBe(0);
    expect(unmap(b, handle, 0x7000n)).toBe(0);
    expect(a.call(12, POPULATE, more)).toBe(1);
    expect(a.call(12, POPULATE, extent(a, 0x2001, STRUCT))).toBe(0);
  });

  it("are nobody's charge when the domain has ended", async () => {
    const [a, b] = await pair();
    const { core, domid } = a;
    grant(a, 8, b.domid, 5);
    const { handle } = map(b, domid, 8, 0x7000n);
    expect(a.call(12, DECREASE, extent(a, 5, STRUCT))).toBe(1);
    grant(a, 9, b.domid, 6);
    const other = map(b, domid, 9, 0x8000n);
    expect(core.call.domainDestroy(domid)).toBe(0);
    const stranded = () => core.u32(core.u32(MACHINE_BASE + Machine.off.stranded) + domid * 4);
    expect(stranded()).toBe(1);
    expect(unmap(b, handle, 0x7000n)).toBe(0);
    expect(unmap(b, other.handle, 0x8000n)).toBe(0);
    expect(stranded()).toBe(0);
  });
});

describe("pages that are moved or given away", () => {
  it("are counted where they are", async () => {
    const [a, b] = await pair();
    const [had, other] = [word(a, "curPages"), word(b, "curPages")];
    for (const g of [a, b]) leave(g, 0);
    const move = (from: number, to: number) =>
      a.call(
        12,
        7,
        a.struct([
          [2, SELF],
          [2, 0],
          [4, 2],
          [8, from],
          [8, to],
        ]),
      );
    a.put(0x5000, 4, 77);
    expect(move(5, 0x2000)).toBe(0);
    expect(word(a, "curPages")).toBe(had);
    // No more nodes: it stays where it was.
    a.core.view().setUint32(a.dom + Domain.off.p2mMaxNodes, a.core.u32(a.dom + Domain.off.p2mNodes), true);
    expect(move(0x2000, 0x3000000)).toBe(-12);
    expect(a.get(0x2000000, 4)).toBe(77n);
    expect(word(a, "curPages")).toBe(had);
    leave(b, 1);
    b.core.view().setUint32(entry(b, 8) + 4, 0x2000, true);
    b.core.view().setUint32(entry(b, 8), TRANSFER | (a.domid << 16), true);
    a.struct([
      [8, 0x2000],
      [2, b.domid],
      [4, 8],
      [2, 0],
    ]);
    expect(a.call(20, 4, STRUCT, 1)).toBe(0);
    expect(BigInt.asIntN(16, a.get(STRUCT + 16n, 2))).toBe(0n);
    expect([word(a, "curPages"), word(b, "curPages")]).toEqual([had - 1, other + 1]);
  });
});

describe("a long range of pages that is moved", () => {
  it("lets the vCPU look up, and goes on where it was", async () => {
    const [, g] = (await machineWith([[1, 1024]])) as [unknown, Guest];
    const args = g.struct([
      [2, SELF],
      [2, 600],
      [4, 3],
      [8, 300],
      [8, 0x4000],
    ]);
    g.put(300 << 12, 4, 1);
    g.put(899 << 12, 4, 2);
    expect(g.core.call.callOnce(g.vcpu(), 12, 7n, args, 0n, 1)).toBe(-(1n << 63n));
    const left = g.core.view().getBigUint64(g.xen() + XenVcpu.off.args, true);
    expect(left).toBe((256n << 6n) | 7n);
    expect(g.core.call.domainPeek(1, 0x4000 + 256)).toBe(0);
    expect(g.call(12, left, args)).toBe(0);
    expect([g.get(0x4000n << 12n, 4), g.get(BigInt(0x4000 + 599) << 12n, 4)]).toEqual([1n, 2n]);
    expect(g.core.call.domainPeek(1, 899)).toBe(0);
    expect(
      g.call(
        12,
        7,
        g.struct([
          [2, SELF],
          [2, 0],
          [4, 3],
        ]),
      ),
    ).toBe(0);
  });
});

describe("a page that Domain0 reads or writes", () => {
  it.each(["domainPin", "domainHold"])("is nobody else's when its guest gives it away: %s", async (how) => {
    const [a, b] = await pair();
    a.put(0x5000, 4, 1234);
    const at = a.core.call[how](a.domid, 5) >>> 0;
    expect(a.call(12, DECREASE, extent(a, 5, STRUCT))).toBe(1);
    const taken = Array.from({ length: 200 }, (_, gfn) => b.core.call.domainPage(b.domid, gfn) >>> 0);
    expect(taken).not.toContain(at);
    expect(a.core.u32(at)).toBe(1234);
    const free = a.core.call.machineFreeFrames();
    a.core.call.domainUnpin(at);
    expect(a.core.call.machineFreeFrames()).toBe(free + 1);
  });

  it("is not made by a look, and may be another's that was granted", async () => {
    const [a, b] = await pair();
    expect(a.core.call.domainHold(a.domid, 9)).toBe(0);
    expect(a.core.call.domainHold(77, 9)).toBe(0);
    grant(a, 8, b.domid, 5);
    expect(mapTable(b)).toBe(0);
    const at = b.core.call.domainHold(b.domid, 0x100) >>> 0;
    expect(at).toBe(b.core.call.domainPeek(b.domid, 0x100) >>> 0);
    b.core.call.domainUnpin(at);
  });
});
