/**
 * SHA extensions: four rounds of SHA-1 or two of SHA-256 on packed states, and the message schedules.
 * [SDM] vol. 2, SHA1RNDS4 to SHA256RNDS2; [FIPS 180-4] 4.1, 6.1, 6.2.
 */
import { Vcpu, VcpuOff } from "../gen/layout";

/** Doubleword `i` at `p`. */
@inline
function dword(p: usize, i: usize): u32 {
  return load<u32>(p + (i << 2));
}

@inline
function choose(x: u32, y: u32, z: u32): u32 {
  return (x & y) ^ (~x & z);
}

@inline
function majority(x: u32, y: u32, z: u32): u32 {
  return (x & y) ^ (x & z) ^ (y & z);
}

function sha1Function(x: u32, y: u32, z: u32, stage: u32): u32 {
  if (stage == 0) return choose(x, y, z);
  return stage == 2 ? majority(x, y, z) : x ^ y ^ z;
}

function sha1Constant(stage: u32): u32 {
  if (stage == 0) return 0x5a827999;
  if (stage == 1) return 0x6ed9eba1;
  return stage == 2 ? 0x8f1bbcdc : 0xca62c1d6;
}

/** The state A:B:C:D lies from the top doubleword down, as do the round inputs; E is in the first of these. */
export function sha1rnds4(cpu: Vcpu, d: usize, s: usize, imm: u32): void {
  const stage = imm & 3;
  const k = sha1Constant(stage);
  let a = dword(d, 3);
  let b = dword(d, 2);
  let c = dword(d, 1);
  let dd = dword(d, 0);
  let e: u32 = 0;
  for (let i: usize = 0; i < 4; i++) {
    const next = sha1Function(b, c, dd, stage) + rotl<u32>(a, 5) + dword(s, 3 - i) + e + k;
    e = dd;
    dd = c;
    c = rotl<u32>(b, 30);
    b = a;
    a = next;
  }
  v128.store(d, i32x4.replace_lane(i32x4.replace_lane(i32x4.replace_lane(i32x4.splat(a), 0, dd), 1, c), 2, b));
}

export function sha1nexte(cpu: Vcpu, d: usize, s: usize): void {
  const e = rotl<u32>(dword(d, 3), 30);
  const v = v128.load(s);
  v128.store(d, i32x4.replace_lane(v, 3, i32x4.extract_lane(v, 3) + e));
}

export function sha1msg1(cpu: Vcpu, d: usize, s: usize): void {
  const a = v128.load(d);
  v128.store(d, v128.xor(a, v128.shuffle<i64>(v128.load(s), a, 1, 2)));
}

export function sha1msg2(cpu: Vcpu, d: usize, s: usize): void {
  const w16 = rotl<u32>(dword(d, 3) ^ dword(s, 2), 1);
  const w17 = rotl<u32>(dword(d, 2) ^ dword(s, 1), 1);
  const w18 = rotl<u32>(dword(d, 1) ^ dword(s, 0), 1);
  const w19 = rotl<u32>(dword(d, 0) ^ w16, 1);
  store<u32>(d, w19);
  store<u32>(d, w18, 4);
  store<u32>(d, w17, 8);
  store<u32>(d, w16, 12);
}

/** Two rounds: C:D:G:H in the destination, A:B:E:F in the source, the two round inputs in XMM0. */
export function sha256rnds2(cpu: Vcpu, d: usize, s: usize): void {
  const wk = changetype<usize>(cpu) + VcpuOff.vec;
  let a = dword(s, 3);
  let b = dword(s, 2);
  let c = dword(d, 3);
  let dd = dword(d, 2);
  let e = dword(s, 1);
  let f = dword(s, 0);
  let g = dword(d, 1);
  let h = dword(d, 0);
  const wk0 = dword(wk, 0);
  const wk1 = dword(wk, 1);
  for (let i: u32 = 0; i < 2; i++) {
    const sum1 = rotr<u32>(e, 6) ^ rotr<u32>(e, 11) ^ rotr<u32>(e, 25);
    const sum0 = rotr<u32>(a, 2) ^ rotr<u32>(a, 13) ^ rotr<u32>(a, 22);
    const t1 = choose(e, f, g) + sum1 + (i == 0 ? wk0 : wk1) + h;
    const t2 = majority(a, b, c) + sum0;
    h = g;
    g = f;
    f = e;
    e = t1 + dd;
    dd = c;
    c = b;
    b = a;
    a = t1 + t2;
  }
  store<u32>(d, f);
  store<u32>(d, e, 4);
  store<u32>(d, b, 8);
  store<u32>(d, a, 12);
}

export function sha256msg1(cpu: Vcpu, d: usize, s: usize): void {
  const a = v128.load(d);
  const w = v128.shuffle<i32>(a, v128.load(s), 1, 2, 3, 4);
  const r7 = v128.or(i32x4.shr_u(w, 7), i32x4.shl(w, 25));
  const r18 = v128.or(i32x4.shr_u(w, 18), i32x4.shl(w, 14));
  v128.store(d, i32x4.add(a, v128.xor(v128.xor(r7, r18), i32x4.shr_u(w, 3))));
}

@inline
function smallSigma1(w: u32): u32 {
  return rotr<u32>(w, 17) ^ rotr<u32>(w, 19) ^ (w >> 10);
}

export function sha256msg2(cpu: Vcpu, d: usize, s: usize): void {
  const w16 = dword(d, 0) + smallSigma1(dword(s, 2));
  const w17 = dword(d, 1) + smallSigma1(dword(s, 3));
  const w18 = dword(d, 2) + smallSigma1(w16);
  const w19 = dword(d, 3) + smallSigma1(w17);
  store<u32>(d, w16);
  store<u32>(d, w17, 4);
  store<u32>(d, w18, 8);
  store<u32>(d, w19, 12);
}
