/**
 * SSE instructions one at a time, on the interpreter and in a region of their own: each is a loop with itself, of which
 * one turn is run. What both leave of registers, flags, MXCSR and memory must be the same.
 */
import { JIT_THRESHOLD } from "../../wasm-core/abi/structs/jit.js";
import { Vcpu, VEC_STRIDE } from "../../wasm-core/abi/structs/vcpu.js";
import { encode, type Memory } from "../../wasm-core/isa/encode.js";
import type { Row } from "../../wasm-core/isa/row.js";
import type { Variant } from "../../wasm-core/isa/variants.js";
import { makeTestCore, type TestCore } from "../support/core.js";
import { HANDLERS, LongModeMachine, STACK_TOP, xmmOffset } from "../support/machine.js";
import type { Random } from "../support/random.js";
import { REGION_FRAMES, TestRegions } from "../support/regions.js";

const CODE = 0x400000;
const CODE_BYTES = 0x28000;
const SLOT = 128;
/** Where memory operands lie when RBX holds this and RSI zero. */
export const DATA = 0x600000;
const DATA_BYTES = 0x2000;
const RBX = 3;
const RSI = 6;
const { off } = Vcpu;

export interface Form {
  readonly row: Row;
  readonly v: Variant;
}

/** Instructions in memory, with the registers and the immediates they were made with, and a jump back. */
export interface Slot {
  readonly forms: readonly Form[];
  readonly rip: number;
  /** Instructions of one turn. */
  readonly count: number;
  readonly text: string;
}

/** What an instruction begins with. */
export interface State {
  readonly vectors: Uint8Array;
  readonly registers: BigUint64Array;
  readonly flags: number;
  readonly mxcsr: number;
  readonly data: Uint8Array;
}

interface Outcome {
  readonly image: Uint8Array;
  readonly inRegion: boolean;
  readonly byHandler: boolean;
}

/** Bytes that instructions may reach at either end of a page of data. */
export const DATA_SEEN = 512;
const DATA_USED = [0, 4096 - DATA_SEEN];
const STATE_AT = 256 + 128;
/** What an exception pushes. */
const FRAME_BYTES = 48;
const IMAGE_BYTES = STATE_AT + 16 + 4 * DATA_SEEN + FRAME_BYTES;

/** Where the images differ: XMM and general registers, EFLAGS, MXCSR, RIP, CR2, memory. */
function describe(expected: Uint8Array, got: Uint8Array): string {
  const out: string[] = [];
  for (let at = 0; at < IMAGE_BYTES; at += 16) {
    const hex = (from: Uint8Array): string => Buffer.from(from.subarray(at, at + 16)).toString("hex");
    const name =
      at < 256 ? `XMM${at / 16}` : at < STATE_AT ? `GPR${(at - 256) / 8}` : at === STATE_AT ? "state" : `+${at}`;
    if (hex(expected) !== hex(got)) out.push(`${name} ${hex(expected)} / ${hex(got)}`);
  }
  return out.join("\n");
}

/** Mnemonic, operands, operand size and form. */
export const nameOf = ({ row, v }: Form): string =>
  `${row.mnemonic} ${row.operands.map((o) => o.kind + o.size).join(" ")} ${v.size} ${v.form}`;

export class SseMachine {
  readonly #view: DataView;
  readonly #bytes: Uint8Array;
  readonly #code: number[];
  readonly #data: number[];
  readonly #regions: TestRegions;
  #published = 0;
  #next = CODE;

  static async create(): Promise<SseMachine> {
    return new SseMachine(await makeTestCore());
  }

  private constructor(
    readonly core: TestCore,
    readonly machine = new LongModeMachine(core, REGION_FRAMES),
  ) {
    this.#code = machine.mapUser({ linear: CODE, bytes: CODE_BYTES, writable: false });
    this.#data = machine.mapUser({ linear: DATA, bytes: DATA_BYTES, writable: true });
    this.#regions = new TestRegions(core, JIT_THRESHOLD);
    this.#view = new DataView(core.memory.buffer);
    this.#bytes = new Uint8Array(core.memory.buffer);
    // Exceptions end in loops.
    for (let v = 0n; v < 256n; v++) this.#view.setUint16(machine.at(HANDLERS + 16n * v), 0xfeeb, true);
  }

