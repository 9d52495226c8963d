/**
 * x87 and MMX handlers against results recorded on a processor (an AMD Zen 5): every opcode from D8 to DF in register and
 * memory form, and every MMX register form, over random states. The transcendental instructions, of which processors
 * promise one unit in the last place, are compared with correctly rounded values instead.
 */
import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { Vcpu } from "../../abi/structs/vcpu.js";
import { CPU, MEM, REC, resetCpu, type SseCore, setRecord, sseCore, UNMAPPED } from "./testing/sse-core.js";
import { canonical, mmxForms, mmxName, runMmx, runX87, x87Form, x87Keys } from "./testing/x87-replay.js";
import { hash, mmxVectors, x87Vectors } from "./testing/x87-vectors.js";

interface Recorded {
  readonly x87: Readonly<Record<string, string>>;
  readonly mmx: Readonly<Record<string, string>>;
  /** mnemonic, ST(0), ST(1), result rounded to nearest: sign and exponent, significand, in hexadecimal */
  readonly transcendental: readonly (readonly string[])[];
}

const recorded = JSON.parse(readFileSync(new URL("./testing/x87-recorded.json", import.meta.url), "utf8")) as Recorded;
const { off } = Vcpu;
const MODULES = /^(x87-|mmx|glue)/;

let core: SseCore;
beforeAll(async () => {
  core = await sseCore(MODULES);
}, 120_000);

const formNamed = (mnemonic: string, encoding?: string) => {
  const f = core.forms.find(
    (x) =>
      x.row.mnemonic === mnemonic && (encoding === undefined || x.row.encoding === encoding) && x.variant.size !== 16,
  );
  if (f === undefined) throw new Error(mnemonic);
  return f;
};

describe("recorded on a processor", () => {
  it("has a row or an explicit #UD for each of the 576 x87 forms", () => {
    expect(x87Keys().filter((key) => x87Form(core, key) === undefined)).toEqual([]);
  });

  it("x87", () => {
    const wrong: string[] = [];
    for (const [name, want] of Object.entries(recorded.x87)) {
      const key = Number.parseInt(name, 16);
      const form = x87Form(core, key)!;
      let h: number | undefined;
      for (const v of x87Vectors(key)) h = hash(canonical(runX87(core, form, key, v)), h);
      if (h!.toString(16) !== want) wrong.push(`${name} ${form.row.mnemonic}`);
    }
    expect(wrong).toEqual([]);
    expect(Object.keys(recorded.x87).length).toBeGreaterThan(560);
  });

  it("MMX", () => {
    const wrong: string[] = [];
    mmxForms(core).forEach((form, i) => {
      let h: number | undefined;
      for (const v of mmxVectors(i + 1)) h = hash(canonical(runMmx(core, form, v)), h);
      if (h!.toString(16) !== recorded.mmx[mmxName(form)]) wrong.push(mmxName(form));
    });
    expect(wrong).toEqual([]);
  });
});

/**
 * Runs an instruction on ST(0) and ST(1) and returns the stack top, of FPTAN the register below the 1 it pushes, as
 * hexadecimal sign and exponent, significand, and FSW.
 */
function onStack(
  mnemonic: string,
  st0: readonly string[],
  st1: readonly string[],
  fcw = 0x37f,
): [string, string, number] {
  resetCpu(core);
  core.view.setUint16(CPU + off.fcw, fcw, true);
  core.view.setUint16(CPU + off.fsw, 6 << 11, true);
  core.view.setUint16(CPU + off.ftw, 0x0fff, true);
  [st0, st1].forEach(([se = "0", sig = "0"], i) => {
    core.view.setBigUint64(CPU + off.fpr + 16 * (6 + i), BigInt(`0x${sig}`), true);
    core.view.setUint16(CPU + off.fpr + 16 * (6 + i) + 8, Number.parseInt(se, 16), true);
  });
  setRecord(core, 0, 0, 0);
  core.run(formNamed(mnemonic).index);
  const fsw = core.view.getUint16(CPU + off.fsw, true);
  const slot = CPU + off.fpr + 16 * (((fsw >> 11) + (mnemonic === "FPTAN" && (fsw & 0x400) === 0 ? 1 : 0)) & 7);
  return [core.view.getUint16(slot + 8, true).toString(16), core.view.getBigUint64(slot, true).toString(16), fsw];
}

