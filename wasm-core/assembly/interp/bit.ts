/** Bit tests, scans, counts, CRC32, BMI1 and BMI2 fields. [SDM] vol. 2. */
import { Status, Vcpu } from "../gen/layout";
import { raise, Vector } from "../cpu/faults";
import { Flag, materialize, setArith, setLogic, setSome } from "../cpu/flags";
import { getReg, setReg } from "../cpu/regs";
import { Ea, Rec } from "../decode/record";
import { Door, memAddr, memDone, memR, memSeg, segAccess } from "../mmu/access";
import { canLock, splitLock, splitUnlock } from "./glue";

namespace Bit {
  export const TEST: u32 = 0;
  export const SET: u32 = 1;
  export const RESET: u32 = 2;
  export const COMPLEMENT: u32 = 3;
}

@inline
function changed<T>(v: T, mask: T, what: u32): T {
  return what == Bit.SET ? ((v | mask) as T) : what == Bit.RESET ? ((v & ~mask) as T) : ((v ^ mask) as T);
}

@inline
function bitMask<T>(index: u32): T {
  return ((1 as T) << ((index & (sizeof<T>() * 8 - 1)) as T)) as T;
}

function setCarry(cpu: Vcpu, on: bool): void {
  setSome(cpu, Flag.CF, on ? Flag.CF : 0);
}

/** Offset of the operand-sized unit that holds bit `index`, a signed bit offset from the memory operand. */
function unitOffset<T>(cpu: Vcpu, rec: Rec, index: T): u64 {
  const shift: i64 = sizeof<T>() == 2 ? 4 : sizeof<T>() == 4 ? 5 : 6;
  const signedIndex: i64 = sizeof<T>() == 2 ? <i64>(<i16>index) : sizeof<T>() == 4 ? <i64>(<i32>index) : <i64>index;
  const off = memAddr(cpu, rec) + <u64>((signedIndex >> shift) * sizeof<T>());
  const ea = <u32>rec.ea;
  if (ea < Ea.FULL) return off;
  const asize = ea >> Ea.ASIZE_SHIFT;
  return asize == 2 ? off : asize == 1 ? off & 0xffffffff : off & 0xffff;
}

function bitOp<T>(cpu: Vcpu, rec: Rec, isMem: bool, isLock: bool, what: u32): i32 {
  const index = getReg<T>(cpu, rec.reg);
  const mask = bitMask<T>(<u32>index);
  if (!isMem) {
    if (isLock) return raise(cpu, Vector.UD);
    const v = getReg<T>(cpu, rec.rm);
    if (what != Bit.TEST) setReg<T>(cpu, rec.rm, changed<T>(v, mask, what));
    setCarry(cpu, (v & mask) != 0);
    return Status.NEXT;
  }
  const m = segAccess(
    cpu,
    memSeg(rec),
    unitOffset<T>(cpu, rec, index),
    sizeof<T>(),
    what == Bit.TEST ? Door.READ : Door.UPDATE,
  );
  if (m == 0) return Status.FAULT;
  let old = load<T>(m);
  if (what != Bit.TEST) {
    if (isLock && canLock(cpu, m, sizeof<T>())) old = lockedBit<T>(m, mask, what);
    else {
      if (isLock) splitLock(cpu, m);
      old = load<T>(m);
      store<T>(m, changed<T>(old, mask, what));
      memDone(cpu, m);
      if (isLock) splitUnlock(cpu);
    }
  }
  setCarry(cpu, (old & mask) != 0);
  return Status.NEXT;
}

function lockedBit<T>(m: usize, mask: T, what: u32): T {
  if (what == Bit.SET) return atomic.or<T>(m, mask);
  if (what == Bit.RESET) return atomic.and<T>(m, ~mask as T);
  return atomic.xor<T>(m, mask);
}

export function bt<T>(cpu: Vcpu, rec: Rec, isMem: bool): i32 {
  return bitOp<T>(cpu, rec, isMem, false, Bit.TEST);
}

export function bts<T>(cpu: Vcpu, rec: Rec, isMem: bool, isLock: bool): i32 {
  return bitOp<T>(cpu, rec, isMem, isLock, Bit.SET);
}

export function btr<T>(cpu: Vcpu, rec: Rec, isMem: bool, isLock: bool): i32 {
  return bitOp<T>(cpu, rec, isMem, isLock, Bit.RESET);
}

export function btc<T>(cpu: Vcpu, rec: Rec, isMem: bool, isLock: bool): i32 {
  return bitOp<T>(cpu, rec, isMem, isLock, Bit.COMPLEMENT);
}

export function btImm<T>(cpu: Vcpu, a: T, n: u8): void {
  setCarry(cpu, (a & bitMask<T>(n)) != 0);
}

export function btsImm<T>(cpu: Vcpu, a: T, n: u8): T {
  setCarry(cpu, (a & bitMask<T>(n)) != 0);
  return changed<T>(a, bitMask<T>(n), Bit.SET);
}

export function btrImm<T>(cpu: Vcpu, a: T, n: u8): T {
  setCarry(cpu, (a & bitMask<T>(n)) != 0);
  return changed<T>(a, bitMask<T>(n), Bit.RESET);
}

export function btcImm<T>(cpu: Vcpu, a: T, n: u8): T {
  setCarry(cpu, (a & bitMask<T>(n)) != 0);
  return changed<T>(a, bitMask<T>(n), Bit.COMPLEMENT);
}

