/**
 * From a mnemonic and operands to instruction bytes: finds the rows of the table that can mean them, and takes the
 * shortest encoding. Relative operands are measured from the end of the instruction.
 */
import { encode, type Memory, type Parts } from "../encode.js";
import type { Family, Operand, Row } from "../row.js";
import { axesOf, bitsOf } from "../variants.js";
import { type Expression, type Scope, SyntaxFault } from "./expression.js";
import { namesOf, visibleOperands, wideWord, wordInMemory } from "./names.js";
import type { FarOperand, ImmediateOperand, MemoryOperand, SourceOperand } from "./operands.js";

export type Mode = 16 | 32 | 64;
type Size = 0 | 16 | 32 | 64;

interface Form {
  readonly row: Row;
  readonly size: Size;
  readonly operands: readonly Operand[];
  /** Register that the name fixes (NOP is XCHG EAX, EAX; the prefetches). */
  readonly reg?: number;
}

/** All forms by written name. */
export type FormIndex = ReadonlyMap<string, readonly Form[]>;

const PREFETCHES = ["prefetchnta", "prefetcht0", "prefetcht1", "prefetcht2"];

export function indexForms(table: readonly Family[]): FormIndex {
  const index = new Map<string, Form[]>();
  const add = (name: string, form: Form) => {
    const list = index.get(name);
    if (list) list.push(form);
    else index.set(name, [form]);
  };
  for (const row of table.flatMap((f) => f.rows)) {
    const operands = visibleOperands(row);
    for (const size of axesOf(row).sizes) {
      for (const name of namesOf(row, size)) add(name, { row, size, operands });
      if (row.encoding === "90+") add("nop", { row, size, operands: [], reg: 0 });
    }
    if (row.encoding === "0F 18 /r") {
      for (const [reg, name] of PREFETCHES.entries()) add(name, { row, size: 0, operands, reg });
    }
    if (row.encoding === "0F 0D /r") add("prefetch", { row, size: 0, operands, reg: 0 });
  }
  return index;
}

/** One instruction as written. */
export interface Instruction {
  readonly name: string;
  readonly operands: readonly SourceOperand[];
  readonly mode: Mode;
  readonly lock: boolean;
  readonly rep: 0 | 1 | 2;
  /** From the words o16, o32, o64, a16, a32. */
  readonly operandSize?: Mode;
  readonly addressSize?: Mode;
}

const REGISTER_CLASS: Record<string, string> = {
  E: "gpr",
  G: "gpr",
  R: "gpr",
  Z: "gpr",
  B: "gpr",
  S: "seg",
  C: "cr",
  D: "dr",
  V: "xmm",
  W: "xmm",
  U: "xmm",
  H: "xmm",
  P: "mm",
  Q: "mm",
  N: "mm",
  STi: "st",
};
const MEMORY_KINDS = new Set(["E", "M", "W", "Q"]);
const FIXED: Record<string, string> = {
  CL: "gpr1/8",
  DX: "gpr2/16",
  ST0: "st0/80",
  XMM0: "xmm0/128",
  ES: "seg0/16",
  CS: "seg1/16",
  SS: "seg2/16",
  DS: "seg3/16",
  FS: "seg4/16",
  GS: "seg5/16",
};

/** Bits of a general register operand: what is 64 bits wide in 64-bit mode is 32 wide elsewhere. */
export function registerBits(o: Operand, size: Size, mode: Mode): number {
  const bits = bitsOf(o, { size, form: "reg", lock: false, rep: 0 });
  return bits === 64 && o.size === "q" && mode !== 64 ? 32 : bits;
}

/** Bits of a memory operand, 0 when it has no size. */
export function memoryBits(row: Row, o: Operand, size: Size): number {
  if (o.kind === "E" && wordInMemory(row)) return 16;
  if (row.mnemonic === "CMPXCHG8B") return size === 64 ? 128 : 64;
  if (o.size === "a" || o.size === "p") return 0;
  // The x87 environment's z is how it is laid out, not how wide it is.
  if (o.kind === "M" && o.size === "z") return 0;
  return bitsOf(o, { size, form: "mem", lock: false, rep: 0 });
}

