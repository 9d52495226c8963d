/**
 * A guest's way to the store: the page with a request and a reply ring that it shares with us. Messages may come in
 * pieces and wrap; replies wait here until the guest makes room. A guest that breaks the protocol gets the reason in
 * the page's error field and is served no more until it reconnects. [XEN] io/xs_wire.h (xenstore_domain_interface)
 */
import type { MachineMemory } from "../core-link/index.js";
import { ByteRing } from "../ring/index.js";
import { MessageParser, writeMessage, type XsMessage, XsType } from "./codec.js";
import type { Connection } from "./connection.js";
import type { XenstoreServer } from "./server.js";

const REQUESTS = { data: 0, size: 1024, cons: 2048, prod: 2052 };
const REPLIES = { data: 1024, size: 1024, cons: 2056, prod: 2060 };
const SERVER_FEATURES_OFFSET = 2064;
const CONNECTION_OFFSET = 2068;
const ERROR_OFFSET = 2072;

const FEATURE_RECONNECTION = 1;
const FEATURE_ERROR = 2;
const CONNECTED = 0;
const RECONNECT = 1;

/** Values of the page's error field. */
export const XenstoreRingError = { NONE: 0, COMMUNICATION: 1, RING_INDEX: 2, PROTOCOL: 3 } as const;

/** Requests served before others get their turn. */
const REQUESTS_PER_TURN = 256;

export interface XenstoreRingIo {
  readonly memory: MachineMemory;
  /** Machine address of the shared page. */
  readonly page: number;
  notify(): void;
  log(line: string): void;
}

export class XenstoreRing {
  readonly #requests: ByteRing;
  readonly #replies: ByteRing;
  readonly #parser = new MessageParser();
  readonly #connection: Connection;
  readonly #server: XenstoreServer;
  /** Bytes that the reply ring had no room for. */
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #serving = false;
  #broken = false;
  droppedEvents = 0;

  constructor(
    private readonly io: XenstoreRingIo,
    server: XenstoreServer,
    domid: number,
  ) {
    this.#requests = new ByteRing(io.memory, io.page, REQUESTS);
    this.#replies = new ByteRing(io.memory, io.page, REPLIES);
    this.#server = server;
    io.memory.store32(io.page + SERVER_FEATURES_OFFSET, FEATURE_RECONNECTION | FEATURE_ERROR);
    this.#connection = server.introduce(domid, (message) => this.#queue(message));
  }

  get broken(): boolean {
    return this.#broken;
  }

  /** Serves what the guest has sent and sends what has room. Returns true when there is more to do at once. */
  serve(): boolean {
    if (this.#reconnected()) this.#restart();
    if (this.#broken) return false;
    this.#serving = true;
    const { moved, more } = this.#takeRequests();
    this.#serving = false;
    const sent = this.#flush();
    if (moved || sent) this.io.notify();
    return more && !this.#broken;
  }

  close(): void {
    this.#broken = true;
    this.#server.release(this.#connection.domid);
  }

  #takeRequests(): { moved: boolean; more: boolean } {
    let moved = false;
    for (let served = 0; served < REQUESTS_PER_TURN; ) {
      // A guest that does not take its replies is not worth working for.
      if (this.#waitingBytes >= this.#server.quota.pendingBytes) return { moved, more: false };
      const bytes = this.#requests.read(REQUESTS.size);
      if (!bytes) {
        this.#break(XenstoreRingError.RING_INDEX, "request ring indices are inconsistent");
        return { moved, more: false };
      }
      if (bytes.length === 0) return { moved, more: false };
      moved = true;
      for (const message of this.#parser.push(bytes)) {
        served++;
        this.#connection.handle(message);
      }
      if (this.#parser.broken) {
        this.#break(XenstoreRingError.PROTOCOL, "a request is longer than 4096 bytes");
        return { moved, more: false };
      }
      this.#flush();
    }
    return { moved, more: true };
  }

  #queue(message: XsMessage): void {
    if (this.#broken) return;
    if (message.type === XsType.WATCH_EVENT && this.#waitingBytes >= this.#server.quota.pendingBytes) {
      this.droppedEvents++;
      return;
    }
    const bytes = writeMessage(message);
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
    if (!this.#serving && this.#flush()) this.io.notify();
  }

  /** Moves waiting bytes into the ring; true when some went. */
  #flush(): boolean {
    let moved = false;
    while (this.#waiting.length > 0 && !this.#broken) {
      const first = this.#waiting[0]!;
      const count = this.#replies.write(first);
      if (count === null) {
        this.#break(XenstoreRingError.RING_INDEX, "reply ring indices are inconsistent");
        return moved;
      }
      if (count === 0) return moved;
      moved = true;
      this.#waitingBytes -= count;
      if (count === first.length) this.#waiting.shift();
      else this.#waiting[0] = first.subarray(count);
    }
    return moved;
  }

  #break(code: number, why: string): void {
    this.#broken = true;
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#connection.reset();
    this.io.memory.store32(this.io.page + ERROR_OFFSET, code);
    this.io.log(`xenstore ring broken: ${why}`);
    this.io.notify();
  }

  #reconnected(): boolean {
    return this.io.memory.load32(this.io.page + CONNECTION_OFFSET) === RECONNECT;
  }

  #restart(): void {
    this.#parser.reset();
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#connection.reset();
    this.#requests.reset();
    this.#replies.reset();
    this.#broken = false;
    this.io.memory.store32(this.io.page + ERROR_OFFSET, XenstoreRingError.NONE);
    this.io.memory.store32(this.io.page + CONNECTION_OFFSET, CONNECTED);
    this.io.notify();
  }
}
