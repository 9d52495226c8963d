/**
 * Every x87 row in regions against the interpreter: alone and in sequences, on ordinary numbers and on all others, with
 * full and empty registers, under every rounding and precision control, with exceptions masked and unmasked. X87_SEED and
 * X87_CASES make it another or a longer run.
 */
import { beforeAll, describe, expect, it } from "vitest";
import { loadTable } from "../../wasm-core/isa/table.js";
import { variantsOf } from "../../wasm-core/isa/variants.js";
import { LOWERINGS } from "../../wasm-core/jit/lower/index.js";
import { STACK_EFFECTS } from "../../wasm-core/jit/x87-plan.js";
import { Random } from "../support/random.js";
import { runsIn } from "../vectors/generate.js";
import { extended, lanes } from "../vectors/values.js";
import type { Form } from "./sse-machine.js";
import { DATA, DATA_SEEN, type Slot, type State, X87Machine } from "./x87-machine.js";

const CASES = Number(process.env.X87_CASES ?? 24);
const SEED = Number(process.env.X87_SEED ?? 1);
const SEQUENCES = 160;
const LONGEST = 7;

const ORDINARY_FCW = 0x37f;
/** Precision control 24, 53 and 64 bits; the modes of other systems; each rounding; nothing masked. */
const CONTROL_WORDS = [0x37f, 0x37f, 0x27f, 0x07f, 0x33f, 0x1332, 0x77f, 0xb7f, 0xf7f, 0x340, 0x340 | 0x20];
const ALL_TAGS = 0xffff;

/** `calm`: ordinary numbers in the mode that code was made for; `near`: pairs of nearly equal ones, edges; `any`. */
type Sort = "calm" | "near" | "any";

function number(bytes: Uint8Array, at: number, end: number, sig: bigint): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, 10);
  view.setBigUint64(0, sig, true);
  view.setUint16(8, end, true);
}

const TOP = 1n << 63n;

/** Significands: random, short, all ones up to a point, as another one but for the last bits. */
function significand(r: Random, other: bigint): bigint {
  switch (r.below(6)) {
    case 0:
      return TOP | ((r.u64() >> 44n) << 44n);
    case 1:
      return BigInt.asUintN(64, -(1n << BigInt(r.below(64)))) | TOP;
    case 2:
      return BigInt.asUintN(64, other + BigInt(r.below(5) - 2)) | TOP;
    case 3:
      return TOP | (1n << BigInt(r.below(64)));
    default:
      return TOP | r.u64();
  }
}

const DISTANCES = [0, 0, 1, 1, 2, 10, 11, 24, 40, 53, 62, 63, 64, 65, 66, 70];

/** Registers whose exponents are as far apart as matters, now and then at the ends of what there is. */
function nearRegisters(r: Random): Uint8Array {
  const out = new Uint8Array(80);
  const base = r.once(6) ? r.pick([1, 2, 0x7ffd, 0x7ffe, 0x1fff, 0x2000, 0x5fff]) : 0x3fff + r.below(8);
  let sig = TOP | r.u64();
  for (let n = 0; n < 8; n++) {
    sig = significand(r, sig);
    const exponent = Math.min(0x7ffe, Math.max(1, base + r.pick(DISTANCES) * (r.once(2) ? 1 : -1)));
    number(out, 10 * n, exponent | (r.once(2) ? 0x8000 : 0), sig);
  }
  return out;
}

function anyRegisters(r: Random): Uint8Array {
  if (r.once(3)) return nearRegisters(r);
  const out = new Uint8Array(80);
  for (let n = 0; n < 8; n++) out.set(extended(r), 10 * n);
  return out;
}

/** Numbers near 1. */
function calmRegisters(r: Random): Uint8Array {
  const out = new Uint8Array(80);
  for (let n = 0; n < 8; n++) number(out, 10 * n, 0x3ffc + r.below(8), TOP | r.u64());
  return out;
}

function dataOf(r: Random, sort: Sort): Uint8Array {
  const out = new Uint8Array(DATA_SEEN);
  const view = new DataView(out.buffer);
  for (let at = 0; at < DATA_SEEN; at += 16) {
    const kind = sort === "calm" ? "calm" : r.pick(["f80", "word", "lanes", "lanes"] as const);
    if (kind === "calm") view.setBigUint64(at, 0x3f90000040000000n | (r.u64() >> 8n), true);
    else if (kind === "f80") out.set(extended(r), at);
    else if (kind === "word") view.setUint16(at, (r.pick([3, 3, 3, 2, 0, 7, 11, 15, 19]) << 8) | 0x7f, true);
    else out.set(lanes(r, r.pick([16, 32, 64, "f32", "f64"])), at);
  }
  return out;
}

