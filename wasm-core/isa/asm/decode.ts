/**
 * Instruction bytes to a row of the table and what its operands are made of: the decoder of assembly/decode in
 * TypeScript, for disassembly. [SDM] vol. 2, chapter 2.
 */
import { MAPS, type MapName, matchOf } from "../encoding.js";
import type { Row } from "../row.js";
import { NodeKind, type Tree, UNDEFINED } from "../tree.js";
import { axesOf } from "../variants.js";
import { SEGMENT_PREFIXES } from "./registers.js";
import type { Mode } from "./select.js";

/** A memory operand's address as encoded. */
export interface DecodedAddress {
  readonly base?: number;
  readonly index?: number;
  readonly scale: number;
  readonly disp: number;
  /** Whether the encoding has a displacement, be it zero. */
  readonly hasDisp: boolean;
  readonly ripRelative: boolean;
}

export interface Decoded {
  readonly row: Row;
  readonly length: number;
  readonly mode: Mode;
  readonly size: 0 | 16 | 32 | 64;
  readonly addressSize: Mode;
  /** -1 without a ModRM byte. */
  readonly modrm: number;
  readonly opcode: number;
  readonly rex: number;
  readonly hasRex: boolean;
  readonly vvvv: number;
  /** Bytes behind ModRM and displacement, as one little-endian number each operand takes its part of. */
  readonly immediateAt: number;
  readonly address?: DecodedAddress;
  readonly lock: boolean;
  readonly rep: 0 | 1 | 2;
  readonly operand66: boolean;
  /** Segment override, as a number of SEGMENTS. */
  readonly segment?: number;
}

const MAX_LENGTH = 15;
const REX = { B: 1, X: 2, R: 4, W: 8 } as const;

class RanOut extends Error {}

class Decoder {
  pos = 0;
  rex = 0;
  hasRex = false;
  operand66 = false;
  address67 = false;
  rep: 0 | 1 | 2 = 0;
  lock = false;
  segment: number | undefined;
  vex = false;
  vexL = 0;
  vvvv = 0;
  modrm = -1;
  opcode = 0;

  constructor(
    private readonly tree: Tree,
    private readonly bytes: Uint8Array,
    private readonly at: number,
    private readonly mode: Mode,
  ) {}

  next(): number {
    const byte = this.bytes[this.at + this.pos];
    if (byte === undefined || this.pos >= MAX_LENGTH) throw new RanOut();
    this.pos++;
    return byte;
  }

  number(bytes: number): number {
    let value = 0;
    for (let n = 0; n < bytes; n++) value |= this.next() << (8 * n);
    return bytes === 1 ? (value << 24) >> 24 : bytes === 2 ? (value << 16) >> 16 : value;
  }

  run(): Decoded | undefined {
    let byte = this.#prefixes();
    const addressSize = this.#addressSize();
    const node = this.#walk(this.#opcodeNode(byte));
    if (node >> 13 !== NodeKind.LEAF) return undefined;
    const row = this.tree.leaves[node & 0x1fff]!;
    if (row === UNDEFINED && this.opcode !== 0x0b) return undefined;
    if (matchOf(row).hasModrm && this.modrm < 0) this.modrm = this.next();
    const address =
      this.modrm >= 0 && this.modrm < 0xc0 && !alwaysRegister(row) ? this.#address(addressSize) : undefined;
    const size = this.#operandSize(row);
    const immediateAt = this.at + this.pos;
    for (byte = this.#immediateBytes(row, size, addressSize); byte > 0; byte--) this.next();
    const { modrm, opcode, rex, hasRex, vvvv, lock, rep, operand66, segment, mode } = this;
    return {
      row,
      length: this.pos,
      mode,
      size,
      addressSize,
      modrm,
      opcode,
      rex,
      hasRex,
      vvvv,
      immediateAt,
      lock,
      rep,
      operand66,
      ...(address ? { address } : {}),
      ...(segment === undefined ? {} : { segment }),
    };
  }

  #addressSize(): Mode {
    if (!this.address67) return this.mode;
    return this.mode === 32 ? 16 : 32;
  }

