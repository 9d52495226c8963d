import fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import { unwrap } from "../util/index.js";
import { decompress, decompressAsync, detectCompression } from "./decompress.js";
import { compressGzip } from "./gzip.js";
import { expectBytes, mutations, runTool, sampleBytes } from "./test-support.js";

// Real tools run here, and a loaded machine runs them slowly.
vi.setConfig({ testTimeout: 60_000 });

const LIMIT = 64 << 20;
const sample = sampleBytes(150_000);

const lz4Legacy = (data: Uint8Array, ...args: string[]) => runTool("lz4", ["-l", "-c", ...args], data);
const zstd = (data: Uint8Array, ...args: string[]) => runTool("zstd", ["-c", ...args], data);

describe("against the real tools", () => {
  test.each([
    ["gzip", () => runTool("gzip", ["-c"], sample)],
    ["gzip", () => runTool("gzip", ["-1", "-c"], sample)],
    ["xz", () => runTool("xz", ["-c"], sample)],
    ["lz4-legacy", () => lz4Legacy(sample)],
    ["lz4-legacy", () => lz4Legacy(sample, "-9")],
    ["zstd", () => zstd(sample)],
    ["zstd", () => zstd(sample, "-19", "--long=27")],
    ["zstd", () => zstd(sample, "--no-check", "-1")],
  ] as const)("recognises and decompresses %s", (name, pack) => {
    const packed = pack();
    expect(detectCompression(packed)).toBe(name);
    expectBytes(unwrap(decompress(packed, LIMIT)), sample);
  });

  test("decompresses lz4 data of more than one block, and an empty file", () => {
    const large = new Uint8Array(9 << 20).fill(7);
    large.set(sample, 8 << 20);
    expectBytes(unwrap(decompress(lz4Legacy(large), LIMIT)), large);
    expectBytes(unwrap(decompress(lz4Legacy(new Uint8Array(0)), LIMIT)), new Uint8Array(0));
  });

  test("decompresses lz4 repetitions of every distance and length", () => {
    const parts: Uint8Array[] = [];
    // Of other bytes each time, so that they are repeated from where this begins.
    for (let distance = 1; distance <= 20; distance++) {
      for (const length of [4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 64, 300]) {
        const at = (parts.length * 37) % 100_000;
        const begin = sample.subarray(at, at + distance);
        parts.push(sample.subarray(at + 20, at + 20 + (parts.length % 23)));
        parts.push(Uint8Array.from({ length: distance + length }, (_, i) => begin[i % distance]!));
      }
    }
    const data = new Uint8Array(Buffer.concat(parts));
    for (const level of ["-1", "-9"]) expectBytes(unwrap(decompress(lz4Legacy(data, level), LIMIT)), data);
  });

  test("decompresses lz4 runs of zeros behind what was copied in chunks", () => {
    const parts: Uint8Array[] = [];
    for (let before = 1; before <= 24; before++) {
      // Copied in whole chunks, what is behind the literals comes along, and what is behind a repetition of them.
      for (const zeros of [32, 33, 100, 5000]) parts.push(sample.subarray(before, 2 * before), new Uint8Array(zeros));
      parts.push(sample.subarray(0, 40), sample.subarray(0, 16 + before), new Uint8Array(64));
    }
    const data = new Uint8Array(Buffer.concat(parts));
    for (const level of ["-1", "-9"]) expectBytes(unwrap(decompress(lz4Legacy(data, level), LIMIT)), data);
  });

  test("joins the members of a gzip file and the frames of a zstd file", () => {
    const [a, b] = [sample.subarray(0, 5000), sample.subarray(5000, 9000)];
    const gzip = new Uint8Array([...runTool("gzip", ["-c"], a), ...runTool("gzip", ["-c"], b)]);
    expectBytes(unwrap(decompress(gzip, LIMIT)), sample.subarray(0, 9000));
    const skippable = [0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3];
    const frames = new Uint8Array([...zstd(a), ...skippable, ...zstd(b)]);
    expectBytes(unwrap(decompress(frames, LIMIT)), sample.subarray(0, 9000));
  });

  test("what we compress, gzip reads, and it is the same every time", () => {
    const packed = compressGzip(sample);
    expectBytes(runTool("gzip", ["-dc"], packed), sample);
    expectBytes(compressGzip(sample), packed);
  });

  test("gzip round trips any bytes", () => {
    fc.assert(fc.property(fc.uint8Array(), (data) => expectBytes(unwrap(decompress(compressGzip(data), LIMIT)), data)));
  });
});

