/**
 * The decoder: bytes to one instruction record. Prefixes, opcode maps, ModRM, displacement and immediate as in [SDM]
 * vol. 2, chapter 2; everything about single opcodes comes from the instruction table (gen/decode-tables.ts).
 */
import { ModeKey, SegIndex, VcpuOff } from "../gen/layout";
import {
  IMM_ENTER,
  IMM_FAR,
  IMM_IB,
  IMM_IB_IB,
  IMM_IS,
  IMM_IV,
  IMM_IW,
  IMM_IZ,
  IMM_MOFFS,
  IMM_NONE,
  LEAF_ALWAYS_LOCK,
  LEAF_D64,
  LEAF_ENDS,
  LEAF_F64,
  LEAF_LOCK,
  LEAF_MODRM,
  LEAF_PM,
  LEAF_REP,
  LEAF_SIZE_V,
  LEAF_SIZE_Y,
  LEAF_TWO_FORMS,
  LEAF_VVVV_GPR,
  LEAF_VVVV_VEC,
  LEAVES,
  MAP_0F,
  MAP_0F38,
  MAP_0F3A,
  MAP_VEX_0F,
  MAP_VEX_0F38,
  MAP_VEX_0F3A,
  REG_GPR,
  REG_GPR8,
  REG_NONE,
  REG_NUMBER,
  TREE,
} from "../gen/decode-tables";
import { HANDLERS } from "../gen/handlers";
import { Ea, placeIn, Rec } from "./record";

/** What decodeOne answers instead of a length. */
export namespace Decode {
  /** the instruction goes on beyond the bytes given */
  export const SHORT: i32 = 0;
  /** longer than fifteen bytes: #GP */
  export const LONG: i32 = -1;
  /** bit set in a length: the block ends after this instruction */
  export const ENDS: i32 = 0x100;
  export const UNDEFINED: i32 = 0x200;
}

const MAX_LENGTH: u32 = 15;

namespace Rex {
  export const B: u32 = 1;
  export const X: u32 = 2;
  export const R: u32 = 4;
  export const W: u32 = 8;
}

/** State of one decoding, in the DecodeState scratch the caller passes: no allocation, no globals. */
@unmanaged
export class DecodeState {
  src: usize;
  avail: u32;
  pos: u32;
  mode: u32;
  rex: u32;
  hasRex: u32;
  osz66: u32;
  asz67: u32;
  rep: u32;
  lock: u32;
  seg: i32;
  vex: u32;
  vexL: u32;
  vvvv: u32;
  modrm: i32;
  opcode: u32;
  asize: u32;
  ripRelative: u32;
  /** Number of the variant whose handler the record names, 0 for an undefined opcode. */
  variant: u32;
}

/** Table index of the handler of variant `variant`: what a record's fn holds. */
export function handlerIndex(variant: u32): u16 {
  return <u16>placeIn(changetype<usize>(HANDLERS), variant);
}

@inline
function has(d: DecodeState, n: u32): bool {
  return d.pos + n <= d.avail;
}

@inline
function peek(d: DecodeState): u32 {
  return load<u8>(d.src + d.pos);
}

/** Takes prefixes; false when the bytes end. */
function prefixes(d: DecodeState): bool {
  const is64 = (d.mode & ModeKey.CODE_MASK) == ModeKey.CODE64;
  while (true) {
    if (!has(d, 1)) return false;
    const b = peek(d);
    if (is64 && (b & 0xf0) == 0x40) {
      d.rex = b & 15;
      d.hasRex = 1;
      d.pos++;
      continue;
    }
    switch (b) {
      case 0x26:
        if (!is64) d.seg = SegIndex.ES;
        break;
      case 0x2e:
        if (!is64) d.seg = SegIndex.CS;
        break;
      case 0x36:
        if (!is64) d.seg = SegIndex.SS;
        break;
      case 0x3e:
        if (!is64) d.seg = SegIndex.DS;
        break;
      case 0x64:
        d.seg = SegIndex.FS;
        break;
      case 0x65:
        d.seg = SegIndex.GS;
        break;
      case 0x66:
        d.osz66 = 1;
        break;
      case 0x67:
        d.asz67 = 1;
        break;
      case 0xf0:
        d.lock = 1;
        break;
      case 0xf2:
        d.rep = 2;
        break;
      case 0xf3:
        d.rep = 1;
        break;
      default:
        return true;
    }
    // A REX prefix that is not the last one counts for nothing.
    d.rex = 0;
    d.hasRex = 0;
    d.pos++;
  }
}

