/**
 * The stack as regions see it. Its address size is 64 bits in 64-bit mode and 32 bits otherwise: code on a 16-bit stack
 * is not compiled. [SDM] vol. 1, 6.2.
 */
import { type Emitter, L, type Size } from "./emitter.js";
import { loadOf } from "./values.js";

export const RSP = 32;
export const RBP = 40;

/** Sets the stack's part of a register to the i64 on the stack. */
export function setStackRegister(e: Emitter, off: number): void {
  if (e.long) e.setRegister(off, 64);
  else {
    e.code.op("i32.wrap_i64");
    e.setRegister(off, 32);
  }
}

/** Opens `bytes` below RSP for writing; the machine address is in L.P. */
export function openPush(e: Emitter, bytes: number): void {
  e.memory.access(bytes, true, () => pushMoved(e, RSP, -bytes), e.addresses.stack(RSP >>> 3, bytes));
}

/** Pushes the address `by` bytes from the one in a register, as i64. */
function pushMoved(e: Emitter, off: number, by: number): void {
  e.pushRegister(off, 64);
  if (by !== 0) e.code.i64(by).op("i64.add");
  if (!e.long) e.code.i64(0xffffffffn).op("i64.and");
}

/** RSP becomes the address `by` bytes from the one in register `off`. */
function setTop(e: Emitter, off: number, by: number): void {
  e.pushRegister(off, 64);
  e.code.i64(by).op("i64.add");
  setStackRegister(e, RSP);
}

/** RSP goes down by `bytes`, which have been opened. */
export function commitPush(e: Emitter, bytes: number): void {
  setTop(e, RSP, -bytes);
}

/** Reads `size` bits at the address in a register onto the stack. */
export function loadStack(e: Emitter, off: number, size: Size): void {
  e.memory.access(size / 8, false, () => pushMoved(e, off, 0), e.addresses.stack(off >>> 3));
  e.code.get(L.P).mem(loadOf(size));
}

/** RSP becomes the address in register `off`, where something was read, plus `bytes`. */
export function dropFromStack(e: Emitter, off: number, bytes: number): void {
  setTop(e, off, bytes);
}
