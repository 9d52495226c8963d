/** One instruction of a row about to be recorded: its parts and the state it starts from, filled step by step. */
import { encode, type Memory, type Parts } from "../../wasm-core/isa/encode.js";
import type { Operand, Row } from "../../wasm-core/isa/row.js";
import { bitsOf, type Variant } from "../../wasm-core/isa/variants.js";
import type { Random } from "../support/random.js";
import { baseState, FX, GS_BASE, GUARD, type Mode, OFF, PAGE_BOUNDARY, READ_ONLY, type State } from "./layout.js";
import { decimal, extended, float, integer, integerBytes, type Lane, lanes } from "./values.js";

/** Where the memory operand is put. */
export type Place = "aligned" | "odd" | "crossing" | "guard" | "into-guard" | "read-only" | "non-canonical";

/** How a sample's registers and immediates name memory. */
export interface Reach {
  /** Selector of the code that runs, and selectors that a far transfer cannot load. */
  readonly codeSelector: number;
  readonly wrongCode: readonly number[];
  /** Selectors to load into segment registers; none where they cannot be recorded. */
  readonly dataSelectors: readonly number[];
  /** An instruction pointer. */
  code(linear: bigint): bigint;
  /** A stack or frame pointer. */
  stack(s: Sample, linear: bigint): bigint;
  /** A register that an instruction addresses memory with by itself, as SI and DI of string instructions. */
  pointer(s: Sample, linear: bigint, segment: "es" | "ds"): bigint;
  /** A count in RCX. */
  count(s: Sample, value: bigint): bigint;
  /** Chooses the addressing form of an operand at `linear` instead of Sample.addressing. */
  addressing?(s: Sample, linear: bigint): void;
}

const RSP = 4;
const HIGH_BYTE = 20;
const REG_KINDS = new Set(["G", "Z", "V", "P", "S", "C", "D"]);
const RM_KINDS = new Set(["E", "R", "W", "U", "Q", "N", "STi"]);
/** Counts of 16-bit double shifts beyond 16 leave everything undefined. */
const NARROW_COUNTS = [0, 1, 2, 3, 7, 8, 9, 15, 16, 32, 33, 64];
const COUNTS = [0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 128, 255];
const FLAG_BITS = [0x1, 0x4, 0x10, 0x40, 0x80, 0x800];
const GS_PREFIX = 0x65;
const LOW_HALF = 0x7fffffffffffn;
const NON_CANONICAL = 0x0000800000000000n;
/** Modules whose rows use the stack: RSP is theirs. */
const STACK_MODULES = new Set(["stack", "control", "interrupt", "far", "segment"]);

export class Sample {
  readonly state: State = baseState();
  parts: {
    -readonly [K in keyof Parts]: Parts[K];
  };
  /** Address of the memory operand, when there is one. */
  ea = 0n;
  private readonly busy = new Set<number>();

  constructor(
    readonly row: Row,
    readonly module: string,
    readonly variant: Variant,
    readonly mode: Mode,
    readonly rng: Random,
    readonly place: Place,
    /** How registers reach memory. */
    readonly reach: Reach,
  ) {
    this.parts = { mode, size: variant.size, lock: variant.lock, rep: variant.rep };
  }

  get addressMask(): bigint {
    return this.mode === 64 ? ~0n : 0xffffffffn;
  }

  bytes(): Uint8Array {
    return encode(this.row, this.parts);
  }

  /** Bits of an operand. */
  bits(o: Operand): number {
    return bitsOf(o, this.variant);
  }

  setGpr(n: number, value: bigint): void {
    const number = n >= HIGH_BYTE ? n - HIGH_BYTE : n;
    // Some hypervisors cannot return to a user with a stack pointer that is not canonical.
    const fit = number === RSP ? value & LOW_HALF : value;
    this.state.setGpr(number, n >= HIGH_BYTE ? (value & 0xffn) << 8n : fit);
  }

  flags(): void {
    let bits = 0x202;
    for (const bit of FLAG_BITS) if (this.rng.once(2)) bits |= bit;
    this.state.flags = bits;
  }

  register(o: Operand): number {
    const wide = this.mode === 64 ? 16 : 8;
    if (o.kind === "P" || o.kind === "Q" || o.kind === "N" || o.kind === "STi") return this.rng.below(8);
    if (o.kind === "S") return this.rng.below(6);
    if (o.kind === "D") return this.rng.below(8);
    if (o.kind === "C") return this.rng.pick([0, 2, 3, 4]);
    if (o.size !== "b" || !["E", "G", "R", "Z"].includes(o.kind)) return this.rng.below(wide);
    if (this.rng.once(3)) return HIGH_BYTE + this.rng.below(4);
    return this.mode === 64 ? this.rng.below(16) : this.rng.below(4);
  }

