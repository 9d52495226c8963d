/**
 * Every SSE row that the region compiler lowers, against the interpreter: register and memory forms, on random and on
 * special values, under MXCSR states that take the host's arithmetic and ones that must not.
 */
import { beforeAll, describe, expect, it } from "vitest";
import { loadTable } from "../../wasm-core/isa/table.js";
import { variantsOf } from "../../wasm-core/isa/variants.js";
import { LOWERINGS } from "../../wasm-core/jit/lower/index.js";
import { Random } from "../support/random.js";
import { DATA, DATA_SEEN, type Form, nameOf, type Slot, SseMachine, type State } from "./sse-machine.js";

const CASES = Number(process.env.SSE_CASES ?? 12);
/** Loops of several instructions. */
const SEQUENCES = 300;
/** Instructions of each form, with registers and immediates of their own. */
const PLACES = 2;
const SEED = Number(process.env.SSE_SEED ?? 1);

const SPECIAL_64 = [
  0x0000000000000000n,
  0x8000000000000000n,
  0x3ff0000000000000n,
  0xbff0000000000000n,
  0x4000000000000000n,
  0x4008000000000000n,
  0x0000000000000001n,
  0x800fffffffffffffn,
  0x0010000000000000n,
  0x0010000000000001n,
  0x8010000000000000n,
  0x7fefffffffffffffn,
  0xffefffffffffffffn,
  0x7ff0000000000000n,
  0xfff0000000000000n,
  0x7ff8000000000000n,
  0xfff8000000001234n,
  0x7ff0000000000001n,
  0x41dfffffffc00000n,
  0x41e0000000000000n,
  0xc1e0000000000000n,
  0xc1e0000000200000n,
  0x43e0000000000000n,
  0xc3e0000000000000n,
  0x3fe0000000000000n,
  0x3ff8000000000000n,
  0x1ff0000000000000n,
  0x2000000000000000n,
  0x5fe0000000000000n,
  0x3810000000000000n,
  0x380fffffffffffffn,
  0x47efffffe0000000n,
  0x47efffffefffffffn,
  0x47f0000000000000n,
] as const;

const SPECIAL_32 = [
  0x00000000, 0x80000000, 0x3f800000, 0xbf800000, 0x40000000, 0x40400000, 0x00000001, 0x807fffff, 0x00800000,
  0x00800001, 0x80800000, 0x7f7fffff, 0xff7fffff, 0x7f800000, 0xff800000, 0x7fc00000, 0xffc01234, 0x7f800001,
  0x4f000000, 0xcf000000, 0x4effffff, 0x5f000000, 0xdf000000, 0x3f000000, 0x3fc00000, 0x1f800000, 0x20000000,
  0x5f7fffff, 0x0c000000,
] as const;

/** The smallest normal numbers, what multiplies them to just below, and their like: results at the edges. */
const EDGES_64 = [
  0x0010000000000000n,
  0x8010000000000000n,
  0x3fefffffffffffffn,
  0x3ff0000000000001n,
  0x4000000000000000n,
  0x7fefffffffffffffn,
  0x0000000000000000n,
  0x0020000000000000n,
  0x3fe0000000000000n,
] as const;
const EDGES_32 = [
  0x00800000, 0x80800000, 0x3f7fffff, 0x3f800001, 0x40000000, 0x7f7fffff, 0x00000000, 0x01000000, 0x3f000000,
] as const;

/** A number near 1 with a significand of 25 to 28 bits: products of these are nearly as long as a double's. */
function half(r: Random): bigint {
  const bits = BigInt(24 + r.below(4));
  const fraction = ((r.u64() & 0xfffffffffffffn) >> (52n - bits)) << (52n - bits);
  return (BigInt(1020 + r.below(6)) << 52n) | fraction | (r.once(2) ? 1n << (52n - bits) : 0n);
}

const FREE = new Random(SEED);

function double(r: Random): bigint {
  const bits = new DataView(new ArrayBuffer(8));
  switch (r.below(5)) {
    case 0:
      return r.pick(SPECIAL_64);
    case 1:
      // Short significands: sums and products of these are exact.
      bits.setFloat64(0, (r.below(2000) - 1000) / r.pick([1, 2, 8, 1024]));
      return bits.getBigUint64(0);
    case 2:
      return (r.u64() & 0x800fffffffffffffn) | (BigInt(1013 + r.below(20)) << 52n);
    case 3:
      return (
        (r.u64() & 0x800fffffffffffffn) | (BigInt(r.pick([0, 1, 2, 500, 512, 1022, 1050, 1500, 2045, 2046])) << 52n)
      );
    default:
      return r.u64();
  }
}

