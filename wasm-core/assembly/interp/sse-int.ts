/**
 * SSE integer arithmetic, comparison, logic and shifts on XMM operands: one function a mnemonic, in wasm SIMD.
 * `d` is the destination and first source, `s` the second source, both machine addresses.
 * [SDM] vol. 2, PADDB to PXOR; vol. 1, 10.6.2, 11.4.2, 12.6, 12.10.
 */
import { Vcpu } from "../gen/layout";
import { setArith } from "../cpu/flags";

// Sums and differences.

export function paddb(cpu: Vcpu, d: usize, s: usize): void {
  v128.store(d, i8x16.add(v128.load(d), v128.load(s)));
}

export function paddw(cpu: Vcpu, d: usize, s: usize): void {
  v128.store(d, i16x8.add(v128.load(d), v128.load(s)));
}

export function paddd(cpu: Vcpu, d: usize, s: usize): void {
  v128.store(d, i32x4.add(v128.load(d), v128.load(s)));
}

export function paddq(cpu: Vcpu, d: usize, s: usize): void {
  v128.store(d, i64x2.add(v128.load(d), v128.load(s)));
}

export function psubb(cpu: Vcpu, d: usize, s: usize): void {
  v128.store(d, i8x16.sub(v128.load(d), v128.load(s)));
}

export function psubw(cpu: Vcpu, d: usize, s: usize): void {
  v128.store(d, i16x8.sub(v128.load(d), v128.load(s)));
}

export function psubd(cpu: Vcpu, d: usize, s: usize): void {
  v128.store(d, i32x4.sub(v128.load(d), v128.load(s)));
}

export function psubq(cpu: Vcpu, d: usize, s: usize): void {
  v128.store(d, i64x2.sub(v128.load(d), v128.load(s)));
}

export function paddsb(cpu: Vcpu, d: usize, s: usize): void {
  v128.store(d, i8x16.add_sat_s(v128.load(d), v128.load(s)));
}

export function paddsw(cpu: Vcpu, d: usize, s: usize): void {
  v128.store(d, i16x8.add_sat_s(v128.load(d), v128.load(s)));
}

export function paddusb(cpu: Vcpu, d: usize, s: usize): void {
  v128.store(d, i8x16.add_sat_u(v128.load(d), v128.load(s)));
}

export function paddusw(cpu: Vcpu, d: usize, s: usize): void {
  v128.store(d, i16x8.add_sat_u(v128.load(d), v128.load(s)));
}

export function psubsb(cpu: Vcpu, d: usize, s: usize): void {
  v128.store(d, i8x16.sub_sat_s(v128.load(d), v128.load(s)));
}

export function psubsw(cpu: Vcpu, d: usize, s: usize): void {
  v128.store(d, i16x8.sub_sat_s(v128.load(d), v128.load(s)));
}

export function psubusb(cpu: Vcpu, d: usize, s: usize): void {
  v128.store(d, i8x16.sub_sat_u(v128.load(d), v128.load(s)));
}

export function psubusw(cpu: Vcpu, d: usize, s: usize): void {
  v128.store(d, i16x8.sub_sat_u(v128.load(d), v128.load(s)));
}

export function pavgb(cpu: Vcpu, d: usize, s: usize): void {
  v128.store(d, i8x16.avgr_u(v128.load(d), v128.load(s)));
}

export function pavgw(cpu: Vcpu, d: usize, s: usize): void {
  v128.store(d, i16x8.avgr_u(v128.load(d), v128.load(s)));
}

// Comparisons, minima, maxima.

export function pcmpeqb(cpu: Vcpu, d: usize, s: usize): void {
  v128.store(d, i8x16.eq(v128.load(d), v128.load(s)));
}

export function pcmpeqw(cpu: Vcpu, d: usize, s: usize): void {
  v128.store(d, i16x8.eq(v128.load(d), v128.load(s)));
}

export function pcmpeqd(cpu: Vcpu, d: usize, s: usize): void {
  v128.store(d, i32x4.eq(v128.load(d), v128.load(s)));
}

export function pcmpeqq(cpu: Vcpu, d: usize, s: usize): void {
  v128.store(d, i64x2.eq(v128.load(d), v128.load(s)));
}

export function pcmpgtb(cpu: Vcpu, d: usize, s: usize): void {
  v128.store(d, i8x16.gt_s(v128.load(d), v128.load(s)));
}

