/**
 * MMX: one function a mnemonic on 64-bit operands in the low half of wasm's 128-bit vectors. `d` is the destination and
 * first source, `s` the second, both machine addresses. Every one puts the x87 unit into MMX state; a register written
 * gets an exponent of all ones. [SDM] vol. 1, 9.2.5, 9.5; vol. 2, PADDB and following
 */
import { Vcpu } from "../gen/layout";
import { at, pair, put, putWord } from "./mmx-unit";

export function mmxPaddb(cpu: Vcpu, d: usize, s: usize): void {
  put(cpu, d, i8x16.add(at(d), at(s)));
}

export function mmxPaddw(cpu: Vcpu, d: usize, s: usize): void {
  put(cpu, d, i16x8.add(at(d), at(s)));
}

export function mmxPaddd(cpu: Vcpu, d: usize, s: usize): void {
  put(cpu, d, i32x4.add(at(d), at(s)));
}

export function mmxPaddq(cpu: Vcpu, d: usize, s: usize): void {
  put(cpu, d, i64x2.add(at(d), at(s)));
}

export function mmxPsubb(cpu: Vcpu, d: usize, s: usize): void {
  put(cpu, d, i8x16.sub(at(d), at(s)));
}

export function mmxPsubw(cpu: Vcpu, d: usize, s: usize): void {
  put(cpu, d, i16x8.sub(at(d), at(s)));
}

export function mmxPsubd(cpu: Vcpu, d: usize, s: usize): void {
  put(cpu, d, i32x4.sub(at(d), at(s)));
}

export function mmxPsubq(cpu: Vcpu, d: usize, s: usize): void {
  put(cpu, d, i64x2.sub(at(d), at(s)));
}

export function mmxPaddsb(cpu: Vcpu, d: usize, s: usize): void {
  put(cpu, d, i8x16.add_sat_s(at(d), at(s)));
}

export function mmxPaddsw(cpu: Vcpu, d: usize, s: usize): void {
  put(cpu, d, i16x8.add_sat_s(at(d), at(s)));
}

export function mmxPaddusb(cpu: Vcpu, d: usize, s: usize): void {
  put(cpu, d, i8x16.add_sat_u(at(d), at(s)));
}

export function mmxPaddusw(cpu: Vcpu, d: usize, s: usize): void {
  put(cpu, d, i16x8.add_sat_u(at(d), at(s)));
}

export function mmxPsubsb(cpu: Vcpu, d: usize, s: usize): void {
  put(cpu, d, i8x16.sub_sat_s(at(d), at(s)));
}

export function mmxPsubsw(cpu: Vcpu, d: usize, s: usize): void {
  put(cpu, d, i16x8.sub_sat_s(at(d), at(s)));
}

export function mmxPsubusb(cpu: Vcpu, d: usize, s: usize): void {
  put(cpu, d, i8x16.sub_sat_u(at(d), at(s)));
}

export function mmxPsubusw(cpu: Vcpu, d: usize, s: usize): void {
  put(cpu, d, i16x8.sub_sat_u(at(d), at(s)));
}

export function mmxPavgb(cpu: Vcpu, d: usize, s: usize): void {
  put(cpu, d, i8x16.avgr_u(at(d), at(s)));
}

export function mmxPavgw(cpu: Vcpu, d: usize, s: usize): void {
  put(cpu, d, i16x8.avgr_u(at(d), at(s)));
}

export function mmxPcmpeqb(cpu: Vcpu, d: usize, s: usize): void {
  put(cpu, d, i8x16.eq(at(d), at(s)));
}

export function mmxPcmpeqw(cpu: Vcpu, d: usize, s: usize): void {
  put(cpu, d, i16x8.eq(at(d), at(s)));
}

export function mmxPcmpeqd(cpu: Vcpu, d: usize, s: usize): void {
  put(cpu, d, i32x4.eq(at(d), at(s)));
}

export function mmxPcmpgtb(cpu: Vcpu, d: usize, s: usize): void {
  put(cpu, d, i8x16.gt_s(at(d), at(s)));
}

export function mmxPcmpgtw(cpu: Vcpu, d: usize, s: usize): void {
  put(cpu, d, i16x8.gt_s(at(d), at(s)));
}

export function mmxPcmpgtd(cpu: Vcpu, d: usize, s: usize): void {
  put(cpu, d, i32x4.gt_s(at(d), at(s)));
}

export function mmxPminub(cpu: Vcpu, d: usize, s: usize): void {
  put(cpu, d, i8x16.min_u(at(d), at(s)));
}

export function mmxPminsw(cpu: Vcpu, d: usize, s: usize): void {
  put(cpu, d, i16x8.min_s(at(d), at(s)));
}

export function mmxPmaxub(cpu: Vcpu, d: usize, s: usize): void {
  put(cpu, d, i8x16.max_u(at(d), at(s)));
}

export function mmxPmaxsw(cpu: Vcpu, d: usize, s: usize): void {
  put(cpu, d, i16x8.max_s(at(d), at(s)));
}

export function mmxPand(cpu: Vcpu, d: usize, s: usize): void {
  put(cpu, d, v128.and(at(d), at(s)));
}

export function mmxPor(cpu: Vcpu, d: usize, s: usize): void {
  put(cpu, d, v128.or(at(d), at(s)));
}

export function mmxPxor(cpu: Vcpu, d: usize, s: usize): void {
  put(cpu, d, v128.xor(at(d), at(s)));
}

export function mmxPmullw(cpu: Vcpu, d: usize, s: usize): void {
  put(cpu, d, i16x8.mul(at(d), at(s)));
}

export function mmxPandn(cpu: Vcpu, d: usize, s: usize): void {
  put(cpu, d, v128.andnot(at(s), at(d)));
}

