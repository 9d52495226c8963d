/** Data movement: MOV, MOVZX, MOVSX, LEA, CMOVcc, SETcc, BSWAP and their like. */
import { SegmentReg, Vcpu } from "../../abi/structs/vcpu.js";
import { CONDITIONS, pushCondition } from "../conditions.js";
import { type Emitter, L, type Size } from "../emitter.js";
import { EXCHANGE } from "./lock.js";
import type { Lowering, Lowerings, ValueLowering } from "./lowering.js";
import { value } from "./value.js";

const LAST_SEGMENT = 5;

const mov: ValueLowering = (e, _size, a) => e.push(a!);

const zeroExtended: ValueLowering = (e, size, a) => {
  e.push(a!);
  if (size === 64) e.code.op("i64.extend_i32_u");
};

const signExtended: ValueLowering = (e, size, a) => {
  e.push(a!);
  const c = e.code;
  if (a!.size === 8) c.op("i32.extend8_s");
  if (a!.size === 16) c.op("i32.extend16_s");
  if (size === 64) c.op("i64.extend_i32_s");
  else e.cut(size);
};

const lea: Lowering = (e, i) => {
  if (i.v.size === 16 || (i.ea >= 4 && i.ea >>> 6 === 0)) return false;
  e.pushOffset();
  if (i.v.size === 32) e.code.op("i32.wrap_i64");
  e.setRegister(i.reg, i.v.size as Size);
  return true;
};

/** The operand is read whether or not the condition holds; a 32-bit destination loses its upper half in either case. */
const cmov =
  (cc: number): ValueLowering =>
  (e, _size, a, b) => {
    e.push(b!);
    e.push(a!);
    pushCondition(e, cc);
    e.code.op("select");
  };

const set =
  (cc: number): ValueLowering =>
  (e) =>
    pushCondition(e, cc);

const swapHalves = (e: Emitter): void => {
  const c = e.code;
  // abcd -> rotl 8 keeps b.d bytes in place for one mask, rotr 8 for the other.
  c.set(L.I).get(L.I).i32(8).op("i32.rotl").i32(0x00ff00ff).op("i32.and");
  c.get(L.I)
    .i32(8)
    .op("i32.rotr")
    .i32(0xff00ff00 | 0)
    .op("i32.and")
    .op("i32.or");
};

const bswap: Lowering = (e, i) => {
  const c = e.code;
  if (i.v.size === 16) return false;
  if (i.v.size === 32) {
    e.pushRegister(i.reg, 32);
    swapHalves(e);
    e.setRegister(i.reg, 32);
    return true;
  }
  e.pushRegister(i.reg, 64);
  c.set(L.X).get(L.X).op("i32.wrap_i64");
  swapHalves(e);
  c.op("i64.extend_i32_u").i64(32).op("i64.shl");
  c.get(L.X).i64(32).op("i64.shr_u").op("i32.wrap_i64");
  swapHalves(e);
  c.op("i64.extend_i32_u").op("i64.or");
  e.setRegister(i.reg, 64);
  return true;
};

/** CBW, CWDE, CDQE. */
const convertAccumulator: Lowering = (e, i) => {
  const c = e.code;
  const size = i.v.size as Size;
  e.pushRegister(0, size === 64 ? 32 : size === 32 ? 16 : 8);
  if (size === 64) c.op("i64.extend_i32_s");
  else c.op(size === 32 ? "i32.extend16_s" : "i32.extend8_s");
  if (size === 16) e.cut(16);
  e.setRegister(0, size);
  return true;
};

/** CWD, CDQ, CQO. */
const signExtendIntoDx: Lowering = (e, i) => {
  const c = e.code;
  const size = i.v.size as Size;
  e.pushRegister(0, size);
  if (size === 64) c.i64(63).op("i64.shr_s");
  else {
    if (size === 16) c.op("i32.extend16_s");
    c.i32(31).op("i32.shr_s");
    e.cut(size);
  }
  e.setRegister(16, size);
  return true;
};

const xchg: Lowering = (e, i) => {
  if (i.v.form === "mem") return EXCHANGE.xchgMemory(e, i);
  if (i.v.lock) return false;
  const size = (i.v.size === 0 ? 8 : i.v.size) as Size;
  e.pushRegister(i.reg, size);
  e.pushRegister(i.rm, size);
  e.setRegister(i.reg, size);
  e.setRegister(i.rm, size);
  return true;
};

/** XCHG with the accumulator; 90 without REX.B is NOP and does not clear the upper half. */
const xchgAccumulator: Lowering = (e, i) => {
  const size = i.v.size as Size;
  if (i.reg === 0) return true;
  e.pushRegister(i.reg, size);
  e.pushRegister(0, size);
  e.setRegister(i.reg, size);
  e.setRegister(0, size);
  return true;
};

/** Selectors of ES to GS; the word is zero-extended to the register. */
const movFromSeg: Lowering = (e, i) => {
  if (i.v.form === "mem" || i.reg > LAST_SEGMENT) return false;
  const size = i.v.size as Size;
  e.code.get(L.CPU).mem("i32.load16_u", Vcpu.off.seg + SegmentReg.size * i.reg + SegmentReg.off.selector);
  if (size === 64) e.code.op("i64.extend_i32_u");
  e.setRegister(i.rm, size);
  return true;
};

const nothing: Lowering = () => true;

const conditional: Record<string, Lowering> = {};
CONDITIONS.forEach((name, cc) => {
  conditional[`cmov${name}`] = value(cmov(cc));
  conditional[`set${name}`] = value(set(cc));
});

export const MOV: Lowerings = {
  mov: value(mov),
  movzxByte: value(zeroExtended),
  movzxWord: value(zeroExtended),
  movsxByte: value(signExtended),
  movsxWord: value(signExtended),
  movsxd: value(signExtended),
  lea,
  bswapReg: bswap,
  convertAccumulator,
  signExtendIntoDx,
  xchg,
  xchgAccumulator,
  movFromSeg,
  hintRm: nothing,
  ...conditional,
};
