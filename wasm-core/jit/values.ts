/** Values and flags of the guest as the compiler talks about them. */
import { CcOp } from "../abi/structs/vcpu.js";
import type { OpName } from "./wasm/ops.js";

export type Size = 8 | 16 | 32 | 64;
export type Cc = keyof typeof CcOp.values;

/** A value that can be pushed any number of times: of type i64 when 64 bits wide, else i32 and zero-extended. */
export type Value =
  | { readonly kind: "register"; readonly off: number; readonly size: Size }
  | { readonly kind: "constant"; readonly value: bigint; readonly size: Size }
  | { readonly kind: "local"; readonly local: number; readonly size: Size };

/** What is known of the flags at a point: how they derive from CC_SRC, CC_DST and, for comparisons, CC_A. */
export interface KnownFlags {
  readonly op: Cc;
  readonly size: Size;
  readonly hasA: boolean;
  /** ADD stands for ADD or ADC, SUB for SUB or SBB: which it was is in CC_OP. */
  readonly carries?: boolean;
  /** op EFLAGS: CC_DST holds the arithmetic flags themselves. */
  readonly bits?: boolean;
}

/** Vcpu.ccOp for `op` on operands of `size` bits. */
export const ccOp = (op: Cc, size: Size): number => (Number(CcOp.values[op]) << 2) | Math.log2(size / 8);

/** The load that gives a value of `size` bits: i64 when 64 bits wide, else i32 and zero-extended. */
export function loadOf(size: Size): OpName {
  if (size === 64) return "i64.load";
  return size === 32 ? "i32.load" : size === 16 ? "i32.load16_u" : "i32.load8_u";
}
