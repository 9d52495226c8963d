/** FPATAN: the angle of the point (x, y), by a table of eighths and the arctangent series. [SDM] vol. 2, FPATAN */
import { isDenormal80, isInf80, isNotNumber, isZero80, negativeOf, propagateNan80, putZero } from "./f80";
import { Fp, raiseStops } from "./status";
import {
  ONE_HIGH,
  fixedDiv,
  fixedMul,
  fixedOne,
  fixedSub,
  slotOf,
  xAdd,
  xCopy,
  xDiv,
  xExp,
  xFromF80,
  xFromFixed,
  xFromInt,
  xHigh,
  xMul,
  xScale,
  xSet,
  xSub,
  xToF80,
  xToFixed,
} from "./extended";
import { highOf, lowOf, wide } from "./wide";

const PI_HIGH: u64 = 0xc90fdaa22168c234;
const PI_LOW: u64 = 0xc4c6628b80dc1cd1;
/** |s| is at most 1/16, so s^26 / 27 is below 2^-108. */
const LAST_TERM: i32 = 27;

/** atan(j / 8) for j = 1 to 8: exponent, significand. */
const ATAN_TABLE: usize = memory.data<u64>([
  <u64>-4,
  0xfeadd4d5617b6e32,
  0xc897989f3e888ef8,
  <u64>-3,
  0xfadbafc96406eb15,
  0x6dc79ef5f7a217e6,
  <u64>-2,
  0xb7b0ca0f26f78473,
  0x8aa32122dcfe4483,
  <u64>-2,
  0xed63382b0dda7b45,
  0x6fe445ecbc3a8d03,
  <u64>-1,
  0x8f005d5ef7f59f9b,
  0x5c835e1665c43748,
  <u64>-1,
  0xa4bc7d1934f70924,
  0x19a87f2a457dac9f,
  <u64>-1,
  0xb8053e2bc2319e73,
  0xcb2da55210a4443d,
  <u64>-1,
  0xc90fdaa22168c234,
  0xc4c6628b80dc1cd1,
]);

/** Working slots. */
namespace Slot {
  export const Y: usize = 0;
  export const X: usize = 1;
  export const T: usize = 2;
  export const C: usize = 3;
  export const WORK: usize = 4;
}

/** Slot Y = Y / X for 0 < Y <= X, then T = atan of it. */
function atanOfRatio(st: usize): void {
  const y = slotOf(st, Slot.Y);
  const x = slotOf(st, Slot.X);
  const t = slotOf(st, Slot.T);
  const c = slotOf(st, Slot.C);
  const work = slotOf(st, Slot.WORK);
  xDiv(t, y, x);
  const eighths = nearestEighth(t);
  if (eighths != 0) {
    // atan t = atan c + atan((y - c x) / (x + c y))
    xFromInt(c, eighths);
    xScale(c, -3);
    xMul(work, c, x);
    xMul(t, c, y);
    xSub(y, y, work);
    xAdd(x, x, t);
    xDiv(t, y, x);
  }
  xMul(work, t, t);
  xFromFixed(work, 0, series(xToFixed(work)));
  xMul(t, t, work);
  if (eighths == 0) return;
  const entry = ATAN_TABLE + <usize>(eighths - 1) * 24;
  xSet(c, 0, <i32>load<u64>(entry), load<u64>(entry, 8), load<u64>(entry, 16));
  xAdd(t, t, c);
}

function nearestEighth(t: usize): i32 {
  const v = xToFixed(t);
  return (<i32>((highOf(v) >> 59) + 1)) >> 1;
}

/** 1 - z/3 + z^2/5 - ..., never quite 1. */
function series(z: v128): v128 {
  let sum = fixedDiv(fixedOne(), LAST_TERM);
  for (let k = LAST_TERM - 2; k > 0; k -= 2) sum = fixedSub(fixedDiv(fixedOne(), k), fixedMul(z, sum));
  return highOf(sum) == ONE_HIGH && lowOf(sum) == 0 ? fixedSub(sum, wide(0, 1)) : sum;
}

/** d = n * pi / 4 with a sign. */
function putQuarters(st: usize, d: usize, sign: u32, n: i32): void {
  const t = slotOf(st, Slot.T);
  const c = slotOf(st, Slot.C);
  xFromInt(t, n);
  xSet(c, 0, -1, PI_HIGH, PI_LOW);
  xMul(t, t, c);
  store<u32>(t, sign, 20);
  xToF80(st, d, t, true);
}

/** FPATAN: d = arctangent of y / x in the quadrant of (x, y). */
export function f80Atan(st: usize, d: usize, x: usize, y: usize): void {
  if (isNotNumber(x) || isNotNumber(y)) return propagateNan80(st, d, x, y);
  if ((isDenormal80(x) || isDenormal80(y)) && raiseStops(st, Fp.DE)) return;
  const sign = negativeOf(y);
  const left = negativeOf(x) != 0;
  if (isInf80(y)) return putQuarters(st, d, sign, !isInf80(x) ? 2 : left ? 3 : 1);
  if (isInf80(x) || isZero80(y)) return left ? putQuarters(st, d, sign, 4) : putZero(d, sign);
  if (isZero80(x)) return putQuarters(st, d, sign, 2);
  const py = slotOf(st, Slot.Y);
  const px = slotOf(st, Slot.X);
  const t = slotOf(st, Slot.T);
  const c = slotOf(st, Slot.C);
  xFromF80(py, y);
  xFromF80(px, x);
  store<u32>(py, 0, 20);
  store<u32>(px, 0, 20);
  const steep = xExp(py) > xExp(px) || (xExp(py) == xExp(px) && xHigh(py) > xHigh(px));
  if (steep) {
    xCopy(t, px);
    xCopy(px, py);
    xCopy(py, t);
  }
  atanOfRatio(st);
  // pi/2 - t above the diagonal, then pi - t to the left.
  for (let i = 0; i < 2; i++) {
    if (i == 0 ? !steep : !left) continue;
    xSet(c, 0, i, PI_HIGH, PI_LOW);
    xSub(t, c, t);
  }
  store<u32>(t, sign, 20);
  xToF80(st, d, t, true);
}
