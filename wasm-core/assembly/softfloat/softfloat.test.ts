/**
 * Soft float against scalar SSE results recorded on a processor: add to round, in both formats, under random rounding
 * modes, DAZ, FTZ, sticky flags and masks. The 80-bit format is tested through the instructions, in interp/x87.test.ts.
 *
 * testing.bin holds 31 bytes a vector: u8 operation (testing.entry.ts), u16 MXCSR before, u64 a, u64 b, u64 result,
 * u32 MXCSR after with bit 31 set when an unmasked exception took the result away.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import asc from "assemblyscript/asc";
import { beforeAll, expect, it } from "vitest";

const ENTRY = fileURLToPath(new URL("./testing.entry.ts", import.meta.url));
const ST = 1024;
const VECTOR_SIZE = 31;
const FLAGS = 0x3f;
const DEFAULT = 0x1f80;
const PE = 0x20;

interface Exports {
  memory: WebAssembly.Memory;
  run(op: number, st: number, a: bigint, b: bigint): bigint;
}

let core: Exports;
let view: DataView;

beforeAll(async () => {
  let binary: Uint8Array | undefined;
  const { error, stderr } = await asc.main(
    [ENTRY, "-O0", "--runtime", "stub", "--noAssert", "--enable", "simd", "--memoryBase", "65536", "-o", "out.wasm"],
    {
      readFile: (name, base) => {
        const path = join(base, name);
        return existsSync(path) ? readFileSync(path, "utf8") : null;
      },
      writeFile: (_name, contents) => {
        if (typeof contents !== "string") binary = contents;
      },
      listFiles: () => [],
    },
  );
  if (error || binary === undefined) throw new Error(stderr.toString());
  const { instance } = await WebAssembly.instantiate(binary as Uint8Array<ArrayBuffer>, {});
  core = instance.exports as unknown as Exports;
  view = new DataView(core.memory.buffer);
}, 60_000);

/** Result and MXCSR of an operation. */
function run(op: number, mxcsr: number, a: bigint, b: bigint): [bigint, number] {
  view.setUint32(ST, mxcsr, true);
  const r = BigInt.asUintN(64, core.run(op, ST, BigInt.asIntN(64, a), BigInt.asIntN(64, b)));
  return [r, view.getUint32(ST, true)];
}

it("agrees with the recorded results and flags", () => {
  const file = readFileSync(new URL("./testing.bin", import.meta.url));
  const wrong: string[] = [];
  for (let at = 0; at < file.length; at += VECTOR_SIZE) {
    const op = file.readUInt8(at);
    const mxcsr = file.readUInt16LE(at + 1);
    const [a, b, want] = [3, 11, 19].map((o) => file.readBigUInt64LE(at + o)) as [bigint, bigint, bigint];
    const after = file.readUInt32LE(at + 27);
    const [r, status] = run(op, mxcsr, a, b);
    const faults = after >= 0x80000000;
    const agrees = faults
      ? status === after - 0x80000000 && (status & FLAGS & ~(mxcsr >> 7)) !== 0
      : r === want && status === after;
    if (!agrees)
      wrong.push(
        `${op} ${mxcsr.toString(16)} ${a.toString(16)} ${b.toString(16)}: ${r.toString(16)} ${status.toString(16)}`,
      );
  }
  expect(wrong).toEqual([]);
  expect(file.length / VECTOR_SIZE).toBeGreaterThan(2000);
});

it("takes the host's arithmetic only where it makes no difference", () => {
  // With PE already sticky the host computes; from clear flags the soft path does.
  const doubles = [1.5, -2.25, 0.1, 1e300, 3e-300, 1 / 3, 4.9e-324, 0, -0, 1.7e308, 2.2250738585072014e-308].map(
    (x) => {
      const b = new DataView(new ArrayBuffer(8));
      b.setFloat64(0, x);
      return b.getBigUint64(0);
    },
  );
  for (const op of [0, 1, 2, 3, 4]) {
    for (const a of doubles) {
      for (const b of doubles) {
        const [soft, softStatus] = run(op, DEFAULT, a, b);
        const [host, hostStatus] = run(op, DEFAULT | PE, a, b);
        expect([op, host, hostStatus]).toEqual([op, soft, softStatus | PE]);
      }
    }
  }
});

it("leaves PE out after a narrowing that is exact, and sets it after one that is not", () => {
  expect(run(7, DEFAULT, 0x3ff8000000000000n, 0n)).toEqual([0x3fc00000n, DEFAULT]);
  expect(run(7, DEFAULT, 0x3ff0000000000001n, 0n)).toEqual([0x3f800000n, DEFAULT | PE]);
});
