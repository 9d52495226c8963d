/**
 * Every SSE row that the region compiler lowers, against the interpreter: register and memory forms, on random and on
 * special values, under MXCSR states that take the host's arithmetic and ones that must not.
 */
import { beforeAll, describe, expect, it } from "vitest";
import { loadTable } from "../../wasm-core/isa/table.js";
import { variantsOf } from "../../wasm-core/isa/variants.js";
import { LOWERINGS } from "../../wasm-core/jit/lower/index.js";
import { Random } from "../support/random.js";
import { DATA_SEEN, type Form, nameOf, type Slot, SseMachine, type State } from "./sse-machine.js";

const CASES = Number(process.env.SSE_CASES ?? 12);
/** Loops of several instructions. */
const SEQUENCES = 300;
/** Instructions of each form, with registers and immediates of their own. */
const PLACES = 3;
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

/** Vectors of one kind each: doubles, singles, small counts, bytes at the ends of their range, anything. */
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

function stateOf(r: Random, calm: boolean): State {
  const vectors = new Uint8Array(256);
  const view = new DataView(vectors.buffer);
  const kind = r.below(8);
  for (let n = 0; n < 16; n++) fill(view, 16 * n, r.once(8) ? r.below(8) : kind, r);
  const data = new Uint8Array(DATA_SEEN);
  const dataView = new DataView(data.buffer);
  for (let k = 0; k < DATA_SEEN; k += 16) fill(dataView, k, kind, r);
  const integers = [
    0n,
    1n,
    0xffffffffffffffffn,
    0x7fffffffffffffffn,
    0x80000000n,
    1n << 53n,
    (1n << 53n) + 1n,
    1n << 24n,
  ];
  const registers = BigUint64Array.from({ length: 16 }, () =>
    r.once(3) ? r.pick(integers) : r.u64() >> BigInt(r.below(64)),
  );
  const odd = !calm && r.once(6) ? r.below(16) : 0;
  const crossing = !calm && r.once(12) ? 0x1000 - 0x48 : 0;
  const unmapped = !calm && r.once(20) ? 0x100000 : 0;
  registers[3] = BigInt(SseMachine.DATA + odd + crossing + unmapped);
  registers[6] = 0n;
  registers[4] = BigInt(SseMachine.DATA + 0x800);
  const flags = 0x202 | (r.u32() & 0x8d5);
  return { vectors, registers, flags, mxcsr: calm ? 0x1fa0 : mxcsrOf(r), data };
}

let machine: SseMachine;
let alone: Slot[];
let several: Slot[];
let forms: Form[];
beforeAll(async () => {
  machine = await SseMachine.create();
  const all = (await loadTable())
    .flatMap((f) => f.rows)
    .filter((row) => row.notes.has("sse") && !row.notes.has("mmx"))
    .flatMap((row) => variantsOf(row).map((v) => ({ row, v })));
  forms = all.filter(({ row }) => LOWERINGS[row.semantic] !== undefined);
  alone = forms.flatMap((form) => Array.from({ length: PLACES }, () => machine.place([form], FREE)));
  // Handlers between lowered instructions find the vector registers in memory and leave them there. LDMXCSR could
  // unmask exceptions that the rest then raises: it is left out.
  const some = all.filter(({ row }) => row.mnemonic !== "LDMXCSR" && row.flags === "");
  several = Array.from({ length: SEQUENCES }, () =>
    machine.place(
      Array.from({ length: 4 }, () => FREE.pick(some)),
      FREE,
    ),
  );
  machine.compile([...alone, ...several], stateOf(FREE, true));
}, 180_000);

interface Tally {
  cases: number;
  native: number;
  readonly wrong: string[];
  readonly inRegion: Set<Slot>;
  readonly withoutHandler: Set<string>;
}

function compareAll(slots: readonly Slot[]): Tally {
  const tally: Tally = { cases: 0, native: 0, wrong: [], inRegion: new Set(), withoutHandler: new Set() };
  for (const slot of slots) {
    for (let k = 0; k < CASES; k++) {
      const state = stateOf(FREE, false);
      const { difference, inRegion, byHandler } = machine.compare(slot, state);
      tally.cases++;
      if (inRegion) tally.inRegion.add(slot);
      if (inRegion && !byHandler) {
        tally.native++;
        for (const form of slot.forms) tally.withoutHandler.add(nameOf(form));
      }
      if (difference !== undefined && tally.wrong.length < 10)
        tally.wrong.push(`${slot.text} mxcsr ${state.mxcsr.toString(16)}\n${difference}`);
    }
  }
  if (process.env.SSE_CASES) console.log(`${slots.length} places, ${tally.cases} cases, ${tally.native} native`);
  return tally;
}

describe("lowered SSE", () => {
  it("leaves what the interpreter leaves, and seldom asks it", () => {
    const { wrong, inRegion, withoutHandler } = compareAll(alone);
    expect(wrong).toEqual([]);
    expect(inRegion.size).toBe(alone.length);
    expect(forms.map(nameOf).filter((name) => !withoutHandler.has(name))).toEqual([]);
  }, 600_000);

  it("goes together with handlers", () => {
    const { wrong, inRegion } = compareAll(several);
    expect(wrong).toEqual([]);
    expect(inRegion.size).toBe(several.length);
  }, 600_000);
});
