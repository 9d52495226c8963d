/**
 * Sends what the world has for a guest: as much as the windows allow, and again what was lost. [RFC 5681], [RFC 6675],
 * where the peer tells no ranges [RFC 6582]; timeouts by [RFC 6298].
 */
import { type Connection, NEVER } from "./connection.js";
import type { Context } from "./context.js";
import {
  DUPLICATES,
  FIRST_TIMEOUT_MS,
  LEAST_TIMEOUT_MS,
  MOST_SEGMENT,
  MOST_TIMEOUT_MS,
  MOST_WINDOW,
} from "./limits.js";
import type { Output } from "./output.js";
import { Scoreboard } from "./scoreboard.js";
import { Flag, type Segment } from "./segment.js";
import { distance, isBefore, later, plus } from "./sequence.js";
import { State } from "./types.js";

/** Collects payloads of several pieces. */
const SCRATCH_BYTES = 65_536;
/** An echoed stamp older than this is none of ours, ms. */
const MOST_ROUND_TRIP_MS = 1_000_000;

export class Sender {
  readonly #scratch = new Uint8Array(SCRATCH_BYTES);

  constructor(
    private readonly context: Context,
    private readonly output: Output,
  ) {}

  /** The world has more for the guest. */
  push(c: Connection, bytes: Uint8Array): void {
    c.queue.push(bytes);
    this.context.hold(c, bytes.length);
    if (c.isPaused || c.isOutsideGone || c.queue.length <= this.#mostQueued(c)) return;
    c.isPaused = true;
    c.stream?.pauseReading();
  }

  /** Sends what the windows allow. */
  pump(c: Connection): void {
    if (!canSend(c.state)) return;
    if (c.isRecovering && !this.#fillHoles(c)) return;
    while (this.#sendMore(c));
    this.#maybeFin(c);
    if (c.next === c.una && c.queue.length > 0 && !c.guest.isBlocked) {
      // The window is closed, or too small for what waits: it is asked about. [RFC 9293] 3.8.6.1
      c.isProbing = true;
      if (c.retransmitAtMs === NEVER) this.#startTimer(c);
    }
  }

  /**
   * Takes an acknowledgement of a synchronized connection. False: it makes no sense, and the segment is dropped.
   * [RFC 5961] 5
   */
  takeAck(c: Connection, segment: Segment): boolean {
    const news = distance(segment.ack, c.una);
    if (isBefore(c.most, segment.ack)) return false;
    if (news < 0) return -news <= Math.max(c.mostWindow, 0xffff);
    const told = c.hasSacks && segment.sacks > 0 ? this.#takeSacks(c, segment) : 0;
    if (news > 0) this.#advance(c, segment, news);
    else if (this.#isDuplicate(c, segment, told)) c.duplicates++;
    this.#takeWindow(c, segment);
    this.#detectLoss(c);
    return true;
  }

  /** Whether the guest has acknowledged our FIN. */
  isFinAcked(c: Connection): boolean {
    return c.isFinSent && c.una === c.most && c.queue.length === 0;
  }

  /** Nothing was acknowledged in time. False: for too long. */
  onTimeout(c: Connection, nowMs: number): boolean {
    c.retransmitAtMs = NEVER;
    if (!c.isSynchronized) return this.#synTimeout(c, nowMs);
    const { limits, counters } = this.context;
    // A guest that answers may keep its window closed for as long as it likes.
    const since = c.isProbing || c.window === 0 ? Math.max(c.heardAtMs, c.progressAtMs) : c.progressAtMs;
    if (nowMs - since > limits.giveUpMs) return false;
    if (c.guest.isBlocked) this.#startTimer(c);
    else if (c.isProbing) {
      counters.probes++;
      c.backoff++;
      this.#startTimer(c);
      this.#probe(c);
    } else {
      counters.timeouts++;
      this.#goBack(c);
      this.#startTimer(c);
      this.pump(c);
    }
    return true;
  }

  /** Starts the timer for a SYN. */
  startSynTimer(c: Connection): void {
    c.progressAtMs = this.context.nowMs();
    this.#startTimer(c);
  }

  /** A round trip took from when the guest's echo was sent until now. [RFC 7323] 4.1 */
  measureEcho(c: Connection, segment: Segment): void {
    if (!c.hasStamps || !segment.hasStamps || segment.echo === 0) return;
    const ms = distance(this.context.stamp(), segment.echo);
    if (ms >= 0 && ms < MOST_ROUND_TRIP_MS) this.#measured(c, ms);
  }

  clear(c: Connection): void {
    this.context.hold(c, -c.queue.length);
    c.queue.clear();
    c.scoreboard = null;
  }

  // --- sending

  /** Sends one segment, of whatever size; false when that is all for now. */
  #sendMore(c: Connection): boolean {
    const board = c.scoreboard;
    const isAgain = isBefore(c.next, c.most);
    if (isAgain && board !== null) c.next = board.skip(c.next);
    const offset = distance(c.next, c.una);
    const ready = c.queue.length - offset;
    if (ready <= 0) return false;
    const flight = this.#pipe(c);
    let room = Math.min(c.window - offset, c.congestionWindow - flight, MOST_SEGMENT);
    if (isAgain && board !== null) room = board.gap(c.next, room);
    if (room <= 0) return false;
    let count = Math.min(ready, room);
    if (count < ready || count > c.mss) {
      if (count >= c.mss) count = count === ready && count < MOST_SEGMENT ? count : count - (count % c.mss);
      // A part of a segment waits for the rest, or for half of the window. [RFC 9293] 3.8.6.2.1
      else if (!isAgain && count < c.mostWindow >> 1) return false;
    }
    return this.#sendData(c, offset, count);
  }

  #sendData(c: Connection, offset: number, count: number): boolean {
    const seq = plus(c.una, offset);
    const isLast = offset + count === c.queue.length;
    const payload = c.queue.read(offset, count, this.#scratch);
    if (!this.output.send(c, seq, Flag.ACK | (isLast ? Flag.PSH : 0), payload)) return false;
    if (isBefore(seq, c.most)) this.#countAgain(c);
    else if (!c.hasStamps && c.timedAtMs < 0) {
      c.timedSeq = seq;
      c.timedAtMs = this.context.nowMs();
    }
    c.next = plus(seq, count);
    this.#sent(c);
    return true;
  }

  /** `next` has moved on. */
  #sent(c: Connection): void {
    c.most = later(c.most, c.next);
    if (c.retransmitAtMs !== NEVER && !c.isProbing) return;
    // Probes that went unheeded say nothing about what is lost.
    if (c.isProbing) c.backoff = 0;
    c.isProbing = false;
    c.progressAtMs = this.context.nowMs();
    this.#startTimer(c);
  }

  /** Our FIN follows the last byte, whatever the windows say: it takes no room. */
  #maybeFin(c: Connection): void {
    if (!c.isFinQueued || distance(c.next, c.una) !== c.queue.length) return;
    if (!this.output.send(c, c.next, Flag.FIN | Flag.ACK, null)) return;
    if (isBefore(c.next, c.most)) this.#countAgain(c);
    c.next = plus(c.next, 1);
    c.isFinSent = true;
    if (c.state === State.ESTABLISHED) c.state = State.FIN_WAIT_1;
    else if (c.state === State.CLOSE_WAIT) c.state = State.LAST_ACK;
    this.#sent(c);
  }

  #probe(c: Connection): void {
    if (c.queue.length === 0) return;
    if (c.window > 0) {
      // It has waited long enough for more room.
      this.#sendData(c, 0, Math.min(c.window, c.mss, c.queue.length));
      return;
    }
    // A byte that there is no room for is not on its way: it goes again with the rest.
    if (!this.output.send(c, c.una, Flag.ACK, c.queue.read(0, 1, this.#scratch))) return;
    c.most = later(c.most, plus(c.una, 1));
  }

  #countAgain(c: Connection): void {
    c.retransmissions++;
    this.context.counters.retransmissions++;
    // [RFC 6298] 3: what was sent twice is not timed.
    c.timedAtMs = -1;
  }

  // --- acknowledgements

  #takeSacks(c: Connection, segment: Segment): number {
    let news = 0;
    for (let n = 0; n < segment.sacks; n++) {
      const from = segment.sackFrom[n]!;
      const to = segment.sackTo[n]!;
      // What tells of a duplicate, what would be acknowledged if it were there, and what was never sent.
      if (!isBefore(from, to) || !isBefore(later(c.una, segment.ack), from) || isBefore(c.most, to)) continue;
      c.scoreboard ??= new Scoreboard();
      news += c.scoreboard.add(from, to);
    }
    return news;
  }

  #advance(c: Connection, segment: Segment, news: number): void {
    const flight = distance(c.next, c.una);
    const count = Math.min(c.queue.length, news);
    c.queue.drop(count);
    this.context.hold(c, -count);
    c.receivedBytes += count;
    c.una = segment.ack;
    c.next = later(c.next, c.una);
    c.scoreboard?.advance(c.una);
    if (c.hasStamps) this.measureEcho(c, segment);
    else if (c.timedAtMs >= 0 && isBefore(c.timedSeq, c.una)) {
      this.#measured(c, this.context.nowMs() - c.timedAtMs);
      c.timedAtMs = -1;
    }
    c.backoff = 0;
    c.isProbing = false;
    c.progressAtMs = this.context.nowMs();
    c.retransmitAtMs = NEVER;
    if (c.una !== c.most) this.#startTimer(c);
    this.#grow(c, news, flight);
    if (c.isPaused && c.queue.length <= this.#mostQueued(c) >> 1 && !c.isOutsideGone) {
      c.isPaused = false;
      c.stream!.resumeReading();
    }
  }

