/**
 * One connection of a guest, ended here, and its counterpart in the world outside. [RFC 9293] 3.10 is what it follows; the
 * guest's end is the peer. What the guest sends goes on at once, and its window is what the world has room for; what the
 * world sends waits until the guest has acknowledged it, and stops being read when too much waits.
 */
import type { Packet } from "../../index.js";
import type { OutsideError, OutsideStream, StreamEvents } from "../../outside/index.js";
import { Congestion } from "./congestion.js";
import { Flag, type Outgoing, type Segment } from "./header.js";
import {
  DELAYED_ACK_MS,
  FIN_WAIT_MS,
  LEAST_MSS,
  MOST_RETRIES,
  MOST_TIMEOUT_MS,
  type TcpLimits,
  TIME_WAIT_MS,
  WINDOW_SCALE,
} from "./limits.js";
import { Reassembly } from "./reassembly.js";
import { SendQueue } from "./send-queue.js";
import { distance, isBefore, plus } from "./sequence.js";
import type { Timed } from "./timers.js";
import type { Ends, TcpConnectionInfo, TcpState } from "./types.js";

const NEVER = Number.POSITIVE_INFINITY;
/** States in which the guest may still send. */
const RECEIVING: ReadonlySet<TcpState> = new Set(["established", "fin-wait-1", "fin-wait-2"]);
/** States in which our FIN is on its way. */
const FIN_SENT: ReadonlySet<TcpState> = new Set(["fin-wait-1", "closing", "last-ack"]);

/** What the table does for its connections. */
export interface Surroundings {
  readonly limits: TcpLimits;
  nowMs(): number;
  random(): number;
  send(connection: Connection, out: Outgoing, payload: Uint8Array | null, gsoSize: number): boolean;
  /** Collects payloads of several pieces. */
  readonly scratch: Uint8Array;
  /** `dueMs` has changed. */
  schedule(connection: Connection): void;
  gone(connection: Connection): void;
  /** Bytes that all connections hold have changed by so many. */
  held(bytes: number): void;
  /** Bytes that this connection may hold. */
  share(): number;
  readonly counters: { retransmissions: number; timeouts: number; outOfOrder: number; challenges: number };
}

export class Connection implements StreamEvents, Timed {
  state: TcpState;
  /** The next in the table's chain. */
  next: Connection | null = null;
  stream: OutsideStream | null = null;
  readonly #queue = new SendQueue();
  readonly #reassembly = new Reassembly();
  readonly #congestion: Congestion;
  #mss: number;
  // What we send: the oldest that is not acknowledged, the next, and the last of all that was ever sent.
  readonly #iss: number;
  #una: number;
  #nxt: number;
  #most: number;
  #window = 0;
  #windowSeq = 0;
  #windowAck = 0;
  #peerScale = 0;
  #scaled = false;
  #finQueued = false;
  /** The number behind our FIN, once it was sent. */
  #finEnd: number | null = null;
  // What the guest sends: the next that we expect, and the end of what it may send.
  #rcv = 0;
  #edge = 0;
  #finReceived = false;
  /** Where its FIN is, when it came before what goes before it. */
  #finSeq: number | null = null;
  /** The world takes no more. */
  #full = false;
  #paused = false;
  #timestamps = false;
  #tsRecent = 0;
  #sacks = false;
  #unacked = 0;
  #retries = 0;
  /** Of the one segment that is timed where there are no timestamps. */
  #timedSeq = 0;
  #timedAtMs = -1;
  #retransmitAtMs = NEVER;
  #ackAtMs = NEVER;
  #endAtMs = NEVER;
  #sent = 0;
  #received = 0;
  #retransmissions = 0;

  constructor(
    readonly ends: Ends,
    readonly direction: "out" | "in",
    private readonly around: Surroundings,
  ) {
    this.#iss = around.random();
    this.#una = this.#iss;
    this.#nxt = this.#iss;
    this.#most = this.#iss;
    this.#mss = ends.guest.address.length === 4 ? around.limits.mss4 : around.limits.mss6;
    this.#congestion = new Congestion(this.#mss);
    this.state = direction === "out" ? "opening" : "syn-sent";
  }

