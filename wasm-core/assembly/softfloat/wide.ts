/**
 * 128-bit unsigned integers for soft float. WebAssembly has neither a wide multiply nor a wide divide; a 128-bit value
 * that must be returned travels as a v128 (lane 0 low, lane 1 high), which costs no memory.
 */

@inline
export function wide(hi: u64, lo: u64): v128 {
  return i64x2.replace_lane(i64x2.splat(lo), 1, hi);
}

@inline
export function lowOf(v: v128): u64 {
  return i64x2.extract_lane(v, 0);
}

@inline
export function highOf(v: v128): u64 {
  return i64x2.extract_lane(v, 1);
}

/** High half of a 64 by 64 bit product (the low half is plain `a * b`). */
export function mulHigh(a: u64, b: u64): u64 {
  const a0 = a & 0xffffffff;
  const a1 = a >> 32;
  const b0 = b & 0xffffffff;
  const b1 = b >> 32;
  const mid = a1 * b0 + ((a0 * b0) >> 32);
  const cross = a0 * b1 + (mid & 0xffffffff);
  return a1 * b1 + (mid >> 32) + (cross >> 32);
}

/** One base-2^32 digit of a quotient: (hi:next32) / d for a normalised d, corrected at most twice. */
function quotientDigit(hi: u64, next: u64, d: u64): u64 {
  const d1 = d >> 32;
  const d0 = d & 0xffffffff;
  let q = hi / d1;
  let r = hi - q * d1;
  while (q >> 32 != 0 || q * d0 > ((r << 32) | next)) {
    q--;
    r += d1;
    if (r >> 32 != 0) break;
  }
  return q;
}

/** (hi:lo) / d for hi < d. The remainder is `lo - q * d`. [Knuth] 4.3.1 D */
export function divWide(hi: u64, lo: u64, d: u64): u64 {
  const s = clz(d);
  const dn = d << s;
  const n1 = s == 0 ? hi : (hi << s) | (lo >> (64 - s));
  const n0 = lo << s;
  const q1 = quotientDigit(n1, n0 >> 32, dn);
  const rest = ((n1 << 32) | (n0 >> 32)) - q1 * dn;
  const q0 = quotientDigit(rest, n0 & 0xffffffff, dn);
  return (q1 << 32) | q0;
}

/** Shift right; a bit that falls out stays as a sticky lowest bit. */
@inline
export function shiftRightJam(v: u64, n: u32): u64 {
  if (n == 0) return v;
  if (n > 63) return u64(v != 0);
  return (v >> n) | u64(v << (64 - n) != 0);
}

/** 128-bit shift right by n with sticky lowest bit. */
export function wideShiftRightJam(hi: u64, lo: u64, n: u32): v128 {
  if (n == 0) return wide(hi, lo);
  if (n < 64) return wide(hi >> n, (hi << (64 - n)) | (lo >> n) | u64(lo << (64 - n) != 0));
  if (n == 64) return wide(0, hi | u64(lo != 0));
  if (n < 128) return wide(0, (hi >> (n - 64)) | u64(hi << (128 - n) != 0 || lo != 0));
  return wide(0, u64((hi | lo) != 0));
}

/** 128-bit shift left, n below 128. */
export function wideShiftLeft(hi: u64, lo: u64, n: u32): v128 {
  if (n == 0) return wide(hi, lo);
  if (n < 64) return wide((hi << n) | (lo >> (64 - n)), lo << n);
  return wide(lo << (n - 64), 0);
}

/** Integer square root of v, at least 2^62: 32 bits. The host's is at most one too large. */
@inline
function sqrtHalf(v: u64): u64 {
  const s = min(<u64>sqrt<f64>(<f64>v), 0xffffffff);
  return s * s > v ? s - 1 : s;
}

/**
 * Integer square root of (hi:lo) with hi >= 2^62: lane 1 is the 64-bit root, lane 0 is the rest of the root to be
 * rounded: 0 when exact, 1 below one half, 2^63 + 1 above one half. The upper half is the root of hi, the lower one the
 * quotient of what is left by twice the upper, which is one too large at most (Karatsuba square root).
 */
export function sqrtWide(hi: u64, lo: u64): v128 {
  const s = sqrtHalf(hi);
  // Both are halved: the dividend has 65 bits.
  const half = ((hi - s * s) << 31) | (lo >> 33);
  let q = half / s;
  let rest = ((half - q * s) << 1) | ((lo >> 32) & 1);
  if (q >> 32 != 0) {
    rest += (q - 0xffffffff) * (s << 1);
    q = 0xffffffff;
  }
  let root = (s << 32) | q;
  const low = (rest << 32) | (lo & 0xffffffff);
  let rem = low - q * q;
  let top = <i64>(rest >> 32) - i64(low < q * q);
  while (top < 0) {
    // The square of one less is 2 * root + 1 smaller, with the root that is then.
    root--;
    const sum = rem + root;
    top += i64(sum < rem);
    rem = sum + root + 1;
    top += i64(rem < sum);
  }
  const aboveHalf = top != 0 || rem > root;
  return wide(root, ((<u64>aboveHalf) << 63) | u64((rem | (<u64>top)) != 0));
}
