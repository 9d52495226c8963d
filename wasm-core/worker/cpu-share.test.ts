import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { CpuSource, PCPU_BASE, Pcpu } from "../abi/structs/machine.js";
import { CpuShare } from "./cpu-share.js";
import { schedstatClock, threadClock } from "./thread-clock.node.js";

const MS = 1_000_000;
const PCPU = 2;
const BASE = PCPU_BASE + PCPU * Pcpu.size;

/** A pCPU whose thread has `share` of a processor, and what the core would charge. */
class Rig {
  readonly memory = new WebAssembly.Memory({ initial: 1 });
  readonly view = new DataView(this.memory.buffer);
  used = 7 * MS;
  charged = 0;
  readonly meter: CpuShare;

  constructor(readonly stepNs = 1) {
    this.view.setUint32(BASE + Pcpu.off.cpuShare, 0x10000, true);
    this.meter = new CpuShare(this.memory, PCPU, () => Math.floor(this.used / stepNs) * stepNs);
  }

  get share(): number {
    return this.view.getUint32(BASE + Pcpu.off.cpuShare, true) / 0x10000;
  }

  /** Turns of 5 ms, and `overhead` ns of other work of the thread in each. */
  run(turns: number, share: number, overhead = 0): void {
    for (let i = 0; i < turns; i++) {
      const busy = Number(this.view.getBigUint64(BASE + Pcpu.off.busyNs, true)) + 5 * MS;
      this.view.setBigUint64(BASE + Pcpu.off.busyNs, BigInt(busy), true);
      this.charged += 5 * MS * this.share;
      this.used += 5 * MS * share + overhead;
      this.meter.settle();
    }
  }
}

describe("the share of a processor that vCPUs are charged", () => {
  it("says that it is the thread's", () => {
    const rig = new Rig();
    expect(rig.view.getUint32(BASE + Pcpu.off.cpuSource, true)).toBe(CpuSource.values.THREAD);
    expect(rig.share).toBe(1);
  });

  it("follows the thread's clock through load that comes and goes", () => {
    const rig = new Rig();
    const start = rig.used;
    for (const share of [1, 0.5, 0.1, 1, 0.7, 0.3]) rig.run(400, share);
    const used = rig.used - start;
    expect(used).toBe(400 * 5 * MS * 3.6);
    expect(Math.abs(rig.charged - used)).toBeLessThan(250 * MS);
  });

  it("does so with a clock of coarse steps", () => {
    const rig = new Rig(10 * MS);
    const start = rig.used;
    rig.run(4000, 0.4);
    expect(Math.abs(rig.charged - (rig.used - start))).toBeLessThan(100 * MS);
    expect(rig.share).toBeGreaterThan(0.1);
    expect(rig.share).toBeLessThan(0.7);
  });

  it("never charges more than the time on the pCPU, whatever else the thread does", () => {
    const rig = new Rig();
    rig.run(1000, 1, 3 * MS);
    expect(rig.charged).toBe(1000 * 5 * MS);
    rig.run(1000, 0.5);
    expect(rig.charged).toBeLessThan(1000 * 5 * MS + 1000 * 2.5 * MS + 500 * MS);
  });

  it("leaves the share alone until a stretch is long enough", () => {
    const rig = new Rig();
    rig.run(9, 0.5);
    expect(rig.share).toBe(1);
    rig.run(1, 0.5);
    expect(rig.share).toBe(0);
    rig.run(10, 0.5);
    expect(rig.share).toBe(0.5);
    expect(rig.charged).toBe(rig.used - 7 * MS);
  });
});

describe("a thread's clock", () => {
  it("reads what the kernel tells, and knows when it tells nothing", () => {
    const folder = mkdtempSync(join(tmpdir(), "xenolith-clock-"));
    const file = join(folder, "schedstat");
    writeFileSync(file, "123456789 42 7\n");
    const clock = schedstatClock(file)!;
    expect(clock()).toBe(123456789);
    writeFileSync(file, "123499999 42 7\n");
    expect(clock()).toBe(123499999);
    writeFileSync(file, "0 0 0\n");
    expect(schedstatClock(file)).toBeNull();
    rmSync(folder, { recursive: true });
  });

  it("does not go back", () => {
    const clock = threadClock();
    const first = clock?.() ?? 0;
    let work = 0;
    for (let i = 0; i < 1_000_000; i++) work += i;
    expect(work).toBeGreaterThan(0);
    expect(clock?.() ?? 0).toBeGreaterThanOrEqual(first);
  });
});
