/**
 * What lowerings write with: operands, memory, flags and handler calls of one region's function. General registers,
 * vectors (registers.ts) and lazy flags live in locals; everything else of the vCPU stays in memory behind local 0.
 */
import { SegmentReg, Status, Vcpu, VEC_STRIDE } from "../abi/structs/vcpu.js";
import type { Operand } from "../isa/row.js";
import { bitsOf } from "../isa/variants.js";
import { Addresses } from "./addresses.js";
import { giveBudget, takeBudget } from "./budget.js";
import type { Cursors } from "./cursors.js";
import { keepsModes, registersOf } from "./effects.js";
import type { FlagLife } from "./liveness.js";
import { L } from "./locals.js";
import { Memory } from "./memory.js";
import { memoryOperand, SEG_FS, segmentOf } from "./operands.js";
import { PutOffFlags, type PutOffName } from "./put-off.js";
import type { Insn } from "./region/machine-view.js";
import { Registers } from "./registers.js";
import { pushIsSpecial } from "./segments.js";
import { type Cc, ccOp, type KnownFlags, loadOf, type Size, type Value } from "./values.js";
import { Code, type Label } from "./wasm/code.js";
import { Type } from "./wasm/ops.js";
import type { Windows } from "./windows.js";
import { X87 } from "./x87.js";
import type { X87Plan } from "./x87-plan.js";

export { L } from "./locals.js";
export { type Cc, ccOp, type KnownFlags, type Size, type Value } from "./values.js";

/** What one node hands to the next where that has no other before it. */
export interface Known {
  readonly flags: KnownFlags | undefined;
  readonly addresses: Addresses["end"];
  readonly pages: Memory["end"];
  readonly registers: Registers["end"];
  readonly vectors: Registers["end"];
}

const { zero: ZERO, bias: BIAS, blockRip: BLOCK_RIP, vec: VEC } = Vcpu.off;
const GENERAL = { local: L.GPR, load: "i64.load", store: "i64.store", offsetOf: (n: number) => n * 8 } as const;
const VECTORS = {
  local: L.XMM,
  load: "v128.load",
  store: "v128.store",
  offsetOf: (n: number) => VEC + VEC_STRIDE * n,
} as const;
const TWO_31 = 1n << 31n;

export class Emitter {
  readonly code = new Code();
  readonly registers: Registers;
  readonly vectors: Registers;
  readonly addresses: Addresses;
  readonly memory: Memory;
  flags: KnownFlags | undefined;
  /** The instruction being lowered and the number of its node's instructions that are then not retired. */
  insn!: Insn;
  #unretired = 0;
  readonly putOffFlags = new PutOffFlags(this.code);
  /** Where faults and instructions for the interpreter go; where the region is left. */
  faultLabel: Label = 0;
  exitLabel: Label = 0;
  fast = false;
  /** SSE instructions of the region were left to the interpreter so often that the handlers are to be called. */
  missesSse = false;
  /** Handlers the node calls, and whether the region calls any. */
  handlers = 0;
  callsHandlers = false;
  /** Whether one of them, in the middle of it, may change more than the run loop looks at between regions. */
  changesModes = false;
  #blockRip: number | undefined;
  #sseChecked = false;

  /** Only in regions with x87 instructions that are lowered. */
  readonly x87: X87 | undefined;

  /** @param long 64-bit mode; otherwise 32-bit code with flat segments, which the region's prologue makes sure of */
  constructor(
    readonly handlerImport: (fn: number) => number,
    readonly long: boolean,
    cursors: Cursors,
    writesThrough: boolean,
    plan?: X87Plan,
  ) {
    this.registers = new Registers(this.code, GENERAL, writesThrough);
    this.vectors = new Registers(this.code, VECTORS, writesThrough);
    this.addresses = new Addresses(long);
    this.memory = new Memory(this, cursors);
    this.x87 = plan && new X87(this, plan);
  }

  begin(insn: Insn, unretired: number, life: FlagLife = "live"): void {
    this.insn = insn;
    this.putOffFlags.life = life;
    this.#unretired = unretired;
  }

  /**
   * @param before what is known at the end of the only node that leads here
   * @param windows of its accesses where it is made for size; a node in a loop, or in a hot region, is to be fast
   */
  beginNode(before: Known | undefined, windows?: (addresses: Addresses) => Windows): void {
    this.flags = before?.flags;
    this.putOffFlags.end();
    this.addresses.begin(before?.addresses);
    this.fast = windows === undefined;
    this.memory.begin(before?.pages, windows?.(this.addresses.copy()));
    this.registers.begin(before?.registers);
    this.vectors.begin(before?.vectors);
    this.#blockRip = undefined;
    this.#sseChecked = false;
    this.handlers = 0;
  }

