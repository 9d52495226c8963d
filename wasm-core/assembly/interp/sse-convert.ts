/**
 * SSE conversions: between the two floating-point formats, and to and from signed integers. Out-of-range and NaN give
 * the integer indefinite with IE. Host paths where nothing but PE can be raised. [SDM] vol. 1, 10.4.4, 11.4.1.6, 4.8.4.
 */
import { Status, Vcpu } from "../gen/layout";
import { setReg } from "../cpu/regs";
import { Rec } from "../decode/record";
import { Fp, f32ToF64, f64ToF32, fFromInt, fToInt } from "../softfloat";
import { fitsPrecision } from "./sse-exact";
import {
  beginFp,
  commitFp,
  denormals,
  endFp,
  finites,
  fpTemp,
  hostMode,
  infinity,
  isDenormalHost,
  minNormal,
  stickyPrecision,
} from "./sse-fp";

// Between the formats.

@inline
function narrowsPlainly(v: f64, r: f32): bool {
  return (abs(r) > minNormal<f32>() && abs(r) < infinity<f32>()) || v == 0;
}

export function cvtss2sd(cpu: Vcpu, rec: Rec, d: usize, s: usize): i32 {
  const v = load<f32>(s);
  if (hostMode(cpu) && v == v && !isDenormalHost<f32>(v)) {
    store<f64>(d, <f64>v);
    return Status.NEXT;
  }
  const st = beginFp(cpu);
  store<u64>(fpTemp(cpu), f32ToF64(st, load<u32>(s)));
  return commitFp(cpu, d, 8);
}

export function cvtsd2ss(cpu: Vcpu, rec: Rec, d: usize, s: usize): i32 {
  const v = load<f64>(s);
  const r = <f32>v;
  if (hostMode(cpu) && narrowsPlainly(v, r)) {
    if (<f64>r != v) cpu.mxcsr |= Fp.PE;
    store<f32>(d, r);
    return Status.NEXT;
  }
  const st = beginFp(cpu);
  store<u32>(fpTemp(cpu), f64ToF32(st, load<u64>(s)));
  return commitFp(cpu, d, 4);
}

export function cvtps2pd(cpu: Vcpu, rec: Rec, d: usize, s: usize): i32 {
  const v = v128.load64_zero(s);
  if (hostMode(cpu) && i32x4.all_true(v128.andnot(f32x4.eq(v, v), denormals<f32>(v)))) {
    v128.store(d, f64x2.promote_low_f32x4(v));
    return Status.NEXT;
  }
  const st = beginFp(cpu);
  const t = fpTemp(cpu);
  store<u64>(t, f32ToF64(st, load<u32>(s)));
  store<u64>(t, f32ToF64(st, load<u32>(s, 4)), 8);
  return commitFp(cpu, d, 16);
}

export function cvtpd2ps(cpu: Vcpu, rec: Rec, d: usize, s: usize): i32 {
  const v = v128.load(s);
  const r = f32x4.demote_f64x2_zero(v);
  const back = f64x2.promote_low_f32x4(r);
  const normal = v128.and(f64x2.gt(f64x2.abs(back), f64x2.splat(<f64>minNormal<f32>())), finites<f64>(back));
  if (hostMode(cpu) && i64x2.all_true(v128.or(normal, f64x2.eq(v, f64x2.splat(0))))) {
    if (v128.any_true(f64x2.ne(back, v))) cpu.mxcsr |= Fp.PE;
    v128.store(d, r);
    return Status.NEXT;
  }
  const st = beginFp(cpu);
  const t = fpTemp(cpu);
  store<u32>(t, f64ToF32(st, load<u64>(s)));
  store<u32>(t, f64ToF32(st, load<u64>(s, 8)), 4);
  store<u64>(t, 0, 8);
  return commitFp(cpu, d, 16);
}

// From integers.

