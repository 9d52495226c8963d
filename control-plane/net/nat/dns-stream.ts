/** DNS over TCP for a guest: the other end of a stream to the name server. [RFC 7766], [RFC 1035] 4.2.2 */
import type { OutsideStream, StreamEvents } from "../outside/index.js";
import { putU16, u16 } from "./codec/numbers.js";
import type { Asker, DnsForwarder } from "./dns-forwarder.js";

/** Queries of one connection on their way. */
const MOST_PENDING = 16;
/** No query needs as much; more is somebody's mischief. */
const MOST_QUERY = 4096;
const LENGTH_BYTES = 2;

export class DnsStream implements OutsideStream {
  #buffer = new Uint8Array(0);
  #pending = 0;
  #isEnded = false;
  #isOver = false;
  /** The guest takes nothing for now. */
  #isPaused = false;
  #held: Uint8Array[] = [];

  constructor(
    private readonly forwarder: DnsForwarder,
    private readonly asker: Asker,
    private readonly events: StreamEvents,
  ) {
    queueMicrotask(() => {
      if (!this.#isOver) this.events.opened();
    });
  }

  write(bytes: Uint8Array): boolean {
    if (this.#isOver) return true;
    const buffer = new Uint8Array(this.#buffer.length + bytes.length);
    buffer.set(this.#buffer);
    buffer.set(bytes, this.#buffer.length);
    this.#buffer = buffer;
    this.#take();
    return this.#isOver || this.#buffer.length <= MOST_QUERY;
  }

  end(): void {
    this.#isEnded = true;
    this.#finishIfDone();
  }

  abort(): void {
    this.#close(null);
  }

  pauseReading(): void {
    this.#isPaused = true;
  }

  resumeReading(): void {
    this.#isPaused = false;
    for (const bytes of this.#held.splice(0)) this.events.data(bytes);
    this.#take();
    this.#finishIfDone();
  }

  /** Asks what has come completely, as far as there are not too many questions already. */
  #take(): void {
    const wasFull = this.#buffer.length > MOST_QUERY;
    while (this.#buffer.length >= LENGTH_BYTES && this.#pending + this.#held.length < MOST_PENDING) {
      const end = LENGTH_BYTES + u16(this.#buffer, 0);
      if (end > MOST_QUERY) {
        this.#close("reset");
        return;
      }
      if (this.#buffer.length < end) break;
      const query = this.#buffer.slice(LENGTH_BYTES, end);
      this.#buffer = this.#buffer.slice(end);
      this.#ask(query);
    }
    if (wasFull && !this.#isOver && this.#buffer.length <= MOST_QUERY) queueMicrotask(() => this.#drained());
  }

  #drained(): void {
    if (!this.#isOver) this.events.drained();
  }

  #ask(query: Uint8Array): void {
    this.#pending++;
    // Answered never within the guest's own call.
    const isQuery = this.forwarder.ask(query, true, this.asker, (response) =>
      queueMicrotask(() => this.#reply(response)),
    );
    if (!isQuery) this.#close("reset");
  }

  #reply(response: Uint8Array): void {
    this.#pending--;
    if (this.#isOver) return;
    const bytes = new Uint8Array(LENGTH_BYTES + response.length);
    putU16(bytes, 0, response.length);
    bytes.set(response, LENGTH_BYTES);
    if (this.#isPaused) this.#held.push(bytes);
    else this.events.data(bytes);
    this.#take();
    this.#finishIfDone();
  }

  #finishIfDone(): void {
    if (!this.#isEnded || this.#isOver || this.#pending > 0 || this.#held.length > 0) return;
    queueMicrotask(() => {
      if (this.#isOver) return;
      this.events.ended();
      this.#close(null);
    });
  }

  #close(error: "reset" | null): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#buffer = new Uint8Array(0);
    this.#held = [];
    queueMicrotask(() => this.events.closed(error));
  }
}