describe("kernel payloads, which end in the unpacked size", () => {
  test.each([
    ["xz", () => runTool("xz", ["-c", "--check=crc32", "--x86", "--lzma2"], sample)],
    ["lz4-legacy", () => lz4Legacy(sample)],
    ["zstd", () => zstd(sample)],
  ])("%s: the size is refused unless it is to be ignored", (_name, pack) => {
    const payload = new Uint8Array([...pack(), 0xf0, 0x49, 0x02, 0x00]);
    expect(decompress(payload, LIMIT).ok).toBe(false);
    expectBytes(unwrap(decompress(payload, LIMIT, { ignoreTrailing: true })), sample);
  });
});

test("in slices, large xz data gives the same bytes, reports progress and lets others run", async () => {
  const large = sampleBytes(1 << 20);
  const packed = runTool("xz", ["-0", "-c"], large);
  const reported: number[] = [];
  let turns = 0;
  const timer = setInterval(() => turns++, 1);
  const unpacked = unwrap(await decompressAsync(packed, LIMIT, (readBytes) => reported.push(readBytes), 0));
  clearInterval(timer);
  expectBytes(unpacked, large);
  expect(reported.length).toBeGreaterThan(1);
  expect(reported).toEqual([...reported].sort((a, b) => a - b));
  expect(turns).toBeGreaterThan(0);
  expect(await decompressAsync(packed, 1000)).toMatchObject({ ok: false, error: { code: "limit" } });
});

describe("limits and hostile input", () => {
  const packers = {
    gzip: compressGzip(sample.subarray(0, 60_000)),
    lz4: lz4Legacy(sample.subarray(0, 60_000)),
    zstd: zstd(sample.subarray(0, 60_000)),
    "zstd without sizes": runTool("sh", ["-c", "cat | zstd -c"], sample.subarray(0, 60_000)),
  };

  test.each(Object.entries(packers))("%s: refuses to unpack more than the limit", (_name, packed) => {
    expect(decompress(packed, 59_999)).toMatchObject({ ok: false, error: { code: "limit" } });
    expectBytes(unwrap(decompress(packed, 60_000)), sample.subarray(0, 60_000));
  });

  test("a bomb stops at the limit", () => {
    const bomb = compressGzip(new Uint8Array(4 << 20));
    expect(decompress(bomb, 1 << 20)).toMatchObject({ ok: false, error: { code: "limit" } });
  });

  test.each(Object.entries(packers))("%s: notices truncation", (_name, packed) => {
    for (let cut = 1; cut < packed.length; cut += 997) {
      expect(decompress(packed.subarray(0, packed.length - cut), LIMIT).ok, `${cut} bytes short`).toBe(false);
    }
  });

  test.each(Object.entries(packers))("%s: damaged input gives a result, never an exception", (_name, packed) => {
    for (const bad of mutations(packed, 60)) expect(typeof decompress(bad, LIMIT).ok).toBe("boolean");
  });

  test("random bytes are refused", () => {
    fc.assert(
      fc.property(fc.uint8Array(), (data) => {
        fc.pre(detectCompression(data) === undefined);
        expect(decompress(data, LIMIT)).toMatchObject({ ok: false, error: { code: "unsupported" } });
      }),
    );
  });
});