/** Whether four integers were converted to single precision exactly. */
function sameNumbers(v: v128, r: v128): bool {
  const low = f64x2.eq(f64x2.convert_low_i32x4_s(v), f64x2.promote_low_f32x4(r));
  const vHigh = v128.shuffle<i64>(v, v, 1, 1);
  const rHigh = v128.shuffle<i64>(r, r, 1, 1);
  const high = f64x2.eq(f64x2.convert_low_i32x4_s(vHigh), f64x2.promote_low_f32x4(rHigh));
  return i64x2.all_true(v128.and(low, high));
}

/** Notes PE when `v` has more significant bits than `precision`. */
@inline
function noteInteger(cpu: Vcpu, v: i64, precision: u64): void {
  if (!stickyPrecision(cpu) && !fitsPrecision(<u64>(v < 0 ? 0 - v : v), precision)) cpu.mxcsr |= Fp.PE;
}

export function cvtdq2ps(cpu: Vcpu, rec: Rec, d: usize, s: usize): i32 {
  if (hostMode(cpu)) {
    const v = v128.load(s);
    const r = f32x4.convert_i32x4_s(v);
    if (!stickyPrecision(cpu) && !sameNumbers(v, r)) cpu.mxcsr |= Fp.PE;
    v128.store(d, r);
    return Status.NEXT;
  }
  const st = beginFp(cpu);
  const t = fpTemp(cpu);
  for (let i: usize = 0; i < 16; i += 4) store<u32>(t + i, fFromInt<u32, i32>(st, load<i32>(s + i)));
  return commitFp(cpu, d, 16);
}

/** Exact: no exception. */
export function cvtdq2pd(cpu: Vcpu, d: usize, s: usize): void {
  v128.store(d, f64x2.convert_low_i32x4_s(v128.load64_zero(s)));
}

/** T is u32 or u64, the integer's size. */
export function cvtsi2ss<T>(cpu: Vcpu, rec: Rec, d: usize, v: T): i32 {
  if (hostMode(cpu)) {
    noteInteger(cpu, sizeof<T>() == 4 ? <i64>(<i32>v) : <i64>v, 24);
    store<f32>(d, sizeof<T>() == 4 ? <f32>(<i32>v) : <f32>(<i64>v));
    return Status.NEXT;
  }
  const st = beginFp(cpu);
  store<u32>(fpTemp(cpu), fFromInt<u32, i64>(st, sizeof<T>() == 4 ? <i64>(<i32>v) : <i64>v));
  return commitFp(cpu, d, 4);
}

export function cvtsi2sd<T>(cpu: Vcpu, rec: Rec, d: usize, v: T): i32 {
  if (sizeof<T>() == 4) {
    store<f64>(d, <f64>(<i32>v));
    return Status.NEXT;
  }
  if (hostMode(cpu)) {
    noteInteger(cpu, <i64>v, 53);
    store<f64>(d, <f64>(<i64>v));
    return Status.NEXT;
  }
  const st = beginFp(cpu);
  store<u64>(fpTemp(cpu), fFromInt<u64, i64>(st, <i64>v));
  return commitFp(cpu, d, 8);
}

// To integers.

/** T is u32 or u64, the number's format. */
function packedToInt<T>(cpu: Vcpu, d: usize, s: usize, truncate: bool): i32 {
  const st = beginFp(cpu);
  const t = fpTemp(cpu);
  store<u64>(t, 0, 8);
  for (let i: usize = 0; i < 16 / sizeof<T>(); i++) {
    store<i32>(t + (i << 2), fToInt<T, i32>(st, load<T>(s + i * sizeof<T>()), truncate));
  }
  return commitFp(cpu, d, 16);
}

