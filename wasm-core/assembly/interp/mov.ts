/** Data movement, conversions, conditional moves, and flags moved in and out. [SDM] vol. 2. */
import { Status, Vcpu } from "../gen/layout";
import { cf, Flag, less, materialize, overflow, pf, readFlags, sf, setSome, zf } from "../cpu/flags";
import { getReg, Gpr, setReg } from "../cpu/regs";
import { Ea, Rec } from "../decode/record";
import { memAddr, memSeg, segR } from "../mmu/access";

@inline
export function mov<T>(cpu: Vcpu, v: T): T {
  return v;
}

@inline
export function movzxByte<T>(cpu: Vcpu, v: u8): T {
  return <T>v;
}

@inline
export function movzxWord<T>(cpu: Vcpu, v: u16): T {
  return <T>v;
}

@inline
export function movsxByte<T>(cpu: Vcpu, v: u8): T {
  return (<i64>(<i8>v)) as T;
}

@inline
export function movsxWord<T>(cpu: Vcpu, v: u16): T {
  return (<i64>(<i16>v)) as T;
}

@inline
export function movsxd<T>(cpu: Vcpu, v: u32): T {
  return (<i64>(<i32>v)) as T;
}

export function xchg<T>(cpu: Vcpu, rec: Rec, a: T, b: T): T {
  setReg<T>(cpu, rec.reg, a);
  return b;
}

/** XCHG rAX, reg; opcode 90 without REX.B is NOP, which keeps RAX's upper half. */
export function xchgAccumulator<T>(cpu: Vcpu, rec: Rec): i32 {
  if (rec.reg == 0) return Status.NEXT;
  const v = getReg<T>(cpu, rec.reg);
  setReg<T>(cpu, rec.reg, getReg<T>(cpu, Gpr.RAX));
  setReg<T>(cpu, Gpr.RAX, v);
  return Status.NEXT;
}

/** BSWAP of a 16-bit register is undefined: processors clear it. */
export function bswapReg<T>(cpu: Vcpu, v: T): T {
  return sizeof<T>() == 2 ? (0 as T) : bswap<T>(v);
}

export function movbe<T>(cpu: Vcpu, v: T): T {
  return bswap<T>(v);
}

export function lea<T>(cpu: Vcpu, rec: Rec): i32 {
  setReg<T>(cpu, rec.reg, memAddr(cpu, rec) as T);
  return Status.NEXT;
}

/** Truncates an offset to the record's address size. */
function truncate(rec: Rec, off: u64): u64 {
  const asize = (<u32>rec.ea) >> Ea.ASIZE_SHIFT;
  return asize == 2 ? off : asize == 1 ? off & 0xffffffff : off & 0xffff;
}

export function xlat(cpu: Vcpu, rec: Rec): i32 {
  const off = truncate(rec, getReg<u64>(cpu, Gpr.RBX) + <u64>getReg<u8>(cpu, Gpr.RAX));
  const m = segR(cpu, memSeg(rec), off, 1);
  if (m == 0) return Status.FAULT;
  setReg<u8>(cpu, Gpr.RAX, load<u8>(m));
  return Status.NEXT;
}

/** CBW, CWDE, CDQE. */
export function convertAccumulator<T>(cpu: Vcpu, rec: Rec): i32 {
  if (sizeof<T>() == 2) setReg<u16>(cpu, Gpr.RAX, <u16>(<i16>getReg<i8>(cpu, Gpr.RAX)));
  else if (sizeof<T>() == 4) setReg<u32>(cpu, Gpr.RAX, <u32>(<i32>getReg<i16>(cpu, Gpr.RAX)));
  else setReg<u64>(cpu, Gpr.RAX, <u64>(<i64>getReg<i32>(cpu, Gpr.RAX)));
  return Status.NEXT;
}

/** CWD, CDQ, CQO. */
export function signExtendIntoDx<T>(cpu: Vcpu, rec: Rec): i32 {
  const negative = (<u64>getReg<T>(cpu, Gpr.RAX)) >> (sizeof<T>() * 8 - 1) != 0;
  setReg<T>(cpu, Gpr.RDX, (negative ? <u64>-1 : 0) as T);
  return Status.NEXT;
}

export function clc(cpu: Vcpu, rec: Rec): i32 {
  setSome(cpu, Flag.CF, 0);
  return Status.NEXT;
}

export function stc(cpu: Vcpu, rec: Rec): i32 {
  setSome(cpu, Flag.CF, Flag.CF);
  return Status.NEXT;
}

export function cmc(cpu: Vcpu, rec: Rec): i32 {
  materialize(cpu);
  cpu.eflags ^= Flag.CF;
  return Status.NEXT;
}

export function cld(cpu: Vcpu, rec: Rec): i32 {
  cpu.eflags &= ~Flag.DF;
  return Status.NEXT;
}

