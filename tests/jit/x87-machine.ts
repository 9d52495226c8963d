/**
 * x87 instructions on the interpreter and in regions: short pieces of code, in a loop of their own or before a jump that
 * leads out. What both leave of the x87, registers, flags and memory must be the same, exceptions included.
 */
import { Vcpu } from "../../wasm-core/abi/structs/vcpu.js";
import { encode, type Memory } from "../../wasm-core/isa/encode.js";
import { makeTestCore, type TestCore } from "../support/core.js";
import { fprOffset, LongModeMachine, STACK_TOP } from "../support/machine.js";
import type { Random } from "../support/random.js";
import { REGION_FRAMES, TestRegions } from "../support/regions.js";
import type { Form } from "./sse-machine.js";

const CODE = 0x400000;
const CODE_BYTES = 0x18000;
const SLOT = 96;
/** Where memory operands lie: RBX holds this. */
export const DATA = 0x600000;
const DATA_BYTES = 0x2000;
/** Bytes that instructions may reach at either end of a page of data. */
export const DATA_SEEN = 192;
const DATA_USED = [0, 4096 - DATA_SEEN];
/** Operands lie this far behind RBX and so many apart. */
const PLACES = 8;
const PLACE_BYTES = 16;
const RBX = 3;
const { off } = Vcpu;
const FRAME_BYTES = 48;
const FPR_BYTES = 10;

/** What a piece of code begins with. */
export interface State {
  /** Eight physical registers of ten bytes. */
  readonly fpr: Uint8Array;
  readonly fcw: number;
  readonly fsw: number;
  readonly ftw: number;
  readonly registers: BigUint64Array;
  readonly flags: number;
  readonly data: Uint8Array;
}

/** Instructions in memory and the state that they were compiled in. */
export interface Slot {
  readonly forms: readonly Form[];
  readonly rip: number;
  /** Instructions of one turn. */
  readonly count: number;
  readonly made: State;
  readonly text: string;
}

interface Part {
  readonly name: string;
  readonly bytes: Uint8Array;
}

export interface Comparison {
  readonly difference: string | undefined;
  /** All of the code ran in its region. */
  readonly inRegion: boolean;
  readonly byHandler: boolean;
}

const nameOf = ({ row, v }: Form): string =>
  `${row.mnemonic} ${row.operands.map((o) => o.kind + o.size).join(" ")} ${v.form}`;

export class X87Machine {
  readonly #core: TestCore;
  readonly #machine: LongModeMachine;
  readonly #regions: TestRegions;
  readonly #view: DataView;
  readonly #bytes: Uint8Array;
  readonly #code: readonly number[];
  readonly #data: readonly number[];
  #published = 0;
  #next = CODE;

  static async create(mode: 32 | 64): Promise<X87Machine> {
    return new X87Machine(await makeTestCore(), mode);
  }

  private constructor(
    core: TestCore,
    readonly mode: 32 | 64,
  ) {
    this.#core = core;
    this.#machine = new LongModeMachine(core, REGION_FRAMES, 256);
    this.#code = this.#machine.mapUser({ linear: CODE, bytes: CODE_BYTES, writable: false });
    this.#data = this.#machine.mapUser({ linear: DATA, bytes: DATA_BYTES, writable: true });
    this.#regions = new TestRegions(core, 1);
    this.#view = new DataView(core.memory.buffer);
    this.#bytes = new Uint8Array(core.memory.buffer);
    this.#machine.stayInHandlers();
  }

