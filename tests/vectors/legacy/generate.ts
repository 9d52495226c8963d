/** Enumerates what to record of a row in 16- and 32-bit settings. */
import type { Row } from "../../../wasm-core/isa/row.js";
import { type Variant, variantsOf } from "../../../wasm-core/isa/variants.js";
import { Random, seedOf } from "../../support/random.js";
import { isLockedRegister, makeSample, rowKey, runsIn, touchesMemory } from "../generate.js";
import { CODE, CODE_AT } from "../layout.js";
import { type Place, Sample } from "../sample.js";
import { decimalAdjustments } from "./decimal.js";
import { legacyReach } from "./reach.js";
import {
  CODE_16_DATA_32,
  CODE_32_DATA_16,
  Kind,
  PROTECTED_16,
  PROTECTED_32,
  putSetting,
  REAL,
  type Setting,
  VM86,
  WRAP_16,
  WRAP_VM86,
} from "./settings.js";
import type { LegacyWork } from "./work.js";

const SEED = Number(process.env.RECORD_SEED ?? 0);
const RSP = 4;
const LOW_START = 0x10;
const VM = 0x20000;
const IOPL_3 = 0x3000;
const MAIN: readonly Setting[] = [PROTECTED_32, PROTECTED_16, VM86];
const MIXED: readonly Setting[] = [CODE_32_DATA_16, CODE_16_DATA_32, WRAP_16, WRAP_VM86, REAL];
const GOOD: readonly Place[] = ["aligned", "odd", "crossing"];
const FAULTS: readonly Place[] = ["guard", "into-guard", "read-only"];
/** Modules whose instructions use the stack pointer, or their operand is a stack: an access may not wrap inside. */
const STACKS: ReadonlySet<string> = new Set(["stack", "control", "interrupt", "far", "segment"]);
/** Of real-address mode, where nothing protects the recorder. */
const HARMFUL: ReadonlySet<string> = new Set(["system", "port"]);

function isPossible(row: Row, module: string, setting: Setting, v: Variant): boolean {
  // LOCK on a register ends QEMU; the 64-bit vectors have it.
  if (!runsIn(row, setting.code, v) || isLockedRegister(row, v)) return false;
  // Bit offsets leave a wrapping segment.
  if (setting.wraps && /^bt[src]?$/.test(row.semantic)) return false;
  return setting.kind !== Kind.REAL || !(HARMFUL.has(module) || row.notes.has("cpl0"));
}

/** How many samples a form gets in one of the main settings, and in one of the others. */
function counts(row: Row, memory: boolean): { main: number; mixed: number } {
  const own = row.notes.has("no64");
  const stack = row.semantic.startsWith("enter") || row.semantic === "leave";
  if (own || stack) return { main: 12, mixed: 6 };
  return memory ? { main: 5, mixed: 2 } : { main: 3, mixed: 0 };
}

function placesIn(setting: Setting, n: number, memory: boolean, module: string, rng: Random): Place[] {
  if (!memory) return Array.from({ length: n }, () => "aligned" as const);
  // An operand that wraps inside is a fault on hardware, which QEMU does not know.
  const wrapping: readonly Place[] = STACKS.has(module) ? ["aligned"] : ["aligned", "odd"];
  const good = setting.wraps ? wrapping : GOOD;
  const first = rng.below(3);
  const out = Array.from({ length: n }, (_, i) => good[(first + i) % good.length]!);
  if (setting.kind !== Kind.REAL && !setting.wraps && n > 1) out.push(rng.pick(FAULTS));
  return out;
}

/** Flags that the setting adds: the mode's, and an I/O privilege level that is mostly enough in virtual-8086 mode. */
function modeFlags(setting: Setting, module: string, rng: Random): number {
  if (setting.kind === Kind.VM86) return VM | (rng.once(8) ? 0 : IOPL_3);
  return setting.kind === Kind.PROTECTED && module === "interrupt" && rng.once(2) ? IOPL_3 : 0;
}

/** Whether the instruction is to have addresses of the other size. */
function otherAddressSize(row: Row, module: string, setting: Setting, rng: Random): boolean {
  const own = module === "string" || row.semantic === "xlat";
  // Offsets of 32 bits leave a wrapping segment; those of 16 bits do not reach far in a flat one.
  if (own && setting.wraps) return false;
  if (own && isFlat(setting) && !rng.once(6)) return setting.code === 16;
  return rng.once(3);
}

const isFlat = (setting: Setting): boolean => setting.stack === 32;

/** A jump back from the beginning of a 64 KiB code segment goes to its end. */
function startsLow(row: Row, setting: Setting, v: Variant, rng: Random): boolean {
  const relative = row.operands.some((o) => o.kind === "J");
  return relative && setting.code === 16 && v.size === 16 && setting.kind !== Kind.REAL && rng.once(3);
}

function makeLegacy(row: Row, module: string, setting: Setting, v: Variant, place: Place, rng: Random): LegacyWork {
  const reach = legacyReach(setting);
  const s = new Sample(row, module, v, setting.code, rng, place, reach);
  if (otherAddressSize(row, module, setting, rng)) s.parts.address67 = true;
  s.state.rip = reach.code(BigInt(startsLow(row, setting, v, rng) ? CODE + LOW_START : CODE_AT));
  s.state.setGpr(RSP, reach.stack(s, s.state.gpr(RSP)));
  // A stack pointer with more bits than the stack has cannot be started from; real mode's traps push on it.
  if (setting.stack === 16 && setting.kind !== Kind.VM86) s.occupy(RSP);
  const work = makeSample(s);
  if (setting.stack === 16 && setting.kind === Kind.PROTECTED) s.state.setGpr(RSP, s.state.gpr(RSP) & 0xffffn);
  work.before.flags |= modeFlags(setting, module, rng);
  putSetting(work.before, setting.kind, setting.selectors);
  return { ...work, setting };
}

/** CALL SP would go to where it pushes. */
const isStackJump = (row: Row, w: LegacyWork): boolean => row.semantic === "callIndirect" && w.code.at(-1) === 0xd4;

/** Everything to record of `row` outside 64-bit mode. The same each time. */
export function legacyWorkOf(row: Row, module: string): LegacyWork[] {
  const rng = new Random(seedOf(`legacy ${rowKey(row)}`) ^ SEED);
  const out: LegacyWork[] = [];
  for (const v of variantsOf(row)) {
    const memory = touchesMemory(row, v.form, module);
    const { main, mixed } = counts(row, memory);
    for (const setting of [...MAIN, ...MIXED]) {
      if (!isPossible(row, module, setting, v)) continue;
      const all = placesIn(setting, MAIN.includes(setting) ? main : mixed, memory, module, rng);
      for (const place of all) out.push(makeLegacy(row, module, setting, v, place, rng));
    }
  }
  return [...out.filter((w) => !isStackJump(row, w)), ...decimalAdjustments(row, rng)];
}
