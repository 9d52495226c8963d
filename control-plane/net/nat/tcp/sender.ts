/**
 * What goes to a guest on one connection: kept until it is acknowledged, sent as the guest's window and the way there allow,
 * and again when it is lost. [RFC 9293] 3.10.7.4, 3.8; [RFC 5681]; [RFC 6298]
 */
import { Congestion } from "./congestion.js";
import { Flag, type Segment } from "./header.js";
import { MOST_RETRIES } from "./limits.js";
import { SendQueue } from "./send-queue.js";
import { distance, isBefore, plus } from "./sequence.js";

export const NEVER = Number.POSITIVE_INFINITY;

export interface SenderParts {
  nowMs(): number;
  /** Collects payloads of several pieces. */
  readonly scratch: Uint8Array;
  /** False when the network has no room. */
  transmit(seq: number, flags: number, payload: Uint8Array | null): boolean;
  /** Bytes that are kept have changed by so many. */
  held(bytes: number): void;
  /** Our FIN was sent for the first time. */
  finSent(): void;
  readonly counters: { retransmissions: number; timeouts: number };
}

export class Sender {
  /** When the oldest that is not acknowledged is sent again, ms. */
  retransmitAtMs = NEVER;
  /** A FIN follows what is there. */
  isEnding = false;
  /** Bytes that the guest has acknowledged. */
  acknowledgedBytes = 0;
  retransmissions = 0;
  /** The next number to be sent. */
  next: number;
  readonly #queue = new SendQueue();
  readonly #congestion: Congestion;
  /** The oldest that is not acknowledged, and behind the last of all that was ever sent. */
  #una: number;
  #most: number;
  /** The guest's window, and the segment that it was told by. */
  #window = 0;
  #windowSeq = 0;
  #windowAck = 0;
  #scale = 0;
  /** The number behind our FIN, once it was sent. */
  #finEnd: number | null = null;
  /** Timeouts in a row. */
  #retries = 0;
  /** The one segment that is timed where there are no time stamps. */
  #timedSeq = 0;
  #timedAtMs = -1;

  constructor(
    private readonly parts: SenderParts,
    readonly iss: number,
    private mss: number,
  ) {
    this.#una = iss;
    this.next = iss;
    this.#most = iss;
    this.#congestion = new Congestion(mss);
  }

  /** Bytes that are not acknowledged, sent or not. */
  get waitingBytes(): number {
    return this.#queue.length;
  }

  /** Takes what a guest's SYN says. */
  begin({ seq, window, scale }: Segment, mss: number): void {
    this.mss = mss;
    this.#congestion.setMss(mss);
    this.#scale = Math.max(0, scale);
    this.#window = window;
    this.#windowSeq = seq;
  }

  /** Our SYN was sent. */
  synSent(): void {
    this.next = plus(this.iss, 1);
    this.#most = this.next;
    this.startTimer();
  }

  /** Our SYN is acknowledged. */
  established(ack: number): void {
    this.#una = plus(this.iss, 1);
    this.#windowAck = ack;
    this.retransmitAtMs = NEVER;
    this.#retries = 0;
  }

  push(bytes: Uint8Array): void {
    this.#queue.push(bytes);
    this.parts.held(bytes.length);
  }

