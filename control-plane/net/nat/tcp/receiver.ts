/** Takes what a guest sends: what comes next goes to the world at once, the rest waits for what is missing. */
import type { Packet } from "../../packet.js";
import type { Connection } from "./connection.js";
import type { Context } from "./context.js";
import { LEAST_SHARE } from "./limits.js";
import type { Output } from "./output.js";
import { Reassembly } from "./reassembly.js";
import { Flag, type Segment } from "./segment.js";
import { distance, isBefore, later, plus } from "./sequence.js";

const SMALL_BYTES = 4096;
const BLOCK_BYTES = 32_768;

export class Receiver {
  #block = new Uint8Array(BLOCK_BYTES);
  #used = 0;

  constructor(
    private readonly context: Context,
    private readonly output: Output,
  ) {}

  /** Whether something of it lies in the window. [RFC 9293] 3.10.7.4, table 6 */
  isAcceptable(c: Connection, segment: Segment): boolean {
    const room = distance(c.edge, c.rcv);
    const begin = distance(segment.seq, c.rcv);
    const { span } = segment;
    if (span === 0) return room === 0 ? begin === 0 : begin >= 0 && begin < room;
    const last = begin + span - 1;
    return room > 0 && begin < room && last >= 0;
  }

  /** Takes data and FIN of an acceptable segment. */
  take(c: Connection, segment: Segment, packet: Packet): void {
    if (c.isFinTaken) {
      // Sent again, as our ACK was lost.
      c.mustAck = true;
      return;
    }
    if (segment.has(Flag.FIN) && !c.hasFin) this.#noteFin(c, plus(segment.seq, segment.length));
    if (segment.length > 0) this.#takeData(c, segment, packet);
    if (segment.has(Flag.FIN)) c.mustAck = true;
  }

  /** Whether the guest's FIN is what comes next; takes it if so. */
  takeFin(c: Connection): boolean {
    if (!c.hasFin || c.isFinTaken || c.rcv !== c.fin) return false;
    c.isFinTaken = true;
    c.rcv = plus(c.rcv, 1);
    c.edge = later(c.edge, c.rcv);
    c.mustAck = true;
    if (c.reassembly !== null) this.#clear(c, c.reassembly);
    if (c.pending.length === 0) this.#end(c);
    return true;
  }

  /** The world takes more. */
  drained(c: Connection): void {
    c.isFull = false;
    while (!c.isFull && c.pending.length > 0) {
      const bytes = c.pending.shift();
      this.context.hold(c, -bytes.length);
      this.#write(c, bytes);
    }
    if (c.pending.length > 0) return;
    if (c.isFinTaken) this.#end(c);
  }

  /** Whether the window has grown by so much that the guest is to know. */
  hasOpened(c: Connection): boolean {
    return !c.isFinTaken && this.output.growth(c) >= this.output.leastGrowth(c, 2);
  }

  /** Lets go of all that waits. */
  clear(c: Connection): void {
    this.context.hold(c, -c.pending.length);
    c.pending.clear();
    if (c.reassembly !== null) this.#clear(c, c.reassembly);
  }

  #clear(c: Connection, reassembly: Reassembly): void {
    this.context.hold(c, -reassembly.held);
    reassembly.clear();
  }

  /** Where the guest says its end is, unless it has sent what lies behind that. */
  #noteFin(c: Connection, seq: number): void {
    const { reassembly } = c;
    if (isBefore(c.edge, seq)) return;
    if (reassembly !== null && !reassembly.isEmpty && isBefore(seq, reassembly.end)) return;
    c.hasFin = true;
    c.fin = seq;
  }

  #end(c: Connection): void {
    if (!c.isOutsideGone) c.stream!.end();
  }

  #takeData(c: Connection, segment: Segment, packet: Packet): void {
    const skip = Math.max(0, distance(c.rcv, segment.seq));
    let end = Math.min(segment.length, distance(c.edge, segment.seq));
    if (c.hasFin) end = Math.min(end, distance(c.fin, segment.seq));
    const isWhole = c.reassembly === null || c.reassembly.isEmpty;
    if (end <= skip) {
      c.mustAck = true;
      return;
    }
    if (isWhole && skip === distance(c.rcv, segment.seq)) {
      if (this.#hasRoom(c, end - skip)) {
        const bytes = this.#room(c, end - skip);
        packet.copyTo(bytes, 0, segment.at + skip, bytes.length);
        this.#deliver(c, bytes);
      } else c.mustAck = true;
    } else {
      this.#keep(c, plus(segment.seq, skip), packet, segment.at + skip, end - skip);
      // At once: the guest is to learn what is missing, or no longer. [RFC 5681] 4.2
      c.mustAck = true;
    }
    if (c.unacked >= 2 * c.mss) c.mustAck = true;
    else if (!c.mustAck) this.output.acknowledgeSoon(c);
  }

  /**
   * Memory for bytes. Small pieces that go on at once share a block, each with a part of its own: that is several times as
   * fast as memory for each.
   */
  #room(c: Connection, count: number): Uint8Array {
    if (count > SMALL_BYTES || c.isFull) return new Uint8Array(count);
    if (this.#used + count > BLOCK_BYTES) {
      this.#block = new Uint8Array(BLOCK_BYTES);
      this.#used = 0;
    }
    this.#used += count;
    return this.#block.subarray(this.#used - count, this.#used);
  }

  /** Keeps what goes after a hole, or fills one, and takes what now comes next. */
  #keep(c: Connection, seq: number, packet: Packet, from: number, count: number): void {
    const { limits, shares, counters } = this.context;
    c.reassembly ??= new Reassembly();
    const { reassembly } = c;
    const before = reassembly.held;
    // What comes next is not kept: it needs no room.
    const isNext = seq === c.rcv;
    if (!isNext) counters.outOfOrder++;
    const room = isNext ? Number.MAX_SAFE_INTEGER : shares.allowed(c.guest, limits.window) - before;
    reassembly.add(seq, packet, from, count, room);
    if (reassembly.held === before) counters.pruned++;
    this.context.hold(c, reassembly.held - before);
    for (;;) {
      const kept = reassembly.held;
      const bytes = reassembly.take(c.rcv);
      this.context.hold(c, reassembly.held - kept);
      if (bytes === null) break;
      this.#deliver(c, bytes);
    }
  }

  /** What the world does not take now waits here, as long as there is memory. */
  #hasRoom(c: Connection, count: number): boolean {
    const { limits, shares, counters } = this.context;
    if (!c.isFull || shares.bytes + count <= limits.totalBytes || c.pending.length + count <= LEAST_SHARE) return true;
    counters.pruned++;
    return false;
  }

  #deliver(c: Connection, bytes: Uint8Array): void {
    c.rcv = plus(c.rcv, bytes.length);
    c.unacked += bytes.length;
    c.sentBytes += bytes.length;
    if (c.isOutsideGone) return;
    if (c.isFull || c.pending.length > 0) {
      c.pending.push(bytes);
      this.context.hold(c, bytes.length);
    } else this.#write(c, bytes);
  }

  #write(c: Connection, bytes: Uint8Array): void {
    if (!c.stream!.write(bytes)) c.isFull = true;
  }
}