const topOf = (fsw: number): number => (fsw >> 11) & 7;

/** Status words with what pends in accord with `fcw`, mostly nothing. */
function statusOf(r: Random, top: number, fcw: number, sort: Sort): number {
  let fsw = (top << 11) | (r.u32() & 0x4700);
  if (sort !== "any") return fsw | (r.once(2) ? 0x20 & fcw : 0);
  fsw |= r.u32() & (r.once(12) ? 0x7f : 0x7f & fcw);
  return (fsw & ~fcw & 0x3f) === 0 ? fsw : fsw | 0x8080;
}

/** As the code was made in: what it can do with. Now and then any. */
function tagsOf(r: Random, top: number, sort: Sort, made: State | undefined): number {
  const tag = (n: number): number => 3 << (2 * (n & 7));
  if (made && (sort !== "any" || !r.once(3))) return made.ftw === 0 ? 0 : tag(top + 7);
  switch (r.below(4)) {
    case 0:
      return 0;
    case 1:
      return ALL_TAGS;
    case 2:
      return tag(top + 7) | tag(top + 6) | tag(top + 5) | tag(top + 4);
    default:
      return Array.from({ length: 8 }, (_, n) => (r.once(2) ? tag(n) : 0)).reduce((a, b) => a | b, 0);
  }
}

function stateOf(r: Random, sort: Sort, made?: State): State {
  const fcw = made && (sort !== "any" || !r.once(4)) ? made.fcw : r.pick(CONTROL_WORDS);
  const top = made && (sort !== "any" || !r.once(6)) ? topOf(made.fsw) : r.below(8);
  const registers = BigUint64Array.from({ length: 16 }, () => r.u64() >> BigInt(r.below(64)));
  let at = DATA;
  if (sort === "any" && r.once(8)) at += 0x1000 - r.below(128);
  if (sort === "any" && r.once(40)) at += 0x100000;
  registers[3] = BigInt(at);
  registers[4] = BigInt(DATA + 0x800);
  const fpr = sort === "calm" ? calmRegisters(r) : sort === "near" ? nearRegisters(r) : anyRegisters(r);
  const fsw = statusOf(r, top, fcw, sort);
  return {
    fpr,
    fcw,
    fsw,
    ftw: tagsOf(r, top, sort, made),
    registers,
    flags: 0x202 | (r.u32() & 0x8d5),
    data: dataOf(r, sort),
  };
}

const random = new Random(SEED);
let machine: X87Machine;
let machine32: X87Machine;
let forms: Form[];
let alone: Slot[];
let ordinary: Slot[];
let sequences: Slot[];
let sequences32: Slot[];

const isLowered = ({ row }: Form): boolean => row.semantic in STACK_EFFECTS || /^fu?compp$/.test(row.semantic);

/** The state in which code is compiled says for which mode and TOP. All registers are in use unless it pushes. */
function madeFor(code: readonly Form[], fcw: number): State {
  const top = random.below(8);
  const pushes = code.length > 1 || STACK_EFFECTS[code[0]!.row.semantic]?.pushes;
  const ftw = pushes ? 3 << (2 * ((top + 7) & 7)) : 0;
  return { ...stateOf(random, "calm"), fcw, fsw: top << 11, ftw };
}

function place(on: X87Machine, code: readonly Form[], fcw: number, loops: boolean): Slot {
  return on.place(code, madeFor(code, fcw), loops, random);
}

type Named = Form & { readonly module: string };

/** Sequences of x87 instructions, most of them lowered, with MMX ones now and then. */
function placeSequences(on: X87Machine, all: readonly Named[]): Slot[] {
  const possible = all.filter(({ row, v }) => runsIn(row, on.mode, v));
  const x87 = possible.filter(({ module }) => module.startsWith("x87"));
  const mmx = possible.filter(({ row }) => row.notes.has("mmx"));
  return Array.from({ length: SEQUENCES }, () => {
    const some = Array.from({ length: 2 + random.below(LONGEST - 1) }, () =>
      random.pick(random.once(30) ? mmx : random.once(8) ? x87 : forms),
    );
    return place(on, some, random.once(2) ? ORDINARY_FCW : random.pick(CONTROL_WORDS), !random.once(4));
  });
}

