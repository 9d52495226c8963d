/**
 * The PV console back end: moves bytes between the guest's console page and a stream. The guest notifies when it wrote
 * output or took input; we notify when we did the opposite. [XEN] io/console.h
 */
import type { MachineMemory } from "../../core-link/index.js";
import type { ByteRing } from "../../ring/index.js";
import { inputRing, OUTPUT_RING, outputRing } from "./codec.js";
import { type FlowState, INITIAL_FLOW, step } from "./machine.js";
import type { ConsoleSource, ConsoleStream } from "./stream.js";

export interface ConsoleIo {
  readonly memory: MachineMemory;
  /** Machine address of the console page. */
  readonly page: number;
  notify(): void;
  log(line: string): void;
}

/** Bytes taken before others get their turn. */
const BYTES_PER_TURN = 64 * 1024;

export class ConsoleBackend implements ConsoleSource {
  readonly #input: ByteRing;
  readonly #output: ByteRing;
  #flow: FlowState = INITIAL_FLOW;

  constructor(
    private readonly io: ConsoleIo,
    private readonly stream: ConsoleStream,
  ) {
    this.#input = inputRing(io.memory, io.page);
    this.#output = outputRing(io.memory, io.page);
    stream.setSource(this);
  }

  get phase(): FlowState["phase"] {
    return this.#flow.phase;
  }

  /** Takes output and gives input; true when there is more to do at once. */
  serve(): boolean {
    if (this.#flow.phase !== "open") return false;
    const more = this.#takeOutput();
    this.inputReady();
    return more;
  }

  inputReady(): void {
    if (this.#flow.phase !== "open") return;
    const taken = this.stream.takeInput((bytes) => {
      const count = this.#input.write(bytes);
      if (count === null) this.#break("input ring indices are inconsistent");
      return count ?? 0;
    });
    if (taken > 0) this.io.notify();
  }

  outputResumed(): void {
    this.serve();
  }

  close(): void {
    if (this.#flow.phase === "open") this.#takeOutput();
    [this.#flow] = step(this.#flow, { kind: "closed" });
    this.stream.setSource(null);
  }

  #takeOutput(): boolean {
    let taken = 0;
    while (taken < BYTES_PER_TURN && this.stream.accepting) {
      const bytes = this.#output.read(OUTPUT_RING.size);
      if (bytes === null) {
        this.#break("output ring indices are inconsistent");
        break;
      }
      if (bytes.length === 0) break;
      taken += bytes.length;
      this.stream.output(bytes);
    }
    if (taken > 0) this.io.notify();
    return taken >= BYTES_PER_TURN && this.#flow.phase === "open";
  }

  #break(why: string): void {
    const [next, effects] = step(this.#flow, { kind: "broken" });
    this.#flow = next;
    if (effects.includes("report-broken")) this.io.log(`console ring broken: ${why}`);
  }
}