  /** What is known where the node ends. */
  get known(): Known {
    const { flags, addresses, memory, registers, vectors } = this;
    return { flags, addresses: addresses.end, pages: memory.end, registers: registers.end, vectors: vectors.end };
  }

  // --- values

  push(v: Value): void {
    const c = this.code;
    if (v.kind === "constant") {
      if (v.size === 64) c.i64(v.value);
      else c.i32(Number(BigInt.asIntN(32, v.value)));
    } else if (v.kind === "local") c.get(v.local);
    else this.pushRegister(v.off, v.size);
  }

  pushRegister(off: number, size: Size): void {
    this.registers.push(off >>> 3);
    const c = this.code;
    if (size === 64) return;
    c.op("i32.wrap_i64");
    if (size === 16) c.i32(0xffff).op("i32.and");
    else if (size === 8) {
      if (off & 1) c.i32(8).op("i32.shr_u");
      c.i32(0xff).op("i32.and");
    }
  }

  /** Pushes `v` as i64, zero-extended. */
  push64(v: Value): void {
    if (v.kind === "constant") this.code.i64(BigInt.asIntN(64, v.value));
    else {
      this.push(v);
      if (v.size !== 64) this.code.op("i64.extend_i32_u");
    }
  }

  /** Writes the value on the stack to a register: a 32-bit one clears the upper half, narrower ones keep the rest. */
  setRegister(off: number, size: Size): void {
    const n = off >>> 3;
    const c = this.code;
    this.addresses.forget(n);
    if (size !== 64) c.op("i64.extend_i32_u");
    if (size < 32) {
      const shift = off & 1 ? 8 : 0;
      const mask = (size === 16 ? 0xffffn : 0xffn) << BigInt(shift);
      if (shift) c.i64(8).op("i64.shl");
      this.registers.push(n);
      c.i64(BigInt.asIntN(64, ~mask)).op("i64.and").op("i64.or");
    }
    this.registers.set(n);
  }

  /** A temporary that holds what is on the stack. */
  temp(size: Size, wide: number = L.X, narrow: number = L.I): Value {
    const local = size === 64 ? wide : narrow;
    this.code.set(local);
    return { kind: "local", local, size };
  }

  /** Cuts the i32 on the stack to `size` bits. */
  cut(size: Size): void {
    if (size === 16) this.code.i32(0xffff).op("i32.and");
    else if (size === 8) this.code.i32(0xff).op("i32.and");
  }

  /** Value operand `o` of the instruction; memory is read into a temporary. */
  operand(o: Operand): Value {
    const size = bitsOf(o, this.insn.v) as Size;
    const i = this.insn;
    switch (o.kind) {
      case "I": {
        // As in isa/gen/interp.ts: words and doublewords are extended to the operation's size.
        const wide = o.size === "b" ? 8 : o.size === "w" ? 16 : ((i.v.size || 8) as Size);
        return { kind: "constant", value: this.immediate(o, wide), size: wide };
      }
      case "1":
        return { kind: "constant", value: 1n, size: 8 };
      case "CL":
        return { kind: "register", off: 8, size: 8 };
      case "DX":
        return { kind: "register", off: 16, size: 16 };
      case "G":
      case "Z":
        return { kind: "register", off: i.reg, size };
      case "A":
        return { kind: "register", off: 0, size };
      case "B":
        return { kind: "register", off: i.imm >>> 24, size };
      default:
        if (memoryOperand(o, i.v)) {
          this.load(size);
          return this.temp(size, L.Y, L.J);
        }
        return { kind: "register", off: i.rm, size };
    }
  }

  /** Register operand's offset. */
  registerOf(o: Operand): number {
    if (o.kind === "G" || o.kind === "Z") return this.insn.reg;
    if (o.kind === "A") return 0;
    return o.kind === "B" ? this.insn.imm >>> 24 : this.insn.rm;
  }

  immediate(o: Operand, size: Size): bigint {
    const { imm, disp } = this.insn;
    if (o.size === "b") return BigInt(imm & 0xff);
    if (o.size === "w") return BigInt(imm & 0xffff);
    if (o.size === "v" && size === 64) return (BigInt(imm >>> 0) << 32n) | BigInt(disp >>> 0);
    return BigInt.asUintN(size, BigInt(imm));
  }

  // --- SSE

