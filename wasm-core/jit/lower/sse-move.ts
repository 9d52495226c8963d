/** SSE moves: as assembly/interp/sse-move.ts has them. */
import { bitsOf } from "../../isa/variants.js";
import { type Emitter, L, type Size } from "../emitter.js";
import { memoryOperand } from "../operands.js";
import type { Insn } from "../region/machine-view.js";
import type { OpName } from "../wasm/ops.js";
import type { Lowering, Lowerings, ValueLowering } from "./lowering.js";
import { lanes, pushLow, pushPart, pushWhole, source, sse, target } from "./sse.js";
import { value } from "./value.js";

const first = (i: Insn) => i.v.row.operands[0]!;
const second = (i: Insn) => i.v.row.operands[1]!;

/** 128 bits: the one of the operands that is memory is opened. */
const mov128 = sse((e, i) => {
  const to = target(e, first(i));
  if (to === "memory") {
    e.code.get(L.P);
    pushWhole(e, source(e, second(i)));
    e.code.mem("v128.store");
    return;
  }
  pushWhole(e, source(e, second(i)));
  e.vectors.set(to);
});

/** A lane of `bits`, the rest of a register kept. */
const movLane = (bits: 32 | 64): Lowering =>
  sse((e, i) => {
    const to = target(e, first(i));
    const from = i.v.row.operands[1]!.kind === "V" ? i.reg : i.rm;
    if (to === "memory") {
      storeLane(e, from, bits, 0);
      return;
    }
    e.vectors.push(to);
    e.vectors.push(from);
    const n = bits / 8;
    e.code.shuffle(Array.from({ length: 16 }, (_, k) => (k < n ? 16 + k : k)));
    e.vectors.set(to);
  });

function storeLane(e: Emitter, from: number, bits: number, lane: number): void {
  e.code.get(L.P);
  e.vectors.push(from);
  e.code.memLane(bits === 32 ? "v128.store32_lane" : "v128.store64_lane", lane);
}

/** Memory into a register, the rest cleared. */
const loadZero = (bits: 32 | 64): Lowering =>
  sse((e, i) => {
    pushPart(e, source(e, second(i)), bits);
    e.vectors.set(i.reg);
  });

/** MOVD and MOVQ from a general register or memory. */
const movZx = sse((e, i) => {
  const bits = bitsOf(second(i), i.v);
  if (memoryOperand(second(i), i.v)) pushPart(e, source(e, second(i)), bits);
  else {
    e.code.v128(0n, 0n);
    e.pushRegister(i.rm, bits as Size);
    e.code.lane(bits === 64 ? "i64x2.replace_lane" : "i32x4.replace_lane", 0);
  }
  e.vectors.set(i.reg);
});

const movLow = sse((e, i) => {
  const bits = bitsOf(first(i), i.v);
  if (target(e, first(i)) === "memory") {
    storeLane(e, i.reg, bits, 0);
    return;
  }
  pushLow(e, i.reg, bits === 64 ? "i64" : "i32");
  e.setRegister(i.rm, bits as Size);
});

const movq = sse((e, i) => {
  const from = source(e, second(i));
  pushPart(e, from, 64);
  if (from !== "memory") e.code.v128(-1n, 0n).op("v128.and");
  e.vectors.set(first(i).kind === "V" ? i.reg : i.rm);
});

/** A quadword lane of the source into one of the destination. */
const movHalf = (to: 0 | 1, from: 0 | 1): Lowering =>
  sse((e, i) => {
    e.vectors.push(i.reg);
    e.vectors.push(i.rm);
    e.code.shuffle(lanes(8, to === 0 ? [2 + from, 1] : [0, 2 + from]));
    e.vectors.set(i.reg);
  });

const loadHalf = (lane: 0 | 1): Lowering =>
  sse((e, i) => {
    source(e, second(i));
    e.code.get(L.P);
    e.vectors.push(i.reg);
    e.code.memLane("v128.load64_lane", lane);
    e.vectors.set(i.reg);
  });

const movhpsStore = sse((e, i) => {
  target(e, first(i));
  storeLane(e, i.reg, 64, 1);
});

const duplicate = (numbers: readonly number[]): Lowering =>
  sse((e, i) => {
    const from = source(e, second(i));
    pushWhole(e, from);
    e.code.tee(L.V).get(L.V).shuffle(lanes(4, numbers));
    e.vectors.set(i.reg);
  });

const movddup = sse((e, i) => {
  const from = source(e, second(i));
  if (from === "memory") e.code.get(L.P).mem("v128.load64_splat");
  else {
    e.vectors.push(from);
    e.vectors.push(from);
    e.code.shuffle(lanes(8, [0, 0]));
  }
  e.vectors.set(i.reg);
});

const mask = (bitmask: OpName): Lowering =>
  sse((e, i) => {
    e.vectors.push(i.rm);
    e.code.op(bitmask);
    e.setRegister(i.reg, 32);
  });

const movnti: ValueLowering = (e, _size, a) => e.push(a!);

export const SSE_MOVE: Lowerings = {
  mov128,
  mov32: movLane(32),
  mov64: movLane(64),
  movZx32: loadZero(32),
  movZx64: loadZero(64),
  movZx,
  movLow,
  movq,
  movhlps: movHalf(0, 1),
  movlhps: movHalf(1, 0),
  movlpsLoad: loadHalf(0),
  movhpsLoad: loadHalf(1),
  movhpsStore,
  movsldup: duplicate([0, 0, 2, 2]),
  movshdup: duplicate([1, 1, 3, 3]),
  movddup,
  movmskps: mask("i32x4.bitmask"),
  movmskpd: mask("i64x2.bitmask"),
  pmovmskb: mask("i8x16.bitmask"),
  movnti: value(movnti),
};