@inline
function mapped(base: u32, opcode: u32): u32 {
  return load<u16>(TREE + ((base + opcode) << 1));
}

const NO_NODE: u32 = 0xffffffff;
const UNDEFINED_NODE: u32 = 0;

/** VEX prefix (C4 or C5 under d.pos - 1). Node, or NO_NODE when the bytes end. */
function vexNode(d: DecodeState, first: u32): u32 {
  if (d.hasRex | d.osz66 | d.rep | d.lock) return UNDEFINED_NODE;
  const is64 = (d.mode & ModeKey.CODE_MASK) == ModeKey.CODE64;
  const long = first == 0xc4;
  if (!has(d, long ? 3 : 2)) return NO_NODE;
  const b1 = peek(d);
  d.pos++;
  let map: u32 = 1;
  let last = b1;
  let rex = (~b1 >> 5) & Rex.R;
  if (long) {
    map = b1 & 31;
    rex = (~b1 >> 5) & 7;
    last = peek(d);
    d.pos++;
    if (last & 0x80) rex |= Rex.W;
  }
  // Outside 64-bit mode the inverted register bits must select the low eight, and W is ignored for general registers.
  d.rex = is64 ? rex : 0;
  d.vex = 1 | ((last >> 6) & 2);
  d.vexL = (last >> 2) & 1;
  d.vvvv = (~last >> 3) & (is64 ? 15 : 7);
  const pp = last & 3;
  d.osz66 = pp == 1 ? 1 : 0;
  d.rep = pp == 2 ? 1 : pp == 3 ? 2 : 0;
  const opcode = peek(d);
  d.pos++;
  d.opcode = opcode;
  if (map == 1) return mapped(MAP_VEX_0F, opcode);
  if (map == 2) return mapped(MAP_VEX_0F38, opcode);
  if (map == 3) return mapped(MAP_VEX_0F3A, opcode);
  return UNDEFINED_NODE;
}

/** Takes the opcode bytes. Node, or NO_NODE when the bytes end. */
function opcodeNode(d: DecodeState): u32 {
  let b = peek(d);
  d.pos++;
  d.opcode = b;
  if ((b & 0xfe) == 0xc4 && d.mode & ModeKey.PROTECTED) {
    if (!has(d, 1)) return NO_NODE;
    if ((d.mode & ModeKey.CODE_MASK) == ModeKey.CODE64 || peek(d) >= 0xc0) return vexNode(d, b);
  }
  if (b != 0x0f) return mapped(0, b);
  if (!has(d, 1)) return NO_NODE;
  b = peek(d);
  d.pos++;
  d.opcode = b;
  if (b != 0x38 && b != 0x3a) {
    // MOV to and from control and debug registers takes any mod as register.
    if ((b & 0xfc) == 0x20) {
      if (!has(d, 1)) return NO_NODE;
      d.modrm = peek(d) | 0xc0;
      d.pos++;
    }
    return mapped(MAP_0F, b);
  }
  if (!has(d, 1)) return NO_NODE;
  const c = peek(d);
  d.pos++;
  d.opcode = c;
  return mapped(b == 0x38 ? MAP_0F38 : MAP_0F3A, c);
}

/** Follows the tree from `node` to a leaf; UNDEFINED_NODE or NO_NODE otherwise. */
function walkTree(d: DecodeState, start: u32): u32 {
  let node = start;
  while (true) {
    const kind = node >> 13;
    const payload = node & 0x1fff;
    let branch: u32 = 0;
    if (kind == 0) return UNDEFINED_NODE;
    if (kind == 1) return node;
    if (kind == 2) branch = (d.mode & ModeKey.CODE_MASK) == ModeKey.CODE64 ? 1 : 0;
    else if (kind == 3) branch = d.rep == 1 ? 2 : d.rep == 2 ? 3 : d.osz66;
    else if (kind == 7) branch = (d.vexL << 1) | (d.vex >> 1);
    else {
      if (d.modrm < 0) {
        if (!has(d, 1)) return NO_NODE;
        d.modrm = peek(d);
        d.pos++;
      }
      const m = <u32>d.modrm;
      branch = kind == 4 ? (m >= 0xc0 ? 1 : 0) : kind == 5 ? (m >> 3) & 7 : m & 7;
    }
    node = load<u16>(TREE + ((payload + branch) << 1));
  }
}