export function mmxPabsb(cpu: Vcpu, d: usize, s: usize): void {
  put(cpu, d, i8x16.abs(at(s)));
}

export function mmxPabsw(cpu: Vcpu, d: usize, s: usize): void {
  put(cpu, d, i16x8.abs(at(s)));
}

export function mmxPabsd(cpu: Vcpu, d: usize, s: usize): void {
  put(cpu, d, i32x4.abs(at(s)));
}

/** `a` negated, kept or cleared by the sign of `b`, lane by lane. */
@inline
function applySign<T>(a: v128, b: v128): v128 {
  const zero = v128.splat<T>(<T>0);
  const negative = v128.lt<T>(b, zero);
  const signed = v128.sub<T>(v128.xor(a, negative), negative);
  return v128.andnot(signed, v128.eq<T>(b, zero));
}

export function mmxPsignb(cpu: Vcpu, d: usize, s: usize): void {
  put(cpu, d, applySign<i8>(at(d), at(s)));
}

export function mmxPsignw(cpu: Vcpu, d: usize, s: usize): void {
  put(cpu, d, applySign<i16>(at(d), at(s)));
}

export function mmxPsignd(cpu: Vcpu, d: usize, s: usize): void {
  put(cpu, d, applySign<i32>(at(d), at(s)));
}

// Products and sums.

@inline
function oddWords(v: v128): v128 {
  return v128.shuffle<i16>(v, v, 1, 3, 5, 7, 1, 3, 5, 7);
}

export function mmxPmulhw(cpu: Vcpu, d: usize, s: usize): void {
  put(cpu, d, oddWords(i32x4.extmul_low_i16x8_s(at(d), at(s))));
}

export function mmxPmulhuw(cpu: Vcpu, d: usize, s: usize): void {
  put(cpu, d, oddWords(i32x4.extmul_low_i16x8_u(at(d), at(s))));
}

export function mmxPmaddwd(cpu: Vcpu, d: usize, s: usize): void {
  put(cpu, d, i32x4.dot_i16x8_s(at(d), at(s)));
}

export function mmxPmuludq(cpu: Vcpu, d: usize, s: usize): void {
  put(cpu, d, i64x2.extmul_low_i32x4_u(at(d), at(s)));
}

/** Product scaled to 18 bits and rounded; -1 times -1 wraps to -1, where wasm's q15mulr would saturate. */
export function mmxPmulhrsw(cpu: Vcpu, d: usize, s: usize): void {
  const product = i32x4.shr_s(i32x4.extmul_low_i16x8_s(at(d), at(s)), 14);
  const rounded = i32x4.shr_s(i32x4.add(product, i32x4.splat(1)), 1);
  put(cpu, d, v128.shuffle<i16>(rounded, rounded, 0, 2, 4, 6, 0, 2, 4, 6));
}

/** Unsigned bytes of the destination times signed bytes of the source, pairs added with saturation. */
export function mmxPmaddubsw(cpu: Vcpu, d: usize, s: usize): void {
  const a = at(d);
  const b = at(s);
  const even = i16x8.mul(v128.and(a, i16x8.splat(0xff)), i16x8.shr_s(i16x8.shl(b, 8), 8));
  const odd = i16x8.mul(i16x8.shr_u(a, 8), i16x8.shr_s(b, 8));
  put(cpu, d, i16x8.add_sat_s(even, odd));
}

/** Sum of the absolute differences of eight bytes. */
export function mmxPsadbw(cpu: Vcpu, d: usize, s: usize): void {
  const a = at(d);
  const b = at(s);
  const difference = v128.or(i8x16.sub_sat_u(a, b), i8x16.sub_sat_u(b, a));
  const sums = i32x4.extadd_pairwise_i16x8_u(i16x8.extadd_pairwise_i8x16_u(difference));
  putWord(cpu, d, <u64>(i32x4.extract_lane(sums, 0) + i32x4.extract_lane(sums, 1)));
}

/** Even and odd lanes of d, then of s: what horizontal operations combine. */
@inline
function evenOf16(v: v128): v128 {
  return v128.shuffle<i16>(v, v, 0, 2, 4, 6, 0, 2, 4, 6);
}

@inline
function evenOf32(v: v128): v128 {
  return v128.shuffle<i32>(v, v, 0, 2, 0, 2);
}

@inline
function oddOf32(v: v128): v128 {
  return v128.shuffle<i32>(v, v, 1, 3, 1, 3);
}

export function mmxPhaddw(cpu: Vcpu, d: usize, s: usize): void {
  const v = pair(d, s);
  put(cpu, d, i16x8.add(evenOf16(v), oddWords(v)));
}

export function mmxPhaddsw(cpu: Vcpu, d: usize, s: usize): void {
  const v = pair(d, s);
  put(cpu, d, i16x8.add_sat_s(evenOf16(v), oddWords(v)));
}

export function mmxPhsubw(cpu: Vcpu, d: usize, s: usize): void {
  const v = pair(d, s);
  put(cpu, d, i16x8.sub(evenOf16(v), oddWords(v)));
}

export function mmxPhsubsw(cpu: Vcpu, d: usize, s: usize): void {
  const v = pair(d, s);
  put(cpu, d, i16x8.sub_sat_s(evenOf16(v), oddWords(v)));
}

export function mmxPhaddd(cpu: Vcpu, d: usize, s: usize): void {
  const v = pair(d, s);
  put(cpu, d, i32x4.add(evenOf32(v), oddOf32(v)));
}

export function mmxPhsubd(cpu: Vcpu, d: usize, s: usize): void {
  const v = pair(d, s);
  put(cpu, d, i32x4.sub(evenOf32(v), oddOf32(v)));
}
