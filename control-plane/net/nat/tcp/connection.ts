/**
 * What is known of one connection: [RFC 9293] 3.3.1, and what its extensions add. Numbers, and the few objects that hold
 * bytes; what happens to it is in `receiver.ts`, `sender.ts` and `machine.ts`.
 */
import type { OutsideError, OutsideStream, StreamEvents } from "../../outside/index.js";
import { ByteQueue } from "./byte-queue.js";
import { FIRST_TIMEOUT_MS } from "./limits.js";
import type { Reassembly } from "./reassembly.js";
import type { Scoreboard } from "./scoreboard.js";
import type { GuestShare } from "./shares.js";
import type { Entry } from "./table.js";
import type { Timed } from "./timers.js";
import { type Ends, State, TCP_STATES, type TcpConnectionInfo } from "./types.js";

export const NEVER = Number.POSITIVE_INFINITY;

/** Who hears what a connection hears. */
export interface Machine {
  opened(c: Connection): void;
  data(c: Connection, bytes: Uint8Array): void;
  drained(c: Connection): void;
  ended(c: Connection): void;
  closed(c: Connection, error: OutsideError | null): void;
  onTime(c: Connection, nowMs: number): void;
}

export class Connection implements StreamEvents, Timed, Entry {
  state: State;
  hash = 0;
  heapAt = -1;
  heapMs = NEVER;
  stream: OutsideStream | null = null;
  /** Counted as half open. */
  isHalfOpen = false;

  // What the SYNs agreed on.
  /** Payload of a full segment that we send. */
  mss: number;
  /** Shifts of the peer's window and of ours; -1: not scaled. */
  peerScale = -1;
  scale = -1;
  hasStamps = false;
  hasSacks = false;

  // What we send. [una, next) is on its way, [una, most) was sent at least once.
  readonly iss: number;
  una: number;
  next: number;
  most: number;
  window = 0;
  /** The largest window it ever had. */
  mostWindow = 0;
  windowSeq = 0;
  windowAck = 0;
  /** From `una` on, once the SYN is acknowledged. */
  readonly queue = new ByteQueue();
  isPaused = false;
  /** The world has sent its last byte. */
  isFinQueued = false;
  isFinSent = false;

  // Congestion and loss.
  congestionWindow = 0;
  threshold = NEVER;
  duplicates = 0;
  /** In fast recovery, or sending again after a timeout, until `recover` is acknowledged. */
  isRecovering = false;
  isGoingBack = false;
  recover = 0;
  /** Up to here holes were sent again in this recovery. */
  resent = 0;
  scoreboard: Scoreboard | null = null;
  smoothedMs = -1;
  variationMs = 0;
  timeoutMs = FIRST_TIMEOUT_MS;
  backoff = 0;
  /** Of the one segment that is timed where there are no stamps. */
  timedSeq = 0;
  timedAtMs = -1;

  // What we receive. [rcv, edge) is what the peer may send.
  rcv = 0;
  edge = 0;
  /** The last ACK we sent. */
  acked = 0;
  stampRecent = 0;
  stampAtMs = 0;
  reassembly: Reassembly | null = null;
  /** In order, and more than the world takes now. */
  readonly pending = new ByteQueue();
  isFull = false;
  /** The number of the peer's FIN, once `hasFin`. */
  fin = 0;
  hasFin = false;
  isFinTaken = false;
  unacked = 0;
  /** An ACK is to be sent now. */
  mustAck = false;
  /** The SYN is to be sent again. */
  mustSyn = false;

  /** The stream outside is over. */
  isOutsideGone = false;
  /** It is over, and the stream outside is not. */
  isLingering = false;
  /** Bytes counted in its guest's share. */
  held = 0;

  // Times. Something came; what is on its way was last found to move.
  heardAtMs: number;
  progressAtMs: number;
  retransmitAtMs = NEVER;
  /** The timer asks about a closed window. */
  isProbing = false;
  ackAtMs = NEVER;
  /** TIME-WAIT is over, nobody wants it any more, or it is to be asked whether it is there. */
  endAtMs = NEVER;
  keepAlives = 0;
  challengeAtMs = 0;
  challenges = 0;

  sentBytes = 0;
  receivedBytes = 0;
  retransmissions = 0;

  constructor(
    private readonly machine: Machine,
    readonly guest: GuestShare<Connection>,
    readonly ends: Ends,
    readonly isFromGuest: boolean,
    iss: number,
    mss: number,
    nowMs: number,
  ) {
    this.state = isFromGuest ? State.OPENING : State.SYN_SENT;
    this.iss = iss;
    this.una = iss;
    this.next = iss;
    this.most = iss;
    this.mss = mss;
    this.heardAtMs = nowMs;
    this.progressAtMs = nowMs;
  }

  get dueMs(): number {
    return Math.min(this.retransmitAtMs, this.ackAtMs, this.endAtMs);
  }

  get isOver(): boolean {
    return this.state === State.CLOSED;
  }

  /** Both SYNs have come and data may go. */
  get isSynchronized(): boolean {
    return this.state >= State.ESTABLISHED;
  }

  get info(): TcpConnectionInfo {
    return {
      ...this.ends,
      direction: this.isFromGuest ? "out" : "in",
      state: TCP_STATES[this.state],
      sentBytes: this.sentBytes,
      receivedBytes: this.receivedBytes,
      waitingBytes: this.held,
      retransmissions: this.retransmissions,
      roundTripMs: this.smoothedMs < 0 ? null : this.smoothedMs,
    };
  }

  opened(): void {
    this.machine.opened(this);
  }

  data(bytes: Uint8Array): void {
    this.machine.data(this, bytes);
  }

  drained(): void {
    this.machine.drained(this);
  }

  ended(): void {
    this.machine.ended(this);
  }

  closed(error: OutsideError | null): void {
    this.machine.closed(this, error);
  }

  onTime(nowMs: number): void {
    this.machine.onTime(this, nowMs);
  }
}
