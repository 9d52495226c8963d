/**
 * A front end that has connected, as a station of the network: its queues, and what they share.
 */
import { ETHERNET_BYTES, Headers, type Packet, parseHeaders, type Station, type Wire } from "../../net/index.js";
import type { ControlRing } from "./control.js";
import type { Credit } from "./credit.js";
import type { Groups } from "./groups.js";
import type { RxQueue } from "./rx.js";
import type { Steering } from "./steering.js";
import type { TxQueue } from "./tx.js";

export interface Queue {
  readonly tx: TxQueue;
  readonly rx: RxQueue;
}

export interface ConnectionParts {
  readonly name: string;
  readonly groups: Groups;
  readonly steering: Steering;
  readonly credit: Credit;
}

/** Where frames go while there is no wire: nowhere. */
const LOOSE_END: Wire = {
  send: () => true,
  settle: () => {},
  room: () => {},
  unplug: () => {},
};

export class Connection implements Station {
  readonly name: string;
  readonly queues: Queue[] = [];
  control: ControlRing | null = null;
  wire: Wire = LOOSE_END;
  #filtered = 0;
  /** The queue that sends first: each in its turn. */
  #first = 0;
  #isUsed = new Uint8Array(0);
  readonly #headers = new Headers();

  constructor(private readonly parts: ConnectionParts) {
    this.name = parts.name;
  }

  /** Frames for groups that the guest did not ask for. */
  get filtered(): number {
    return this.#filtered;
  }

  receive(packet: Packet): boolean {
    const { groups, steering } = this.parts;
    if (packet.length < ETHERNET_BYTES || !groups.accepts(packet.headerView)) {
      this.#filtered++;
      return true;
    }
    let at = 0;
    if (this.queues.length > 1 || steering.isHashing) {
      parseHeaders(packet, this.#headers);
      at = steering.select(packet.header, this.#headers, this.queues.length);
    }
    const isTaken = this.queues[at]!.rx.receive(packet);
    if (isTaken) this.#isUsed[at] = 1;
    return isTaken;
  }

  settle(): void {
    for (let i = 0; i < this.queues.length; i++) {
      if (this.#isUsed[i] === 0) continue;
      this.#isUsed[i] = 0;
      this.queues[i]!.rx.settle();
    }
  }

  /** The wire has room again. */
  resume(): void {
    const count = this.queues.length;
    this.#first = (this.#first + 1) % count;
    for (let i = 0; i < count; i++) this.queues[(this.#first + i) % count]!.tx.resumed();
  }

  /** The guest may send again. */
  credited(): void {
    const count = this.queues.length;
    this.#first = (this.#first + 1) % count;
    for (let i = 0; i < count; i++) this.queues[(this.#first + i) % count]!.tx.credited();
  }

  /** All rings are there: begins. */
  open(plug: (station: Station) => Wire): void {
    this.#isUsed = new Uint8Array(this.queues.length);
    this.wire = plug(this);
  }

  look(): void {
    this.control?.look();
    for (const { tx, rx } of this.queues) {
      rx.look();
      tx.look();
    }
  }

  pause(): void {
    this.control?.pause();
    for (const { tx, rx } of this.queues) {
      tx.pause();
      rx.pause();
    }
  }

  unpause(): void {
    this.control?.resume();
    for (const { tx, rx } of this.queues) {
      rx.resume();
      tx.resume();
    }
  }

  close(): void {
    this.parts.credit.stop();
    this.control?.stop();
    for (const { tx, rx } of this.queues) {
      tx.stop();
      rx.stop();
    }
    const { wire } = this;
    this.wire = LOOSE_END;
    wire.unplug();
  }
}
