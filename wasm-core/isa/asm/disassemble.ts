/** Writes decoded instructions in Intel syntax, as GNU's disassembler does where the assembler reads that too. */
import type { Family, Operand } from "../row.js";
import { buildTree, type Tree } from "../tree.js";
import { type Decoded, decode, immediateBytes } from "./decode.js";
import { hasOptionalSuffix, namesOf, visibleOperands, wideWord } from "./names.js";
import { gprName, SEGMENTS } from "./registers.js";
import { type Mode, memoryBits, registerBits } from "./select.js";

export interface Line {
  readonly address: bigint;
  readonly bytes: Uint8Array;
  /** "(bad)" for bytes that are no instruction; then one byte long. */
  readonly text: string;
}

const SIZE_NAMES: Record<number, string> = {
  8: "BYTE PTR ",
  16: "WORD PTR ",
  32: "DWORD PTR ",
  48: "FWORD PTR ",
  64: "QWORD PTR ",
  80: "TBYTE PTR ",
  128: "XMMWORD PTR ",
};
const MEMORY_KINDS = new Set(["E", "M", "W", "Q"]);
const FIXED_NAMES: Record<string, string> = { CL: "cl", DX: "dx", "1": "1", ST0: "st" };
const LOCKABLE_REPEAT = new Set(["MOVS", "CMPS", "STOS", "LODS", "SCAS", "INS", "OUTS"]);

const hex = (value: bigint): string => `0x${value.toString(16)}`;
const signedHex = (value: number): string => (value < 0 ? `-0x${(-value).toString(16)}` : `+0x${value.toString(16)}`);

/** Reads bytes as an unsigned number. */
function unsigned(bytes: Uint8Array, at: number, count: number): bigint {
  let value = 0n;
  for (let n = count - 1; n >= 0; n--) value = (value << 8n) | BigInt(bytes[at + n] ?? 0);
  return value;
}

function memoryText(d: Decoded): string {
  const a = d.address!;
  const bits = d.addressSize;
  const segment = d.segment === undefined ? "" : `${SEGMENTS[d.segment]}:`;
  if (a.base === undefined && a.index === undefined && !a.ripRelative) {
    return `${segment || "ds:"}${hex(BigInt.asUintN(bits, BigInt(a.disp)))}`;
  }
  const parts: string[] = [];
  if (a.ripRelative) parts.push(bits === 64 ? "rip" : "eip");
  if (a.base !== undefined) parts.push(gprName(a.base, bits));
  if (a.index !== undefined) parts.push(`${gprName(a.index, bits)}${bits === 16 ? "" : `*${a.scale}`}`);
  const disp = a.hasDisp ? signedHex(a.disp) : "";
  return `${segment}[${parts.join("+")}${disp}]`;
}

/** Number of a general register from its three bits, the REX bit and whether REX makes SPL of AH. */
function byteOrWide(low: number, extended: boolean, bits: number, hasRex: boolean): number {
  const n = low | (extended ? 8 : 0);
  return bits === 8 && n >= 4 && n < 8 && !hasRex ? n + 16 : n;
}

class Writer {
  #immediate: number;

  constructor(
    private readonly d: Decoded,
    private readonly bytes: Uint8Array,
    private readonly address: bigint,
  ) {
    this.#immediate = d.immediateAt;
  }

  text(): string {
    const { d } = this;
    const { row } = d;
    const name = this.#name();
    // Immediates lie in the order of the row, which is also the order they are shown in.
    const operands = d.opcode === 0x90 && name === "nop" ? [] : visibleOperands(row).map((o) => this.#operand(o));
    const repeat = LOCKABLE_REPEAT.has(row.mnemonic) ? this.#repeat() : "";
    return `${d.lock ? "lock " : ""}${repeat}${name}${operands.length > 0 ? ` ${operands.join(",")}` : ""}`;
  }

  #repeat(): string {
    if (this.d.rep === 0) return "";
    const compares = this.d.row.mnemonic === "CMPS" || this.d.row.mnemonic === "SCAS";
    if (this.d.rep === 2) return "repnz ";
    return compares ? "repz " : "rep ";
  }