/** Encodes register number `n` (with its REX bit) as the record wants it. */
function register(kind: u32, n: u32, rexBit: u32, hasRex: u32): u32 {
  if (kind == REG_GPR) return (n | (rexBit ? 8 : 0)) << 3;
  if (kind == REG_GPR8) {
    const full = n | (rexBit ? 8 : 0);
    return full >= 4 && full < 8 && !hasRex ? ((full - 4) << 3) | 1 : full << 3;
  }
  if (kind == REG_NUMBER) return n | (rexBit ? 8 : 0);
  return n;
}

const ZERO: u32 = <u32>VcpuOff.zero;
const BIAS: u32 = <u32>VcpuOff.bias;
const RIP: u32 = <u32>VcpuOff.blockRip;

/** ea of an instruction: plain in 64-bit flat addressing, else with segment and address size. */
function eaByte(d: DecodeState, scale: u32, defaultSeg: u32): u32 {
  const is64 = (d.mode & ModeKey.CODE_MASK) == ModeKey.CODE64;
  if (is64 && d.asize == 2 && d.seg < <i32>SegIndex.FS) return scale;
  const seg = d.seg >= 0 ? <u32>d.seg : defaultSeg;
  return scale | Ea.FULL | (seg << Ea.SEG_SHIFT) | (d.asize << Ea.ASIZE_SHIFT);
}

/** 16-bit addressing forms. False when the bytes end. */
function address16(d: DecodeState, rec: Rec): bool {
  const m = <u32>d.modrm;
  const mod = m >> 6;
  const rm = m & 7;
  let base: u32 = ZERO;
  let index: u32 = ZERO;
  if (rm < 2 || rm == 7) base = 3 << 3;
  else if (rm < 4 || (rm == 6 && mod != 0)) base = 5 << 3;
  if (rm == 0 || rm == 2 || rm == 4) index = 6 << 3;
  else if (rm == 1 || rm == 3 || rm == 5) index = 7 << 3;
  const bytes: u32 = mod == 1 ? 1 : mod == 2 || (mod == 0 && rm == 6) ? 2 : 0;
  if (!has(d, bytes)) return false;
  rec.disp = bytes == 1 ? <i32>load<i8>(d.src + d.pos) : bytes == 2 ? <i32>load<i16>(d.src + d.pos) : 0;
  d.pos += bytes;
  rec.rm = <u8>base;
  rec.index = <u8>index;
  rec.ea = <u8>eaByte(d, 0, base == 5 << 3 ? SegIndex.SS : SegIndex.DS);
  return true;
}

/** 32- and 64-bit addressing forms, SIB included. False when the bytes end. */
function address(d: DecodeState, rec: Rec): bool {
  const m = <u32>d.modrm;
  const mod = m >> 6;
  let base = m & 7;
  let index: u32 = ZERO;
  let scale: u32 = 0;
  let noBase = false;
  if (base == 4) {
    if (!has(d, 1)) return false;
    const sib = peek(d);
    d.pos++;
    base = sib & 7;
    noBase = base == 5 && mod == 0;
    const i = ((sib >> 3) & 7) | (d.rex & Rex.X ? 8 : 0);
    if (i != 4) {
      index = i << 3;
      scale = sib >> 6;
    }
  } else if (base == 5 && mod == 0) {
    noBase = true;
    d.ripRelative = (d.mode & ModeKey.CODE_MASK) == ModeKey.CODE64 ? 1 : 0;
  }
  const bytes: u32 = mod == 1 ? 1 : mod == 2 || noBase ? 4 : 0;
  if (!has(d, bytes)) return false;
  rec.disp = bytes == 1 ? <i32>load<i8>(d.src + d.pos) : bytes == 4 ? load<i32>(d.src + d.pos) : 0;
  d.pos += bytes;
  rec.rm = <u8>(noBase ? (d.ripRelative ? RIP : ZERO) : (base | (d.rex & Rex.B ? 8 : 0)) << 3);
  rec.index = <u8>index;
  const stack = !noBase && (base == 4 || base == 5) && !(d.rex & Rex.B);
  rec.ea = <u8>eaByte(d, scale, stack ? SegIndex.SS : SegIndex.DS);
  return true;
}