  #prefixes(): number {
    for (;;) {
      const byte = this.next();
      if (this.mode === 64 && (byte & 0xf0) === 0x40) {
        this.rex = byte & 15;
        this.hasRex = true;
        continue;
      }
      const segment = (SEGMENT_PREFIXES as readonly number[]).indexOf(byte);
      if (segment >= 0) this.segment = segment;
      else if (byte === 0x66) this.operand66 = true;
      else if (byte === 0x67) this.address67 = true;
      else if (byte === 0xf0) this.lock = true;
      else if (byte === 0xf2) this.rep = 2;
      else if (byte === 0xf3) this.rep = 1;
      else return byte;
      this.rex = 0;
      this.hasRex = false;
    }
  }

  #mapped(map: MapName): number {
    this.opcode = this.next();
    return this.tree.nodes[MAPS.indexOf(map) * 256 + this.opcode]!;
  }

  #opcodeNode(first: number): number {
    this.opcode = first;
    const vexPossible = (first & 0xfe) === 0xc4;
    if (vexPossible && (this.mode === 64 || (this.bytes[this.at + this.pos] ?? 0) >= 0xc0))
      return this.#vexNode(first === 0xc4);
    if (first !== 0x0f) return this.tree.nodes[first]!;
    const second = this.#mapped("0F");
    if (this.opcode === 0x38) return this.#mapped("0F38");
    if (this.opcode === 0x3a) return this.#mapped("0F3A");
    return second;
  }

  #vexNode(long: boolean): number {
    const first = this.next();
    const last = long ? this.next() : first;
    const map = long ? first & 31 : 1;
    this.rex = (~first >> 5) & (long ? 7 : REX.R);
    if (long && last & 0x80) this.rex |= REX.W;
    if (this.mode !== 64) this.rex = 0;
    this.vex = true;
    this.vexL = (last >> 2) & 1;
    this.vvvv = (~last >> 3) & (this.mode === 64 ? 15 : 7);
    const pp = last & 3;
    this.operand66 = pp === 1;
    this.rep = pp === 2 ? 1 : pp === 3 ? 2 : 0;
    const name = MAPS[3 + map];
    return map >= 1 && map <= 3 && name ? this.#mapped(name) : NodeKind.UD;
  }

  #branch(kind: number): number {
    if (kind === NodeKind.MODE64) return this.mode === 64 ? 1 : 0;
    if (kind === NodeKind.PREFIX) return this.rep === 1 ? 2 : this.rep === 2 ? 3 : this.operand66 ? 1 : 0;
    if (kind === NodeKind.VEX) return (this.vexL << 1) | (this.rex >> 3);
    if (this.modrm < 0) this.modrm = this.next();
    if (kind === NodeKind.FORM) return this.modrm >= 0xc0 ? 1 : 0;
    return kind === NodeKind.REG ? (this.modrm >> 3) & 7 : this.modrm & 7;
  }

  #walk(start: number): number {
    let node = start;
    while (node !== NodeKind.UD && node >> 13 !== NodeKind.LEAF)
      node = this.tree.nodes[(node & 0x1fff) + this.#branch(node >> 13)]!;
    return node;
  }

  #operandSize(row: Row): 0 | 16 | 32 | 64 {
    const { sizes } = axesOf(row);
    if (sizes[0] === 0) return 0;
    const size = this.#wantedSize(row);
    return size === 16 && !(sizes as readonly number[]).includes(16) ? 32 : size;
  }

  #wantedSize(row: Row): 16 | 32 | 64 {
    if (this.mode === 64) {
      if (this.rex & REX.W || row.notes.has("f64")) return 64;
      if (this.vex) return 32;
      if (row.notes.has("d64")) return this.operand66 ? 16 : 64;
      return this.operand66 ? 16 : 32;
    }
    if (this.vex) return 32;
    return (this.mode === 32) === !this.operand66 ? 32 : 16;
  }

  #address(size: Mode): DecodedAddress {
    const mod = this.modrm >> 6;
    if (size === 16) return this.#shortAddress(mod);
    let base = this.modrm & 7;
    let noBase = mod === 0 && base === 5;
    const ripRelative = noBase && this.mode === 64;
    let index: { index: number } | undefined;
    let scale = 1;
    if (base === 4) {
      const sib = this.next();
      base = sib & 7;
      noBase = mod === 0 && base === 5;
      const i = ((sib >> 3) & 7) | (this.rex & REX.X ? 8 : 0);
      if (i !== 4) index = { index: i };
      if (index) scale = 1 << (sib >> 6);
    }
    const width = mod === 1 ? 1 : mod === 2 || noBase ? 4 : 0;
    const disp = this.number(width);
    const hasDisp = width > 0;
    return {
      ...(noBase ? {} : { base: base | (this.rex & REX.B ? 8 : 0) }),
      ...index,
      scale,
      disp,
      hasDisp,
      ripRelative,
    };
  }

  #shortAddress(mod: number): DecodedAddress {
    const rm = this.modrm & 7;
    const absolute = mod === 0 && rm === 6;
    const base = [3, 3, 5, 5, 6, 7, 5, 3][rm]!;
    const index = [6, 7, 6, 7][rm];
    const width = mod === 1 ? 1 : mod === 2 || absolute ? 2 : 0;
    const disp = this.number(width);
    const rest = { scale: 1, disp, hasDisp: width > 0, ripRelative: false };
    return absolute ? rest : { base, ...(index === undefined ? {} : { index }), ...rest };
  }

  #immediateBytes(row: Row, size: number, addressSize: Mode): number {
    let bytes = 0;
    for (const o of row.operands) {
      if (o.kind === "O") bytes += addressSize / 8;
      else if (o.kind === "A" && o.size === "p") bytes += size === 16 ? 4 : 6;
      else if (o.kind === "I" || o.kind === "J") bytes += immediateBytes(o.size, size);
    }
    return bytes;
  }
}

/** Bytes of an immediate of the table's size letter at an operand size. */
export function immediateBytes(letter: string, size: number): number {
  if (letter === "b" || letter === "s") return 1;
  if (letter === "w") return 2;
  if (letter === "v") return size / 8;
  return size === 16 ? 2 : 4;
}

/** MOV to and from control and debug registers takes any mod as register. */
const alwaysRegister = (row: Row): boolean => row.operands.some((o) => o.kind === "C" || o.kind === "D");

/** Decodes the instruction at `at`; undefined when there is none, or the bytes end within it. */
export function decode(tree: Tree, bytes: Uint8Array, at: number, mode: Mode): Decoded | undefined {
  try {
    return new Decoder(tree, bytes, at, mode).run();
  } catch (e) {
    if (e instanceof RanOut) return undefined;
    throw e;
  }
}
