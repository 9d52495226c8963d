import { describe, expect, it } from "vitest";
import { Vcpu } from "../../abi/structs/vcpu.js";
import { testCore } from "../xen/testing/harness.js";

const ENTRY = "cpu/testing.entry.ts";

async function processor(id = 0, count = 1) {
  const core = await testCore(ENTRY);
  const cpu: number = core.call.makeVcpu(id, count);
  const cpuid = (leaf: number, sub = 0) => {
    core.call.cpuid(cpu, leaf, sub);
    return [0, 24, 8, 16].map((off) => core.u32(cpu + off)) as [number, number, number, number];
  };
  const set64 = (off: number, v: bigint) => core.view().setBigUint64(cpu + off, v, true);
  return { core, cpu, cpuid, set64 };
}

const text = (words: number[]) =>
  words.map((w) => String.fromCharCode(w & 255, (w >> 8) & 255, (w >> 16) & 255, w >>> 24)).join("");

describe("CPUID", () => {
  it("names the processor and the hypervisor", async () => {
    const { cpuid } = await processor();
    const [max, b, c, d] = cpuid(0);
    expect(max).toBe(0x16);
    expect(text([b, d, c])).toBe("GenuineIntel");
    expect(cpuid(1)[0]).toBe(0x206e6);
    expect(text([2, 3, 4].flatMap((n) => cpuid(0x80000000 + n))).replace(/\0+$/, "")).toBe(
      "Xenolith Virtual CPU @ 1.00GHz",
    );
    const xen = cpuid(0x40000000);
    expect(text(xen.slice(1))).toBe("XenVMMXenVMM");
    expect(xen[0] - 0x40000000).toBeGreaterThanOrEqual(2);
    expect(cpuid(0x40000100)).toEqual([0, 0, 0, 0]);
  });

  it("answers beyond the last basic leaf as the last one does", async () => {
    const { cpuid } = await processor();
    expect(cpuid(0x1000)).toEqual(cpuid(0x16));
    expect(cpuid(0x80000009)).toEqual(cpuid(0x16));
  });

  it("has what 64-bit Linux and x86-64-v2 need", async () => {
    const { cpuid } = await processor();
    const [, , ecx, edx] = cpuid(1);
    for (const bit of [0, 3, 4, 5, 6, 8, 11, 13, 15, 16, 19, 23, 24, 25, 26])
      expect((edx >>> bit) & 1, `EDX ${bit}`).toBe(1);
    for (const bit of [0, 9, 13, 19, 20, 23, 31]) expect((ecx >>> bit) & 1, `ECX ${bit}`).toBe(1);
    const ext = cpuid(0x80000001);
    for (const bit of [20, 26, 27, 29]) expect((ext[3] >>> bit) & 1).toBe(1);
    // AVX state is not enabled anywhere, so AVX must not be listed.
    expect((ecx >>> 28) & 1).toBe(0);
    expect(cpuid(0xd)[0]).toBe(3);
  });

  it("follows CR4, IA32_APIC_BASE, IA32_MISC_ENABLE and the mode", async () => {
    const { core, cpu, cpuid, set64 } = await processor();
    expect((cpuid(1)[2] >>> 27) & 1).toBe(0);
    set64(Vcpu.off.cr4, 1n << 18n);
    expect((cpuid(1)[2] >>> 27) & 1).toBe(1);
    expect((cpuid(1)[3] >>> 9) & 1).toBe(0);
    set64(Vcpu.off.apicBase, 0xfee00900n);
    expect((cpuid(1)[3] >>> 9) & 1).toBe(1);
    set64(Vcpu.off.miscEnable, 1n << 18n);
    expect((cpuid(1)[2] >>> 3) & 1).toBe(1);
    expect(cpuid(5)[0]).toBe(64);
    set64(Vcpu.off.miscEnable, 1n);
    expect((cpuid(1)[2] >>> 3) & 1).toBe(0);
    expect((cpuid(0x80000001)[3] >>> 11) & 1).toBe(0);
    core.view().setUint32(cpu + Vcpu.off.modeKey, 2, true);
    expect((cpuid(0x80000001)[3] >>> 11) & 1).toBe(1);
  });

  it("describes one package of single-threaded cores whose ids fit the shift it reports", async () => {
    for (const count of [1, 2, 3, 8, 128]) {
      const { cpuid } = await processor(count - 1, count);
      const smt = cpuid(0xb, 0);
      const core = cpuid(0xb, 1);
      expect(smt.slice(0, 3)).toEqual([0, 1, 0x100]);
      expect(core[1]).toBe(count);
      expect(core[3]).toBe(2 * (count - 1));
      expect(core[3] >>> core[0]).toBe(0);
      expect(cpuid(0xb, 2).slice(0, 3)).toEqual([0, 0, 2]);
      expect((cpuid(1)[3] >>> 28) & 1).toBe(count > 1 ? 1 : 0);
      expect(cpuid(1)[1] >>> 24).toBe(2 * (count - 1));
      expect(cpuid(0x40000004)[1]).toBe(count - 1);
    }
  });

  it("describes caches whose sizes are the product of their parts", async () => {
    const { cpuid } = await processor();
    const size = (sub: number) => {
      const [, b, c] = cpuid(4, sub);
      return ((b >>> 22) + 1) * (((b >>> 12) & 1023) + 1) * ((b & 4095) + 1) * (c + 1);
    };
    expect([0, 1, 2, 3].map(size)).toEqual([32768, 32768, 262144, 24 << 20]);
    expect(cpuid(4, 4)[0]).toBe(0);
  });
});

