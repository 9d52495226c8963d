/**
 * x87 loads, stores, exchange and constants. A store computes first, then asks for the memory, and only then lets the
 * flags and the pop become visible. [SDM] vol. 1, 8.3.3, 8.3.4, table 4-4 (indefinites)
 */
import { Status, Vcpu } from "../gen/layout";
import { Rec } from "../decode/record";
import { memDone, memW } from "../mmu/access";
import {
  F80_EXP_MAX,
  F80_QUIET,
  Fp,
  Rc,
  f80Copy,
  f80FromBcd,
  f80FromF,
  f80FromInt,
  f80ToBcd,
  f80ToF,
  f80ToInt,
  isSignalling80,
  put,
  putDefaultNan,
  raiseFp,
  roundingOf,
} from "../softfloat";
import {
  X87Temp,
  beginX87,
  blocksStore,
  endPush,
  endResult,
  endX87,
  freeStack,
  isEmpty,
  popStack,
  popStackTimes,
  setStack,
  stackOverflow,
  stackSlot,
  stackUnderflow,
  statusOf,
} from "./x87-unit";

/** Pushes RESULT, unless the stack is full. */
function pushResult(cpu: Vcpu, rec: Rec): i32 {
  if (!isEmpty(cpu, 7)) stackOverflow(cpu, beginX87(cpu));
  return endPush(cpu, rec);
}

/** FLD of a narrower format signals where arithmetic on it would; an unmasked DE does not keep it from loading. */
export function quietResult(st: usize): void {
  const d = st + X87Temp.RESULT;
  if ((load<u32>(st) & Fp.DIN) != 0) raiseFp(st, Fp.DE);
  if (!isSignalling80(d)) return;
  raiseFp(st, Fp.IE);
  store<u64>(d, load<u64>(d) | F80_QUIET);
}

export function fldM32(cpu: Vcpu, rec: Rec, v: u32): i32 {
  const st = beginX87(cpu);
  f80FromF<u32>(st, st + X87Temp.RESULT, v);
  quietResult(st);
  return pushResult(cpu, rec);
}

export function fldM64(cpu: Vcpu, rec: Rec, v: u64): i32 {
  const st = beginX87(cpu);
  f80FromF<u64>(st, st + X87Temp.RESULT, v);
  quietResult(st);
  return pushResult(cpu, rec);
}

export function fldM80(cpu: Vcpu, rec: Rec, p: usize): i32 {
  const st = beginX87(cpu);
  f80Copy(st + X87Temp.RESULT, p);
  return pushResult(cpu, rec);
}

export function fldSt(cpu: Vcpu, rec: Rec, i: u32): i32 {
  const st = beginX87(cpu);
  if (isEmpty(cpu, i)) {
    // Underflow comes before a full stack.
    stackUnderflow(cpu, st);
    return endPush(cpu, rec);
  }
  f80Copy(st + X87Temp.RESULT, stackSlot(cpu, i));
  return pushResult(cpu, rec);
}

function loadInt(cpu: Vcpu, rec: Rec, v: i64): i32 {
  const st = beginX87(cpu);
  f80FromInt(st + X87Temp.RESULT, v);
  return pushResult(cpu, rec);
}

export function fildM16(cpu: Vcpu, rec: Rec, v: u16): i32 {
  return loadInt(cpu, rec, <i64>(<i16>v));
}

export function fildM32(cpu: Vcpu, rec: Rec, v: u32): i32 {
  return loadInt(cpu, rec, <i64>(<i32>v));
}

export function fildM64(cpu: Vcpu, rec: Rec, v: u64): i32 {
  return loadInt(cpu, rec, <i64>v);
}

export function fbld(cpu: Vcpu, rec: Rec, p: usize): i32 {
  const st = beginX87(cpu);
  f80FromBcd(st + X87Temp.RESULT, p);
  return pushResult(cpu, rec);
}

/**
 * Pushes a constant whose significand is `sig` when rounded to nearest: `above` says on which side of the
 * exact value that lies (above or below), for the other rounding modes. [SDM] vol. 2, FLD1
 */
