/** What TCP and the network that it is part of need of each other. */
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
  /**
   * Sends a segment to the guest: header, whose checksum is 0, and payload become an IP packet, which is to be cut into
   * segments of `gsoSize` bytes of payload unless that is 0. Nothing of them is kept. False: no room now; `resume` tells when.
   */
  send(
    source: Uint8Array,
    destination: Uint8Array,
    header: Uint8Array,
    payload: Uint8Array | null,
    gsoSize: number,
  ): boolean;
}

export type TcpState =
  | "opening"
  | "syn-sent"
  | "syn-received"
  | "established"
  | "fin-wait-1"
  | "fin-wait-2"
  | "close-wait"
  | "closing"
  | "last-ack"
  | "time-wait"
  | "closed";

export interface TcpConnectionInfo {
  readonly direction: "out" | "in";
  readonly guest: { readonly address: Uint8Array; readonly port: number };
  readonly remote: { readonly address: Uint8Array; readonly port: number };
  readonly state: TcpState;
  /** Bytes of the guest that the world took, and of the world that the guest acknowledged. */
  readonly sentBytes: number;
  readonly receivedBytes: number;
  readonly waitingBytes: number;
  readonly retransmissions: number;
}

/** The four of a connection; the guest's end and the other. */
export interface Ends {
  readonly guest: { readonly address: Uint8Array; readonly port: number };
  readonly remote: { readonly address: Uint8Array; readonly port: number };
}
