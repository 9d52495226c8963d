/** Packets of IPv6 from guests. */

import { ETHERNET_BYTES, IpProtocol } from "../offload/index.js";
import { Packet } from "../packet.js";
import { ICMP_BYTES, Icmpv6 } from "./codec/icmp.js";
import { Ipv6Header, writeIpv6 } from "./codec/ipv6.js";
import { IPV6_BYTES } from "./codec/numbers.js";
import { type Core, unreachable } from "./core.js";
import { echoReply } from "./echo.js";
import type { Guest, GuestAddress } from "./guests.js";
import { isChecksumGood, isGroup, sendErrorAbout, senderOf, tcpInput } from "./ip-input.js";
import type { NdpInput } from "./ndp-input.js";
import { isInside, isLinkLocal6, isOutside, isRouter } from "./network.js";
import { udpInput } from "./udp-input.js";

/** Where the next header is named. */
const NEXT_HEADER_AT = 6;
const LEAST_MTU = 1280;

export class Ipv6Input {
  readonly #ip = new Ipv6Header();
  readonly #whole = new Packet(null);

  constructor(
    private readonly core: Core,
    private readonly ndp: NdpInput,
  ) {}

  input(packet: Packet, guest: Guest): void {
    const ip = this.#ip;
    if (!ip.read(packet.header, ETHERNET_BYTES, packet.headerLength, packet.length)) {
      this.core.counters.malformed++;
      return;
    }
    const sender = senderOf(this.core, guest, ip, IpProtocol.ICMPV6);
    if (sender === undefined) {
      this.core.counters.spoofed++;
      return;
    }
    if (!ip.isFragment) this.#deliver(packet, guest, sender);
    else if (sender !== null) this.#fragment(packet, guest, sender);
  }

  #fragment(packet: Packet, guest: Guest, sender: GuestAddress): void {
    const ip = this.#ip;
    const frame = this.core.scratch.copy(packet);
    const payload = this.core.reassembly.add(guest, ip, frame.subarray(ip.payload, ip.end));
    if (payload === null) return;
    const whole = new Uint8Array(ETHERNET_BYTES + IPV6_BYTES + payload.length);
    whole.set(frame.subarray(0, ETHERNET_BYTES));
    writeIpv6(whole, ETHERNET_BYTES, ip, payload.length, ip.hopLimit);
    whole.set(payload, ETHERNET_BYTES + IPV6_BYTES);
    this.#whole.wrap(whole);
    const isGood = ip.read(this.#whole.header, ETHERNET_BYTES, this.#whole.headerLength, whole.length);
    // A fragment in a fragment is nobody's.
    if (isGood && !ip.isFragment) this.#deliver(this.#whole, guest, sender);
    else this.core.counters.malformed++;
  }

  #deliver(packet: Packet, guest: Guest, sender: GuestAddress | null): void {
    const ip = this.#ip;
    const { destination, protocol } = ip;
    if (protocol === IpProtocol.ICMPV6) {
      this.#icmp(packet, guest, sender);
      return;
    }
    if (sender === null) return;
    if (isGroup(destination)) {
      if (protocol === IpProtocol.UDP) udpInput(this.core, packet, ip, guest, sender);
      return;
    }
    // Guests reach each other through the switch.
    if ((isInside(destination) || isLinkLocal6(destination)) && !isRouter(destination)) return;
    if (ip.hopLimit <= 1 && isOutside(destination)) {
      sendErrorAbout(this.core, packet, ip, sender, "expired");
      return;
    }
    if (this.#isTooBig(packet)) {
      sendErrorAbout(this.core, packet, ip, sender, "too-big", this.core.output.mtu);
      return;
    }
    switch (protocol) {
      case IpProtocol.TCP:
        tcpInput(this.core, packet, ip);
        return;
      case IpProtocol.UDP:
        udpInput(this.core, packet, ip, guest, sender);
        return;
      case IpProtocol.NONE:
        return;
      default:
        sendErrorAbout(this.core, packet, ip, sender, "protocol", NEXT_HEADER_AT);
        return;
    }
  }

  /** A packet that was put together was not too big on the wire. */
  #isTooBig(packet: Packet): boolean {
    const most = Math.max(LEAST_MTU, this.core.output.mtu);
    return packet !== this.#whole && packet.gsoSize === 0 && this.#ip.end - this.#ip.at > most;
  }

  #icmp(packet: Packet, guest: Guest, sender: GuestAddress | null): void {
    const { core } = this;
    const ip = this.#ip;
    const frame = core.scratch.copy(packet);
    if (ip.payload + ICMP_BYTES > ip.end) {
      core.counters.malformed++;
      return;
    }
    if (!isChecksumGood(packet, ip)) {
      core.counters.badChecksum++;
      return;
    }
    const message = frame.slice(ip.payload, ip.end);
    if (message[0] === Icmpv6.UNREACHABLE && sender !== null) unreachable(core, sender, message);
    if (message[0] !== Icmpv6.ECHO) {
      // What came through a router cannot be about neighbours: [RFC 4861] 7.1.
      if (ip.hopLimit === 255) this.ndp.input(guest, sender, ip.source, message);
      return;
    }
    if (sender === null || message[1] !== 0 || isGroup(ip.destination)) return;
    this.#echo(packet, sender, message, frame);
  }

  #echo(packet: Packet, sender: GuestAddress, message: Uint8Array, frame: Uint8Array): void {
    const { core } = this;
    const ip = this.#ip;
    if (isRouter(ip.destination)) {
      const route = { mac: sender.guest.mac, source: ip.destination, destination: sender.bytes };
      core.output.icmp(route, echoReply(message, 16));
    } else if (isInside(ip.destination) || isLinkLocal6(ip.destination)) return;
    else if (ip.hopLimit <= 1) sendErrorAbout(core, packet, ip, sender, "expired");
    else if (this.#isTooBig(packet)) sendErrorAbout(core, packet, ip, sender, "too-big", core.output.mtu);
    else if (!isOutside(ip.destination) || isLinkLocal6(sender.bytes)) sendErrorAbout(core, packet, ip, sender, "host");
    else core.echo.ask(sender, ip.destination.slice(), message, frame.slice(ip.at, ip.end));
  }
}
