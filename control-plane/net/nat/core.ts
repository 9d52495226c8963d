/** What the parts of the network share: who is there, the way out to guests, and the counters. */
import type { Clock } from "../../util/index.js";
import { ETHERNET_BYTES } from "../offload/index.js";
import type { Packet } from "../packet.js";
import { icmpError, type Reason, readUnreachable } from "./codec/icmp.js";
import { MOST_PACKET_BYTES } from "./codec/numbers.js";
import type { DhcpServer } from "./dhcp-server.js";
import type { DnsForwarder } from "./dns-forwarder.js";
import type { Echo } from "./echo.js";
import type { Forwards } from "./forwards.js";
import type { GuestAddress, Guests } from "./guests.js";
import type { Neighbours } from "./neighbours.js";
import { GATEWAY, GATEWAY6, sameAddress } from "./network.js";
import type { Output } from "./output.js";
import type { Reassembly } from "./reassembly.js";
import type { TcpEngine } from "./tcp-engine.js";
import type { UdpFlows } from "./udp-flows.js";

export interface Core {
  readonly clock: Clock;
  readonly guests: Guests;
  readonly neighbours: Neighbours;
  readonly output: Output;
  readonly reassembly: Reassembly;
  readonly flows: UdpFlows;
  readonly echo: Echo;
  readonly dhcp: DhcpServer;
  readonly dns: DnsForwarder;
  readonly forwards: Forwards;
  readonly tcp: TcpEngine;
  readonly scratch: Scratch;
  readonly searchDomains: readonly string[];
  /** The host's loopback is at the gateway's address; else nothing is there. */
  readonly hasHostLoopback: boolean;
  readonly counters: NatCounters;
}

export interface NatCounters {
  received: number;
  receivedBytes: number;
  malformed: number;
  badChecksum: number;
  /** The sender's address is another's, or none that a guest may have. */
  spoofed: number;
  /** Frames of guests beyond the number that can be known. */
  crowded: number;
  errorsSent: number;
}

/** One frame in a row of bytes, also one put together from fragments, for what must see all of it. */
export class Scratch {
  readonly #bytes = new Uint8Array(ETHERNET_BYTES + MOST_PACKET_BYTES);

  /** The frame, good until the next. */
  copy(packet: Packet): Uint8Array {
    packet.copyTo(this.#bytes, 0, 0, packet.length);
    return this.#bytes.subarray(0, packet.length);
  }
}

/** A guest says that a packet of ours found nobody: it may say so of its own connections only. */
export function unreachable(core: Core, sender: GuestAddress, message: Uint8Array): void {
  const quoted = readUnreachable(sender.bytes.length === 4 ? 4 : 6, message);
  if (quoted === null || !sameAddress(quoted.destination, sender.bytes)) return;
  core.tcp.unreachable(sender.bytes, quoted.destinationPort, quoted.source, quoted.sourcePort);
}

/** Sends an error about `packet`, which begins with its IP header, to the guest that sent it. */
export function sendError(core: Core, guest: GuestAddress, reason: Reason, packet: Uint8Array, detail = 0): void {
  const family = guest.bytes.length === 4 ? 4 : 6;
  const source = family === 4 ? GATEWAY : GATEWAY6;
  core.counters.errorsSent++;
  core.output.icmp(
    { mac: guest.guest.mac, source, destination: guest.bytes },
    icmpError(family, reason, packet, detail),
  );
}
