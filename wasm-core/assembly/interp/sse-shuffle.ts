/**
 * SSE shuffles, packs, unpacks, blends, insertions, extractions and extensions on XMM operands.
 * [SDM] vol. 2, PSHUFB to PUNPCKLQDQ, SHUFPS, PBLENDVB, PINSRB, PEXTRB, PMOVSXBW, PALIGNR and their kin.
 */
import { Vcpu, VcpuOff } from "../gen/layout";
import { byteIndices } from "./sse-int";

// Interleaving.

export function punpcklbw(cpu: Vcpu, d: usize, s: usize): void {
  v128.store(d, v128.shuffle<i8>(v128.load(d), v128.load(s), 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23));
}

export function punpcklwd(cpu: Vcpu, d: usize, s: usize): void {
  v128.store(d, v128.shuffle<i16>(v128.load(d), v128.load(s), 0, 8, 1, 9, 2, 10, 3, 11));
}

export function punpckldq(cpu: Vcpu, d: usize, s: usize): void {
  v128.store(d, v128.shuffle<i32>(v128.load(d), v128.load(s), 0, 4, 1, 5));
}

export function punpcklqdq(cpu: Vcpu, d: usize, s: usize): void {
  v128.store(d, v128.shuffle<i64>(v128.load(d), v128.load(s), 0, 2));
}

export function punpckhbw(cpu: Vcpu, d: usize, s: usize): void {
  v128.store(
    d,
    v128.shuffle<i8>(v128.load(d), v128.load(s), 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31),
  );
}

export function punpckhwd(cpu: Vcpu, d: usize, s: usize): void {
  v128.store(d, v128.shuffle<i16>(v128.load(d), v128.load(s), 4, 12, 5, 13, 6, 14, 7, 15));
}

export function punpckhdq(cpu: Vcpu, d: usize, s: usize): void {
  v128.store(d, v128.shuffle<i32>(v128.load(d), v128.load(s), 2, 6, 3, 7));
}

export function punpckhqdq(cpu: Vcpu, d: usize, s: usize): void {
  v128.store(d, v128.shuffle<i64>(v128.load(d), v128.load(s), 1, 3));
}

// Narrowing with saturation.

export function packsswb(cpu: Vcpu, d: usize, s: usize): void {
  v128.store(d, i8x16.narrow_i16x8_s(v128.load(d), v128.load(s)));
}

export function packuswb(cpu: Vcpu, d: usize, s: usize): void {
  v128.store(d, i8x16.narrow_i16x8_u(v128.load(d), v128.load(s)));
}

export function packssdw(cpu: Vcpu, d: usize, s: usize): void {
  v128.store(d, i16x8.narrow_i32x4_s(v128.load(d), v128.load(s)));
}

export function packusdw(cpu: Vcpu, d: usize, s: usize): void {
  v128.store(d, i16x8.narrow_i32x4_u(v128.load(d), v128.load(s)));
}

// Extension of the low lanes; memory operands are as wide as what is read.

export function pmovsxbw(cpu: Vcpu, d: usize, s: usize): void {
  v128.store(d, v128.load8x8_s(s));
}

export function pmovsxbd(cpu: Vcpu, d: usize, s: usize): void {
  v128.store(d, i32x4.extend_low_i16x8_s(i16x8.extend_low_i8x16_s(v128.load32_zero(s))));
}

export function pmovsxbq(cpu: Vcpu, d: usize, s: usize): void {
  v128.store(
    d,
    i64x2.extend_low_i32x4_s(i32x4.extend_low_i16x8_s(i16x8.extend_low_i8x16_s(i16x8.splat(load<i16>(s))))),
  );
}

export function pmovsxwd(cpu: Vcpu, d: usize, s: usize): void {
  v128.store(d, v128.load16x4_s(s));
}