function loadConstant(cpu: Vcpu, rec: Rec, exp: i32, sig: u64, above: bool): i32 {
  const st = beginX87(cpu);
  const rc = roundingOf(load<u32>(st));
  let rounded = sig;
  if (above && (rc == Rc.DOWN || rc == Rc.ZERO)) rounded--;
  if (!above && rc == Rc.UP) rounded++;
  put(st + X87Temp.RESULT, 0, exp, rounded);
  return pushResult(cpu, rec);
}

export function fld1(cpu: Vcpu, rec: Rec): i32 {
  return loadInt(cpu, rec, 1);
}

export function fldz(cpu: Vcpu, rec: Rec): i32 {
  return loadInt(cpu, rec, 0);
}

export function fldl2t(cpu: Vcpu, rec: Rec): i32 {
  return loadConstant(cpu, rec, 0x4000, 0xd49a784bcd1b8afe, false);
}

export function fldl2e(cpu: Vcpu, rec: Rec): i32 {
  return loadConstant(cpu, rec, 0x3fff, 0xb8aa3b295c17f0bc, true);
}

export function fldpi(cpu: Vcpu, rec: Rec): i32 {
  return loadConstant(cpu, rec, 0x4000, 0xc90fdaa22168c235, true);
}

export function fldlg2(cpu: Vcpu, rec: Rec): i32 {
  return loadConstant(cpu, rec, 0x3ffd, 0x9a209a84fbcff799, true);
}

export function fldln2(cpu: Vcpu, rec: Rec): i32 {
  return loadConstant(cpu, rec, 0x3ffe, 0xb17217f7d1cf79ac, true);
}

/** Ends a store of `v`, of size T: memory, then flags, then the pop. */
function storeValue<T>(cpu: Vcpu, rec: Rec, v: T, pops: u32): i32 {
  // The memory is checked even when an unmasked exception keeps the result from it.
  const p = memW(cpu, rec, sizeof<T>());
  if (p == 0) return Status.FAULT;
  if (blocksStore(statusOf(cpu))) {
    endX87(cpu, rec);
    return Status.NEXT;
  }
  store<T>(p, v);
  memDone(cpu, p);
  endX87(cpu, rec);
  popStackTimes(cpu, pops);
  return Status.NEXT;
}

function storeF<T>(cpu: Vcpu, rec: Rec, pops: u32): i32 {
  const st = beginX87(cpu);
  let v: T = sizeof<T>() == 8 ? <T>0xfff8000000000000 : <T>0xffc00000;
  if (isEmpty(cpu, 0)) stackUnderflow(cpu, st);
  else v = f80ToF<T>(st, stackSlot(cpu, 0));
  return storeValue<T>(cpu, rec, v, pops);
}

export function fstM32(cpu: Vcpu, rec: Rec): i32 {
  return storeF<u32>(cpu, rec, 0);
}

export function fstpM32(cpu: Vcpu, rec: Rec): i32 {
  return storeF<u32>(cpu, rec, 1);
}

export function fstM64(cpu: Vcpu, rec: Rec): i32 {
  return storeF<u64>(cpu, rec, 0);
}

export function fstpM64(cpu: Vcpu, rec: Rec): i32 {
  return storeF<u64>(cpu, rec, 1);
}

function storeInt<T>(cpu: Vcpu, rec: Rec, truncate: bool, pops: u32): i32 {
  const st = beginX87(cpu);
  const top: u64 = sizeof<T>() * 8 - 1;
  let v = <T>((<u64>1) << top);
  if (isEmpty(cpu, 0)) stackUnderflow(cpu, st);
  else v = <T>f80ToInt(st, stackSlot(cpu, 0), sizeof<T>() * 8, truncate);
  return storeValue<T>(cpu, rec, v, pops);
}

export function fistM16(cpu: Vcpu, rec: Rec): i32 {
  return storeInt<u16>(cpu, rec, false, 0);
}

export function fistpM16(cpu: Vcpu, rec: Rec): i32 {
  return storeInt<u16>(cpu, rec, false, 1);
}

export function fistM32(cpu: Vcpu, rec: Rec): i32 {
  return storeInt<u32>(cpu, rec, false, 0);
}

export function fistpM32(cpu: Vcpu, rec: Rec): i32 {
  return storeInt<u32>(cpu, rec, false, 1);
}