  #encode({ row, v }: Form, random: Random): Uint8Array {
    // RBX makes addresses, RSP exceptions.
    const general = random.pick([0, 1, 2, 5, 6, 7, ...(this.mode === 64 ? [8, 13] : [])]);
    const uses = (kinds: string): boolean => row.operands.some((o) => kinds.includes(o.kind));
    const memory: Memory = { base: RBX, disp: PLACE_BYTES * random.below(PLACES) };
    const rm = uses("ER") ? general : random.once(3) ? random.below(8) : random.below(3);
    const parts = { mode: this.mode, size: v.size, reg: uses("G") ? general : random.below(8), rm };
    return encode(row, { ...parts, immediates: [BigInt(random.below(64))], ...(v.form === "mem" ? { memory } : {}) });
  }

  /**
   * Puts instructions of these forms into memory. What sets flags is followed by SETcc.
   * @param loops whether a jump leads back, so that the code is made for speed
   */
  place(forms: readonly Form[], made: State, loops: boolean, random: Random): Slot {
    const rip = this.#next;
    this.#next += SLOT;
    if (this.#next > CODE + CODE_BYTES) throw new Error("no room for more instructions");
    const bytes: number[] = [];
    let count = 1;
    for (const form of forms) {
      bytes.push(...this.#encode(form, random));
      count++;
      if (form.row.flags === "" || form.row.flags.includes("t")) continue;
      for (let r = 0; r < 2; r++) bytes.push(0x0f, 0x90 + random.below(16), 0xc0 + r);
      count += 2;
    }
    const hex = bytes.map((b) => b.toString(16).padStart(2, "0")).join(" ");
    const jump = [0xeb, loops ? 0x100 - bytes.length - 2 : 0];
    bytes.push(...jump, ...(loops ? [] : [0xeb, 0xfe]));
    if (bytes.length > SLOT) throw new Error("too many instructions");
    for (const [i, byte] of bytes.entries()) {
      const at = rip + i - CODE;
      this.#bytes[this.#code[at >>> 12]! + (at & 4095)] = byte;
    }
    return { forms, rip, count, made, text: `${forms.map(nameOf).join("; ")}: ${hex}` };
  }

  /** Makes a region of every piece of code, each in its own state. */
  compile(slots: readonly Slot[]): void {
    for (const page of this.#code) this.#machine.forgetCode(page);
    for (const { made, rip, count } of slots) {
      this.#enter(made, rip);
      this.#core.call.testRun(this.#machine.cpu, count);
      this.#regions.settle(this.#machine.cpu);
    }
    this.#published = this.#view.getUint32(this.#machine.cpu + off.regionsAt, true);
  }

  compare(slot: Slot, state: State): Comparison {
    const { cpu } = this.#machine;
    const counts = (): [number, number] => [
      Number(this.#view.getBigUint64(cpu + off.regionInstructions, true)),
      Number(this.#view.getBigUint64(cpu + off.regionHandlers, true)),
    ];
    const expected = this.#run(slot, state, 0);
    const [regions, handlers] = counts();
    const got = this.#run(slot, state, this.#published);
    const [regionsAfter, handlersAfter] = counts();
    const lines = expected.flatMap(({ name, bytes }, i) => {
      const other = got[i]!.bytes;
      const hex = (b: Uint8Array): string => Buffer.from(b).reverse().toString("hex");
      return Buffer.compare(bytes, other) === 0 ? [] : [`${name} ${hex(bytes)} / ${hex(other)}`];
    });
    return {
      difference: lines.length === 0 ? undefined : lines.join("\n"),
      inRegion: regionsAfter - regions === slot.count,
      byHandler: handlersAfter !== handlers,
    };
  }

  #enter(state: State, rip: number): void {
    const { cpu } = this.#machine;
    const view = this.#view;
    this.#machine.enterUser(this.mode, 0n);
    for (let n = 0; n < 16; n++) view.setBigUint64(cpu + off.gpr + 8 * n, state.registers[n]!, true);
    for (let n = 0; n < 8; n++)
      this.#bytes.set(state.fpr.subarray(FPR_BYTES * n, FPR_BYTES * (n + 1)), cpu + fprOffset(n));
    view.setUint16(cpu + off.fcw, state.fcw, true);
    view.setUint16(cpu + off.fsw, state.fsw, true);
    view.setUint16(cpu + off.ftw, state.ftw, true);
    view.setUint16(cpu + off.fop, 0x123, true);
    view.setBigUint64(cpu + off.fip, 0x1111n, true);
    view.setBigUint64(cpu + off.fdp, 0x2222n, true);
    view.setUint32(cpu + off.eflags, state.flags, true);
    view.setUint32(cpu + off.mxcsr, 0x1f80, true);
    view.setBigUint64(cpu + off.rip, BigInt(rip), true);
    for (const page of this.#data) for (const at of DATA_USED) this.#bytes.set(state.data, page + at);
    this.#machine.refresh();
  }

  #run(slot: Slot, state: State, regionsAt: number): Part[] {
    this.#enter(state, slot.rip);
    this.#view.setUint32(this.#machine.cpu + off.regionsAt, regionsAt, true);
    this.#core.call.testRun(this.#machine.cpu, slot.count);
    return this.#image();
  }

  #image(): Part[] {
    const { cpu } = this.#machine;
    const out: Part[] = [];
    const take = (name: string, at: number, bytes: number): void => {
      out.push({ name, bytes: this.#bytes.slice(at, at + bytes) });
    };
    for (let n = 0; n < 8; n++) take(`R${n}`, cpu + fprOffset(n), FPR_BYTES);
    for (const name of ["fcw", "fsw", "ftw", "fop"] as const) take(name, cpu + off[name], 2);
    for (const name of ["fip", "fdp", "rip", "cr2"] as const) take(name, cpu + off[name], 8);
    for (let n = 0; n < 16; n++) take(`GPR${n}`, cpu + off.gpr + 8 * n, 8);
    take("eflags", cpu + off.eflags, 4);
    for (const page of this.#data) for (const at of DATA_USED) take("memory", page + at, DATA_SEEN);
    take("frame", this.#machine.at(STACK_TOP - BigInt(FRAME_BYTES)), FRAME_BYTES);
    return out;
  }
}
