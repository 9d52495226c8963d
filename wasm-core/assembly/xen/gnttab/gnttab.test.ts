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
  READING,
  READONLY,
  SELF,
  TABLE,
  unmap,
  WRITING,
} from "../testing/grants.js";
import { type Guest, LIST, machineWith, STRUCT } from "../testing/guests.js";

describe("mapping", () => {
  it("makes the granted frame appear at the address, and the hypervisor's own view agree", async () => {
    const [a, b] = await pair();
    a.put(0x5000, 4, 0x1234);
    grant(a, 8, b.domid, 5);
    const free = a.core.call.machineFreeFrames();
    const m = map(b, a.domid, 8, 0x7000n);
    expect(m.status).toBe(0);
    expect(flags(a, 8)).toBe(PERMIT | READING | WRITING);
    expect(Number(new DataView(b.core.memory.buffer).getUint32(b.core.call.domainPeek(b.domid, 7), true))).toBe(0x1234);
    expect(b.core.call.domainPage(b.domid, 7)).toBe(0);
    expect(unmap(b, m.handle, 0x9000n)).toBe(-5);
    expect(unmap(b, m.handle, 0x7000n)).toBe(0);
    expect(unmap(b, m.handle, 0x7000n)).toBe(-4);
    expect(flags(a, 8)).toBe(PERMIT);
    expect(b.core.call.domainPeek(b.domid, 7)).toBe(0);
    expect(a.core.call.machineFreeFrames()).toBe(free - 1);
  });

  it("refuses what was not granted", async () => {
    const [a, b] = await pair();
    grant(a, 8, 77, 5);
    grant(a, 9, b.domid, 5, READONLY);
    grant(a, 10, b.domid, 0x3fffffff);
    expect(map(b, a.domid, 8, 0x7000n).status).toBe(-1);
    expect(map(b, a.domid, 9, 0x7000n).status).toBe(-1);
    expect(map(b, a.domid, 9, 0x7000n, HOST | 4).status).toBe(0);
    expect(map(b, a.domid, 10, 0x8000n).status).toBe(-9);
    expect(flags(a, 10)).toBe(PERMIT);
    expect(map(b, a.domid, 11, 0x8000n).status).toBe(-1);
    expect(map(b, a.domid, 0xffffffff, 0x8000n).status).toBe(-3);
    expect(map(b, 55, 8, 0x8000n).status).toBe(-2);
    expect(map(b, 0, 8, 0x8000n).status).toBe(-2);
    expect(map(b, a.domid, 9, 0x8001n, HOST | 4).status).toBe(-5);
    expect(map(b, a.domid, 9, 1n << 60n, HOST | 4).status).toBe(-5);
    expect(map(b, a.domid, 9, 0x8000n, 1).status).toBe(-1);
  });

  it("keeps the frame when the granter gives the page away while it is mapped", async () => {
    const [a, b] = await pair();
    a.put(0x5000, 4, 0xabcd);
    grant(a, 8, b.domid, 5);
    const m = map(b, a.domid, 8, 0x7000n);
    a.put(LIST, 8, 5);
    expect(
      a.call(
        12,
        1,
        a.struct([
          [8, LIST],
          [8, 1],
          [4, 0],
          [4, 0],
          [2, 0x7ff0],
        ]),
      ),
    ).toBe(1);
    expect(a.core.call.domainPeek(a.domid, 5)).toBe(0);
    expect(b.core.u32(b.core.call.domainPeek(b.domid, 7))).toBe(0xabcd);
    expect(unmap(b, m.handle, 0x7000n)).toBe(0);
  });

  it("outlives the granter, and the mapper's death gives everything back", async () => {
    const [core, a, b] = await machineWith([
      [1, 512],
      [1, 512],
    ]);
    const [ga, gb] = [a as Guest, b as Guest];
    grant(ga, 8, 2, 5);
    grant(ga, 9, 2, 6);
    const m = map(gb, 1, 8, 0x7000n);
    expect(map(gb, 1, 9, 0x8000n).status).toBe(0);
    expect(core.call.domainDestroy(1)).toBe(0);
    expect(core.call.domainPeek(2, 7)).not.toBe(0);
    expect(unmap(gb, m.handle, 0x7000n)).toBe(0);
    expect(core.call.domainDestroy(2)).toBe(0);
    const free = core.call.machineFreeFrames();
    for (let round = 0; round < 3; round++) {
      expect(core.call.domainCreate(1, 1, 600)).toBe(0);
      core.call.domainAddRam(1, 0, 100);
      core.call.domainPage(1, 3);
      expect(core.call.domainDestroy(1)).toBe(0);
      expect(core.call.machineFreeFrames()).toBe(free);
    }
  });

  it("unmaps a long batch with few shootdowns", async () => {
    const [a, b] = await pair();
    const n = 40;
    const handles: number[] = [];
    for (let i = 0; i < n; i++) {
      grant(a, 8 + i, b.domid, 5 + i);
      handles.push(map(b, a.domid, 8 + i, BigInt(0x100000 + i * 4096)).handle);
    }
    const before = b.core.u32(b.dom + Domain.off.flushSeq);
    handles.forEach((h, i) => {
      b.struct(
        [
          [8, 0x100000 + i * 4096],
          [8, 0],
          [4, h],
          [2, 9],
          [2, 0],
        ],
        LIST + BigInt(i * 24),
      );
    });
    expect(b.call(20, 1, LIST, n)).toBe(0);
    for (let i = 0; i < n; i++) expect(b.get(LIST + BigInt(i * 24 + 20), 2)).toBe(0n);
    expect(b.core.u32(b.dom + Domain.off.flushSeq) - before).toBe(2);
    expect(b.core.u32(b.dom + Domain.off.mapUsed)).toBe(0);
  });
});