function single(r: Random): number {
  const bits = new DataView(new ArrayBuffer(4));
  switch (r.below(5)) {
    case 0:
      return r.pick(SPECIAL_32);
    case 1:
      bits.setFloat32(0, (r.below(2000) - 1000) / r.pick([1, 2, 8, 1024]));
      return bits.getUint32(0);
    case 2:
      return (r.u32() & 0x807fffff) | ((117 + r.below(20)) << 23);
    case 3:
      return (r.u32() & 0x807fffff) | (r.pick([0, 1, 2, 60, 64, 126, 150, 190, 253, 254]) << 23);
    default:
      return r.u32();
  }
}

const KINDS = 10;
const EDGE_KINDS = [6, 6, 6, 7, 8];

/** Vectors of one kind each: doubles, singles, small counts, bytes at the ends of their range, edges, anything. */
function fill(view: DataView, at: number, kind: number, r: Random): void {
  if (kind < 2) {
    for (let k = 0; k < 16; k += 8) view.setBigUint64(at + k, double(r), true);
  } else if (kind < 4) {
    for (let k = 0; k < 16; k += 4) view.setUint32(at + k, single(r), true);
  } else if (kind === 4) {
    view.setBigUint64(at, BigInt(r.below(70)), true);
    view.setBigUint64(at + 8, r.u64(), true);
  } else if (kind === 5) {
    for (let k = 0; k < 16; k++) view.setUint8(at + k, r.pick([0, 1, 0x7f, 0x80, 0xff, r.below(256)]));
  } else if (kind === 6) {
    for (let k = 0; k < 16; k += 8) view.setBigUint64(at + k, half(r), true);
  } else if (kind === 7) {
    for (let k = 0; k < 16; k += 8) view.setBigUint64(at + k, r.pick(EDGES_64), true);
  } else if (kind === 8) {
    for (let k = 0; k < 16; k += 4) view.setUint32(at + k, r.pick(EDGES_32), true);
  } else {
    for (let k = 0; k < 16; k += 4) view.setUint32(at + k, r.u32(), true);
  }
}

/** The states in which the host computes twice as often as the others. */
function mxcsrOf(r: Random): number {
  switch (r.below(8)) {
    case 0:
    case 1:
    case 2:
      return 0x1fa0;
    case 3:
    case 4:
      return 0x1f80;
    case 5:
      return 0x1f80 | r.below(64);
    case 6:
      return (r.u32() & 0xffff) | 0x1f80;
    default:
      return r.u32() & 0xffff;
  }
}

/** What sort of state: `calm` takes no handler, `edges` shows lost flags, `any` is all there is. */
type Sort = "calm" | "edges" | "any";

/** Singles from 1 to 2: as doubles they are normal and positive too. */
function fillCalm(view: DataView, r: Random): void {
  for (let at = 0; at < view.byteLength; at += 4) view.setUint32(at, 0x3f800000 | (r.u32() & 0x7fffff), true);
}

function fillAll(view: DataView, sort: Sort, r: Random): void {
  if (sort === "calm") {
    fillCalm(view, r);
    return;
  }
  const kind = sort === "edges" ? EDGE_KINDS[r.below(EDGE_KINDS.length)]! : r.below(KINDS);
  for (let at = 0; at < view.byteLength; at += 16)
    fill(view, at, sort === "any" && r.once(8) ? r.below(KINDS) : kind, r);
}

const INTEGERS = [
  0n,
  1n,
  0xffffffffffffffffn,
  0x7fffffffffffffffn,
  0x80000000n,
  1n << 53n,
  (1n << 53n) + 1n,
  1n << 24n,
  (1n << 24n) + 1n,
];

/** RBX and RSI make addresses: now and then odd ones, across two pages, or nowhere. */
function registersOf(r: Random, sort: Sort): BigUint64Array {
  const registers = BigUint64Array.from({ length: 16 }, () =>
    r.once(3) ? r.pick(INTEGERS) : r.u64() >> BigInt(r.below(64)),
  );
  let at = DATA;
  if (sort === "any") {
    if (r.once(6)) at += r.below(16);
    if (r.once(12)) at += 0x1000 - 0x48;
    if (r.once(20)) at += 0x100000;
  }
  registers[3] = BigInt(at);
  registers[6] = 0n;
  registers[4] = BigInt(DATA + 0x800);
  return registers;
}

