/** SSE conversions and rounding: assembly/interp/sse-convert.ts and sse-round.ts, as far as the host does the same. */
import { bitsOf } from "../../isa/variants.js";
import { type Emitter, L, type Size } from "../emitter.js";
import { memoryOperand } from "../operands.js";
import type { Insn } from "../region/machine-view.js";
import type { OpName } from "../wasm/ops.js";
import type { Lowering, Lowerings } from "./lowering.js";
import { control, pushLow, pushPart, pushWhole, source, sse } from "./sse.js";
import {
  type Format,
  minNormal,
  orHandler,
  pushDenormals,
  pushNormal,
  requireAll,
  requireMode,
  requirePlain,
  requirePrecision,
} from "./sse-host.js";

const second = (i: Insn) => i.v.row.operands[1]!;
const replace = (f: Format): OpName => (f === "f64" ? "f64x2.replace_lane" : "f32x4.replace_lane");

function setLow(e: Emitter, f: Format, n: number, local: number): void {
  e.vectors.push(n);
  e.code.get(local).lane(replace(f), 0);
  e.vectors.set(n);
}

// Between the formats.

const cvtss2sd = sse((e, i) => {
  const from = source(e, second(i));
  orHandler(e, (slow) => {
    pushLow(e, from, "f32");
    e.code.set(L.F);
    requirePlain(e, "f32", L.F, slow);
    requireMode(e, slow);
    e.code.get(L.F).op("f64.promote_f32").set(L.D);
    setLow(e, "f64", i.reg, L.D);
  });
});

const cvtsd2ss = sse((e, i) => {
  const from = source(e, second(i));
  const c = e.code;
  orHandler(e, (slow) => {
    pushLow(e, from, "f64");
    c.tee(L.D).op("f32.demote_f64").set(L.F);
    pushNormal(e, "f32", L.F);
    c.get(L.D).f64(0).op("f64.eq").op("i32.or").op("i32.eqz").brIf(slow, "unlikely");
    requirePrecision(e, slow, () => c.get(L.F).op("f64.promote_f32").get(L.D).op("f64.eq"));
    setLow(e, "f32", i.reg, L.F);
  });
});

/** Pushes the low half of the operand, zeros above it. */
function pushLowHalf(e: Emitter, i: Insn): void {
  const from = source(e, second(i));
  pushPart(e, from, 64);
  if (from !== "memory") e.code.v128(-1n, 0n).op("v128.and");
}

const cvtps2pd = sse((e, i) => {
  const c = e.code;
  pushLowHalf(e, i);
  c.set(L.V);
  orHandler(e, (slow) => {
    c.get(L.V).get(L.V).op("f32x4.eq");
    pushDenormals(e, "f32", L.V);
    c.op("v128.andnot");
    requireAll(e, "f32", slow);
    requireMode(e, slow);
    c.get(L.V).op("f64x2.promote_low_f32x4");
    e.vectors.set(i.reg);
  });
});

const cvtpd2ps = sse((e, i) => {
  const from = source(e, second(i));
  const c = e.code;
  const smallest = new BigUint64Array(new Float64Array([minNormal("f32")]).buffer)[0]!;
  const infinity = 0x7ff0_0000_0000_0000n;
  orHandler(e, (slow) => {
    pushWhole(e, from);
    c.tee(L.V).op("f32x4.demote_f64x2_zero").tee(L.R).op("f64x2.promote_low_f32x4").set(L.W);
    c.get(L.W).op("f64x2.abs").v128(smallest, smallest).op("f64x2.gt");
    c.get(L.W).op("f64x2.abs").v128(infinity, infinity).op("f64x2.lt").op("v128.and");
    c.get(L.V).v128(0n, 0n).op("f64x2.eq").op("v128.or");
    requireAll(e, "f64", slow);
    requirePrecision(e, slow, () => c.get(L.V).get(L.W).op("f64x2.eq").op("i64x2.all_true"));
    c.get(L.R);
    e.vectors.set(i.reg);
  });
});

// From integers.

const cvtdq2pd = sse((e, i) => {
  pushLowHalf(e, i);
  e.code.op("f64x2.convert_low_i32x4_s");
  e.vectors.set(i.reg);
});

const cvtdq2ps = sse((e, i) => {
  const from = source(e, second(i));
  orHandler(e, (slow) => {
    requirePrecision(e, slow);
    pushWhole(e, from);
    e.code.op("f32x4.convert_i32x4_s");
    e.vectors.set(i.reg);
  });
});

/** Leaves the general register or memory operand in L.X, sign-extended. */
function readInteger(e: Emitter, i: Insn): void {
  const bits = bitsOf(second(i), i.v);
  const c = e.code;
  if (memoryOperand(second(i), i.v)) pushLow(e, source(e, second(i)), bits === 64 ? "i64" : "i32");
  else e.pushRegister(i.rm, bits as Size);
  if (bits !== 64) c.op("i64.extend_i32_s");
  c.set(L.X);
}

const fromInteger = (f: Format, convert: OpName): Lowering =>
  sse((e, i) => {
    const local = f === "f64" ? L.D : L.F;
    const c = e.code;
    const write = (): void => {
      c.get(L.X).op(convert).set(local);
      setLow(e, f, i.reg, local);
    };
    readInteger(e, i);
    if (f === "f64" && i.v.size !== 64) {
      write();
      return;
    }
    // Magnitudes up to 2 to the power of the precision are exact.
    const limit = f === "f64" ? 1n << 53n : 1n << 24n;
    orHandler(e, (slow) => {
      requirePrecision(e, slow, () =>
        c
          .get(L.X)
          .i64(limit)
          .op("i64.add")
          .i64(2n * limit)
          .op("i64.le_u"),
      );
      write();
    });
  });

