/** Memory as 16- and 32-bit code reaches it: offsets from segment bases, in registers of the address or stack size. */
import type { Memory } from "../../../wasm-core/isa/encode.js";
import { CODE, DATA } from "../layout.js";
import type { Reach, Sample } from "../sample.js";
import { codeBase, dataBase, descriptorOf, Kind, LOCAL, SEL, type Selectors, type Setting } from "./settings.js";

type SegmentName = keyof Selectors;

const OVERRIDES: Readonly<Record<SegmentName, number>> = { es: 0x26, cs: 0x2e, ss: 0x36, ds: 0x3e, fs: 0x64, gs: 0x65 };
const ALL: readonly SegmentName[] = ["es", "cs", "ss", "ds", "fs", "gs"];
const BIG = 4;
const [BX, SP, BP, SI, DI] = [3, 4, 5, 6, 7] as const;
/** Base and index of the 16-bit forms. [SDM] vol. 2, table 2-1 */
const FORMS_16: readonly (readonly number[])[] = [[BX, SI], [BX, DI], [BP, SI], [BP, DI], [SI], [DI], [BP], [BX], []];

const TRANSFERS: ReadonlySet<string> = new Set(["control", "far", "segment"]);

/** Values for segment registers: usable ones, null, absent, read-only, code, beyond the table. */
const PROTECTED_SELECTORS: readonly number[] = [
  0,
  3,
  ...[SEL.userData, SEL.absent, SEL.readOnly, SEL.code, SEL.data, SEL.tss, 0xfff8, 0x5f],
  ...[LOCAL.data16, LOCAL.fs16, LOCAL.gs16, LOCAL.fs32, LOCAL.gs32, LOCAL.code32, LOCAL.code16, LOCAL.data16 - 1],
];
/** Paragraphs, and a null one. A stack there harms nothing of the recorder's. */
const PARAGRAPHS: readonly number[] = [0x2000, 0x2001, 0x2080, 0x20c8, 0x2100];

const addressBits = (s: Sample): 16 | 32 => ((s.mode === 16) !== (s.parts.address67 === true) ? 16 : 32);

/** Offset of a data address in a segment. Offsets of 64 KiB segments wrap. */
function offsetIn(setting: Setting, segment: SegmentName, linear: bigint): bigint {
  const d = descriptorOf(setting.kind, setting.selectors[segment]);
  const base = BigInt(d.base + DATA - dataBase(setting.kind));
  return BigInt.asUintN(d.flags & BIG ? 32 : 16, linear - base);
}

/** Whether an address of 16 bits reaches the data pages through the segment. */
const reachable = (setting: Setting, segment: SegmentName): boolean =>
  offsetIn(setting, segment, BigInt(DATA + 0x1000)) < 0x10000n;

/** A register value whose low 16 bits alone count, or a whole one. */
const sized = (s: Sample, bits: number, value: bigint): bigint =>
  bits === 16 ? (s.rng.u64() & 0xffff0000n) | (value & 0xffffn) : BigInt.asUintN(32, value);

/** QEMU writes through code segments and beyond limits: what would do either is not chosen. */
function isKnownToQemu(s: Sample, setting: Setting, segment: SegmentName): boolean {
  const writes = s.row.operands.some((o) => "EMO".includes(o.kind) && o.access !== "r");
  // What a transfer or a segment load reads must be a pointer or a selector, which the code pages are not.
  if (segment === "cs") return !(writes || TRANSFERS.has(s.module));
  // Without paging nothing lies 64 KiB above the data.
  if (segment === "gs" && setting.kind === Kind.REAL) return false;
  // What goes on from the operand may leave the segment that begins there.
  if (segment === "gs" && (s.module === "string" || /^(bt[src]?|xlat)$/.test(s.row.semantic))) return false;
  const splits = s.place === "crossing" || s.place === "odd";
  return !(splits && segment === "gs" && !setting.wraps);
}

/** The segment of an operand, with a prefix when it is not the default. */
function chooseSegment(s: Sample, setting: Setting, usual: SegmentName): SegmentName {
  const narrow = addressBits(s) === 16;
  let wanted = s.rng.once(3) ? s.rng.pick(ALL) : usual;
  if (!isKnownToQemu(s, setting, wanted)) wanted = usual;
  if (narrow && !reachable(setting, wanted)) wanted = "fs";
  if (wanted !== usual || s.rng.once(16)) s.parts.segment = OVERRIDES[wanted];
  return wanted;
}