export function pmovsxwq(cpu: Vcpu, d: usize, s: usize): void {
  v128.store(d, i64x2.extend_low_i32x4_s(i32x4.extend_low_i16x8_s(v128.load32_zero(s))));
}

export function pmovsxdq(cpu: Vcpu, d: usize, s: usize): void {
  v128.store(d, v128.load32x2_s(s));
}

export function pmovzxbw(cpu: Vcpu, d: usize, s: usize): void {
  v128.store(d, v128.load8x8_u(s));
}

export function pmovzxbd(cpu: Vcpu, d: usize, s: usize): void {
  v128.store(d, i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(v128.load32_zero(s))));
}

export function pmovzxbq(cpu: Vcpu, d: usize, s: usize): void {
  v128.store(
    d,
    i64x2.extend_low_i32x4_u(i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(i16x8.splat(load<i16>(s))))),
  );
}

export function pmovzxwd(cpu: Vcpu, d: usize, s: usize): void {
  v128.store(d, v128.load16x4_u(s));
}

export function pmovzxwq(cpu: Vcpu, d: usize, s: usize): void {
  v128.store(d, i64x2.extend_low_i32x4_u(i32x4.extend_low_i16x8_u(v128.load32_zero(s))));
}

export function pmovzxdq(cpu: Vcpu, d: usize, s: usize): void {
  v128.store(d, v128.load32x2_u(s));
}

// Shuffles. A control byte selects two bits a lane.

export function pshufb(cpu: Vcpu, d: usize, s: usize): void {
  v128.store(d, v128.swizzle(v128.load(d), v128.and(v128.load(s), i8x16.splat(<i8>0x8f))));
}

@inline
function dwordAt(p: usize, selector: u32): u32 {
  return load<u32>(p + ((selector & 3) << 2));
}

export function pshufd(cpu: Vcpu, d: usize, s: usize, imm: u32): void {
  const low = (<u64>dwordAt(s, imm)) | ((<u64>dwordAt(s, imm >> 2)) << 32);
  const high = (<u64>dwordAt(s, imm >> 4)) | ((<u64>dwordAt(s, imm >> 6)) << 32);
  store<u64>(d, low);
  store<u64>(d, high, 8);
}

export function shufps(cpu: Vcpu, d: usize, s: usize, imm: u32): void {
  const low = (<u64>dwordAt(d, imm)) | ((<u64>dwordAt(d, imm >> 2)) << 32);
  const high = (<u64>dwordAt(s, imm >> 4)) | ((<u64>dwordAt(s, imm >> 6)) << 32);
  store<u64>(d, low);
  store<u64>(d, high, 8);
}

export function shufpd(cpu: Vcpu, d: usize, s: usize, imm: u32): void {
  const low = load<u64>(d + ((imm & 1) << 3));
  const high = load<u64>(s + ((imm & 2) << 2));
  store<u64>(d, low);
  store<u64>(d, high, 8);
}

/** Four words of `v` chosen by the control byte. */
function shuffleWords(v: u64, imm: u32): u64 {
  let r: u64 = 0;
  for (let i: u32 = 0; i < 4; i++) {
    const word = (v >> (<u64>(((imm >> (i << 1)) & 3) << 4))) & 0xffff;
    r |= word << u64(i << 4);
  }
  return r;
}

export function pshuflw(cpu: Vcpu, d: usize, s: usize, imm: u32): void {
  const low = shuffleWords(load<u64>(s), imm);
  store<u64>(d, load<u64>(s, 8), 8);
  store<u64>(d, low);
}

export function pshufhw(cpu: Vcpu, d: usize, s: usize, imm: u32): void {
  const high = shuffleWords(load<u64>(s, 8), imm);
  store<u64>(d, load<u64>(s));
  store<u64>(d, high, 8);
}

