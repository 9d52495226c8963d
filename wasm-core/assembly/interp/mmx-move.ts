/** MMX moves, shifts, packs, shuffles, insertions, MASKMOVQ and EMMS. Conventions as in mmx.ts. [SDM] vol. 1, 9.4; vol. 2 */
import { Status, Vcpu, VcpuOff } from "../gen/layout";
import { TAGS_EMPTY } from "../cpu/fpu-state";
import { Rec } from "../decode/record";
import { memDone, segRW } from "../mmu/access";
import { at, pair, put, putWord } from "./mmx-unit";
import { enterMmx } from "./sse-mmx";
import { maskDestination, maskSegment } from "./sse-move";

/** MOVD and MOVQ from a general register or memory. */
export function mmxFromInt<T>(cpu: Vcpu, d: usize, v: T): void {
  putWord(cpu, d, <u64>v);
}

/** MOVD and MOVQ to a general register or memory. */
export function mmxToInt<T>(cpu: Vcpu, s: usize): T {
  enterMmx(cpu);
  return load<T>(s);
}

export function mmxMovq(cpu: Vcpu, d: usize, s: usize): void {
  putWord(cpu, d, load<u64>(s));
}

/** MOVQ and MOVNTQ to memory. */
export function mmxStore(cpu: Vcpu, s: usize): u64 {
  enterMmx(cpu);
  return load<u64>(s);
}

/** Leaves MMX state: every register empty. */
export function emms(cpu: Vcpu): void {
  cpu.ftw = TAGS_EMPTY;
}

// Shifts. A count beyond the lane clears it, or fills it with the sign.

function psllwBy(cpu: Vcpu, d: usize, n: u64): void {
  if (n > 15) putWord(cpu, d, 0);
  else put(cpu, d, i16x8.shl(at(d), <i32>n));
}

export function mmxPsllw(cpu: Vcpu, d: usize, s: usize): void {
  psllwBy(cpu, d, load<u64>(s));
}

export function mmxPsllwImm(cpu: Vcpu, d: usize, imm: u32): void {
  psllwBy(cpu, d, imm);
}

function pslldBy(cpu: Vcpu, d: usize, n: u64): void {
  if (n > 31) putWord(cpu, d, 0);
  else put(cpu, d, i32x4.shl(at(d), <i32>n));
}

export function mmxPslld(cpu: Vcpu, d: usize, s: usize): void {
  pslldBy(cpu, d, load<u64>(s));
}

export function mmxPslldImm(cpu: Vcpu, d: usize, imm: u32): void {
  pslldBy(cpu, d, imm);
}

function psllqBy(cpu: Vcpu, d: usize, n: u64): void {
  if (n > 63) putWord(cpu, d, 0);
  else put(cpu, d, i64x2.shl(at(d), <i32>n));
}

export function mmxPsllq(cpu: Vcpu, d: usize, s: usize): void {
  psllqBy(cpu, d, load<u64>(s));
}

export function mmxPsllqImm(cpu: Vcpu, d: usize, imm: u32): void {
  psllqBy(cpu, d, imm);
}

function psrlwBy(cpu: Vcpu, d: usize, n: u64): void {
  if (n > 15) putWord(cpu, d, 0);
  else put(cpu, d, i16x8.shr_u(at(d), <i32>n));
}

export function mmxPsrlw(cpu: Vcpu, d: usize, s: usize): void {
  psrlwBy(cpu, d, load<u64>(s));
}

export function mmxPsrlwImm(cpu: Vcpu, d: usize, imm: u32): void {
  psrlwBy(cpu, d, imm);
}

function psrldBy(cpu: Vcpu, d: usize, n: u64): void {
  if (n > 31) putWord(cpu, d, 0);
  else put(cpu, d, i32x4.shr_u(at(d), <i32>n));
}

export function mmxPsrld(cpu: Vcpu, d: usize, s: usize): void {
  psrldBy(cpu, d, load<u64>(s));
}

export function mmxPsrldImm(cpu: Vcpu, d: usize, imm: u32): void {
  psrldBy(cpu, d, imm);
}

function psrlqBy(cpu: Vcpu, d: usize, n: u64): void {
  if (n > 63) putWord(cpu, d, 0);
  else put(cpu, d, i64x2.shr_u(at(d), <i32>n));
}

export function mmxPsrlq(cpu: Vcpu, d: usize, s: usize): void {
  psrlqBy(cpu, d, load<u64>(s));
}

export function mmxPsrlqImm(cpu: Vcpu, d: usize, imm: u32): void {
  psrlqBy(cpu, d, imm);
}

function psrawBy(cpu: Vcpu, d: usize, n: u64): void {
  put(cpu, d, i16x8.shr_s(at(d), <i32>min<u64>(n, 15)));
}

export function mmxPsraw(cpu: Vcpu, d: usize, s: usize): void {
  psrawBy(cpu, d, load<u64>(s));
}

export function mmxPsrawImm(cpu: Vcpu, d: usize, imm: u32): void {
  psrawBy(cpu, d, imm);
}

function psradBy(cpu: Vcpu, d: usize, n: u64): void {
  put(cpu, d, i32x4.shr_s(at(d), <i32>min<u64>(n, 31)));
}

export function mmxPsrad(cpu: Vcpu, d: usize, s: usize): void {
  psradBy(cpu, d, load<u64>(s));
}

