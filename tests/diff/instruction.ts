/** Random instructions of any row that can run at CPL 3, each with what makes its operands useful most of the time. */
import { encode, type Memory, type Parts } from "../../wasm-core/isa/encode.js";
import type { Family, Operand, Row } from "../../wasm-core/isa/row.js";
import { bitsOf, type Variant, variantsOf } from "../../wasm-core/isa/variants.js";
import type { Random } from "../support/random.js";
import { runsIn } from "../vectors/generate.js";
import { integer } from "../vectors/values.js";
import type { Mode } from "./machine.js";
import type { Item } from "./program.js";
import { CODE, CODE_BYTES, DATA, DATA_BYTES, FS_BASE_32, GS_BASE, NOWHERE, READ_ONLY } from "./space.js";

/** Registers that programs compute with. RSP, and R12 to R15, steer the program and are nobody's destination. */
export const FREE = [0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11] as const;
const [RAX, RCX, RDX, RBX, RSI, RDI] = [0, 1, 2, 3, 6, 7] as const;
const RSP = 4;
const HIGH_BYTE = 20;
const REG_KINDS = new Set(["G", "Z", "V", "P", "S", "C", "D"]);
const RM_KINDS = new Set(["E", "R", "W", "U", "Q", "N", "STi"]);
const GENERAL = new Set(["G", "Z", "E", "R", "B"]);
/** Prefixes of FS and GS, and where the segments begin. */
const SEGMENTS = {
  64: [
    [0x64, 0],
    [0x65, GS_BASE],
  ],
  32: [
    [0x64, FS_BASE_32],
    [0x65, GS_BASE],
  ],
} as const;
/** Control flow is the program's; the clock and randomness differ between two machines; SYSCALL needs a kernel. */
const LEFT_OUT =
  /^(j[A-Z]+|jmp|jmpIndirect|call|callIndirect|ret|retPop|loop.*|jrcxz|syscall|sysret|sysenter|sysexit|rdtscp?|rdrand|vmcall|monitor|mwait|hlt)$/;
/** What compilers write, and what regions do themselves. */
const COMMON = new Set(["alu", "shift", "bit", "mov", "stack", "muldiv"]);
const RARE = new Set(["far", "interrupt", "port", "segment", "system", "xsave", "glue"]);
/** What most code consists of. */
const HOT =
  /^(add|sub|and|or|xor|cmp|test|inc|dec|neg|not|adc|sbb|mov|movzx.*|movsx.*|lea|shl|shr|sar|rol|ror|imul2?|pushValue|popReg|xchg|bt)$/;
/** The x87's, by what they do to its stack: push, pop into memory, and the rest. */
const X87 = { load: /^(fld(M|St|1$|z|pi)|fild)/, store: /^(fstp|fistp|fisttp)M/, work: /^f/ } as const;
export type X87Kind = keyof typeof X87;
/** More than an operand has: what string instructions may touch. */
export const MOST_OPERAND = 64;
const PLACEHOLDER = 0x5a3c1e78;

interface Form {
  readonly row: Row;
  readonly module: string;
  readonly variant: Variant;
}

/** What a machine instruction of random operands is made from. */
export class Instructions {
  readonly #hot: Form[] = [];
  readonly #common: Form[] = [];
  readonly #rare: Form[] = [];
  readonly #other: Form[] = [];
  readonly #x87: Readonly<Record<X87Kind, Form[]>> = { load: [], store: [], work: [] };