// To integers.

const toInteger = (f: Format, round: "trunc" | "nearest"): Lowering =>
  sse((e, i) => {
    const size = i.v.size as Size;
    const from = source(e, second(i));
    const v = f === "f64" ? L.D : L.F;
    const r = v + 1;
    const c = e.code;
    const limit = size === 64 ? 2 ** 63 : 2147483647;
    orHandler(e, (slow) => {
      pushLow(e, from, f);
      c.tee(v).op(`${f}.abs`);
      if (f === "f64") c.f64(limit);
      else c.f32(limit);
      c.op(`${f}.lt`).op("i32.eqz").brIf(slow, "unlikely");
      c.get(v).op(`${f}.${round}`).set(r);
      requirePrecision(e, slow, () => c.get(v).get(r).op(`${f}.eq`));
      c.get(r).op(`${size === 64 ? "i64" : "i32"}.trunc_sat_${f}_s`);
      e.setRegister(i.reg, size);
    });
  });

const toIntegers = (f: Format, round: "trunc" | "nearest"): Lowering =>
  sse((e, i) => {
    const from = source(e, second(i));
    const s = f === "f64" ? "f64x2" : "f32x4";
    const c = e.code;
    // 2147483647.0 and, in single precision, 2147483648.0.
    const limit = f === "f64" ? 0x41df_ffff_ffc0_0000n : 0x4f00_0000_4f00_0000n;
    orHandler(e, (slow) => {
      pushWhole(e, from);
      c.tee(L.V).op(`${s}.abs`).v128(limit, limit).op(`${s}.lt`);
      requireAll(e, f, slow);
      c.get(L.V).op(`${s}.${round}`).set(L.R);
      requirePrecision(e, slow, () => {
        c.get(L.V).get(L.R).op(`${s}.eq`);
        c.op(f === "f64" ? "i64x2.all_true" : "i32x4.all_true");
      });
      c.get(L.R).op(f === "f64" ? "i32x4.trunc_sat_f64x2_s_zero" : "i32x4.trunc_sat_f32x4_s");
      e.vectors.set(i.reg);
    });
  });

// ROUNDSD and its kin: 1:0 the rounding, 2 take MXCSR's, which is to nearest, 3 no PE.

const ROUNDINGS = ["nearest", "floor", "ceil", "trunc"] as const;
const roundingOf = (imm: number): (typeof ROUNDINGS)[number] => ROUNDINGS[imm & 4 ? 0 : imm & 3]!;

const roundScalar = (f: Format): Lowering =>
  sse((e, i) => {
    const imm = control(i);
    const from = source(e, second(i));
    const v = f === "f64" ? L.D : L.F;
    const r = v + 1;
    const c = e.code;
    orHandler(e, (slow) => {
      pushLow(e, from, f);
      c.tee(v).get(v).op(`${f}.ne`).brIf(slow, "unlikely");
      c.get(v)
        .op(`${f}.${roundingOf(imm)}`)
        .set(r);
      if (imm & 8) requireMode(e, slow);
      else requirePrecision(e, slow, () => c.get(v).get(r).op(`${f}.eq`));
      setLow(e, f, i.reg, r);
    });
  });

const roundPacked = (f: Format): Lowering =>
  sse((e, i) => {
    const imm = control(i);
    const from = source(e, second(i));
    const s = f === "f64" ? "f64x2" : "f32x4";
    const c = e.code;
    orHandler(e, (slow) => {
      pushWhole(e, from);
      c.tee(L.V).get(L.V).op(`${s}.eq`);
      requireAll(e, f, slow);
      c.get(L.V)
        .op(`${s}.${roundingOf(imm)}`)
        .set(L.R);
      if (imm & 8) requireMode(e, slow);
      else {
        requirePrecision(e, slow, () => {
          c.get(L.V).get(L.R).op(`${s}.eq`);
          c.op(f === "f64" ? "i64x2.all_true" : "i32x4.all_true");
        });
      }
      c.get(L.R);
      e.vectors.set(i.reg);
    });
  });

export const SSE_CONVERT: Lowerings = {
  cvtss2sd,
  cvtsd2ss,
  cvtps2pd,
  cvtpd2ps,
  cvtdq2pd,
  cvtdq2ps,
  cvtsi2ss: fromInteger("f32", "f32.convert_i64_s"),
  cvtsi2sd: fromInteger("f64", "f64.convert_i64_s"),
  cvtss2si: toInteger("f32", "nearest"),
  cvttss2si: toInteger("f32", "trunc"),
  cvtsd2si: toInteger("f64", "nearest"),
  cvttsd2si: toInteger("f64", "trunc"),
  cvtps2dq: toIntegers("f32", "nearest"),
  cvttps2dq: toIntegers("f32", "trunc"),
  cvtpd2dq: toIntegers("f64", "nearest"),
  cvttpd2dq: toIntegers("f64", "trunc"),
  roundss: roundScalar("f32"),
  roundsd: roundScalar("f64"),
  roundps: roundPacked("f32"),
  roundpd: roundPacked("f64"),
};