  /** Numbers the register operands. High byte registers and REX prefixes exclude each other. */
  chooseRegisters(): void {
    const { row, parts } = this;
    for (const o of row.operands) {
      if (REG_KINDS.has(o.kind)) parts.reg = this.register(o);
      else if (RM_KINDS.has(o.kind) && this.variant.form === "reg") parts.rm = this.register(o);
      else if (o.kind === "B") parts.vvvv = this.rng.below(this.mode === 64 ? 16 : 8);
    }
    if ((parts.reg ?? 0) >= HIGH_BYTE || (parts.rm ?? 0) >= HIGH_BYTE) {
      if (parts.reg !== undefined && parts.reg < HIGH_BYTE) parts.reg &= 3;
      if (parts.rm !== undefined && parts.rm < HIGH_BYTE) parts.rm &= 3;
    }
    for (const n of [parts.reg, parts.rm, parts.vvvv])
      if (n !== undefined) this.busy.add(n >= HIGH_BYTE ? n - HIGH_BYTE : n);
  }

  private lane(): Lane {
    const name = this.row.mnemonic;
    if (this.rng.once(6)) return this.rng.pick<Lane>([8, 16, 32, 64]);
    if (/(PS|SS)$|^CVTT?[PS]S|^(MOVS[LH]DUP|INSERTPS|EXTRACTPS|BLENDVPS|DPPS)/.test(name)) return "f32";
    if (/(PD|SD)$|^CVTT?[PS]D|^(MOVDDUP|BLENDVPD|DPPD)/.test(name)) return "f64";
    return this.rng.pick<Lane>([8, 16, 32, 64]);
  }

  /** Random contents of the registers that operands name, and immediates. */
  fillOperands(): void {
    const immediates: bigint[] = [];
    for (const o of this.row.operands) {
      if (o.kind === "A") this.occupy(0);
      if (o.kind === "CL") this.occupy(1);
      const bits = this.bits(o) || 64;
      if (o.kind === "G" || o.kind === "Z") this.setGpr(this.parts.reg!, integer(this.rng, bits));
      else if ((o.kind === "E" || o.kind === "R") && this.variant.form === "reg")
        this.setGpr(this.parts.rm!, integer(this.rng, bits));
      else if (o.kind === "B") this.setGpr(this.parts.vvvv!, integer(this.rng, bits));
      else if (o.kind === "A" && o.size !== "p") this.setGpr(0, integer(this.rng, bits));
      else if (o.kind === "CL") this.setGpr(1, (this.rng.u64() & ~0xffn) | this.count());
      else if (o.kind === "I") immediates.push(this.immediate(o, bits));
      else if (o.kind === "V") this.state.setXmm(this.parts.reg!, lanes(this.rng, this.lane()));
      else if ((o.kind === "W" || o.kind === "U") && this.variant.form === "reg")
        this.state.setXmm(this.parts.rm!, lanes(this.rng, this.lane()));
    }
    this.parts.immediates = immediates;
  }

  private count(): bigint {
    const narrow = this.variant.size === 16 && /^SH[LR]D$/.test(this.row.mnemonic);
    return BigInt(this.rng.pick(narrow ? NARROW_COUNTS : COUNTS));
  }

  private immediate(o: Operand, bits: number): bigint {
    if (o.size === "b" && /SH|^R[OC]|^SA|^BT/.test(this.row.mnemonic)) return this.count();
    return integer(this.rng, o.size === "s" ? 8 : bits);
  }

  /** RAX, RCX, RDX: what rows without named operands compute with. */
  fillAccumulators(bits: number): void {
    for (const n of [0, 1, 2]) {
      this.setGpr(n, integer(this.rng, bits));
      this.busy.add(n);
    }
  }

  occupy(...registers: number[]): void {
    for (const n of registers) this.busy.add(n);
  }

  // --- memory operand

  /** Address for an operand of `bytes` bytes by this.place. */
  address(bytes: number): bigint {
    const boundary = BigInt(PAGE_BOUNDARY);
    const offset = BigInt(this.rng.below(4) * 64) - 128n;
    if (this.place === "guard") return BigInt(GUARD + 16 * this.rng.below(4));
    if (this.place === "into-guard") return BigInt(GUARD - Math.max(1, bytes >> 1));
    if (this.place === "read-only") return BigInt(READ_ONLY + 64);
    if (this.place === "crossing") return boundary - BigInt(Math.max(1, bytes >> 1));
    if (this.place === "non-canonical" && this.mode === 64) return NON_CANONICAL + BigInt(this.rng.below(64) * 16);
    return boundary + offset + (this.place === "odd" ? BigInt(1 + this.rng.below(7)) : 0n);
  }

  isBusy(register: number): boolean {
    return this.busy.has(register);
  }

  freeRegister(): number {
    const all = Array.from({ length: this.mode === 64 ? 16 : 8 }, (_, n) => n);
    const stack = STACK_MODULES.has(this.module) || this.place === "non-canonical";
    const free = all.filter((n) => !this.busy.has(n) && (n !== RSP || !stack));
    const chosen = this.rng.pick(free);
    this.busy.add(chosen);
    return chosen;
  }