/** Operand size in bytes: 2, 4 or 8. */
function operandSize(d: DecodeState, flags: u32): u32 {
  const mode = d.mode & ModeKey.CODE_MASK;
  if (mode == ModeKey.CODE64) {
    if (d.vex ? d.vex & 2 : d.rex & Rex.W) return 8;
    if (flags & LEAF_F64) return 8;
    if (d.vex) return 4;
    if (flags & LEAF_D64) return d.osz66 ? 2 : 8;
    return d.osz66 ? 2 : 4;
  }
  if (d.vex) return 4;
  return (mode == ModeKey.CODE32) == (d.osz66 == 0) ? 4 : 2;
}

/** Takes the immediate into the record. False when the bytes end. */
function immediate(d: DecodeState, rec: Rec, kind: u32, size: u32): bool {
  const at = d.src + d.pos;
  const wide = kind == IMM_MOFFS ? 2 << d.asize : kind == IMM_IV ? size : 0;
  let bytes: u32;
  if (kind == IMM_IB || kind == IMM_IS) bytes = 1;
  else if (kind == IMM_IW || kind == IMM_IB_IB) bytes = 2;
  else if (kind == IMM_IZ) bytes = size == 2 ? 2 : 4;
  else if (kind == IMM_ENTER) bytes = 3;
  else if (kind == IMM_FAR) bytes = size == 2 ? 4 : 6;
  else bytes = wide;
  if (!has(d, bytes)) return false;
  d.pos += bytes;
  const self = changetype<usize>(rec);
  switch (kind) {
    case IMM_IB:
      rec.imm = <i32>load<u8>(at);
      break;
    case IMM_IS:
      rec.imm = <i32>load<i8>(at);
      break;
    case IMM_IW:
    case IMM_IB_IB:
      rec.imm = <i32>load<u16>(at);
      break;
    case IMM_IZ:
      rec.imm = bytes == 2 ? <i32>load<i16>(at) : load<i32>(at);
      break;
    case IMM_ENTER:
      rec.imm = (<i32>load<u16>(at)) | ((<i32>load<u8>(at, 2)) << 16);
      break;
    case IMM_FAR:
      rec.disp = bytes == 4 ? <i32>load<u16>(at) : load<i32>(at);
      rec.imm = <i32>load<u16>(at + bytes - 2);
      break;
    case IMM_MOFFS:
      store<u64>(self, wide == 2 ? <u64>load<u16>(at) : wide == 4 ? <u64>load<u32>(at) : load<u64>(at), 8);
      break;
    default:
      if (wide == 8) store<u64>(self, load<u64>(at), 8);
      else rec.imm = wide == 2 ? <i32>load<u16>(at) : load<i32>(at);
  }
  return true;
}

/** Variant of the leaf at `leaf`, or -1 when LOCK is not allowed here. */
function variantOf(d: DecodeState, leaf: usize, flags: u32, size: u32): i32 {
  const isMem = d.modrm >= 0 && d.modrm < 0xc0;
  let lock = d.lock;
  if (flags & LEAF_ALWAYS_LOCK && isMem) lock = 1;
  if (lock && !(flags & LEAF_LOCK && isMem)) return -1;
  let n: u32 = flags & LEAF_SIZE_V ? size >> 2 : flags & LEAF_SIZE_Y ? (size == 8 ? 1 : 0) : 0;
  if (flags & LEAF_TWO_FORMS) n = (n << 1) | (isMem ? 0 : 1);
  if (flags & LEAF_LOCK) n = (n << 1) | lock;
  if (flags & LEAF_REP) n = n * 3 + d.rep;
  return <i32>(<u32>load<u16>(leaf) + n);
}

function undefined(d: DecodeState, rec: Rec): i32 {
  rec.fn = handlerIndex(0);
  rec.len = <u8>d.pos;
  return (<i32>d.pos) | Decode.ENDS | Decode.UNDEFINED;
}

function start(d: DecodeState, src: usize, avail: u32, mode: u32): void {
  memory.fill(changetype<usize>(d), 0, offsetof<DecodeState>());
  d.src = src;
  d.avail = min<u32>(avail, MAX_LENGTH);
  d.mode = mode;
  d.seg = -1;
  d.modrm = -1;
}

/** Out of bytes: the caller's, or the fifteen that an instruction may have. */
@inline
function ranOut(avail: u32): i32 {
  return avail >= MAX_LENGTH ? Decode.LONG : Decode.SHORT;
}

