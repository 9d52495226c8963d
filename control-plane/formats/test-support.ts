// Helpers for the tests of the formats: other people's tools, and bytes to feed them.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Runs a real tool with `input` on its standard input. A missing tool fails the test and says what to install. */
export function runTool(tool: string, args: readonly string[], input: Uint8Array = new Uint8Array(0), cwd?: string) {
  try {
    const options = { input, maxBuffer: 1 << 30, stdio: ["pipe", "pipe", "pipe"] as const, ...(cwd ? { cwd } : {}) };
    return new Uint8Array(execFileSync(tool, args, { ...options, stdio: ["pipe", "pipe", "pipe"] }));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    throw new Error(
      `this test needs the program ${tool}; on Debian: apt-get install xz-utils lz4 zstd cpio dpkg tar gzip`,
    );
  }
}

/** Runs `work` with a folder that is gone afterwards. */
export function withFolder<T>(work: (folder: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), "xenolith-formats-"));
  try {
    return work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Deterministic bytes that compress a little, with matches near and far. */
export function sampleBytes(length: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = seed;
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 16;
  };
  for (let pos = 0; pos < length; ) {
    const run = Math.min(1 + (next() % 40), length - pos);
    const from = pos > 64 && next() % 3 > 0 ? next() % pos : -1;
    for (let i = 0; i < run; i++) bytes[pos + i] = from >= 0 ? bytes[from + i]! : next() % 97;
    pos += run;
  }
  return bytes;
}

/** Bytes that look like x86 code full of calls and jumps, which is what the branch filter works on. */
export function sampleCode(length: number): Uint8Array {
  const bytes = sampleBytes(length, 7);
  for (let pos = 0; pos + 5 < length; pos += 3 + (bytes[pos]! % 11)) {
    bytes[pos] = bytes[pos]! & 1 ? 0xe8 : 0xe9;
    bytes[pos + 4] = bytes[pos + 1]! & 1 ? 0xff : bytes[pos + 1]! & 2 ? 0 : bytes[pos + 4]!;
    if (bytes[pos + 2]! & 1) bytes[pos + 2] = 0xe8;
  }
  return bytes;
}

/** For hostile-input tests: `count` copies of `good`, each with a few bytes changed or cut short. */
export function* mutations(good: Uint8Array, count: number): Generator<Uint8Array> {
  let state = 12345;
  const next = (below: number) => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return (state >>> 8) % below;
  };
  for (let i = 0; i < count; i++) {
    const copy = good.slice(0, i % 4 === 0 ? next(good.length) : good.length);
    for (let flips = 1 + next(4); flips > 0 && copy.length > 0; flips--) copy[next(copy.length)] = next(256);
    yield copy;
  }
}

/** Compares large byte arrays quickly: the test runner's own comparison takes a second for a few hundred kilobytes. */
export function expectBytes(actual: Uint8Array, expected: Uint8Array): void {
  if (Buffer.compare(actual, expected) === 0) return;
  const firstDifference = actual.findIndex((byte, i) => byte !== expected[i]);
  throw new Error(`bytes differ at ${firstDifference}; lengths are ${actual.length} and ${expected.length}`);
}
