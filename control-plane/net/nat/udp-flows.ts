/**
 * Ports of guests that have a socket outside. One port of a guest is one socket, whoever it talks to, and whoever
 * answers is let in: a full cone, as slirp is one ([RFC 4787] endpoint-independent mapping and filtering).
 */
import type { Clock } from "../../util/index.js";
import { formatIp, parseIp } from "../addresses.js";
import type { Outside, OutsideDatagrams, OutsideError } from "../outside/index.js";
import { DNS_PORT } from "./codec/dns.js";
import { MOST_UDP_PAYLOAD } from "./codec/numbers.js";
import type { Guest, GuestAddress, Share } from "./guests.js";
import type { NatLimits } from "./limits.js";
import { sameAddress } from "./network.js";

/** slirp's times: of anything, and of a port that asked name servers and nobody else. */
const IDLE_NS = 240e9;
const IDLE_DNS_NS = 10e9;

export interface UdpFlowParts {
  readonly clock: Clock;
  readonly outside: Outside;
  readonly limits: NatLimits;
  /** The address as the guest knows it; null when it must not hear from there. */
  insideAddress(outside: Uint8Array): Uint8Array | null;
  /** A datagram for a port of a guest. */
  deliver(guest: GuestAddress, source: Uint8Array, sourcePort: number, port: number, bytes: Uint8Array): void;
  /** What a port of a guest sent did not arrive. */
  failed(
    guest: GuestAddress,
    port: number,
    destination: Uint8Array,
    destinationPort: number,
    error: OutsideError,
  ): void;
}

interface Flow {
  readonly key: number;
  readonly guest: GuestAddress;
  readonly port: number;
  socket: OutsideDatagrams;
  usedNs: number;
  isDnsOnly: boolean;
  /** Where it sent to last, so that a text is not made for each datagram. */
  readonly lastDestination: Uint8Array;
  lastText: string;
}

export class UdpFlows {
  readonly #flows = new Map<number, Flow>();

  constructor(private readonly parts: UdpFlowParts) {}

  get size(): number {
    return this.#flows.size;
  }

  /** Sends `bytes`, which are given away, to an address outside. False: there are no datagrams outside. */
  send(
    guest: GuestAddress,
    port: number,
    destination: Uint8Array,
    destinationPort: number,
    bytes: Uint8Array,
  ): boolean {
    const key = guest.id * 0x10000 + port;
    const flow = this.#flows.get(key) ?? this.#open(key, guest, port);
    if (flow === null) return false;
    flow.usedNs = this.parts.clock.now();
    if (destinationPort !== DNS_PORT) flow.isDnsOnly = false;
    if (flow.lastText === "" || !sameAddress(flow.lastDestination, destination)) {
      flow.lastDestination.set(destination);
      flow.lastText = formatIp(destination);
    }
    flow.socket.send(flow.lastText, destinationPort, bytes);
    return true;
  }

  /** Closes what has been idle for too long. */
  expire(): void {
    const now = this.parts.clock.now();
    for (const flow of this.#flows.values()) {
      if (now - flow.usedNs >= (flow.isDnsOnly ? IDLE_DNS_NS : IDLE_NS)) this.#close(flow);
    }
  }

  countOf(guest: Guest): number {
    let count = 0;
    for (const flow of this.#flows.values()) if (flow.guest.guest === guest) count++;
    return count;
  }

  forget(guest: Guest): void {
    for (const flow of this.#flows.values()) if (flow.guest.guest === guest) this.#close(flow);
  }

  close(): void {
    for (const flow of this.#flows.values()) this.#close(flow);
  }

  #open(key: number, guest: GuestAddress, port: number): Flow | null {
    const { limits, outside, clock } = this.parts;
    if (guest.guest.share.flows >= limits.flowsPerGuest) this.#closeOldest(guest.guest.share);
    else if (this.#flows.size >= limits.flows) this.#closeOldest(this.#largest(guest.guest.share));
    const events = {
      data: (address: string, from: number, bytes: Uint8Array) => this.#data(key, address, from, bytes),
      failed: (address: string, to: number, error: OutsideError) => this.#failed(key, address, to, error),
    };
    const socket = outside.openDatagrams(guest.bytes.length === 4 ? 4 : 6, events);
    if (socket === null) return null;
    const lastDestination = new Uint8Array(guest.bytes.length);
    const flow: Flow = {
      key,
      guest,
      port,
      socket,
      usedNs: clock.now(),
      isDnsOnly: true,
      lastDestination,
      lastText: "",
    };
    this.#flows.set(key, flow);
    guest.guest.share.flows++;
    return flow;
  }

  #data(key: number, address: string, from: number, bytes: Uint8Array): void {
    const flow = this.#flows.get(key);
    const source = parseIp(address);
    if (flow === undefined || source === null || bytes.length > MOST_UDP_PAYLOAD) return;
    const inside = this.parts.insideAddress(source);
    if (inside === null || inside.length !== flow.guest.bytes.length) return;
    flow.usedNs = this.parts.clock.now();
    this.parts.deliver(flow.guest, inside, from, flow.port, bytes);
  }

  #failed(key: number, address: string, to: number, error: OutsideError): void {
    const flow = this.#flows.get(key);
    const destination = parseIp(address);
    const inside = destination === null ? null : this.parts.insideAddress(destination);
    if (flow === undefined || inside === null || inside.length !== flow.guest.bytes.length) return;
    this.parts.failed(flow.guest, flow.port, inside, to, error);
  }

  #close(flow: Flow): void {
    this.#flows.delete(flow.key);
    flow.guest.guest.share.flows--;
    flow.socket.close();
  }

  #closeOldest(share: Share): void {
    let last: Flow | null = null;
    for (const flow of this.#flows.values()) {
      if (flow.guest.guest.share === share && (last === null || flow.usedNs < last.usedNs)) last = flow;
    }
    if (last !== null) this.#close(last);
  }

  /** Who has the most flows, and pays for one more: `who` wants it, if nobody has more. */
  #largest(who: Share): Share {
    let most = who;
    for (const { guest } of this.#flows.values()) if (guest.guest.share.flows > most.flows) most = guest.guest.share;
    return most;
  }
}
