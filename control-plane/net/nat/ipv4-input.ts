/** Packets of IPv4 from guests. */

import { ETHERNET_BYTES, IpProtocol } from "../offload/index.js";
import { Packet } from "../packet.js";
import { ICMP_BYTES, Icmp } from "./codec/icmp.js";
import { Ipv4Header, writeIpv4 } from "./codec/ipv4.js";
import { IPV4_BYTES } from "./codec/numbers.js";
import { type Core, unreachable } from "./core.js";
import { echoReply } from "./echo.js";
import type { Guest, GuestAddress } from "./guests.js";
import { isChecksumGood, isGroup, sendErrorAbout, senderOf, tcpInput } from "./ip-input.js";
import { isInside, isOutside, isRouter } from "./network.js";
import { udpInput } from "./udp-input.js";

export class Ipv4Input {
  readonly #ip = new Ipv4Header();
  /** A packet put together from fragments. */
  readonly #whole = new Packet(null);

  constructor(private readonly core: Core) {}

  input(packet: Packet, guest: Guest): void {
    const ip = this.#ip;
    if (!ip.read(packet.header, ETHERNET_BYTES, packet.headerLength, packet.length)) {
      this.core.counters.malformed++;
      return;
    }
    const sender = senderOf(this.core, guest, ip, IpProtocol.UDP);
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
    if (payload === null || payload.length > 65535 - IPV4_BYTES) return;
    const whole = new Uint8Array(ETHERNET_BYTES + IPV4_BYTES + payload.length);
    whole.set(frame.subarray(0, ETHERNET_BYTES));
    writeIpv4(whole, ETHERNET_BYTES, ip, payload.length, ip.identification);
    whole[ETHERNET_BYTES + 8] = ip.timeToLive;
    whole.set(payload, ETHERNET_BYTES + IPV4_BYTES);
    ip.adopt(ETHERNET_BYTES, whole.length);
    this.#whole.wrap(whole);
    this.#deliver(this.#whole, guest, sender);
  }

  #deliver(packet: Packet, guest: Guest, sender: GuestAddress | null): void {
    const ip = this.#ip;
    const { destination, protocol } = ip;
    if (sender === null || isGroup(destination)) {
      if (protocol === IpProtocol.UDP) udpInput(this.core, packet, ip, guest, sender);
      return;
    }
    // Guests reach each other through the switch.
    if (isInside(destination) && !isRouter(destination)) return;
    if (ip.timeToLive <= 1 && isOutside(destination)) {
      sendErrorAbout(this.core, packet, ip, sender, "expired");
      return;
    }
    const isTooBig = ip.dontFragment && packet.gsoSize === 0 && ip.end - ip.at > this.core.output.mtu;
    if (isTooBig) {
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
      case IpProtocol.ICMP:
        this.#icmp(packet, sender);
        return;
      default:
        sendErrorAbout(this.core, packet, ip, sender, "protocol");
        return;
    }
  }

  #icmp(packet: Packet, sender: GuestAddress): void {
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
    if (message[0] === Icmp.UNREACHABLE) unreachable(core, sender, message);
    if (message[0] !== Icmp.ECHO || message[1] !== 0) return;
    if (isRouter(ip.destination)) {
      const route = { mac: sender.guest.mac, source: ip.destination, destination: sender.bytes };
      core.output.icmp(route, echoReply(message, 4));
    } else if (isOutside(ip.destination)) {
      core.echo.ask(sender, ip.destination.slice(), message, frame.slice(ip.at, ip.end));
    } else sendErrorAbout(core, packet, ip, sender, "host");
  }
}
