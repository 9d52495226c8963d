import fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import { unwrap } from "../../util/index.js";
import { expectBytes, mutations, runTool, sampleBytes, sampleCode } from "../test-support.js";
import { decompressXz } from "./index.js";

// Real tools run here, and a loaded machine runs them slowly.
vi.setConfig({ testTimeout: 60_000 });

const LIMIT = 64 << 20;

function xz(data: Uint8Array, ...args: string[]): Uint8Array {
  return runTool("xz", ["-z", "-c", "-T1", ...args], data);
}

describe("against xz", () => {
  const sample = sampleBytes(150_000);

  test.each([
    ["the default preset with CRC64", []],
    ["CRC32, as Linux uses", ["--check=crc32"]],
    ["SHA-256", ["--check=sha256"]],
    ["no check", ["--check=none"]],
    ["the fastest preset", ["-0"]],
    ["the strongest preset", ["-9e"]],
    ["other literal and position bits", ["--lzma2=preset=6,lc=1,lp=3,pb=4"]],
    ["a small dictionary", ["--lzma2=preset=6,dict=4KiB"]],
    ["several blocks with sizes in their headers", ["-T2", "--block-size=65536"]],
    ["the delta filter", ["--delta=dist=4", "--lzma2=preset=6"]],
    ["delta before the branch filter", ["--delta=dist=3", "--x86", "--lzma2=preset=1"]],
  ])("decompresses %s", (_name, args) => {
    expectBytes(unwrap(decompressXz(xz(sample, ...args), LIMIT)), sample);
  });

  test("undoes the x86 branch filter, with and without a start offset", () => {
    const code = sampleCode(200_000);
    expectBytes(unwrap(decompressXz(xz(code, "--x86", "--lzma2=preset=6"), LIMIT)), code);
    expectBytes(unwrap(decompressXz(xz(code, "--x86=start=4096", "--lzma2=preset=6"), LIMIT)), code);
  });

  test("undoes the branch filter over random opcode-like bytes", () => {
    const opcodeLike = fc.array(fc.constantFrom(0xe8, 0xe9, 0x00, 0xff, 0x01, 0x7f, 0x80), { maxLength: 4000 });
    fc.assert(
      fc.property(opcodeLike, (values) => {
        const code = Uint8Array.from(values);
        expectBytes(unwrap(decompressXz(xz(code, "--x86", "--lzma2=preset=0"), LIMIT)), code);
      }),
      { numRuns: 15 },
    );
  });

  test("decompresses random data of any size", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 70_000 }), (data) => {
        expectBytes(unwrap(decompressXz(xz(data, "-1"), LIMIT)), data);
      }),
      { numRuns: 15 },
    );
  });

  test("decompresses incompressible data, which LZMA2 stores raw", () => {
    const noise = Uint8Array.from({ length: 200_000 }, (_, i) => (Math.imul(i, 2654435761) ^ (i * i)) >>> 13);
    expectBytes(unwrap(decompressXz(xz(noise), LIMIT)), noise);
  });

  test("joins concatenated streams and skips the padding between them", () => {
    const [a, b] = [xz(sample.subarray(0, 1000)), xz(sample.subarray(1000, 2000))];
    const joined = new Uint8Array([...a, 0, 0, 0, 0, ...b, 0, 0, 0, 0, 0, 0, 0, 0]);
    expectBytes(unwrap(decompressXz(joined, LIMIT)), sample.subarray(0, 2000));
  });

  test("decompresses the empty file", () => {
    expectBytes(unwrap(decompressXz(xz(new Uint8Array(0)), LIMIT)), new Uint8Array(0));
  });
});

describe("limits and hostile input", () => {
  const packed = xz(sampleCode(50_000), "--x86", "--lzma2=preset=6");

  test("refuses to unpack more than the limit", () => {
    expect(decompressXz(packed, 49_999)).toMatchObject({ ok: false, error: { code: "limit" } });
    expect(decompressXz(packed, 50_000).ok).toBe(true);
  });

  test("refuses data after the stream, unless told to ignore it", () => {
    const trailing = new Uint8Array([...packed, 1, 2, 3, 4]);
    expect(decompressXz(trailing, LIMIT)).toMatchObject({ ok: false, error: { code: "corrupt" } });
    expect(decompressXz(trailing, LIMIT, { ignoreTrailing: true }).ok).toBe(true);
  });

  test("notices every truncation", () => {
    for (let length = 0; length < packed.length; length += 37) {
      const result = decompressXz(packed.subarray(0, length), LIMIT);
      expect(result.ok, `cut to ${length}`).toBe(false);
    }
  });

  test("notices every damaged byte, and never throws", () => {
    const good = unwrap(decompressXz(packed, LIMIT));
    for (const bad of mutations(packed, 150)) {
      const result = decompressXz(bad, LIMIT);
      if (result.ok) expectBytes(result.value, good);
    }
  });

  test("names what it does not support", () => {
    const arm = xz(new Uint8Array(1000), "--arm", "--lzma2");
    expect(decompressXz(arm, LIMIT)).toMatchObject({ ok: false, error: { code: "unsupported" } });
  });
});
