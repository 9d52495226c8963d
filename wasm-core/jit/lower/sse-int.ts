/** SSE integer arithmetic, logic, comparison and shifts: as assembly/interp/sse-int.ts and sse-mul.ts have them. */
import { type Emitter, L } from "../emitter.js";
import type { Insn } from "../region/machine-view.js";
import type { OpName } from "../wasm/ops.js";
import type { Lowering, Lowerings } from "./lowering.js";
import { control, lanes, pushLow, pushWhole, source, sse } from "./sse.js";
import { setFlagBits } from "./sse-flags.js";

/** Destination and source in L.V and L.W are combined by `write`, which leaves the result on the stack. */
const combined = (write: (e: Emitter, i: Insn) => void): Lowering =>
  sse((e, i) => {
    pushWhole(e, source(e, i.v.row.operands[1]!));
    e.code.set(L.W);
    e.vectors.push(i.reg);
    e.code.set(L.V);
    write(e, i);
    e.vectors.set(i.reg);
  });

const binary = (op: OpName): Lowering =>
  sse((e, i) => {
    const from = source(e, i.v.row.operands[1]!);
    e.vectors.push(i.reg);
    pushWhole(e, from);
    e.code.op(op);
    e.vectors.set(i.reg);
  });

const unary = (op: OpName): Lowering =>
  sse((e, i) => {
    pushWhole(e, source(e, i.v.row.operands[1]!));
    e.code.op(op);
    e.vectors.set(i.reg);
  });

const pandn = sse((e, i) => {
  pushWhole(e, source(e, i.v.row.operands[1]!));
  e.vectors.push(i.reg);
  e.code.op("v128.andnot");
  e.vectors.set(i.reg);
});

const ptest = sse((e, i) => {
  const c = e.code;
  pushWhole(e, source(e, i.v.row.operands[1]!));
  c.set(L.W);
  e.vectors.push(i.reg);
  c.get(L.W).op("v128.and").op("v128.any_true").op("i32.eqz").i32(6).op("i32.shl");
  c.get(L.W);
  e.vectors.push(i.reg);
  c.op("v128.andnot").op("v128.any_true").op("i32.eqz").op("i32.or");
  setFlagBits(e);
});

/** Negates where the source is negative and clears where it is zero. */
const sign = (width: "i8x16" | "i16x8" | "i32x4"): Lowering =>
  combined((e) => {
    const c = e.code;
    c.get(L.W).v128(0n, 0n).op(`${width}.lt_s`).set(L.R);
    c.get(L.V).get(L.R).op("v128.xor").get(L.R).op(`${width}.sub`);
    c.get(L.W).v128(0n, 0n).op(`${width}.eq`).op("v128.andnot");
  });

type Shift = readonly [op: OpName, width: 16 | 32 | 64, arithmetic: boolean];

/** A count beyond the lane clears it, or fills it with the sign. */
const shiftBy = ([op, width, arithmetic]: Shift): Lowering =>
  sse((e, i) => {
    const c = e.code;
    pushLow(e, source(e, i.v.row.operands[1]!), "i64");
    c.set(L.X);
    e.vectors.push(i.reg);
    const limit = width - 1;
    if (arithmetic) {
      c.get(L.X).i64(limit).get(L.X).i64(limit).op("i64.lt_u").op("select").op("i32.wrap_i64").op(op);
    } else {
      c.get(L.X).op("i32.wrap_i64").op(op);
      c.v128(0n, 0n).get(L.X).i64(limit).op("i64.le_u").op("select");
    }
    e.vectors.set(i.reg);
  });

const shiftImmediate = ([op, width, arithmetic]: Shift): Lowering =>
  sse((e, i) => {
    const n = control(i);
    if (n >= width && !arithmetic) e.code.v128(0n, 0n);
    else {
      e.vectors.push(i.rm);
      e.code.i32(Math.min(n, width - 1)).op(op);
    }
    e.vectors.set(i.rm);
  });

