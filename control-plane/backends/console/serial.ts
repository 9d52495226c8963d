/**
 * The serial console: the byte rings between a domain's UART and debug console in the core and a stream. The core fills
 * `serialOut` and empties `serialIn`; both rings hold a power of two of bytes under free-running indices.
 */
import { PlatformState, SERIAL_IN_BYTES, SERIAL_OUT_BYTES } from "../../../wasm-core/abi/structs/platform.js";
import type { MachineMemory } from "../../core-link/index.js";
import { ByteRing } from "../../ring/index.js";
import type { ConsoleSource, ConsoleStream } from "./stream.js";

export interface SerialIo {
  readonly memory: MachineMemory;
  /** Address of the domain's PlatformState. */
  readonly platform: number;
  /** Makes the core look at the UART: input has come, or there is room for output again. */
  kick(): void;
}

const { off } = PlatformState;
const OUTPUT = { data: off.serialOut, size: SERIAL_OUT_BYTES, cons: off.serialOutCons, prod: off.serialOutProd };
const INPUT = { data: off.serialIn, size: SERIAL_IN_BYTES, cons: off.serialInCons, prod: off.serialInProd };

export class SerialConsole implements ConsoleSource {
  readonly #output: ByteRing;
  readonly #input: ByteRing;

  constructor(
    private readonly io: SerialIo,
    private readonly stream: ConsoleStream,
  ) {
    this.#output = new ByteRing(io.memory, io.platform, OUTPUT);
    this.#input = new ByteRing(io.memory, io.platform, INPUT);
    stream.setSource(this);
  }

  serve(): boolean {
    let taken = 0;
    while (this.stream.accepting) {
      const bytes = this.#output.read(SERIAL_OUT_BYTES);
      if (!bytes || bytes.length === 0) break;
      taken += bytes.length;
      this.stream.output(bytes);
    }
    const given = this.stream.takeInput((bytes) => this.#input.write(bytes) ?? 0);
    if (taken > 0 || given > 0) this.io.kick();
    return false;
  }

  inputReady(): void {
    this.serve();
  }

  outputResumed(): void {
    this.serve();
  }

  close(): void {
    this.serve();
    this.stream.setSource(null);
  }
}