  /** Chooses an addressing form that reaches `ea` and sets its registers. */
  addressing(ea: bigint): void {
    this.ea = ea;
    if (this.reach.addressing !== undefined) {
      this.reach.addressing(this, ea);
      return;
    }
    const canonical = ea < NON_CANONICAL;
    const form = this.rng.below(canonical ? 8 : 4);
    if (form === 7) this.parts.memory = { disp: Number(ea) };
    else if (form === 6 && this.mode === 64) this.parts.memory = { disp: 0, ripRelative: true };
    else this.parts.memory = this.basedForm(ea, form);
    if (canonical && this.mode === 64 && this.parts.memory.base !== undefined && this.rng.once(12))
      this.parts.address67 = true;
  }

  private basedForm(ea: bigint, form: number): Memory {
    const dispBytes = this.rng.pick([0, 1, 4] as const);
    const gs = form === 5 && this.mode === 64;
    if (gs) this.parts.segment = GS_PREFIX;
    const base = this.freeRegister();
    const disp =
      dispBytes === 0 ? 0 : dispBytes === 1 ? this.rng.below(256) - 128 : (this.rng.u32() | 0) >> this.rng.below(28);
    const realDisp = (base & 7) === 5 && dispBytes === 0 ? 0 : disp;
    let rest = ea - BigInt(realDisp) - (gs ? BigInt(GS_BASE) : 0n);
    const m: { -readonly [K in keyof Memory]: Memory[K] } = { base, disp: realDisp };
    if (dispBytes === 1 || dispBytes === 4) m.dispBytes = dispBytes;
    if (form % 2 === 1) {
      const index = this.freeRegister();
      if (index !== RSP) {
        m.index = index;
        m.scale = this.rng.pick([1, 2, 4, 8]);
        const value = this.rng.once(2)
          ? BigInt(this.rng.below(256))
          : BigInt.asUintN(64, -BigInt(this.rng.below(4096)));
        this.state.setGpr(index, value & this.addressMask);
        rest -= value * BigInt(m.scale);
      }
    }
    this.state.setGpr(base, BigInt.asUintN(64, rest) & this.addressMask);
    return m;
  }

  /** A RIP-relative operand's displacement, when the instruction's length is known. */
  settleRip(): void {
    if (!this.parts.memory?.ripRelative) return;
    const length = BigInt(this.bytes().length);
    this.parts.memory = { ripRelative: true, disp: Number(this.ea - this.state.rip - length) };
  }

  /** Contents of the memory operand. */
  fillMemory(o: Operand): void {
    const bits = this.bits(o);
    if (this.ea >= NON_CANONICAL) return;
    const at = Number(this.ea);
    const name = this.row.mnemonic;
    if (o.kind === "W" || o.kind === "Q" || (o.kind === "M" && o.size === "x"))
      this.state.poke(at, lanes(this.rng, this.lane()));
    else if (name === "FBLD") this.state.poke(at, decimal(this.rng));
    else if (o.size === "t") this.state.poke(at, extended(this.rng));
    else if (/^F/.test(name) && !/^FI|^FLDCW/.test(name) && bits >= 32)
      this.state.poke(at, integerBytes(float(this.rng, bits as 32 | 64), bits));
    else if (bits > 0) this.state.poke(at, integerBytes(integer(this.rng, bits), bits));
    else this.state.poke(at, lanes(this.rng, 32));
  }

  // --- floating-point state

  x87State(): void {
    const { rng, state } = this;
    const fcw = rng.once(2)
      ? 0x37f
      : 0x40 | (rng.below(4) << 10) | (rng.pick([0, 2, 3]) << 8) | (rng.once(3) ? rng.below(64) : 0x3f);
    const pending = rng.once(16);
    let fsw = (rng.below(8) << 11) | (rng.once(3) ? rng.u32() & 0x4700 : 0) | (rng.once(4) ? rng.below(64) : 0);
    if (!pending) fsw &= ~(~fcw & 0x3f);
    if (fsw & ~fcw & 0x3f) fsw |= 0x8080;
    const tags = rng.once(4) ? rng.u32() & 0xff : 0xff;
    state.view.setUint16(OFF.fx + FX.fcw, fcw, true);
    state.view.setUint16(OFF.fx + FX.fsw, fsw, true);
    state.view.setUint8(OFF.fx + FX.tags, tags);
    const mmx = this.row.notes.has("mmx");
    for (let n = 0; n < 8; n++) {
      if (!mmx) state.setSt(n, extended(rng));
      else state.setSt(n, Uint8Array.of(...lanes(rng, this.lane()).subarray(0, 8), 0xff, 0xff));
    }
  }

  mxcsr(): void {
    const { rng } = this;
    if (rng.once(2)) return;
    const masks = rng.once(5) ? rng.below(64) << 7 : 0x1f80;
    this.state.mxcsr =
      masks |
      (rng.below(4) << 13) |
      (rng.once(4) ? 0x8000 : 0) |
      (rng.once(4) ? 0x40 : 0) |
      (rng.once(4) ? rng.below(64) : 0);
  }
}
