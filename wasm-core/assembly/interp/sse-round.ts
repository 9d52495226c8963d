/**
 * ROUNDPS and its kin, the dot products, and the reciprocal approximations. [SDM] vol. 2, ROUNDPS, DPPS, RCPPS, RSQRTPS.
 *
 * Quirk: processors differ in their RCP and RSQRT tables; the architecture only bounds the relative error by
 * 1.5 * 2^-12. Here the result is the correctly rounded quotient or root, so the error is at most 2^-24. As on hardware
 * MXCSR is neither read nor written, denormal operands count as zeros, and tiny results become zeros.
 */
import { Status, Vcpu } from "../gen/layout";
import { Rec } from "../decode/record";
import { Fp, fAdd, fMul, fRoundToIntegral } from "../softfloat";
import { beginFp, commitFp, denormals, endFp, finites, fpTemp, hostInexact, hostMode, minNormal } from "./sse-fp";

// Rounding. imm: 1:0 rounding control, 2 take MXCSR's, 3 suppress PE.

@inline
function hostRound<F>(v: v128, imm: u32): v128 {
  const rc = (imm & 4) != 0 ? 0 : imm & 3;
  if (rc == 0) return v128.nearest<F>(v);
  if (rc == 1) return v128.floor<F>(v);
  return rc == 2 ? v128.ceil<F>(v) : v128.trunc<F>(v);
}

function softRound<T>(cpu: Vcpu, d: usize, s: usize, imm: u32): i32 {
  const st = beginFp(cpu);
  const t = fpTemp(cpu);
  for (let i: usize = 0; i < 16; i += sizeof<T>()) store<T>(t + i, fRoundToIntegral<T>(st, load<T>(s + i), imm));
  return commitFp(cpu, d, 16);
}

@inline
function round<F, T>(cpu: Vcpu, d: usize, s: usize, imm: u32): i32 {
  const v = v128.load(s);
  if (!hostMode(cpu) || !v128.all_true<T>(v128.eq<F>(v, v))) return softRound<T>(cpu, d, s, imm);
  const r = hostRound<F>(v, imm);
  if ((imm & 8) == 0 && v128.any_true(v128.ne<F>(r, v))) cpu.mxcsr |= Fp.PE;
  v128.store(d, r);
  return Status.NEXT;
}

export function roundps(cpu: Vcpu, rec: Rec, d: usize, s: usize, imm: u32): i32 {
  return round<f32, u32>(cpu, d, s, imm);
}

export function roundpd(cpu: Vcpu, rec: Rec, d: usize, s: usize, imm: u32): i32 {
  return round<f64, u64>(cpu, d, s, imm);
}

@inline
function roundScalar<F, T>(cpu: Vcpu, d: usize, s: usize, imm: u32): i32 {
  const v = load<F>(s);
  if (!hostMode(cpu) || v != v) {
    store<T>(fpTemp(cpu), fRoundToIntegral<T>(beginFp(cpu), load<T>(s), imm));
    return commitFp(cpu, d, sizeof<T>());
  }
  const rc = (imm & 4) != 0 ? 0 : imm & 3;
  const r = rc == 0 ? nearest<F>(v) : rc == 1 ? floor<F>(v) : rc == 2 ? ceil<F>(v) : trunc<F>(v);
  if ((imm & 8) == 0 && r != v) cpu.mxcsr |= Fp.PE;
  store<F>(d, r);
  return Status.NEXT;
}

export function roundss(cpu: Vcpu, rec: Rec, d: usize, s: usize, imm: u32): i32 {
  return roundScalar<f32, u32>(cpu, d, s, imm);
}

export function roundsd(cpu: Vcpu, rec: Rec, d: usize, s: usize, imm: u32): i32 {
  return roundScalar<f64, u64>(cpu, d, s, imm);
}

// Dot products. Lanes that the high half of imm leaves out count as +0; the low half says where the sum goes.

@inline
function singleMask(imm: u32): v128 {
  const bits = i32x4(1, 2, 4, 8);
  return i32x4.eq(v128.and(i32x4.splat(imm), bits), bits);
}

@inline
function doubleMask(imm: u32): v128 {
  const bits = i64x2(1, 2);
  return i64x2.eq(v128.and(i64x2.splat(imm), bits), bits);
}

/** Lanes whose host product is exact or raises PE alone. */
@inline
function goodProducts<F>(a: v128, b: v128, p: v128): v128 {
  const zero = v128.splat<F>(<F>0);
  const fromZero = v128.or(v128.eq<F>(a, zero), v128.eq<F>(b, zero));
  const normal = v128.gt<F>(v128.abs<F>(p), v128.splat<F>(minNormal<F>()));
  const tiny = v128.or(denormals<F>(a), denormals<F>(b));
  return v128.andnot(v128.and(finites<F>(p), v128.or(normal, fromZero)), tiny);
}

