/**
 * Programs run twice from one state: by the interpreter, and by the regions made of them. All that a program can change
 * is compared.
 */

import type { RegionDoors } from "../../wasm-core/abi/core-api.js";
import { Jit } from "../../wasm-core/abi/structs/jit.js";
import { Block } from "../../wasm-core/abi/structs/translation.js";
import { Vcpu } from "../../wasm-core/abi/structs/vcpu.js";
import { Assembler } from "../../wasm-core/isa/asm/index.js";
import { loadTable } from "../../wasm-core/isa/table.js";
import { RegionCompiler } from "../../wasm-core/jit/compiler.js";
import { MachineView } from "../../wasm-core/jit/region/machine-view.js";
import { Regions } from "../../wasm-core/worker/regions.js";
import { makeTestCore, type TestCore } from "../support/core.js";
import { LongModeMachine } from "../support/machine.js";
import type { Random } from "../support/random.js";
import { failed } from "../support/regions.js";
import { value } from "./snippets.js";

const CODE = 0x400000;
const DATA = 0x600000;
const DATA_BYTES = 8192;
const PAGE = 4096;
const STACK = 0xd000n;
/** Programs begin every so many bytes. */
const SLOT = 128;
/** Behind the programs: a jump to itself. */
const OUT = CODE + PAGE - 16;
const JUMP_TO_ITSELF = [0xeb, 0xfe];
const BUDGET = 24;
const ARITH = 0x8d5;
const DF = 0x400;
const { off } = Vcpu;

export interface State {
  readonly registers: readonly bigint[];
  readonly rip: bigint;
  readonly eflags: number;
  /** The data pages and the handlers' stack. */
  readonly memory: Buffer;
}

export interface Start {
  readonly registers: readonly bigint[];
  readonly eflags: number;
  readonly data: Uint8Array;
}

export class RegionMachine {
  readonly machine: LongModeMachine;
  readonly #data: readonly number[];
  readonly #code: number;
  readonly #compiler: RegionCompiler;
  readonly #regions: Regions;
  readonly #jit: number;

  private constructor(
    readonly core: TestCore,
    readonly assembler: Assembler,
  ) {
    this.machine = new LongModeMachine(core);
    const call = core.call as typeof core.call & RegionDoors & { jitStart(): number };
    this.#jit = call.jitStart();
    this.#view().setUint32(this.#jit + Jit.off.youth, 0, true);
    this.#compiler = new RegionCompiler({ memory: core.memory, jit: this.#jit, firstSlot: call.table.length });
    this.#regions = new Regions(call, core.memory, 0, this.#jit, failed);
    this.#code = this.machine.mapUser({ linear: CODE, bytes: PAGE, writable: false })[0]!;
    this.#data = this.machine.mapUser({ linear: DATA, bytes: DATA_BYTES, writable: true });
    this.machine.stayInHandlers();
  }

  static async create(): Promise<RegionMachine> {
    return new RegionMachine(await makeTestCore(), new Assembler(await loadTable()));
  }

  #u8(): Uint8Array {
    return new Uint8Array(this.core.memory.buffer);
  }

  #view(): DataView {
    return new DataView(this.core.memory.buffer);
  }

  /** How many programs a page holds. */
  static readonly PROGRAMS = Math.floor((PAGE - 16) / SLOT) - 1;

  /** Puts the programs into the code page, each in its slot; makes regions of them. */
  load(programs: readonly string[], random: Random): void {
    this.machine.forgetCode(this.#code);
    const u8 = this.#u8();
    u8.fill(0xcc, this.#code, this.#code + PAGE);
    u8.set(JUMP_TO_ITSELF, this.#code + OUT - CODE);
    programs.forEach((source, k) => {
      const origin = CODE + k * SLOT;
      // A label of its own, so that jumps end in a node of the region.
      const text = `.code64\n${source.replaceAll("OUT", "behind")}; behind: mov r10, r11; jmp 0x${OUT.toString(16)}`;
      const { bytes } = this.assembler.assemble(text, { origin });
      if (bytes.length > SLOT) throw new Error(`too long: ${source}`);
      u8.set(bytes, this.#code + k * SLOT);
    });
    for (let round = 0; round < 3; round++)
      for (let k = 0; k < programs.length; k++) this.run(k, randomStart(random), false);
    const view = new MachineView(this.core.memory.buffer);
    const words = new Uint32Array(this.core.memory.buffer);
    const key = view.word(this.machine.cpu + off.modeKey);
    programs.forEach((source, k) => {
      const block = view.findBlock(this.#code + k * SLOT, key);
      if (block === 0) throw new Error(`not decoded: ${source}`);
      words[(block + Block.off.heat) >>> 2] = 1;
      this.run(k, randomStart(random), false);
    });
    if (this.#compiler.drain() < programs.length) throw new Error("not every program became a region");
    this.#regions.install();
  }

  /** Instructions done in regions, and by handlers from there. */
  counts(): { regions: number; handlers: number } {
    const view = this.#view();
    const count = (at: number): number => Number(view.getBigUint64(this.machine.cpu + at, true));
    return { regions: count(off.regionInstructions), handlers: count(off.regionHandlers) };
  }

  /** Runs program `k`, in its region or in the interpreter. */
  run(k: number, start: Start, inRegion: boolean): State {
    const { machine } = this;
    const { cpu } = machine;
    const view = this.#view();
    const u8 = this.#u8();
    machine.enterUser(64, 0n);
    for (const [n, v] of start.registers.entries()) view.setBigUint64(cpu + off.gpr + 8 * n, v, true);
    view.setBigUint64(cpu + off.rip, BigInt(CODE + k * SLOT), true);
    view.setUint32(cpu + off.eflags, start.eflags, true);
    for (const [n, page] of this.#data.entries()) u8.set(start.data.subarray(n * PAGE, (n + 1) * PAGE), page);
    const stack = machine.at(STACK);
    u8.fill(0, stack, stack + PAGE);
    machine.refresh();
    const published = view.getUint32(this.#jit + Jit.off.published, true);
    this.core.call.testRegions(cpu, 0);
    view.setUint32(cpu + off.regionsAt, inRegion ? published : published - 0x40000000, true);
    this.core.call.testRun(cpu, BUDGET);
    const pages = [...this.#data, stack].map((page) => u8.slice(page, page + PAGE));
    return {
      registers: start.registers.map((_, n) => view.getBigUint64(cpu + off.gpr + 8 * n, true)),
      rip: view.getBigUint64(cpu + off.rip, true),
      eflags: view.getUint32(cpu + off.eflags, true),
      memory: Buffer.concat(pages),
    };
  }
}

/** Registers, flags and memory from which programs are run. RBX points into the data pages, now and then to their ends. */
export function randomStart(random: Random): Start {
  const registers = Array.from({ length: 16 }, () => value(random));
  const near = random.once(8) ? 4096 - 8 + random.below(16) : 256 + 8 * random.below(900);
  registers[3] = BigInt(DATA + (random.once(16) ? random.below(8400) : near));
  registers[4] = BigInt(DATA + 4096);
  const data = new Uint8Array(DATA_BYTES);
  const words = new DataView(data.buffer);
  for (let at = 0; at < 64; at += 8)
    words.setBigUint64((Number(registers[3]! & 0x1fffn) % (DATA_BYTES - 64)) + at, value(random), true);
  const eflags = 0x202 | (random.u32() & ARITH) | (random.once(16) ? DF : 0);
  return { registers, eflags, data };
}
