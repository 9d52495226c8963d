/**
 * The DHCP server, the only one of its network and so authoritative: it confirms and refuses what it has no record of.
 * [RFC 2131] 4.3. A client is known by its MAC, which must be that of its frames: there are no relays here.
 */
import { type DhcpNetwork, type DhcpReply, type DhcpRequest, DhcpType, dhcpReply, readDhcp } from "./codec/dhcp.js";
import { macKey } from "./guests.js";
import { LEASE_SECONDS, type Leases } from "./leases.js";
import { ANY, GATEWAY, isInside, LIMITED_BROADCAST, sameAddress } from "./network.js";

export interface DhcpAnswer {
  readonly bytes: Uint8Array;
  readonly destination: Uint8Array;
  /** To everybody on the wire, or to the client's MAC. */
  readonly isBroadcast: boolean;
}

export class DhcpServer {
  readonly counters = { requests: 0, refused: 0, exhausted: 0 };

  constructor(
    private readonly leases: Leases,
    private readonly network: DhcpNetwork,
    /** The name that a guest is given. */
    private readonly hostname: (mac: Uint8Array) => string,
    /** Whether a guest may have an address, as far as those go that it has by other MACs. */
    private readonly mayTake: (mac: Uint8Array) => boolean,
  ) {}

  /** The answer to what the guest with `mac` sent, or null. */
  answer(bytes: Uint8Array, mac: Uint8Array): DhcpAnswer | null {
    const request = readDhcp(bytes);
    if (request === null || macKey(request.mac, 0) !== macKey(mac, 0) || !sameAddress(request.relay, ANY)) return null;
    this.counters.requests++;
    switch (request.type) {
      case DhcpType.DISCOVER:
        return this.#discover(request);
      case DhcpType.REQUEST:
        return this.#request(request);
      case DhcpType.INFORM:
        return this.#to(request, { type: DhcpType.ACK, server: GATEWAY, address: ANY, network: this.network });
      case DhcpType.DECLINE:
        if (this.#isForUs(request) && request.requested !== null) this.leases.decline(mac, request.requested);
        return null;
      case DhcpType.RELEASE:
        if (this.#isForUs(request)) this.leases.release(mac, request.clientIp);
        return null;
      default:
        return null;
    }
  }

  #discover(request: DhcpRequest): DhcpAnswer | null {
    const lease = this.mayTake(request.mac) ? this.leases.offer(request.mac, request.requested) : null;
    if (lease !== null) return this.#give(request, DhcpType.OFFER, lease.address);
    this.counters.exhausted++;
    return null;
  }

  /** After an offer, after a reboot, or to go on with a lease: [RFC 2131] 4.3.2 tells them apart by what is filled in. */
  #request(request: DhcpRequest): DhcpAnswer | null {
    if (request.server !== null && !sameAddress(request.server, GATEWAY)) return null;
    const hasAddress = !sameAddress(request.clientIp, ANY);
    const address = hasAddress ? request.clientIp : request.requested;
    if (address === null) return null;
    const mayHave = isInside(address) && this.mayTake(request.mac);
    const lease = mayHave ? this.leases.bind(request.mac, address, request.hostname) : null;
    return lease === null ? this.#refuse(request) : this.#give(request, DhcpType.ACK, lease.address);
  }

  #give(request: DhcpRequest, type: number, address: Uint8Array): DhcpAnswer {
    const hostname = this.hostname(request.mac);
    return this.#to(request, {
      type,
      server: GATEWAY,
      address,
      leaseSeconds: LEASE_SECONDS,
      network: this.network,
      hostname,
    });
  }

  #refuse(request: DhcpRequest): DhcpAnswer {
    this.counters.refused++;
    const message = "this address is not for you";
    const bytes = dhcpReply(request, { type: DhcpType.NAK, server: GATEWAY, address: ANY, message });
    return { bytes, destination: LIMITED_BROADCAST, isBroadcast: true };
  }

  /** Where an answer goes: [RFC 2131] 4.1. */
  #to(request: DhcpRequest, reply: DhcpReply): DhcpAnswer {
    const bytes = dhcpReply(request, reply);
    if (isInside(request.clientIp)) return { bytes, destination: request.clientIp, isBroadcast: false };
    const isBroadcast = request.wantsBroadcast || sameAddress(reply.address, ANY);
    return { bytes, destination: isBroadcast ? LIMITED_BROADCAST : reply.address, isBroadcast };
  }

  #isForUs(request: DhcpRequest): boolean {
    return request.server !== null && sameAddress(request.server, GATEWAY);
  }
}
