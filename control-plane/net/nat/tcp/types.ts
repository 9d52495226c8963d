/** What the network and its TCP need of each other. */
import type { Clock, Random } from "../../../util/index.js";
import type { Outside } from "../../outside/index.js";

/** What TCP is given by the network that it is part of. Addresses are 4 or 16 bytes in network order. */
export interface TcpParts {
  readonly clock: Clock;
  readonly random: Random;
  /** Calls `work` once after so many ms; the answer cancels it. */
  timer(ms: number, work: () => void): () => void;
  readonly outside: Outside;
  /** What a guest's destination is outside, or null: refused with RST. */
  outsideAddress(destination: Uint8Array): string | null;
  /** Who has a share of its own: the same for all addresses of one interface. */
  payerOf(guest: Uint8Array): string;
  /**
   * Sends a segment to the guest: header, whose checksum is 0, and payload become an IP packet, which is to be cut into
   * segments of `gsoSize` bytes of payload unless that is 0. Nothing of them is kept. False: no room for this guest
   * now; `resume` tells when.
   */
  send(
    source: Uint8Array,
    destination: Uint8Array,
    header: Uint8Array,
    payload: Uint8Array | null,
    gsoSize: number,
  ): boolean;
}

/** [RFC 9293] 3.3.2; opening: a guest's SYN has come, and the stream outside is not open yet. */
export const TCP_STATES = [
  "closed",
  "opening",
  "syn-sent",
  "syn-received",
  "established",
  "fin-wait-1",
  "fin-wait-2",
  "close-wait",
  "closing",
  "last-ack",
  "time-wait",
] as const;
export type TcpState = (typeof TCP_STATES)[number];

/** The places of `TCP_STATES`. */
export const State = {
  CLOSED: 0,
  OPENING: 1,
  SYN_SENT: 2,
  SYN_RECEIVED: 3,
  ESTABLISHED: 4,
  FIN_WAIT_1: 5,
  FIN_WAIT_2: 6,
  CLOSE_WAIT: 7,
  CLOSING: 8,
  LAST_ACK: 9,
  TIME_WAIT: 10,
} as const;
export type State = (typeof State)[keyof typeof State];

export interface Endpoint {
  readonly address: Uint8Array;
  readonly port: number;
}

/** The four of a connection; the guest's end and the other. */
export interface Ends {
  readonly guest: Endpoint;
  readonly remote: Endpoint;
}

export interface TcpConnectionInfo extends Ends {
  /** "out": the guest began it. */
  readonly direction: "out" | "in";
  readonly state: TcpState;
  /** Bytes that came from the guest in order, and bytes of the world that the guest acknowledged. */
  readonly sentBytes: number;
  readonly receivedBytes: number;
  /** Bytes held here, of both directions. */
  readonly waitingBytes: number;
  readonly retransmissions: number;
  /** Smoothed; null before the first measurement. */
  readonly roundTripMs: number | null;
}

export interface TcpCounters {
  segments: number;
  malformed: number;
  opened: number;
  refused: number;
  /** SYNs without an answer, as their guest or all have too many connections. */
  crowded: number;
  resets: number;
  retransmissions: number;
  timeouts: number;
  fastRecoveries: number;
  outOfOrder: number;
  /** Segments dropped as memory was short. */
  pruned: number;
  challenges: number;
  /** Segments with a time stamp from before. */
  oldStamps: number;
  probes: number;
  keepAlives: number;
  gaveUp: number;
}
