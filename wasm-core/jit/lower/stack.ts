/** PUSH, POP and LEAVE. */
import type { Size } from "../emitter.js";
import { L } from "../emitter.js";
import { memoryOperand, plainAddress } from "../operands.js";
import { commitPush, dropFromStack, loadStack, openPush, RBP, RSP } from "../stack-access.js";
import type { Lowering, Lowerings } from "./lowering.js";

const pushValue: Lowering = (e, i) => {
  const o = i.v.row.operands[0]!;
  const size = i.v.size as Size;
  if (memoryOperand(o, i.v) && !plainAddress(i)) return false;
  const constant = o.kind === "I";
  const v = constant
    ? ({ kind: "constant", value: BigInt.asUintN(size, BigInt(i.imm)), size } as const)
    : memoryOperand(o, i.v)
      ? e.operand(o)
      : ({ kind: "register", off: o.kind === "Z" ? i.reg : i.rm, size } as const);
  openPush(e, size / 8);
  e.code.get(L.P);
  e.push(v);
  e.storeValue(size);
  commitPush(e, size / 8);
  return true;
};

const popReg: Lowering = (e, i) => {
  const size = i.v.size as Size;
  loadStack(e, RSP, size);
  const v = e.temp(size);
  dropFromStack(e, RSP, size / 8);
  e.push(v);
  e.setRegister(i.reg, size);
  return true;
};

const leave: Lowering = (e, i) => {
  const size = i.v.size as Size;
  if (size !== (e.long ? 64 : 32)) return false;
  loadStack(e, RBP, size);
  const v = e.temp(size);
  dropFromStack(e, RBP, size / 8);
  e.push(v);
  e.setRegister(RBP, size);
  return true;
};

export const STACK: Lowerings = { pushValue, popReg, leave };
