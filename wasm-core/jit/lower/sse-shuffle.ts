/** SSE shuffles, extensions, blends, insertions and extractions: as assembly/interp/sse-shuffle.ts has them. */
import { bitsOf } from "../../isa/variants.js";
import { L, type Size } from "../emitter.js";
import { memoryOperand } from "../operands.js";
import type { Insn } from "../region/machine-view.js";
import type { OpName } from "../wasm/ops.js";
import type { Lowering, Lowerings } from "./lowering.js";
import { control, lanes, pushLow, pushPart, pushWhole, source, sse, target } from "./sse.js";

/** Bytes of destination (0 to 15) and source (16 to 31) as the control byte has them. */
const shuffled = (bytes: (imm: number) => readonly number[]): Lowering =>
  sse((e, i) => {
    const from = source(e, i.v.row.operands[1]!);
    e.vectors.push(i.reg);
    pushWhole(e, from);
    e.code.shuffle(bytes(control(i)));
    e.vectors.set(i.reg);
  });

const interleaved = (width: number, high: boolean): Lowering => {
  const count = 8 / width;
  const base = high ? count : 0;
  return shuffled(() => lanes(width, Array.from({ length: count }, (_, k) => [base + k, 2 * count + base + k]).flat()));
};

const field = (imm: number, k: number): number => (imm >> (2 * k)) & 3;
const FOUR = [0, 1, 2, 3] as const;

const words =
  (high: boolean) =>
  (imm: number): number[] =>
    lanes(2, [...FOUR.map((k) => 8 + (high ? k : field(imm, k))), ...FOUR.map((k) => 12 + (high ? field(imm, k) : k))]);

/** Lane k of `width` bytes from the source where bit k is set. */
const blended = (width: number): Lowering =>
  shuffled((imm) =>
    lanes(
      width,
      Array.from({ length: 16 / width }, (_, k) => ((imm >> k) & 1 ? 16 / width + k : k)),
    ),
  );

const palignr = sse((e, i) => {
  const from = source(e, i.v.row.operands[1]!);
  const n = control(i);
  if (n < 16) {
    pushWhole(e, from);
    e.vectors.push(i.reg);
  } else {
    e.vectors.push(i.reg);
    e.code.v128(0n, 0n);
  }
  const start = Math.min(n < 16 ? n : n - 16, 16);
  e.code.shuffle(Array.from({ length: 16 }, (_, k) => start + k));
  e.vectors.set(i.reg);
});

const pshufb = sse((e, i) => {
  const from = source(e, i.v.row.operands[1]!);
  e.vectors.push(i.reg);
  pushWhole(e, from);
  e.code.v128(0x8f8f8f8f8f8f8f8fn, 0x8f8f8f8f8f8f8f8fn).op("v128.and").op("i8x16.swizzle");
  e.vectors.set(i.reg);
});

/** The sign of each lane of XMM0 selects. */
const variableBlend = (shift: OpName, by: number): Lowering =>
  sse((e, i) => {
    pushWhole(e, source(e, i.v.row.operands[1]!));
    e.vectors.push(i.reg);
    e.vectors.push(0);
    e.code.i32(by).op(shift).op("v128.bitselect");
    e.vectors.set(i.reg);
  });

const extended = (...ops: OpName[]): Lowering =>
  sse((e, i) => {
    const o = i.v.row.operands[1]!;
    pushPart(e, source(e, o), bitsOf(o, i.v));
    for (const op of ops) e.code.op(op);
    e.vectors.set(i.reg);
  });

const REPLACE: Readonly<Record<number, OpName>> = {
  8: "i8x16.replace_lane",
  16: "i16x8.replace_lane",
  32: "i32x4.replace_lane",
  64: "i64x2.replace_lane",
};
const EXTRACT: Readonly<Record<number, OpName>> = {
  8: "i8x16.extract_lane_u",
  16: "i16x8.extract_lane_u",
  32: "i32x4.extract_lane",
  64: "i64x2.extract_lane",
};
const LOAD: Readonly<Record<number, OpName>> = { 8: "i32.load8_u", 16: "i32.load16_u", 32: "i32.load", 64: "i64.load" };

const laneOf = (i: Insn, bits: number): number => control(i) & (128 / bits - 1);

/** `bits` 0: by the operand size. */
const inserted = (bits: number): Lowering =>
  sse((e, i) => {
    const o = i.v.row.operands[1]!;
    const size = bits || bitsOf(o, i.v);
    const memory = memoryOperand(o, i.v);
    if (memory) source(e, o);
    e.vectors.push(i.reg);
    if (memory) e.code.get(L.P).mem(LOAD[size]!);
    else e.pushRegister(i.rm, size === 64 ? 64 : 32);
    e.code.lane(REPLACE[size]!, laneOf(i, size));
    e.vectors.set(i.reg);
  });

