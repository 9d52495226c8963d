/** The way from a guest's address to its MAC: known, or asked for while a frame or two wait. [RFC 826], [RFC 4861] 7.2 */
import type { Clock } from "../../util/index.js";
import { ArpOperation, arpFrame } from "./codec/arp.js";
import { neighbourSolicitation, solicitedNode } from "./codec/ndp.js";
import type { Guests } from "./guests.js";
import type { NatLimits } from "./limits.js";
import { GATEWAY, ROUTER_MAC, ROUTER6, sameAddress } from "./network.js";
import type { Output } from "./output.js";

const HOLD_NS = 1e9;

interface Held {
  readonly address: Uint8Array;
  readonly send: (mac: Uint8Array) => void;
  readonly untilNs: number;
}

export class Neighbours {
  #held: Held[] = [];

  constructor(
    private readonly clock: Clock,
    private readonly guests: Guests,
    private readonly output: Output,
    private readonly limits: NatLimits,
    /** Who holds an address although nothing was heard of it yet. */
    private readonly holder: (address: Uint8Array) => Uint8Array | null,
  ) {}

  get held(): number {
    return this.#held.length;
  }

  /** The MAC behind an address, or null. */
  macOf(address: Uint8Array): Uint8Array | null {
    return this.guests.find(address)?.guest.mac ?? this.holder(address);
  }

  /** Calls `send` with the MAC: at once, when the guest answers, or never. */
  withMac(address: Uint8Array, send: (mac: Uint8Array) => void): void {
    const mac = this.macOf(address);
    if (mac !== null) {
      send(mac);
      return;
    }
    const now = this.clock.now();
    this.#held = this.#held.filter((held) => held.untilNs > now);
    if (this.#held.length < this.limits.heldFrames)
      this.#held.push({ address: address.slice(), send, untilNs: now + HOLD_NS });
    this.ask(address);
  }

  /** Sends what waits for an address that was just heard of. */
  heard(address: Uint8Array, mac: Uint8Array): void {
    if (this.#held.length === 0) return;
    const mine = this.#held.filter((held) => sameAddress(held.address, address));
    if (mine.length === 0) return;
    const now = this.clock.now();
    this.#held = this.#held.filter((held) => !mine.includes(held));
    for (const held of mine) if (held.untilNs > now) held.send(mac);
  }

  ask(address: Uint8Array): void {
    if (address.length === 4) {
      this.output.frame(arpFrame(ArpOperation.REQUEST, { mac: ROUTER_MAC, ip: GATEWAY }, { mac: null, ip: address }));
      return;
    }
    const group = solicitedNode(address);
    const mac = Uint8Array.of(0x33, 0x33, ...group.subarray(12));
    this.output.icmp({ mac, source: ROUTER6, destination: group }, neighbourSolicitation(address, ROUTER_MAC), 255);
  }
}
