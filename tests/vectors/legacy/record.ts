/**
 * Records 16- and 32-bit vectors on QEMU: `npx tsx tests/vectors/legacy/record.ts [family...]`, all families by default.
 * Needs qemu-system-x86_64. Writes data/<family>.vec, or into VECTOR_DATA; RECORD_SEED makes other vectors.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { Assembler, pvhElf } from "../../../wasm-core/isa/asm/index.js";
import type { Family } from "../../../wasm-core/isa/row.js";
import { loadTable } from "../../../wasm-core/isa/table.js";
import { rowKey } from "../generate.js";
import { FILL, NO_TRAP, OFF, type State, settleBreakpoint, type Vector, WINDOWS } from "../layout.js";
import { packVectors, type Recorded } from "../store.js";
import { legacyExclusion } from "./excluded.js";
import { legacyWorkOf } from "./generate.js";
import { CODE_ROOM, ITEM, ITEMS, ORIGIN, PROGRAM } from "./program.js";
import { codeOffset } from "./reach.js";
import { dropFrame, Kind, kindOf, PHYSICAL, putSetting, selectorsOf } from "./settings.js";
import type { LegacyWork } from "./work.js";

const DATA = process.env.VECTOR_DATA ?? fileURLToPath(new URL("./data/", import.meta.url));
const MEMORY_MIB = 256;
const TIMEOUT_MS = 120_000;
/** QEMU's exit status when the program wrote 0 to the exit port. */
const EXIT_OK = 1;
const PAGE_FAULT = 14;
const WINDOW_BYTES = WINDOWS[0].bytes + WINDOWS[1].bytes;

const qemuName = (): string => execFileSync("qemu-system-x86_64", ["--version"]).toString().split("\n")[0]!;

function writeItem(w: LegacyWork, out: Uint8Array, at: number): void {
  const view = new DataView(out.buffer, out.byteOffset + at, ITEM.bytes);
  view.setUint32(ITEM.kind, w.setting.kind, true);
  view.setUint32(ITEM.codeAt, PHYSICAL.code + codeOffset(w.setting, w.before.rip), true);
  out.fill(FILL, at + ITEM.code, at + ITEM.code + CODE_ROOM);
  out.set(w.code, at + ITEM.code);
  for (let n = 0; n < 8; n++) view.setUint32(ITEM.gpr + 4 * n, Number(w.before.gpr(n)), true);
  view.setUint32(ITEM.eip, Number(w.before.rip), true);
  view.setUint32(ITEM.eflags, w.before.flags, true);
  selectorsOf(w.before).forEach((s, n) => {
    view.setUint32(ITEM.selectors + 4 * n, s, true);
  });
  out.set(w.before.bytes.subarray(OFF.memory, OFF.memory + WINDOW_BYTES), at + ITEM.windows);
}

function readItem(w: LegacyWork, from: Uint8Array, at: number): State {
  const view = new DataView(from.buffer, from.byteOffset + at, ITEM.bytes);
  const after = w.before.copy();
  for (let n = 0; n < 8; n++) after.setGpr(n, BigInt(view.getUint32(ITEM.gpr + 4 * n, true)));
  after.rip = BigInt(view.getUint32(ITEM.eip, true));
  after.flags = view.getUint32(ITEM.eflags, true);
  const [es, cs, ss, ds, fs, gs] = Array.from({ length: 6 }, (_, n) =>
    view.getUint32(ITEM.selectors + 4 * n, true),
  ) as [number, number, number, number, number, number];
  putSetting(after, kindOf(w.before), { es, cs, ss, ds, fs, gs });
  after.trap = view.getUint32(ITEM.trap, true);
  after.error = view.getUint32(ITEM.error, true);
  after.cr2 = BigInt(view.getUint32(ITEM.cr2, true));
  after.bytes.set(from.subarray(at + ITEM.windows, at + ITEM.windows + WINDOW_BYTES), OFF.memory);
  return after;
}

