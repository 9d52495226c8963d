/** All TCP connections of the user-mode network: finds the one that a segment is of, and makes new ones. */
import type { OutsideStream, StreamEvents } from "../../outside/index.js";
import type { Packet } from "../../packet.js";
import { Connection } from "./connection.js";
import { Context } from "./context.js";
import { TCP_LIMITS, type TcpLimits } from "./limits.js";
import { Machine, type Registry } from "./machine.js";
import { Output } from "./output.js";
import { Receiver } from "./receiver.js";
import { Segment } from "./segment.js";
import { Sender } from "./sender.js";
import { Shares } from "./shares.js";
import { Table } from "./table.js";
import { Timers } from "./timers.js";
import { type Endpoint, type Ends, State, type TcpConnectionInfo, type TcpParts } from "./types.js";

export class Tcp {
  readonly #context: Context;
  readonly #output: Output;
  readonly #machine: Machine;
  readonly #table: Table<Connection>;
  readonly #timers: Timers<Connection>;
  readonly #segment = new Segment();
  /** Those in TIME-WAIT, the oldest first. */
  readonly #timeWaits = new Set<Connection>();
  /** Those that are over while their streams are not, the oldest first. */
  readonly #lingering = new Set<Connection>();
  #isBusy = false;
  #isClosed = false;

