/**
 * The arithmetic flags, computed when somebody asks. An operation leaves how to derive them (ccOp), its second operand
 * and its result; the readers below do the rest. Sizes are log2 of the operand's bytes, in ccOp's low two bits.
 */
import { CcOp, Vcpu } from "../gen/layout";

export namespace Flag {
  export const CF: u32 = 0x1;
  export const PF: u32 = 0x4;
  export const AF: u32 = 0x10;
  export const ZF: u32 = 0x40;
  export const SF: u32 = 0x80;
  export const TF: u32 = 0x100;
  export const IF: u32 = 0x200;
  export const DF: u32 = 0x400;
  export const OF: u32 = 0x800;
  export const IOPL: u32 = 0x3000;
  export const NT: u32 = 0x4000;
  export const RF: u32 = 0x10000;
  export const VM: u32 = 0x20000;
  export const AC: u32 = 0x40000;
  export const VIF: u32 = 0x80000;
  export const VIP: u32 = 0x100000;
  export const ID: u32 = 0x200000;
  /** OF SF ZF AF PF CF */
  export const ARITH: u32 = 0x8d5;
}

@inline
function log2Size<T>(): u32 {
  return sizeof<T>() == 1 ? 0 : sizeof<T>() == 2 ? 1 : sizeof<T>() == 4 ? 2 : 3;
}

/** Records an operation of size T, an unsigned type: operands arrive zero-extended. */
@inline
export function setLazy<T>(cpu: Vcpu, op: u32, src: T, dst: T): void {
  cpu.ccOp = (op << 2) | log2Size<T>();
  cpu.ccSrc = <u64>src;
  cpu.ccDst = <u64>dst;
}

/** Flags of a logical result: CF = OF = AF = 0. */
@inline
export function setLogic<T>(cpu: Vcpu, dst: T): void {
  cpu.ccOp = (CcOp.LOGIC << 2) | log2Size<T>();
  cpu.ccDst = <u64>dst;
}

@inline
function sizeMask(op: u32): u64 {
  return (<u64>-1) >> (64 - ((<u64>8) << (op & 3)));
}

@inline
function signShift(op: u32): u64 {
  return ((<u64>8) << (op & 3)) - 1;
}

export function cf(cpu: Vcpu): bool {
  const op = cpu.ccOp;
  const src = cpu.ccSrc;
  const dst = cpu.ccDst;
  switch (op >> 2) {
    case CcOp.EFLAGS:
      return (cpu.eflags & Flag.CF) != 0;
    case CcOp.ADD:
      return dst < src;
    case CcOp.ADC:
      return dst <= src;
    case CcOp.SUB:
      return ((dst + src) & sizeMask(op)) < src;
    case CcOp.SBB:
      return ((dst + src + 1) & sizeMask(op)) <= src;
    case CcOp.LOGIC:
      return false;
    case CcOp.SHL:
      return ((src >> signShift(op)) & 1) != 0;
    case CcOp.SHR:
      return (src & 1) != 0;
    default:
      return src != 0;
  }
}

@inline
export function zf(cpu: Vcpu): bool {
  return cpu.ccOp < 4 ? (cpu.eflags & Flag.ZF) != 0 : cpu.ccDst == 0;
}

@inline
export function sf(cpu: Vcpu): bool {
  const op = cpu.ccOp;
  return op < 4 ? (cpu.eflags & Flag.SF) != 0 : ((cpu.ccDst >> signShift(op)) & 1) != 0;
}

export function pf(cpu: Vcpu): bool {
  return cpu.ccOp < 4 ? (cpu.eflags & Flag.PF) != 0 : (popcnt<u32>((<u32>cpu.ccDst) & 0xff) & 1) == 0;
}

export function overflow(cpu: Vcpu): bool {
  const op = cpu.ccOp;
  const src = cpu.ccSrc;
  const dst = cpu.ccDst;
  let bits: u64;
  switch (op >> 2) {
    case CcOp.EFLAGS:
      return (cpu.eflags & Flag.OF) != 0;
    case CcOp.ADD:
      bits = (src ^ dst) & ((dst - src) ^ dst);
      break;
    case CcOp.ADC:
      bits = (src ^ dst) & ((dst - src - 1) ^ dst);
      break;
    case CcOp.SUB:
      bits = ((dst + src) ^ src) & ((dst + src) ^ dst);
      break;
    case CcOp.SBB:
      bits = ((dst + src + 1) ^ src) & ((dst + src + 1) ^ dst);
      break;
    case CcOp.LOGIC:
      return false;
    case CcOp.INC:
      return dst == (<u64>1) << signShift(op);
    case CcOp.DEC:
      return dst == sizeMask(op) >> 1;
    case CcOp.MUL:
      return src != 0;
    default:
      bits = src ^ dst;
  }
  return ((bits >> signShift(op)) & 1) != 0;
}

