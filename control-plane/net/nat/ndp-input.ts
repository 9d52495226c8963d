/** Neighbour discovery and router solicitations of guests, and ARP: who is where on the wire. */
import type { Packet } from "../packet.js";
import { ArpOperation, arpFrame, readArp } from "./codec/arp.js";
import { Ndp, NeighbourFlag, neighbourAdvertisement, readNeighbour, readRouterSolicitation } from "./codec/ndp.js";
import { holds } from "./codec/numbers.js";
import type { Core } from "./core.js";
import type { Guest, GuestAddress } from "./guests.js";
import { ALL_NODES, isGuestAddress, isRouter, ROUTER_MAC } from "./network.js";
import type { Router } from "./router.js";

const ALL_NODES_MAC = Uint8Array.of(0x33, 0x33, 0, 0, 0, 1);

/** Takes a frame of ARP: answers for our addresses, learns guests'. [RFC 826] */
export function arpInput(core: Core, packet: Packet, guest: Guest): void {
  const arp = readArp(core.scratch.copy(packet));
  if (arp === null || !holds(arp.senderMac, 0, guest.mac)) {
    core.counters.malformed++;
    return;
  }
  if (isGuestAddress(arp.senderIp)) {
    const sender = core.guests.learn(guest, arp.senderIp);
    if (sender === null) core.counters.spoofed++;
    else core.neighbours.heard(sender.bytes, guest.mac);
  }
  // Also who only looks whether the address is free hears that it is not: [RFC 5227] 2.1.
  if (arp.operation !== ArpOperation.REQUEST || !isRouter(arp.targetIp)) return;
  const own = { mac: ROUTER_MAC, ip: arp.targetIp };
  core.output.frame(arpFrame(ArpOperation.REPLY, own, { mac: guest.mac, ip: arp.senderIp }));
}

export class NdpInput {
  constructor(
    private readonly core: Core,
    private readonly router: Router | null,
  ) {}

  /** A message of ICMPv6 with a good checksum that no router has passed on. `sender` is null for one without an address. */
  input(guest: Guest, sender: GuestAddress | null, source: Uint8Array, message: Uint8Array): void {
    switch (message[0]) {
      case Ndp.ROUTER_SOLICITATION:
        this.#routerSolicitation(guest, sender, message);
        return;
      case Ndp.SOLICITATION:
        this.#solicitation(guest, sender, source, message);
        return;
      case Ndp.ADVERTISEMENT:
        this.#advertisement(guest, message);
        return;
    }
  }

  #routerSolicitation(guest: Guest, sender: GuestAddress | null, message: Uint8Array): void {
    const mac = readRouterSolicitation(message);
    // Who has no address says no MAC either: [RFC 4861] 6.1.1.
    if (mac === undefined || (sender === null && mac !== null)) this.core.counters.malformed++;
    else if (sender === null) this.router?.answerAll();
    else this.router?.answer(sender.bytes, guest.mac);
  }

  /** Who asks without an address looks whether ours is free: all are told that it is not. [RFC 4861] 7.2.4 */
  #solicitation(guest: Guest, sender: GuestAddress | null, source: Uint8Array, message: Uint8Array): void {
    const asked = readNeighbour(message);
    if (asked === null) {
      this.core.counters.malformed++;
      return;
    }
    if (!isRouter(asked.target)) return;
    const flags = NeighbourFlag.ROUTER | NeighbourFlag.OVERRIDE | (sender === null ? 0 : NeighbourFlag.SOLICITED);
    const route =
      sender === null
        ? { mac: ALL_NODES_MAC, source: asked.target, destination: ALL_NODES }
        : { mac: guest.mac, source: asked.target, destination: source };
    this.core.output.icmp(route, neighbourAdvertisement(asked.target, ROUTER_MAC, flags), 255);
  }

  #advertisement(guest: Guest, message: Uint8Array): void {
    const told = readNeighbour(message);
    if (told === null || !isGuestAddress(told.target)) return;
    const address = this.core.guests.learn(guest, told.target);
    if (address === null) this.core.counters.spoofed++;
    else this.core.neighbours.heard(address.bytes, guest.mac);
  }
}
