/** FXSAVE, the XSAVE family, XGETBV and XSETBV, against the layouts and rules of [SDM] vol. 1, 10.5 and 13. */
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { Vcpu } from "../../abi/structs/vcpu.js";
import { CPU, MEM, resetCpu, type SseCore, setRecord, sseCore, UNMAPPED } from "./testing/sse-core.js";

const { off } = Vcpu;
const NEXT = 0;
const FAULT = 2;
const Vector = { UD: 6, NM: 7, GP: 13, PF: 14 } as const;
const XSTATE_BV = 512;
const XCOMP_BV = 520;
const COMPACTED = 1n << 63n;

let core: SseCore;
beforeAll(async () => {
  core = await sseCore();
}, 120_000);

beforeEach(() => {
  resetCpu(core);
  core.memory.fill(0x5a, MEM, MEM + 4096);
});

/** Runs an instruction on the area at `at`, with EDX:EAX = mask; a Status. */
function run(mnemonic: string, at = MEM, mask = 3, size: 0 | 32 | 64 = 64): number {
  const form = core.forms.find((f) => f.row.mnemonic === mnemonic && (f.variant.size === size || f.variant.size === 0));
  setRecord(core, 0, 56, 0);
  core.view.setBigUint64(CPU + off.gpr + 56, BigInt(at), true);
  core.view.setBigUint64(CPU + off.gpr, BigInt(mask), true);
  core.view.setBigUint64(CPU + off.gpr + 16, 0n, true);
  return core.run(form!.index);
}

const vector = (): number => core.memory[CPU + off.faultVector]!;
const xmm = (n: number): number => CPU + off.vec + 32 * n;
const fpr = (n: number): number => CPU + off.fpr + 16 * n;
const u64 = (at: number): bigint => core.view.getBigUint64(at, true);
const header = (xstate: bigint, xcomp: bigint): void => {
  core.memory.fill(0, MEM + XSTATE_BV, MEM + XSTATE_BV + 64);
  core.view.setBigUint64(MEM + XSTATE_BV, xstate, true);
  core.view.setBigUint64(MEM + XCOMP_BV, xcomp, true);
};

/** A state with something in every register. */
function fillState(): void {
  for (let n = 0; n < 16; n++) core.memory.fill(0x10 + n, xmm(n), xmm(n) + 16);
  for (let n = 0; n < 8; n++) core.memory.fill(0x80 + n, fpr(n), fpr(n) + 10);
  core.view.setUint16(CPU + off.fcw, 0x27f, true);
  core.view.setUint16(CPU + off.fsw, 3 << 11, true);
  core.view.setUint16(CPU + off.ftw, 0xfff0, true);
  core.view.setUint16(CPU + off.fop, 0x123, true);
  core.view.setBigUint64(CPU + off.fip, 0x1234_5678_9abcn, true);
  core.view.setBigUint64(CPU + off.fdp, 0xfedc_ba98_7654n, true);
  core.view.setUint32(CPU + off.mxcsr, 0x3fa1, true);
}

const snapshot = (): Uint8Array => core.memory.slice(CPU + off.vec, CPU + off.bounce);

