/** A function body under construction: bytes, and the depth of open blocks so that labels need no arithmetic. */
import { Op, type OpName, Type } from "./ops.js";

/** A block, loop or if that a branch can name: its depth when it was opened. */
export type Label = number;

const PLAIN = new Uint8Array(0);

/** Whether a branch is taken: what engines that know of branch hints lay code out by. */
export type Hint = "likely" | "unlikely";

/** A hint for the branch whose opcode is at `at`. */
export interface BranchHint {
  readonly at: number;
  readonly likely: boolean;
}

export class Code {
  readonly hints: BranchHint[] = [];
  #bytes = new Uint8Array(8192);
  #at = 0;
  #depth = 0;

  #room(n: number): void {
    if (this.#at + n <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#at + n));
    grown.set(this.#bytes);
    this.#bytes = grown;
  }

  get length(): number {
    return this.#at;
  }

  /** Blocks that are open. */
  get depth(): number {
    return this.#depth;
  }

  /** The body so far; valid until the next write. */
  bytes(): Uint8Array {
    return this.#at === 0 ? PLAIN : this.#bytes.subarray(0, this.#at);
  }

  byte(b: number): this {
    this.#room(1);
    this.#bytes[this.#at++] = b;
    return this;
  }

  /** Appends bytes as they are. */
  append(from: Uint8Array): this {
    this.#room(from.length);
    this.#bytes.set(from, this.#at);
    this.#at += from.length;
    return this;
  }

  u32(value: number): this {
    this.#room(5);
    let v = value >>> 0;
    while (v > 0x7f) {
      this.#bytes[this.#at++] = (v & 0x7f) | 0x80;
      v >>>= 7;
    }
    this.#bytes[this.#at++] = v;
    return this;
  }

  #s32(value: number): void {
    this.#room(5);
    let v = value | 0;
    for (;;) {
      const b = v & 0x7f;
      v >>= 7;
      if ((v === 0 && !(b & 0x40)) || (v === -1 && b & 0x40)) {
        this.#bytes[this.#at++] = b;
        return;
      }
      this.#bytes[this.#at++] = b | 0x80;
    }
  }

  #s64(value: bigint): void {
    this.#room(10);
    let v = BigInt.asIntN(64, value);
    for (;;) {
      const b = Number(v & 0x7fn);
      v >>= 7n;
      if ((v === 0n && !(b & 0x40)) || (v === -1n && b & 0x40)) {
        this.#bytes[this.#at++] = b;
        return;
      }
      this.#bytes[this.#at++] = b | 0x80;
    }
  }

  /** An instruction without immediates. */
  op(name: OpName): this {
    const n: number = Op[name];
    if (n <= 0xff) return this.byte(n);
    return this.byte(n >>> 16).u32(n & 0xffff);
  }

  i32(value: number): this {
    this.byte(Op["i32.const"]);
    this.#s32(value);
    return this;
  }

  i64(value: bigint | number): this {
    this.byte(Op["i64.const"]);
    if (typeof value === "number" && value === (value | 0)) this.#s32(value);
    else this.#s64(BigInt(value));
    return this;
  }

  f32(value: number): this {
    this.byte(Op["f32.const"]);
    return this.#raw(new Uint8Array(new Float32Array([value]).buffer));
  }

  f64(value: number): this {
    this.byte(Op["f64.const"]);
    return this.#raw(new Uint8Array(new Float64Array([value]).buffer));
  }

  /** A vector whose low and high half are given. */
  v128(low: bigint, high: bigint): this {
    this.op("v128.const");
    return this.#raw(new Uint8Array(new BigUint64Array([BigInt.asUintN(64, low), BigInt.asUintN(64, high)]).buffer));
  }

  /** Sixteen bytes chosen from the two vectors on the stack; 16 and up name the upper one's. */
  shuffle(bytes: readonly number[]): this {
    this.op("i8x16.shuffle");
    return this.#raw(bytes);
  }

  /** An instruction that names a lane. */
  lane(name: OpName, lane: number): this {
    return this.op(name).byte(lane);
  }

  /** A load or store of one lane. */
  memLane(name: OpName, lane: number, offset = 0): this {
    return this.mem(name, offset).byte(lane);
  }

  #raw(bytes: Iterable<number>): this {
    for (const b of bytes) this.byte(b);
    return this;
  }

  get(local: number): this {
    return this.byte(Op["local.get"]).u32(local);
  }

  set(local: number): this {
    return this.byte(Op["local.set"]).u32(local);
  }

  tee(local: number): this {
    return this.byte(Op["local.tee"]).u32(local);
  }

  call(fn: number): this {
    return this.byte(Op.call).u32(fn);
  }

  /** A load or store at the address on the stack plus `offset`; no alignment is promised. */
  mem(name: OpName, offset = 0): this {
    this.op(name);
    return this.byte(0).u32(offset);
  }

  /** An atomic access of `bytes` bytes at the address on the stack, which must be a multiple of them. */
  atomic(name: OpName, bytes: number): this {
    this.op(name);
    return this.byte(Math.log2(bytes)).u32(0);
  }

  block(type: number = Type.VOID): Label {
    this.byte(Op.block).byte(type);
    return ++this.#depth;
  }

  loop(): Label {
    this.byte(Op.loop).byte(Type.VOID);
    return ++this.#depth;
  }

  if(type: number = Type.VOID, hint?: Hint): Label {
    this.#hint(hint);
    this.byte(Op.if).byte(type);
    return ++this.#depth;
  }

  #hint(hint: Hint | undefined): void {
    if (hint) this.hints.push({ at: this.#at, likely: hint === "likely" });
  }

  else(): this {
    return this.byte(Op.else);
  }

  end(): this {
    this.#depth--;
    return this.byte(Op.end);
  }

  br(label: Label): this {
    return this.byte(Op.br).u32(this.#depth - label);
  }

  /** By the index on the stack. */
  brTable(labels: readonly Label[], otherwise: Label): this {
    this.byte(Op.br_table).u32(labels.length);
    for (const label of labels) this.u32(this.#depth - label);
    return this.u32(this.#depth - otherwise);
  }

  brIf(label: Label, hint?: Hint): this {
    this.#hint(hint);
    return this.byte(Op.br_if).u32(this.#depth - label);
  }
}
