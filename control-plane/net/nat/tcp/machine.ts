/**
 * What happens to a connection: segments of the guest, events of its stream outside, time. [RFC 9293] 3.10, with the
 * guards of [RFC 5961].
 */
import type { OutsideError } from "../../outside/index.js";
import type { Packet } from "../../packet.js";
import { type Connection, type Machine as Hears, NEVER } from "./connection.js";
import type { Context } from "./context.js";
import {
  CHALLENGES_A_SECOND,
  FIRST_WINDOW,
  KEEP_ALIVE_STEP_MS,
  LEAST_MSS,
  MOST_KEEP_ALIVES,
  ORPHAN_MS,
  TIME_WAIT_MS,
} from "./limits.js";
import type { Output } from "./output.js";
import type { Receiver } from "./receiver.js";
import { Flag, type Segment } from "./segment.js";
import type { Sender } from "./sender.js";
import { distance, isBefore, plus } from "./sequence.js";
import { State } from "./types.js";

/** What a peer takes that does not say. [RFC 9293] 3.7.1 */
const DEFAULT_MSS4 = 536;
const DEFAULT_MSS6 = 1220;
/** Bytes of time stamps in each segment, filled up. */
const STAMPS_BYTES = 12;
/** A stamp older than this says nothing: the clock has gone round. [RFC 7323] 5.5 */
const MOST_STAMP_AGE_MS = 24 * 86_400_000;

/** What the table of connections does for us. */
export interface Registry {
  schedule(c: Connection): void;
  /** It is over; it is not found any more. */
  remove(c: Connection): void;
  timeWait(c: Connection): void;
  /** It is about to be over, and its stream is not; and then that is over too. */
  linger(c: Connection): void;
  lingered(c: Connection): void;
}

export class Machine implements Hears {
  constructor(
    private readonly context: Context,
    private readonly output: Output,
    private readonly sender: Sender,
    private readonly receiver: Receiver,
    private readonly registry: Registry,
  ) {}

  // --- segments of the guest

  /** The SYN of a guest, which waits until its stream is open. */
  listen(c: Connection, segment: Segment): void {
    this.#takeSyn(c, segment);
  }

  /** Opens a connection to the guest. */
  connect(c: Connection): void {
    c.mustSyn = true;
    this.sender.startSynTimer(c);
    this.flush(c);
  }

  input(c: Connection, segment: Segment, packet: Packet): void {
    if (c.state === State.OPENING) this.#inOpening(c, segment);
    else if (c.state === State.SYN_SENT) this.#inSynSent(c, segment);
    else this.#synchronized(c, segment, packet);
    this.flush(c);
  }

  /** Sends what is to be sent, and asks to be called when time has passed. */
  flush(c: Connection): void {
    if (c.isOver) return;
    if (c.mustSyn) this.output.syn(c);
    // The guest learns first what is missing; that fits into no segment with data.
    if (c.mustAck && c.reassembly !== null && !c.reassembly.isEmpty) this.output.acknowledge(c);
    this.sender.pump(c);
    if (c.mustAck && c.state >= State.SYN_RECEIVED) this.output.acknowledge(c);
    this.registry.schedule(c);
  }

