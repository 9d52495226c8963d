/** A stream of the world, as a test plays it: it keeps what it gets, and has room or not as told. */
import type { OutsideStream, StreamEvents } from "../index.js";

export class FarStream implements OutsideStream {
  readonly got: number[] = [];
  gotBytes = 0;
  /** Of what it gets, more than the count. */
  keeps = true;
  full = false;
  reads = true;
  isEnded = false;
  isAborted = false;

  constructor(
    readonly address: string,
    readonly port: number,
    readonly events: StreamEvents,
  ) {}

  write(bytes: Uint8Array): boolean {
    this.gotBytes += bytes.length;
    if (this.keeps) for (const byte of bytes) this.got.push(byte);
    return !this.full;
  }
  end(): void {
    this.isEnded = true;
  }
  abort(): void {
    this.isAborted = true;
  }
  pauseReading(): void {
    this.reads = false;
  }
  resumeReading(): void {
    this.reads = true;
  }
}