describe("FXSAVE", () => {
  it("lays the state out as the manual has it", () => {
    fillState();
    expect(run("FXSAVE")).toBe(NEXT);
    expect(core.view.getUint16(MEM, true)).toBe(0x27f);
    expect(core.view.getUint16(MEM + 2, true)).toBe(3 << 11);
    expect(core.memory[MEM + 4]).toBe(0b11);
    expect(core.view.getUint16(MEM + 6, true)).toBe(0x123);
    expect(u64(MEM + 8)).toBe(0x1234_5678_9abcn);
    expect(u64(MEM + 16)).toBe(0xfedc_ba98_7654n);
    expect(core.view.getUint32(MEM + 24, true)).toBe(0x3fa1);
    expect(core.view.getUint32(MEM + 28, true)).toBe(0xffff);
    // ST0 is physical register 3; its six upper bytes are zero.
    expect([...core.memory.subarray(MEM + 32, MEM + 48)]).toEqual([...Array(10).fill(0x83), 0, 0, 0, 0, 0, 0]);
    expect(core.memory[MEM + 160 + 15 * 16]).toBe(0x1f);
    expect([...core.memory.subarray(MEM + 416, MEM + 512)].every((b) => b === 0x5a)).toBe(true);
  });

  it("stores 32-bit pointers without REX.W, and only XMM0-XMM7 outside 64-bit mode", () => {
    fillState();
    core.view.setUint32(CPU + off.modeKey, 5, true);
    expect(run("FXSAVE", MEM, 0, 32)).toBe(NEXT);
    expect(u64(MEM + 8)).toBe(0x5678_9abcn);
    expect(core.memory[MEM + 160 + 7 * 16]).toBe(0x17);
    expect(core.memory[MEM + 160 + 8 * 16]).toBe(0x5a);
  });

  it("is undone by FXRSTOR", () => {
    fillState();
    const before = snapshot();
    run("FXSAVE");
    resetCpu(core);
    expect(run("FXRSTOR")).toBe(NEXT);
    expect(snapshot()).toEqual(before);
  });

  it("refuses areas that are not aligned, and CR0.TS and CR0.EM", () => {
    expect(run("FXSAVE", MEM + 8)).toBe(FAULT);
    expect(vector()).toBe(Vector.GP);
    for (const bit of [4n, 8n]) {
      core.view.setBigUint64(CPU + off.cr0, bit, true);
      expect(run("FXRSTOR")).toBe(FAULT);
      expect(vector()).toBe(Vector.NM);
    }
  });

  it("writes nothing when the end of the area faults", () => {
    fillState();
    const at = UNMAPPED - 256;
    core.memory.fill(0x5a, at, UNMAPPED);
    expect(run("FXSAVE", at)).toBe(FAULT);
    expect(vector()).toBe(Vector.PF);
    expect(core.memory.subarray(at, UNMAPPED).every((b) => b === 0x5a)).toBe(true);
  });

  it("loads nothing when MXCSR has a reserved bit", () => {
    run("FXSAVE");
    core.view.setUint32(MEM + 24, 0x11f80, true);
    fillState();
    const before = snapshot();
    expect(run("FXRSTOR")).toBe(FAULT);
    expect(vector()).toBe(Vector.GP);
    expect(snapshot()).toEqual(before);
  });
});

describe("XSAVE and XSAVEOPT", () => {
  it("keep the XSTATE_BV bits they were not asked about and the rest of the header", () => {
    fillState();
    header(0x8000_0000_0000_0004n, 7n);
    expect(run("XSAVE", MEM, 1)).toBe(NEXT);
    expect(u64(MEM + XSTATE_BV)).toBe(0x8000_0000_0000_0005n);
    expect(u64(MEM + XCOMP_BV)).toBe(7n);
    expect(core.memory[MEM + 160]).toBe(0x5a);
    expect(core.memory[MEM + 24]).toBe(0x5a);
  });

  it("write what is in its initial configuration, or with the optimisation leave it", () => {
    header(0n, 0n);
    expect(run("XSAVEOPT")).toBe(NEXT);
    expect(u64(MEM + XSTATE_BV)).toBe(0n);
    expect(core.memory[MEM]).toBe(0x5a);
    expect(core.view.getUint32(MEM + 24, true)).toBe(0x1f80);
    expect(run("XSAVE")).toBe(NEXT);
    expect(core.view.getUint16(MEM, true)).toBe(0x37f);
    expect(core.memory[MEM + 160]).toBe(0);
  });

  it("want OSXSAVE, no CR0.TS, and an area aligned to 64 bytes", () => {
    expect(run("XSAVE", MEM + 16)).toBe(FAULT);
    expect(vector()).toBe(Vector.GP);
    core.view.setBigUint64(CPU + off.cr0, 8n, true);
    expect(run("XSAVE")).toBe(FAULT);
    expect(vector()).toBe(Vector.NM);
    core.view.setBigUint64(CPU + off.cr4, 0x600n, true);
    expect(run("XRSTOR")).toBe(FAULT);
    expect(vector()).toBe(Vector.UD);
  });
});