describe("descriptors", () => {
  it("splits a flat 32-bit code segment", async () => {
    const { call } = (await processor()).core;
    const d = 0x12cf9b345678ffffn;
    expect(call.descBase(d)).toBe(0x12345678n);
    expect(call.descLimit(d) >>> 0).toBe(0xffffffff);
    expect(call.descAttr(d)).toBe(0xc9b);
    expect(call.descIsCode(d)).toBe(1);
    expect(call.descIsStack(d)).toBe(0);
    expect(call.descPresent(d)).toBe(1);
  });

  it("takes a byte-granular limit as it stands, and DPL", async () => {
    const { call } = (await processor()).core;
    const d = 0x0007f30000001234n;
    expect(call.descLimit(d)).toBe(0x71234);
    expect(call.descDpl(d)).toBe(3);
    expect(call.descIsStack(d)).toBe(1);
  });

  it("tells system types from segments, and reads gates", async () => {
    const { call } = (await processor()).core;
    const gate = 0xabcd8e000008ef01n;
    expect(call.descType(gate)).toBe(14);
    expect(call.gateSelector(gate)).toBe(8);
    expect(call.gateOffset(gate, true)).toBe(0xabcdef01n);
    expect(call.gateOffset(gate, false)).toBe(0xef01n);
  });
});

describe("breakpoints", () => {
  const DATA_WRITE_4 = 0xd0001n;

  async function watching(dr7: bigint, ...addresses: bigint[]) {
    const p = await processor();
    addresses.forEach((a, n) => void p.core.call.setDr(p.cpu, n, a));
    p.core.call.setDr(p.cpu, 7, dr7);
    p.core.view().setUint8(p.cpu + Vcpu.off.dataBreakpoints, p.core.call.hasDataBreakpoints(dr7));
    const pending = () => p.core.view().getUint8(p.cpu + Vcpu.off.pendingDr6);
    return { ...p, pending };
  }

  it("meets a write that overlaps, not a read, not a neighbour", async () => {
    const { core, cpu, pending } = await watching(DATA_WRITE_4, 0x1000n);
    core.call.checkDataBreakpoint(cpu, 0x1000n, 4, false);
    core.call.checkDataBreakpoint(cpu, 0x1004n, 4, true);
    core.call.checkDataBreakpoint(cpu, 0xffcn, 4, true);
    expect(pending()).toBe(0);
    core.call.checkDataBreakpoint(cpu, 0xfffn, 2, true);
    expect(pending()).toBe(1);
  });

  it("ignores I/O breakpoints without CR4.DE", async () => {
    const { core, cpu, pending, set64 } = await watching(0x20001n, 0x80n);
    core.call.checkIoBreakpoint(cpu, 0x80, 1);
    expect(pending()).toBe(0);
    set64(Vcpu.off.cr4, 8n);
    core.call.checkIoBreakpoint(cpu, 0x80, 1);
    expect(pending()).toBe(1);
  });

  it("stops at an instruction once, as RF says", async () => {
    const { core, cpu, set64 } = await watching(0x4n, 0n, 0x401000n);
    set64(Vcpu.off.rip, 0x401000n);
    expect(core.call.instructionBreakpoints(cpu)).toBe(2n);
    core.view().setUint32(cpu + Vcpu.off.eflags, 0x10002, true);
    expect(core.call.instructionBreakpoints(cpu)).toBe(0n);
  });
});
