/** How much TCP holds and how long it waits. */

export interface TcpLimits {
  /** Of the network that the guests are in: what a full segment is. */
  readonly mtu: number;
  readonly connections: number;
  /** Of those, what one guest may have. */
  readonly connectionsOfGuest: number;
  /** Connections that a guest has begun and that are not open yet. */
  readonly halfOpenOfGuest: number;
  /** The largest window that a guest is given, bytes. */
  readonly window: number;
  /** Bytes that wait for a guest, on one connection, before the world is read no further. */
  readonly sendBytes: number;
  /** Bytes that all connections hold. */
  readonly totalBytes: number;
  /** Connections in TIME-WAIT; the oldest gives way. */
  readonly timeWaits: number;
  /** How long a guest may leave unanswered what it was sent, ms. */
  readonly giveUpMs: number;
  /** The same for a SYN. */
  readonly giveUpSynMs: number;
  /** A connection on which nothing came for so long is asked whether the guest is there, ms; 0: never. */
  readonly keepAliveMs: number;
}

export const TCP_LIMITS: TcpLimits = {
  mtu: 1500,
  connections: 32_768,
  connectionsOfGuest: 16_384,
  halfOpenOfGuest: 2048,
  window: 1 << 20,
  sendBytes: 1 << 20,
  totalBytes: 256 << 20,
  timeWaits: 4096,
  // As Linux's tcp_retries2: guests may be paused for a while.
  giveUpMs: 900_000,
  giveUpSynMs: 63_000,
  // [RFC 9293] 3.8.4
  keepAliveMs: 7_200_000,
};

/** What every connection may hold however little is left. */
export const LEAST_SHARE = 4096;
/** What is taken from a guest, and kept, while the world takes no more. */
export const FULL_SHARE = 65_536;
/** A smaller MSS is taken for this: a peer must not make us send a byte a segment. No smaller MTU is in use. */
export const LEAST_MSS = 216;
/** What one segment carries at most: the largest IPv4 packet's bytes, less the longest headers. */
export const MOST_SEGMENT = 65_535 - 20 - 60;
/** An ACK that goes with nothing else waits so long, ms. */
export const DELAYED_ACK_MS = 10;
export const FIRST_TIMEOUT_MS = 1000;
export const LEAST_TIMEOUT_MS = 200;
export const MOST_TIMEOUT_MS = 60_000;
/** Both ends are a memory copy apart: nothing of an old connection is on its way for long. */
export const TIME_WAIT_MS = 4000;
/** How long a guest may keep its direction open, silent, when nobody is there any more to hear it. */
export const ORPHAN_MS = 60_000;
export const KEEP_ALIVE_STEP_MS = 75_000;
export const MOST_KEEP_ALIVES = 9;
/** In flight at first, bytes: four large segments. The way to a guest is a memory copy with back-pressure. */
export const FIRST_WINDOW = 256 << 10;
/** More in flight than this does not make a memory copy faster. */
export const MOST_WINDOW = 4 << 20;
/** Answers to what may be a guess, of one connection in a second. [RFC 5961] 7 */
export const CHALLENGES_A_SECOND = 10;
/** Duplicates that tell of a loss. [RFC 5681] 3.2 */
export const DUPLICATES = 3;
