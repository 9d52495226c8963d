/**
 * Replays every SSE form against hashes of results recorded on a processor (AMD EPYC, Zen 5 class), for the operands,
 * MXCSR states and immediates of testing/sse-vectors.ts: result registers, memory, MXCSR, faults and defined flags.
 */
import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { Vcpu } from "../../abi/structs/vcpu.js";
import { CPU, type Form, MEM, resetCpu, type SseCore, setRecord, sseCore, UNMAPPED } from "./testing/sse-core.js";
import {
  At,
  BLOCK,
  hasImmediate,
  hashResults,
  isReplayed,
  nameOf,
  VECTOR_SIZE,
  vectorsOf,
} from "./testing/sse-vectors.js";

const RECORDED = JSON.parse(readFileSync(new URL("./testing/sse-recorded.json", import.meta.url), "utf8")) as Record<
  string,
  string
>;
const { off } = Vcpu;
const FAULT = 2;

let core: SseCore;
beforeAll(async () => {
  core = await sseCore();
}, 120_000);

const uses = (f: Form, kinds: string): boolean => f.row.operands.some((o) => kinds.includes(o.kind));

function enter(f: Form, v: Uint8Array): void {
  const view = new DataView(v.buffer, v.byteOffset, VECTOR_SIZE);
  resetCpu(core);
  for (let n = 0; n < 3; n++)
    core.memory.set(v.subarray(At.XMM + 16 * n, At.XMM + 16 * n + 16), CPU + off.vec + 32 * n);
  for (let n = 0; n < 2; n++)
    core.memory.set(v.subarray(At.MM + 8 * n, At.MM + 8 * n + 8), CPU + off.fpr + 16 * (n + 1));
  core.memory.set(v.subarray(At.GPR, At.GPR + 24), CPU + off.gpr);
  core.view.setBigUint64(CPU + off.gpr + 56, BigInt(MEM), true);
  core.view.setUint32(CPU + off.eflags, view.getUint32(At.FLAGS, true), true);
  core.view.setUint32(CPU + off.mxcsr, view.getUint32(At.MXCSR, true), true);
  core.memory.set(v.subarray(At.MEM, At.MEM + 16), MEM);
  const rm = f.variant.form === "mem" ? 56 : uses(f, "ER") ? 16 : 2;
  setRecord(core, uses(f, "G") ? 8 : 1, rm, hasImmediate(f) ? view.getUint32(At.IMM, true) : 0);
}

function leave(v: Uint8Array, status: number): void {
  const view = new DataView(v.buffer, v.byteOffset, VECTOR_SIZE);
  for (let n = 0; n < 3; n++)
    v.set(core.memory.subarray(CPU + off.vec + 32 * n, CPU + off.vec + 32 * n + 16), At.XMM + 16 * n);
  for (let n = 0; n < 2; n++)
    v.set(core.memory.subarray(CPU + off.fpr + 16 * (n + 1), CPU + off.fpr + 16 * (n + 1) + 8), At.MM + 8 * n);
  v.set(core.memory.subarray(CPU + off.gpr, CPU + off.gpr + 24), At.GPR);
  view.setUint32(At.FLAGS, core.flags(), true);
  view.setUint32(At.MXCSR, core.view.getUint32(CPU + off.mxcsr, true), true);
  view.setUint32(At.FAULT, status === FAULT ? 1 : 0, true);
  v.set(core.memory.subarray(MEM, MEM + 16), At.MEM);
}

/** Hashes of a form's results, one for each block of vectors. */
function replay(f: Form): string {
  const vectors = vectorsOf(f);
  const count = vectors.length / VECTOR_SIZE;
  for (let i = 0; i < count; i++) {
    const v = vectors.subarray(i * VECTOR_SIZE, (i + 1) * VECTOR_SIZE);
    enter(f, v);
    leave(v, core.run(f.index));
  }
  const hashes: string[] = [];
  for (let i = 0; i < count; i += BLOCK) hashes.push(hashResults(f, vectors, i, i + BLOCK).toString(36));
  return hashes.join(" ");
}