export function af(cpu: Vcpu): bool {
  const op = cpu.ccOp;
  const src = cpu.ccSrc;
  const dst = cpu.ccDst;
  switch (op >> 2) {
    case CcOp.EFLAGS:
      return (cpu.eflags & Flag.AF) != 0;
    case CcOp.ADD:
      return ((dst - src) ^ src ^ dst) & 0x10 ? true : false;
    case CcOp.ADC:
      return ((dst - src - 1) ^ src ^ dst) & 0x10 ? true : false;
    case CcOp.SUB:
      return ((dst + src) ^ src ^ dst) & 0x10 ? true : false;
    case CcOp.SBB:
      return ((dst + src + 1) ^ src ^ dst) & 0x10 ? true : false;
    case CcOp.INC:
      return (dst & 15) == 0;
    case CcOp.DEC:
      return (dst & 15) == 15;
    default:
      return false;
  }
}

/** The arithmetic flags but those in `mask`, which read as 0; not where cpu.eflags holds them already. */
function derived(cpu: Vcpu, mask: u32): u32 {
  let bits: u32 = 0;
  if (!(mask & Flag.CF) && cf(cpu)) bits |= Flag.CF;
  if (!(mask & Flag.PF) && pf(cpu)) bits |= Flag.PF;
  if (!(mask & Flag.AF) && af(cpu)) bits |= Flag.AF;
  if (!(mask & Flag.ZF) && zf(cpu)) bits |= Flag.ZF;
  if (!(mask & Flag.SF) && sf(cpu)) bits |= Flag.SF;
  if (!(mask & Flag.OF) && overflow(cpu)) bits |= Flag.OF;
  return bits;
}

/** Computes the six flags into cpu.eflags, which then holds them. */
export function materialize(cpu: Vcpu): void {
  if (cpu.ccOp >= 4) setArith(cpu, derived(cpu, 0));
}

/** Sets all six arithmetic flags to `bits`. */
@inline
export function setArith(cpu: Vcpu, bits: u32): void {
  cpu.eflags = (cpu.eflags & ~Flag.ARITH) | bits;
  cpu.ccOp = 0;
}

/** Replaces the flags in `mask` by those in `bits` and keeps the other arithmetic flags. */
export function setSome(cpu: Vcpu, mask: u32, bits: u32): void {
  if (cpu.ccOp >= 4) setArith(cpu, derived(cpu, mask));
  cpu.eflags = (cpu.eflags & ~mask) | bits;
}

/** RFLAGS as software sees it; bit 1 is always set. */
export function readFlags(cpu: Vcpu): u32 {
  materialize(cpu);
  return cpu.eflags | 2;
}

/** cond<cc> for the sixteen condition codes of Jcc, SETcc and CMOVcc. [SDM] vol. 1, appendix B. */
export function condition(cpu: Vcpu, cc: u32): bool {
  let r: bool;
  switch (cc >> 1) {
    case 0:
      r = overflow(cpu);
      break;
    case 1:
      r = cf(cpu);
      break;
    case 2:
      r = zf(cpu);
      break;
    case 3:
      r = zf(cpu) || cf(cpu);
      break;
    case 4:
      r = sf(cpu);
      break;
    case 5:
      r = pf(cpu);
      break;
    case 6:
      r = less(cpu);
      break;
    default:
      r = zf(cpu) || less(cpu);
      break;
  }
  return r != ((cc & 1) != 0);
}

/** SF != OF; after a comparison a signed compare of its operands. */
export function less(cpu: Vcpu): bool {
  const op = cpu.ccOp;
  if (op >> 2 == CcOp.SUB) {
    const up = 64 - ((<u64>8) << (op & 3));
    return <i64>((cpu.ccDst + cpu.ccSrc) << up) < <i64>(cpu.ccSrc << up);
  }
  return sf(cpu) != overflow(cpu);
}
