import { Worker } from "node:worker_threads";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Frame } from "../../abi/structs/machine.js";
import { Domain } from "../../abi/structs/domain.js";
import { testCore } from "../xen/testing/harness.js";

const ENTRY = "mem/testing.entry.ts";
const KIND = (e: number) => (e >>> 20) & 15;
const MFN = (e: number) => e & 0xfffff;

async function started(frames = 4096) {
  const core = await testCore(ENTRY);
  expect(core.call.start(frames)).toBe(0);
  return core;
}

describe("frame allocator", () => {
  it("refuses to lay the machine out twice, and impossible machines", async () => {
    const core = await started();
    expect(core.call.start(4096)).toBe(-16);
    expect((await testCore(ENTRY)).call.start(0)).toBe(-22);
  });

  it("hands out zeroed frames, grows memory by need and takes freed frames again", async () => {
    const core = await started(65536);
    const before = core.memory.buffer.byteLength;
    const a = core.call.frameAlloc(1);
    new Uint8Array(core.memory.buffer).fill(7, a << 12, (a + 1) << 12);
    expect(core.call.framePut(a)).toBe(1);
    const b = core.call.frameAlloc(2);
    expect(b).toBe(a);
    expect(new Uint8Array(core.memory.buffer, b << 12, 4096).every((x) => x === 0)).toBe(true);
    expect(core.memory.buffer.byteLength - before).toBeLessThanOrEqual(128 * 65536);
  });

  it("returns 0 when the machine is full, and works again after a free", async () => {
    const core = await testCore(ENTRY, 600);
    core.call.start(65536);
    const got: number[] = [];
    for (let mfn = core.call.frameAlloc(1); mfn !== 0; mfn = core.call.frameAlloc(1)) got.push(mfn);
    expect(new Set(got).size).toBe(got.length);
    expect(got.length).toBeGreaterThan(7000);
    expect(core.call.freeFrames()).toBe(0);
    core.call.framePut(got[0]);
    expect(core.call.frameAlloc(1)).toBe(got[0]);
  });

  it("counts references and forgets code when a frame changes hands", async () => {
    const core = await started();
    const mfn = core.call.frameAlloc(1);
    core.call.frameGet(mfn);
    expect(core.call.framePut(mfn)).toBe(0);
    const f = core.call.frameAddressOf(mfn);
    core.view().setUint32(f + Frame.off.codeMap, 5, true);
    const gen = core.u32(f + Frame.off.codeGen);
    expect(core.call.framePut(mfn)).toBe(1);
    expect(core.u32(f + Frame.off.codeMap)).toBe(0);
    expect(core.u32(f + Frame.off.codeGen)).toBe(gen + 1);
  });

  it("keeps heap objects apart and zeroed", async () => {
    const core = await started();
    const live = new Map<number, number>();
    const sizes = [1, 64, 65, 128, 700, 2048];
    for (let i = 0; i < 200; i++) {
      const size = sizes[i % sizes.length] as number;
      const p = core.call.heapAlloc(size);
      expect(new Uint8Array(core.memory.buffer, p, size).every((x) => x === 0)).toBe(true);
      for (const [q, n] of live) expect(p + size <= q || q + n <= p).toBe(true);
      new Uint8Array(core.memory.buffer, p, size).fill(255);
      live.set(p, size);
      if (i % 3 === 0) {
        const [q, n] = [...live][0] as [number, number];
        core.call.heapFree(q, n);
        live.delete(q);
      }
    }
    expect(core.call.heapAlloc(4096)).toBe(0);
    const block = core.call.heapPages(5);
    core.call.heapFreePages(block, 5);
    expect(core.call.heapPages(5)).toBe(block);
  });
});

describe("the heap", () => {
  it("has blocks of what guests gave back when memory was used up once, and gives none of them out twice", async () => {
    const core = await testCore(ENTRY, 600);
    core.call.start(65536);
    const kept = core.call.heapPages(3);
    const got: number[] = [];
    for (let mfn = core.call.frameAlloc(1); mfn !== 0; mfn = core.call.frameAlloc(1)) got.push(mfn);
    expect(core.call.heapPages(3)).toBe(0);
    // Every other one of the first hundred: no two of them in a row; then a hundred in a row.
    for (let i = 0; i < 100; i += 2) core.call.framePut(got[i]);
    expect(core.call.heapPages(3)).toBe(0);
    for (let i = 200; i < 300; i++) core.call.framePut(got[i]);
    new Uint8Array(core.memory.buffer).fill(7, got[200]! << 12, (got[299]! + 1) << 12);
    const free = core.call.freeFrames();
    expect(free).toBe(150);
    const frames = new Set<number>();
    for (let blocks = 0; blocks < 12; blocks++) {
      const block = core.call.heapPages(3) >>> 0;
      expect(new Uint8Array(core.memory.buffer, block, 8 * 4096).every((x) => x === 0)).toBe(true);
      for (let i = 0; i < 8; i++) frames.add((block >>> 12) + i);
    }
    expect(core.call.freeFrames()).toBe(free - 96);
    expect(core.call.heapPages(3)).toBe(0);
    for (let mfn = core.call.frameAlloc(1); mfn !== 0; mfn = core.call.frameAlloc(1)) frames.add(mfn);
    expect(frames.size).toBe(150);
    expect(frames.has(kept >>> 12)).toBe(false);
    expect(core.call.freeFrames()).toBe(0);
    // A page of its own is any of them.
    core.call.framePut(got[250]);
    expect(core.call.heapPages(0) >>> 12).toBe(got[250]);
  });
});