export function mmxPsradImm(cpu: Vcpu, d: usize, imm: u32): void {
  psradBy(cpu, d, imm);
}

// Packs, unpacks, shuffles.

export function mmxPacksswb(cpu: Vcpu, d: usize, s: usize): void {
  put(cpu, d, i8x16.narrow_i16x8_s(pair(d, s), at(s)));
}

export function mmxPackuswb(cpu: Vcpu, d: usize, s: usize): void {
  put(cpu, d, i8x16.narrow_i16x8_u(pair(d, s), at(s)));
}

export function mmxPackssdw(cpu: Vcpu, d: usize, s: usize): void {
  put(cpu, d, i16x8.narrow_i32x4_s(pair(d, s), at(s)));
}

export function mmxPunpcklbw(cpu: Vcpu, d: usize, s: usize): void {
  const v = i64x2.replace_lane(at(d), 1, load<u32>(s));
  put(cpu, d, v128.shuffle<i8>(v, v, 0, 8, 1, 9, 2, 10, 3, 11, 0, 8, 1, 9, 2, 10, 3, 11));
}

export function mmxPunpcklwd(cpu: Vcpu, d: usize, s: usize): void {
  const v = i64x2.replace_lane(at(d), 1, load<u32>(s));
  put(cpu, d, v128.shuffle<i16>(v, v, 0, 4, 1, 5, 0, 4, 1, 5));
}

export function mmxPunpckldq(cpu: Vcpu, d: usize, s: usize): void {
  const v = i64x2.replace_lane(at(d), 1, load<u32>(s));
  put(cpu, d, v128.shuffle<i32>(v, v, 0, 2, 0, 2));
}

export function mmxPunpckhbw(cpu: Vcpu, d: usize, s: usize): void {
  const v = pair(d, s);
  put(cpu, d, v128.shuffle<i8>(v, v, 4, 12, 5, 13, 6, 14, 7, 15, 4, 12, 5, 13, 6, 14, 7, 15));
}

export function mmxPunpckhwd(cpu: Vcpu, d: usize, s: usize): void {
  const v = pair(d, s);
  put(cpu, d, v128.shuffle<i16>(v, v, 2, 6, 3, 7, 2, 6, 3, 7));
}

export function mmxPunpckhdq(cpu: Vcpu, d: usize, s: usize): void {
  const v = pair(d, s);
  put(cpu, d, v128.shuffle<i32>(v, v, 1, 3, 1, 3));
}

/** Bytes by index; an index with its top bit set gives zero. */
export function mmxPshufb(cpu: Vcpu, d: usize, s: usize): void {
  put(cpu, d, v128.swizzle(at(d), v128.and(at(s), i8x16.splat(<i8>0x87))));
}

@inline
function wordAt(s: usize, selector: u32): u64 {
  return load<u16>(s + ((selector & 3) << 1));
}

export function mmxPshufw(cpu: Vcpu, d: usize, s: usize, imm: u32): void {
  const low = wordAt(s, imm) | (wordAt(s, imm >> 2) << 16);
  putWord(cpu, d, low | (wordAt(s, imm >> 4) << 32) | (wordAt(s, imm >> 6) << 48));
}

/** The eight bytes at `imm` in d:s. */
export function mmxPalignr(cpu: Vcpu, d: usize, s: usize, imm: u32): void {
  const n = <u64>imm * 8;
  const high = load<u64>(d);
  const low = load<u64>(s);
  if (imm == 0) putWord(cpu, d, low);
  else if (imm < 8) putWord(cpu, d, (low >> n) | (high << (64 - n)));
  else putWord(cpu, d, imm < 16 ? high >> (n - 64) : 0);
}

export function mmxPinsrw(cpu: Vcpu, d: usize, v: u32, imm: u32): void {
  store<u16>(d + ((imm & 3) << 1), <u16>v);
  putWord(cpu, d, load<u64>(d));
}

export function mmxPextrw(cpu: Vcpu, s: usize, imm: u32): u32 {
  enterMmx(cpu);
  return load<u16>(s + ((imm & 3) << 1));
}

export function mmxPmovmskb(cpu: Vcpu, s: usize): u32 {
  enterMmx(cpu);
  return <u32>i8x16.bitmask(at(s));
}

/** MASKMOVQ: the bytes whose mask has its top bit set; as MASKMOVDQU, it touches only the span that is selected. */
export function maskmovq(cpu: Vcpu, rec: Rec): i32 {
  const fpr = changetype<usize>(cpu) + VcpuOff.fpr;
  const data = fpr + ((<usize>rec.reg) << 4);
  const mask = <u32>i8x16.bitmask(at(fpr + ((<usize>rec.rm) << 4)));
  if (mask != 0) {
    const first: u32 = ctz<u32>(mask);
    const last: u32 = 31 - clz<u32>(mask);
    const p = segRW(cpu, maskSegment(rec), maskDestination(cpu, rec) + first, last - first + 1);
    if (p == 0) return Status.FAULT;
    for (let i = first; i <= last; i++) {
      if (((mask >> i) & 1) != 0) store<u8>(p + (i - first), load<u8>(data + i));
    }
    memDone(cpu, p);
  }
  enterMmx(cpu);
  return Status.NEXT;
}
