/**
 * The server's end of one Wisp connection: each stream of the client becomes one of the world outside. What one side has
 * sent and the other has not taken is bounded both ways: by packets toward the world, by packets and bytes toward the
 * client.
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
}

export const WISP_LIMITS: WispLimits = { streams: 4096, window: 128, unsentBytes: 4 << 20 };

export class WispServer implements MessageListener {
  readonly #streams = new Map<number, RelayedStream | RelayedDatagrams>();
  readonly #parts: RelayParts;
  #unsent = 0;
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
    this.#unsent += message.length;
    this.socket.send(message, () => this.#sent(message.length));
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
