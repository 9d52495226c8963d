/** A replayer that also says how a vector's instruction was decoded, as regions see it. */
import { Vcpu } from "../../wasm-core/abi/structs/vcpu.js";
import { type Insn, MachineView } from "../../wasm-core/jit/region/machine-view.js";
import type { TestCore } from "../support/core.js";
import type { Vector } from "./layout.js";
import { Replayer } from "./replayer.js";

export class InsnReplayer extends Replayer {
  #lastCode = "";
  #insn: Insn | undefined;
  readonly #view: MachineView;

  constructor(core: TestCore) {
    super(core);
    this.#view = new MachineView(core.memory.buffer);
  }

  /** Runs the vector; its instruction, or undefined when it is none. */
  insnOf(v: Vector): Insn | undefined {
    const key = v.code.join();
    if (key === this.#lastCode) return this.#insn;
    this.#lastCode = key;
    this.run(v);
    const block = this.#view.findBlock(this.codeHost(v), this.#view.word(this.machine.cpu + Vcpu.off.modeKey));
    this.#insn = block === 0 ? undefined : this.#view.readBlock(block, 0)?.insns[0];
    return this.#insn;
  }
}