// --- scans and counts

/** BSF and BSR leave the destination alone when the source is zero, upper half included, as processors do. */
export function bsf<T>(cpu: Vcpu, rec: Rec, old: T, a: T): i32 {
  setSome(cpu, Flag.ZF, a == 0 ? Flag.ZF : 0);
  if (a != 0) setReg<T>(cpu, rec.reg, ctz<u64>(<u64>a) as T);
  return Status.NEXT;
}

export function bsr<T>(cpu: Vcpu, rec: Rec, old: T, a: T): i32 {
  setSome(cpu, Flag.ZF, a == 0 ? Flag.ZF : 0);
  if (a != 0) setReg<T>(cpu, rec.reg, (63 - clz<u64>(<u64>a)) as T);
  return Status.NEXT;
}

function countFlags(cpu: Vcpu, result: u64, sourceZero: bool): void {
  setSome(cpu, Flag.ZF | Flag.CF, (result == 0 ? Flag.ZF : 0) | (sourceZero ? Flag.CF : 0));
}

export function tzcnt<T>(cpu: Vcpu, a: T): T {
  const r: u64 = a == 0 ? sizeof<T>() * 8 : ctz<u64>(<u64>a);
  countFlags(cpu, r, a == 0);
  return r as T;
}

export function lzcnt<T>(cpu: Vcpu, a: T): T {
  const r: u64 = clz<u64>(<u64>a) - (64 - sizeof<T>() * 8);
  countFlags(cpu, r, a == 0);
  return r as T;
}

export function popCount<T>(cpu: Vcpu, a: T): T {
  setArith(cpu, a == 0 ? Flag.ZF : 0);
  return popcnt<u64>(<u64>a) as T;
}

// --- CRC32, polynomial 0x11EDC6F41 reflected

function crcBytes(crc: u32, v: u64, bytes: u32): u32 {
  for (let i: u32 = 0; i < bytes; i++) {
    crc ^= (<u32>v) & 0xff;
    for (let k = 0; k < 8; k++) crc = (crc >> 1) ^ (0x82f63b78 & (0 - (crc & 1)));
    v >>= 8;
  }
  return crc;
}

export function crc32b<T>(cpu: Vcpu, a: T, b: u8): T {
  return crcBytes(<u32>a, <u64>b, 1) as T;
}

export function crc32<T>(cpu: Vcpu, rec: Rec, isMem: bool): i32 {
  let v: T;
  if (isMem) {
    const m = memR(cpu, rec, sizeof<T>());
    if (m == 0) return Status.FAULT;
    v = load<T>(m);
  } else v = getReg<T>(cpu, rec.rm);
  setReg<u32>(cpu, rec.reg, crcBytes(getReg<u32>(cpu, rec.reg), <u64>v, sizeof<T>()));
  return Status.NEXT;
}

// --- BMI

export function andn<T>(cpu: Vcpu, a: T, b: T): T {
  const r = (~a & b) as T;
  setLogic<T>(cpu, r);
  return r;
}

/** SF, ZF of `r`, OF clear, CF as given. */
function fieldFlags<T>(cpu: Vcpu, r: T, carry: bool): void {
  setLogic<T>(cpu, r);
  materialize(cpu);
  if (carry) cpu.eflags |= Flag.CF;
}

export function blsr<T>(cpu: Vcpu, a: T): T {
  const r = (a & ((a - (1 as T)) as T)) as T;
  fieldFlags<T>(cpu, r, a == 0);
  return r;
}

export function blsmsk<T>(cpu: Vcpu, a: T): T {
  const r = (a ^ ((a - (1 as T)) as T)) as T;
  fieldFlags<T>(cpu, r, a == 0);
  return r;
}

export function blsi<T>(cpu: Vcpu, a: T): T {
  const r = (a & ((0 - a) as T)) as T;
  fieldFlags<T>(cpu, r, a != 0);
  return r;
}

export function bextr<T>(cpu: Vcpu, a: T, control: T): T {
  const start = (<u32>control) & 0xff;
  const length = ((<u32>control) >> 8) & 0xff;
  let r: u64 = start >= sizeof<T>() * 8 ? 0 : (<u64>a) >> start;
  if (length < 64) r &= ((<u64>1) << length) - 1;
  fieldFlags<T>(cpu, r as T, false);
  return r as T;
}

export function bzhi<T>(cpu: Vcpu, a: T, index: T): T {
  const n = (<u32>index) & 0xff;
  const r = n >= sizeof<T>() * 8 ? a : (((<u64>a) & (((<u64>1) << n) - 1)) as T);
  fieldFlags<T>(cpu, r, n > sizeof<T>() * 8 - 1);
  return r;
}

export function pext<T>(cpu: Vcpu, a: T, mask: T): T {
  let r: u64 = 0;
  let m = <u64>mask;
  for (let k: u64 = 0; m != 0; k++) {
    if ((<u64>a) & m & (0 - m)) r |= (<u64>1) << k;
    m &= m - 1;
  }
  return r as T;
}

export function pdep<T>(cpu: Vcpu, a: T, mask: T): T {
  let r: u64 = 0;
  let m = <u64>mask;
  for (let k: u64 = 0; m != 0; k++) {
    if (((<u64>a) >> k) & 1) r |= m & (0 - m);
    m &= m - 1;
  }
  return r as T;
}
