/**
 * SSE floating-point comparison: CMPccPS and its kin, which make masks, and COMISS/UCOMISS, which set ZF, PF and CF.
 * [SDM] vol. 2, CMPPS table 3-1 (the eight legacy predicates), COMISS, UCOMISS.
 */
import { Status, Vcpu } from "../gen/layout";
import { setArith } from "../cpu/flags";
import { Rec } from "../decode/record";
import { Order, fCompare } from "../softfloat";
import { beginFp, commitFp, denormals, endFp, fpTemp, hostMode, isDenormalHost } from "./sse-fp";

/** Predicates 0 to 3; bit 2 negates. */
namespace Predicate {
  export const EQ: u32 = 0;
  export const LT: u32 = 1;
  export const LE: u32 = 2;
  export const UNORD: u32 = 3;
}

/** One lane: all ones when the predicate holds. LT and LE raise IE for quiet NaNs too. */
function comparison<T>(st: usize, a: T, b: T, imm: u32): T {
  const predicate = imm & 3;
  const order = fCompare<T>(st, a, b, predicate == Predicate.LT || predicate == Predicate.LE);
  let holds = false;
  if (predicate == Predicate.EQ) holds = order == Order.EQUAL;
  else if (predicate == Predicate.LT) holds = order == Order.LESS;
  else if (predicate == Predicate.LE) holds = order == Order.LESS || order == Order.EQUAL;
  else holds = order == Order.UNORDERED;
  return holds != ((imm & 4) != 0) ? <T>-1 : <T>0;
}

function softPacked<T>(cpu: Vcpu, d: usize, s: usize, imm: u32): i32 {
  const st = beginFp(cpu);
  const t = fpTemp(cpu);
  for (let i: usize = 0; i < 16; i += sizeof<T>()) {
    store<T>(t + i, comparison<T>(st, load<T>(d + i), load<T>(s + i), imm));
  }
  return commitFp(cpu, d, 16);
}

/** Host comparison for lanes that are ordered and not denormal. */
@inline
function hostPacked<F>(a: v128, b: v128, imm: u32): v128 {
  const predicate = imm & 3;
  let r: v128;
  if (predicate == Predicate.EQ) r = v128.eq<F>(a, b);
  else if (predicate == Predicate.LT) r = v128.lt<F>(a, b);
  else if (predicate == Predicate.LE) r = v128.le<F>(a, b);
  else r = i64x2.splat(0);
  return (imm & 4) != 0 ? v128.not(r) : r;
}

@inline
function packed<F, T>(cpu: Vcpu, d: usize, s: usize, imm: u32): i32 {
  const a = v128.load(d);
  const b = v128.load(s);
  const ordered = v128.and(v128.eq<F>(a, a), v128.eq<F>(b, b));
  const plain = v128.andnot(ordered, v128.or(denormals<F>(a), denormals<F>(b)));
  if (!hostMode(cpu) || !v128.all_true<T>(plain)) return softPacked<T>(cpu, d, s, imm);
  v128.store(d, hostPacked<F>(a, b, imm));
  return Status.NEXT;
}

function softScalar<T>(cpu: Vcpu, d: usize, s: usize, imm: u32): i32 {
  const st = beginFp(cpu);
  store<T>(fpTemp(cpu), comparison<T>(st, load<T>(d), load<T>(s), imm));
  return commitFp(cpu, d, sizeof<T>());
}

/** True when a comparison of the two raises nothing. */
@inline
function comparesPlainly<F>(cpu: Vcpu, x: F, y: F): bool {
  return hostMode(cpu) && x == x && y == y && !isDenormalHost<F>(x) && !isDenormalHost<F>(y);
}

@inline
function scalar<F, T>(cpu: Vcpu, d: usize, s: usize, imm: u32): i32 {
  const a = load<F>(d);
  const b = load<F>(s);
  if (!comparesPlainly<F>(cpu, a, b)) return softScalar<T>(cpu, d, s, imm);
  const predicate = imm & 3;
  const holds =
    predicate == Predicate.EQ ? a == b : predicate == Predicate.LT ? a < b : predicate == Predicate.LE && a <= b;
  store<T>(d, holds != ((imm & 4) != 0) ? <T>-1 : <T>0);
  return Status.NEXT;
}

export function cmpps(cpu: Vcpu, rec: Rec, d: usize, s: usize, imm: u32): i32 {
  return packed<f32, u32>(cpu, d, s, imm);
}

export function cmppd(cpu: Vcpu, rec: Rec, d: usize, s: usize, imm: u32): i32 {
  return packed<f64, u64>(cpu, d, s, imm);
}

export function cmpss(cpu: Vcpu, rec: Rec, d: usize, s: usize, imm: u32): i32 {
  return scalar<f32, u32>(cpu, d, s, imm);
}

export function cmpsd(cpu: Vcpu, rec: Rec, d: usize, s: usize, imm: u32): i32 {
  return scalar<f64, u64>(cpu, d, s, imm);
}

/** ZF, PF and CF of an Order; OF, SF and AF are cleared. */
@inline
function setOrder(cpu: Vcpu, order: i32): void {
  setArith(cpu, order == Order.UNORDERED ? 0x45 : order == Order.LESS ? 1 : order == Order.EQUAL ? 0x40 : 0);
}

@inline
function ordering<F, T>(cpu: Vcpu, a: usize, b: usize, signalling: bool): i32 {
  const x = load<F>(a);
  const y = load<F>(b);
  if (comparesPlainly<F>(cpu, x, y)) {
    setArith(cpu, x < y ? 1 : x == y ? 0x40 : 0);
    return Status.NEXT;
  }
  return softOrdering<T>(cpu, a, b, signalling);
}

function softOrdering<T>(cpu: Vcpu, a: usize, b: usize, signalling: bool): i32 {
  const order = fCompare<T>(beginFp(cpu), load<T>(a), load<T>(b), signalling);
  const status = endFp(cpu);
  if (status == Status.NEXT) setOrder(cpu, order);
  return status;
}

export function comiss(cpu: Vcpu, rec: Rec, a: usize, b: usize): i32 {
  return ordering<f32, u32>(cpu, a, b, true);
}

export function comisd(cpu: Vcpu, rec: Rec, a: usize, b: usize): i32 {
  return ordering<f64, u64>(cpu, a, b, true);
}

export function ucomiss(cpu: Vcpu, rec: Rec, a: usize, b: usize): i32 {
  return ordering<f32, u32>(cpu, a, b, false);
}

export function ucomisd(cpu: Vcpu, rec: Rec, a: usize, b: usize): i32 {
  return ordering<f64, u64>(cpu, a, b, false);
}