function matchesRegister(
  row: Row,
  o: Operand,
  size: Size,
  mode: Mode,
  s: SourceOperand & { type: "register" },
): boolean {
  const { register } = s;
  const fixed = FIXED[o.kind];
  if (fixed) return fixed === `${register.class}${register.number}/${register.bits}`;
  if (o.kind === "A")
    return register.class === "gpr" && register.number === 0 && register.bits === registerBits(o, size, mode);
  if (REGISTER_CLASS[o.kind] !== register.class) return false;
  if (register.class !== "gpr") return true;
  if (wideWord(row, o)) return register.bits >= 16;
  return register.bits === registerBits(o, size, mode);
}

function matchesMemory(row: Row, o: Operand, size: Size, s: MemoryOperand): boolean {
  if (o.kind === "O")
    return (
      s.base === undefined &&
      s.index === undefined &&
      s.relative === "no" &&
      (s.bits === 0 || s.bits === memoryBits(row, o, size))
    );
  if (!MEMORY_KINDS.has(o.kind)) return false;
  if (o.size === "p") {
    const indirect = row.mnemonic === "CALLF" || row.mnemonic === "JMPF";
    return indirect ? s.far : s.bits === 0 || s.far || s.bits === 32;
  }
  if (s.far) return o.size === "a";
  const bits = memoryBits(row, o, size);
  return s.bits === 0 || bits === 0 || bits === s.bits;
}

function matches(row: Row, o: Operand, size: Size, mode: Mode, s: SourceOperand): boolean {
  switch (s.type) {
    case "register":
      return matchesRegister(row, o, size, mode, s);
    case "memory":
      return matchesMemory(row, o, size, s);
    case "far":
      return o.kind === "A" && o.size === "p" && (s.bits === 0 || s.bits === size);
    case "immediate":
      if (o.kind === "J")
        return !(s.distance === "short" && o.size !== "b") && !(s.distance === "near" && o.size === "b");
      return o.kind === "I" || o.kind === "1";
  }
}

/** The size that an instruction has when nothing says otherwise. */
function defaultSize(row: Row, mode: Mode): Size {
  if (mode !== 64) return mode;
  return row.notes.has("f64") || row.notes.has("d64") ? 64 : 32;
}

function sizeAllowed(row: Row, size: Size, mode: Mode): boolean {
  if (size === 0) return true;
  if (mode !== 64) return size !== 64;
  if (row.notes.has("f64")) return size === 64;
  return !(row.notes.has("d64") && size === 32);
}

/** Forms that the operands match by kind; their values are looked at when encoding. */
export function candidates(index: FormIndex, i: Instruction): Form[] {
  const forms = index.get(i.name);
  if (!forms) throw new SyntaxFault(`there is no instruction ${i.name}`);
  const found = forms.filter(
    ({ row, size, operands }) =>
      operands.length === i.operands.length &&
      !(i.mode === 64 && row.notes.has("no64")) &&
      !(i.mode !== 64 && row.notes.has("only64")) &&
      sizeAllowed(row, size, i.mode) &&
      (i.operandSize === undefined || size === 0 || size === i.operandSize) &&
      operands.every((o, n) => matches(row, o, size, i.mode, i.operands[n]!)),
  );
  if (found.length === 0) throw new SyntaxFault(`${i.name} does not take these operands`);
  return settleSize(found, i);
}

/** Where operands leave the size open it is the usual one, but never for a memory operand without a size. */
function settleSize(found: Form[], i: Instruction): Form[] {
  const unsized = i.operands.findIndex((s) => s.type === "memory" && s.bits === 0);
  if (unsized >= 0) {
    const widths = new Set(found.map((f) => memoryBits(f.row, f.operands[unsized]!, f.size)));
    const implied = found.every((f) => f.row.notes.has("d64") || f.row.notes.has("f64"));
    if (widths.size > 1 && !implied) throw new SyntaxFault(`${i.name}: the size of the memory operand is not given`);
  }
  const sizes = new Set(found.map((f) => f.size));
  if (sizes.size < 2 || i.operandSize !== undefined) return found;
  const usual = found.filter((f) => f.size === 0 || f.size === defaultSize(f.row, i.mode));
  return usual.length > 0 ? usual : found;
}