describe("Domain0's mappings", () => {
  it("pin the page, mark the entry and are counted", async () => {
    const [core, a] = await machineWith([[1, 64]]);
    const g = a as Guest;
    grant(g, 8, 0, 5);
    const at = core.call.grantMap(1, 8, 0) >>> 0;
    expect(at).toBe(core.call.domainPeek(1, 5));
    expect(core.call.grantMap(1, 8, 1) >>> 0).toBe(at);
    expect(core.call.grantMap(1, 9, 0)).toBe(-1);
    expect(core.call.grantMap(9, 9, 0)).toBe(-2);
    expect(flags(g, 8)).toBe(PERMIT | READING | WRITING);
    expect(core.call.grantUnmap(1, 8, 0)).toBe(0);
    expect(flags(g, 8)).toBe(PERMIT | READING);
    expect(core.call.grantUnmap(1, 8, 0)).toBe(-4);
    expect(core.call.grantUnmap(1, 8, 1)).toBe(0);
    expect(flags(g, 8)).toBe(PERMIT);
  });
});

describe("copying", () => {
  it("moves bytes between own pages and grants, in both directions", async () => {
    const [a, b] = await pair();
    a.put(0x5010, 8, 0x1122334455667788n);
    grant(a, 8, b.domid, 5);
    expect(copy(b, { ref: 8, dom: a.domid, off: 0x10 }, { gfn: 9, dom: 0x7ff0, off: 0x20 }, 8)).toBe(0);
    expect(b.get(0x9020, 8)).toBe(0x1122334455667788n);
    expect(copy(b, { gfn: 9, dom: 0x7ff0, off: 0x20 }, { ref: 8, dom: a.domid, off: 0x800 }, 4)).toBe(0);
    expect(a.get(0x5800, 4)).toBe(0x55667788n);
    expect(flags(a, 8)).toBe(PERMIT);
  });

  it("refuses other domains' memory, page crossings and missing pages", async () => {
    const [a, b] = await pair();
    grant(a, 8, b.domid, 5, READONLY);
    expect(copy(b, { gfn: 5, dom: a.domid, off: 0 }, { gfn: 9, dom: 0x7ff0, off: 0 }, 8)).toBe(-8);
    expect(copy(b, { ref: 8, dom: a.domid, off: 4090 }, { gfn: 9, dom: 0x7ff0, off: 0 }, 8)).toBe(-10);
    expect(copy(b, { ref: 8, dom: a.domid, off: 0 }, { gfn: 0x3000000, dom: 0x7ff0, off: 0 }, 8)).toBe(-9);
    expect(copy(b, { gfn: 9, dom: 0x7ff0, off: 0 }, { ref: 8, dom: a.domid, off: 0 }, 8)).toBe(-1);
    expect(flags(a, 8)).toBe(PERMIT | READONLY);
  });
});

