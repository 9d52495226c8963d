/** What the network needs of its TCP: `Tcp` is it, a test may have a simpler one. Addresses are 4 or 16 bytes. */
import type { OutsideStream, StreamEvents } from "../outside/index.js";
import type { Packet } from "../packet.js";

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
  /** The guest said by ICMP that nobody is at its end of a connection. */
  unreachable(guest: Uint8Array, guestPort: number, remote: Uint8Array, remotePort: number): void;
  resume(): void;
  readonly connections: number;
  stats(): Readonly<Record<string, number>>;
  close(): void;
}
