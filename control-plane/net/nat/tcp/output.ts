/** Sends a connection's segments, and keeps those that found no room in their guest's list. */
import { type Connection, NEVER } from "./connection.js";
import type { Context } from "./context.js";
import { HeaderWriter } from "./header-writer.js";
import { DELAYED_ACK_MS, FULL_SHARE } from "./limits.js";
import { Flag, type Segment } from "./segment.js";
import { distance, isBefore, plus } from "./sequence.js";
import { State } from "./types.js";

const MOST_FIELD = 0xffff;

export class Output {
  readonly #writer = new HeaderWriter();
  /** Where the window that was written last ends. */
  #edge = 0;

  constructor(private readonly context: Context) {}

  /** False: no room, and the connection waits for some. */
  send(c: Connection, seq: number, flags: number, payload: Uint8Array | null): boolean {
    if (c.guest.isBlocked) return this.#wait(c);
    const { guest, remote } = c.ends;
    const hasAck = (flags & Flag.ACK) !== 0;
    const isSyn = (flags & Flag.SYN) !== 0;
    const window = this.#window(c, isSyn);
    this.#writer.begin(remote.port, guest.port, seq, hasAck ? c.rcv : 0, flags, window);
    if (isSyn) this.#synOptions(c, hasAck);
    else this.#options(c, payload === null && hasAck);
    const gsoSize = payload !== null && payload.length > c.mss ? c.mss : 0;
    if (!this.context.parts.send(remote.address, guest.address, this.#writer.end(), payload, gsoSize)) {
      c.guest.isBlocked = true;
      return this.#wait(c);
    }
    if (hasAck) {
      c.edge = this.#edge;
      c.acked = c.rcv;
      c.unacked = 0;
      c.ackAtMs = NEVER;
      c.mustAck = false;
    }
    return true;
  }

  /** Sends the SYN, or the answer to the guest's. */
  syn(c: Connection): void {
    c.mustSyn = !this.send(c, c.iss, c.state === State.SYN_SENT ? Flag.SYN : Flag.SYN | Flag.ACK, null);
    c.most = plus(c.iss, 1);
    c.next = c.most;
  }

  acknowledge(c: Connection): void {
    this.send(c, c.next, Flag.ACK, null);
  }

  /** An ACK that may wait for company. */
  acknowledgeSoon(c: Connection): void {
    c.ackAtMs = Math.min(c.ackAtMs, this.context.nowMs() + DELAYED_ACK_MS);
  }

  /** A reset is not sent again: who did not get it asks, and gets one for that. */
  reset(c: Connection): void {
    this.context.counters.resets++;
    this.send(c, c.state === State.OPENING ? 0 : c.most, Flag.RST | Flag.ACK, null);
  }

  /** Answers a segment that fits no connection. [RFC 9293] 3.10.7.1 */
  refuse(source: Uint8Array, destination: Uint8Array, segment: Segment): void {
    if (segment.has(Flag.RST)) return;
    this.context.counters.refused++;
    const { destinationPort, sourcePort, ack, seq, span } = segment;
    if (segment.has(Flag.ACK)) this.#writer.begin(destinationPort, sourcePort, ack, 0, Flag.RST, 0);
    else this.#writer.begin(destinationPort, sourcePort, 0, plus(seq, span), Flag.RST | Flag.ACK, 0);
    this.context.parts.send(destination, source, this.#writer.end(), null, 0);
  }

  /** How far the peer may send beyond what it may already: what is free, however much of it is worth telling. */
  growth(c: Connection): number {
    return this.#allowed(c) - c.pending.length - distance(c.edge, c.rcv);
  }

  /** Less than this is not told: small windows make small segments. [RFC 9293] 3.8.6.2.2 */
  leastGrowth(c: Connection, segments: number): number {
    return Math.min(segments * c.mss, this.#allowed(c) >> 1);
  }

  #allowed(c: Connection): number {
    const { limits, shares } = this.context;
    const most = c.isFull ? Math.min(limits.window, FULL_SHARE) : limits.window;
    return shares.allowed(c.guest, most);
  }

  /** The window field; its right edge never moves back. */
  #window(c: Connection, isSyn: boolean): number {
    const room = distance(c.edge, c.rcv);
    const growth = this.growth(c);
    const wanted = growth >= this.leastGrowth(c, 1) ? room + growth : room;
    const scale = isSyn || c.scale < 0 ? 0 : c.scale;
    // Rounded up, as rounded down it would move back.
    const field = Math.min(MOST_FIELD, (wanted + (1 << scale) - 1) >> scale);
    const edge = plus(c.rcv, field << scale);
    this.#edge = isBefore(edge, c.edge) ? c.edge : edge;
    return field;
  }

  #synOptions(c: Connection, isAnswer: boolean): void {
    this.#writer.mss(this.context.mssOf(c.ends.guest.address));
    if (!isAnswer || c.scale >= 0) this.#writer.scale(this.context.scale);
    if (!isAnswer || c.hasSacks) this.#writer.sackPermitted();
    if (!isAnswer || c.hasStamps) this.#writer.stamps(this.context.stamp(), isAnswer ? c.stampRecent : 0);
  }

  /** Ranges go with what is else empty: full segments have no room for them. */
  #options(c: Connection, isPlainAck: boolean): void {
    if (c.hasStamps) this.#writer.stamps(this.context.stamp(), c.stampRecent);
    const { reassembly } = c;
    if (!isPlainAck || !c.hasSacks || reassembly === null || reassembly.isEmpty) return;
    reassembly.findRanges();
    if (reassembly.ranges > 0) this.#writer.sacks(reassembly.ranges, reassembly.rangeFrom, reassembly.rangeTo);
  }

  #wait(c: Connection): boolean {
    if (!c.isOver) c.guest.waiting.add(c);
    return false;
  }
}
