/** Bounds of the engine, and its times. */

export interface TcpLimits {
  readonly connections: number;
  /** The largest window that a guest is given, bytes. */
  readonly window: number;
  /** Bytes that wait for a guest, on one connection, before the world is read no further. */
  readonly sendBytes: number;
  /** The same for all connections together; each has its share, and never less than `fairBytes`. */
  readonly totalBytes: number;
  readonly fairBytes: number;
  /** Payload of a full segment, before the guest says what it takes. */
  readonly mss4: number;
  readonly mss6: number;
}

export const TCP_LIMITS: TcpLimits = {
  connections: 32_768,
  window: 1 << 20,
  sendBytes: 1 << 20,
  totalBytes: 256 << 20,
  fairBytes: 64 << 10,
  mss4: 1460,
  mss6: 1440,
};

/** A smaller MSS is taken for this: a peer must not make us send a byte a segment. */
export const LEAST_MSS = 536;
/** Our window's shift. */
export const WINDOW_SCALE = 5;
/** An ACK that goes with nothing else waits so long, ms. */
export const DELAYED_ACK_MS = 10;
export const FIRST_TIMEOUT_MS = 1000;
export const LEAST_TIMEOUT_MS = 200;
export const MOST_TIMEOUT_MS = 60_000;
/** Retransmissions in a row before a guest counts as gone. */
export const MOST_RETRIES = 10;
/** Both ends are a memory copy apart: nothing of an old connection is on its way for long. */
export const TIME_WAIT_MS = 4000;
/** A guest that has not ended its direction so long after we ended ours. */
export const FIN_WAIT_MS = 120_000;
/** Segments in flight at first, in full ones. The way to a guest is a memory copy. */
export const FIRST_WINDOW_SEGMENTS = 180;
