/** All TCP connections of the user-mode network: finds the one that a segment is of, and makes new ones. */
import type { OutsideStream, StreamEvents } from "../../outside/index.js";
import type { Packet } from "../../packet.js";
import { Connection, type Surroundings } from "./connection.js";
import { Flag, HeaderWriter, type Outgoing, Segment } from "./header.js";
import { TCP_LIMITS, type TcpLimits } from "./limits.js";
import { plus } from "./sequence.js";
import { Timers } from "./timers.js";
import type { Ends, TcpConnectionInfo, TcpParts } from "./types.js";

const NS_PER_MS = 1e6;
const SCRATCH_BYTES = 65_536;

const same = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && a.every((byte, n) => byte === b[n]);

/** FNV-1a over the four ends of a connection. */
function hashOf(guest: Uint8Array, guestPort: number, remote: Uint8Array, remotePort: number): number {
  let hash = 0x811c9dc5;
  for (const bytes of [guest, remote])
    for (let n = 0; n < bytes.length; n++) hash = Math.imul(hash ^ bytes[n]!, 0x01000193);
  return Math.imul(Math.imul(hash ^ guestPort, 0x01000193) ^ remotePort, 0x01000193) >>> 0;
}

export class Tcp {
  readonly #limits: TcpLimits;
  readonly #chains = new Map<number, Connection>();
  readonly #timers: Timers<Connection>;
  readonly #segment = new Segment();
  readonly #writer = new HeaderWriter();
  /** Those that found no room. */
  readonly #waiting = new Set<Connection>();
  readonly #around: Surroundings;
  readonly #counters = {
    segments: 0,
    malformed: 0,
    opened: 0,
    refused: 0,
    resets: 0,
    retransmissions: 0,
    timeouts: 0,
    outOfOrder: 0,
    challenges: 0,
  };
  #count = 0;
  #held = 0;

  constructor(
    private readonly parts: TcpParts,
    limits: Partial<TcpLimits> = {},
  ) {
    this.#limits = { ...TCP_LIMITS, ...limits };
    const nowMs = () => parts.clock.now() / NS_PER_MS;
    this.#timers = new Timers(nowMs, (ms, work) => parts.timer(ms, work));
    this.#around = {
      limits: this.#limits,
      nowMs,
      random: () => parts.random.u32(),
      send: (connection, out, payload, gso) => this.#send(connection, out, payload, gso),
      scratch: new Uint8Array(SCRATCH_BYTES),
      schedule: (connection) => this.#timers.schedule(connection),
      gone: (connection) => this.#forgetConnection(connection),
      held: (bytes) => {
        this.#held += bytes;
      },
      share: () => this.#share(),
      counters: this.#counters,
    };
  }

  get connections(): number {
    return this.#count;
  }

  /** Bytes that wait for guests, or for what goes before them. */
  get heldBytes(): number {
    return this.#held;
  }

  /** Timers that run. */
  get timers(): number {
    return this.#timers.count;
  }

  /** A segment from a guest, in `[at, end)` of a packet; its checksum holds. */
  input(source: Uint8Array, destination: Uint8Array, packet: Packet, at: number, end: number): void {
    const segment = this.#segment;
    this.#counters.segments++;
    if (!segment.read(packet, at, end)) {
      this.#counters.malformed++;
      return;
    }
    const known = this.#find(source, segment.sourcePort, destination, segment.destinationPort);
    if (known !== null && !this.#isNew(known, segment)) known.input(segment, packet);
    else if (segment.has(Flag.SYN) && !segment.has(Flag.ACK) && !segment.has(Flag.RST))
      this.#accept(source, destination);
    else this.#refuse(source, destination);
  }

  /** A connection of the host to a forwarded port, which `stream` is; answers who hears of the stream. */
  openToGuest(source: Ends["remote"], guest: Ends["guest"], stream: OutsideStream): StreamEvents {
    const ends: Ends = {
      guest: { address: guest.address.slice(), port: guest.port },
      remote: { address: source.address.slice(), port: source.port },
    };
    const connection = new Connection(ends, "in", this.#around);
    connection.stream = stream;
    if (this.#count >= this.#limits.connections || this.#find(guest.address, guest.port, source.address, source.port)) {
      connection.state = "closed";
      stream.abort();
      return connection;
    }
    this.#add(connection);
    connection.connect();
    this.#timers.schedule(connection);
    return connection;
  }

  /** The guest of that address is gone: its connections are reset. */
  forget(guest: Uint8Array): void {
    for (const connection of this.#all()) if (same(connection.ends.guest.address, guest)) connection.reset();
  }

  /** ICMP said that nobody is at that end. */
  unreachable(guest: Uint8Array, guestPort: number, remote: Uint8Array, remotePort: number): void {
    const connection = this.#find(guest, guestPort, remote, remotePort);
    // Of a connection that stands it may be a lie, or pass. [RFC 5927]
    if (connection?.state === "syn-sent") connection.reset();
  }

  /** The network has room again. */
  resume(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const connection of waiting) connection.resume();
  }

  list(): TcpConnectionInfo[] {
    return [...this.#all()].map(({ info }) => info);
  }

  stats(): Readonly<Record<string, number>> {
    return { ...this.#counters, connections: this.#count, heldBytes: this.#held };
  }

  close(): void {
    for (const connection of [...this.#all()]) connection.reset();
    this.#timers.close();
  }

  /** Whether a SYN begins a new connection where an old one waits for its end. [RFC 9293] 3.10.7.4 */
  #isNew(connection: Connection, segment: Segment): boolean {
    if (connection.state !== "time-wait" || segment.flags !== Flag.SYN) return false;
    connection.reset();
    return true;
  }

  #accept(source: Uint8Array, destination: Uint8Array): void {
    const segment = this.#segment;
    const address = this.parts.outsideAddress(destination);
    if (address === null) {
      this.#refuse(source, destination);
      return;
    }
    // Not answered: a guest tries again, and others may have ended by then.
    if (this.#count >= this.#limits.connections) {
      this.#counters.refused++;
      return;
    }
    const ends: Ends = {
      guest: { address: source.slice(), port: segment.sourcePort },
      remote: { address: destination.slice(), port: segment.destinationPort },
    };
    const connection = new Connection(ends, "out", this.#around);
    connection.listen(segment);
    this.#add(connection);
    connection.stream = this.parts.outside.openStream(address, segment.destinationPort, connection);
  }

  /** To a segment of no connection. [RFC 9293] 3.10.7.1 */
  #refuse(source: Uint8Array, destination: Uint8Array): void {
    const segment = this.#segment;
    if (segment.has(Flag.RST)) return;
    this.#counters.refused++;
    const hasAck = segment.has(Flag.ACK);
    const out: Outgoing = {
      sourcePort: segment.destinationPort,
      destinationPort: segment.sourcePort,
      seq: hasAck ? segment.ack : 0,
      ack: hasAck ? 0 : plus(segment.seq, segment.span),
      flags: Flag.RST | (hasAck ? 0 : Flag.ACK),
      window: 0,
    };
    this.parts.send(destination, source, this.#writer.write(out), null, 0);
  }

  #send(connection: Connection, out: Outgoing, payload: Uint8Array | null, gsoSize: number): boolean {
    const { guest, remote } = connection.ends;
    if ((out.flags & Flag.RST) !== 0) this.#counters.resets++;
    const isSent = this.parts.send(remote.address, guest.address, this.#writer.write(out), payload, gsoSize);
    if (!isSent) this.#waiting.add(connection);
    return isSent;
  }

  #share(): number {
    if (this.#held < this.#limits.totalBytes) return Number.POSITIVE_INFINITY;
    return Math.max(this.#limits.fairBytes, Math.floor(this.#limits.totalBytes / Math.max(1, this.#count)));
  }

  // --- the table: chains by a hash of the four ends

  #find(guest: Uint8Array, guestPort: number, remote: Uint8Array, remotePort: number): Connection | null {
    let at = this.#chains.get(hashOf(guest, guestPort, remote, remotePort)) ?? null;
    for (; at !== null; at = at.next) {
      const { ends } = at;
      if (ends.guest.port !== guestPort || ends.remote.port !== remotePort) continue;
      if (same(ends.guest.address, guest) && same(ends.remote.address, remote)) return at;
    }
    return null;
  }

  #hashOf({ ends: { guest, remote } }: Connection): number {
    return hashOf(guest.address, guest.port, remote.address, remote.port);
  }

  #add(connection: Connection): void {
    const hash = this.#hashOf(connection);
    connection.next = this.#chains.get(hash) ?? null;
    this.#chains.set(hash, connection);
    this.#count++;
    this.#counters.opened++;
  }

  #forgetConnection(connection: Connection): void {
    const hash = this.#hashOf(connection);
    let at = this.#chains.get(hash) ?? null;
    if (at === connection) {
      if (connection.next === null) this.#chains.delete(hash);
      else this.#chains.set(hash, connection.next);
    }
    for (; at !== null && at !== connection; at = at.next) if (at.next === connection) at.next = connection.next;
    connection.next = null;
    this.#timers.forget(connection);
    this.#waiting.delete(connection);
    this.#count--;
  }

  *#all(): Iterable<Connection> {
    for (const first of [...this.#chains.values()]) {
      for (let at: Connection | null = first; at !== null; ) {
        const { next }: Connection = at;
        yield at;
        at = next;
      }
    }
  }
}
