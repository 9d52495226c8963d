import { describe, expect, it } from "vitest";
import { E820_RAM, mapEntryCount, planLayout } from "./layout.js";

const MiB = 1024 * 1024;
const BASE = {
  kernelStart: 16 * MiB,
  kernelEnd: 64 * MiB,
  ramdiskBytes: 5 * MiB + 1,
  acpiBytes: 700,
  bootInfoBytes: 4000,
};

function plan(memoryMiB: number, changes: Partial<typeof BASE> = {}) {
  return planLayout({ ...BASE, ...changes, memoryBytes: memoryMiB * MiB });
}

describe("planLayout", () => {
  it("puts the ramdisk page-aligned at the end of low RAM and the boot information low", () => {
    const layout = plan(128);
    expect(layout).toMatchObject({
      ok: true,
      value: { ramdisk: 122 * MiB + 0xff000, bootInfo: 0x6000, acpi: 0xfc000000 },
    });
  });

  it("continues RAM at 4 GiB when there is more than 3 GiB", () => {
    for (const memory of [128, 3072, 3073, 8192, 1024 * 1024]) {
      const layout = plan(memory);
      if (!layout.ok) throw new Error(layout.error.message);
      const { map } = layout.value;
      expect(map.length).toBe(mapEntryCount(memory * MiB));
      const ram = map.filter(({ type }) => type === E820_RAM).reduce((sum, { bytes }) => sum + bytes, 0);
      expect(ram).toBe(memory * MiB - 384 * 1024);
      map.slice(1).forEach((entry, index) => {
        expect(entry.start).toBeGreaterThanOrEqual(map[index]!.start + map[index]!.bytes);
      });
    }
  });

  it("keeps clear of a kernel that sits low", () => {
    expect(plan(16, { kernelStart: 0x1000, kernelEnd: 0x9000, ramdiskBytes: 0 })).toMatchObject({
      ok: true,
      value: { bootInfo: 0x100000, ramdisk: 0 },
    });
  });

  it.each([
    ["memory: a domain needs more than 1 MiB", 1, {}],
    ["memory: the kernel ends at 64.0 MiB", 32, {}],
    ["memory: the kernel and the ramdisk", 68, {}],
    ["no memory", 128, { kernelStart: 0x80000, kernelEnd: 0x110000 }],
  ])("refuses: %s", (message, memory, changes) => {
    const layout = plan(memory, changes);
    expect(layout.ok ? "" : layout.error.message).toContain(message);
  });
});