describe("SSE against a processor", () => {
  it("gives the recorded results for every form", () => {
    const replayed = core.forms.filter(isReplayed);
    expect(replayed.length).toBeGreaterThan(500);
    const wrong = replayed.filter((f) => replay(f) !== RECORDED[nameOf(f)]).map(nameOf);
    expect(wrong).toEqual([]);
  }, 120_000);
});

describe("RCPPS and RSQRTPS", () => {
  const form = (mnemonic: string): Form =>
    core.forms.find((f) => f.row.mnemonic === mnemonic && f.variant.form === "reg")!;
  const approximate = (mnemonic: string, x: number): number => {
    resetCpu(core);
    core.view.setFloat32(CPU + off.vec + 64, x, true);
    setRecord(core, 1, 2, 0);
    core.run(form(mnemonic).index);
    return core.view.getFloat32(CPU + off.vec + 32, true);
  };

  it("stay within the architectural error bound", () => {
    for (let x = 1e-30; x < 1e30; x *= 1.37) {
      const v = Math.fround(x);
      expect(Math.abs(approximate("RCPPS", v) * v - 1)).toBeLessThanOrEqual(1.5 / 4096);
      expect(Math.abs(approximate("RSQRTPS", v) * Math.sqrt(v) - 1)).toBeLessThanOrEqual(1.5 / 4096);
    }
  });

  it("have the special cases of the manual", () => {
    expect(approximate("RCPSS", -0)).toBe(-Infinity);
    expect(approximate("RCPSS", 1e-40)).toBe(Infinity);
    expect(approximate("RCPSS", -Infinity)).toBe(-0);
    expect(approximate("RCPSS", 3e38)).toBe(0);
    expect(approximate("RSQRTSS", -0)).toBe(-Infinity);
    expect(approximate("RSQRTSS", Infinity)).toBe(0);
    expect(approximate("RSQRTSS", -1)).toBeNaN();
    expect(core.view.getUint32(CPU + off.mxcsr, true)).toBe(0x1f80);
  });
});

describe("MASKMOVDQU", () => {
  const store = (mask: number[], at: number): number => {
    const form = core.forms.find((f) => f.row.mnemonic === "MASKMOVDQU")!;
    resetCpu(core);
    for (let i = 0; i < 16; i++) core.memory[CPU + off.vec + 32 + i] = i + 1;
    for (const i of mask) core.memory[CPU + off.vec + 64 + i] = 0x80;
    core.view.setBigUint64(CPU + off.gpr + 56, BigInt(at), true);
    setRecord(core, 1, 2, 0);
    return core.run(form.index);
  };

  it("stores the selected bytes and no others", () => {
    core.memory.fill(0xee, MEM, MEM + 16);
    expect(store([1, 2, 9], MEM)).toBe(0);
    expect([...core.memory.subarray(MEM, MEM + 12)]).toEqual([
      0xee, 2, 3, 0xee, 0xee, 0xee, 0xee, 0xee, 0xee, 10, 0xee, 0xee,
    ]);
  });

  it("faults for what it selects, not for what it leaves out", () => {
    expect(store([0, 7], UNMAPPED - 8)).toBe(0);
    expect(store([8], UNMAPPED - 8)).toBe(FAULT);
    expect(store([], UNMAPPED)).toBe(0);
  });
});

describe("MOVQ2DQ and MOVDQ2Q", () => {
  it("put the x87 unit into MMX state", () => {
    for (const mnemonic of ["MOVQ2DQ", "MOVDQ2Q"]) {
      resetCpu(core);
      core.view.setUint16(CPU + off.fsw, 0x3800, true);
      setRecord(core, 1, 2, 0);
      expect(core.run(core.forms.find((f) => f.row.mnemonic === mnemonic)!.index)).toBe(0);
      expect(core.view.getUint16(CPU + off.fsw, true)).toBe(0);
      expect(core.view.getUint16(CPU + off.ftw, true)).toBe(0);
    }
    expect(core.view.getUint16(CPU + off.fpr + 16 + 8, true)).toBe(0xffff);
  });
});
