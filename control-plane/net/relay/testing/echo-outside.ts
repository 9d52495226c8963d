/** A world outside in which every host sends back what it is sent, slowly enough to be waited for. */
import type { Outside, OutsideStream, StreamEvents } from "../../outside/index.js";

/** Bytes that one end holds before it wants to be waited for. */
const HIGH = 256 * 1024;

class Echo implements OutsideStream {
  #queue: Uint8Array[] = [];
  #bytes = 0;
  #reads = true;
  #ending = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #wasFull = false;

  constructor(
    private readonly events: StreamEvents,
    private readonly gone: () => void,
  ) {
    queueMicrotask(() => events.opened());
  }

  write(bytes: Uint8Array): boolean {
    this.#queue.push(bytes);
    this.#bytes += bytes.length;
    this.#soon();
    this.#wasFull = this.#bytes > HIGH;
    return !this.#wasFull;
  }

  end(): void {
    this.#ending = true;
    this.#soon();
  }

  abort(): void {
    clearTimeout(this.#timer);
    this.#queue = [];
    this.gone();
  }

  pauseReading(): void {
    this.#reads = false;
  }

  resumeReading(): void {
    this.#reads = true;
    this.#soon();
  }

  #soon(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#echo();
    });
  }

  #echo(): void {
    while (this.#reads && this.#queue.length > 0) {
      const bytes = this.#queue.shift()!;
      this.#bytes -= bytes.length;
      this.events.data(bytes);
    }
    if (this.#wasFull && this.#bytes <= HIGH) {
      this.#wasFull = false;
      this.events.drained();
    }
    if (this.#ending && this.#queue.length === 0) {
      this.#ending = false;
      this.events.ended();
    }
  }
}

export function echoOutside(): Outside & { open: number } {
  return {
    limits: null,
    open: 0,
    openStream(_address, _port, events) {
      this.open++;
      let open = true;
      return new Echo(events, () => {
        if (open) this.open--;
        open = false;
      });
    },
    openDatagrams: () => null,
    resolve: async () => ({ kind: "no-such-name" }),
    reverse: async () => null,
    ping: async () => null,
    listen: async () => Promise.reject(new Error("not here")),
    listenDatagrams: async () => Promise.reject(new Error("not here")),
    close: () => {},
  };
}
