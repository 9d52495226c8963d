/**
 * When the host's own arithmetic stands in for the guest's: MXCSR rounds to nearest without DAZ or FTZ and masks every
 * exception, operands are zero or normal, and the result raises nothing but PE, which is sticky already or is not raised.
 * All else is the handler's. The conditions are those of assembly/interp/sse-fp.ts.
 */
import { Vcpu } from "../../abi/structs/vcpu.js";
import { type Emitter, L } from "../emitter.js";
import type { Label } from "../wasm/code.js";
import { Type } from "../wasm/ops.js";

export type Format = "f32" | "f64";

/** Numbers of a format without their sign, doubled, as integers; and as vectors. */
interface Limits {
  readonly minNormal: number;
  readonly doubledMin: bigint;
  readonly doubledInfinity: bigint;
  readonly vectorMin: bigint;
  readonly vectorInfinity: bigint;
}

const LIMITS: Readonly<Record<Format, Limits>> = {
  f32: {
    minNormal: 2 ** -126,
    doubledMin: 0x0100_0000n,
    doubledInfinity: 0xff00_0000n,
    vectorMin: 0x0080_0000_0080_0000n,
    vectorInfinity: 0x7f80_0000_7f80_0000n,
  },
  f64: {
    minNormal: 2 ** -1022,
    doubledMin: 0x0020_0000_0000_0000n,
    doubledInfinity: 0xffe0_0000_0000_0000n,
    vectorMin: 0x0010_0000_0000_0000n,
    vectorInfinity: 0x7ff0_0000_0000_0000n,
  },
};

export const minNormal = (f: Format): number => LIMITS[f].minNormal;

const MASKS = 0x1f80;
/** Masks, rounding, DAZ and FTZ. */
const MODE = 0xffc0;
const PE = 0x20;

/**
 * `fast` branches to the label it is given while nothing has been done yet. From there the interpreter does it all, which is
 * seldom: behind a call, even one that is not made, the host's compiler would keep what is still needed in memory. Where it
 * was not seldom the handler is called.
 */
export function orHandler(e: Emitter, fast: (slow: Label) => void, after: () => void = () => {}): void {
  const c = e.code;
  const done = c.block();
  const slow = c.block();
  fast(slow);
  c.br(done);
  c.end();
  if (e.missesSse) {
    e.rareHandler();
    after();
  } else {
    c.get(L.CPU).i32(1).mem("i32.store", Vcpu.off.missedSse);
    e.leave();
  }
  c.end();
}

function pushMxcsr(e: Emitter, bits: number): void {
  e.code.get(L.CPU).mem("i32.load", Vcpu.off.mxcsr).i32(bits).op("i32.and");
}

export function requireMode(e: Emitter, slow: Label): void {
  pushMxcsr(e, MODE);
  e.code.i32(MASKS).op("i32.ne").brIf(slow, "unlikely");
}

/** The same, and that PE is sticky or the result exact, which `exact` pushes; without it exactness cannot be told. */
export function requirePrecision(e: Emitter, slow: Label, exact?: () => void): void {
  const c = e.code;
  pushMxcsr(e, MODE | PE);
  c.i32(MASKS | PE).op("i32.ne");
  if (exact === undefined) {
    c.brIf(slow, "unlikely");
    return;
  }
  c.if(Type.VOID, "unlikely");
  requireMode(e, slow);
  exact();
  c.op("i32.eqz").brIf(slow, "unlikely");
  c.end();
}

/** Pushes the bits of the number in `local`, doubled, and leaves them in L.X or L.I. */
function pushDoubled(e: Emitter, f: Format, local: number): void {
  const c = e.code.get(local);
  if (f === "f64") c.op("i64.reinterpret_f64").i64(1).op("i64.shl").tee(L.X);
  else c.op("i32.reinterpret_f32").i32(1).op("i32.shl").tee(L.I);
}

function pushDoubledConstant(e: Emitter, f: Format, value: bigint): void {
  if (f === "f64") e.code.i64(BigInt.asIntN(64, value));
  else e.code.i32(Number(BigInt.asIntN(32, value)));
}