describe("XSAVEC", () => {
  it("writes the compacted header, and MXCSR only with SSE state in use", () => {
    expect(run("XSAVEC")).toBe(NEXT);
    expect(u64(MEM + XSTATE_BV)).toBe(0n);
    expect(u64(MEM + XCOMP_BV)).toBe(COMPACTED | 3n);
    expect(core.memory[MEM + 24]).toBe(0x5a);
    core.view.setUint32(CPU + off.mxcsr, 0x1fa0, true);
    expect(run("XSAVEC", MEM, 2)).toBe(NEXT);
    expect(u64(MEM + XSTATE_BV)).toBe(2n);
    expect(u64(MEM + XCOMP_BV)).toBe(COMPACTED | 2n);
    expect(core.view.getUint32(MEM + 24, true)).toBe(0x1fa0);
  });

  it("is undone by XRSTOR", () => {
    fillState();
    const before = snapshot();
    run("XSAVEC");
    core.memory.fill(0, MEM + XSTATE_BV + 16, MEM + XSTATE_BV + 64);
    resetCpu(core);
    expect(run("XRSTOR")).toBe(NEXT);
    expect(snapshot()).toEqual(before);
  });
});

describe("XRSTOR", () => {
  it("puts what XSTATE_BV leaves out into its initial configuration, and takes MXCSR all the same", () => {
    fillState();
    header(0n, 0n);
    core.view.setUint32(MEM + 24, 0x1f81, true);
    expect(run("XRSTOR")).toBe(NEXT);
    expect(core.view.getUint16(CPU + off.fcw, true)).toBe(0x37f);
    expect(core.view.getUint16(CPU + off.ftw, true)).toBe(0xffff);
    expect(u64(xmm(15))).toBe(0n);
    expect(core.view.getUint32(CPU + off.mxcsr, true)).toBe(0x1f81);
  });

  it("resets MXCSR with SSE state in the compacted form", () => {
    fillState();
    header(0n, COMPACTED | 3n);
    expect(run("XRSTOR", MEM, 2)).toBe(NEXT);
    expect(core.view.getUint32(CPU + off.mxcsr, true)).toBe(0x1f80);
    expect(core.view.getUint16(CPU + off.fcw, true)).toBe(0x27f);
  });

  it.each([
    ["a component that XCR0 lacks", 4n, 0n, 0],
    ["a component that XCOMP_BV lacks", 3n, COMPACTED | 1n, 0],
    ["a compacted component that XCR0 lacks", 1n, COMPACTED | 5n, 0],
    ["a reserved bit in XCOMP_BV", 1n, 2n, 0],
    ["reserved byte 16 in the standard form", 1n, 0n, 16],
    ["reserved byte 63 in the compacted form", 1n, COMPACTED | 3n, 63],
  ])("refuses %s", (_what, xstate, xcomp, reserved) => {
    fillState();
    header(xstate, xcomp);
    core.view.setUint32(MEM + 24, 0x1f80, true);
    if (reserved !== 0) core.memory[MEM + XSTATE_BV + reserved] = 1;
    const before = snapshot();
    expect(run("XRSTOR")).toBe(FAULT);
    expect(vector()).toBe(Vector.GP);
    expect(snapshot()).toEqual(before);
  });

  it("has a supervisor twin that takes the compacted form alone, at CPL 0", () => {
    header(0n, 0n);
    expect(run("XRSTORS")).toBe(FAULT);
    header(0n, COMPACTED | 3n);
    expect(run("XRSTORS")).toBe(NEXT);
    core.memory[CPU + off.cpl] = 3;
    expect(run("XSAVES")).toBe(FAULT);
    expect(vector()).toBe(Vector.GP);
  });
});

describe("XGETBV and XSETBV", () => {
  const setRcx = (v: bigint): void => core.view.setBigUint64(CPU + off.gpr + 8, v, true);

  it("read XCR0, and with ECX = 1 what of it is in use", () => {
    expect(run("XGETBV")).toBe(NEXT);
    expect(u64(CPU + off.gpr)).toBe(3n);
    setRcx(1n);
    expect(run("XGETBV")).toBe(NEXT);
    expect(u64(CPU + off.gpr)).toBe(0n);
    core.view.setUint32(xmm(3), 1, true);
    run("XGETBV");
    expect(u64(CPU + off.gpr)).toBe(2n);
    setRcx(2n);
    expect(run("XGETBV")).toBe(FAULT);
  });

  it("set only what exists, always with x87, at CPL 0", () => {
    for (const bad of [0, 2, 7, 0x80000001]) expect(run("XSETBV", MEM, bad)).toBe(FAULT);
    expect(run("XSETBV", MEM, 1)).toBe(NEXT);
    expect(u64(CPU + off.xcr0)).toBe(1n);
    core.memory[CPU + off.cpl] = 3;
    expect(run("XSETBV", MEM, 3)).toBe(FAULT);
    expect(vector()).toBe(Vector.GP);
  });
});
