/**
 * PCMPESTRI, PCMPESTRM, PCMPISTRI, PCMPISTRM: string comparison of XMM operands. [SDM] vol. 2B, 4.1.
 *
 *   imm   7   6                   5:4        3:2           1        0
 *         -   last index / mask   polarity   aggregation   signed   words
 */
import { Vcpu, VcpuOff } from "../gen/layout";
import { setArith } from "../cpu/flags";
import { Gpr, setReg } from "../cpu/regs";

namespace Control {
  export const WORDS: u32 = 1;
  export const SIGNED: u32 = 2;
  /** PCMPxSTRI: the highest set bit; PCMPxSTRM: a mask of whole elements */
  export const WIDE: u32 = 0x40;
}

namespace Aggregation {
  export const ANY: u32 = 0;
  export const RANGES: u32 = 1;
  export const EACH: u32 = 2;
  export const ORDERED: u32 = 3;
}

/** Element `i` of the operand at `p`, in the format of `imm`. */
function element(p: usize, i: u32, imm: u32): i32 {
  if ((imm & Control.WORDS) != 0) {
    const at = p + (i << 1);
    return (imm & Control.SIGNED) != 0 ? <i32>load<i16>(at) : <i32>load<u16>(at);
  }
  return (imm & Control.SIGNED) != 0 ? <i32>load<i8>(p + i) : <i32>load<u8>(p + i);
}

// @ts-ignore: decorator
@inline
function elementCount(imm: u32): u32 {
  return (imm & Control.WORDS) != 0 ? 8 : 16;
}

/** Index of the first zero element, or the element count. */
function implicitLength(p: usize, imm: u32): u32 {
  const n = elementCount(imm);
  let i: u32 = 0;
  while (i < n && element(p, i, imm) != 0) i++;
  return i;
}

/** Magnitude of an explicit length, at most the element count. */
function explicitLength(length: i64, imm: u32): u32 {
  const n = <u64>elementCount(imm);
  return <u32>min<u64>(<u64>(length < 0 ? 0 - length : length), n);
}

function equalsAny(a: usize, la: u32, value: i32, imm: u32): bool {
  for (let i: u32 = 0; i < la; i++) {
    if (element(a, i, imm) == value) return true;
  }
  return false;
}

function inRanges(a: usize, la: u32, value: i32, imm: u32): bool {
  for (let i: u32 = 0; i + 1 < la; i += 2) {
    if (element(a, i, imm) <= value && value <= element(a, i + 1, imm)) return true;
  }
  return false;
}

/** Whether the string `a` stands in `b` at `j`, as far as both fit. */
function matchesAt(a: usize, la: u32, b: usize, lb: u32, j: u32, imm: u32): bool {
  const n = elementCount(imm);
  for (let i: u32 = 0; i < la && i + j < n; i++) {
    if (i + j >= lb || element(a, i, imm) != element(b, i + j, imm)) return false;
  }
  return true;
}

/** IntRes1: a bit for each element of `b`. */
function aggregate(a: usize, la: u32, b: usize, lb: u32, imm: u32): u32 {
  const n = elementCount(imm);
  const mode = (imm >> 2) & 3;
  let r: u32 = 0;
  for (let j: u32 = 0; j < n; j++) {
    let hit = false;
    if (mode == Aggregation.EACH) {
      hit = j < la && j < lb ? element(a, j, imm) == element(b, j, imm) : j >= la && j >= lb;
    } else if (mode == Aggregation.ORDERED) {
      hit = matchesAt(a, la, b, lb, j, imm);
    } else if (j >= lb) {
      break;
    } else if (mode == Aggregation.ANY) {
      hit = equalsAny(a, la, element(b, j, imm), imm);
    } else {
      hit = inRanges(a, la, element(b, j, imm), imm);
    }
    if (hit) r |= (<u32>1) << j;
  }
  return r;
}

/** IntRes2, with the flags it sets. */
function compareStrings(cpu: Vcpu, a: usize, la: u32, b: usize, lb: u32, imm: u32): u32 {
  const n = elementCount(imm);
  let r = aggregate(a, la, b, lb, imm);
  if ((imm & 0x10) != 0) {
    const count = (imm & 0x20) != 0 ? lb : n;
    r ^= ((<u32>1) << count) - 1;
  }
  const cf: u32 = r != 0 ? 1 : 0;
  const zf: u32 = lb < n ? 0x40 : 0;
  const sf: u32 = la < n ? 0x80 : 0;
  setArith(cpu, cf | zf | sf | ((r & 1) << 11));
  return r;
}

/** ECX becomes the index of the lowest or highest set bit, or the element count. */
function writeIndex(cpu: Vcpu, r: u32, imm: u32): void {
  let index = elementCount(imm);
  if (r != 0) index = (imm & Control.WIDE) != 0 ? 31 - clz<u32>(r) : ctz<u32>(r);
  setReg<u32>(cpu, Gpr.RCX, index);
}

/** XMM0 becomes the bits, or a mask of whole elements. */
function writeMask(cpu: Vcpu, r: u32, imm: u32): void {
  const d = changetype<usize>(cpu) + VcpuOff.vec;
  store<u64>(d, (imm & Control.WIDE) != 0 ? 0 : <u64>r);
  store<u64>(d, 0, 8);
  if ((imm & Control.WIDE) == 0) return;
  const n = elementCount(imm);
  for (let i: u32 = 0; i < n; i++) {
    if (((r >> i) & 1) == 0) continue;
    if (n == 8) store<u16>(d + (i << 1), 0xffff);
    else store<u8>(d + i, 0xff);
  }
}

/** RAX and RDX hold the lengths, EAX and EDX without REX.W. T is u32 or u64. */
// @ts-ignore: decorator
@inline
function compareExplicit<T>(cpu: Vcpu, a: usize, b: usize, rax: T, imm: u32): u32 {
  const rdx = load<T>(changetype<usize>(cpu), Gpr.RDX);
  const la = explicitLength(sizeof<T>() == 8 ? <i64>rax : <i64><i32>rax, imm);
  const lb = explicitLength(sizeof<T>() == 8 ? <i64>rdx : <i64><i32>rdx, imm);
  return compareStrings(cpu, a, la, b, lb, imm);
}

export function pcmpestri<T>(cpu: Vcpu, a: usize, b: usize, rax: T, imm: u32): void {
  writeIndex(cpu, compareExplicit<T>(cpu, a, b, rax, imm), imm);
}

export function pcmpestrm<T>(cpu: Vcpu, a: usize, b: usize, rax: T, imm: u32): void {
  writeMask(cpu, compareExplicit<T>(cpu, a, b, rax, imm), imm);
}

export function pcmpistri(cpu: Vcpu, a: usize, b: usize, imm: u32): void {
  writeIndex(cpu, compareStrings(cpu, a, implicitLength(a, imm), b, implicitLength(b, imm), imm), imm);
}

export function pcmpistrm(cpu: Vcpu, a: usize, b: usize, imm: u32): void {
  writeMask(cpu, compareStrings(cpu, a, implicitLength(a, imm), b, implicitLength(b, imm), imm), imm);
}