  constructor(parts: TcpParts, limits: Partial<TcpLimits> = {}) {
    const all = { ...TCP_LIMITS, ...limits };
    const context = new Context(parts, all, new Shares(all));
    this.#context = context;
    this.#table = new Table(parts.random);
    this.#timers = new Timers(
      () => context.nowMs(),
      (ms, work) => parts.timer(ms, work),
    );
    this.#output = new Output(context);
    const registry: Registry = {
      schedule: (c) => this.#timers.schedule(c),
      remove: (c) => this.#remove(c),
      timeWait: (c) => this.#timeWait(c),
      linger: (c) => {
        this.#lingering.add(c);
        context.shares.linger(c.guest);
      },
      lingered: (c) => {
        this.#lingering.delete(c);
        context.shares.lingered(c.guest);
      },
    };
    const sender = new Sender(context, this.#output);
    const receiver = new Receiver(context, this.#output);
    this.#machine = new Machine(context, this.#output, sender, receiver, registry);
  }

  get connections(): number {
    return this.#table.count;
  }

  /** Bytes that wait for guests, for the world, or for what goes before them. */
  get heldBytes(): number {
    return this.#context.shares.bytes;
  }

  /** Connections that wait for a time. */
  get timers(): number {
    return this.#timers.count;
  }

  /**
   * A segment from a guest, in `[at, end)` of a packet; its checksum holds. One that comes while another is at work, out
   * of a `send` of ours, is dropped like one that was lost on its way.
   */
  input(source: Uint8Array, destination: Uint8Array, packet: Packet, at: number, end: number): void {
    if (this.#isBusy || this.#isClosed) return;
    this.#isBusy = true;
    try {
      this.#input(source, destination, packet, at, end);
    } finally {
      this.#isBusy = false;
    }
  }

  /** A connection of the host to a forwarded port, which `stream` is; answers who hears of the stream. */
  openToGuest(source: Endpoint, guest: Endpoint, stream: OutsideStream): StreamEvents {
    const known = this.#table.find(guest.address, guest.port, source.address, source.port);
    if (known?.state === State.TIME_WAIT) this.#machine.leave(known);
    const c = this.#make(guest.address, guest.port, source.address, source.port, false);
    c.stream = stream;
    if (this.#isClosed || this.#isCrowded(c) || (known !== null && !known.isOver)) {
      c.state = State.CLOSED;
      this.#context.shares.release(c.guest);
      this.#context.counters.crowded++;
      stream.abort();
      return c;
    }
    this.#add(c);
    this.#machine.connect(c);
    return c;
  }

  /** The guest of that address is gone: its connections are over. */
  forget(guest: Uint8Array): void {
    for (const c of this.#table.all())
      if (c.ends.guest.address.length === guest.length && c.ends.guest.address.every((byte, n) => byte === guest[n]))
        this.#machine.abort(c);
  }

  /** ICMP said that nobody is at that end. Of a connection that stands it may be a lie, or pass. [RFC 5927] 4 */
  unreachable(guest: Uint8Array, guestPort: number, remote: Uint8Array, remotePort: number): void {
    const c = this.#table.find(guest, guestPort, remote, remotePort);
    if (c?.state === State.SYN_SENT) this.#machine.abort(c);
  }

  /** There is room again where there was none. */
  resume(): void {
    for (const guest of [...this.#context.shares.all()]) {
      guest.isBlocked = false;
      const waiting = [...guest.waiting];
      guest.waiting.clear();
      // Those that come too late for the room wait again, before the others: they were first.
      for (const c of waiting) {
        if (guest.isBlocked) guest.waiting.add(c);
        else this.#machine.flush(c);
      }
    }
  }

  list(): TcpConnectionInfo[] {
    return this.#table.all().map(({ info }) => info);
  }

  stats(): Readonly<Record<string, number>> {
    return {
      ...this.#context.counters,
      connections: this.#table.count,
      timeWaits: this.#timeWaits.size,
      lingering: this.#lingering.size,
      heldBytes: this.heldBytes,
    };
  }

  /** Ends everything; guests get resets. */
  close(): void {
    for (const c of this.#table.all()) this.#machine.reset(c);
    this.#timers.close();
    this.#isClosed = true;
  }

  #input(source: Uint8Array, destination: Uint8Array, packet: Packet, at: number, end: number): void {
    const segment = this.#segment;
    const { counters } = this.#context;
    counters.segments++;
    if (!segment.read(packet, at, end)) {
      counters.malformed++;
      return;
    }
    const known = this.#table.find(source, segment.sourcePort, destination, segment.destinationPort);
    if (known !== null && !this.#machine.mayBegin(known, segment)) {
      this.#machine.input(known, segment, packet);
      return;
    }
    if (known !== null) this.#machine.leave(known);
    if (segment.isFirst) this.#accept(source, destination);
    else this.#output.refuse(source, destination, segment);
  }

  #accept(source: Uint8Array, destination: Uint8Array): void {
    const segment = this.#segment;
    const { sourcePort, destinationPort } = segment;
    const address = this.#context.parts.outsideAddress(destination);
    if (address === null) {
      this.#output.refuse(source, destination, segment);
      return;
    }
    const c = this.#make(source, sourcePort, destination, destinationPort, true);
    // Not answered: a guest tries again, and others may have ended by then.
    if (this.#isCrowded(c)) {
      this.#context.shares.release(c.guest);
      this.#context.counters.crowded++;
      return;
    }
    c.isHalfOpen = true;
    c.guest.halfOpen++;
    this.#add(c);
    this.#machine.listen(c, segment);
    c.stream = this.#context.parts.outside.openStream(address, destinationPort, c);
  }

  #make(
    guest: Uint8Array,
    guestPort: number,
    remote: Uint8Array,
    remotePort: number,
    isFromGuest: boolean,
  ): Connection {
    const context = this.#context;
    const ends: Ends = {
      guest: { address: guest.slice(), port: guestPort },
      remote: { address: remote.slice(), port: remotePort },
    };
    const iss = context.parts.random.u32() | 0;
    const share = context.shares.of(context.parts.payerOf(guest));
    return new Connection(this.#machine, share, ends, isFromGuest, iss, context.mssOf(guest), context.nowMs());
  }

  /**
   * Whether there is no place for one more. What waits in TIME-WAIT makes place, and then what only waits for the world to
   * take the rest.
   */
  #isCrowded({ guest, isFromGuest }: Connection): boolean {
    const { limits } = this.#context;
    const isFull = (): boolean => this.#table.count + this.#lingering.size >= limits.connections;
    const isFullFor = (): boolean => guest.connections + guest.lingering >= limits.connectionsOfGuest;
    if (isFromGuest && guest.halfOpen >= limits.halfOpenOfGuest) return true;
    for (const c of this.#timeWaits) {
      const isFullNow = isFull();
      if (!isFullNow && !isFullFor()) return false;
      // One whose stream is not over makes no place.
      if (c.isOutsideGone && (isFullNow || c.guest === guest)) this.#machine.leave(c);
    }
    for (const c of this.#lingering) {
      const isFullNow = isFull();
      if (!isFullNow && (!isFullFor() || guest.lingering === 0)) break;
      if (isFullNow || c.guest === guest) this.#machine.giveUpRest(c);
    }
    return isFull() || isFullFor();
  }

  #add(c: Connection): void {
    this.#table.add(c);
    this.#context.shares.enter(c.guest);
    this.#context.counters.opened++;
  }

  #remove(c: Connection): void {
    this.#table.remove(c);
    this.#timers.forget(c);
    this.#timeWaits.delete(c);
    c.guest.waiting.delete(c);
    this.#context.shares.leave(c.guest);
  }

  #timeWait(c: Connection): void {
    this.#timeWaits.add(c);
    if (this.#timeWaits.size <= this.#context.limits.timeWaits) return;
    for (const oldest of this.#timeWaits) {
      this.#machine.leave(oldest);
      break;
    }
  }
}