function stateOf(r: Random, sort: Sort): State {
  const vectors = new Uint8Array(256);
  const data = new Uint8Array(DATA_SEEN);
  fillAll(new DataView(vectors.buffer), sort, r);
  if (sort === "any") fillAll(new DataView(data.buffer), sort, r);
  else for (let at = 0; at < DATA_SEEN; at += 256) data.set(rotated(vectors, r.below(16) * 16), at);
  const mxcsr = sort === "calm" ? 0x1fa0 : sort === "edges" ? 0x1f80 | (r.once(3) ? 0x20 : 0) : mxcsrOf(r);
  return { vectors, registers: registersOf(r, sort), flags: 0x202 | (r.u32() & 0x8d5), mxcsr, data };
}

const rotated = (bytes: Uint8Array, by: number): Uint8Array =>
  Uint8Array.from([...bytes.subarray(by), ...bytes.subarray(0, by)]);

const all = (await loadTable())
  .flatMap((f) => f.rows)
  .filter((row) => row.notes.has("sse") && !row.notes.has("mmx"))
  .flatMap((row) => variantsOf(row).map((v) => ({ row, v })));
const forms = all.filter(({ row }) => LOWERINGS[row.semantic] !== undefined);
/** Every number of 32 bits is a double. */
const ALWAYS_EXACT = new Set(["CVTSI2SD Vq Ey 32 reg", "CVTSI2SD Vq Ey 32 mem"]);
const isFloating = ({ row }: Form): boolean => row.notes.has("st");

interface Tally {
  cases: number;
  native: number;
  readonly wrong: string[];
  readonly inRegion: Set<Slot>;
  readonly withoutHandler: Set<string>;
  readonly byHandler: Set<string>;
}

/** `sort` says what each case begins with. */
function compareAll(machine: SseMachine, slots: readonly Slot[], cases: number, sort: (k: number) => Sort): Tally {
  const tally: Tally = {
    cases: 0,
    native: 0,
    wrong: [],
    inRegion: new Set(),
    withoutHandler: new Set(),
    byHandler: new Set(),
  };
  for (const slot of slots) {
    for (let k = 0; k < cases; k++) {
      const state = stateOf(FREE, sort(k));
      const { difference, inRegion, byHandler } = machine.compare(slot, state);
      tally.cases++;
      if (inRegion) tally.inRegion.add(slot);
      if (inRegion && !byHandler) tally.native++;
      for (const form of inRegion ? slot.forms : [])
        (byHandler ? tally.byHandler : tally.withoutHandler).add(nameOf(form));
      if (difference !== undefined && tally.wrong.length < 10)
        tally.wrong.push(`${slot.text} mxcsr ${state.mxcsr.toString(16)}\n${difference}`);
    }
  }
  if (process.env.SSE_CASES) console.log(`${slots.length} places, ${tally.cases} cases, ${tally.native} native`);
  return tally;
}

describe.each(["interpreter", "handlers"] as const)("lowered SSE, whose rare cases are for the %s,", (rare) => {
  let machine: SseMachine;
  let alone: Slot[];
  let several: Slot[];
  beforeAll(async () => {
    machine = await SseMachine.create();
    alone = forms.flatMap((form) => Array.from({ length: PLACES }, () => machine.place([form], FREE)));
    // Handlers between lowered instructions find the vector registers in memory and leave them there.
    several = Array.from({ length: SEQUENCES }, () =>
      machine.place(
        Array.from({ length: 4 }, () => FREE.pick(all)),
        FREE,
      ),
    );
    machine.compile([...alone, ...several], stateOf(FREE, "calm"), rare);
  }, 180_000);

  it("leaves what the interpreter leaves, and seldom asks it", () => {
    const found = compareAll(machine, alone, CASES, (k) => (k === 0 ? "calm" : "any"));
    expect(found.wrong).toEqual([]);
    expect(found.inRegion.size).toBe(alone.length);
    expect(forms.map(nameOf).filter((name) => !found.withoutHandler.has(name))).toEqual([]);
    const floating = forms.filter(isFloating).map(nameOf);
    const called = floating.filter((name) => found.byHandler.has(name));
    expect(called).toEqual(rare === "handlers" ? floating.filter((name) => !ALWAYS_EXACT.has(name)) : []);
  }, 600_000);

  it("loses no exception flag", () => {
    const floating = alone.filter(({ forms: [form] }) => isFloating(form!));
    expect(compareAll(machine, floating, 8 * CASES, () => "edges").wrong).toEqual([]);
  }, 600_000);

  it("goes together with handlers", () => {
    const { wrong, inRegion } = compareAll(machine, several, CASES, (k) => (k === 0 ? "calm" : "any"));
    expect(wrong).toEqual([]);
    expect(inRegion.size).toBe(several.length);
  }, 600_000);
});
