/** A random program in the making whose items are lines of assembly, with rounds of its own and an end. */
import type { Assembler } from "../../wasm-core/isa/asm/index.js";
import type { Mode } from "./machine.js";
import { Draft, type Program } from "./program.js";
import { Steering } from "./steering.js";

/** Counters of loops are below; this one counts the program's own rounds. */
const ROUNDS = 2;

export class Lines {
  readonly draft = new Draft();
  readonly steering: Steering;

  constructor(
    private readonly assembler: Assembler,
    readonly mode: Mode,
  ) {
    this.steering = new Steering(mode);
  }

  add(source: string): void {
    const { bytes } = this.assembler.assemble(`.code${this.mode}\n${source}`, { origin: 0 });
    this.draft.items.push({ kind: "bytes", bytes });
  }

  /** The program that does what `body` makes `rounds` times; what `behind` makes is only called. */
  program(rounds: number, body: () => void, behind = (): void => {}): Program {
    const { draft, steering } = this;
    const end = draft.label();
    draft.items.push(steering.start(ROUNDS, rounds));
    const top = draft.here();
    body();
    draft.items.push(...steering.again(ROUNDS, top), { kind: "branch", opcode: [0xe9], wide: true, to: end });
    behind();
    draft.place(end);
    this.add("here: jmp here");
    return { items: draft.items, end };
  }
}