  /** Bytes of an instruction of the form with random operands. */
  #encode({ row, v }: Form, random: Random): Uint8Array {
    const reg = random.below(16);
    const uses = (kinds: string): boolean => row.operands.some((o) => kinds.includes(o.kind));
    // RBX and RSI are kept for addresses, RSP for exceptions.
    const general = random.pick([0, 1, 2, 5, 7, 8, 9, 12, 13, 15]);
    const parts = {
      mode: 64 as const,
      size: v.size,
      reg: uses("G") ? general : reg,
      rm: uses("ER") ? general : random.once(4) ? reg : random.below(16),
      immediates: [BigInt(random.once(2) ? random.below(40) : random.below(256))],
    };
    const memory: Memory = random.once(2)
      ? { base: RBX, disp: 0x40 }
      : { base: RSI, index: RBX, scale: 1, disp: random.once(2) ? 0x40 : 0x140 };
    return encode(row, v.form === "mem" ? { ...parts, memory } : parts);
  }

  /** Puts instructions of these forms into memory. What sets flags is followed by SETcc. */
  place(forms: readonly Form[], random: Random): Slot {
    const rip = this.#next;
    this.#next += SLOT;
    if (this.#next > CODE + CODE_BYTES) throw new Error("no room for more instructions");
    const bytes: number[] = [];
    let count = 1;
    for (const form of forms) {
      bytes.push(...this.#encode(form, random));
      count++;
      if (form.row.flags === "") continue;
      for (let r = 0; r < 3; r++) bytes.push(0x0f, 0x90 + random.below(16), 0xc0 + r);
      count += 3;
    }
    const hex = bytes.map((b) => b.toString(16).padStart(2, "0")).join(" ");
    bytes.push(0xeb, 0x100 - bytes.length - 2);
    if (bytes.length > SLOT) throw new Error("too many instructions");
    const page = this.#code[(rip - CODE) >>> 12]!;
    this.#bytes.set(bytes, page + (rip & 4095));
    return { forms, rip, count, text: `${forms.map(nameOf).join("; ")}: ${hex}` };
  }

  /** Makes a region of every instruction placed: one that leaves what is rare in it to the interpreter, or one that calls handlers. */
  compile(slots: readonly Slot[], calm: State, rare: "interpreter" | "handlers"): void {
    for (const page of this.#code) this.machine.forgetCode(page);
    if (rare === "handlers") this.#regions.setHot(1);
    this.#make(slots, calm, JIT_THRESHOLD + 2);
    if (rare === "interpreter") return;
    this.#regions.areMissed = true;
    this.#make(slots, calm, 1);
  }

  #make(slots: readonly Slot[], state: State, turns: number): void {
    const { cpu } = this.machine;
    for (const { rip, count } of slots) {
      this.#enter(state, rip);
      this.core.call.testRun(cpu, count * turns);
      this.#regions.settle(cpu);
    }
    // The jump cache goes along, and knows no region that another has replaced.
    this.core.call.testFlush(cpu);
    this.#published = this.#view.getUint32(cpu + off.regionsAt, true);
  }

  /** Differences between interpreter and region, or undefined when there are none. */
  compare(slot: Slot, state: State): { difference: string | undefined; inRegion: boolean; byHandler: boolean } {
    const expected = this.#run(slot, state, 0);
    const got = this.#run(slot, state, this.#published);
    const same = Buffer.compare(expected.image, got.image) === 0;
    const difference = same ? undefined : describe(expected.image, got.image);
    return { difference, inRegion: got.inRegion, byHandler: got.byHandler };
  }

  #enter(state: State, rip: number): void {
    const { cpu } = this.machine;
    this.machine.enterUser(64, 0n);
    for (let n = 0; n < 16; n++) {
      this.#bytes.set(state.vectors.subarray(16 * n, 16 * n + 16), cpu + xmmOffset(n));
      this.#view.setBigUint64(cpu + off.gpr + 8 * n, state.registers[n]!, true);
    }
    this.#view.setUint32(cpu + off.eflags, state.flags, true);
    this.#view.setUint32(cpu + off.mxcsr, state.mxcsr, true);
    this.#view.setBigUint64(cpu + off.rip, BigInt(rip), true);
    for (const page of this.#data) for (const at of DATA_USED) this.#bytes.set(state.data, page + at);
    this.machine.refresh();
  }

  #run(slot: Slot, state: State, regionsAt: number): Outcome {
    const { cpu } = this.machine;
    const count = (at: number): bigint => this.#view.getBigUint64(cpu + at, true);
    this.#enter(state, slot.rip);
    this.#view.setUint32(cpu + off.regionsAt, regionsAt, true);
    const before = count(off.regionInstructions);
    const handlers = count(off.regionHandlers);
    this.core.call.testRun(cpu, slot.count);
    const inRegion = count(off.regionInstructions) !== before;
    return { image: this.#image(), inRegion, byHandler: count(off.regionHandlers) !== handlers };
  }

  #image(): Uint8Array {
    const { cpu } = this.machine;
    const image = new Uint8Array(IMAGE_BYTES);
    let at = 0;
    const take = (from: number, bytes: number): void => {
      image.set(this.#bytes.subarray(from, from + bytes), at);
      at += bytes;
    };
    for (let n = 0; n < 16; n++) take(cpu + off.vec + VEC_STRIDE * n, 16);
    take(cpu + off.gpr, 128);
    for (const field of [off.eflags, off.mxcsr, off.rip, off.cr2]) take(cpu + field, 4);
    for (const page of this.#data) for (const at of DATA_USED) take(page + at, DATA_SEEN);
    take(this.machine.at(STACK_TOP - BigInt(FRAME_BYTES)), FRAME_BYTES);
    return image;
  }
}