const usualSegment = (m: { readonly base?: number }): SegmentName => (m.base === BP || m.base === SP ? "ss" : "ds");

interface Plan {
  base?: number;
  index?: number;
  scale?: number;
  disp: number;
  dispBytes?: 0 | 1 | 2 | 4;
}

function form16(s: Sample): Plan {
  const free = FORMS_16.filter((f) => f.every((n) => !s.isBusy(n)));
  const [base, index] = s.rng.pick(free);
  const plan: Plan = { disp: 0 };
  if (base === undefined) return plan;
  plan.base = base;
  if (index !== undefined) plan.index = index;
  plan.dispBytes = s.rng.pick(base === BP && index === undefined ? ([1, 2] as const) : ([0, 1, 2] as const));
  plan.disp = plan.dispBytes === 0 ? 0 : plan.dispBytes === 1 ? s.rng.below(256) - 128 : s.rng.below(0x10000) - 0x8000;
  return plan;
}

function form32(s: Sample): Plan {
  const form = s.rng.below(8);
  if (form === 7) return { disp: 0 };
  const base = s.freeRegister();
  const bytes = s.rng.pick(base === BP ? ([1, 4] as const) : ([0, 1, 4] as const));
  const disp = bytes === 0 ? 0 : bytes === 1 ? s.rng.below(256) - 128 : (s.rng.u32() | 0) >> s.rng.below(28);
  const plan: Plan = { base, disp, dispBytes: bytes };
  if (form % 2 === 1) {
    const index = s.freeRegister();
    if (index !== SP) Object.assign(plan, { index, scale: s.rng.pick([1, 2, 4, 8]) });
  }
  return plan;
}

function address(s: Sample, setting: Setting, linear: bigint): void {
  const bits = addressBits(s);
  const plan = bits === 16 ? form16(s) : form32(s);
  const segment = chooseSegment(s, setting, usualSegment(plan));
  const offset = offsetIn(setting, segment, linear);
  let rest = offset - BigInt(plan.disp);
  if (plan.index !== undefined) {
    const value = s.rng.once(2) ? BigInt(s.rng.below(256)) : -BigInt(s.rng.below(4096));
    s.state.setGpr(plan.index, sized(s, bits, value));
    rest -= value * BigInt(plan.scale ?? 1);
  }
  if (plan.base !== undefined) s.state.setGpr(plan.base, sized(s, bits, rest));
  else plan.disp = Number(BigInt.asIntN(bits, offset));
  for (const n of [plan.base, plan.index]) if (n !== undefined) s.occupy(n);
  s.parts.memory = plan satisfies Memory;
}

/** The reach of a setting. */
export const legacyReach = (setting: Setting): Reach => ({
  codeSelector: setting.selectors.cs,
  wrongCode: setting.kind === Kind.PROTECTED ? [0, 0xfff8, SEL.code, SEL.userData, SEL.absent] : [setting.selectors.cs],
  dataSelectors: setting.kind === Kind.PROTECTED ? PROTECTED_SELECTORS : PARAGRAPHS,
  code: (linear) => {
    const flat = setting.kind === Kind.PROTECTED && setting.code === 32;
    return flat ? linear : linear - BigInt(CODE);
  },
  stack: (s, linear) => {
    const offset = offsetIn(setting, "ss", linear);
    // A return to an outer level with a 16-bit stack leaves the upper half of ESP as the inner level had it: zero.
    return setting.kind === Kind.PROTECTED ? offset : sized(s, 16, offset);
  },
  pointer: (s, linear, segment) => {
    const chosen = segment === "ds" ? chooseSegment(s, setting, "ds") : segment;
    return sized(s, addressBits(s), offsetIn(setting, chosen, linear));
  },
  count: (s, value) => sized(s, addressBits(s), value),
  addressing: (s, linear) => address(s, setting, linear),
});

/** Linear address of an instruction pointer. */
export const linearCode = (kind: Kind, cs: number, eip: bigint): number =>
  (descriptorOf(kind, cs).base + Number(eip)) >>> 0;

/** Where the code pages lie for an instruction pointer of the setting. */
export const codeOffset = (setting: Setting, eip: bigint): number =>
  linearCode(setting.kind, setting.selectors.cs, eip) - codeBase(setting.kind);
