/**
 * Records vectors on the processor this runs on: `npx tsx tests/vectors/record.ts [family...]`, all families by default.
 * Needs gcc and a Linux x86-64 kernel with modify_ldt. Writes data/<family>.vec, or into
 * VECTOR_DATA; RECORD_SEED makes other vectors.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { Family, Row } from "../../wasm-core/isa/row.js";
import { loadTable } from "../../wasm-core/isa/table.js";
import { exclusion } from "./excluded.js";
import { rowKey, type Work, workOf } from "./generate.js";
import { ITEM_BYTES, ITEM_HEAD, NO_TRAP, OFF, STATE_BYTES, State, settleBreakpoint, type Vector } from "./layout.js";
import { packVectors, type Recorded } from "./store.js";

const HERE = fileURLToPath(new URL("./", import.meta.url));
const DATA = process.env.VECTOR_DATA ?? join(HERE, "data");
const PAGE_FAULT = 14;
/** Error code bits of a page fault: user, instruction fetch. */
const FETCH = 0x10;
/** The recorder's exit status when the machine cannot run 32-bit code. */
const NO_SEGMENTS = 9;
/** Offset of MXCSR_MASK in an FXSAVE image. */
const FX_MXCSR_MASK = 28;
const TIMEOUT_MS = 30_000;

const cpuName = (): string =>
  /model name\s*:\s*(.*)/.exec(readFileSync("/proc/cpuinfo", "utf8"))?.[1]?.trim() ?? "unknown";

function buildRecorder(folder: string): string {
  const out = join(folder, "record");
  execFileSync("gcc", ["-O1", "-Wall", "-Wextra", "-Werror", "-o", out, join(HERE, "record/record.c")], {
    stdio: "inherit",
  });
  return out;
}

function packWork(work: readonly Work[]): Uint8Array {
  const out = new Uint8Array(work.length * ITEM_BYTES);
  work.forEach((w, i) => {
    const at = i * ITEM_BYTES;
    out[at] = w.mode;
    out[at + 1] = w.code.length;
    out.set(w.code, at + 2);
    out.set(w.before.bytes, at + ITEM_HEAD);
  });
  return out;
}

/** Takes the recorder's own trap out of a state; traps of the instruction stay. */
function settle(w: Work, after: State): State {
  settleBreakpoint(w, after);
  // A fetch at the target of a branch: the branch itself is done.
  if (after.trap === PAGE_FAULT && after.error & FETCH && after.rip !== w.before.rip) {
    after.trap = NO_TRAP;
  }
  if (after.trap === NO_TRAP || after.trap !== PAGE_FAULT) after.cr2 = 0n;
  if (after.trap === NO_TRAP) after.error = 0;
  return after;
}

/** Fields of the FXSAVE image that are not state or not the same everywhere: MXCSR_MASK, instruction and data pointers, opcode. */
function keepPointers(before: State, after: State): void {
  for (const [at, n] of [
    [5, 19],
    [28, 4],
  ] as const) {
    after.bytes.set(before.bytes.subarray(OFF.fx + at, OFF.fx + at + n), OFF.fx + at);
  }
  for (let n = 0; n < 8; n++) {
    const at = OFF.fx + 32 + 16 * n + 10;
    after.bytes.set(before.bytes.subarray(at, at + 6), at);
  }
}

/** Whether this machine runs 32-bit code; found out at the first row that has some. */
let has32 = true;

/** MXCSR_MASK in a stored image has a bit for AMD's misaligned mode: stored as processors without it store it. */
function commonMxcsrMask(row: Row, w: Work, after: State): void {
  if (row.semantic === "fxsave" && after.trap === NO_TRAP)
    after.poke(Number(w.ea) + FX_MXCSR_MASK, Uint8Array.of(0xff, 0xff, 0, 0));
}

function recordRow(recorder: string, row: Row, all: readonly Work[]): Vector[] {
  const work = has32 ? all : all.filter((w) => w.mode === 64);
  if (work.length === 0) return [];
  const r = spawnSync(recorder, { input: packWork(work), maxBuffer: 1 << 30, timeout: TIMEOUT_MS });
  if (r.status === NO_SEGMENTS) {
    has32 = false;
    return recordRow(recorder, row, all);
  }
  if (r.status !== 0) throw new Error(`${rowKey(row)}: recorder ended with ${r.status ?? r.signal}: ${r.stderr}`);
  if (r.stdout.length !== work.length * STATE_BYTES)
    throw new Error(`${rowKey(row)}: ${r.stdout.length} bytes recorded`);
  return work.map((w, i) => {
    const after = settle(w, new State(new Uint8Array(r.stdout.subarray(i * STATE_BYTES, (i + 1) * STATE_BYTES))));
    keepPointers(w.before, after);
    commonMxcsrMask(row, w, after);
    return { mode: w.mode, code: w.code, before: w.before, after };
  });
}

/** File of a family's vectors. */
export const vectorFile = (family: Family): string =>
  join(DATA, `${family.name.toLowerCase().replace(/[^a-z0-9]+/g, "-")}.vec`);

function recordFamily(recorder: string, family: Family): void {
  const rows: Recorded[] = [];
  const same = new Map<string, Row>();
  for (const row of family.rows) {
    if (exclusion(row) !== undefined || same.has(rowKey(row))) continue;
    same.set(rowKey(row), row);
    const work = workOf(row, family.module);
    try {
      const vectors = recordRow(recorder, row, work);
      if (vectors.length > 0) rows.push({ row: rowKey(row), vectors });
    } catch (e) {
      process.stderr.write(`${(e as Error).message}\n`);
      process.exitCode = 1;
    }
  }
  if (rows.length === 0) return;
  const file = packVectors(cpuName(), rows);
  writeFileSync(vectorFile(family), file);
  const count = rows.reduce((n, r) => n + r.vectors.length, 0);
  process.stdout.write(`${family.name}: ${rows.length} rows, ${count} vectors, ${file.length} bytes\n`);
}

async function main(wanted: readonly string[]): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "vectors-"));
  try {
    const recorder = buildRecorder(folder);
    mkdirSync(DATA, { recursive: true });
    for (const family of await loadTable()) {
      if (wanted.length === 0 || wanted.includes(family.module)) recordFamily(recorder, family);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href)
  await main(process.argv.slice(2));
