/**
 * The server's end of one Wisp connection: each stream of the client becomes one of the world outside. What one side has
 * sent and the other has not taken is bounded both ways, by packets of each stream and by bytes of all. The stream that
 * brings more than the world may be held for is closed; a client that goes on asking and does not read is cut off.
 */
import type { Outside } from "../outside/index.js";
import type { MessageListener, MessageSocket } from "./message-socket.js";
import { RelayedDatagrams, RelayedStream, type RelayParts } from "./relayed.js";
import {
  CloseReason,
  closePacket,
  continuePacket,
  DUPLEX_EXTENSION,
  infoPacket,
  readPacket,
  StreamType,
  type WispPacket,
} from "./wisp.js";

export interface WispLimits {
  /** Streams of one client. */
  readonly streams: number;
  /** Packets that each side may send on a stream before it hears that there is room. */
  readonly window: number;
  /** Bytes that wait for the client before the world is read no further. */
  readonly unsentBytes: number;
  /** Bytes that wait for the world, of streams where it takes no more for now. */
  readonly heldBytes: number;
}

export const WISP_LIMITS: WispLimits = { streams: 4096, window: 128, unsentBytes: 4 << 20, heldBytes: 64 << 20 };
/** Bytes of answers, and of what was read already, that may wait when the world is read no further. */
const MOST_BEYOND = 1 << 20;

export class WispServer implements MessageListener {
  readonly #streams = new Map<number, RelayedStream | RelayedDatagrams>();
  readonly #parts: RelayParts;
  #unsent = 0;
  #held = 0;
  #closed = false;

  constructor(
    private readonly socket: MessageSocket,
    outside: Outside,
    private readonly limits: WispLimits = WISP_LIMITS,
  ) {
    this.#parts = {
      outside,
      window: limits.window,
      duplex: false,
      send: (message) => this.#send(message),
      mayRead: () => this.#unsent < limits.unsentBytes,
      hold: (bytes) => {
        this.#held += bytes;
        return this.#held <= limits.heldBytes;
      },
      ended: (id) => void this.#streams.delete(id),
    };
    this.#send(infoPacket());
    this.#send(continuePacket(0, limits.window));
  }

  get streams(): number {
    return this.#streams.size;
  }

  message(bytes: Uint8Array): void {
    if (this.#closed) return;
    const packet = readPacket(bytes);
    if (packet === null || !this.#take(packet)) this.#end();
  }

  closed(): void {
    this.#closed = true;
    for (const stream of this.#streams.values()) stream.abort();
    this.#streams.clear();
  }

  /** False when the client does not keep to the protocol. */
  #take(packet: WispPacket): boolean {
    switch (packet.type) {
      case 1:
        return this.#connect(packet);
      case 2:
        return this.#streams.get(packet.id)?.take(packet.bytes) ?? true;
      case 3:
        this.#streams.get(packet.id)?.room(packet.room);
        return true;
      case 4:
        this.#streams.get(packet.id)?.abort();
        this.#streams.delete(packet.id);
        return true;
      case 5:
        if (this.#streams.size > 0) return false;
        this.#parts.duplex = packet.extensions.includes(DUPLEX_EXTENSION);
        return true;
      default:
        return true;
    }
  }

  #connect({ id, stream, host, port }: Extract<WispPacket, { type: 1 }>): boolean {
    if (id === 0 || this.#streams.has(id)) return false;
    if (this.#streams.size >= this.limits.streams) {
      this.#send(closePacket(id, CloseReason.THROTTLED));
      return true;
    }
    if (host === "" || port === 0 || (stream !== StreamType.TCP && stream !== StreamType.UDP)) {
      this.#send(closePacket(id, CloseReason.INVALID));
      return true;
    }
    const relayed =
      stream === StreamType.TCP ? new RelayedStream(id, this.#parts) : new RelayedDatagrams(id, this.#parts);
    this.#streams.set(id, relayed);
    relayed.open(host, port);
    return true;
  }

  #send(message: Uint8Array): void {
    if (this.#closed) return;
    const mightRead = this.#parts.mayRead();
    this.#unsent += message.length;
    this.socket.send(message, () => this.#sent(message.length));
    if (this.#unsent > this.limits.unsentBytes + MOST_BEYOND) this.#end();
    else if (mightRead && !this.#parts.mayRead()) for (const stream of this.#streams.values()) stream.pause();
  }

  #sent(bytes: number): void {
    const wasFull = !this.#parts.mayRead();
    this.#unsent -= bytes;
    if (!wasFull || !this.#parts.mayRead()) return;
    for (const stream of this.#streams.values()) stream.readOn();
  }

  #end(): void {
    this.closed();
    this.socket.close();
  }
}
