/**
 * One connection between two switches, from either side: hellos, then frames both ways. A station of the switch here.
 *
 * To the peer, frames are put together into messages. When too much waits in the socket, the station is full. From the
 * peer, a frame that the switch refuses stops the reading; where a socket cannot be stopped, what comes is kept as far
 * as there is room, and then dropped. Whoever does not keep to the protocol is disconnected.
 */
import type { Timer } from "../capture/index.js";
import { Segmenter } from "../offload/index.js";
import { MOST_FRAME_BYTES, Packet } from "../packet.js";
import type { Station, Wire } from "../station.js";
import {
  Batch,
  countFrames,
  type Hello,
  LEAST_GSO_SIZE,
  printable,
  readFrame,
  readHello,
  writeHello,
} from "./protocol.js";
import type { LinkSocket } from "./socket.js";

export interface LinkCounters {
  framesIn: number;
  bytesIn: number;
  framesOut: number;
  bytesOut: number;
  /** From the peer, for which there was no room here. */
  dropsIn: number;
  /** To a peer that was not there, or that takes no large segments and this one cannot be cut. */
  dropsOut: number;
}

export const newCounters = (): LinkCounters => {
  return { framesIn: 0, bytesIn: 0, framesOut: 0, bytesOut: 0, dropsIn: 0, dropsOut: 0 };
};

export interface ConnectionParts {
  readonly timer: Timer;
  readonly counters: LinkCounters;
  readonly role: "client" | "server";
  readonly hello: Hello;
  /** A sentence that says why this peer is not wanted, or null. */
  readonly refuse: (peer: Hello) => string | null;
  /** The hellos are exchanged: answers with the wire into the switch. */
  readonly ready: (peer: Hello, connection: LinkConnection) => Wire;
  /** It is over, for this reason. Comes once. */
  readonly over: (reason: string) => void;
}

/** Codes of a close, for programs; of the range that applications may use. */
export const CloseCode = { DONE: 1000, GARBAGE: 4000, REFUSED: 4001, SILENT: 4002 } as const;

const HELLO_MS = 10_000;
/** Something is sent at least so often, and a peer from which nothing came for three times as long is gone. */
const ALIVE_MS = 15_000;
const MOST_SILENCE = 3;
/** Most bytes that may wait in the socket. */
const MOST_UNSENT_BYTES = 1024 * 1024;
/** Looks so often whether they have gone, while a sender waits for that: a WebSocket does not tell. */
const LOOK_MS = 5;
/** Most memory of messages that wait for room in the switch, and what one takes besides its bytes, about. */
const MOST_HELD_BYTES = 4 * 1024 * 1024;
const MESSAGE_BYTES = 256;

export class LinkConnection implements Station {
  name = "link";
  readonly #batch = new Batch();
  readonly #packet = new Packet(null);
  #peer: Hello | null = null;
  #wire: Wire | null = null;
  #isOver = false;
  /** What the socket held when it was last asked. */
  #unsent = 0;
  #hasSent = false;
  #silence = 0;
  #cancelAlive: () => void;
  #cancelLook: (() => void) | null = null;
  /** Messages that wait, the first from `#heldAt` on. */
  readonly #held: Uint8Array[] = [];
  #heldAt = 0;
  #heldBytes = 0;
  #isPassing = false;
  /** For peers that take no large segments. */
  #cutter: { readonly bytes: Uint8Array; readonly whole: Packet; readonly segmenter: Segmenter } | null = null;

  constructor(
    private readonly socket: LinkSocket,
    private readonly parts: ConnectionParts,
  ) {
    this.#cancelAlive = parts.timer(HELLO_MS, () => this.end(CloseCode.SILENT, "it says nothing"));
  }

  get peer(): Hello | null {
    return this.#peer;
  }

  /** The socket is open. */
  opened(): void {
    if (this.parts.role === "client") this.socket.send(writeHello(this.parts.hello));
  }