/**
 * Decodes one instruction of `avail` bytes at `src` into `rec`, all of it but `next`. Returns its length with flags, or
 * SHORT or LONG. A RIP-relative displacement is left to the caller's fixRip().
 */
export function decodeOne(d: DecodeState, src: usize, avail: u32, mode: u32, rec: Rec): i32 {
  start(d, src, avail, mode);
  store<u64>(changetype<usize>(rec), 0);
  store<u64>(changetype<usize>(rec), 0, 8);
  if (!prefixes(d)) return ranOut(avail);
  const is64 = (mode & ModeKey.CODE_MASK) == ModeKey.CODE64;
  d.asize = is64 ? (d.asz67 ? 1 : 2) : ((mode & ModeKey.CODE_MASK) == ModeKey.CODE32) == (d.asz67 == 0) ? 1 : 0;
  const entry = opcodeNode(d);
  if (entry == NO_NODE) return ranOut(avail);
  const node = walkTree(d, entry);
  if (node == NO_NODE) return ranOut(avail);
  if (node == UNDEFINED_NODE) return undefined(d, rec);
  const leaf = LEAVES + ((node & 0x1fff) << 3);
  const flags = <u32>load<u16>(leaf, 2);
  if (flags & LEAF_PM && !(mode & ModeKey.PROTECTED)) return undefined(d, rec);
  return operands(d, rec, leaf, flags, avail);
}

function operands(d: DecodeState, rec: Rec, leaf: usize, flags: u32, avail: u32): i32 {
  const size = operandSize(d, flags);
  const regKind = <u32>load<u8>(leaf, 5);
  const rmKind = <u32>load<u8>(leaf, 6);
  rec.rm = <u8>ZERO;
  rec.index = <u8>ZERO;
  if (flags & LEAF_MODRM) {
    if (d.modrm < 0) {
      if (!has(d, 1)) return ranOut(avail);
      d.modrm = peek(d);
      d.pos++;
    }
    const m = <u32>d.modrm;
    if (m >= 0xc0) {
      rec.rm = <u8>register(rmKind, m & 7, d.rex & Rex.B, d.hasRex);
      // MASKMOVQ and MASKMOVDQU name no memory operand but store at DS:rDI.
      rec.ea = <u8>eaByte(d, 0, SegIndex.DS);
    } else if (!(d.asize == 0 ? address16(d, rec) : address(d, rec))) return ranOut(avail);
    if (regKind != REG_NONE) rec.reg = <u8>register(regKind, (m >> 3) & 7, d.rex & Rex.R, d.hasRex);
  } else {
    // String, moffs, loop and far forms find segment and address size here.
    const seg = d.seg >= 0 ? <u32>d.seg : SegIndex.DS;
    rec.ea = <u8>(Ea.FULL | (seg << Ea.SEG_SHIFT) | (d.asize << Ea.ASIZE_SHIFT));
    if (load<u8>(leaf, 7)) rec.reg = <u8>register(regKind, d.opcode & 7, d.rex & Rex.B, d.hasRex);
  }
  const imm = <u32>load<u8>(leaf, 4);
  if (imm != IMM_NONE && !immediate(d, rec, imm, size)) return ranOut(avail);
  if (flags & (LEAF_VVVV_GPR | LEAF_VVVV_VEC)) {
    const v = flags & LEAF_VVVV_GPR ? d.vvvv << 3 : d.vvvv;
    rec.imm = (rec.imm & 0xffffff) | (<i32>(v << 24));
  } else if (d.vex && d.vvvv != 0) return undefined(d, rec);
  const variant = variantOf(d, leaf, flags, size);
  if (variant < 0) return undefined(d, rec);
  d.variant = <u32>variant;
  rec.fn = handlerIndex(<u32>variant);
  rec.len = <u8>d.pos;
  return (<i32>d.pos) | (flags & LEAF_ENDS ? Decode.ENDS : 0);
}

/** Makes a RIP-relative displacement relative to the block, once `rec.next` is known. */
export function fixRip(d: DecodeState, rec: Rec): void {
  if (!d.ripRelative) return;
  const total = <i64>rec.disp + <i64>rec.next;
  if (total > 0x7fffffff) {
    rec.index = <u8>BIAS;
    rec.disp = <i32>(total - 0x80000000);
  } else rec.disp = <i32>total;
}