  constructor(
    table: readonly Family[],
    private readonly mode: Mode = 64,
  ) {
    // In an order of its own: equal seeds are to give equal programs.
    for (const { module, rows } of [...table].sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const list = COMMON.has(module) ? this.#common : RARE.has(module) ? this.#rare : this.#other;
      for (const row of rows) {
        if (LEFT_OUT.test(row.semantic)) continue;
        for (const variant of variantsOf(row)) {
          if (!runsIn(row, mode, variant)) continue;
          // LOCK on a register is an undefined opcode.
          const target = variant.lock && variant.form === "reg" ? this.#rare : list;
          target.push({ row, module, variant });
          if (module.startsWith("x87")) this.#x87[x87Kind(row.semantic)].push({ row, module, variant });
          if (target === this.#common && !variant.lock && HOT.test(row.semantic))
            this.#hot.push({ row, module, variant });
        }
      }
    }
  }

  /** An x87 instruction of a kind. */
  x87(kind: X87Kind, random: Random): Item[] {
    return new Maker(random.pick(this.#x87[kind]), random, this.mode).make();
  }

  /** A random instruction; what must come before it stands before it. */
  random(random: Random): Item[] {
    const list = random.once(60) ? this.#rare : random.pick([this.#hot, this.#common, this.#other]);
    return new Maker(random.pick(list), random, this.mode).make();
  }
}

const x87Kind = (semantic: string): X87Kind =>
  X87.load.test(semantic) ? "load" : X87.store.test(semantic) ? "store" : "work";

const bytes = (...b: number[]): Item => ({ kind: "bytes", bytes: Uint8Array.from(b) });
const little = (value: bigint, count: number): number[] =>
  Array.from({ length: count }, (_, i) => Number((value >> BigInt(8 * i)) & 0xffn));

/** MOV r64, imm in the shortest form. */
export function loadImmediate(register: number, value: bigint): Item {
  const v = BigInt.asUintN(64, value);
  const low = register & 7;
  const rex = register >> 3;
  if (v <= 0xffffffffn) return bytes(...(rex ? [0x41] : []), 0xb8 + low, ...little(v, 4));
  return bytes(0x48 | rex, 0xb8 + low, ...little(v, 8));
}

/** An address for an access of `size` bytes: mostly good, now and then where it faults. */
export function randomAddress(random: Random, size: number, aligned = false): bigint {
  const last = DATA_BYTES / 0x1000;
  const boundary = DATA + 0x1000 * (1 + random.below(last - 1));
  if (aligned && !random.once(16)) return BigInt(DATA + 16 * random.below(DATA_BYTES / 16 - 32));
  switch (random.below(120)) {
    case 0:
      return BigInt(DATA + DATA_BYTES + random.below(0x800));
    case 1:
      return BigInt(DATA + DATA_BYTES - random.below(size));
    case 2:
      return BigInt(READ_ONLY + 16 * random.below(64));
    case 3:
      return NOWHERE + BigInt(random.below(256));
    case 4:
      // Repeated instructions must not overwrite themselves: they stop there when they are stepped through, else not.
      if (size < MOST_OPERAND) return BigInt(CODE + random.below(CODE_BYTES));
      break;
    default:
      break;
  }
  if (random.once(6)) return BigInt(boundary - random.below(size));
  if (random.once(6)) return BigInt(DATA + random.below(DATA_BYTES - size));
  return BigInt(DATA + 64 * random.below(DATA_BYTES / 64 - 2));
}

class Maker {
  readonly #before: Item[] = [];
  readonly #parts: { -readonly [K in keyof Parts]: Parts[K] };
  readonly #busy = new Set<number>();
  readonly #free: readonly number[];
  /** RIP-relative target. */
  #target: number | undefined;

  constructor(
    private readonly form: Form,
    private readonly random: Random,
    private readonly mode: Mode,
  ) {
    const { size, lock, rep } = form.variant;
    this.#parts = { mode, size, lock, rep };
    this.#free = FREE.filter((n) => mode === 64 || n < 8);
  }

  make(): Item[] {
    const { row, variant } = this.form;
    this.#registers();
    this.#parts.immediates = row.operands.flatMap((o) => this.#immediate(o));
    const memory =
      variant.form === "mem" && row.operands.find((o) => ["M", "E", "W", "Q"].includes(o.kind) && o.kind !== "O");
    if (memory) this.#memory(Math.max(1, bitsOf(memory, variant) / 8 || 16));
    this.#special();
    const code = encode(row, this.#parts);
    return [...this.#before, this.#target === undefined ? bytes(...code) : this.#relative(code, this.#target)];
  }

  #relative(code: Uint8Array, address: number): Item {
    const wanted = little(BigInt(PLACEHOLDER), 4);
    const at = code.findIndex((_, i) => wanted.every((b, k) => code[i + k] === b));
    return { kind: "relative", bytes: code, at, to: { address } };
  }

  #register(o: Operand): number {
    const { random } = this;
    if (!GENERAL.has(o.kind)) {
      if (o.kind === "V" || o.kind === "W" || o.kind === "U") return random.below(random.once(3) ? this.mode / 4 : 4);
      return o.kind === "S" ? random.below(6) : random.below(8);
    }
    if (o.size === "b" && o.kind !== "B" && random.once(3)) return HIGH_BYTE + random.below(4);
    // Without REX there are AL to BL and AH to BH.
    if (o.size === "b" && this.mode === 32) return random.below(4);
    return random.pick(this.#free);
  }

  #registers(): void {
    const { row, variant } = this.form;
    const parts = this.#parts;
    for (const o of row.operands) {
      if (REG_KINDS.has(o.kind)) parts.reg = this.#register(o);
      else if (RM_KINDS.has(o.kind) && variant.form === "reg") parts.rm = this.#register(o);
      else if (o.kind === "B") parts.vvvv = this.#register(o);
    }
    // AH to BH and a REX prefix exclude each other.
    if (this.#hasHighByte()) {
      if (parts.reg !== undefined && parts.reg < HIGH_BYTE) parts.reg &= 3;
      if (parts.rm !== undefined && parts.rm < HIGH_BYTE) parts.rm &= 3;
    }
    for (const n of [parts.reg, parts.rm, parts.vvvv]) if (n !== undefined) this.#busy.add(n % HIGH_BYTE);
  }

  #hasHighByte(): boolean {
    return (this.#parts.reg ?? 0) >= HIGH_BYTE || (this.#parts.rm ?? 0) >= HIGH_BYTE;
  }

  #immediate(o: Operand): bigint[] {
    if (o.kind === "O") return [randomAddress(this.random, 8)];
    if (o.kind === "A" && o.size === "p") return [this.random.u64()];
    if (o.kind === "J") return [0n];
    if (o.kind !== "I") return [];
    const { semantic } = this.form.row;
    // ENTER copies up to 31 frame pointers; small displacements keep the rest of the program going.
    if (semantic === "enter") return [BigInt(this.random.below(16))];
    if (semantic === "intN") return [BigInt(this.random.pick([3, 4, 4, 5, 0x80]))];
    return [integer(this.random, o.size === "b" || o.size === "s" ? 8 : 64)];
  }

  #load(register: number, value: bigint): void {
    this.#before.push(loadImmediate(register, BigInt.asUintN(this.mode, value)));
  }

  #freeRegister(): number {
    const low = this.#hasHighByte();
    const choice = this.#free.filter((n) => !this.#busy.has(n) && (!low || n < 8));
    const n = this.random.pick(choice);
    this.#busy.add(n);
    return n;
  }