/** Products and each level of sums are steps of their own: one raises its exceptions before the next begins. */
function softDpps(cpu: Vcpu, d: usize, a: v128, b: v128, where: v128): i32 {
  const st = beginFp(cpu);
  const t = fpTemp(cpu);
  v128.store(t, a);
  v128.store(t, b, 16);
  for (let i: usize = 0; i < 16; i += 4) store<u32>(t + i, fMul<u32>(st, load<u32>(t + i), load<u32>(t + i, 16)));
  if (endFp(cpu) != Status.NEXT) return Status.FAULT;
  beginFp(cpu);
  const low = fAdd<u32>(st, load<u32>(t), load<u32>(t, 4));
  const high = fAdd<u32>(st, load<u32>(t, 8), load<u32>(t, 12));
  if (endFp(cpu) != Status.NEXT) return Status.FAULT;
  beginFp(cpu);
  v128.store(t, v128.and(i32x4.splat(fAdd<u32>(st, low, high)), where));
  return commitFp(cpu, d, 16);
}

export function dpps(cpu: Vcpu, rec: Rec, d: usize, s: usize, imm: u32): i32 {
  const lanes = singleMask(imm >> 4);
  const where = singleMask(imm);
  const a = v128.and(v128.load(d), lanes);
  const b = v128.and(v128.load(s), lanes);
  if (hostInexact(cpu)) {
    const p = f32x4.mul(a, b);
    const sums = f32x4.add(p, v128.shuffle<i32>(p, p, 1, 0, 3, 2));
    const r = f32x4.add(sums, v128.shuffle<i32>(sums, sums, 2, 3, 0, 1));
    const good = v128.and(goodProducts<f32>(a, b, p), v128.andnot(finites<f32>(r), denormals<f32>(sums)));
    if (i32x4.all_true(good)) {
      v128.store(d, v128.and(r, where));
      return Status.NEXT;
    }
  }
  return softDpps(cpu, d, a, b, where);
}

function softDppd(cpu: Vcpu, d: usize, a: v128, b: v128, where: v128): i32 {
  const st = beginFp(cpu);
  const low = fMul<u64>(st, i64x2.extract_lane(a, 0), i64x2.extract_lane(b, 0));
  const high = fMul<u64>(st, i64x2.extract_lane(a, 1), i64x2.extract_lane(b, 1));
  if (endFp(cpu) != Status.NEXT) return Status.FAULT;
  beginFp(cpu);
  v128.store(fpTemp(cpu), v128.and(i64x2.splat(fAdd<u64>(st, low, high)), where));
  return commitFp(cpu, d, 16);
}

export function dppd(cpu: Vcpu, rec: Rec, d: usize, s: usize, imm: u32): i32 {
  const lanes = doubleMask(imm >> 4);
  const where = doubleMask(imm);
  const a = v128.and(v128.load(d), lanes);
  const b = v128.and(v128.load(s), lanes);
  if (hostInexact(cpu)) {
    const p = f64x2.mul(a, b);
    const r = f64x2.add(p, v128.shuffle<i64>(p, p, 1, 0));
    if (i64x2.all_true(v128.and(goodProducts<f64>(a, b, p), finites<f64>(r)))) {
      v128.store(d, v128.and(r, where));
      return Status.NEXT;
    }
  }
  return softDppd(cpu, d, a, b, where);
}

// Approximations.

const F32_SIGN: u32 = 0x80000000;
const F32_INF: u32 = 0x7f800000;
const F32_QUIET: u32 = 0x00400000;
const F32_DEFAULT_NAN: u32 = 0xffc00000;

function rcp(v: u32): u32 {
  const magnitude = v & ~F32_SIGN;
  if (magnitude > F32_INF) return v | F32_QUIET;
  if (magnitude < 0x00800000) return (v & F32_SIGN) | F32_INF;
  const r = reinterpret<u32>(<f32>1 / reinterpret<f32>(v));
  return (r & F32_INF) == 0 ? r & F32_SIGN : r;
}

function rsqrt(v: u32): u32 {
  const magnitude = v & ~F32_SIGN;
  if (magnitude > F32_INF) return v | F32_QUIET;
  if (magnitude < 0x00800000) return (v & F32_SIGN) | F32_INF;
  if ((v & F32_SIGN) != 0) return F32_DEFAULT_NAN;
  return reinterpret<u32>(<f32>(1.0 / sqrt<f64>(<f64>reinterpret<f32>(v))));
}

export function rcpss(cpu: Vcpu, d: usize, s: usize): void {
  store<u32>(d, rcp(load<u32>(s)));
}

export function rcpps(cpu: Vcpu, d: usize, s: usize): void {
  for (let i: usize = 0; i < 16; i += 4) store<u32>(d + i, rcp(load<u32>(s + i)));
}

export function rsqrtss(cpu: Vcpu, d: usize, s: usize): void {
  store<u32>(d, rsqrt(load<u32>(s)));
}

export function rsqrtps(cpu: Vcpu, d: usize, s: usize): void {
  for (let i: usize = 0; i < 16; i += 4) store<u32>(d + i, rsqrt(load<u32>(s + i)));
}
