/**
 * The user-mode network: a station of a switch that is router, DHCP server, name server and the way out, with QEMU's
 * addresses and no privilege. See README.md for the life of a packet. What guests send never throws, and what it can
 * make the network hold is bounded (limits.ts).
 */
import type { Clock, Random } from "../../util/index.js";
import { formatIp, formatMac, parseIp } from "../addresses.js";
import { ETHERNET_BYTES, EtherType, IpProtocol } from "../offload/index.js";
import type { Listener, Outside, OutsideError } from "../outside/index.js";
import type { Packet } from "../packet.js";
import type { Station, Wire } from "../station.js";
import type { Reason } from "./codec/icmp.js";
import { writeIpv4 } from "./codec/ipv4.js";
import { writeIpv6 } from "./codec/ipv6.js";
import { holds, IPV4_BYTES, IPV6_BYTES, putU16, UDP_BYTES, u16 } from "./codec/numbers.js";
import { type Core, type NatCounters, Scratch, sendError } from "./core.js";
import { DhcpServer } from "./dhcp-server.js";
import { type Asker, DnsForwarder } from "./dns-forwarder.js";
import { Echo } from "./echo.js";
import { type ForwardSpec, Forwards, type GuestOf } from "./forwards.js";
import { gatewayOutside } from "./gateway-outside.js";
import { type Guest, type GuestAddress, Guests } from "./guests.js";
import { Ipv4Input } from "./ipv4-input.js";
import { Ipv6Input } from "./ipv6-input.js";
import { Leases } from "./leases.js";
import { NAT_LIMITS, type NatLimits } from "./limits.js";
import { arpInput, NdpInput } from "./ndp-input.js";
import { Neighbours } from "./neighbours.js";
import {
  BROADCAST,
  DNS,
  GATEWAY,
  GATEWAY6,
  isDns,
  isGateway,
  isOutside,
  MASK,
  ROUTER_MAC,
  sameAddress,
} from "./network.js";
import { Output } from "./output.js";
import { Reassembly } from "./reassembly.js";
import { Router } from "./router.js";
import type { TcpParts } from "./tcp/index.js";
import type { TcpEngine } from "./tcp-engine.js";
import { UdpFlows } from "./udp-flows.js";

const SWEEP_MS = 5000;
const LEAST_MTU = 1280;
const MOST_MTU = 65_535;
const DEFAULT_MTU = 1500;
const LOOPBACK = "127.0.0.1";
const LOOPBACK6 = "::1";

export interface NatParts {
  plug(station: Station): Wire;
  readonly clock: Clock;
  readonly random: Random;
  /** Runs `work` later; answers what cancels it. */
  timer(ms: number, work: () => void): () => void;
  readonly outside: Outside;
  tcp(parts: TcpParts): TcpEngine;
}

export interface NatOptions {
  readonly name?: string;
  /** Of the network, told to guests; 1500 when absent. 1280 at least, as IPv6 wants. */
  readonly mtu?: number;
  /** False: nothing of the host is at 10.0.2.2 and fec0::2. */
  readonly hostLoopback?: boolean;
  /** False: no IPv6. */
  readonly ipv6?: boolean;
  /** What guests are told to append to short names; the first is their own domain. */
  readonly searchDomains?: readonly string[];
  readonly limits?: Partial<NatLimits>;
}

/** A guest of the network, for lists. */
export interface NatGuestInfo {
  readonly mac: string;
  readonly addresses: readonly string[];
  /** What DHCP gave it, or null. */
  readonly lease: string | null;
  /** The name that it gave itself, or "". */
  readonly hostname: string;
  readonly udpFlows: number;
}

export class Nat implements Station {
  readonly name: string;
  readonly #core: Core;
  readonly #leases: Leases;
  readonly #ipv4: Ipv4Input;
  readonly #ipv6: Ipv6Input | null;
  readonly #router: Router | null;
  readonly #wire: Wire;
  readonly #hostnames = new Map<string, string>();
  /** Whose frame is being looked at. */
  #current: Guest | null = null;
  readonly #nobody: Asker = { lookups: 0 };
  #cancelSweep: (() => void) | null = null;
  #isClosed = false;

