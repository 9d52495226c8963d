/**
 * Long repeated MOVS and STOS over pages that follow each other in the machine's memory or do not, overlap, are read-only
 * or missing: against a model that goes element by element.
 */
import { expect, it } from "vitest";
import { Vcpu } from "../../wasm-core/abi/structs/vcpu.js";
import { makeTestCore } from "../support/core.js";
import { HANDLERS, LongModeMachine } from "../support/machine.js";
import { Random } from "../support/random.js";

const PAGE = 4096;
const PAGES = 24;
const CODE = 0x400000;
const DATA = 0x600000;
const DIRTY = 0x40n;
const PD = 0x3000n;
const PF = 14n;
const ROUNDS = Number(process.env.RUNS ?? 400);
const MACHINE_FRAMES = 4096;
const MOST_BYTES = 60_000;
const INT3 = 0xcc;
const [RAX, RCX, RSI, RDI] = [0, 1, 6, 7];
const { off } = Vcpu;

const random = new Random(33);
const core = await makeTestCore();
const machine = new LongModeMachine(core, MACHINE_FRAMES, 2 * PAGES + 64);
const { cpu } = machine;
const view = (): DataView => new DataView(core.memory.buffer);
const u8 = (): Uint8Array => new Uint8Array(core.memory.buffer);
const code = machine.mapUser({ linear: CODE, bytes: PAGE, writable: false })[0]!;

/** Guest-physical pages, of which some runs follow each other; what is mapped where changes every round. */
const pool = machine.reserve(PAGES);
machine.mapUser({ linear: DATA, bytes: PAGES * PAGE, writable: true });

type Kind = "plain" | "read-only" | "missing";
interface Page {
  readonly gpa: bigint;
  readonly kind: Kind;
}

function entryOf(page: number): number {
  const linear = BigInt(DATA + page * PAGE);
  const table = view().getBigUint64(machine.at(PD + 8n * (linear >> 21n)), true) & ~0xfffn;
  return machine.at(table + 8n * ((linear >> 12n) & 511n));
}

function mapPages(): Page[] {
  const shift = random.below(PAGES);
  return Array.from({ length: PAGES }, (_, n) => {
    const swapped = random.once(6) ? random.below(PAGES) : n;
    const gpa = pool[(swapped + shift) % PAGES]!;
    const kind: Kind = random.once(30) ? "read-only" : random.once(40) ? "missing" : "plain";
    machine.remapUser(DATA + n * PAGE, gpa, kind === "plain");
    const at = entryOf(n);
    const entry = view().getBigUint64(at, true) & ~DIRTY;
    view().setBigUint64(at, kind === "missing" ? entry & ~1n : entry, true);
    return { gpa, kind };
  });
}

interface Run {
  readonly width: 1 | 2 | 4 | 8;
  readonly store: boolean;
  readonly mode: 32 | 64;
  readonly from: number;
  readonly to: number;
  readonly count: number;
}

/** What is left to do, and where it faulted; the bytes of the pool and the pages written are changed in place. */
function model(
  run: Run,
  pages: readonly Page[],
  bytes: Map<bigint, Uint8Array>,
  dirty: Set<number>,
  value: Uint8Array,
) {
  const allowed = (at: number, write: boolean): boolean => {
    for (const byte of [at, at + run.width - 1]) {
      const page = pages[Math.floor(byte / PAGE)]!;
      if (page.kind === "missing" || (write && page.kind === "read-only")) return false;
    }
    return true;
  };
  const place = (at: number): [Uint8Array, number] => [bytes.get(pages[Math.floor(at / PAGE)]!.gpa)!, at % PAGE];
  for (let n = 0; n < run.count; n++) {
    const [from, to] = [run.from + n * run.width, run.to + n * run.width];
    if ((!run.store && !allowed(from, false)) || !allowed(to, true)) return { left: run.count - n, faults: true };
    const element = Array.from({ length: run.width }, (_, i) => {
      if (run.store) return value[i]!;
      const [page, at] = place(from + i);
      return page[at]!;
    });
    element.forEach((byte, i) => {
      const [page, at] = place(to + i);
      page[at] = byte;
      dirty.add(Math.floor((to + i) / PAGE));
    });
  }
  return { left: 0, faults: false };
}

function opcode({ width, store }: Run): number[] {
  const prefix = width === 8 ? [0x48] : width === 2 ? [0x66] : [];
  const byte = store ? 0xaa : 0xa4;
  // REX comes behind the other prefixes.
  const op = width === 1 ? byte : byte + 1;
  return width === 2 ? [0x66, 0xf3, op] : [0xf3, ...prefix, op];
}

function execute(run: Run): { left: bigint; faults: boolean } {
  machine.forgetCode(code);
  u8().set([...opcode(run), INT3], code);
  const registers = { [RAX]: 0x8877665544332211n, [RCX]: run.count, [RSI]: DATA + run.from, [RDI]: DATA + run.to };
  machine.begin({ rip: CODE, registers, mode: run.mode });
  for (let turn = 0; turn < 1000 && view().getUint8(cpu + off.cpl) === 3; turn++) core.call.testRun(cpu, 1);
  const vector = (machine.rip - HANDLERS) / 16n;
  return { left: machine.register(RCX), faults: vector === PF };
}

it("go as far as they would one by one, and write nothing else", () => {
  const value = new Uint8Array([0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88]);
  for (let round = 0; round < ROUNDS; round++) {
    const pages = mapPages();
    for (const gpa of pool)
      for (let i = 0; i < PAGE; i += 4) view().setUint32(machine.at(gpa) + i, random.below(2 ** 32), true);
    const mode = random.once(3) ? 32 : 64;
    const width = ([1, 2, 4, 8] as const)[random.below(mode === 64 ? 4 : 3)]!;
    const most = PAGES * PAGE - MOST_BYTES;
    const from = random.below(most);
    const near = random.once(3) ? Math.min(from + random.below(300), most) : random.below(most);
    const to = random.once(2) ? near - (near % PAGE) + (from % PAGE) : near;
    const count = 1 + random.below(Math.floor(MOST_BYTES / width) - PAGE);
    const run: Run = { width, store: random.once(3), mode, from, to: Math.min(to, most), count };
    const bytes = new Map(pool.map((gpa) => [gpa, u8().slice(machine.at(gpa), machine.at(gpa) + PAGE)]));
    const dirty = new Set<number>();
    const expected = model(run, pages, bytes, dirty, value);
    const got = execute(run);
    const what = JSON.stringify(run);
    expect(got, what).toEqual({ left: BigInt(expected.left), faults: expected.faults });
    for (const [gpa, page] of bytes) {
      const here = u8().subarray(machine.at(gpa), machine.at(gpa) + PAGE);
      expect(Buffer.compare(here, page), `${what}: page ${gpa.toString(16)}`).toBe(0);
    }
    const marked = pages.flatMap((_, n) => ((view().getBigUint64(entryOf(n), true) & DIRTY) !== 0n ? [n] : []));
    expect(marked, what).toEqual([...dirty].sort((a, b) => a - b));
  }
});