/** Bytes moved by `control`, zeros moved in: the upper vector of the shuffle is zero. */
const shiftBytes = (left: boolean): Lowering =>
  sse((e, i) => {
    const n = left ? -control(i) : control(i);
    e.vectors.push(i.rm);
    e.code.v128(0n, 0n).shuffle(Array.from({ length: 16 }, (_, k) => (k + n >= 0 && k + n < 16 ? k + n : 16)));
    e.vectors.set(i.rm);
  });

/** One half of each 32-bit product of words: the upper one for 1, the lower one for 0. */
const productWords = (signs: "s" | "u"): Lowering =>
  combined((e) => {
    e.code.get(L.V).get(L.W).op(`i32x4.extmul_low_i16x8_${signs}`);
    e.code.get(L.V).get(L.W).op(`i32x4.extmul_high_i16x8_${signs}`);
    e.code.shuffle(lanes(2, [1, 3, 5, 7, 9, 11, 13, 15]));
  });

const pmulhrsw = combined((e) => {
  const c = e.code;
  for (const half of ["low", "high"] as const) {
    c.get(L.V).get(L.W).op(`i32x4.extmul_${half}_i16x8_s`);
    c.i32(14).op("i32x4.shr_s").v128(0x0000000100000001n, 0x0000000100000001n).op("i32x4.add");
    c.i32(1).op("i32x4.shr_s");
  }
  c.shuffle(lanes(2, [0, 2, 4, 6, 8, 10, 12, 14]));
});

const productDwords = (signs: "s" | "u"): Lowering =>
  combined((e) => {
    for (const v of [L.V, L.W])
      e.code
        .get(v)
        .get(v)
        .shuffle(lanes(4, [0, 2, 0, 2]));
    e.code.op(`i64x2.extmul_low_i32x4_${signs}`);
  });

/** Unsigned bytes of the destination times signed bytes of the source, pairs added with saturation. */
const pmaddubsw = combined((e) => {
  const c = e.code;
  c.get(L.V).v128(0x00ff00ff00ff00ffn, 0x00ff00ff00ff00ffn).op("v128.and");
  c.get(L.W).i32(8).op("i16x8.shl").i32(8).op("i16x8.shr_s").op("i16x8.mul");
  c.get(L.V).i32(8).op("i16x8.shr_u").get(L.W).i32(8).op("i16x8.shr_s").op("i16x8.mul");
  c.op("i16x8.add_sat_s");
});

const psadbw = combined((e) => {
  const c = e.code;
  c.get(L.V).get(L.W).op("i8x16.sub_sat_u").get(L.W).get(L.V).op("i8x16.sub_sat_u").op("v128.or");
  c.op("i16x8.extadd_pairwise_i8x16_u").op("i32x4.extadd_pairwise_i16x8_u").set(L.R);
  c.get(L.R).v128(0xffffffffn, 0xffffffffn).op("v128.and");
  c.get(L.R).i32(32).op("i64x2.shr_u").op("i64x2.add");
});

/** Neighbours of the destination, then of the source, combined. */
const horizontal = (width: 2 | 4, op: OpName): Lowering =>
  combined((e) => {
    const all = Array.from({ length: 16 / width }, (_, k) => 2 * k);
    e.code.get(L.V).get(L.W).shuffle(lanes(width, all));
    e.code
      .get(L.V)
      .get(L.W)
      .shuffle(
        lanes(
          width,
          all.map((n) => n + 1),
        ),
      );
    e.code.op(op);
  });

