/**
 * SSE integer multiplication, horizontal sums and sums of differences on XMM operands.
 * [SDM] vol. 2, PMULHW, PMULHRSW, PMADDWD, PMADDUBSW, PSADBW, MPSADBW, PHADDW, PHMINPOSUW and their kin.
 */
import { Vcpu } from "../gen/layout";

export function pmullw(cpu: Vcpu, d: usize, s: usize): void {
  v128.store(d, i16x8.mul(v128.load(d), v128.load(s)));
}

export function pmulld(cpu: Vcpu, d: usize, s: usize): void {
  v128.store(d, i32x4.mul(v128.load(d), v128.load(s)));
}

export function pmulhw(cpu: Vcpu, d: usize, s: usize): void {
  const a = v128.load(d);
  const b = v128.load(s);
  const low = i32x4.extmul_low_i16x8_s(a, b);
  const high = i32x4.extmul_high_i16x8_s(a, b);
  v128.store(d, v128.shuffle<i16>(low, high, 1, 3, 5, 7, 9, 11, 13, 15));
}

export function pmulhuw(cpu: Vcpu, d: usize, s: usize): void {
  const a = v128.load(d);
  const b = v128.load(s);
  const low = i32x4.extmul_low_i16x8_u(a, b);
  const high = i32x4.extmul_high_i16x8_u(a, b);
  v128.store(d, v128.shuffle<i16>(low, high, 1, 3, 5, 7, 9, 11, 13, 15));
}

/** Product scaled to 18 bits and rounded; -1 times -1 wraps to -1, where wasm's q15mulr would saturate. */
export function pmulhrsw(cpu: Vcpu, d: usize, s: usize): void {
  const a = v128.load(d);
  const b = v128.load(s);
  const one = i32x4.splat(1);
  const low = i32x4.shr_s(i32x4.add(i32x4.shr_s(i32x4.extmul_low_i16x8_s(a, b), 14), one), 1);
  const high = i32x4.shr_s(i32x4.add(i32x4.shr_s(i32x4.extmul_high_i16x8_s(a, b), 14), one), 1);
  v128.store(d, v128.shuffle<i16>(low, high, 0, 2, 4, 6, 8, 10, 12, 14));
}

/** The even doublewords of `a`, packed into the low half. */
@inline
function evenDwords(a: v128): v128 {
  return v128.shuffle<i32>(a, a, 0, 2, 0, 2);
}

export function pmuludq(cpu: Vcpu, d: usize, s: usize): void {
  v128.store(d, i64x2.extmul_low_i32x4_u(evenDwords(v128.load(d)), evenDwords(v128.load(s))));
}

export function pmuldq(cpu: Vcpu, d: usize, s: usize): void {
  v128.store(d, i64x2.extmul_low_i32x4_s(evenDwords(v128.load(d)), evenDwords(v128.load(s))));
}

export function pmaddwd(cpu: Vcpu, d: usize, s: usize): void {
  v128.store(d, i32x4.dot_i16x8_s(v128.load(d), v128.load(s)));
}

/** Unsigned bytes of the destination times signed bytes of the source, pairs added with saturation. */
export function pmaddubsw(cpu: Vcpu, d: usize, s: usize): void {
  const a = v128.load(d);
  const b = v128.load(s);
  const even = i16x8.mul(v128.and(a, i16x8.splat(0xff)), i16x8.shr_s(i16x8.shl(b, 8), 8));
  const odd = i16x8.mul(i16x8.shr_u(a, 8), i16x8.shr_s(b, 8));
  v128.store(d, i16x8.add_sat_s(even, odd));
}

export function psadbw(cpu: Vcpu, d: usize, s: usize): void {
  const a = v128.load(d);
  const b = v128.load(s);
  const difference = v128.or(i8x16.sub_sat_u(a, b), i8x16.sub_sat_u(b, a));
  const sums = i32x4.extadd_pairwise_i16x8_u(i16x8.extadd_pairwise_i8x16_u(difference));
  v128.store(d, i64x2.add(v128.and(sums, i64x2.splat(0xffffffff)), i64x2.shr_u(sums, 32)));
}

/** Sum of |d[i] - s[i]| over four bytes. */
function absDifference4(d: usize, s: usize): u32 {
  let sum: u32 = 0;
  for (let i: usize = 0; i < 4; i++) sum += <u32>abs<i32>(<i32>load<u8>(d + i) - <i32>load<u8>(s + i));
  return sum;
}

export function mpsadbw(cpu: Vcpu, d: usize, s: usize, imm: u32): void {
  const window = d + (imm & 4);
  const block = s + ((imm & 3) << 2);
  let low: u64 = 0;
  let high: u64 = 0;
  for (let i: usize = 0; i < 4; i++) {
    low |= (<u64>absDifference4(window + i, block)) << ((<u64>i) << 4);
    high |= (<u64>absDifference4(window + i + 4, block)) << ((<u64>i) << 4);
  }
  store<u64>(d, low);
  store<u64>(d, high, 8);
}

export function phminposuw(cpu: Vcpu, d: usize, s: usize): void {
  let least: u32 = load<u16>(s);
  let index: u32 = 0;
  for (let i: u32 = 1; i < 8; i++) {
    const v: u32 = load<u16>(s + (i << 1));
    if (v < least) {
      least = v;
      index = i;
    }
  }
  store<u64>(d, <u64>(least | (index << 16)));
  store<u64>(d, 0, 8);
}

// Horizontal sums: the destination's pairs make the low half of the result.

@inline
function evenWords(d: usize, s: usize): v128 {
  return v128.shuffle<i16>(v128.load(d), v128.load(s), 0, 2, 4, 6, 8, 10, 12, 14);
}

@inline
function oddWords(d: usize, s: usize): v128 {
  return v128.shuffle<i16>(v128.load(d), v128.load(s), 1, 3, 5, 7, 9, 11, 13, 15);
}

@inline
function evenPairs(d: usize, s: usize): v128 {
  return v128.shuffle<i32>(v128.load(d), v128.load(s), 0, 2, 4, 6);
}

@inline
function oddPairs(d: usize, s: usize): v128 {
  return v128.shuffle<i32>(v128.load(d), v128.load(s), 1, 3, 5, 7);
}

export function phaddw(cpu: Vcpu, d: usize, s: usize): void {
  v128.store(d, i16x8.add(evenWords(d, s), oddWords(d, s)));
}

export function phaddd(cpu: Vcpu, d: usize, s: usize): void {
  v128.store(d, i32x4.add(evenPairs(d, s), oddPairs(d, s)));
}

export function phaddsw(cpu: Vcpu, d: usize, s: usize): void {
  v128.store(d, i16x8.add_sat_s(evenWords(d, s), oddWords(d, s)));
}

export function phsubw(cpu: Vcpu, d: usize, s: usize): void {
  v128.store(d, i16x8.sub(evenWords(d, s), oddWords(d, s)));
}

export function phsubd(cpu: Vcpu, d: usize, s: usize): void {
  v128.store(d, i32x4.sub(evenPairs(d, s), oddPairs(d, s)));
}

export function phsubsw(cpu: Vcpu, d: usize, s: usize): void {
  v128.store(d, i16x8.sub_sat_s(evenWords(d, s), oddWords(d, s)));
}
