/**
 * A console as people see it: output with scrollback for any number of readers, and input. It outlives the domain behind
 * it, so that a session stays attached across a reboot. Where bytes come from and go to is the source's business: the PV
 * ring or a UART.
 */
import { type FlowState, INITIAL_FLOW, step } from "./machine.js";
import { Scrollback } from "./scrollback.js";

/** What a stream asks of whatever feeds it. */
export interface ConsoleSource {
  /** Input was queued: take it with `takeInput`. */
  inputReady(): void;
  /** Readers have caught up: output may be taken again. */
  outputResumed(): void;
}

/** A promise that it returns is the reader's acknowledgement; without one it is taken to be as fast as we are. */
export type ConsoleReader = (data: Uint8Array) => void | Promise<void>;

const SCROLLBACK_BYTES = 256 * 1024;
/** Typed or pasted bytes that wait for the guest; what goes beyond is dropped, as a full keyboard buffer does. */
const INPUT_MAX = 1024 * 1024;

interface Attached {
  readonly read: ConsoleReader;
  inFlight: number;
  /** Resolves when everything sent so far is acknowledged. */
  idle: Promise<void>;
}

export class ConsoleStream {
  readonly #scrollback = new Scrollback(SCROLLBACK_BYTES);
  readonly #readers = new Set<Attached>();
  #input: Uint8Array[] = [];
  #inputBytes = 0;
  #flow: FlowState = INITIAL_FLOW;
  #source: ConsoleSource | null = null;

  /** Connects what feeds the stream now; null when its domain is gone. */
  setSource(source: ConsoleSource | null): void {
    this.#source = source;
    this.#input = [];
    this.#inputBytes = 0;
  }

  /** Whether output may be taken from the guest. */
  get accepting(): boolean {
    return this.#flow.phase === "open";
  }

  scrollback(): Uint8Array {
    return this.#scrollback.read();
  }

  restoreScrollback(bytes: Uint8Array): void {
    this.#scrollback.add(bytes);
  }

  /** Output of the guest. The array must not change afterwards. */
  output(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#scrollback.add(bytes);
    for (const reader of this.#readers) this.#send(reader, bytes);
  }

  /** Attaches a reader: it gets the scrollback first. Returns what detaches it. */
  attach(read: ConsoleReader): () => void {
    const reader: Attached = { read, inFlight: 0, idle: Promise.resolve() };
    this.#readers.add(reader);
    const past = this.#scrollback.read();
    if (past.length > 0) this.#send(reader, past);
    return () => {
      this.#readers.delete(reader);
      this.#updateFlow();
    };
  }

  /** Resolves when all readers have acknowledged what was sent to them so far. */
  async drained(): Promise<void> {
    await Promise.all([...this.#readers].map((reader) => reader.idle));
  }

  /** Bytes typed by a person. */
  input(bytes: Uint8Array): void {
    const kept = bytes.slice(0, INPUT_MAX - this.#inputBytes);
    if (kept.length === 0) return;
    this.#input.push(kept);
    this.#inputBytes += kept.length;
    this.#source?.inputReady();
  }

  /** Lets `write` take as much of the waiting input as it can; it returns how much that was. */
  takeInput(write: (bytes: Uint8Array) => number): number {
    let taken = 0;
    while (this.#input.length > 0) {
      const first = this.#input[0]!;
      const count = write(first);
      taken += count;
      if (count < first.length) {
        this.#input[0] = first.subarray(count);
        break;
      }
      this.#input.shift();
    }
    this.#inputBytes -= taken;
    return taken;
  }

  /** A copy of the input that still waits. */
  pendingInput(): Uint8Array[] {
    return this.#input.map((bytes) => bytes.slice());
  }

  #send(reader: Attached, bytes: Uint8Array): void {
    let acknowledged: void | Promise<void>;
    try {
      acknowledged = reader.read(bytes);
    } catch {
      this.#readers.delete(reader);
      return;
    }
    if (!(acknowledged instanceof Promise)) return;
    reader.inFlight += bytes.length;
    this.#updateFlow();
    const done = acknowledged.then(
      () => {
        reader.inFlight -= bytes.length;
        this.#updateFlow();
      },
      // A reader whose other side is gone must not hold the guest up.
      () => {
        this.#readers.delete(reader);
        this.#updateFlow();
      },
    );
    reader.idle = reader.idle.then(() => done);
  }

  #updateFlow(): void {
    const bytes = Math.max(0, ...[...this.#readers].map((reader) => reader.inFlight));
    const [next, effects] = step(this.#flow, { kind: "in-flight", bytes });
    this.#flow = next;
    if (effects.includes("resume")) this.#source?.outputResumed();
  }
}