  /** What new acknowledgements mean for the congestion window. */
  #grow(c: Connection, news: number, flight: number): void {
    if (c.isGoingBack && !isBefore(c.una, c.recover)) c.isGoingBack = false;
    if (c.isRecovering) {
      if (isBefore(c.una, c.recover)) this.#partial(c, news);
      else {
        c.isRecovering = false;
        c.duplicates = 0;
        c.congestionWindow = Math.min(c.threshold, Math.max(distance(c.next, c.una), c.mss) + c.mss);
      }
      return;
    }
    c.duplicates = 0;
    // A window that was not used says nothing about a larger one. [RFC 7661]
    if (2 * flight < c.congestionWindow) return;
    const grown =
      c.congestionWindow < c.threshold
        ? news
        : Math.min(c.mss, Math.max(1, Math.floor((c.mss * news) / c.congestionWindow)));
    c.congestionWindow = Math.min(MOST_WINDOW, c.congestionWindow + grown);
  }

  /** Part of what was lost has arrived; what follows it is lost too, as far as anybody knows. [RFC 6582] 3.2 */
  #partial(c: Connection, news: number): void {
    c.duplicates = Math.max(0, c.duplicates - Math.floor(news / c.mss) + 1);
    c.resent = later(c.resent, c.una);
    if ((c.scoreboard === null || c.scoreboard.ranges === 0) && c.resent === c.una) this.#resendOldest(c);
  }

  #isDuplicate(c: Connection, segment: Segment, told: number): boolean {
    if (c.una === c.most) return false;
    if (c.hasSacks) return told > 0;
    const isPlain = segment.length === 0 && !segment.has(Flag.FIN);
    return isPlain && this.#scaled(c, segment) === c.window;
  }

  #takeWindow(c: Connection, segment: Segment): void {
    const { seq, ack } = segment;
    const isNewer = isBefore(c.windowSeq, seq) || (c.windowSeq === seq && !isBefore(ack, c.windowAck));
    if (!isNewer) return;
    c.window = this.#scaled(c, segment);
    c.mostWindow = Math.max(c.mostWindow, c.window);
    c.windowSeq = seq;
    c.windowAck = ack;
  }

  #scaled(c: Connection, segment: Segment): number {
    return c.peerScale > 0 ? segment.window << c.peerScale : segment.window;
  }

  // --- loss

  /** Bytes on their way, as far as anybody knows. */
  #pipe(c: Connection): number {
    const flight = distance(c.next, c.una);
    const board = c.scoreboard;
    if (c.isRecovering && board !== null) return board.pipe(c.una, c.next, c.resent, c.mss);
    if (board !== null) return flight - board.bytesBefore(c.next);
    // Each duplicate tells that a segment has left; before a loss is certain only two count. [RFC 3042]
    return Math.max(0, flight - (c.isRecovering ? c.duplicates : Math.min(c.duplicates, DUPLICATES - 1)) * c.mss);
  }

  #detectLoss(c: Connection): void {
    if (c.isRecovering || c.isGoingBack || c.una === c.most || c.isProbing) return;
    if (c.duplicates < DUPLICATES && !(c.scoreboard?.isLost(c.mss) ?? false)) return;
    this.context.counters.fastRecoveries++;
    c.isRecovering = true;
    c.recover = c.most;
    c.resent = c.una;
    c.threshold = Math.max(distance(c.next, c.una) >> 1, 2 * c.mss);
    c.congestionWindow = c.threshold;
    this.#resendOldest(c);
  }

  /** Sends lost bytes again, as the congestion window allows; false when there is no room for segments. */
  #fillHoles(c: Connection): boolean {
    const board = c.scoreboard;
    if (board === null) return !c.guest.isBlocked;
    while (board.findHole(c.una, later(c.resent, c.una), c.mss)) {
      const room = c.congestionWindow - this.#pipe(c);
      if (room < c.mss) return true;
      const hole = Math.min(distance(board.holeTo, board.holeFrom), room - (room % c.mss), MOST_SEGMENT);
      if (!this.#resend(c, board.holeFrom, hole)) return false;
    }
    return true;
  }

  #resendOldest(c: Connection): void {
    const gap = c.scoreboard === null ? c.mss : c.scoreboard.gap(c.una, c.mss);
    this.#resend(c, c.una, Math.min(gap, c.mss));
  }

  #resend(c: Connection, seq: number, most: number): boolean {
    const offset = distance(seq, c.una);
    const count = Math.min(most, c.queue.length - offset);
    const isFin = count <= 0;
    const isSent = isFin
      ? c.isFinSent && this.output.send(c, seq, Flag.FIN | Flag.ACK, null)
      : this.output.send(c, seq, Flag.ACK, c.queue.read(offset, count, this.#scratch));
    if (!isSent) return false;
    this.#countAgain(c);
    c.resent = later(c.resent, plus(seq, isFin ? 1 : count));
    return true;
  }

  /** All that is not acknowledged is sent again, as the congestion window opens. [RFC 5681] 3.1, [RFC 2018] 8 */
  #goBack(c: Connection): void {
    if (c.backoff === 0) c.threshold = Math.max(distance(c.most, c.una) >> 1, 2 * c.mss);
    // A peer that said it has them and does not acknowledge may have dropped them since.
    else c.scoreboard?.clear();
    c.backoff++;
    c.congestionWindow = c.mss;
    c.isRecovering = false;
    c.duplicates = 0;
    c.isGoingBack = true;
    c.recover = c.most;
    c.next = c.una;
    c.timedAtMs = -1;
  }

  #synTimeout(c: Connection, nowMs: number): boolean {
    if (nowMs - c.progressAtMs > this.context.limits.giveUpSynMs) return false;
    this.context.counters.timeouts++;
    if (!c.guest.isBlocked) c.backoff++;
    c.mustSyn = true;
    this.#startTimer(c);
    return true;
  }

  // --- time

  #measured(c: Connection, ms: number): void {
    if (c.smoothedMs < 0) {
      c.smoothedMs = ms;
      c.variationMs = ms / 2;
    } else {
      c.variationMs += (Math.abs(c.smoothedMs - ms) - c.variationMs) / 4;
      c.smoothedMs += (ms - c.smoothedMs) / 8;
    }
    const wanted = c.smoothedMs + Math.max(1, 4 * c.variationMs);
    c.timeoutMs = Math.min(MOST_TIMEOUT_MS, Math.max(LEAST_TIMEOUT_MS, wanted));
  }

  #startTimer(c: Connection): void {
    const base = c.smoothedMs < 0 ? FIRST_TIMEOUT_MS : c.timeoutMs;
    c.retransmitAtMs = this.context.nowMs() + Math.min(MOST_TIMEOUT_MS, base * 2 ** Math.min(c.backoff, 16));
  }

  #mostQueued(c: Connection): number {
    return this.context.shares.allowed(c.guest, this.context.limits.sendBytes);
  }
}

/** States in which data or a FIN of ours may be on its way. */
function canSend(state: State): boolean {
  return (
    state === State.ESTABLISHED ||
    state === State.CLOSE_WAIT ||
    state === State.FIN_WAIT_1 ||
    state === State.CLOSING ||
    state === State.LAST_ACK
  );
}
