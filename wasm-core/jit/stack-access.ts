/**
 * The stack as regions see it. Its address size is 64 bits in 64-bit mode and 32 bits otherwise: code on a 16-bit stack
 * is not compiled. [SDM] vol. 1, 6.2.
 */
import { type Emitter, L, type Size } from "./emitter.js";

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

/** Pushes the part of a register that is a stack address, as i64. */
function pushStackRegister(e: Emitter, off: number): void {
  e.pushRegister(off, 64);
  if (!e.long) e.code.i64(0xffffffffn).op("i64.and");
}

/** Opens `bytes` below RSP for writing; the machine address is in L.P, the linear one in L.LIN. */
export function openPush(e: Emitter, bytes: number): void {
  const c = e.code;
  e.pushRegister(RSP, 64);
  c.i64(-bytes).op("i64.add");
  if (!e.long) c.i64(0xffffffffn).op("i64.and");
  c.set(L.LIN);
  e.openAt(bytes * 8);
}

/** RSP becomes L.LIN. */
export function commitPush(e: Emitter): void {
  e.code.get(L.LIN);
  setStackRegister(e, RSP);
}

/** Reads `size` bits at the address in a register onto the stack; the address is then in L.LIN. */
export function loadStack(e: Emitter, off: number, size: Size): void {
  pushStackRegister(e, off);
  e.code.set(L.LIN);
  e.loadAt(size);
}

/** RSP becomes L.LIN plus `bytes`. */
export function dropFromStack(e: Emitter, bytes: number): void {
  e.code.get(L.LIN).i64(bytes).op("i64.add");
  setStackRegister(e, RSP);
}
