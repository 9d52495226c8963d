/**
 * Flags that are put off. An instruction that sets some flags and keeps the others has to compute the others from
 * whatever set them last, which may take more than all the rest of it. When only a way out of the region would see them,
 * because soon all are set anew, those from before stay where they are, the result is kept beside them, and CC_OP says
 * above PUT_OFF_BELOW what it is the result of. Who leaves meanwhile calls a door that sets the flags. INC and DEC behind a
 * rotate take CF out of its result. All of that is over where the node ends.
 */
import { PUT_OFF_BELOW, PutOff } from "../abi/structs/jit.js";
import { callDoor } from "./doors.js";
import type { FlagLife } from "./liveness.js";
import { L } from "./locals.js";
import type { Size } from "./values.js";
import type { Code } from "./wasm/code.js";
import { Type } from "./wasm/ops.js";

export type PutOffName = keyof typeof PutOff.values;

/** The flags that each sets. */
const FLAGS = {
  INC: "all but CF",
  DEC: "all but CF",
  ROL: "CF and OF",
  ROR: "CF and OF",
  SCAN: "ZF",
  COUNT: "CF and ZF",
} as const satisfies Record<PutOffName, string>;

/** A rotated value has CF at an end. */
interface Rotated {
  readonly left: boolean;
  readonly size: Size;
}

export class PutOffFlags {
  /** Who sees the flags of the instruction that is written now. */
  life: FlagLife = "live";
  /** Which flags are put off here. And whether any are, anywhere in the region so far. */
  #here: (typeof FLAGS)[PutOffName] | undefined;
  #anywhere = false;
  /** The rotate whose flags these are. */
  #rotated: Rotated | undefined;

  constructor(readonly code: Code) {}

  /** All flags are set, or a node begins. */
  end(): void {
    this.#here = undefined;
    this.#rotated = undefined;
  }

  /** Puts off the flags of an instruction whose result `push` pushes as i64. False when they must be set now. */
  begin(what: PutOffName, size: Size, push: () => void): boolean {
    // Of two that set the same flags the second counts alone; two others are too much.
    const rotated = what === "ROL" || what === "ROR" ? { left: what === "ROL", size } : undefined;
    if (this.life !== "exits" && !(this.life === "carry" && rotated)) return false;
    if (this.#here !== undefined && this.#here !== FLAGS[what]) return false;
    const c = this.code;
    push();
    c.set(L.PUT_OFF).get(L.CC_OP);
    if (this.#here !== undefined) c.i32(PUT_OFF_BELOW - 1).op("i32.and");
    c.i32((Number(PutOff.values[what]) | Math.log2(size / 8)) * PUT_OFF_BELOW)
      .op("i32.or")
      .set(L.CC_OP);
    this.#here = FLAGS[what];
    this.#rotated = rotated;
    this.#anywhere = true;
    return true;
  }

  /** Pushes CF, 0 or 1, where it is a rotate's that is put off; false when it is not. */
  pushCarry(): boolean {
    if (this.#rotated === undefined) return false;
    const { left, size } = this.#rotated;
    this.code
      .get(L.PUT_OFF)
      .i64(left ? 0 : size - 1)
      .op("i64.shr_u")
      .op("i32.wrap_i64")
      .i32(1)
      .op("i32.and");
    return true;
  }

  /** The vCPU's flags are those from before: sets what is put off here, or with `atExit` wherever one came from. */
  settle(atExit: boolean): void {
    if (atExit ? !this.#anywhere : this.#here === undefined) return;
    const c = this.code;
    c.get(L.CC_OP).i32(Math.log2(PUT_OFF_BELOW)).op("i32.shr_u").tee(L.E);
    c.if(Type.VOID, "unlikely");
    callDoor(c.get(L.CPU).get(L.PUT_OFF).get(L.E), "regionPutOff").op("drop").end();
  }

  /** What `work` writes is not always done: flags that are put off before it may still be so behind it. */
  sometimes(work: () => void): void {
    const before = this.#here;
    work();
    this.#here ??= before;
    this.#rotated = undefined;
  }
}