/** Four single-precision numbers that fit go through the host; a lost fraction raises PE, which is masked. */
@inline
function singlesToInt(cpu: Vcpu, d: usize, s: usize, truncate: bool): i32 {
  const v = v128.load(s);
  const fits = f32x4.lt(f32x4.abs(v), f32x4.splat(2147483648.0));
  if (!hostMode(cpu) || !i32x4.all_true(fits)) return packedToInt<u32>(cpu, d, s, truncate);
  const r = truncate ? f32x4.trunc(v) : f32x4.nearest(v);
  if (v128.any_true(f32x4.ne(r, v))) cpu.mxcsr |= Fp.PE;
  v128.store(d, i32x4.trunc_sat_f32x4_s(r));
  return Status.NEXT;
}

export function cvtps2dq(cpu: Vcpu, rec: Rec, d: usize, s: usize): i32 {
  return singlesToInt(cpu, d, s, false);
}

export function cvttps2dq(cpu: Vcpu, rec: Rec, d: usize, s: usize): i32 {
  return singlesToInt(cpu, d, s, true);
}

@inline
function doublesToInt(cpu: Vcpu, d: usize, s: usize, truncate: bool): i32 {
  const v = v128.load(s);
  const fits = f64x2.lt(f64x2.abs(v), f64x2.splat(2147483647.0));
  if (!hostMode(cpu) || !i64x2.all_true(fits)) return packedToInt<u64>(cpu, d, s, truncate);
  const r = truncate ? f64x2.trunc(v) : f64x2.nearest(v);
  if (v128.any_true(f64x2.ne(r, v))) cpu.mxcsr |= Fp.PE;
  v128.store(d, i32x4.trunc_sat_f64x2_s_zero(r));
  return Status.NEXT;
}

export function cvtpd2dq(cpu: Vcpu, rec: Rec, d: usize, s: usize): i32 {
  return doublesToInt(cpu, d, s, false);
}

export function cvttpd2dq(cpu: Vcpu, rec: Rec, d: usize, s: usize): i32 {
  return doublesToInt(cpu, d, s, true);
}

/** A scalar at `s` to a general register. F is the number's type, T its bits, I the signed integer, R its bits. */
@inline
function scalarToInt<F, T, I, R>(cpu: Vcpu, rec: Rec, s: usize, truncate: bool): i32 {
  const v = load<F>(s);
  const limit: F = sizeof<I>() == 4 ? <F>2147483647.0 : <F>9223372036854775808.0;
  if (hostMode(cpu) && abs<F>(v) < limit) {
    const r = truncate ? trunc<F>(v) : nearest<F>(v);
    if (r != v) cpu.mxcsr |= Fp.PE;
    setReg<R>(cpu, rec.reg, <R>(<I>r));
    return Status.NEXT;
  }
  const r = fToInt<T, I>(beginFp(cpu), load<T>(s), truncate);
  const status = endFp(cpu);
  if (status == Status.NEXT) setReg<R>(cpu, rec.reg, <R>r);
  return status;
}

export function cvtss2si<T>(cpu: Vcpu, rec: Rec, old: T, s: usize): i32 {
  if (sizeof<T>() == 4) return scalarToInt<f32, u32, i32, u32>(cpu, rec, s, false);
  return scalarToInt<f32, u32, i64, u64>(cpu, rec, s, false);
}

export function cvttss2si<T>(cpu: Vcpu, rec: Rec, old: T, s: usize): i32 {
  if (sizeof<T>() == 4) return scalarToInt<f32, u32, i32, u32>(cpu, rec, s, true);
  return scalarToInt<f32, u32, i64, u64>(cpu, rec, s, true);
}

export function cvtsd2si<T>(cpu: Vcpu, rec: Rec, old: T, s: usize): i32 {
  if (sizeof<T>() == 4) return scalarToInt<f64, u64, i32, u32>(cpu, rec, s, false);
  return scalarToInt<f64, u64, i64, u64>(cpu, rec, s, false);
}

export function cvttsd2si<T>(cpu: Vcpu, rec: Rec, old: T, s: usize): i32 {
  if (sizeof<T>() == 4) return scalarToInt<f64, u64, i32, u32>(cpu, rec, s, true);
  return scalarToInt<f64, u64, i64, u64>(cpu, rec, s, true);
}