/** The largest integer whose square is at most `n`, by Newton's method from above. */
function integerRoot(n: bigint): bigint {
  let root = 1n << 64n;
  for (;;) {
    const next = (root + n / root) >> 1n;
    if (next >= root) return root;
    root = next;
  }
}

describe("FSQRT", () => {
  it("is exact, or rounded to nearest with C1 where that is up", () => {
    const top = 1n << 63n;
    const edges = [0n, 1n, 2n, (1n << 31n) - 1n, 1n << 31n, 1n << 32n, 1n << 62n, top - 2n, top - 1n];
    const random = Array.from({ length: 200 }, (_, i) => BigInt(hash(Uint8Array.of(i))) * 0x9e3779b97f4a7c15n);
    // Squares of 32 bits, and what lies beside them.
    const squares = random.map((r, i) => (0xb504f334n + (r & 0x3fffffffn)) ** 2n + BigInt((i % 3) - 1));
    for (const bits of [...edges, ...random, ...squares]) {
      const sig = BigInt.asUintN(63, bits) | top;
      for (const odd of [0, 1]) {
        const radicand = sig << (odd ? 64n : 63n);
        const root = integerRoot(radicand);
        const rest = radicand - root * root;
        const up = rest > root;
        const [se, got, fsw] = onStack("FSQRT", [(0x3fff + odd).toString(16), sig.toString(16)], []);
        const expected = ["3fff", up ? root + 1n : root, rest !== 0n, up];
        expect([se, BigInt(`0x${got}`), (fsw & 0x20) !== 0, (fsw & 0x200) !== 0]).toEqual(expected);
      }
    }
  });
});

describe("transcendental instructions", () => {
  it("are correctly rounded", () => {
    const wrong: string[] = [];
    for (const [mnemonic, ase, asig, bse, bsig, se, sig] of recorded.transcendental as readonly [
      string,
      ...string[],
    ][]) {
      const got = onStack(mnemonic, [ase!, asig!], [bse!, bsig!]);
      if (got[0] !== se || got[1] !== sig)
        wrong.push(`${mnemonic} ${ase} ${asig} ${bse} ${bsig}: ${got[0]} ${got[1]}, not ${se} ${sig}`);
    }
    expect(wrong).toEqual([]);
    expect(recorded.transcendental.length).toBeGreaterThan(300);
  });

  it("set C2 and leave ST(0) alone from 2^63", () => {
    for (const mnemonic of ["FSIN", "FCOS", "FSINCOS", "FPTAN"]) {
      const [se, sig, fsw] = onStack(mnemonic, ["403e", "8000000000000000"], ["0", "0"]);
      expect([mnemonic, se, sig, fsw & 0x400]).toEqual([mnemonic, "403e", "8000000000000000", 0x400]);
    }
  });
});

describe("state", () => {
  it("blocks waiting instructions after an unmasked exception, and FNCLEX unblocks", () => {
    const [, , fsw] = onStack("FDIV", ["3fff", "8000000000000000"], ["0", "0"], 0x37b);
    expect(fsw & 0x8084).toBe(0);
    setRecord(core, 0, 1, 0);
    core.run(formNamed("FDIV", "D8 F0+").index);
    expect(core.view.getUint16(CPU + off.fsw, true) & 0x8084).toBe(0x8084);
    expect(core.memory[CPU + off.fpuBlocked]).toBe(3);
    expect(core.run(formNamed("FLD1").index)).toBe(2);
    expect(core.memory[CPU + off.faultVector]).toBe(16);
    expect(core.run(formNamed("FNCLEX").index)).toBe(0);
    expect(core.memory[CPU + off.fpuBlocked]).toBe(0);
    expect(core.run(formNamed("FLD1").index)).toBe(0);
  });

  it("FRSTOR takes back what FNSAVE stored, in both forms", () => {
    for (const size of [16, 32] as const) {
      const pick = (m: string) => core.forms.find((f) => f.row.mnemonic === m && f.variant.size === size)!.index;
      resetCpu(core);
      core.memory.fill(0, CPU + off.fpr, CPU + off.fpr + 128);
      for (let i = 0; i < 128; i++) if (i % 16 < 10) core.memory[CPU + off.fpr + i] = (i * 37 + 11) & 0xff;
      core.view.setUint16(CPU + off.fsw, 0x2a00, true);
      core.view.setUint16(CPU + off.ftw, 0xc033, true);
      core.view.setBigUint64(CPU + off.fip, 0x1234n, true);
      const before = core.memory.slice(CPU + off.fpr, CPU + off.fip + 16);
      core.view.setBigUint64(CPU + 56, BigInt(MEM), true);
      setRecord(core, 0, 56, 0);
      expect(core.run(pick("FNSAVE"))).toBe(0);
      expect(core.view.getUint16(CPU + off.ftw, true)).toBe(0xffff);
      expect(core.run(pick("FRSTOR"))).toBe(0);
      expect(core.memory.slice(CPU + off.fpr, CPU + off.fip + 16)).toEqual(before);
    }
  });

  it("leaves everything as it was when a store faults", () => {
    resetCpu(core);
    core.view.setUint16(CPU + off.fsw, 0x3800, true);
    core.view.setUint16(CPU + off.ftw, 0x3fff, true);
    core.view.setBigUint64(CPU + 56, 0x3ffff8n, true);
    setRecord(core, 0, 56, 0);
    const before = core.memory.slice(CPU + off.fpr, CPU + off.fip + 16);
    expect(core.run(formNamed("FSTP", "DB /7").index)).toBe(2);
    expect(core.memory.slice(CPU + off.fpr, CPU + off.fip + 16)).toEqual(before);
  });
});