  /** Leaves to the interpreter when SSE is blocked. Whatever changes that ends a region, so a node asks once. */
  requireSse(): void {
    if (this.#sseChecked) return;
    this.#sseChecked = true;
    this.code.get(L.CPU).mem("i32.load8_u", Vcpu.off.sseBlocked);
    this.leaveIf();
  }

  // --- memory

  /** Pushes the linear address of the memory operand's `bytes` bytes. Only for addresses that `plainAddress` accepts. */
  pushAddress(bytes: number): void {
    const c = this.code;
    const segment = segmentOf(this.insn);
    if (segment >= SEG_FS && !this.long) {
      pushIsSpecial(c, segment);
      // The limit is 4 GiB, and with a base not where linear addresses end.
      this.pushOffset();
      c.i64(0x100000000 - bytes)
        .op("i64.gt_u")
        .op("i32.or");
      this.leaveIf();
    }
    this.pushOffset();
    if (segment >= SEG_FS) {
      c.get(L.CPU).mem("i64.load", Vcpu.off.seg + segment * SegmentReg.size);
      c.op("i64.add");
      if (!this.long) c.i64(0xffffffffn).op("i64.and");
    }
  }

  /** Pushes the effective address: what LEA computes. */
  pushOffset(): void {
    const { rm, index, ea, disp, block } = this.insn;
    const c = this.code;
    let constant = BigInt(disp);
    let terms = 0;
    if (rm === BLOCK_RIP) {
      c.get(L.BASE);
      constant += BigInt(block);
      terms++;
    } else if (rm !== ZERO) {
      this.pushRegister(rm, 64);
      terms++;
    }
    if (index === BIAS) constant += TWO_31 << BigInt(ea & 3);
    else if (index !== ZERO) {
      this.pushRegister(index, 64);
      if (ea & 3) c.i64(ea & 3).op("i64.shl");
      if (terms++ > 0) c.op("i64.add");
    }
    if (terms === 0) c.i64(constant);
    else if (constant !== 0n) c.i64(constant).op("i64.add");
    if (ea >= 4 && ea >>> 6 === 1) c.i64(0xffffffffn).op("i64.and");
  }

  /** When the i32 on the stack is not 0, which it seldom is, the interpreter does this instruction: nothing of it has been done. */
  leaveIf(): void {
    this.code.i64(this.site()).set(L.SITE).brIf(this.faultLabel, "unlikely");
  }

  /** The interpreter does this instruction: nothing of it has been done. */
  leave(): void {
    this.code.i64(this.site()).set(L.SITE).br(this.faultLabel);
  }

  /** RIP of the instruction from the region's start, and the node's instructions that are not retired. */
  site(): number {
    return this.insn.at * 256 + this.#unretired;
  }

  /** Reads the memory operand onto the stack. */
  load(size: Size): void {
    this.openRead(size);
    this.code.get(L.P).mem(loadOf(size));
  }

  /** Makes the memory operand writable and leaves its machine address in L.P; a store through it cannot fault. */
  open(size: number): void {
    this.#operand(size, true);
  }

  /** Makes the memory operand readable and leaves its machine address in L.P. */
  openRead(size: number): void {
    this.#operand(size, false);
  }

  #operand(size: number, write: boolean): void {
    this.memory.access(size / 8, write, () => this.pushAddress(size / 8), this.addresses.operand(this.insn));
  }

  /** Reads `size` bits at linear address L.LIN onto the stack. */
  loadAt(size: Size): void {
    this.memory.at(size / 8, false);
    this.code.get(L.P).mem(loadOf(size));
  }

  /** As open, at L.LIN. */
  openAt(size: number): void {
    this.memory.at(size / 8, true);
  }

  /** As openRead, at L.LIN. */
  openReadAt(size: number): void {
    this.memory.at(size / 8, false);
  }

  /** Stores the value on the stack through the address below it. */
  storeValue(size: Size): void {
    this.code.mem(size === 64 ? "i64.store" : size === 32 ? "i32.store" : size === 16 ? "i32.store16" : "i32.store8");
  }

  // --- flags

  /** Whether nobody can see the flags that the instruction leaves. */
  get flagsDead(): boolean {
    return this.putOffFlags.life === "dead";
  }

  /** The flags now derive from `src` and `dst` as `op` says. */
  setFlags(op: Cc, size: Size, src: Value | undefined, dst: Value, a?: Value): void {
    if (this.flagsDead) return;
    const c = this.code;
    // The first operand before the others: src or dst may be in its register.
    if (a) {
      this.push64(a);
      c.set(L.CC_A);
    }
    if (src) {
      this.push64(src);
      c.set(L.CC_SRC);
    }
    this.push64(dst);
    c.set(L.CC_DST);
    this.nameFlags(op, size, a !== undefined);
  }