  message(data: Uint8Array | string): void {
    if (this.#isOver) return;
    this.#silence = 0;
    if (typeof data === "string") this.#greet(data);
    else if (this.#wire === null) this.end(CloseCode.GARBAGE, "it sends frames before it says hello");
    else this.#take(data);
  }

  /** The socket is closed; the reason may be the peer's words. */
  closed(reason: string): void {
    this.#finish(printable(reason));
  }

  /** Ends the connection and tells the peer why. */
  end(code: number, reason: string): void {
    if (this.#isOver) return;
    // A socket that is stopped would not hear the answer.
    this.socket.resume();
    this.socket.close(code, reason);
    this.#finish(reason);
  }

  // Station

  receive(packet: Packet): boolean {
    const { counters } = this.parts;
    if (this.#wire === null) {
      counters.dropsOut++;
      return true;
    }
    // The peer would take us for one that does not keep to the protocol, and guests send what they like.
    if (packet.gsoSize > 0 && (packet.gsoSize < LEAST_GSO_SIZE || !packet.partialChecksum)) {
      counters.dropsOut++;
      return true;
    }
    if (packet.gsoSize > 0 && !this.#peer!.large) return this.#receiveLarge(packet);
    if (!this.#hasRoom(packet.length)) return false;
    this.#add(packet);
    return true;
  }

  settle(): void {
    this.#flush();
  }

  resume(): void {
    if (!this.#isPassing && this.#held.length > 0) this.#pass();
  }

  /** Whether bytes may be sent; else they may be later. */
  #hasRoom(bytes: number): boolean {
    if (this.#unsent + this.#batch.length + bytes <= MOST_UNSENT_BYTES) return true;
    this.#unsent = this.socket.bufferedAmount;
    if (this.#unsent + this.#batch.length + bytes <= MOST_UNSENT_BYTES) return true;
    this.#look();
    return false;
  }

  #add(packet: Packet): void {
    this.#batch.add(packet);
    this.parts.counters.framesOut++;
    this.parts.counters.bytesOut += packet.length;
    if (this.#batch.isFull) this.#flush();
  }

  /** Cuts a large segment, from a copy in one piece. */
  #receiveLarge(packet: Packet): boolean {
    this.#cutter ??= {
      bytes: new Uint8Array(MOST_FRAME_BYTES),
      whole: new Packet(null),
      segmenter: new Segmenter(null),
    };
    const { bytes, whole, segmenter } = this.#cutter;
    packet.copyTo(bytes, 0, 0, packet.length);
    whole.wrap(bytes.subarray(0, packet.length));
    whole.gsoSize = packet.gsoSize;
    whole.gsoType = packet.gsoType;
    whole.dataValidated = packet.dataValidated;
    const count = segmenter.begin(whole);
    const total = count * segmenter.longest;
    if (count === 0 || total > MOST_UNSENT_BYTES) {
      this.parts.counters.dropsOut++;
      return true;
    }
    if (!this.#hasRoom(total)) return false;
    for (let i = 0; i < count; i++) this.#add(segmenter.at(i));
    return true;
  }

  #greet(text: string): void {
    if (this.#peer !== null) {
      this.end(CloseCode.GARBAGE, "it says hello twice");
      return;
    }
    const hello = readHello(text);
    if (!hello.ok) {
      this.end(CloseCode.GARBAGE, hello.error.message);
      return;
    }
    const refusal = this.parts.refuse(hello.value);
    if (refusal !== null) {
      this.end(CloseCode.REFUSED, refusal);
      return;
    }
    this.#peer = hello.value;
    if (this.parts.role === "server") this.socket.send(writeHello(this.parts.hello));
    this.name = `link-${hello.value.name}`;
    this.#cancelAlive();
    this.#stayAlive();
    this.#wire = this.parts.ready(hello.value, this);
  }

  #stayAlive(): void {
    this.#cancelAlive = this.parts.timer(ALIVE_MS, () => {
      // Who is not read may have said something.
      if (this.#held.length === 0 && ++this.#silence >= MOST_SILENCE) {
        this.end(CloseCode.SILENT, "nothing came from it for too long");
        return;
      }
      if (!this.#hasSent) this.socket.send(this.#batch.take());
      this.#hasSent = false;
      this.#stayAlive();
    });
  }

  #flush(): void {
    if (this.#isOver || this.#batch.length === 0) return;
    this.socket.send(this.#batch.take());
    this.#unsent = this.socket.bufferedAmount;
    this.#hasSent = true;
  }

  /** Waits until half of what is unsent has gone. */
  #look(): void {
    this.#flush();
    this.#cancelLook ??= this.parts.timer(LOOK_MS, () => {
      this.#cancelLook = null;
      this.#unsent = this.socket.bufferedAmount;
      if (this.#unsent <= MOST_UNSENT_BYTES / 2) this.#wire?.room();
      else this.#look();
    });
  }

  /** A message came: its frames go into the switch, or wait. */
  #take(message: Uint8Array): void {
    const frames = countFrames(message);
    if (frames < 0) {
      this.end(CloseCode.GARBAGE, "it sends what are no frames");
      return;
    }
    if (frames === 0) return;
    if (this.#heldBytes + MESSAGE_BYTES + message.length > MOST_HELD_BYTES) {
      this.parts.counters.dropsIn += frames;
      return;
    }
    this.#held.push(message);
    this.#heldBytes += MESSAGE_BYTES + message.length;
    if (this.#held.length === 1 && !this.#isPassing) this.#pass();
  }

  /** Passes on what is held, as far as the switch takes it. */
  #pass(): void {
    const { counters } = this.parts;
    this.#isPassing = true;
    let isRefused = false;
    while (this.#held.length > 0 && !isRefused && !this.#isOver) {
      const message = this.#held[0]!;
      while (this.#heldAt < message.length && !isRefused && !this.#isOver) {
        const end = readFrame(message, this.#heldAt, this.#packet);
        isRefused = !this.#wire!.send(this.#packet);
        if (isRefused) continue;
        counters.framesIn++;
        counters.bytesIn += this.#packet.length;
        this.#heldAt = end;
      }
      if (isRefused || this.#isOver) continue;
      this.#held.shift();
      this.#heldBytes -= MESSAGE_BYTES + message.length;
      this.#heldAt = 0;
    }
    this.#isPassing = false;
    if (this.#isOver) return;
    // Before the batch is over: what happens then may resume us.
    if (isRefused) this.socket.pause();
    else this.socket.resume();
    this.#wire!.settle();
  }

  #finish(reason: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#cancelAlive();
    this.#cancelLook?.();
    this.#cancelLook = null;
    this.#held.length = 0;
    this.#heldBytes = 0;
    this.#wire = null;
    this.parts.over(reason);
  }
}