describe("MMX with memory", () => {
  const memoryForm = (mnemonic: string, size = 0) =>
    core.forms.find((f) => f.row.mnemonic === mnemonic && f.variant.form === "mem" && f.variant.size === size)!.index;

  /** MM0 = a, MM1 = b, [RDI] at `at`. */
  function start(at: number, a: bigint, b: bigint): void {
    resetCpu(core);
    core.view.setUint16(CPU + off.fsw, 0x3000, true);
    core.view.setBigUint64(CPU + off.fpr, a, true);
    core.view.setBigUint64(CPU + off.fpr + 16, b, true);
    core.view.setBigUint64(CPU + 56, BigInt(at), true);
    setRecord(core, 0, 56, 0);
  }

  it("reads four bytes for the low unpacks", () => {
    start(UNMAPPED - 4, 0x0706050403020100n, 0n);
    core.view.setUint32(UNMAPPED - 4, 0xd3d2d1d0, true);
    expect(core.run(memoryForm("PUNPCKLBW"))).toBe(0);
    expect(core.view.getBigUint64(CPU + off.fpr, true)).toBe(0xd303d202d101d000n);
    expect(core.view.getUint16(CPU + off.fpr + 8, true)).toBe(0xffff);
    expect(core.view.getUint16(CPU + off.fsw, true)).toBe(0);
    expect(core.view.getUint16(CPU + off.ftw, true)).toBe(0);
  });

  it("stays out of MMX state when the operand faults", () => {
    start(UNMAPPED - 7, 1n, 2n);
    expect(core.run(memoryForm("PADDB"))).toBe(2);
    expect(core.view.getUint16(CPU + off.fsw, true)).toBe(0x3000);
    expect(core.view.getUint16(CPU + off.ftw, true)).toBe(0xffff);
  });

  it("stores the selected bytes with MASKMOVQ, whole registers with MOVQ and MOVNTQ, halves with MOVD", () => {
    start(MEM, 0x8877665544332211n, 0x80ff007f00800000n);
    core.view.setBigUint64(MEM, 0n, true);
    core.view.setBigUint64(CPU + 56, BigInt(MEM), true);
    setRecord(core, 0, 1, 0);
    core.memory[REC + 7] = 4 | (3 << 3) | (2 << 6);
    expect(core.run(core.forms.find((f) => f.row.mnemonic === "MASKMOVQ")!.index)).toBe(0);
    expect(core.view.getBigUint64(MEM, true)).toBe(0x8877000000330000n);
    for (const name of ["MOVQ", "MOVNTQ"]) {
      start(MEM, 0x8877665544332211n, 0n);
      const form = core.forms.find((f) => f.row.mnemonic === name && f.row.operands[0]!.kind === "M")!;
      expect(core.run(form.index)).toBe(0);
      expect(core.view.getBigUint64(MEM, true)).toBe(0x8877665544332211n);
      core.view.setBigUint64(MEM, 0n, true);
    }
    start(MEM, 0x8877665544332211n, 0n);
    const store = core.forms.find(
      (f) => f.row.encoding === "NP 0F 7E /r" && f.variant.form === "mem" && f.variant.size === 32,
    )!;
    expect(core.run(store.index)).toBe(0);
    expect(core.view.getBigUint64(MEM, true)).toBe(0x44332211n);
  });
});