  constructor(
    private readonly parts: NatParts,
    options: NatOptions = {},
  ) {
    this.name = options.name ?? "nat";
    this.#leases = new Leases(parts.clock);
    this.#wire = parts.plug(this);
    this.#core = this.#assemble(options);
    const { output, searchDomains } = this.#core;
    this.#ipv4 = new Ipv4Input(this.#core);
    const hasIpv6 = options.ipv6 ?? true;
    const { clock, random, timer } = parts;
    this.#router = hasIpv6 ? new Router({ clock, random, timer, output, searchDomains }) : null;
    this.#ipv6 = hasIpv6 ? new Ipv6Input(this.#core, new NdpInput(this.#core, this.#router)) : null;
  }

  receive(packet: Packet): boolean {
    const { header } = packet;
    if (this.#isClosed || packet.length < ETHERNET_BYTES) return true;
    const isOurs = (header[0]! & 1) === 1 || holds(header, 0, ROUTER_MAC);
    if (!isOurs || (header[6]! & 1) === 1 || holds(header, 6, ROUTER_MAC)) return true;
    const guest = this.#core.guests.at(header, 6, packet.payer);
    this.#core.counters.received++;
    this.#core.counters.receivedBytes += packet.length;
    if (guest === null) {
      this.#core.counters.crowded++;
      return true;
    }
    this.#current = guest;
    this.#dispatch(packet, guest);
    this.#current = null;
    this.#keepSweeping();
    return true;
  }

  settle(): void {
    if (!this.#isClosed) this.#core.output.settle();
  }

  resume(): void {
    if (!this.#isClosed) this.#core.tcp.resume();
  }

  /**
   * Gives an address to a MAC for good, and the name that DHCP tells it. Null, or a sentence that says why not. An
   * address from 10.0.2.4 on may be reserved, also those below the first that is given freely.
   */
  reserve(mac: Uint8Array, address: Uint8Array, hostname = ""): string | null {
    const problem = this.#leases.reserve(mac, address);
    if (problem === null) this.nameGuest(mac, hostname);
    return problem;
  }

  /** The name that DHCP tells a guest; none when empty. */
  nameGuest(mac: Uint8Array, hostname: string): void {
    if (/^[A-Za-z0-9-]{1,63}$/.test(hostname)) this.#hostnames.set(formatMac(mac), hostname);
    else this.#hostnames.delete(formatMac(mac));
  }

  /** The address that the guest with a MAC has by DHCP or reservation, or by its own IPv4 packets; null while there is none. */
  addressOf(mac: Uint8Array): Uint8Array | null {
    const leased = this.#leases.addressOf(mac);
    if (leased !== null) return leased;
    const seen = this.#core.guests.withMac(mac)?.addresses.filter((a) => a.bytes.length === 4) ?? [];
    return seen.at(-1)?.bytes ?? null;
  }

  /** The guest is gone: ends what it has open and frees its address, its reservation and its name. */
  forget(mac: Uint8Array): void {
    const guest = this.#core.guests.withMac(mac);
    const used = guest?.addresses.map((address) => address.bytes) ?? [];
    // Connections of forwards may be on their way to an address that it was never heard to use; the next one who has it gets none.
    const given = this.#leases.addressOf(mac);
    const isUnused = given !== null && !used.some((address) => sameAddress(address, given));
    for (const address of isUnused ? [...used, given] : used) this.#core.tcp.forget(address);
    this.#leases.unreserve(mac);
    this.#leases.forget(mac);
    this.#hostnames.delete(formatMac(mac));
    if (guest === null) return;
    this.#core.flows.forget(guest);
    this.#core.reassembly.forget(guest);
    this.#core.guests.forget(guest);
  }

  /** Listens at the host for a guest's port. Rejects with a message for people. */
  async forward(spec: ForwardSpec, guest: GuestOf): Promise<Listener> {
    return await this.#core.forwards.add(spec, guest);
  }

  list(): readonly NatGuestInfo[] {
    return this.#core.guests.list().map((guest) => {
      const lease = this.#leases.addressOf(guest.mac);
      return {
        mac: formatMac(guest.mac),
        addresses: guest.addresses.map((address) => formatIp(address.bytes)),
        lease: lease === null ? null : formatIp(lease),
        hostname: this.#leases.of(guest.mac)?.hostname ?? "",
        udpFlows: this.#core.flows.countOf(guest),
      };
    });
  }

  /** Numbers for people, all since the start or of now. */
  stats(): Readonly<Record<string, number>> {
    const { counters, output, guests, flows, reassembly, echo, dns, dhcp, forwards, neighbours, tcp } = this.#core;
    return {
      ...counters,
      ...output.counters,
      guests: guests.size,
      udpFlows: flows.size,
      datagrams: reassembly.datagrams,
      fragmentBytes: reassembly.bytes,
      ...reassembly.counters,
      pings: echo.pings,
      heldFrames: neighbours.held,
      leases: this.#leases.list().length,
      forwardPeers: forwards.peers,
      tcpConnections: tcp.connections,
      dhcpRequests: dhcp.counters.requests,
      dhcpRefused: dhcp.counters.refused,
      dhcpExhausted: dhcp.counters.exhausted,
      dnsQueries: dns.counters.queries,
      dnsCached: dns.counters.cached,
      dnsRefused: dns.counters.refused,
      dnsTimeouts: dns.counters.timeouts,
      dnsLookups: dns.lookups,
      dnsNames: dns.cached,
    };
  }

  /** Ends everything and unplugs. */
  close(): void {
    if (this.#isClosed) return;
    this.#router?.close();
    this.#core.tcp.close();
    this.#core.output.settle();
    this.#isClosed = true;
    this.#cancelSweep?.();
    this.#core.forwards.close();
    this.#core.flows.close();
    this.#core.dns.close();
    this.#wire.unplug();
  }

  #dispatch(packet: Packet, guest: Guest): void {
    switch (u16(packet.header, 12)) {
      case EtherType.IPV4:
        this.#ipv4.input(packet, guest);
        return;
      case EtherType.IPV6:
        this.#ipv6?.input(packet, guest);
        return;
      case EtherType.ARP:
        arpInput(this.#core, packet, guest);
        return;
    }
  }

  #assemble(options: NatOptions): Core {
    const { clock, random, timer, outside } = this.parts;
    const limits: NatLimits = { ...NAT_LIMITS, ...options.limits };
    const mtu = Math.min(MOST_MTU, Math.max(LEAST_MTU, options.mtu ?? DEFAULT_MTU));
    const searchDomains = options.searchDomains ?? [];
    const hasHostLoopback = options.hostLoopback ?? true;
    const holder = (address: Uint8Array): Uint8Array | null => this.#leases.holder(address);
    const guests = new Guests(clock, limits, holder, (mac) => this.#leases.holds(mac));
    const output = new Output(this.#wire, mtu);
    const neighbours = new Neighbours(clock, guests, output, limits, holder);
    const dns = new DnsForwarder({ clock, timer, outside, limits });
    const network = {
      mask: MASK,
      broadcast: BROADCAST,
      router: GATEWAY,
      dns: DNS,
      mtu,
      domain: searchDomains[0] ?? "",
      searchDomains,
    };
    const tcp = this.parts.tcp({
      clock,
      random,
      timer,
      outside: gatewayOutside(outside, dns, () => this.#current?.share ?? this.#nobody),
      outsideAddress: (destination) => this.#outsideAddress(destination),
      payerOf: (address) => `${guests.find(address)?.guest.share.key ?? address.join(".")}`,
      send: (source, destination, header, payload, gsoSize) => {
        const mac = neighbours.macOf(destination);
        if (mac !== null) return output.tcp({ mac, source, destination }, header, payload, gsoSize);
        // Lost, and sent again in a second: by then the guest has answered.
        neighbours.ask(destination);
        return true;
      },
    });
    return {
      clock,
      guests,
      neighbours,
      output,
      tcp,
      dns,
      reassembly: new Reassembly(clock, limits),
      flows: this.#udpFlows(limits, hasHostLoopback),
      echo: new Echo({
        outside,
        limits,
        reply: (guest, source, message) => this.#whileOpen(() => output.icmp(routeTo(guest, source), message)),
        prohibited: (guest, packet) => this.#whileOpen(() => sendError(this.#core, guest, "denied", packet)),
      }),
      dhcp: new DhcpServer(
        this.#leases,
        network,
        (mac) => this.#hostnames.get(formatMac(mac)) ?? "",
        (mac) => {
          const share = guests.withMac(mac)?.share;
          return this.#leases.mayTake(mac, limits.leasesPerGuest, (other) => guests.withMac(other)?.share === share);
        },
      ),
      forwards: new Forwards({
        clock,
        random,
        outside,
        limits,
        tcp,
        deliver: (guest, sourcePort, port, bytes) => {
          const send = (mac: Uint8Array): void =>
            output.udp({ mac, source: GATEWAY, destination: guest }, sourcePort, port, bytes);
          neighbours.withMac(guest, send);
          this.#keepSweeping();
        },
      }),
      scratch: new Scratch(),
      searchDomains,
      hasHostLoopback,
      counters: newCounters(),
    };
  }

  #udpFlows(limits: NatLimits, hasHostLoopback: boolean): UdpFlows {
    const { clock, outside } = this.parts;
    return new UdpFlows({
      clock,
      outside,
      limits,
      insideAddress: (address) => insideAddress(address, hasHostLoopback),
      deliver: (guest, source, sourcePort, port, bytes) =>
        this.#core.output.udp(routeTo(guest, source), sourcePort, port, bytes),
      failed: (guest, port, destination, destinationPort, error) => {
        const quoted = quotedDatagram(guest.bytes, port, destination, destinationPort);
        sendError(this.#core, guest, REASONS[error], quoted);
      },
    });
  }

  /** Where TCP goes; null: nowhere. The name server is one of TCP's hosts, see gateway-outside.ts. */
  #outsideAddress(destination: Uint8Array): string | null {
    if (isGateway(destination)) {
      if (!this.#core.hasHostLoopback) return null;
      return destination.length === 4 ? LOOPBACK : LOOPBACK6;
    }
    return isDns(destination) || isOutside(destination) ? formatIp(destination) : null;
  }

  #whileOpen(work: () => void): void {
    if (!this.#isClosed) work();
  }

  /** Looks for what has been idle too long, while there is something that can be. */
  #keepSweeping(): void {
    const { flows, reassembly, forwards } = this.#core;
    const hasWork = flows.size > 0 || reassembly.datagrams > 0 || forwards.peers > 0;
    if (this.#cancelSweep !== null || !hasWork || this.#isClosed) return;
    this.#cancelSweep = this.parts.timer(SWEEP_MS, () => {
      this.#cancelSweep = null;
      flows.expire();
      reassembly.expire();
      forwards.expire();
      this.#keepSweeping();
    });
  }
}

const REASONS: Readonly<Record<OutsideError, Reason>> = {
  refused: "port",
  reset: "port",
  unreachable: "host",
  "timed-out": "host",
  "not-found": "host",
  denied: "denied",
};

const routeTo = (guest: GuestAddress, source: Uint8Array) => ({
  mac: guest.guest.mac,
  source,
  destination: guest.bytes,
});

function newCounters(): NatCounters {
  return { received: 0, receivedBytes: 0, malformed: 0, badChecksum: 0, spoofed: 0, crowded: 0, errorsSent: 0 };
}

const LOOPBACK_BYTES = parseIp(LOOPBACK)!;
const LOOPBACK6_BYTES = parseIp(LOOPBACK6)!;

/** A sender outside as guests know it. */
function insideAddress(address: Uint8Array, hasHostLoopback: boolean): Uint8Array | null {
  const isLoopback = holds(address, 0, address.length === 4 ? LOOPBACK_BYTES : LOOPBACK6_BYTES);
  if (isLoopback) return hasHostLoopback ? (address.length === 4 ? GATEWAY : GATEWAY6) : null;
  return isOutside(address) ? address : null;
}

/** The head of a datagram that a guest sent, as an error quotes it. */
function quotedDatagram(
  source: Uint8Array,
  port: number,
  destination: Uint8Array,
  destinationPort: number,
): Uint8Array {
  const isIpv4 = source.length === 4;
  const at = isIpv4 ? IPV4_BYTES : IPV6_BYTES;
  const packet = new Uint8Array(at + UDP_BYTES);
  const fields = { source, destination, protocol: IpProtocol.UDP };
  if (isIpv4) writeIpv4(packet, 0, fields, UDP_BYTES);
  else writeIpv6(packet, 0, fields, UDP_BYTES);
  putU16(packet, at, port);
  putU16(packet, at + 2, destinationPort);
  putU16(packet, at + 4, UDP_BYTES);
  return packet;
}