/** Takes the recorder's own trap out of a state; traps of the instruction stay. */
function settle(w: LegacyWork, after: State): State {
  settleBreakpoint(w, after);
  // A fetch at the target of a branch: the branch itself is done.
  if (after.trap === PAGE_FAULT && after.rip !== w.before.rip) after.trap = NO_TRAP;
  if (after.trap !== PAGE_FAULT) after.cr2 = 0n;
  if (after.trap === NO_TRAP) after.error = 0;
  return after;
}

/** Runs the recorder over everything; the states after, in order. */
function runQemu(program: Uint8Array, work: readonly LegacyWork[], folder: string): State[] {
  const bytes = new Uint8Array(ITEMS - ORIGIN + (work.length + 1) * ITEM.bytes);
  bytes.set(program);
  work.forEach((w, i) => {
    writeItem(w, bytes, ITEMS - ORIGIN + i * ITEM.bytes);
  });
  const kernel = join(folder, "recorder.elf");
  const memory = join(folder, "memory");
  writeFileSync(kernel, pvhElf({ origin: ORIGIN, bytes, memoryBytes: bytes.length, symbols: new Map() }, ORIGIN));
  const run = spawnSync(
    "qemu-system-x86_64",
    [
      ...[
        "-accel",
        "tcg",
        "-cpu",
        "max",
        "-m",
        String(MEMORY_MIB),
        "-kernel",
        kernel,
        "-display",
        "none",
        "-no-reboot",
      ],
      ...["-object", `memory-backend-file,id=ram,size=${MEMORY_MIB}M,mem-path=${memory},share=on`],
      ...["-machine", "pc,memory-backend=ram", "-device", "isa-debug-exit,iobase=0xf4", "-monitor", "none"],
      ...["-serial", "none", "-nodefaults"],
    ],
    { timeout: TIMEOUT_MS },
  );
  if (run.status !== EXIT_OK) throw new Error(`QEMU ended with ${run.status ?? run.signal}: ${run.stderr}`);
  const left = readFileSync(memory);
  return work.map((w, i) => settle(w, dropFrame(readItem(w, left, ITEMS + i * ITEM.bytes))));
}

/** In real-address mode no frame fits around offset zero of the stack: a processor would shut down. */
const hasRoom = (v: Vector): boolean => kindOf(v.after) !== Kind.REAL || (v.after.gpr(4) & 0xffffn) > 6n;

/** File of a family's vectors. */
const vectorFile = (family: Family): string =>
  join(DATA, `${family.name.toLowerCase().replace(/[^a-z0-9]+/g, "-")}.vec`);

function workOfFamily(family: Family): Map<string, LegacyWork[]> {
  const out = new Map<string, LegacyWork[]>();
  for (const row of family.rows) {
    const key = rowKey(row);
    if (legacyExclusion(row, family.module) === undefined && !out.has(key))
      out.set(key, legacyWorkOf(row, family.module));
  }
  return out;
}

function recordFamily(program: Uint8Array, family: Family, folder: string): void {
  const work = workOfFamily(family);
  if (work.size === 0) return;
  const after = runQemu(program, [...work.values()].flat(), folder).values();
  const rows: Recorded[] = [...work].map(([row, all]) => ({
    row,
    vectors: all
      .map((w): Vector => ({ mode: w.mode, code: w.code, before: w.before, after: after.next().value! }))
      .filter(hasRoom),
  }));
  const file = packVectors(qemuName(), rows);
  writeFileSync(vectorFile(family), file);
  const count = rows.reduce((n, r) => n + r.vectors.length, 0);
  process.stdout.write(`${family.name}: ${rows.length} rows, ${count} vectors, ${file.length} bytes\n`);
}

async function main(wanted: readonly string[]): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "vectors-"));
  try {
    const table = await loadTable();
    const program = new Assembler(table).assemble(PROGRAM, { origin: ORIGIN }).bytes;
    mkdirSync(DATA, { recursive: true });
    for (const family of table) {
      if (wanted.length === 0 || wanted.includes(family.module)) recordFamily(program, family, folder);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href)
  await main(process.argv.slice(2));
