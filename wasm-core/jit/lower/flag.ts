/** Flags by name: CLC, STC, CMC, CLD, STD, LAHF, SAHF, PUSHF. */
import { Vcpu } from "../../abi/structs/vcpu.js";
import { pushCarryFlag } from "../conditions.js";
import { type Emitter, L } from "../emitter.js";
import { type FlagName, materialize, setCarry, setSome, setSystemFlag } from "../flags.js";
import { commitPush, openPush } from "../stack-access.js";
import type { Lowering, Lowerings } from "./lowering.js";

const AH = 1;
const DF = 0x400;
const RF = 0x10000;
const VM = 0x20000;
const ALWAYS_SET = 2;
/** Bits of AH that SAHF takes. */
const AH_BITS: readonly (readonly [FlagName, number])[] = [
  ["CF", 0],
  ["PF", 2],
  ["AF", 4],
  ["ZF", 6],
  ["SF", 7],
];

const carry =
  (push: (e: Emitter) => void): Lowering =>
  (e) => {
    if (e.flagsDead) return true;
    push(e);
    e.code.set(L.K);
    setCarry(e, () => void e.code.get(L.K));
    return true;
  };

const cmc = carry((e) => {
  pushCarryFlag(e);
  e.code.op("i32.eqz");
});

const direction =
  (on: boolean): Lowering =>
  (e) => {
    setSystemFlag(e, DF, on);
    return true;
  };

const lahf: Lowering = (e) => {
  materialize(e);
  e.code.get(L.CPU).mem("i32.load8_u", Vcpu.off.eflags).i32(ALWAYS_SET).op("i32.or");
  e.setRegister(AH, 8);
  return true;
};

const sahf: Lowering = (e) => {
  setSome(
    e,
    AH_BITS.map(([flag, bit]) => [
      flag,
      () => {
        e.pushRegister(AH, 8);
        e.code.i32(bit).op("i32.shr_u").i32(1).op("i32.and");
      },
    ]),
  );
  return true;
};

/** PUSHF of a quadword: VM and RF read as zero. */
const pushf: Lowering = (e, i) => {
  if (i.v.size !== 64) return false;
  openPush(e, 8);
  materialize(e);
  e.code
    .get(L.P)
    .get(L.CPU)
    .mem("i32.load", Vcpu.off.eflags)
    .i32(~(RF | VM))
    .op("i32.and")
    .i32(ALWAYS_SET)
    .op("i32.or")
    .op("i64.extend_i32_u");
  e.storeValue(64);
  commitPush(e, 8);
  return true;
};

export const FLAG_ROWS: Lowerings = {
  clc: carry((e) => void e.code.i32(0)),
  stc: carry((e) => void e.code.i32(1)),
  cmc,
  cld: direction(false),
  std: direction(true),
  lahf,
  sahf,
  pushf,
};