export function pcmpgtw(cpu: Vcpu, d: usize, s: usize): void {
  v128.store(d, i16x8.gt_s(v128.load(d), v128.load(s)));
}

export function pcmpgtd(cpu: Vcpu, d: usize, s: usize): void {
  v128.store(d, i32x4.gt_s(v128.load(d), v128.load(s)));
}

export function pcmpgtq(cpu: Vcpu, d: usize, s: usize): void {
  v128.store(d, i64x2.gt_s(v128.load(d), v128.load(s)));
}

export function pminsb(cpu: Vcpu, d: usize, s: usize): void {
  v128.store(d, i8x16.min_s(v128.load(d), v128.load(s)));
}

export function pminub(cpu: Vcpu, d: usize, s: usize): void {
  v128.store(d, i8x16.min_u(v128.load(d), v128.load(s)));
}

export function pminsw(cpu: Vcpu, d: usize, s: usize): void {
  v128.store(d, i16x8.min_s(v128.load(d), v128.load(s)));
}

export function pminuw(cpu: Vcpu, d: usize, s: usize): void {
  v128.store(d, i16x8.min_u(v128.load(d), v128.load(s)));
}

export function pminsd(cpu: Vcpu, d: usize, s: usize): void {
  v128.store(d, i32x4.min_s(v128.load(d), v128.load(s)));
}

export function pminud(cpu: Vcpu, d: usize, s: usize): void {
  v128.store(d, i32x4.min_u(v128.load(d), v128.load(s)));
}

export function pmaxsb(cpu: Vcpu, d: usize, s: usize): void {
  v128.store(d, i8x16.max_s(v128.load(d), v128.load(s)));
}

export function pmaxub(cpu: Vcpu, d: usize, s: usize): void {
  v128.store(d, i8x16.max_u(v128.load(d), v128.load(s)));
}

export function pmaxsw(cpu: Vcpu, d: usize, s: usize): void {
  v128.store(d, i16x8.max_s(v128.load(d), v128.load(s)));
}

export function pmaxuw(cpu: Vcpu, d: usize, s: usize): void {
  v128.store(d, i16x8.max_u(v128.load(d), v128.load(s)));
}

export function pmaxsd(cpu: Vcpu, d: usize, s: usize): void {
  v128.store(d, i32x4.max_s(v128.load(d), v128.load(s)));
}

export function pmaxud(cpu: Vcpu, d: usize, s: usize): void {
  v128.store(d, i32x4.max_u(v128.load(d), v128.load(s)));
}

// Logic; the floating-point forms are the same operation.

export function pand(cpu: Vcpu, d: usize, s: usize): void {
  v128.store(d, v128.and(v128.load(d), v128.load(s)));
}

export function por(cpu: Vcpu, d: usize, s: usize): void {
  v128.store(d, v128.or(v128.load(d), v128.load(s)));
}

export function pxor(cpu: Vcpu, d: usize, s: usize): void {
  v128.store(d, v128.xor(v128.load(d), v128.load(s)));
}

export function pandn(cpu: Vcpu, d: usize, s: usize): void {
  v128.store(d, v128.andnot(v128.load(s), v128.load(d)));
}

export function ptest(cpu: Vcpu, d: usize, s: usize): void {
  const a = v128.load(d);
  const b = v128.load(s);
  const zf: u32 = v128.any_true(v128.and(a, b)) ? 0 : 0x40;
  const cf: u32 = v128.any_true(v128.andnot(b, a)) ? 0 : 1;
  setArith(cpu, zf | cf);
}

// Absolute value and sign.

export function pabsb(cpu: Vcpu, d: usize, s: usize): void {
  v128.store(d, i8x16.abs(v128.load(s)));
}

export function pabsw(cpu: Vcpu, d: usize, s: usize): void {
  v128.store(d, i16x8.abs(v128.load(s)));
}

export function pabsd(cpu: Vcpu, d: usize, s: usize): void {
  v128.store(d, i32x4.abs(v128.load(s)));
}

/** Negates `a` where the sign mask is set and clears it where `b` is zero. */
@inline
function applySign<T>(a: v128, b: v128): v128 {
  const zero = i64x2.splat(0);
  const negative = v128.lt<T>(b, zero);
  return v128.andnot(v128.sub<T>(v128.xor(a, negative), negative), v128.eq<T>(b, zero));
}