/** To a general register or memory; PEXTRW has its register form in the other direction too. */
const extracted = (bits: number): Lowering =>
  sse((e, i) => {
    const [to, from] = i.v.row.operands as [(typeof i.v.row.operands)[0], (typeof i.v.row.operands)[0]];
    const size = bits || bitsOf(to, i.v);
    const memory = memoryOperand(to, i.v);
    if (memory) {
      target(e, to);
      e.code.get(L.P);
    }
    e.vectors.push(from.kind === "V" ? i.reg : i.rm);
    e.code.lane(EXTRACT[size]!, laneOf(i, size));
    if (memory) e.storeValue(size as Size);
    else e.setRegister(to.kind === "G" ? i.reg : i.rm, size === 64 ? 64 : 32);
  });

/** A doubleword into the lane of bits 5:4, then the lanes of the zero mask cleared. */
const insertps = sse((e, i) => {
  const imm = control(i);
  const from = source(e, i.v.row.operands[1]!);
  e.vectors.push(i.reg);
  if (from === "memory") pushLow(e, from, "i32");
  else {
    e.vectors.push(from);
    e.code.lane("i32x4.extract_lane", imm >> 6);
  }
  e.code.lane("i32x4.replace_lane", (imm >> 4) & 3);
  const keep = FOUR.map((k) => ((imm >> k) & 1 ? 0n : 0xffffffffn));
  if (imm & 15) e.code.v128(keep[0]! | (keep[1]! << 32n), keep[2]! | (keep[3]! << 32n)).op("v128.and");
  e.vectors.set(i.reg);
});

export const SSE_SHUFFLE: Lowerings = {
  punpcklbw: interleaved(1, false),
  punpcklwd: interleaved(2, false),
  punpckldq: interleaved(4, false),
  punpcklqdq: interleaved(8, false),
  punpckhbw: interleaved(1, true),
  punpckhwd: interleaved(2, true),
  punpckhdq: interleaved(4, true),
  punpckhqdq: interleaved(8, true),
  pmovsxbw: extended("i16x8.extend_low_i8x16_s"),
  pmovsxbd: extended("i16x8.extend_low_i8x16_s", "i32x4.extend_low_i16x8_s"),
  pmovsxbq: extended("i16x8.extend_low_i8x16_s", "i32x4.extend_low_i16x8_s", "i64x2.extend_low_i32x4_s"),
  pmovsxwd: extended("i32x4.extend_low_i16x8_s"),
  pmovsxwq: extended("i32x4.extend_low_i16x8_s", "i64x2.extend_low_i32x4_s"),
  pmovsxdq: extended("i64x2.extend_low_i32x4_s"),
  pmovzxbw: extended("i16x8.extend_low_i8x16_u"),
  pmovzxbd: extended("i16x8.extend_low_i8x16_u", "i32x4.extend_low_i16x8_u"),
  pmovzxbq: extended("i16x8.extend_low_i8x16_u", "i32x4.extend_low_i16x8_u", "i64x2.extend_low_i32x4_u"),
  pmovzxwd: extended("i32x4.extend_low_i16x8_u"),
  pmovzxwq: extended("i32x4.extend_low_i16x8_u", "i64x2.extend_low_i32x4_u"),
  pmovzxdq: extended("i64x2.extend_low_i32x4_u"),
  pshufb,
  pshufd: shuffled((imm) =>
    lanes(
      4,
      FOUR.map((k) => 4 + field(imm, k)),
    ),
  ),
  pshuflw: shuffled(words(false)),
  pshufhw: shuffled(words(true)),
  shufps: shuffled((imm) =>
    lanes(
      4,
      FOUR.map((k) => (k < 2 ? 0 : 4) + field(imm, k)),
    ),
  ),
  shufpd: shuffled((imm) => lanes(8, [imm & 1, 2 + ((imm >> 1) & 1)])),
  palignr,
  blendps: blended(4),
  blendpd: blended(8),
  pblendw: blended(2),
  pblendvb: variableBlend("i8x16.shr_s", 7),
  blendvps: variableBlend("i32x4.shr_s", 31),
  blendvpd: variableBlend("i64x2.shr_s", 63),
  pinsrb: inserted(8),
  pinsrw: inserted(16),
  pinsr: inserted(0),
  insertps,
  insertpsMem: insertps,
  pextrb: extracted(8),
  pextrbMem: extracted(8),
  pextrw: extracted(16),
  pextrwMem: extracted(16),
  pextr: extracted(0),
};