describe("locks", () => {
  it("keep threads apart: no increment and no frame is lost", async () => {
    const core = await started();
    const words = core.call.heapPages(0);
    const source = `
      const { workerData: d, parentPort } = require("node:worker_threads");
      const env = { memory: d.memory, lockOwner: d.owner, hostNow: () => 0, hostWallClock: () => 0, hostRandom: () => 0, hostTrace() {}, abort() {},
        hostWait: (at, value) => Atomics.wait(new Int32Array(d.memory.buffer), at >>> 2, value, 2) };
      WebAssembly.instantiate(d.module, { env }).then((i) => {
        i.exports.contend(d.words, d.words + 64, d.rounds);
        parentPort.postMessage("done");
      });`;
    const [threads, rounds] = [4, 5000];
    const free = core.call.freeFrames();
    await Promise.all(
      Array.from({ length: threads }, (_, n) => {
        const workerData = { module: core.module, memory: core.memory, words, rounds, owner: n + 2 };
        const worker = new Worker(source, { eval: true, workerData });
        return new Promise((resolve, reject) => worker.once("message", resolve).once("error", reject)).then(() =>
          worker.terminate(),
        );
      }),
    );
    expect(core.u32(words + 64)).toBe(threads * rounds);
    expect(core.u32(words)).toBe(0);
    expect(core.call.freeFrames()).toBe(free);
  });
});

describe("p2m", () => {
  it("populates on demand, only what is touched, up to the domain's limit", async () => {
    const core = await started();
    const dom = core.call.makeDomain(5, 1 << 20, 3);
    expect(KIND(core.call.get(dom, 0xfffffn))).toBe(3);
    expect(core.call.get(dom, 1n << 20n)).toBe(0);
    expect(core.call.resolve(dom, 1n << 40n, 1)).toBe(0);
    const a = core.call.resolve(dom, 7n, 1);
    expect(KIND(a)).toBe(1);
    expect(core.call.resolve(dom, 7n, 0)).toBe(a);
    core.call.resolve(dom, 8n, 0);
    core.call.resolve(dom, 9n, 2);
    expect(core.u32(dom + Domain.off.totPages)).toBe(3);
    expect(core.call.resolve(dom, 10n, 0)).toBe(0);
    expect(core.u32(dom + Domain.off.shutdown)).toBe(1);
  });

  it("of a domain that is gone has nothing for one that comes late, and blames it for nothing", async () => {
    const core = await started();
    const dom = core.call.makeDomain(5, 100, 100);
    core.call.resolve(dom, 3n, 1);
    core.call.destroy(dom);
    const free = core.call.freeFrames();
    expect(KIND(core.call.resolve(dom, 3n, 1))).toBe(0);
    expect(core.u32(dom + Domain.off.shutdown)).toBe(0);
    expect(core.call.freeFrames()).toBe(free);
  });

  it("keeps a hole in RAM a hole until it is populated again", async () => {
    const core = await started();
    const dom = core.call.makeDomain(5, 100, 100);
    const old = (core.call.resolve(dom, 3n, 1), core.call.set(dom, 3, 0));
    expect(KIND(old)).toBe(1);
    expect(core.u32(dom + Domain.off.totPages)).toBe(0);
    expect(KIND(core.call.resolve(dom, 3n, 1))).toBe(7);
    expect(core.call.makePod(dom, 3)).toBe(1);
    expect(KIND(core.call.get(dom, 3n))).toBe(3);
  });

  it("gives a writer of a shared frame a copy, and flushes", async () => {
    const core = await started();
    const dom = core.call.makeDomain(5, 100, 100);
    const shared = core.call.frameAlloc(0x7ff3);
    new Uint8Array(core.memory.buffer)[shared << 12] = 42;
    core.call.frameGet(shared);
    core.call.set(dom, 4, core.call.p2mEntry(shared, 2, 5 << 24));
    expect(MFN(core.call.resolve(dom, 4n, 0))).toBe(shared);
    const own = core.call.resolve(dom, 4n, 1);
    expect(KIND(own)).toBe(1);
    expect(MFN(own)).not.toBe(shared);
    expect(new Uint8Array(core.memory.buffer)[MFN(own) << 12]).toBe(42);
    expect(core.u32(dom + Domain.off.flushSeq)).toBe(1);
    expect(core.u32(core.call.frameAddressOf(shared) + Frame.off.refs)).toBe(1);
  });

  it("agrees with a map under random sets, and returns every frame at the end", async () => {
    const core = await started();
    fc.assert(
      fc.property(
        fc.array(fc.record({ gfn: fc.integer({ min: 0, max: (1 << 30) - 1 }), op: fc.integer({ min: 0, max: 2 }) }), {
          maxLength: 40,
        }),
        (steps) => {
          const free = core.call.freeFrames();
          const dom = core.call.makeDomain(9, 0, 1000);
          const model = new Map<number, number>();
          for (const { gfn, op } of steps) {
            const entry = op === 0 ? 0 : core.call.p2mEntry(core.call.frameAlloc(9), 1, 7 << 24);
            const old = core.call.set(dom, gfn, entry) >>> 0;
            if (old === 0xffffffff) {
              core.call.p2mRelease(entry);
              continue;
            }
            expect(old).toBe(model.get(gfn) ?? 0);
            core.call.p2mRelease(old);
            model.set(gfn, entry);
          }
          for (const [gfn, entry] of model) expect(core.call.get(dom, BigInt(gfn))).toBe(entry);
          core.call.destroy(dom);
          core.call.heapFreePages(dom, 2);
          expect(core.call.freeFrames()).toBe(free);
        },
      ),
      { numRuns: 40 },
    );
  });
});