export function std(cpu: Vcpu, rec: Rec): i32 {
  cpu.eflags |= Flag.DF;
  return Status.NEXT;
}

export function lahf(cpu: Vcpu, rec: Rec): i32 {
  setReg<u8>(cpu, 1, <u8>readFlags(cpu));
  return Status.NEXT;
}

export function sahf(cpu: Vcpu, rec: Rec): i32 {
  setSome(cpu, Flag.SF | Flag.ZF | Flag.AF | Flag.PF | Flag.CF, (<u32>getReg<u8>(cpu, 1)) & 0xd5);
  return Status.NEXT;
}

export function salc(cpu: Vcpu, rec: Rec): i32 {
  setReg<u8>(cpu, Gpr.RAX, cf(cpu) ? 0xff : 0);
  return Status.NEXT;
}

// --- CMOVcc: a 32-bit form clears the upper half even when the condition is false

export function cmovO<T>(cpu: Vcpu, old: T, v: T): T {
  return overflow(cpu) ? v : old;
}

export function cmovNO<T>(cpu: Vcpu, old: T, v: T): T {
  return !overflow(cpu) ? v : old;
}

export function cmovB<T>(cpu: Vcpu, old: T, v: T): T {
  return cf(cpu) ? v : old;
}

export function cmovNB<T>(cpu: Vcpu, old: T, v: T): T {
  return !cf(cpu) ? v : old;
}

export function cmovZ<T>(cpu: Vcpu, old: T, v: T): T {
  return zf(cpu) ? v : old;
}

export function cmovNZ<T>(cpu: Vcpu, old: T, v: T): T {
  return !zf(cpu) ? v : old;
}

export function cmovBE<T>(cpu: Vcpu, old: T, v: T): T {
  return zf(cpu) || cf(cpu) ? v : old;
}

export function cmovNBE<T>(cpu: Vcpu, old: T, v: T): T {
  return !zf(cpu) && !cf(cpu) ? v : old;
}

export function cmovS<T>(cpu: Vcpu, old: T, v: T): T {
  return sf(cpu) ? v : old;
}

export function cmovNS<T>(cpu: Vcpu, old: T, v: T): T {
  return !sf(cpu) ? v : old;
}

export function cmovP<T>(cpu: Vcpu, old: T, v: T): T {
  return pf(cpu) ? v : old;
}

export function cmovNP<T>(cpu: Vcpu, old: T, v: T): T {
  return !pf(cpu) ? v : old;
}

export function cmovL<T>(cpu: Vcpu, old: T, v: T): T {
  return less(cpu) ? v : old;
}

export function cmovNL<T>(cpu: Vcpu, old: T, v: T): T {
  return !less(cpu) ? v : old;
}

export function cmovLE<T>(cpu: Vcpu, old: T, v: T): T {
  return zf(cpu) || less(cpu) ? v : old;
}

export function cmovNLE<T>(cpu: Vcpu, old: T, v: T): T {
  return !zf(cpu) && !less(cpu) ? v : old;
}

// --- SETcc

export function setO(cpu: Vcpu): u8 {
  return overflow(cpu) ? 1 : 0;
}

export function setNO(cpu: Vcpu): u8 {
  return !overflow(cpu) ? 1 : 0;
}

export function setB(cpu: Vcpu): u8 {
  return cf(cpu) ? 1 : 0;
}

export function setNB(cpu: Vcpu): u8 {
  return !cf(cpu) ? 1 : 0;
}

export function setZ(cpu: Vcpu): u8 {
  return zf(cpu) ? 1 : 0;
}

export function setNZ(cpu: Vcpu): u8 {
  return !zf(cpu) ? 1 : 0;
}

export function setBE(cpu: Vcpu): u8 {
  return zf(cpu) || cf(cpu) ? 1 : 0;
}

export function setNBE(cpu: Vcpu): u8 {
  return !zf(cpu) && !cf(cpu) ? 1 : 0;
}

export function setS(cpu: Vcpu): u8 {
  return sf(cpu) ? 1 : 0;
}

export function setNS(cpu: Vcpu): u8 {
  return !sf(cpu) ? 1 : 0;
}

export function setP(cpu: Vcpu): u8 {
  return pf(cpu) ? 1 : 0;
}

export function setNP(cpu: Vcpu): u8 {
  return !pf(cpu) ? 1 : 0;
}

export function setL(cpu: Vcpu): u8 {
  return less(cpu) ? 1 : 0;
}

export function setNL(cpu: Vcpu): u8 {
  return !less(cpu) ? 1 : 0;
}

export function setLE(cpu: Vcpu): u8 {
  return zf(cpu) || less(cpu) ? 1 : 0;
}

export function setNLE(cpu: Vcpu): u8 {
  return !zf(cpu) && !less(cpu) ? 1 : 0;
}
