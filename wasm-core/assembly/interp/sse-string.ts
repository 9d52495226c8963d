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

@inline
function elementCount(imm: u32): u32 {
  return (imm & Control.WORDS) != 0 ? 8 : 16;
}

/** A bit for each of the first `n` elements. */
@inline
function firstBits(n: u32): u32 {
  return ((<u32>1) << n) - 1;
}

/** Index of the first zero element, or the element count. */
function implicitLength(p: usize, imm: u32): u32 {
  const v = v128.load(p);
  const zero = i64x2.splat(0);
  if ((imm & Control.WORDS) != 0) return ctz<u32>(i16x8.bitmask(i16x8.eq(v, zero)) | 0x100);
  return ctz<u32>(i8x16.bitmask(i8x16.eq(v, zero)) | 0x10000);
}

/** Magnitude of an explicit length, at most the element count. */
function explicitLength(length: i64, imm: u32): u32 {
  const n = <u64>elementCount(imm);
  return <u32>min<u64>(<u64>(length < 0 ? 0 - length : length), n);
}

/** Elements of `b` that equal some element of the string at `a`. */
@inline
function equalAny<T>(a: usize, la: u32, b: v128): u32 {
  let hits = i64x2.splat(0);
  for (let i: u32 = 0; i < la; i++) hits = v128.or(hits, v128.eq<T>(b, v128.splat<T>(load<T>(a + i * sizeof<T>()))));
  return v128.bitmask<T>(hits);
}

/** Elements of `b` that lie in one of the ranges at `a`: pairs of first and last. */
@inline
function inRanges<T>(a: usize, la: u32, b: v128): u32 {
  let hits = i64x2.splat(0);
  for (let i: u32 = 0; i + 1 < la; i += 2) {
    const first = v128.splat<T>(load<T>(a + i * sizeof<T>()));
    const last = v128.splat<T>(load<T>(a + (i + 1) * sizeof<T>()));
    hits = v128.or(hits, v128.and(v128.ge<T>(b, first), v128.le<T>(b, last)));
  }
  return v128.bitmask<T>(hits);
}

/** Positions at which the string at `a` stands in `b`, as far as both fit: what lies past the operand counts as equal. */
@inline
function matchesAt<T>(a: usize, la: u32, b: v128, lb: u32): u32 {
  const past = ~firstBits(16 / sizeof<T>());
  let hits: u32 = 0xffffffff;
  for (let i: u32 = 0; i < la; i++) {
    const equal = (<u32>v128.bitmask<T>(v128.eq<T>(b, v128.splat<T>(load<T>(a + i * sizeof<T>()))))) & firstBits(lb);
    hits &= <u32>((<i32>(equal | past)) >> i);
  }
  return hits;
}

/** IntRes1 for elements of type T: a bit for each element of `b`. */
function aggregateLanes<T>(a: usize, la: u32, bAt: usize, lb: u32, mode: u32): u32 {
  const b = v128.load(bAt);
  const all = firstBits(16 / sizeof<T>());
  const validA = firstBits(la);
  const validB = firstBits(lb);
  if (mode == Aggregation.ANY) return equalAny<T>(a, la, b) & validB;
  if (mode == Aggregation.RANGES) return inRanges<T>(a, la, b) & validB;
  if (mode == Aggregation.ORDERED) return matchesAt<T>(a, la, b, lb) & all;
  // Elements that both strings lack are equal; one alone is not.
  return (v128.bitmask<T>(v128.eq<T>(v128.load(a), b)) & validA & validB) | (all & ~(validA | validB));
}

function aggregate(a: usize, la: u32, b: usize, lb: u32, imm: u32): u32 {
  const mode = (imm >> 2) & 3;
  switch (imm & (Control.WORDS | Control.SIGNED)) {
    case 0:
      return aggregateLanes<u8>(a, la, b, lb, mode);
    case Control.WORDS:
      return aggregateLanes<u16>(a, la, b, lb, mode);
    case Control.SIGNED:
      return aggregateLanes<i8>(a, la, b, lb, mode);
    default:
      return aggregateLanes<i16>(a, la, b, lb, mode);
  }
}

/** IntRes2, with the flags it sets. */
function compareStrings(cpu: Vcpu, a: usize, la: u32, b: usize, lb: u32, imm: u32): u32 {
  const n = elementCount(imm);
  let r = aggregate(a, la, b, lb, imm);
  if ((imm & 0x10) != 0) {
    const count = (imm & 0x20) != 0 ? lb : n;
    r ^= firstBits(count);
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
@inline
function compareExplicit<T>(cpu: Vcpu, a: usize, b: usize, rax: T, imm: u32): u32 {
  const rdx = load<T>(changetype<usize>(cpu), Gpr.RDX);
  const la = explicitLength(sizeof<T>() == 8 ? <i64>rax : <i64>(<i32>rax), imm);
  const lb = explicitLength(sizeof<T>() == 8 ? <i64>rdx : <i64>(<i32>rdx), imm);
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
