/** Grants and transfers while somebody else changes, destroys or passes on what they are about. */
import { describe, expect, it } from "vitest";
import { Domain } from "../../../abi/structs/domain.js";
import {
  copy,
  entry,
  flags,
  grant,
  HOST,
  map,
  mapTable,
  pair,
  PERMIT,
  SELF,
  TRANSFER,
  unmap,
} from "../testing/grants.js";
import { type Guest, machineWith, STRUCT } from "../testing/guests.js";
import { anotherInstance, type TestCore } from "../testing/harness.js";

describe("a transfer", () => {
  it("of a page that somebody takes into use at the last moment does not happen", async () => {
    const [a, b] = await pair();
    const { core } = a;
    b.put(0x6000, 4, 4242);
    grant(b, 8, 0, 6);
    core.view().setUint32(entry(a, 8) + 4, 0x2000, true);
    core.view().setUint32(entry(a, 8), 2 | (b.domid << 16), true);
    b.struct([
      [8, 6],
      [2, a.domid],
      [4, 8],
      [2, 9],
    ]);
    // The page was looked at; now it is to be taken out, and that takes a while: the lock is held.
    const lock = b.dom + Domain.off.p2mLock;
    let mapped = 0;
    core.view().setUint32(lock, 99, true);
    const { call } = await anotherInstance(core, () => {
      core.view().setUint32(lock, 0, true);
      if (mapped === 0) mapped = core.call.grantMap(b.domid, 8, 0) >>> 0;
    });
    expect(call(b.vcpu(), 20, 4n, STRUCT, 1n, 0n, 0n)).toBe(0n);
    expect(core.view().getUint32(mapped, true)).toBe(4242);
    expect(BigInt.asIntN(16, b.get(STRUCT + 16n, 2))).toBe(-9n);
    expect(b.get(0x6000, 4)).toBe(4242n);
    expect(core.call.domainPeek(a.domid, 0x2000)).toBe(0);
    // Who made the offer would wait for the rest of what was committed to.
    expect(flags(a, 8)).toBe(TRANSFER);
  });

  it("to where nothing can be put does not happen, and leaves the offer as it was", async () => {
    const [a, b] = await pair();
    b.put(0x6000, 4, 4242);
    for (const gfn of [0xffffffff, 0x2000]) {
      a.core.view().setUint32(entry(a, 8) + 4, gfn, true);
      a.core.view().setUint32(entry(a, 8), TRANSFER | (b.domid << 16), true);
      // No more nodes for the gfns that are not there yet.
      const { p2mNodes, p2mMaxNodes } = Domain.off;
      a.core.view().setUint32(a.dom + p2mMaxNodes, a.core.u32(a.dom + p2mNodes), true);
      b.struct([
        [8, 6],
        [2, a.domid],
        [4, 8],
        [2, 0],
      ]);
      expect(b.call(20, 4, STRUCT, 1)).toBe(0);
      expect(BigInt.asIntN(16, b.get(STRUCT + 16n, 2))).toBe(-9n);
      expect(flags(a, 8)).toBe(TRANSFER);
      expect(b.get(0x6000, 4)).toBe(4242n);
    }
  });

  it("to a domain that goes meanwhile leaves the page, and the domain that comes in its place alone", async () => {
    const [a, b] = await pair();
    const { core, dom } = a;
    b.put(0x6000, 4, 4242);
    core.view().setUint32(entry(a, 8) + 4, 5, true);
    core.view().setUint32(entry(a, 8), TRANSFER | (b.domid << 16), true);
    b.struct([
      [8, 6],
      [2, a.domid],
      [4, 8],
      [2, 0],
    ]);
    // The offer is good; the page is to be taken out.
    const lock = b.dom + Domain.off.p2mLock;
    core.view().setUint32(lock, 99, true);
    const { call } = await anotherInstance(core, () => {
      core.view().setUint32(lock, 0, true);
      if (core.call.domainAddress(9) !== 0) return;
      expect(core.call.domainDestroy(a.domid)).toBe(0);
      expect(core.call.domainCreate(9, 1, 512)).toBe(0);
      expect(core.call.domainAddRam(9, 0, 256)).toBe(0);
    });
    expect(call(b.vcpu(), 20, 4n, STRUCT, 1n, 0n, 0n)).toBe(0n);
    expect(core.call.domainAddress(9) >>> 0).toBe(dom);
    expect(BigInt.asIntN(16, b.get(STRUCT + 16n, 2))).toBe(-3n);
    expect(b.get(0x6000, 4)).toBe(4242n);
    expect(core.call.domainPeek(9, 5)).toBe(0);
  });
});

describe("memory that was granted to a domain", () => {
  it("is not its own to grant, to copy or to give to the hypervisor", async () => {
    const [, a, b, c] = (await machineWith([
      [1, 512],
      [1, 512],
      [1, 512],
    ])) as [TestCore, Guest, Guest, Guest];
    for (const g of [a, b, c]) expect(mapTable(g)).toBe(0);
    a.put(0x5000, 4, 0x1234);
    grant(a, 8, b.domid, 5);
    const { handle, status } = map(b, a.domid, 8, 0x7000n);
    expect(status).toBe(0);
    grant(b, 9, c.domid, 7);
    expect(map(c, b.domid, 9, 0x8000n).status).toBe(-9);
    expect(map(c, b.domid, 9, 0x8000n, HOST | 4).status).toBe(-9);
    expect(flags(b, 9)).toBe(PERMIT);
    expect(copy(c, { ref: 9, dom: b.domid, off: 0 }, { gfn: 6, dom: SELF, off: 0 }, 4)).toBe(-9);
    expect(copy(b, { gfn: 6, dom: SELF, off: 0 }, { gfn: 7, dom: SELF, off: 0 }, 4)).toBe(-9);
    // VCPUOP_register_vcpu_info
    const info = b.struct([
      [8, 7],
      [4, 0],
      [4, 0],
    ]);
    expect(b.call(24, 10, 0, info)).toBe(-22);
    expect(unmap(b, handle, 0x7000n)).toBe(0);
    expect(flags(a, 8)).toBe(PERMIT);
  });
});

describe("a domain that is destroyed while another takes its grant", () => {
  it("is looked at under the lock of its p2m, and the grant is refused", async () => {
    const [a, b] = await pair();
    const { core } = a;
    a.put(0x5000, 4, 0x1234);
    grant(a, 8, b.domid, 5);
    const lock = a.dom + Domain.off.p2mLock;
    b.struct([
      [8, 0x7000n],
      [4, HOST],
      [4, 8],
      [2, a.domid],
      [2, 0],
      [4, 0],
      [8, 0],
    ]);
    core.view().setUint32(lock, 99, true);
    let waits = 0;
    const { call } = await anotherInstance(core, () => {
      core.view().setUint32(lock, 0, true);
      // Else whoever destroys the domain waits for the one who waits here.
      expect(core.u32(a.dom + Domain.off.gntLock)).toBe(0);
      if (waits++ === 0) expect(core.call.domainDestroy(a.domid)).toBe(0);
    });
    expect(call(b.vcpu(), 20, 0n, STRUCT, 1n, 0n, 0n)).toBe(0n);
    expect(waits).toBe(1);
    expect(BigInt.asIntN(16, b.get(STRUCT + 18n, 2))).toBeLessThan(0n);
  });
});