export function psignb(cpu: Vcpu, d: usize, s: usize): void {
  v128.store(d, applySign<i8>(v128.load(d), v128.load(s)));
}

export function psignw(cpu: Vcpu, d: usize, s: usize): void {
  v128.store(d, applySign<i16>(v128.load(d), v128.load(s)));
}

export function psignd(cpu: Vcpu, d: usize, s: usize): void {
  v128.store(d, applySign<i32>(v128.load(d), v128.load(s)));
}

// Shifts. A count beyond the lane clears it, or fills it with the sign.

/** The shift count in the low quadword at `s`, at most 255. */
@inline
function countAt(s: usize): u32 {
  const n = load<u64>(s);
  return n > 255 ? 255 : <u32>n;
}

@inline
function shiftLeft<T>(d: usize, n: u32): void {
  v128.store(d, n < sizeof<T>() * 8 ? v128.shl<T>(v128.load(d), n) : i64x2.splat(0));
}

@inline
function shiftRight<T>(d: usize, n: u32): void {
  v128.store(d, n < sizeof<T>() * 8 ? v128.shr<T>(v128.load(d), n) : i64x2.splat(0));
}

@inline
function shiftArithmetic<T>(d: usize, n: u32): void {
  v128.store(d, v128.shr<T>(v128.load(d), n < sizeof<T>() * 8 ? n : sizeof<T>() * 8 - 1));
}

export function psllw(cpu: Vcpu, d: usize, s: usize): void {
  shiftLeft<u16>(d, countAt(s));
}

export function psllwImm(cpu: Vcpu, d: usize, imm: u32): void {
  shiftLeft<u16>(d, imm);
}

export function pslld(cpu: Vcpu, d: usize, s: usize): void {
  shiftLeft<u32>(d, countAt(s));
}

export function pslldImm(cpu: Vcpu, d: usize, imm: u32): void {
  shiftLeft<u32>(d, imm);
}

export function psllq(cpu: Vcpu, d: usize, s: usize): void {
  shiftLeft<u64>(d, countAt(s));
}

export function psllqImm(cpu: Vcpu, d: usize, imm: u32): void {
  shiftLeft<u64>(d, imm);
}

export function psrlw(cpu: Vcpu, d: usize, s: usize): void {
  shiftRight<u16>(d, countAt(s));
}

export function psrlwImm(cpu: Vcpu, d: usize, imm: u32): void {
  shiftRight<u16>(d, imm);
}

export function psrld(cpu: Vcpu, d: usize, s: usize): void {
  shiftRight<u32>(d, countAt(s));
}

export function psrldImm(cpu: Vcpu, d: usize, imm: u32): void {
  shiftRight<u32>(d, imm);
}

export function psrlq(cpu: Vcpu, d: usize, s: usize): void {
  shiftRight<u64>(d, countAt(s));
}

export function psrlqImm(cpu: Vcpu, d: usize, imm: u32): void {
  shiftRight<u64>(d, imm);
}

export function psraw(cpu: Vcpu, d: usize, s: usize): void {
  shiftArithmetic<i16>(d, countAt(s));
}

export function psrawImm(cpu: Vcpu, d: usize, imm: u32): void {
  shiftArithmetic<i16>(d, imm);
}

export function psrad(cpu: Vcpu, d: usize, s: usize): void {
  shiftArithmetic<i32>(d, countAt(s));
}

export function psradImm(cpu: Vcpu, d: usize, imm: u32): void {
  shiftArithmetic<i32>(d, imm);
}

/** Lane numbers 0 to 15: added to a distance they index a byte-wise shift, and what leaves 0..15 reads as zero. */
@inline
export function byteIndices(): v128 {
  return i8x16(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
}

export function pslldq(cpu: Vcpu, d: usize, imm: u32): void {
  const n: u32 = min<u32>(imm, 16);
  v128.store(d, v128.swizzle(v128.load(d), i8x16.sub(byteIndices(), i8x16.splat(<i8>n))));
}

export function psrldq(cpu: Vcpu, d: usize, imm: u32): void {
  const n: u32 = min<u32>(imm, 16);
  v128.store(d, v128.swizzle(v128.load(d), i8x16.add(byteIndices(), i8x16.splat(<i8>n))));
}