/** Bytes `imm` to `imm + 15` of the destination above the source. */
export function palignr(cpu: Vcpu, d: usize, s: usize, imm: u32): void {
  const n: u32 = min<u32>(imm, 32);
  const index = i8x16.add(byteIndices(), i8x16.splat(<i8>n));
  const low = v128.swizzle(v128.load(s), index);
  const high = v128.swizzle(v128.load(d), i8x16.sub(index, i8x16.splat(16)));
  v128.store(d, v128.or(low, high));
}

// Blends: a set mask bit takes the source.

/** All ones in each lane of T whose bit in `imm` is set; `bits` holds each lane's own bit. */
@inline
function laneMask<T>(imm: u32, bits: v128): v128 {
  return v128.eq<T>(v128.and(v128.splat<T>(<T>imm), bits), bits);
}

@inline
function blend(d: usize, s: usize, mask: v128): void {
  v128.store(d, v128.bitselect(v128.load(s), v128.load(d), mask));
}

export function blendps(cpu: Vcpu, d: usize, s: usize, imm: u32): void {
  blend(d, s, laneMask<i32>(imm, i32x4(1, 2, 4, 8)));
}

export function blendpd(cpu: Vcpu, d: usize, s: usize, imm: u32): void {
  blend(d, s, laneMask<i64>(imm, i64x2(1, 2)));
}

export function pblendw(cpu: Vcpu, d: usize, s: usize, imm: u32): void {
  blend(d, s, laneMask<i16>(imm, i16x8(1, 2, 4, 8, 16, 32, 64, 128)));
}

/** XMM0, the implicit mask. */
@inline
function xmm0(cpu: Vcpu): v128 {
  return v128.load(changetype<usize>(cpu), VcpuOff.vec);
}

export function pblendvb(cpu: Vcpu, d: usize, s: usize): void {
  blend(d, s, i8x16.shr_s(xmm0(cpu), 7));
}

export function blendvps(cpu: Vcpu, d: usize, s: usize): void {
  blend(d, s, i32x4.shr_s(xmm0(cpu), 31));
}

export function blendvpd(cpu: Vcpu, d: usize, s: usize): void {
  blend(d, s, i64x2.shr_s(xmm0(cpu), 63));
}

// Insertion and extraction; the lane number wraps.

export function pinsrb(cpu: Vcpu, d: usize, v: u32, imm: u32): void {
  store<u8>(d + (imm & 15), v);
}

export function pinsrw(cpu: Vcpu, d: usize, v: u32, imm: u32): void {
  store<u16>(d + ((imm & 7) << 1), v);
}

export function pinsr<T>(cpu: Vcpu, d: usize, v: T, imm: u32): void {
  store<T>(d + ((imm * sizeof<T>()) & 15), v);
}

/** Puts `v` into the lane that bits 5:4 name, then clears the lanes of the zero mask. */
export function insertpsMem(cpu: Vcpu, d: usize, v: u32, imm: u32): void {
  store<u32>(d + (((imm >> 4) & 3) << 2), v);
  for (let i: u32 = 0; i < 4; i++) {
    if (((imm >> i) & 1) != 0) store<u32>(d + (i << 2), 0);
  }
}

export function insertps(cpu: Vcpu, d: usize, s: usize, imm: u32): void {
  insertpsMem(cpu, d, dwordAt(s, imm >> 6), imm);
}

export function pextrb(cpu: Vcpu, s: usize, imm: u32): u32 {
  return load<u8>(s + (imm & 15));
}

export function pextrw(cpu: Vcpu, s: usize, imm: u32): u32 {
  return load<u16>(s + ((imm & 7) << 1));
}

export function pextr<T>(cpu: Vcpu, s: usize, imm: u32): T {
  return load<T>(s + ((imm * sizeof<T>()) & 15));
}

export function pextrbMem(cpu: Vcpu, s: usize, imm: u32): u8 {
  return load<u8>(s + (imm & 15));
}

export function pextrwMem(cpu: Vcpu, s: usize, imm: u32): u16 {
  return load<u16>(s + ((imm & 7) << 1));
}