const BINARY: Readonly<Record<string, OpName>> = {
  paddb: "i8x16.add",
  paddw: "i16x8.add",
  paddd: "i32x4.add",
  paddq: "i64x2.add",
  psubb: "i8x16.sub",
  psubw: "i16x8.sub",
  psubd: "i32x4.sub",
  psubq: "i64x2.sub",
  paddsb: "i8x16.add_sat_s",
  paddsw: "i16x8.add_sat_s",
  paddusb: "i8x16.add_sat_u",
  paddusw: "i16x8.add_sat_u",
  psubsb: "i8x16.sub_sat_s",
  psubsw: "i16x8.sub_sat_s",
  psubusb: "i8x16.sub_sat_u",
  psubusw: "i16x8.sub_sat_u",
  pavgb: "i8x16.avgr_u",
  pavgw: "i16x8.avgr_u",
  pcmpeqb: "i8x16.eq",
  pcmpeqw: "i16x8.eq",
  pcmpeqd: "i32x4.eq",
  pcmpeqq: "i64x2.eq",
  pcmpgtb: "i8x16.gt_s",
  pcmpgtw: "i16x8.gt_s",
  pcmpgtd: "i32x4.gt_s",
  pcmpgtq: "i64x2.gt_s",
  pminsb: "i8x16.min_s",
  pminub: "i8x16.min_u",
  pminsw: "i16x8.min_s",
  pminuw: "i16x8.min_u",
  pminsd: "i32x4.min_s",
  pminud: "i32x4.min_u",
  pmaxsb: "i8x16.max_s",
  pmaxub: "i8x16.max_u",
  pmaxsw: "i16x8.max_s",
  pmaxuw: "i16x8.max_u",
  pmaxsd: "i32x4.max_s",
  pmaxud: "i32x4.max_u",
  pand: "v128.and",
  por: "v128.or",
  pxor: "v128.xor",
  pmullw: "i16x8.mul",
  pmulld: "i32x4.mul",
  pmaddwd: "i32x4.dot_i16x8_s",
  packsswb: "i8x16.narrow_i16x8_s",
  packuswb: "i8x16.narrow_i16x8_u",
  packssdw: "i16x8.narrow_i32x4_s",
  packusdw: "i16x8.narrow_i32x4_u",
};

const SHIFTS: Readonly<Record<string, Shift>> = {
  psllw: ["i16x8.shl", 16, false],
  pslld: ["i32x4.shl", 32, false],
  psllq: ["i64x2.shl", 64, false],
  psrlw: ["i16x8.shr_u", 16, false],
  psrld: ["i32x4.shr_u", 32, false],
  psrlq: ["i64x2.shr_u", 64, false],
  psraw: ["i16x8.shr_s", 16, true],
  psrad: ["i32x4.shr_s", 32, true],
};

const shifts: Record<string, Lowering> = {};
for (const [name, shift] of Object.entries(SHIFTS)) {
  shifts[name] = shiftBy(shift);
  shifts[`${name}Imm`] = shiftImmediate(shift);
}

export const SSE_INT: Lowerings = {
  ...Object.fromEntries(Object.entries(BINARY).map(([name, op]) => [name, binary(op)])),
  ...shifts,
  pandn,
  ptest,
  pabsb: unary("i8x16.abs"),
  pabsw: unary("i16x8.abs"),
  pabsd: unary("i32x4.abs"),
  psignb: sign("i8x16"),
  psignw: sign("i16x8"),
  psignd: sign("i32x4"),
  pslldq: shiftBytes(true),
  psrldq: shiftBytes(false),
  pmulhw: productWords("s"),
  pmulhuw: productWords("u"),
  pmulhrsw,
  pmuludq: productDwords("u"),
  pmuldq: productDwords("s"),
  pmaddubsw,
  psadbw,
  phaddw: horizontal(2, "i16x8.add"),
  phaddd: horizontal(4, "i32x4.add"),
  phaddsw: horizontal(2, "i16x8.add_sat_s"),
  phsubw: horizontal(2, "i16x8.sub"),
  phsubd: horizontal(4, "i32x4.sub"),
  phsubsw: horizontal(2, "i16x8.sub_sat_s"),
};
