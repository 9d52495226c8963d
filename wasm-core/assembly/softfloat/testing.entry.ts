/** What softfloat.test.ts drives. Compiled by it alone. */
import {
  fAdd,
  fCompare,
  fDiv,
  fFromInt,
  fMul,
  fRoundToIntegral,
  fSqrt,
  fSub,
  fToInt,
  f32ToF64,
  f64ToF32,
} from "./index";

/** Operation `op` on T: the numbers are those of the recorded file. */
function compute<T>(op: u32, st: usize, a: u64, b: u64): u64 {
  const x = <T>a;
  switch (op) {
    case 0:
      return <u64>fAdd<T>(st, x, <T>b);
    case 1:
      return <u64>fSub<T>(st, x, <T>b);
    case 2:
      return <u64>fMul<T>(st, x, <T>b);
    case 3:
      return <u64>fDiv<T>(st, x, <T>b);
    case 4:
      return <u64>fSqrt<T>(st, x);
    case 5:
      return <u64>fCompare<T>(st, x, <T>b, false);
    case 6:
      return <u64>fCompare<T>(st, x, <T>b, true);
    case 7:
      return sizeof<T>() == 8 ? <u64>f64ToF32(st, a) : f32ToF64(st, <u32>a);
    case 8:
      return <u64>fToInt<T, i64>(st, x, false);
    case 9:
      return <u64>fToInt<T, i64>(st, x, true);
    case 10:
      return <u64>(<u32>fToInt<T, i32>(st, x, false));
    case 11:
      return <u64>(<u32>fToInt<T, i32>(st, x, true));
    case 12:
      return <u64>fFromInt<T, i64>(st, <i64>a);
    case 13:
      return <u64>fFromInt<T, i32>(st, <i32>a);
    default:
      return <u64>fRoundToIntegral<T>(st, x, <u32>b);
  }
}

/** Under the MXCSR image at `st`: binary64 below 32, binary32 from there. */
export function run(op: u32, st: usize, a: u64, b: u64): u64 {
  return op < 32 ? compute<u64>(op, st, a, b) : compute<u32>(op - 32, st, a, b);
}