  /** Whether a guest acknowledges what was never sent. */
  isBeyond(ack: number): boolean {
    return isBefore(this.#most, ack);
  }

  /**
   * Takes an acknowledgement and the window with it. True: our FIN is acknowledged by it.
   * @param roundTripMs as time stamps tell it, or null
   */
  take(segment: Segment, roundTripMs: number | null): boolean {
    const news = distance(segment.ack, this.#una);
    const isFinAcked = news > 0 && segment.ack === this.#finEnd;
    if (news > 0) this.#takeNews(segment.ack, news, roundTripMs);
    else if (news === 0 && this.#isDuplicate(segment)) {
      if (this.#congestion.duplicate(distance(this.next, this.#una), this.next)) this.#sendAgain();
    }
    this.#takeWindow(segment);
    return isFinAcked;
  }

  /** Sends what the windows allow. */
  pump(): void {
    for (;;) {
      const inFlight = distance(this.next, this.#una);
      const ready = this.#queue.length - inFlight;
      if (ready <= 0) break;
      const allowed = Math.min(this.#window, this.#congestion.window) - inFlight;
      // A part of a segment waits for the rest, unless it is the last there is. [RFC 9293] 3.8.6.2.1
      if (allowed <= 0 || (allowed < this.mss && allowed < ready && inFlight > 0)) break;
      const most = allowed >= this.mss ? allowed - (allowed % this.mss) : allowed;
      if (!this.#sendData(inFlight, Math.min(ready, most))) return;
    }
    this.#maybeFin();
    if (this.#isProbing && this.retransmitAtMs === NEVER) this.startTimer();
  }

  startTimer(): void {
    const isWaiting = this.#una !== this.next || this.#isProbing;
    this.retransmitAtMs = isWaiting ? this.parts.nowMs() + this.#congestion.timeoutMs : NEVER;
  }

  /** Nothing was acknowledged in time. False: the guest counts as gone. */
  onTimeout(): boolean {
    this.retransmitAtMs = NEVER;
    this.parts.counters.timeouts++;
    if (++this.#retries > MOST_RETRIES) return false;
    this.#congestion.timedOut(distance(this.next, this.#una));
    return true;
  }

  /** Sends the oldest again, and what follows it as the window opens; or a byte that asks for a window. */
  retransmit(): void {
    if (this.#isProbing) {
      this.parts.transmit(this.#una, Flag.ACK, this.#queue.read(0, 1, this.parts.scratch));
      // Not in flight: it is sent again with the rest when the window opens.
      if (this.#una === this.#most) this.#most = plus(this.#una, 1);
    } else {
      this.#sendAgain();
      if (this.#queue.length > 0) this.next = plus(this.#una, Math.min(this.mss, this.#queue.length));
    }
    this.startTimer();
  }

  clear(): void {
    this.parts.held(-this.#queue.length);
    this.#queue.clear();
    this.retransmitAtMs = NEVER;
  }

  get #isProbing(): boolean {
    return this.#window === 0 && this.#queue.length > 0;
  }

  #takeNews(ack: number, news: number, roundTripMs: number | null): void {
    if (roundTripMs !== null) this.#congestion.measured(roundTripMs);
    else if (this.#timedAtMs >= 0 && isBefore(this.#timedSeq, ack)) {
      this.#congestion.measured(this.parts.nowMs() - this.#timedAtMs);
      this.#timedAtMs = -1;
    }
    const data = Math.min(this.#queue.length, news);
    this.#queue.acknowledge(data);
    this.parts.held(-data);
    this.acknowledgedBytes += data;
    this.#una = ack;
    if (isBefore(this.next, ack)) this.next = ack;
    this.#retries = 0;
    if (this.#congestion.acknowledged(news, ack)) this.#sendAgain();
    this.startTimer();
  }

  #isDuplicate({ length, window, flags }: Segment): boolean {
    const isPlain = length === 0 && (flags & (Flag.SYN | Flag.FIN)) === 0;
    return isPlain && isBefore(this.#una, this.next) && window * 2 ** this.#scale === this.#window;
  }

  #takeWindow({ seq, ack, window }: Segment): void {
    const isNewer = isBefore(this.#windowSeq, seq) || (this.#windowSeq === seq && !isBefore(ack, this.#windowAck));
    if (!isNewer) return;
    // A guest that answers may keep its window closed for as long as it likes.
    if (this.#window === 0) this.#retries = 0;
    this.#window = window * 2 ** this.#scale;
    this.#windowSeq = seq;
    this.#windowAck = ack;
  }

  /** Sends bytes from `from` on; false when the network has no room. */
  #sendData(from: number, most: number): boolean {
    const payload = this.#queue.read(from, most, this.parts.scratch);
    const isLast = from + payload.length === this.#queue.length;
    const seq = plus(this.#una, from);
    if (!this.parts.transmit(seq, Flag.ACK | (isLast ? Flag.PSH : 0), payload)) return false;
    if (this.#timedAtMs < 0 && !isBefore(seq, this.#most)) {
      this.#timedSeq = seq;
      this.#timedAtMs = this.parts.nowMs();
    }
    this.#sentUpTo(plus(seq, payload.length));
    return true;
  }

  #maybeFin(): void {
    if (!this.isEnding || distance(this.next, this.#una) !== this.#queue.length) return;
    if (!this.parts.transmit(this.next, Flag.FIN | Flag.ACK, null)) return;
    const isFirst = this.#finEnd === null;
    this.#finEnd = plus(this.next, 1);
    this.#sentUpTo(this.#finEnd);
    if (isFirst) this.parts.finSent();
  }

  #sentUpTo(end: number): void {
    if (isBefore(this.next, end)) this.next = end;
    if (isBefore(this.#most, end)) this.#most = end;
    if (this.retransmitAtMs === NEVER) this.startTimer();
  }

  /** The oldest segment that is not acknowledged. */
  #sendAgain(): void {
    this.retransmissions++;
    this.parts.counters.retransmissions++;
    this.#timedAtMs = -1;
    const { transmit, scratch } = this.parts;
    const { length } = this.#queue;
    if (length > 0) transmit(this.#una, Flag.ACK, this.#queue.read(0, Math.min(this.mss, length), scratch));
    else if (this.isEnding && this.#una !== this.#most) transmit(this.#una, Flag.FIN | Flag.ACK, null);
  }
}
