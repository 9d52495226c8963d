/** SSE floating-point arithmetic on the host's, where that is the same: assembly/interp/sse-arith.ts. */
import { type Emitter, L } from "../emitter.js";
import type { Label } from "../wasm/code.js";
import type { OpName } from "../wasm/ops.js";
import type { Lowering, Lowerings } from "./lowering.js";
import { lanes, pushLow, pushWhole, source, sse } from "./sse.js";
import {
  type Format,
  orHandler,
  pushDenormals,
  pushFinites,
  pushNormal,
  pushNormals,
  pushZeros,
  refuseDenormal,
  requireAll,
  requireComparable,
  requireFinite,
  requireMode,
  requirePlain,
  requirePrecision,
} from "./sse-host.js";

type Operation = "add" | "sub" | "mul" | "div" | "sqrt";

/** Operands and result of a scalar operation. */
const locals = (f: Format): readonly [a: number, b: number, r: number] => {
  const first = f === "f64" ? L.D : L.F;
  return [first, first + 1, first + 2];
};

/** Significands of at most 26 bits have a product of at most 53. */
const LOW_HALF = 0x7ff_ffffn;

/** Pushes 1 when the low halves of both significands are zero. */
function pushShort(e: Emitter, a: number, b: number): void {
  const c = e.code.get(a).op("i64.reinterpret_f64");
  if (b !== a) c.get(b).op("i64.reinterpret_f64").op("i64.or");
  c.i64(LOW_HALF).op("i64.and").op("i64.eqz");
}

/** Pushes 1 when x * y is z exactly. False for some products of doubles that are. */
function pushProduct(e: Emitter, f: Format, x: number, y: number, z: number): void {
  const c = e.code;
  if (f === "f64") {
    pushShort(e, x, y);
    c.get(x).get(y).op("f64.mul").get(z).op("f64.eq").op("i32.and");
  } else {
    c.get(x).op("f64.promote_f32").get(y).op("f64.promote_f32").op("f64.mul");
    c.get(z).op("f64.promote_f32").op("f64.eq");
  }
}

/**
 * Pushes 1 when a + b is r exactly, or a - b. Of the two differences that with the greater operand is exact, so both
 * agree with the other operand only when nothing was lost (the fast two-sum of Dekker).
 */
function pushSum(e: Emitter, f: Format, op: "add" | "sub", [a, b, r]: readonly [number, number, number]): void {
  const c = e.code;
  if (op === "add") c.get(r).get(a);
  else c.get(a).get(r);
  c.op(`${f}.sub`).get(b).op(`${f}.eq`);
  c.get(r)
    .get(b)
    .op(op === "add" ? `${f}.sub` : `${f}.add`);
  c.get(a).op(`${f}.eq`).op("i32.and");
}

function pushExact(e: Emitter, f: Format, op: Operation): void {
  const [a, b, r] = locals(f);
  if (op === "add" || op === "sub") pushSum(e, f, op, [a, b, r]);
  else if (op === "mul") pushProduct(e, f, a, b, r);
  else if (op === "div") pushProduct(e, f, r, b, a);
  else pushProduct(e, f, r, r, b);
}

/** A product or quotient is normal, or a zero that comes from a zero. */
function requireNormalOrZero(e: Emitter, f: Format, op: "mul" | "div", slow: Label): void {
  const [a, b, r] = locals(f);
  const c = e.code;
  const isZero = (local: number): void => {
    c.get(local);
    if (f === "f64") c.f64(0);
    else c.f32(0);
    c.op(`${f}.eq`);
  };
  pushNormal(e, f, r);
  c.op("i32.eqz").if();
  isZero(a);
  if (op === "mul") {
    isZero(b);
    c.op("i32.or");
  }
  isZero(r);
  c.op("i32.and").op("i32.eqz").brIf(slow, "unlikely");
  c.end();
}

const replace = (f: Format): OpName => (f === "f64" ? "f64x2.replace_lane" : "f32x4.replace_lane");

const scalar = (f: Format, op: Operation): Lowering =>
  sse((e, i) => {
    const from = source(e, i.v.row.operands[1]!);
    const [a, b, r] = locals(f);
    const c = e.code;
    orHandler(e, (slow) => {
      pushLow(e, from, f);
      c.set(b);
      if (op !== "sqrt") {
        pushLow(e, i.reg, f);
        c.set(a);
        refuseDenormal(e, f, a, slow);
        c.get(a);
      }
      c.get(b).op(`${f}.${op}`).set(r);
      refuseDenormal(e, f, b, slow);
      if (op === "mul" || op === "div") requireNormalOrZero(e, f, op, slow);
      else requireFinite(e, f, r, slow);
      requirePrecision(e, slow, () => pushExact(e, f, op));
      e.vectors.push(i.reg);
      c.get(r).lane(replace(f), 0);
      e.vectors.set(i.reg);
    });
  });

const shape = (f: Format): "f32x4" | "f64x2" => (f === "f64" ? "f64x2" : "f32x4");

/** Goes on when all lanes of L.R were computed from L.V and L.W as the guest's processor would. */
function requireGoodLanes(e: Emitter, f: Format, op: Operation, slow: Label): void {
  const s = shape(f);
  const c = e.code;
  pushFinites(e, f, L.R);
  if (op === "mul" || op === "div") {
    pushNormals(e, f, L.R);
    c.get(L.V);
    pushZeros(e);
    c.op(`${s}.eq`).op("v128.or");
    if (op === "mul") {
      c.get(L.W);
      pushZeros(e);
      c.op(`${s}.eq`).op("v128.or");
    }
    c.op("v128.and");
  }
  pushDenormals(e, f, L.W);
  if (op !== "sqrt") {
    pushDenormals(e, f, L.V);
    c.op("v128.or");
  }
  c.op("v128.andnot");
  requireAll(e, f, slow);
}