export function fistpM64(cpu: Vcpu, rec: Rec): i32 {
  return storeInt<u64>(cpu, rec, false, 1);
}

export function fisttpM16(cpu: Vcpu, rec: Rec): i32 {
  return storeInt<u16>(cpu, rec, true, 1);
}

export function fisttpM32(cpu: Vcpu, rec: Rec): i32 {
  return storeInt<u32>(cpu, rec, true, 1);
}

export function fisttpM64(cpu: Vcpu, rec: Rec): i32 {
  return storeInt<u64>(cpu, rec, true, 1);
}

/** Stores the ten bytes at RESULT and pops. */
function storeTen(cpu: Vcpu, rec: Rec, st: usize): i32 {
  const p = memW(cpu, rec, 10);
  if (p == 0) return Status.FAULT;
  if (blocksStore(st)) {
    endX87(cpu, rec);
    return Status.NEXT;
  }
  f80Copy(p, st + X87Temp.RESULT);
  memDone(cpu, p);
  endX87(cpu, rec);
  popStack(cpu);
  return Status.NEXT;
}

export function fstpM80(cpu: Vcpu, rec: Rec): i32 {
  const st = beginX87(cpu);
  if (isEmpty(cpu, 0)) stackUnderflow(cpu, st);
  else f80Copy(st + X87Temp.RESULT, stackSlot(cpu, 0));
  return storeTen(cpu, rec, st);
}

export function fbstp(cpu: Vcpu, rec: Rec): i32 {
  const st = beginX87(cpu);
  if (isEmpty(cpu, 0)) {
    stackUnderflow(cpu, st);
    put(st + X87Temp.RESULT, 1, F80_EXP_MAX, 0xc000000000000000);
  } else f80ToBcd(st, st + X87Temp.RESULT, stackSlot(cpu, 0));
  return storeTen(cpu, rec, st);
}

/** The 8087's other FSTP: only pops when ST(0) is empty, without a fault. */
export function fstp1(cpu: Vcpu, rec: Rec, i: u32): i32 {
  if (!isEmpty(cpu, 0)) return storeSt(cpu, rec, i, 1);
  beginX87(cpu);
  endX87(cpu, rec);
  popStack(cpu);
  return Status.NEXT;
}

function storeSt(cpu: Vcpu, rec: Rec, i: u32, pops: u32): i32 {
  const st = beginX87(cpu);
  if (isEmpty(cpu, 0)) stackUnderflow(cpu, st);
  else f80Copy(st + X87Temp.RESULT, stackSlot(cpu, 0));
  return endResult(cpu, rec, i, pops);
}

export function fstSt(cpu: Vcpu, rec: Rec, i: u32): i32 {
  return storeSt(cpu, rec, i, 0);
}

export function fstpSt(cpu: Vcpu, rec: Rec, i: u32): i32 {
  return storeSt(cpu, rec, i, 1);
}

/** Exchanges ST(0) and ST(i); an empty one counts as the real indefinite when invalid is masked. */
export function fxch(cpu: Vcpu, rec: Rec, i: u32): i32 {
  const st = beginX87(cpu);
  const a = st + X87Temp.RESULT;
  const b = st + X87Temp.SECOND;
  f80Copy(a, stackSlot(cpu, 0));
  f80Copy(b, stackSlot(cpu, i));
  const aEmpty = isEmpty(cpu, 0);
  const bEmpty = isEmpty(cpu, i);
  if (aEmpty || bEmpty) {
    if (!aEmpty) f80Copy(st + X87Temp.OPERAND, a);
    stackUnderflow(cpu, st);
    if (!aEmpty) f80Copy(a, st + X87Temp.OPERAND);
    if (bEmpty) putDefaultNan(b);
  }
  if (endX87(cpu, rec)) return Status.NEXT;
  setStack(cpu, i, a);
  setStack(cpu, 0, b);
  return Status.NEXT;
}

export function ffree(cpu: Vcpu, rec: Rec, i: u32): i32 {
  beginX87(cpu);
  endX87(cpu, rec);
  freeStack(cpu, i);
  return Status.NEXT;
}

export function ffreep(cpu: Vcpu, rec: Rec, i: u32): i32 {
  ffree(cpu, rec, i);
  popStack(cpu);
  return Status.NEXT;
}