describe("versions and sizes", () => {
  it("answers query_size, grows by add_to_physmap up to its limit", async () => {
    const [a] = await pair();
    a.call(
      20,
      6,
      a.struct([
        [2, 0x7ff0],
        [4, 0],
        [4, 0],
        [2, 9],
      ]),
      1,
    );
    expect([a.get(STRUCT + 4n, 4), a.get(STRUCT + 8n, 4), a.get(STRUCT + 12n, 2)]).toEqual([1n, 64n, 0n]);
    expect(mapTable(a, 63n, 0x3fffff)).toBe(0);
    expect(mapTable(a, 64n, 0x3ffffe)).toBe(-22);
    expect(a.core.u32(a.dom + Domain.off.gntFrames)).toBe(64);
  });

  it("switches to version 2 and back, keeping the reserved entries; sub-page grants bound a copy", async () => {
    const [a, b] = await pair();
    grant(a, 1, 0, 3);
    grant(a, 8, b.domid, 5);
    const m = map(b, a.domid, 8, 0x7000n);
    expect(a.call(20, 8, a.struct([[4, 2]]), 1)).toBe(-16);
    unmap(b, m.handle, 0x7000n);
    expect(a.call(20, 8, a.struct([[4, 2]]), 1)).toBe(0);
    const shared = a.core.u32(a.dom + Domain.off.gntShared);
    expect(a.core.view().getBigUint64(shared + 16 + 8, true)).toBe(3n);
    expect(a.core.view().getUint16(shared + 8 * 16, true)).toBe(0);
    expect(mapTable(a, 0x80000000n, 0x3ffff0)).toBe(0);
    const at = shared + 9 * 16;
    const view = a.core.view();
    view.setBigUint64(at + 8, 5n, true);
    view.setUint16(at + 4, 0x100, true);
    view.setUint16(at + 6, 0x10, true);
    view.setUint16(at + 2, b.domid, true);
    view.setUint16(at, PERMIT | 0x100, true);
    a.put(0x5100, 4, 77);
    expect(map(b, a.domid, 9, 0x7000n).status).toBe(-1);
    expect(copy(b, { ref: 9, dom: a.domid, off: 0x100 }, { gfn: 9, dom: 0x7ff0, off: 0 }, 16)).toBe(0);
    expect(b.get(0x9000, 4)).toBe(77n);
    expect(copy(b, { ref: 9, dom: a.domid, off: 0x101 }, { gfn: 9, dom: 0x7ff0, off: 0 }, 16)).toBe(-10);
    expect(a.call(20, 8, a.struct([[4, 1]]), 1)).toBe(0);
    expect(a.core.view().getUint32(shared + 8 + 4, true)).toBe(3);
  });

  it("has a record of every reference after a change to version 1, which has twice as many to a frame", async () => {
    const [a, b] = await pair();
    expect(a.call(20, 8, a.struct([[4, 2]]), 1)).toBe(0);
    expect(mapTable(a, 3n)).toBe(0);
    expect(a.call(20, 8, a.struct([[4, 1]]), 1)).toBe(0);
    const shared = a.core.u32(a.dom + Domain.off.gntShared + 2 * 4);
    const view = a.core.view();
    // Of reference 1324 the record would lie at 0x12c0, in the Machine struct, if its block's address were 0.
    view.setUint32(shared + 300 * 8 + 4, 5, true);
    view.setUint32(shared + 300 * 8, PERMIT | (b.domid << 16), true);
    const before = new Uint8Array(a.core.memory.buffer, 0x12c0, 16).slice();
    expect(map(b, a.domid, 1324, 0x7000n).status).toBe(0);
    expect(new Uint8Array(a.core.memory.buffer, 0x12c0, 16).slice()).toEqual(before);
    for (let block = 0; block < 4; block++)
      expect(a.core.u32(a.dom + Domain.off.gntActive + block * 4), `block ${block}`).not.toBe(0);
  });

  it("says of a reserved entry in both versions whether it is in use", async () => {
    const [a] = await pair();
    const status = () => a.core.u32(a.dom + Domain.off.gntStatus) + 2;
    const word = (at: number) => a.core.view().getUint16(at, true);
    grant(a, 1, 0, 3);
    expect(a.core.call.grantMap(a.domid, 1, 0) >>> 0).toBeLessThan(0xffffff00);
    expect(a.call(20, 8, a.struct([[4, 2]]), 1)).toBe(0);
    expect(word(status())).toBe(READING | WRITING);
    expect(a.call(20, 8, a.struct([[4, 1]]), 1)).toBe(0);
    expect(flags(a, 1)).toBe(PERMIT | READING | WRITING);
    expect(a.call(20, 8, a.struct([[4, 2]]), 1)).toBe(0);
    expect(a.core.call.grantUnmap(a.domid, 1, 0)).toBe(0);
    expect(a.call(20, 8, a.struct([[4, 1]]), 1)).toBe(0);
    expect(flags(a, 1)).toBe(PERMIT);
  });

  it("transfers a page into a place that was offered", async () => {
    const [a, b] = await pair();
    b.put(0x6000, 4, 4242);
    b.call(
      12,
      1,
      b.struct([
        [8, LIST],
        [8, 0],
        [4, 0],
        [4, 0],
        [2, 0x7ff0],
      ]),
    );
    const view = a.core.view();
    view.setUint32(entry(a, 8) + 4, 0x2000, true);
    view.setUint32(entry(a, 8), 2 | (b.domid << 16), true);
    b.struct([
      [8, 6],
      [2, a.domid],
      [4, 8],
      [2, 9],
    ]);
    expect(b.call(20, 4, STRUCT, 1)).toBe(0);
    expect(b.get(STRUCT + 16n, 2)).toBe(0n);
    expect(a.get(0x2000000, 4)).toBe(4242n);
    expect(b.core.call.domainPeek(b.domid, 6)).toBe(0);
    expect(flags(a, 8)).toBe(2 | 4 | 8);
  });
});