/** What values are taken from while encoding. */
export interface Place {
  readonly scope: Scope;
  /** Address of the instruction. */
  readonly address: bigint;
  /** Whether the expression's value may still move: it gets the widest field. */
  movable(e: Expression): boolean;
  /** A branch that has once been too far stays long. */
  readonly long: boolean;
}

const inRange = (v: bigint, bits: number): boolean => v >= -(1n << BigInt(bits - 1)) && v < 1n << BigInt(bits);
const inSigned = (v: bigint, bits: number): boolean => BigInt.asIntN(bits, v) === v;

/** The immediate's value for the field, or undefined when it does not fit. */
function immediateValue(o: Operand, size: Size, s: ImmediateOperand, place: Place): bigint | undefined {
  const movable = place.movable(s.value);
  const v = s.value.evaluate(place.scope) ?? 0n;
  if (o.kind === "1") return !movable && v === 1n ? v : undefined;
  const width = size === 0 ? 8 : size;
  if (o.size === "s") {
    const wrapped = inRange(v, width) ? BigInt.asIntN(width, v) : v;
    return !movable && inSigned(wrapped, 8) ? wrapped : undefined;
  }
  if (o.size === "b") return inRange(v, 8) ? v : undefined;
  if (o.size === "w") return inRange(v, 16) ? v : undefined;
  if (o.size === "v") return inRange(v, width) ? v : undefined;
  if (size === 64) {
    const wrapped = inRange(v, 64) ? BigInt.asIntN(64, v) : v;
    return inSigned(wrapped, 32) ? wrapped : undefined;
  }
  return inRange(v, size === 16 ? 16 : 32) ? v : undefined;
}

/** Bits of the address that a memory operand uses. */
function addressBits(s: MemoryOperand, i: Instruction): Mode {
  const register = s.base ?? s.index;
  if (register) return register.bits as Mode;
  if (s.relativeBits !== undefined) return s.relativeBits as Mode;
  return i.addressSize ?? i.mode;
}

function memoryPart(s: MemoryOperand, i: Instruction, place: Place): Memory | undefined {
  const v = s.displacement.evaluate(place.scope) ?? 0n;
  if (s.relative === "target") return { disp: 0, ripRelative: true };
  if (s.relative === "distance") return { disp: Number(BigInt.asIntN(32, v)), ripRelative: true };
  const bits = addressBits(s, i);
  const register = s.base !== undefined || s.index !== undefined;
  const fits =
    bits === 64 ? inSigned(v, 32) || (inRange(v, 64) && inSigned(BigInt.asIntN(64, v), 32)) : inRange(v, bits);
  if (!fits) return undefined;
  const wide = place.movable(s.displacement) && register ? { dispBytes: (bits === 16 ? 2 : 4) as 2 | 4 } : {};
  return {
    ...(s.base ? { base: s.base.number } : {}),
    ...(s.index ? { index: s.index.number, scale: s.scale } : {}),
    disp: Number(BigInt.asIntN(bits === 16 ? 16 : 32, v)),
    ...wide,
  };
}

type Draft = { -readonly [K in keyof Parts]: Parts[K] } & { relative?: Expression; immediates: bigint[] };

function setRegister(parts: Draft, o: Operand, number: number): void {
  if (o.kind === "B" || o.kind === "H") parts.vvvv = number;
  else if (["G", "V", "P", "S", "C", "D", "Z"].includes(o.kind)) parts.reg = number;
  else if (o.kind !== "A" && FIXED[o.kind] === undefined) parts.rm = number;
}

function setMemory(parts: Draft, o: Operand, s: MemoryOperand, i: Instruction, place: Place): boolean {
  if (s.segment !== undefined) parts.segment = s.segment;
  const bits = addressBits(s, i);
  if (o.kind === "O") {
    const v = s.displacement.evaluate(place.scope) ?? 0n;
    // The eight-byte form only where the address needs it.
    if (bits === 64 && i.name !== "movabs") return false;
    parts.immediates.push(v);
  } else {
    const memory = memoryPart(s, i, place);
    if (!memory) return false;
    parts.memory = memory;
    if (s.relative === "target") parts.relative = s.displacement;
  }
  if (bits !== i.mode) parts.address67 = true;
  return true;
}