  #inOpening(c: Connection, segment: Segment): void {
    if (segment.has(Flag.RST)) {
      if (segment.seq === c.rcv) this.abort(c);
    } else if (segment.isFirst && plus(segment.seq, 1) !== c.rcv) {
      // The guest has begun anew; nothing of ours has told it otherwise.
      this.#takeSyn(c, segment);
    }
  }

  /** [RFC 9293] 3.10.7.3 */
  #inSynSent(c: Connection, segment: Segment): void {
    const hasAck = segment.has(Flag.ACK);
    const isAcked = hasAck && isBefore(c.iss, segment.ack) && !isBefore(c.most, segment.ack);
    if (hasAck && !isAcked) {
      this.output.refuse(c.ends.guest.address, c.ends.remote.address, segment);
      return;
    }
    if (segment.has(Flag.RST)) {
      if (isAcked) this.abort(c);
      return;
    }
    if (!segment.has(Flag.SYN)) return;
    this.#takeSyn(c, segment);
    if (isAcked) {
      this.sender.measureEcho(c, segment);
      this.#established(c);
      c.mustAck = true;
    } else {
      c.state = State.SYN_RECEIVED;
      c.mustSyn = true;
    }
  }

  /** [RFC 9293] 3.10.7.4 */
  #synchronized(c: Connection, segment: Segment, packet: Packet): void {
    if (c.hasStamps && !segment.has(Flag.RST) && !this.#isStampNew(c, segment)) return;
    if (!this.receiver.isAcceptable(c, segment)) {
      this.#unacceptable(c, segment);
      return;
    }
    if (segment.has(Flag.RST)) {
      // Only the very next number is believed; another may be a guess. [RFC 5961] 3.2
      if (segment.seq !== c.rcv) this.#challenge(c);
      // What it had to send it has sent, and that goes on its way.
      else if (c.isFinTaken && c.isFinSent) this.#finish(c);
      else this.abort(c);
      return;
    }
    if (segment.has(Flag.SYN)) {
      this.#challenge(c);
      return;
    }
    if (!segment.has(Flag.ACK)) return;
    if (c.state === State.SYN_RECEIVED && !this.#answered(c, segment)) return;
    this.#heard(c);
    // [RFC 7323] 4.3
    if (c.hasStamps && !isBefore(c.acked, segment.seq)) {
      c.stampRecent = segment.stamp;
      c.stampAtMs = c.heardAtMs;
    }
    if (!this.#takeAck(c, segment) || c.isOver) return;
    if (segment.length > 0 || segment.has(Flag.FIN)) this.#takeData(c, segment, packet);
  }

  /** The ACK of our SYN; false when it is of something else. */
  #answered(c: Connection, segment: Segment): boolean {
    if (!isBefore(c.iss, segment.ack) || isBefore(c.most, segment.ack)) {
      this.output.refuse(c.ends.guest.address, c.ends.remote.address, segment);
      return false;
    }
    this.sender.measureEcho(c, segment);
    this.#established(c);
    return true;
  }

  #takeAck(c: Connection, segment: Segment): boolean {
    if (!this.sender.takeAck(c, segment)) {
      this.#challenge(c);
      return false;
    }
    if (!this.sender.isFinAcked(c)) return true;
    if (c.state === State.FIN_WAIT_1) {
      c.state = State.FIN_WAIT_2;
      if (c.isOutsideGone) c.endAtMs = this.context.nowMs() + ORPHAN_MS;
    } else if (c.state === State.CLOSING) this.#timeWait(c);
    else if (c.state === State.LAST_ACK) this.#finish(c);
    return true;
  }

  #takeData(c: Connection, segment: Segment, packet: Packet): void {
    const isNew = isBefore(c.rcv, plus(segment.seq, segment.length));
    if (c.isOutsideGone && !c.isFinTaken && isNew && segment.length > 0) {
      // Nobody is there to take it. [RFC 9293] 3.6.1
      this.reset(c);
      return;
    }
    if (c.state === State.TIME_WAIT) this.#timeWait(c);
    this.receiver.take(c, segment, packet);
    if (c.isOver || !this.receiver.takeFin(c) || c.isOver) return;
    if (c.state === State.ESTABLISHED) c.state = State.CLOSE_WAIT;
    else if (c.state === State.FIN_WAIT_1) c.state = State.CLOSING;
    else if (c.state === State.FIN_WAIT_2) this.#timeWait(c);
  }

  /** Nothing of it lies in the window. */
  #unacceptable(c: Connection, segment: Segment): void {
    if (segment.has(Flag.RST)) return;
    if (c.state === State.SYN_RECEIVED && segment.has(Flag.SYN) && plus(segment.seq, 1) === c.rcv) {
      // Our answer was lost.
      c.mustSyn = true;
      return;
    }
    // Our last ACK was lost: it may be lost again.
    if (c.state === State.TIME_WAIT && segment.has(Flag.FIN)) this.#timeWait(c);
    // Where the window ends is who has filled it, perhaps with a FIN behind: it takes no data, but ACKs. [RFC 9293] 3.10.7.4
    const beyond = distance(segment.seq, c.edge);
    const isAtEdge = (beyond === 0 || beyond === 1) && segment.has(Flag.ACK) && c.isSynchronized;
    if (isAtEdge) {
      this.#heard(c);
      if (!this.#takeAck(c, segment) || c.isOver) return;
    }
    // What has no data may be an answer to an answer of ours, without end.
    if (segment.length > 0 || segment.has(Flag.FIN)) c.mustAck = true;
    else if (!isAtEdge) this.#challenge(c);
  }

  /** [RFC 7323] 5.3 */
  #isStampNew(c: Connection, segment: Segment): boolean {
    if (!segment.hasStamps) return false;
    if (!isBefore(segment.stamp, c.stampRecent)) return true;
    if (this.context.nowMs() - c.stampAtMs > MOST_STAMP_AGE_MS) return true;
    this.context.counters.oldStamps++;
    if (segment.length > 0 || segment.has(Flag.FIN)) c.mustAck = true;
    else this.#challenge(c);
    return false;
  }

  #heard(c: Connection): void {
    c.heardAtMs = this.context.nowMs();
    c.keepAlives = 0;
  }

  /** An ACK in answer to what may be a guess, not too often. [RFC 5961] 7 */
  #challenge(c: Connection): void {
    const now = this.context.nowMs();
    if (now - c.challengeAtMs >= 1000) {
      c.challengeAtMs = now;
      c.challenges = 0;
    }
    if (++c.challenges > CHALLENGES_A_SECOND) return;
    this.context.counters.challenges++;
    c.mustAck = true;
  }

  #takeSyn(c: Connection, segment: Segment): void {
    const isIpv4 = c.ends.guest.address.length === 4;
    c.rcv = plus(segment.seq, 1);
    c.acked = c.rcv;
    // What our own SYN has told already.
    c.edge = c.state === State.SYN_SENT ? plus(c.rcv, Math.min(0xffff, this.context.limits.window)) : c.rcv;
    c.peerScale = segment.scale;
    c.scale = segment.scale < 0 ? -1 : this.context.scale;
    const told = segment.mss > 0 ? Math.max(LEAST_MSS, segment.mss) : isIpv4 ? DEFAULT_MSS4 : DEFAULT_MSS6;
    c.mss = Math.min(this.context.mssOf(c.ends.guest.address), told);
    c.hasStamps = segment.hasStamps;
    if (c.hasStamps) c.mss -= STAMPS_BYTES;
    c.stampRecent = segment.stamp;
    c.stampAtMs = this.context.nowMs();
    c.hasSacks = segment.sackPermitted;
    c.window = segment.window;
    c.mostWindow = segment.window;
    c.windowSeq = segment.seq;
    c.windowAck = c.iss;
    c.congestionWindow = FIRST_WINDOW;
  }

  #established(c: Connection): void {
    c.state = State.ESTABLISHED;
    c.una = plus(c.iss, 1);
    c.retransmitAtMs = NEVER;
    c.backoff = 0;
    c.mustSyn = false;
    this.#notHalfOpen(c);
    this.#heard(c);
    const { keepAliveMs } = this.context.limits;
    if (keepAliveMs > 0) c.endAtMs = c.heardAtMs + keepAliveMs;
  }

  #notHalfOpen(c: Connection): void {
    if (c.isHalfOpen) c.guest.halfOpen--;
    c.isHalfOpen = false;
  }

  #timeWait(c: Connection): void {
    c.state = State.TIME_WAIT;
    c.retransmitAtMs = NEVER;
    c.endAtMs = this.context.nowMs() + TIME_WAIT_MS;
    this.registry.timeWait(c);
  }

  // --- the world outside

  opened(c: Connection): void {
    if (c.state !== State.OPENING) return;
    c.state = State.SYN_RECEIVED;
    c.mustSyn = true;
    this.sender.startSynTimer(c);
    this.flush(c);
  }

  data(c: Connection, bytes: Uint8Array): void {
    if (c.isOver || c.isFinQueued) return;
    this.sender.push(c, bytes);
    this.flush(c);
  }

  drained(c: Connection): void {
    // Even when it is over for the guest: what it sent is on its way.
    this.receiver.drained(c);
    if (c.isOver || !c.isSynchronized) return;
    if (this.receiver.hasOpened(c)) c.mustAck = true;
    this.flush(c);
  }

  ended(c: Connection): void {
    if (c.isOver || c.isFinQueued) return;
    c.isFinQueued = true;
    this.flush(c);
  }

  closed(c: Connection, error: OutsideError | null): void {
    c.isOutsideGone = true;
    this.receiver.clear(c);
    this.#lingered(c);
    if (c.isOver) return;
    if (error !== null || c.state === State.OPENING) {
      this.reset(c);
      return;
    }
    // What there is to be sent is still sent.
    if (c.state === State.FIN_WAIT_2) c.endAtMs = this.context.nowMs() + ORPHAN_MS;
    this.ended(c);
  }

  // --- time

  onTime(c: Connection, nowMs: number): void {
    if (c.ackAtMs <= nowMs) {
      c.ackAtMs = NEVER;
      c.mustAck = true;
    }
    if (c.retransmitAtMs <= nowMs && !this.sender.onTimeout(c, nowMs)) {
      this.#giveUp(c);
      return;
    }
    if (c.endAtMs <= nowMs) this.#onEnd(c, nowMs);
    this.flush(c);
  }

  #onEnd(c: Connection, nowMs: number): void {
    c.endAtMs = NEVER;
    if (c.state === State.TIME_WAIT) this.#finish(c);
    else if (c.state === State.FIN_WAIT_2 && c.isOutsideGone) this.reset(c);
    else this.#keepAlive(c, nowMs);
  }

  /** Asks whether the guest is there when nothing came for long. [RFC 9293] 3.8.4 */
  #keepAlive(c: Connection, nowMs: number): void {
    const { keepAliveMs } = this.context.limits;
    if (nowMs - c.heardAtMs < keepAliveMs) {
      c.endAtMs = c.heardAtMs + keepAliveMs;
      return;
    }
    if (c.keepAlives === MOST_KEEP_ALIVES) {
      this.#giveUp(c);
      return;
    }
    c.keepAlives++;
    this.context.counters.keepAlives++;
    this.output.send(c, plus(c.next, -1), Flag.ACK, null);
    c.endAtMs = nowMs + Math.min(KEEP_ALIVE_STEP_MS, keepAliveMs);
  }

  // --- ends

  /** Ends both sides at once; the guest gets a reset. */
  reset(c: Connection): void {
    if (c.isOver) return;
    if (c.state !== State.TIME_WAIT && c.state !== State.SYN_SENT) this.output.reset(c);
    this.abort(c);
  }

  /** Ends both sides at once; the guest knows or is not there. */
  abort(c: Connection): void {
    if (c.isOver) return;
    this.#remove(c);
    this.receiver.clear(c);
    if (!c.isOutsideGone) c.stream?.abort();
    c.isOutsideGone = true;
  }

  #giveUp(c: Connection): void {
    this.context.counters.gaveUp++;
    this.reset(c);
  }

  /** Both have ended in good order. What the world has not taken yet is still given to it: `drained`. */
  #finish(c: Connection): void {
    c.isLingering = !c.isOutsideGone;
    if (c.isLingering) this.registry.linger(c);
    this.#remove(c);
  }

  /** TIME-WAIT is cut short: the place is wanted. */
  leave(c: Connection): void {
    this.#finish(c);
  }

  /** What the world has not taken is not given to it any more: the place is wanted. */
  giveUpRest(c: Connection): void {
    c.isOutsideGone = true;
    this.receiver.clear(c);
    this.#lingered(c);
    c.stream!.abort();
  }

  #lingered(c: Connection): void {
    if (!c.isLingering) return;
    c.isLingering = false;
    this.registry.lingered(c);
  }

  #remove(c: Connection): void {
    c.state = State.CLOSED;
    c.retransmitAtMs = NEVER;
    c.ackAtMs = NEVER;
    c.endAtMs = NEVER;
    this.#notHalfOpen(c);
    this.sender.clear(c);
    this.registry.remove(c);
  }

  /** Whether the SYN begins a new connection where this one waits for its end. [RFC 9293] 3.10.7.4, [RFC 6191] */
  mayBegin(c: Connection, segment: Segment): boolean {
    if (c.state !== State.TIME_WAIT || !segment.isFirst) return false;
    const isLaterStamp = c.hasStamps && segment.hasStamps && isBefore(c.stampRecent, segment.stamp);
    return isLaterStamp || distance(segment.seq, c.rcv) >= 0;
  }
}
