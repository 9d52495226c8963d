/** What a lowering is: wasm for one semantic of the instruction table. */
import type { Emitter, Size, Value } from "../emitter.js";
import type { Insn } from "../region/machine-view.js";

/**
 * Emits one instruction. False when it cannot be done for this form, with nothing emitted: the handler is then called.
 */
export type Lowering = (e: Emitter, i: Insn) => boolean;

/** Lowerings by the semantic's name in the instruction table. */
export type Lowerings = Readonly<Record<string, Lowering>>;

/** A semantic of the table's value shape: operands in, the result on the stack; flags set on the way. */
export type ValueLowering = (e: Emitter, size: Size, ...operands: Value[]) => void;
