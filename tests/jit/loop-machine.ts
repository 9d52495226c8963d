/**
 * One loop of a guest at CPL 3 with a page of data and a device before it, run in the interpreter or in the regions made of
 * it, while the test keeps the clock.
 */
import { Assembler } from "../../wasm-core/isa/asm/index.js";
import { loadTable } from "../../wasm-core/isa/table.js";
import { makeTestCore, type TestCore } from "../support/core.js";
import { LongModeMachine } from "../support/machine.js";
import { REGION_FRAMES, TestRegions } from "../support/regions.js";

export const CODE = 0x400000;
export const DATA = 0x500000;
/** Behind the data; the stack grows down from here. */
export const STACK_TOP = DATA + 4096;
/** The local APIC. */
export const DEVICE = 0x600000;
/** Runs of a block before its region is asked for. */
export const THRESHOLD = 4;
const PAGE = 4096;
const DEVICE_AT = 0xfee00000n;
const assembler = new Assembler(await loadTable());

/** Registers by their number in the instruction. */
export const Gpr = { RBX: 3, RSP: 4, RBP: 5, RDI: 7, R15: 15 } as const;

export interface LoopOptions {
  /** 64-bit code that begins at CODE. */
  readonly source: string;
  /** All others are 0. */
  readonly registers: Readonly<Record<number, number>>;
  readonly hostNow?: () => number;
  readonly hostNap?: () => void;
}

export class LoopMachine {
  readonly machine: LongModeMachine;
  readonly cpu: number;
  readonly view: DataView;
  /** Machine addresses of the pages. */
  readonly code: number;
  readonly data: number;
  /** What the source has become. */
  readonly bytes: Uint8Array;
  readonly #regions: TestRegions;

  private constructor(
    readonly core: TestCore,
    { source, registers }: LoopOptions,
  ) {
    this.machine = new LongModeMachine(core, REGION_FRAMES);
    this.cpu = this.machine.cpu;
    this.#regions = new TestRegions(core, THRESHOLD);
    this.bytes = assembler.assemble(`.code64\n${source}`, { origin: CODE }).bytes;
    this.code = this.machine.placeUser(CODE, this.bytes, true)[0]!;
    this.data = this.machine.mapUser({ linear: DATA, bytes: PAGE, writable: true })[0]!;
    this.machine.remapUser(DEVICE, DEVICE_AT);
    this.machine.begin({ rip: CODE, registers });
    this.view = new DataView(core.memory.buffer);
  }

  static async create(options: LoopOptions): Promise<LoopMachine> {
    return new LoopMachine(await makeTestCore(options.hostNow, options.hostNap), options);
  }

  register(n: number): bigint {
    return this.machine.register(n);
  }

  /** A field of the vCPU of 64 bits. */
  field(at: number): bigint {
    return this.view.getBigUint64(this.cpu + at, true);
  }

  /** Gives the run loop so many instructions; then lets regions in that it asked for, if any are wanted. */
  turn(budget: number, inRegions: boolean): void {
    this.core.call.testRun(this.cpu, budget);
    if (inRegions) this.#regions.settle(this.cpu);
  }
}