function setFar(parts: Draft, size: Size, s: FarOperand, place: Place): boolean {
  const offset = s.offset.evaluate(place.scope) ?? 0n;
  const width = size === 16 ? 16 : 32;
  if (!inRange(offset, width)) return false;
  const selector = s.selector.evaluate(place.scope) ?? 0n;
  parts.immediates.push((selector << BigInt(width)) | BigInt.asUintN(width, offset));
  return true;
}

/** Fills in one operand; false when its value has no place in this form. */
function setOperand(parts: Draft, form: Form, o: Operand, s: SourceOperand, i: Instruction, place: Place): boolean {
  switch (s.type) {
    case "register":
      setRegister(parts, o, s.register.number);
      return true;
    case "memory":
      return setMemory(parts, o, s, i, place);
    case "far":
      return setFar(parts, form.size, s, place);
    case "immediate": {
      if (o.kind === "J") {
        if (o.size === "b" && place.long && s.distance !== "short") return false;
        parts.relative = s.value;
        parts.immediates.push(0n);
        return true;
      }
      const v = immediateValue(o, form.size, s, place);
      if (v === undefined) return false;
      if (o.kind !== "1") parts.immediates.push(v);
      return true;
    }
  }
}

/** Replaces the distance in `parts` by the real one; false when it does not fit. */
function relate(parts: Draft, form: Form, length: number, place: Place): boolean {
  const target = parts.relative?.evaluate(place.scope);
  if (target === undefined) return true;
  const distance = target - (place.address + BigInt(length));
  if (parts.memory) {
    parts.memory = { disp: Number(BigInt.asIntN(32, distance)), ripRelative: true };
    return inSigned(distance, 32);
  }
  const at = form.operands.filter((o) => o.kind === "I" || o.kind === "J").findIndex((o) => o.kind === "J");
  const short = form.operands.some((o) => o.kind === "J" && o.size === "b");
  const bits = short ? 8 : form.size === 16 ? 16 : 32;
  // A 16-bit branch wraps around its segment.
  parts.immediates[at] = bits === 16 ? BigInt.asIntN(16, distance) : distance;
  return bits === 16 || inSigned(bits === 32 ? BigInt.asIntN(32, distance) : distance, bits);
}

function encodeForm(form: Form, i: Instruction, place: Place): Uint8Array | undefined {
  const parts: Draft = { mode: i.mode, size: form.size, lock: i.lock, rep: i.rep, immediates: [] };
  if (form.reg !== undefined) parts.reg = form.reg;
  if (form.operands.some((o, n) => !setOperand(parts, form, o, i.operands[n]!, i, place))) return undefined;
  if (isNop(form.row, parts) && i.name !== "nop") return undefined;
  const own = { jcxz: 16, jecxz: 32, jrcxz: 64 }[i.name] ?? i.addressSize;
  if (!i.operands.some((s) => s.type === "memory") && own !== undefined && own !== i.mode) parts.address67 = true;
  const bytes = encode(form.row, parts);
  if (parts.relative === undefined) return bytes;
  return relate(parts, form, bytes.length, place) ? encode(form.row, parts) : undefined;
}

/** 90 does nothing, although XCHG EAX, EAX would zero the upper half of RAX. */
const isNop = (row: Row, parts: Draft): boolean =>
  row.encoding === "90+" && parts.reg === 0 && parts.mode === 64 && parts.size === 32;

/** The shortest encoding. */
export function encodeBest(forms: readonly Form[], i: Instruction, place: Place): Uint8Array {
  let best: Uint8Array | undefined;
  for (const form of forms) {
    const bytes = encodeForm(form, i, place);
    if (bytes && (!best || bytes.length < best.length)) best = bytes;
  }
  if (!best) throw new SyntaxFault(`${i.name}: an operand is out of range`);
  return best;
}

export type { Form };