  #memory(size: number): void {
    const { random } = this;
    const aligned = size === 16 && !this.form.row.notes.has("unal");
    const ea = BigInt.asUintN(this.mode, randomAddress(random, size, aligned));
    const near = ea < 0x7fffffffn;
    const wide = this.mode === 64;
    if (near && wide && random.once(10)) {
      this.#target = Number(ea);
      this.#parts.memory = { disp: PLACEHOLDER, ripRelative: true };
      return;
    }
    if (near && random.once(20)) {
      this.#parts.memory = { disp: Number(ea) };
      return;
    }
    if (random.once(12)) {
      this.#parts.memory = { base: RSP, disp: 8 * random.below(16) };
      return;
    }
    if (random.once(16)) {
      const [prefix, base] = random.pick(SEGMENTS[this.mode]);
      this.#parts.segment = prefix;
      this.#parts.memory = this.#based(ea - BigInt(base));
      return;
    }
    this.#parts.memory = this.#based(ea);
    if (near && wide && random.once(12)) this.#parts.address67 = true;
  }

  /** A base that points near `ea`, or whatever is in a register. */
  #based(ea: bigint): Memory {
    const { random } = this;
    const base = this.#freeRegister();
    const disp = random.pick([0, 0, 8, -8, 0x40, -128, 127, 0x200, -0x1000]);
    const m: { -readonly [K in keyof Memory]: Memory[K] } = { base, disp };
    let rest = ea - BigInt(disp);
    if (random.once(3)) {
      m.index = this.#freeRegister();
      m.scale = random.pick([1, 2, 4, 8]);
      const value = BigInt(random.below(64));
      if (!random.once(8)) this.#load(m.index, value);
      rest -= value * BigInt(m.scale);
    }
    if (!random.once(12)) this.#load(base, rest);
    return m;
  }

  /** Registers that rows use without naming them. */
  #special(): void {
    const { random } = this;
    const { row, module, variant } = this.form;
    const semantic = row.semantic;
    if (module === "string" || semantic === "maskmovq" || semantic === "maskmovdqu") {
      this.#load(RSI, randomAddress(random, MOST_OPERAND));
      this.#load(RDI, randomAddress(random, MOST_OPERAND));
      if (variant.rep !== 0) this.#load(RCX, BigInt(random.below(random.once(8) ? 700 : 20)));
    } else if (semantic === "xlat") this.#load(RBX, randomAddress(random, 256));
    else if (semantic === "div" || semantic === "idiv") this.#division(semantic === "idiv");
    else if (/^bt/.test(semantic) && this.#parts.reg !== undefined && !random.once(4))
      this.#load(this.#parts.reg, BigInt(random.below(256) - 64));
    else if (semantic === "leave" && !random.once(4))
      this.#before.push(bytes(...(this.mode === 64 ? [0x48] : []), 0x89, 0xe5));
  }

  /** A dividend without an upper half: most quotients then fit. */
  #division(signed: boolean): void {
    if (this.random.once(4)) return;
    const { size } = this.form.variant;
    if (size === 0) this.#load(RAX, BigInt(this.random.below(signed ? 128 : 256)));
    else this.#load(RDX, 0n);
  }
}