describe("the table itself", () => {
  const setup = (g: Guest, dom: number, frames: number, list = LIST) => {
    g.struct([
      [2, dom],
      [4, frames],
      [2, 77],
      [8, list],
    ]);
    expect(g.call(20, 2, STRUCT, 1)).toBe(0);
    return Number(BigInt.asIntN(16, g.get(STRUCT + 8n, 2)));
  };

  it("lists the gfns at which the guest has put its frames", async () => {
    const [a, b] = await pair();
    expect(mapTable(a, 2n, 0x180)).toBe(0);
    expect(setup(a, SELF, 4)).toBe(0);
    expect([0n, 8n, 16n, 24n].map((at) => a.get(LIST + at, 8))).toEqual([
      BigInt(TABLE),
      (1n << 64n) - 1n,
      0x180n,
      (1n << 64n) - 1n,
    ]);
    // A frame that the guest has taken out of its address space is nowhere.
    expect(
      a.call(
        12,
        15,
        a.struct([
          [2, SELF],
          [8, TABLE],
        ]),
      ),
    ).toBe(0);
    expect(setup(a, SELF, 1)).toBe(0);
    expect(a.get(LIST, 8)).toBe((1n << 64n) - 1n);
    expect(setup(a, SELF, 65)).toBe(-1);
    expect(setup(a, SELF, 1, 1n << 50n)).toBe(-5);
    expect(setup(a, b.domid, 1)).toBe(-8);
    expect(setup(a, 99, 1)).toBe(-2);
  });

  it("takes one structure, and is nobody else's", async () => {
    const [a, b] = await pair();
    for (const cmd of [2, 6, 9]) {
      expect(a.call(20, cmd, STRUCT, 2)).toBe(-22);
      expect(a.call(20, cmd, STRUCT, 0)).toBe(-22);
    }
    const size = (dom: number) => {
      a.struct([
        [2, dom],
        [4, 0],
        [4, 0],
        [2, 77],
      ]);
      expect(a.call(20, 6, STRUCT, 1)).toBe(0);
      return [a.get(STRUCT + 4n, 4), a.get(STRUCT + 8n, 4), BigInt.asIntN(16, a.get(STRUCT + 12n, 2))].map(Number);
    };
    expect(size(SELF)).toEqual([1, 64, 0]);
    expect(size(b.domid)).toEqual([0, 0, -8]);
    expect(size(99)).toEqual([0, 0, -2]);
    const version = (dom: number) =>
      a.call(
        20,
        10,
        a.struct([
          [2, dom],
          [4, 0],
        ]),
        1,
      );
    expect(version(SELF)).toBe(0);
    expect(a.get(STRUCT + 4n, 4)).toBe(1n);
    expect(version(b.domid)).toBe(-1);
    expect(version(99)).toBe(-3);
  });

  it("answers what Xen answers an HVM guest to commands of PV guests", async () => {
    const [a] = await pair();
    for (const cmd of [3, 7, 12, 13]) expect(a.call(20, cmd, STRUCT, 1)).toBe(-38);
  });

  it("swaps two references, and one with itself", async () => {
    const [a, b] = await pair();
    grant(a, 9, b.domid, 5);
    grant(a, 10, b.domid, 6);
    expect(map(b, a.domid, 9, 0x7000n).status).toBe(0);
    const swap = (x: number, y: number) => {
      a.struct([
        [4, x],
        [4, y],
        [2, 77],
      ]);
      expect(a.call(20, 11, STRUCT, 1)).toBe(0);
      return Number(BigInt.asIntN(16, a.get(STRUCT + 8n, 2)));
    };
    expect(swap(9, 10)).toBe(-12);
    expect(swap(9, 9)).toBe(0);
    expect(swap(10, 11)).toBe(0);
    expect(flags(a, 10)).toBe(0);
    expect(flags(a, 11)).toBe(PERMIT);
    expect(swap(10, 5000)).toBe(-3);
  });
});
