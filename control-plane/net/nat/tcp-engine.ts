/** What the network and its TCP need of each other. Addresses are 4 or 16 bytes. */
import type { Clock, Random } from "../../util/index.js";
import type { Outside, OutsideStream, StreamEvents } from "../outside/index.js";
import type { Packet } from "../packet.js";

export interface TcpParts {
  readonly clock: Clock;
  readonly random: Random;
  timer(ms: number, work: () => void): () => void;
  readonly outside: Outside;
  /** What the guest's destination is outside, or null: refuse with RST. */
  outsideAddress(destination: Uint8Array): string | null;
  /** Sends a segment whose checksum field is 0; payload beyond `gsoSize` is cut into pieces of that size. False: no room until `resume`. */
  send(
    source: Uint8Array,
    destination: Uint8Array,
    header: Uint8Array,
    payload: Uint8Array | null,
    gsoSize: number,
  ): boolean;
}

export interface TcpEngine {
  /** A segment from `at` to `end` of the packet, its checksum good. The addresses are the caller's, good during the call. */
  input(source: Uint8Array, destination: Uint8Array, packet: Packet, at: number, end: number): void;
  openToGuest(
    source: { readonly address: Uint8Array; readonly port: number },
    guest: { readonly address: Uint8Array; readonly port: number },
    stream: OutsideStream,
  ): StreamEvents;
  /** The guest with this address is gone. */
  forget(guest: Uint8Array): void;
  resume(): void;
  readonly connections: number;
  stats(): Readonly<Record<string, number>>;
  close(): void;
}
