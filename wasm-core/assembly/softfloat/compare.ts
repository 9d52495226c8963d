/** Ordering of binary32 and binary64 numbers (T is u32 or u64, bit patterns), as COMISS and UCOMISS see it. */
import { flushInput, isDenormal, isNan, isSignalling, isZero, signOf } from "./binary";
import { Fp, raiseFp } from "./status";

/** Outcome of a comparison. */
export namespace Order {
  export const LESS: i32 = -1;
  export const EQUAL: i32 = 0;
  export const GREATER: i32 = 1;
  export const UNORDERED: i32 = 2;
}

/** An Order. IE for a signalling NaN, and for any NaN when `signalling`. */
export function fCompare<T>(st: usize, a: T, b: T, signalling: bool): i32 {
  let x = <u64>a;
  let y = <u64>b;
  if (isNan<T>(x) || isNan<T>(y)) {
    if (signalling || isSignalling<T>(x) || isSignalling<T>(y)) raiseFp(st, Fp.IE);
    return Order.UNORDERED;
  }
  const status = load<u32>(st);
  x = flushInput<T>(status, x);
  y = flushInput<T>(status, y);
  if (isDenormal<T>(x) || isDenormal<T>(y)) raiseFp(st, Fp.DE);
  if (x == y || (isZero<T>(x) && isZero<T>(y))) return Order.EQUAL;
  const negative = signOf<T>(x);
  if (negative != signOf<T>(y)) return negative ? Order.LESS : Order.GREATER;
  return x < y == (negative == 0) ? Order.LESS : Order.GREATER;
}