beforeAll(async () => {
  machine = await X87Machine.create(64);
  machine32 = await X87Machine.create(32);
  const all: Named[] = (await loadTable())
    .flatMap((f) => f.rows.map((row) => ({ row, module: f.module })))
    .flatMap(({ row, module }) => variantsOf(row).map((v) => ({ row, v, module })))
    .filter(({ row }) => row.semantic !== "undefinedOpcode");
  forms = all.filter((form) => form.module.startsWith("x87") && isLowered(form));
  const both = (form: Form, fcw: () => number): Slot[] =>
    [true, false].map((loops) => place(machine, [form], fcw(), loops));
  ordinary = forms.flatMap((form) => both(form, () => ORDINARY_FCW));
  alone = forms.flatMap((form) => both(form, () => random.pick(CONTROL_WORDS)));
  sequences = placeSequences(machine, all);
  machine.compile([...ordinary, ...alone, ...sequences]);
  sequences32 = placeSequences(machine32, all);
  machine32.compile(sequences32);
}, 180_000);

interface Tally {
  readonly wrong: string[];
  readonly native: Set<Slot>;
  cases: number;
  whole: number;
}

function compareAll(slots: readonly Slot[], cases: number, sort: (k: number) => Sort, on = machine): Tally {
  const tally: Tally = { wrong: [], native: new Set(), cases: 0, whole: 0 };
  for (const slot of slots) {
    for (let k = 0; k < cases; k++) {
      const state = stateOf(random, sort(k), slot.made);
      const { difference, inRegion, byHandler } = on.compare(slot, state);
      tally.cases++;
      if (inRegion) tally.whole++;
      if (inRegion && !byHandler) tally.native.add(slot);
      if (difference !== undefined && tally.wrong.length < 10) {
        const words = [state.fcw, state.fsw, state.ftw].map((w) => w.toString(16)).join(" ");
        tally.wrong.push(`${slot.text}\nfcw fsw ftw ${words}, made in ${slot.made.fcw.toString(16)}\n${difference}`);
      }
    }
  }
  if (process.env.X87_CASES)
    console.log(
      `${slots.length} places, ${tally.cases} cases, ${tally.whole} in regions, ${tally.native.size} places native`,
    );
  return tally;
}

describe("lowered x87", () => {
  it("has a lowering for each instruction of the plan", () => {
    const named = Object.keys(STACK_EFFECTS);
    expect(named.filter((name) => LOWERINGS[name] === undefined)).toEqual([]);
    expect(forms.map(({ row }) => row.semantic).filter((name) => LOWERINGS[name] === undefined)).toEqual([]);
  });

  it("leaves what the interpreter leaves, without asking it for ordinary numbers", () => {
    const { wrong, native } = compareAll(ordinary, CASES, (k) => (k < 2 ? "calm" : k < 8 ? "near" : "any"));
    expect(wrong).toEqual([]);
    // FLD ST(7) is always a stack fault.
    const left = ordinary.filter((slot) => !native.has(slot) && !/d9 c7$/.test(slot.text));
    expect(left.map((slot) => slot.text)).toEqual([]);
  }, 600_000);

  it("rounds, raises and orders as the interpreter at the edges", () => {
    const arithmetic = ordinary.filter(({ forms: [form] }) => STACK_EFFECTS[form!.row.semantic]?.mode);
    expect(compareAll(arithmetic, 10 * CASES, () => "near").wrong).toEqual([]);
  }, 600_000);

  it("does the same in every mode", () => {
    expect(compareAll(alone, CASES, (k) => (k % 3 === 0 ? "near" : "any")).wrong).toEqual([]);
  }, 600_000);

  it.each([64, 32])(
    "does the same in sequences of %s-bit code, with handlers and MMX between",
    (mode) => {
      const [slots, on] = mode === 64 ? [sequences, machine] : [sequences32, machine32];
      const { wrong, whole, cases } = compareAll(slots, CASES, (k) => (k % 3 === 0 ? "near" : "any"), on);
      expect(wrong).toEqual([]);
      expect(whole).toBeGreaterThan(cases / 20);
    },
    600_000,
  );
});