/** Pushes 1 when all sums are exact, as pushSum. */
function pushSums(e: Emitter, f: Format, op: "add" | "sub"): void {
  const s = shape(f);
  const c = e.code;
  if (op === "add") c.get(L.R).get(L.V);
  else c.get(L.V).get(L.R);
  c.op(`${s}.sub`).get(L.W).op(`${s}.eq`);
  c.get(L.R)
    .get(L.W)
    .op(op === "add" ? `${s}.sub` : `${s}.add`);
  c.get(L.V).op(`${s}.eq`).op("v128.and");
  c.op(f === "f64" ? "i64x2.all_true" : "i32x4.all_true");
}

/** `arrange` finds the operands in L.V (destination) and L.W (source) and may put others there. */
const packed = (f: Format, op: Operation, arrange: (e: Emitter) => void = () => {}): Lowering =>
  sse((e, i) => {
    const from = source(e, i.v.row.operands[1]!);
    const c = e.code;
    orHandler(e, (slow) => {
      pushWhole(e, from);
      c.set(L.W);
      if (op !== "sqrt") {
        e.vectors.push(i.reg);
        c.set(L.V);
      }
      arrange(e);
      if (op !== "sqrt") c.get(L.V);
      c.get(L.W)
        .op(`${shape(f)}.${op}`)
        .set(L.R);
      requireGoodLanes(e, f, op, slow);
      requirePrecision(e, slow, op === "add" || op === "sub" ? () => pushSums(e, f, op) : undefined);
      c.get(L.R);
      e.vectors.set(i.reg);
    });
  });

/** Even lanes of both operands against odd ones. */
const pairs =
  (f: Format) =>
  (e: Emitter): void => {
    const width = f === "f64" ? 8 : 4;
    const even = Array.from({ length: 16 / width }, (_, k) => 2 * k);
    e.code.get(L.V).get(L.W).shuffle(lanes(width, even));
    e.code
      .get(L.V)
      .get(L.W)
      .shuffle(
        lanes(
          width,
          even.map((n) => n + 1),
        ),
      );
    e.code.set(L.W).set(L.V);
  };

/** ADDSUB adds a source whose even lanes are negated. */
const alternating =
  (f: Format) =>
  (e: Emitter): void => {
    const half = f === "f64" ? 0x8000_0000_0000_0000n : 0x8000_0000n;
    e.code
      .get(L.W)
      .v128(half, f === "f64" ? 0n : half)
      .op("v128.xor")
      .set(L.W);
  };

/** MIN and MAX: wasm's pseudo-minimum with its operands exchanged is x86's. */
const packedSelect = (f: Format, op: "pmin" | "pmax"): Lowering =>
  sse((e, i) => {
    const from = source(e, i.v.row.operands[1]!);
    const s = shape(f);
    const c = e.code;
    orHandler(e, (slow) => {
      pushWhole(e, from);
      c.set(L.W);
      e.vectors.push(i.reg);
      requireComparable(e, f, slow);
      c.get(L.W).get(L.V).op(`${s}.${op}`);
      e.vectors.set(i.reg);
    });
  });

const scalarSelect = (f: Format, order: "lt" | "gt"): Lowering =>
  sse((e, i) => {
    const from = source(e, i.v.row.operands[1]!);
    const [a, b] = locals(f);
    const c = e.code;
    orHandler(e, (slow) => {
      pushLow(e, from, f);
      c.set(b);
      pushLow(e, i.reg, f);
      c.set(a);
      requirePlain(e, f, a, slow);
      requirePlain(e, f, b, slow);
      requireMode(e, slow);
      e.vectors.push(i.reg);
      c.get(a).get(b).get(a).get(b).op(`${f}.${order}`).op("select").lane(replace(f), 0);
      e.vectors.set(i.reg);
    });
  });

const OPERATIONS: readonly Operation[] = ["add", "sub", "mul", "div", "sqrt"];
const arithmetic: Record<string, Lowering> = {};
for (const op of OPERATIONS) {
  arithmetic[`${op}ss`] = scalar("f32", op);
  arithmetic[`${op}sd`] = scalar("f64", op);
  arithmetic[`${op}ps`] = packed("f32", op);
  arithmetic[`${op}pd`] = packed("f64", op);
}

export const SSE_ARITH: Lowerings = {
  ...arithmetic,
  haddps: packed("f32", "add", pairs("f32")),
  haddpd: packed("f64", "add", pairs("f64")),
  hsubps: packed("f32", "sub", pairs("f32")),
  hsubpd: packed("f64", "sub", pairs("f64")),
  addsubps: packed("f32", "add", alternating("f32")),
  addsubpd: packed("f64", "add", alternating("f64")),
  minss: scalarSelect("f32", "lt"),
  minsd: scalarSelect("f64", "lt"),
  maxss: scalarSelect("f32", "gt"),
  maxsd: scalarSelect("f64", "gt"),
  minps: packedSelect("f32", "pmin"),
  minpd: packedSelect("f64", "pmin"),
  maxps: packedSelect("f32", "pmax"),
  maxpd: packedSelect("f64", "pmax"),
};
