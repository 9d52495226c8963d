/**
 * SSE moves: between XMM registers, memory, general and MMX registers, with the merging and zeroing each form has.
 * [SDM] vol. 2, MOVAPS to MOVUPS, MOVD/MOVQ, MOVNTx, MASKMOVDQU, MOVMSKPS, PMOVMSKB.
 */
import { SegIndex, Status, Vcpu, VcpuOff } from "../gen/layout";
import { Gpr } from "../cpu/regs";
import { memDone, segRW } from "../mmu/access";
import { Ea, Rec } from "../decode/record";
import { enterMmx } from "./sse-mmx";

/** All 128 bits. */
export function mov128(cpu: Vcpu, d: usize, s: usize): void {
  v128.store(d, v128.load(s));
}

/** The low doubleword, the rest of a register kept. */
export function mov32(cpu: Vcpu, d: usize, s: usize): void {
  store<u32>(d, load<u32>(s));
}

/** The low quadword, the rest of a register kept. */
export function mov64(cpu: Vcpu, d: usize, s: usize): void {
  store<u64>(d, load<u64>(s));
}

/** A value into an XMM register, the rest cleared. */
export function movZx<T>(cpu: Vcpu, d: usize, v: T): void {
  store<u64>(d, <u64>v);
  store<u64>(d, 0, 8);
}

export function movZx32(cpu: Vcpu, d: usize, v: u32): void {
  movZx<u32>(cpu, d, v);
}

export function movZx64(cpu: Vcpu, d: usize, v: u64): void {
  movZx<u64>(cpu, d, v);
}

/** The low quadword at `s` into an XMM register, the rest cleared. */
export function movq(cpu: Vcpu, d: usize, s: usize): void {
  movZx<u64>(cpu, d, load<u64>(s));
}

/** The low bits of an XMM register as a value. */
export function movLow<T>(cpu: Vcpu, s: usize): T {
  return load<T>(s);
}

/** A general register to memory, past the caches: an ordinary store here. */
export function movnti<T>(cpu: Vcpu, v: T): T {
  return v;
}

export function movhlps(cpu: Vcpu, d: usize, s: usize): void {
  store<u64>(d, load<u64>(s, 8));
}

export function movlhps(cpu: Vcpu, d: usize, s: usize): void {
  store<u64>(d, load<u64>(s), 8);
}

export function movlpsLoad(cpu: Vcpu, d: usize, v: u64): void {
  store<u64>(d, v);
}

export function movhpsLoad(cpu: Vcpu, d: usize, v: u64): void {
  store<u64>(d, v, 8);
}

export function movhpsStore(cpu: Vcpu, s: usize): u64 {
  return load<u64>(s, 8);
}

export function movsldup(cpu: Vcpu, d: usize, s: usize): void {
  const v = v128.load(s);
  v128.store(d, v128.shuffle<i32>(v, v, 0, 0, 2, 2));
}

export function movshdup(cpu: Vcpu, d: usize, s: usize): void {
  const v = v128.load(s);
  v128.store(d, v128.shuffle<i32>(v, v, 1, 1, 3, 3));
}

export function movddup(cpu: Vcpu, d: usize, s: usize): void {
  v128.store(d, v128.load64_splat(s));
}

export function movmskps(cpu: Vcpu, s: usize): u32 {
  return <u32>i32x4.bitmask(v128.load(s));
}

export function movmskpd(cpu: Vcpu, s: usize): u32 {
  return <u32>i64x2.bitmask(v128.load(s));
}

export function pmovmskb(cpu: Vcpu, s: usize): u32 {
  return <u32>i8x16.bitmask(v128.load(s));
}

export function movq2dq(cpu: Vcpu, d: usize, s: usize): void {
  movq(cpu, d, s);
  enterMmx(cpu);
}

/** An MMX register written makes the exponent field of its x87 register all ones. */
export function movdq2q(cpu: Vcpu, d: usize, s: usize): void {
  store<u64>(d, load<u64>(s));
  store<u16>(d, 0xffff, 8);
  enterMmx(cpu);
}

/** rDI, the implicit destination of MASKMOVDQU, under the address size of the record. */
export function maskDestination(cpu: Vcpu, rec: Rec): u64 {
  const rdi = load<u64>(changetype<usize>(cpu), Gpr.RDI);
  if (<u32>rec.ea < Ea.FULL) return rdi;
  const asize = (<u32>rec.ea) >> Ea.ASIZE_SHIFT;
  return asize == 2 ? rdi : asize == 1 ? rdi & 0xffffffff : rdi & 0xffff;
}

/** DS or the segment of the override. */
export function maskSegment(rec: Rec): u32 {
  return <u32>rec.ea < Ea.FULL ? SegIndex.DS : ((<u32>rec.ea) >> Ea.SEG_SHIFT) & 7;
}

/**
 * Stores the bytes whose mask has its top bit set. Bytes outside the selected span are not touched, so that they can
 * neither fault nor be overwritten; inside it each unselected byte is left alone in memory.
 */
export function maskmovdqu(cpu: Vcpu, rec: Rec): i32 {
  const vec = changetype<usize>(cpu) + VcpuOff.vec;
  const data = vec + ((<usize>rec.reg) << 5);
  const mask = <u32>i8x16.bitmask(v128.load(vec + ((<usize>rec.rm) << 5)));
  if (mask == 0) return Status.NEXT;
  const first: u32 = ctz<u32>(mask);
  const last: u32 = 31 - clz<u32>(mask);
  const p = segRW(cpu, maskSegment(rec), maskDestination(cpu, rec) + first, last - first + 1);
  if (p == 0) return Status.FAULT;
  for (let i = first; i <= last; i++) {
    if (((mask >> i) & 1) != 0) store<u8>(p + (i - first), load<u8>(data + i));
  }
  memDone(cpu, p);
  return Status.NEXT;
}