  get dueMs(): number {
    return Math.min(this.#retransmitAtMs, this.#ackAtMs, this.#endAtMs);
  }

  get info(): TcpConnectionInfo {
    return {
      ...this.ends,
      direction: this.direction,
      state: this.state,
      sentBytes: this.#sent,
      receivedBytes: this.#received,
      waitingBytes: this.#queue.length + this.#reassembly.bytes,
      retransmissions: this.#retransmissions,
    };
  }

  // --- opening

  /** A guest wants to connect: takes what its SYN says. */
  listen(segment: Segment): void {
    this.#takeSyn(segment);
  }

  /** Opens a connection to the guest. */
  connect(): void {
    this.#sendSyn();
  }

  opened(): void {
    if (this.state !== "opening") return;
    this.state = "syn-received";
    this.#sendSyn();
    this.around.schedule(this);
  }

  #takeSyn(segment: Segment): void {
    this.#rcv = plus(segment.seq, 1);
    this.#scaled = segment.scale >= 0;
    this.#peerScale = Math.max(0, segment.scale);
    this.#edge = plus(this.#rcv, Math.min(this.around.limits.window, 0xffff));
    if (segment.mss > 0) this.#mss = Math.min(this.#mss, Math.max(LEAST_MSS, segment.mss));
    this.#timestamps = segment.hasTimestamps;
    this.#tsRecent = segment.tsValue;
    this.#sacks = segment.sackPermitted;
    // Each segment has ten bytes of timestamps, and two that fill them up.
    if (this.#timestamps) this.#mss -= 12;
    this.#congestion.setMss(this.#mss);
    this.#window = segment.window;
    this.#windowSeq = segment.seq;
  }

  #sendSyn(): void {
    const isAnswer = this.state === "syn-received";
    this.#nxt = plus(this.#iss, 1);
    this.#most = this.#nxt;
    const { mss4, mss6 } = this.around.limits;
    this.#transmit(this.#iss, Flag.SYN | (isAnswer ? Flag.ACK : 0), null, {
      mss: this.ends.guest.address.length === 4 ? mss4 : mss6,
      ...(!isAnswer || this.#scaled ? { scale: WINDOW_SCALE } : {}),
      sackPermitted: !isAnswer || this.#sacks,
      ...(isAnswer ? {} : { timestamps: { value: this.#tick(), echo: 0 } }),
    });
    this.#startTimer();
  }

  // --- segments of the guest

  /** [RFC 9293] 3.10.7.4, after the table has found the connection. */
  input(segment: Segment, packet: Packet): void {
    if (this.state === "opening") {
      if (segment.has(Flag.RST) && segment.seq === this.#rcv) this.#drop();
      return;
    }
    if (this.state === "syn-sent") this.#inputSynSent(segment);
    else this.#inputSynchronized(segment, packet);
    if (this.state === "closed") return;
    this.#pump();
    this.around.schedule(this);
  }

  #inputSynSent(segment: Segment): void {
    const isAcked = segment.has(Flag.ACK) && segment.ack === this.#nxt;
    if (segment.has(Flag.RST)) {
      if (isAcked) this.#drop();
      return;
    }
    if (!segment.has(Flag.SYN) || !isAcked) return;
    this.#takeSyn(segment);
    this.#una = segment.ack;
    this.#windowAck = segment.ack;
    this.#established();
    this.#acknowledge();
  }

  #inputSynchronized(segment: Segment, packet: Packet): void {
    if (this.#isOld(segment)) {
      this.#acknowledgeOld(segment);
      return;
    }
    if (segment.has(Flag.RST)) {
      // Only the very next number is believed; another may be a guess. [RFC 5961] 3.2
      if (segment.seq === this.#rcv) this.#drop();
      else this.#challenge();
      return;
    }
    if (segment.has(Flag.SYN)) {
      // The answer to its SYN was lost, or it is a guess. [RFC 5961] 4.2
      if (this.state === "syn-received" && plus(segment.seq, 1) === this.#rcv) this.#sendSyn();
      else this.#challenge();
      return;
    }
    if (!segment.has(Flag.ACK) || !this.#takeAck(segment)) return;
    if (this.#timestamps && segment.hasTimestamps && !isBefore(this.#rcv, segment.seq))
      this.#tsRecent = segment.tsValue;
    if (segment.length > 0) this.#takeData(segment, packet);
    if (segment.has(Flag.FIN)) this.#finSeq ??= plus(segment.seq, segment.length);
    if (this.#finSeq === this.#rcv) this.#takeFin();
  }

  /** Whether nothing of it lies in the window, or its time stamp is from before. */
  #isOld(segment: Segment): boolean {
    if (
      this.#timestamps &&
      segment.hasTimestamps &&
      isBefore(segment.tsValue, this.#tsRecent) &&
      !segment.has(Flag.RST)
    ) {
      return true;
    }
    const room = distance(this.#edge, this.#rcv);
    const { span } = segment;
    const begin = distance(segment.seq, this.#rcv);
    if (span === 0) return room === 0 ? begin !== 0 : begin < 0 || begin >= room;
    const end = begin + span - 1;
    return room === 0 || ((begin < 0 || begin >= room) && (end < 0 || end >= room));
  }

  #acknowledgeOld(segment: Segment): void {
    if (segment.has(Flag.RST)) return;
    // Our last ACK was lost: it may be lost again.
    if (this.state === "time-wait" && segment.has(Flag.FIN)) this.#timeWait();
    if (this.state === "syn-received" && segment.has(Flag.SYN)) this.#sendSyn();
    // A probe of a closed window acknowledges too.
    else {
      if (segment.has(Flag.ACK) && distance(this.#edge, this.#rcv) === 0) this.#takeAck(segment);
      if (this.state !== "closed") this.#acknowledge();
    }
  }

  #challenge(): void {
    this.around.counters.challenges++;
    this.#acknowledge();
  }

  /** False when the ACK makes no sense, or ended the connection. */
  #takeAck(segment: Segment): boolean {
    const { ack } = segment;
    if (isBefore(this.#most, ack)) {
      this.#acknowledge();
      return false;
    }
    if (this.state === "syn-received") {
      if (!isBefore(this.#iss, ack)) return false;
      this.#windowAck = ack;
      this.#established();
    }
    const news = distance(ack, this.#una);
    if (news > 0) this.#takeNews(segment, news);
    else if (news === 0 && this.#isDuplicate(segment)) this.#takeDuplicate();
    this.#takeWindow(segment);
    return this.state !== "closed";
  }

  #takeNews({ ack, hasTimestamps, tsEcho }: Segment, news: number): void {
    const isFinAcked = FIN_SENT.has(this.state) && ack === this.#finEnd;
    const data = Math.min(this.#queue.length, news - (this.#una === this.#iss ? 1 : 0));
    if (this.#timestamps && hasTimestamps && tsEcho !== 0)
      this.#congestion.measured(Math.max(0, this.#tick() - tsEcho));
    else if (this.#timedAtMs >= 0 && isBefore(this.#timedSeq, ack)) {
      this.#congestion.measured(this.around.nowMs() - this.#timedAtMs);
      this.#timedAtMs = -1;
    }
    this.#queue.acknowledge(data);
    this.around.held(-data);
    this.#received += data;
    this.#una = ack;
    if (isBefore(this.#nxt, ack)) this.#nxt = ack;
    this.#retries = 0;
    if (this.#congestion.acknowledged(news, ack)) this.#sendAgain();
    this.#startTimer();
    this.#readOn();
    if (isFinAcked) this.#finAcked();
  }

  #isDuplicate({ length, window, flags }: Segment): boolean {
    const isPlain = length === 0 && (flags & (Flag.SYN | Flag.FIN)) === 0;
    return isPlain && isBefore(this.#una, this.#nxt) && window << this.#peerScale === this.#window;
  }

  #takeDuplicate(): void {
    if (this.#congestion.duplicate(distance(this.#nxt, this.#una), this.#nxt)) this.#sendAgain();
  }

  #takeWindow({ seq, ack, window }: Segment): void {
    const isNewer = isBefore(this.#windowSeq, seq) || (this.#windowSeq === seq && !isBefore(ack, this.#windowAck));
    if (!isNewer) return;
    // A guest that answers may keep its window closed for as long as it likes.
    if (this.#window === 0) this.#retries = 0;
    this.#window = window * 2 ** this.#peerScale;
    this.#windowSeq = seq;
    this.#windowAck = ack;
  }

  #takeData(segment: Segment, packet: Packet): void {
    if (!RECEIVING.has(this.state)) return;
    const skip = Math.max(0, distance(this.#rcv, segment.seq));
    const end = Math.min(segment.length, distance(this.#edge, segment.seq));
    if (end <= skip) return;
    const bytes = new Uint8Array(end - skip);
    packet.copyTo(bytes, 0, segment.at + skip, bytes.length);
    const seq = plus(segment.seq, skip);
    if (seq !== this.#rcv) {
      this.around.counters.outOfOrder++;
      const before = this.#reassembly.bytes;
      this.#reassembly.add(seq, bytes);
      this.around.held(this.#reassembly.bytes - before);
      // At once: the guest is to learn what is missing. [RFC 5681] 4.2
      this.#acknowledge();
      return;
    }
    const hadHole = !this.#reassembly.isEmpty;
    this.#deliver(bytes);
    for (let more = this.#takeKept(); more !== null; more = this.#takeKept()) this.#deliver(more);
    // What fills a hole is told at once as well.
    if (this.#unacked >= 2 * this.#mss || hadHole) this.#acknowledge();
    else this.#ackAtMs = Math.min(this.#ackAtMs, this.around.nowMs() + DELAYED_ACK_MS);
  }

  #takeKept(): Uint8Array | null {
    if (this.#reassembly.isEmpty) return null;
    const before = this.#reassembly.bytes;
    const bytes = this.#reassembly.take(this.#rcv);
    this.around.held(this.#reassembly.bytes - before);
    return bytes;
  }

  #deliver(bytes: Uint8Array): void {
    this.#rcv = plus(this.#rcv, bytes.length);
    this.#unacked += bytes.length;
    this.#sent += bytes.length;
    if (!this.stream!.write(bytes)) this.#full = true;
  }

  #takeFin(): void {
    if (this.#finReceived || !RECEIVING.has(this.state)) return;
    this.#finReceived = true;
    this.#rcv = plus(this.#rcv, 1);
    this.#edge = isBefore(this.#edge, this.#rcv) ? this.#rcv : this.#edge;
    this.stream!.end();
    if (this.state === "established") this.state = "close-wait";
    else if (this.state === "fin-wait-1") this.state = "closing";
    else if (this.state === "fin-wait-2") this.#timeWait();
    this.#acknowledge();
  }

  #established(): void {
    this.state = "established";
    this.#una = plus(this.#iss, 1);
    this.#retransmitAtMs = NEVER;
    this.#retries = 0;
  }

  #finAcked(): void {
    if (this.state === "fin-wait-1") {
      this.state = "fin-wait-2";
      this.#endAtMs = this.around.nowMs() + FIN_WAIT_MS;
    } else if (this.state === "closing") this.#timeWait();
    else if (this.state === "last-ack") this.#end();
  }

  #timeWait(): void {
    this.state = "time-wait";
    this.#retransmitAtMs = NEVER;
    this.#endAtMs = this.around.nowMs() + TIME_WAIT_MS;
  }

  // --- the world outside

  data(bytes: Uint8Array): void {
    if (this.state === "closed" || this.#finQueued) return;
    this.#queue.push(bytes);
    this.around.held(bytes.length);
    if (!this.#paused && this.#queue.length > Math.min(this.around.limits.sendBytes, this.around.share())) {
      this.#paused = true;
      this.stream!.pauseReading();
    }
    this.#pumpAndSchedule();
  }

  drained(): void {
    this.#full = false;
    if (this.state === "closed") return;
    // Only a window that has grown by much is worth telling. [RFC 9293] 3.8.6.2.2
    const grown = this.#freeWindow() - distance(this.#edge, this.#rcv);
    if (grown >= Math.min(this.around.limits.window / 2, 2 * this.#mss)) this.#acknowledge();
    this.around.schedule(this);
  }

  ended(): void {
    if (this.state === "closed" || this.#finQueued) return;
    this.#finQueued = true;
    this.#pumpAndSchedule();
  }

  closed(error: OutsideError | null): void {
    if (this.state === "closed") return;
    if (error === null && this.state !== "opening") {
      // What is there to be sent is still sent.
      this.ended();
      return;
    }
    this.reset();
  }

  /** Ends the connection with an RST. */
  reset(): void {
    if (this.state === "opening") this.#transmit(0, Flag.RST | Flag.ACK, null);
    else if (this.state !== "time-wait") this.#transmit(this.#nxt, Flag.RST | Flag.ACK, null);
    this.#drop();
  }

  // --- sending

  /** Room in the network again. */
  resume(): void {
    if (this.state === "closed") return;
    if (this.state === "syn-received" || this.state === "syn-sent") this.#sendSyn();
    if (this.#ackAtMs !== NEVER) this.#acknowledge();
    this.#pumpAndSchedule();
  }

  #pumpAndSchedule(): void {
    if (this.state === "closed") return;
    this.#pump();
    this.around.schedule(this);
  }

  /** Sends what the windows allow. */
  #pump(): void {
    if (this.state !== "established" && this.state !== "close-wait" && !FIN_SENT.has(this.state)) return;
    for (;;) {
      const inFlight = distance(this.#nxt, this.#una);
      const ready = this.#queue.length - inFlight;
      if (ready <= 0) break;
      const allowed = Math.min(this.#window, this.#congestion.window) - inFlight;
      // A part of a segment waits for the rest, unless it is the last there is. [RFC 9293] 3.8.6.2.1
      if (allowed <= 0 || (allowed < this.#mss && allowed < ready && inFlight > 0)) break;
      const most = allowed >= this.#mss ? allowed - (allowed % this.#mss) : allowed;
      if (!this.#sendData(inFlight, Math.min(ready, most))) return;
    }
    this.#maybeFin();
    if (this.#window === 0 && this.#queue.length > 0 && this.#retransmitAtMs === NEVER) this.#startTimer();
  }

  /** Sends bytes from `from` on; false when the network has no room. */
  #sendData(from: number, most: number): boolean {
    const payload = this.#queue.read(from, most, this.around.scratch);
    const isLast = from + payload.length === this.#queue.length;
    const seq = plus(this.#una, from);
    if (!this.#transmit(seq, Flag.ACK | (isLast ? Flag.PSH : 0), payload)) return false;
    if (this.#timedAtMs < 0 && !this.#timestamps && !isBefore(seq, this.#most)) {
      this.#timedSeq = seq;
      this.#timedAtMs = this.around.nowMs();
    }
    const end = plus(seq, payload.length);
    if (isBefore(this.#nxt, end)) this.#nxt = end;
    if (isBefore(this.#most, end)) this.#most = end;
    if (this.#retransmitAtMs === NEVER) this.#startTimer();
    return true;
  }

  #maybeFin(): void {
    if (!this.#finQueued || distance(this.#nxt, this.#una) !== this.#queue.length) return;
    if (!this.#transmit(this.#nxt, Flag.FIN | Flag.ACK, null)) return;
    this.#nxt = plus(this.#nxt, 1);
    this.#finEnd = this.#nxt;
    if (isBefore(this.#most, this.#nxt)) this.#most = this.#nxt;
    if (this.state === "established") this.state = "fin-wait-1";
    else if (this.state === "close-wait") this.state = "last-ack";
    this.#startTimer();
  }

  /** The oldest segment that is not acknowledged. */
  #sendAgain(): void {
    this.#retransmissions++;
    this.around.counters.retransmissions++;
    this.#timedAtMs = -1;
    const { length } = this.#queue;
    if (length > 0)
      this.#transmit(this.#una, Flag.ACK, this.#queue.read(0, Math.min(this.#mss, length), this.around.scratch));
    else if (this.#finQueued && this.#una !== this.#most) this.#transmit(this.#una, Flag.FIN | Flag.ACK, null);
  }

  #acknowledge(): void {
    if (this.state === "opening" || this.state === "syn-sent") return;
    if (!this.#transmit(this.#nxt, Flag.ACK, null)) this.#ackAtMs = this.around.nowMs() + DELAYED_ACK_MS;
  }

  #transmit(seq: number, flags: number, payload: Uint8Array | null, more: Partial<Outgoing> = {}): boolean {
    const { guest, remote } = this.ends;
    const isSyn = (flags & Flag.SYN) !== 0;
    const hasAck = (flags & Flag.ACK) !== 0;
    if (hasAck) this.#openWindow(isSyn);
    const scale = isSyn || !this.#scaled ? 0 : WINDOW_SCALE;
    const out: Outgoing = {
      sourcePort: remote.port,
      destinationPort: guest.port,
      seq,
      ack: hasAck ? this.#rcv : 0,
      flags,
      window: Math.min(0xffff, distance(this.#edge, this.#rcv) >>> scale),
      ...(this.#timestamps ? { timestamps: { value: this.#tick(), echo: this.#tsRecent } } : {}),
      ...(this.#sacks && !this.#reassembly.isEmpty ? { sacks: this.#reassembly.ranges() } : {}),
      ...more,
    };
    const length = payload?.length ?? 0;
    const isSent = this.around.send(this, out, payload, length > this.#mss ? this.#mss : 0);
    if (isSent && hasAck) {
      this.#ackAtMs = NEVER;
      this.#unacked = 0;
    }
    return isSent;
  }

  /** Moves the end of what the guest may send, which never moves back. */
  #openWindow(isSyn: boolean): void {
    const scale = isSyn || !this.#scaled ? 0 : WINDOW_SCALE;
    const most = isSyn || !this.#scaled ? 0xffff : 0xffff << WINDOW_SCALE;
    const wanted = plus(this.#rcv, (Math.min(most, this.#freeWindow()) >>> scale) << scale);
    if (isBefore(this.#edge, wanted)) this.#edge = wanted;
  }

  #freeWindow(): number {
    if (this.#full || this.#finReceived) return 0;
    return Math.max(0, Math.min(this.around.limits.window, this.around.share()) - this.#reassembly.bytes);
  }

  #readOn(): void {
    if (!this.#paused || this.#queue.length > Math.min(this.around.limits.sendBytes, this.around.share()) / 2) return;
    this.#paused = false;
    this.stream!.resumeReading();
  }

  #tick(): number {
    return (Math.floor(this.around.nowMs()) + 1) >>> 0;
  }

  // --- time

  onTime(now: number): void {
    if (this.#endAtMs <= now) {
      this.#end();
      return;
    }
    if (this.#ackAtMs <= now) {
      this.#ackAtMs = NEVER;
      this.#acknowledge();
    }
    if (this.#retransmitAtMs <= now) this.#onTimeout();
    if (this.state !== "closed") this.around.schedule(this);
  }

  #startTimer(): void {
    const isWaiting = this.#una !== this.#nxt || (this.#window === 0 && this.#queue.length > 0);
    const wait = Math.min(MOST_TIMEOUT_MS, this.#congestion.timeoutMs);
    this.#retransmitAtMs = isWaiting ? this.around.nowMs() + wait : NEVER;
  }

  #onTimeout(): void {
    this.#retransmitAtMs = NEVER;
    this.around.counters.timeouts++;
    const isProbe = this.#window === 0 && this.#queue.length > 0;
    if (++this.#retries > MOST_RETRIES) {
      this.reset();
      return;
    }
    this.#congestion.timedOut(distance(this.#nxt, this.#una));
    if (this.state === "syn-received" || this.state === "syn-sent") {
      this.#sendSyn();
      return;
    }
    if (isProbe) {
      this.#transmit(this.#una, Flag.ACK, this.#queue.read(0, 1, this.around.scratch));
      // Not in flight: it is sent again with the rest when the window opens.
      if (this.#una === this.#most) this.#most = plus(this.#una, 1);
    } else this.#goBack();
    this.#startTimer();
  }

  /** All that is not acknowledged is sent again, as the window opens. */
  #goBack(): void {
    if (this.#queue.length === 0) {
      this.#sendAgain();
      return;
    }
    this.#sendAgain();
    this.#nxt = plus(this.#una, Math.min(this.#mss, this.#queue.length));
  }

  // --- ends

  /** It is over; in good order when the guest has sent all it wanted, which may still be on its way outside. */
  #end(): void {
    this.#drop(!this.#finReceived);
  }

  #drop(abort = true): void {
    if (this.state === "closed") return;
    this.state = "closed";
    this.around.held(-this.#queue.length - this.#reassembly.bytes);
    this.#queue.clear();
    this.#reassembly.clear();
    this.#retransmitAtMs = NEVER;
    this.#ackAtMs = NEVER;
    this.#endAtMs = NEVER;
    this.around.gone(this);
    if (abort) this.stream?.abort();
  }
}
