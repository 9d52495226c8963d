/** The machine that the small programs of programs.ts run in: code, data and a stack, and the x87 as FNINIT leaves it. */
import { Vcpu } from "../../wasm-core/abi/structs/vcpu.js";
import { Assembler } from "../../wasm-core/isa/asm/index.js";
import { loadTable } from "../../wasm-core/isa/table.js";
import { makeTestCore, type TestCore } from "../support/core.js";
import { LongModeMachine } from "../support/machine.js";
import { REGION_FRAMES } from "../support/regions.js";

export const CODE = 0x400000;
const PAGE = 4096;
const DATA = 0x500000;
const DATA_BYTES = 0x2000;
const RAM_PAGES = 128;
const [RCX, RSP, RSI] = [1, 4, 6];
const assembler = new Assembler(await loadTable());

export type Mode = 32 | 64;

export class GoldenMachine {
  readonly machine: LongModeMachine;
  readonly view: DataView;

  private constructor(readonly core: TestCore) {
    this.machine = new LongModeMachine(core, REGION_FRAMES, RAM_PAGES);
    this.machine.mapUser({ linear: DATA, bytes: DATA_BYTES, writable: true });
    this.view = new DataView(core.memory.buffer);
    this.view.setUint16(this.cpu + Vcpu.off.fcw, 0x37f, true);
    this.view.setUint16(this.cpu + Vcpu.off.ftw, 0xffff, true);
  }

  static async create(): Promise<GoldenMachine> {
    return new GoldenMachine(await makeTestCore());
  }

  get cpu(): number {
    return this.machine.cpu;
  }

  /** Puts a program into page `n` of the code, and is about to run it; its counter is set to `rounds`. */
  begin(source: string, rounds: number, mode: Mode = 64, n = 0): void {
    const rip = CODE + n * PAGE;
    this.machine.placeUser(rip, assembler.assemble(`.code${mode}\n${source}`, { origin: rip }).bytes, true);
    this.machine.begin({ rip, mode, registers: { [RCX]: rounds, [RSP]: DATA + 0x1800, [RSI]: DATA } });
  }

  /** Runs a block or a region of the program, so many times at most, with `between` after each. */
  run(turns: number, between: () => void = () => {}): void {
    for (let i = 0; i < turns && this.view.getUint8(this.cpu + Vcpu.off.cpl) === 3; i++) {
      this.core.call.testRun(this.cpu, 1);
      between();
    }
  }
}
