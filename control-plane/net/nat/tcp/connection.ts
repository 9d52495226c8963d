/**
 * One connection of a guest, ended here, and its counterpart in the world outside. [RFC 9293] 3.10 is what it follows; the
 * guest's end is the peer. What the guest sends goes on at once, and its window is what the world has room for; what the
 * world sends waits until the guest has acknowledged it, and stops being read when too much waits.
 */
import type { OutsideError, OutsideStream, StreamEvents } from "../../outside/index.js";
import type { Packet } from "../../packet.js";
import { Flag, type Outgoing, type Segment } from "./header.js";
import { DELAYED_ACK_MS, FIN_WAIT_MS, LEAST_MSS, type TcpLimits, TIME_WAIT_MS, WINDOW_SCALE } from "./limits.js";
import { Receiver } from "./receiver.js";
import { NEVER, Sender } from "./sender.js";
import { isBefore, plus } from "./sequence.js";
import type { Timed } from "./timers.js";
import type { Ends, TcpConnectionInfo, TcpState } from "./types.js";

/** States in which the guest may still send. */
const RECEIVING: ReadonlySet<TcpState> = new Set(["established", "fin-wait-1", "fin-wait-2"]);
/** States in which we may send, a FIN that was lost included. */
const SENDING: ReadonlySet<TcpState> = new Set(["established", "close-wait", "fin-wait-1", "closing", "last-ack"]);

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
  readonly #sender: Sender;
  readonly #receiver: Receiver;
  #mss: number;
  #paused = false;
  #timestamps = false;
  #tsRecent = 0;
  #sacks = false;
  #ackAtMs = NEVER;
  #endAtMs = NEVER;
  #sent = 0;

  constructor(
    readonly ends: Ends,
    readonly direction: "out" | "in",
    private readonly around: Surroundings,
  ) {
    const { limits, scratch, counters } = around;
    this.#mss = ends.guest.address.length === 4 ? limits.mss4 : limits.mss6;
    const parts = {
      nowMs: () => around.nowMs(),
      scratch,
      counters,
      transmit: (seq: number, flags: number, payload: Uint8Array | null) => this.#transmit(seq, flags, payload),
      held: (bytes: number) => around.held(bytes),
      finSent: () => this.#finSent(),
    };
    this.#sender = new Sender(parts, around.random(), this.#mss);
    this.#receiver = new Receiver({
      window: () => Math.min(limits.window, around.share()),
      deliver: (bytes) => {
        this.#sent += bytes.length;
        return this.stream!.write(bytes);
      },
      held: (bytes) => around.held(bytes),
    });
    this.state = direction === "out" ? "opening" : "syn-sent";
  }

  get dueMs(): number {
    return Math.min(this.#sender.retransmitAtMs, this.#ackAtMs, this.#endAtMs);
  }

  get info(): TcpConnectionInfo {
    return {
      ...this.ends,
      direction: this.direction,
      state: this.state,
      sentBytes: this.#sent,
      receivedBytes: this.#sender.acknowledgedBytes,
      waitingBytes: this.#sender.waitingBytes + this.#receiver.keptBytes,
      retransmissions: this.#sender.retransmissions,
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
    this.#receiver.begin(segment);
    if (segment.mss > 0) this.#mss = Math.min(this.#mss, Math.max(LEAST_MSS, segment.mss));
    this.#timestamps = segment.hasTimestamps;
    this.#tsRecent = segment.tsValue;
    this.#sacks = segment.sackPermitted;
    // Each segment has ten bytes of timestamps, and two that fill them up.
    if (this.#timestamps) this.#mss -= 12;
    this.#sender.begin(segment, this.#mss);
  }

  #sendSyn(): void {
    const isAnswer = this.state === "syn-received";
    const { mss4, mss6 } = this.around.limits;
    this.#transmit(this.#sender.iss, Flag.SYN | (isAnswer ? Flag.ACK : 0), null, {
      mss: this.ends.guest.address.length === 4 ? mss4 : mss6,
      ...(!isAnswer || this.#receiver.isScaled ? { scale: WINDOW_SCALE } : {}),
      sackPermitted: !isAnswer || this.#sacks,
      ...(isAnswer ? {} : { timestamps: { value: this.#tick(), echo: 0 } }),
    });
    this.#sender.synSent();
  }

  // --- segments of the guest

  /** [RFC 9293] 3.10.7.4, after the table has found the connection. */
  input(segment: Segment, packet: Packet): void {
    if (this.state === "opening") {
      if (segment.has(Flag.RST) && segment.seq === this.#receiver.next) this.#drop();
      return;
    }
    if (this.state === "syn-sent") this.#inputSynSent(segment);
    else this.#inputSynchronized(segment, packet);
    if (this.state === "closed") return;
    this.#pump();
    this.around.schedule(this);
  }

  #inputSynSent(segment: Segment): void {
    const isAcked = segment.has(Flag.ACK) && segment.ack === this.#sender.next;
    if (segment.has(Flag.RST)) {
      if (isAcked) this.#drop();
      return;
    }
    if (!segment.has(Flag.SYN) || !isAcked) return;
    this.#takeSyn(segment);
    this.#established(segment.ack);
    this.#acknowledge();
  }

  #inputSynchronized(segment: Segment, packet: Packet): void {
    if (this.#isOld(segment)) {
      this.#acknowledgeOld(segment);
      return;
    }
    if (segment.has(Flag.RST)) {
      // Only the very next number is believed; another may be a guess. [RFC 5961] 3.2
      if (segment.seq === this.#receiver.next) this.#drop();
      else this.#challenge();
      return;
    }
    if (segment.has(Flag.SYN)) {
      // The answer to its SYN was lost, or it is a guess. [RFC 5961] 4.2
      if (this.state === "syn-received" && plus(segment.seq, 1) === this.#receiver.next) this.#sendSyn();
      else this.#challenge();
      return;
    }
    if (!segment.has(Flag.ACK) || !this.#takeAck(segment)) return;
    if (this.#timestamps && segment.hasTimestamps && !isBefore(this.#receiver.next, segment.seq))
      this.#tsRecent = segment.tsValue;
    if (segment.length > 0) this.#takeData(segment, packet);
    if (this.#receiver.takeFin(segment)) this.#finTaken();
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
    return this.#receiver.isOutside(segment);
  }

  #acknowledgeOld(segment: Segment): void {
    if (segment.has(Flag.RST)) return;
    // Our last ACK was lost: it may be lost again.
    if (this.state === "time-wait" && segment.has(Flag.FIN)) this.#timeWait();
    if (this.state === "syn-received" && segment.has(Flag.SYN)) this.#sendSyn();
    // A probe of a closed window acknowledges too.
    else {
      if (segment.has(Flag.ACK) && this.#receiver.isClosed) this.#takeAck(segment);
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
    if (this.#sender.isBeyond(ack)) {
      this.#acknowledge();
      return false;
    }
    if (this.state === "syn-received") {
      if (!isBefore(this.#sender.iss, ack)) return false;
      this.#established(ack);
    }
    const isStamped = this.#timestamps && segment.hasTimestamps && segment.tsEcho !== 0;
    const isFinAcked = this.#sender.take(segment, isStamped ? Math.max(0, this.#tick() - segment.tsEcho) : null);
    this.#readOn();
    if (isFinAcked) this.#finAcked();
    return (this.state as TcpState) !== "closed";
  }

  #takeData(segment: Segment, packet: Packet): void {
    if (!RECEIVING.has(this.state)) return;
    const isUrgent = this.#receiver.take(segment, packet);
    if (this.#receiver.hasHoles) this.around.counters.outOfOrder++;
    if (isUrgent || this.#receiver.unacknowledged >= 2 * this.#mss) this.#acknowledge();
    else this.#ackAtMs = Math.min(this.#ackAtMs, this.around.nowMs() + DELAYED_ACK_MS);
  }

  #finTaken(): void {
    this.stream!.end();
    if (this.state === "established") this.state = "close-wait";
    else if (this.state === "fin-wait-1") this.state = "closing";
    else if (this.state === "fin-wait-2") this.#timeWait();
    this.#acknowledge();
  }

  #established(ack: number): void {
    this.state = "established";
    this.#sender.established(ack);
  }

  #finSent(): void {
    if (this.state === "established") this.state = "fin-wait-1";
    else if (this.state === "close-wait") this.state = "last-ack";
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
    this.#sender.retransmitAtMs = NEVER;
    this.#endAtMs = this.around.nowMs() + TIME_WAIT_MS;
  }

  // --- the world outside

  data(bytes: Uint8Array): void {
    if (this.state === "closed" || this.#sender.isEnding) return;
    this.#sender.push(bytes);
    if (!this.#paused && this.#sender.waitingBytes > this.#mostWaiting()) {
      this.#paused = true;
      this.stream!.pauseReading();
    }
    this.#pumpAndSchedule();
  }

  drained(): void {
    const grown = this.#receiver.drained();
    if (this.state === "closed") return;
    // Only a window that has grown by much is worth telling. [RFC 9293] 3.8.6.2.2
    if (grown >= Math.min(this.around.limits.window / 2, 2 * this.#mss)) this.#acknowledge();
    this.around.schedule(this);
  }

  ended(): void {
    if (this.state === "closed" || this.#sender.isEnding) return;
    this.#sender.isEnding = true;
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
    else if (this.state !== "time-wait") this.#transmit(this.#sender.next, Flag.RST | Flag.ACK, null);
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

  #pump(): void {
    if (SENDING.has(this.state)) this.#sender.pump();
  }

  #acknowledge(): void {
    if (this.state === "opening" || this.state === "syn-sent") return;
    if (!this.#transmit(this.#sender.next, Flag.ACK, null)) this.#ackAtMs = this.around.nowMs() + DELAYED_ACK_MS;
  }

  #transmit(seq: number, flags: number, payload: Uint8Array | null, more: Partial<Outgoing> = {}): boolean {
    const { guest, remote } = this.ends;
    const hasAck = (flags & Flag.ACK) !== 0;
    const out: Outgoing = {
      sourcePort: remote.port,
      destinationPort: guest.port,
      seq,
      ack: hasAck ? this.#receiver.next : 0,
      flags,
      window: hasAck ? this.#receiver.advertise((flags & Flag.SYN) !== 0) : 0xffff,
      ...(this.#timestamps ? { timestamps: { value: this.#tick(), echo: this.#tsRecent } } : {}),
      ...(this.#sacks && this.#receiver.hasHoles ? { sacks: this.#receiver.ranges } : {}),
      ...more,
    };
    const length = payload?.length ?? 0;
    const isSent = this.around.send(this, out, payload, length > this.#mss ? this.#mss : 0);
    if (isSent && hasAck) {
      this.#ackAtMs = NEVER;
      this.#receiver.unacknowledged = 0;
    }
    return isSent;
  }

  #readOn(): void {
    if (!this.#paused || this.#sender.waitingBytes > this.#mostWaiting() / 2) return;
    this.#paused = false;
    this.stream!.resumeReading();
  }

  #mostWaiting(): number {
    return Math.min(this.around.limits.sendBytes, this.around.share());
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
    if (this.#sender.retransmitAtMs <= now) this.#onTimeout();
    if (this.state !== "closed") this.around.schedule(this);
  }

  #onTimeout(): void {
    if (!this.#sender.onTimeout()) this.reset();
    else if (this.state === "syn-received" || this.state === "syn-sent") this.#sendSyn();
    else this.#sender.retransmit();
  }

  // --- ends

  /** It is over; in good order when the guest has sent all it wanted, which may still be on its way outside. */
  #end(): void {
    this.#drop(!this.#receiver.isEnded);
  }

  #drop(abort = true): void {
    if (this.state === "closed") return;
    this.state = "closed";
    this.#sender.clear();
    this.#receiver.clear();
    this.#ackAtMs = NEVER;
    this.#endAtMs = NEVER;
    this.around.gone(this);
    if (abort) this.stream?.abort();
  }
}