const integer = (f: Format): "i32" | "i64" => (f === "f64" ? "i64" : "i32");

/** The number in `local` must not be a denormal. */
export function refuseDenormal(e: Emitter, f: Format, local: number, slow: Label): void {
  const i = integer(f);
  pushDoubled(e, f, local);
  pushDoubledConstant(e, f, 1n);
  e.code.op(`${i}.sub`);
  pushDoubledConstant(e, f, LIMITS[f].doubledMin - 1n);
  e.code.op(`${i}.lt_u`).brIf(slow, "unlikely");
}

/** Nor a NaN. */
export function requirePlain(e: Emitter, f: Format, local: number, slow: Label): void {
  const i = integer(f);
  const { doubledMin, doubledInfinity } = LIMITS[f];
  pushDoubled(e, f, local);
  pushDoubledConstant(e, f, doubledMin);
  e.code.op(`${i}.sub`);
  pushDoubledConstant(e, f, doubledInfinity - doubledMin);
  e.code.op(`${i}.gt_u`).if();
  if (f === "f64") e.code.get(L.X).i64(0).op("i64.ne");
  else e.code.get(L.I);
  e.code.brIf(slow, "unlikely").end();
}

export function requireFinite(e: Emitter, f: Format, local: number, slow: Label): void {
  pushDoubled(e, f, local);
  pushDoubledConstant(e, f, LIMITS[f].doubledInfinity);
  e.code.op(`${integer(f)}.ge_u`).brIf(slow, "unlikely");
}

/** Pushes 1 when the number is finite and above the smallest normal one, which may have been rounded up to. */
export function pushNormal(e: Emitter, f: Format, local: number): void {
  const i = integer(f);
  const { doubledMin, doubledInfinity } = LIMITS[f];
  pushDoubled(e, f, local);
  pushDoubledConstant(e, f, doubledMin + 2n);
  e.code.op(`${i}.sub`);
  pushDoubledConstant(e, f, doubledInfinity - doubledMin - 2n);
  e.code.op(`${i}.lt_u`);
}

const shape = (f: Format): "f32x4" | "f64x2" => (f === "f64" ? "f64x2" : "f32x4");

export function pushZeros(e: Emitter): void {
  e.code.v128(0n, 0n);
}

/** Pushes all ones in the lanes that hold a denormal. */
export function pushDenormals(e: Emitter, f: Format, local: number): void {
  const s = shape(f);
  const { vectorMin } = LIMITS[f];
  e.code.get(local).op(`${s}.abs`).v128(vectorMin, vectorMin).op(`${s}.lt`);
  e.code.get(local);
  pushZeros(e);
  e.code.op(`${s}.ne`).op("v128.and");
}

export function pushFinites(e: Emitter, f: Format, local: number): void {
  const s = shape(f);
  const { vectorInfinity } = LIMITS[f];
  e.code.get(local).op(`${s}.abs`).v128(vectorInfinity, vectorInfinity).op(`${s}.lt`);
}

/** Pushes all ones in the lanes whose magnitude is above the smallest normal number. */
export function pushNormals(e: Emitter, f: Format, local: number): void {
  const s = shape(f);
  const { vectorMin } = LIMITS[f];
  e.code.get(local).op(`${s}.abs`).v128(vectorMin, vectorMin).op(`${s}.gt`);
}

/** Every lane of the mask on the stack must be set. */
export function requireAll(e: Emitter, f: Format, slow: Label): void {
  e.code
    .op(f === "f64" ? "i64x2.all_true" : "i32x4.all_true")
    .op("i32.eqz")
    .brIf(slow, "unlikely");
}

/** Takes the vector on the stack into L.V; every element of it and of L.W must be ordered and no denormal. */
export function requireComparable(e: Emitter, f: Format, slow: Label): void {
  const s = shape(f);
  const c = e.code;
  c.tee(L.V).get(L.V).op(`${s}.eq`);
  c.get(L.W).get(L.W).op(`${s}.eq`).op("v128.and");
  pushDenormals(e, f, L.V);
  pushDenormals(e, f, L.W);
  c.op("v128.or").op("v128.andnot");
  requireAll(e, f, slow);
  requireMode(e, slow);
}