  /** CC_SRC and CC_DST are set. */
  nameFlags(op: Cc, size: Size, hasA = false): void {
    this.code.i32(ccOp(op, size)).set(L.CC_OP);
    this.flags = { op, size, hasA };
    this.putOffFlags.end();
  }

  /** Puts off the flags of an instruction with this result, when that can be: false when they must be set now. */
  putOff(what: PutOffName, size: Size, result: Value): boolean {
    if (!this.putOffFlags.begin(what, size, () => this.push64(result))) return false;
    this.flags = undefined;
    return true;
  }

  /** Stores the flags, also those that are put off; `atExit` is where the ways out of the region meet. */
  storeFlags(atExit = false): void {
    const c = this.code;
    c.get(L.CPU).get(L.CC_OP).mem("i32.store", Vcpu.off.ccOp);
    c.get(L.CPU).get(L.CC_SRC).mem("i64.store", Vcpu.off.ccSrc);
    c.get(L.CPU).get(L.CC_DST).mem("i64.store", Vcpu.off.ccDst);
    this.putOffFlags.settle(atExit);
  }

  loadFlags(): void {
    const c = this.code;
    c.get(L.CPU).mem("i32.load", Vcpu.off.ccOp).set(L.CC_OP);
    c.get(L.CPU).mem("i64.load", Vcpu.off.ccSrc).set(L.CC_SRC);
    c.get(L.CPU).mem("i64.load", Vcpu.off.ccDst).set(L.CC_DST);
    this.flags = undefined;
    this.putOffFlags.end();
  }

  // --- handlers

  #loadRegister(n: number): void {
    this.addresses.forget(n);
    this.registers.load(n);
  }

  /** Sets Vcpu.blockRip to the block of the instruction's record. */
  setBlockRip(): void {
    if (this.#blockRip === this.insn.block) return;
    this.#blockRip = this.insn.block;
    this.code.get(L.CPU);
    this.pushRip(this.insn.block);
    this.code.mem("i64.store", BLOCK_RIP);
  }

  pushRip(at: number): void {
    this.code.get(L.BASE);
    if (at === 0) return;
    this.code.i64(at).op("i64.add");
    if (!this.long) this.code.i64(0xffffffffn).op("i64.and");
  }

  /** Leaves the handler's status on the stack. */
  callHandler(): void {
    this.code.get(L.CPU).i32(this.insn.record).call(this.handlerImport(this.insn.fn));
  }

  /** The interpreter's handler does the instruction, in the middle of the region. */
  handler(): void {
    const effects = registersOf(this.insn);
    const c = this.code;
    this.handlers++;
    this.callsHandlers = true;
    this.changesModes ||= !keepsModes(this.insn);
    for (const n of effects.reads) this.registers.store(n);
    for (const n of effects.vectors) this.vectors.store(n);
    if (effects.flags) this.storeFlags();
    if (effects.x87) this.x87?.store();
    this.setBlockRip();
    if (effects.stores) giveBudget(c, this.#unretired);
    this.callHandler();
    this.memory.forget();
    if (effects.leaves) c.set(L.STATUS);
    else c.op("drop");
    if (effects.stores) takeBudget(c, this.#unretired);
    for (const n of effects.writes) this.#loadRegister(n);
    for (const n of effects.vectorsWritten) this.vectors.load(n);
    if (effects.flags) this.loadFlags();
    if (effects.x87) this.x87?.reload();
    if (effects.leaves) {
      c.get(L.STATUS).if(Type.VOID, "unlikely");
      if (effects.stores) {
        c.get(L.STATUS).i32(Number(Status.values.END)).op("i32.eq").if();
        this.leaveAfter();
        c.end();
      }
      this.leave();
      c.end();
    }
    if (effects.stores) {
      c.get(L.CPU).mem("i32.load", Vcpu.off.codeChanged).if(Type.VOID, "unlikely");
      this.leaveAfter();
      c.end();
    }
  }

  /**
   * The handler on a path that is seldom taken and joins another one, on which nothing has been done. What is known
   * behind it is what both leave.
   */
  rareHandler(): void {
    const { handlers } = this;
    const blockRip = this.#blockRip === this.insn.block ? this.#blockRip : undefined;
    this.code.get(L.HANDLERS).i32(1).op("i32.add").set(L.HANDLERS);
    this.putOffFlags.sometimes(() => this.handler());
    this.handlers = handlers;
    this.#blockRip = blockRip;
  }

  /** Leaves the region behind the instruction. */
  leaveAfter(): void {
    const c = this.code;
    const later = this.#unretired - 1;
    if (later > 0) c.get(L.LEFT).i32(later).op("i32.add").set(L.LEFT);
    this.pushRip(this.insn.next);
    c.set(L.RIP).br(this.exitLabel);
  }
}