  #name(): string {
    const { row, size, mode, addressSize, rex } = this.d;
    if (row.encoding === "90+" && this.d.opcode === 0x90 && (rex & 1) === 0) return "nop";
    if (row.mnemonic === "JRCXZ") return { 16: "jcxz", 32: "jecxz", 64: "jrcxz" }[addressSize];
    const names = namesOf(row, size);
    // Where a name may carry a suffix, it does when the size is not the usual one.
    if (hasOptionalSuffix(row)) {
      const usual = mode !== 64 ? mode : row.notes.has("d64") ? 64 : 32;
      return size === usual ? names[0]! : names[1]!;
    }
    const wide =
      (row.operands.some((o) => o.kind === "I" && o.size === "v") && size === 64) ||
      (row.operands.some((o) => o.kind === "O") && addressSize === 64);
    return wide ? "movabs" : names[0]!;
  }

  #register(o: Operand, n: number): string {
    return gprName(n, registerBits(o, this.d.size, this.d.mode));
  }

  #operand(o: Operand): string {
    const { d } = this;
    const { modrm, rex } = d;
    const reg = (modrm >> 3) & 7;
    if (d.address && MEMORY_KINDS.has(o.kind)) return `${this.#memorySize(o)}${memoryText(d)}`;
    switch (o.kind) {
      case "E":
      case "R":
        if (wideWord(d.row, o)) return gprName((modrm & 7) | (rex & 1 ? 8 : 0), d.size || (d.mode === 16 ? 16 : 32));
        return this.#register(o, byteOrWide(modrm & 7, (rex & 1) !== 0, registerBits(o, d.size, d.mode), d.hasRex));
      case "G":
        return this.#register(o, byteOrWide(reg, (rex & 4) !== 0, registerBits(o, d.size, d.mode), d.hasRex));
      case "Z":
        return this.#register(o, byteOrWide(d.opcode & 7, (rex & 1) !== 0, registerBits(o, d.size, d.mode), d.hasRex));
      case "B":
        return this.#register(o, d.vvvv);
      case "A":
        return o.size === "p" ? this.#far() : this.#register(o, 0);
      case "S":
        return SEGMENTS[reg] ?? "?";
      case "C":
        return `cr${reg | (rex & 4 ? 8 : 0)}`;
      case "D":
        return `dr${reg | (rex & 4 ? 8 : 0)}`;
      case "V":
        return `xmm${reg | (rex & 4 ? 8 : 0)}`;
      case "W":
      case "U":
        return `xmm${(modrm & 7) | (rex & 1 ? 8 : 0)}`;
      case "P":
        return `mm${reg}`;
      case "Q":
      case "N":
        return `mm${modrm & 7}`;
      case "STi":
        return `st(${modrm & 7})`;
      default:
        return this.#value(o);
    }
  }

  #value(o: Operand): string {
    const { d } = this;
    if (o.kind === "O") {
      const segment = d.segment === undefined ? "ds" : SEGMENTS[d.segment]!;
      return `${segment}:${hex(this.#take(d.addressSize / 8))}`;
    }
    if (o.kind === "I" || o.kind === "J") {
      const count = immediateBytes(o.size, d.size);
      const raw = this.#take(count);
      return o.kind === "J" ? this.#target(raw, count) : this.#immediateText(o, raw, count);
    }
    return FIXED_NAMES[o.kind] ?? o.kind.toLowerCase();
  }

  #immediateText(o: Operand, raw: bigint, count: number): string {
    const width = o.size === "s" || o.size === "z" ? this.d.size || 8 : count * 8;
    return hex(BigInt.asUintN(width, BigInt.asIntN(count * 8, raw)));
  }

  #target(raw: bigint, count: number): string {
    const { d } = this;
    const to = this.address + BigInt(d.length) + BigInt.asIntN(count * 8, raw);
    return hex(BigInt.asUintN(d.mode === 64 ? 64 : d.size === 16 ? 16 : 32, to));
  }

  #far(): string {
    const offset = this.#take(this.d.size === 16 ? 2 : 4);
    return `${hex(this.#take(2))}:${hex(offset)}`;
  }

  #take(count: number): bigint {
    const value = unsigned(this.bytes, this.#immediate, count);
    this.#immediate += count;
    return value;
  }

  #memorySize(o: Operand): string {
    const { row, size } = this.d;
    if (o.size === "p") return SIZE_NAMES[size === 16 ? 32 : size === 64 && row.mnemonic.endsWith("F") ? 80 : 48]!;
    return SIZE_NAMES[memoryBits(row, o, size)] ?? "";
  }
}

/** A disassembler for one instruction table. */
export class Disassembler {
  readonly #tree: Tree;

  constructor(table: readonly Family[]) {
    this.#tree = buildTree(table.flatMap((f) => f.rows));
  }

  /** The instruction at `at`, which the processor would fetch from `address`. */
  line(bytes: Uint8Array, at: number, mode: Mode, address: bigint): Line {
    const d = decode(this.#tree, bytes, at, mode);
    if (!d) return { address, bytes: bytes.slice(at, at + 1), text: "(bad)" };
    return { address, bytes: bytes.slice(at, at + d.length), text: new Writer(d, bytes, address).text() };
  }

  /** All of `bytes`. */
  *lines(bytes: Uint8Array, mode: Mode, address: bigint): Generator<Line> {
    for (let at = 0; at < bytes.length; ) {
      const line = this.line(bytes, at, mode, address + BigInt(at));
      yield line;
      at += line.bytes.length;
    }
  }
}
