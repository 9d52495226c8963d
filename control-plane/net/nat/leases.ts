/**
 * The addresses that DHCP has to give, and to whom: stable per MAC, also after the lease is over as long as nobody else
 * needs the address. Reserved ones are given to nobody else. There are no more entries than addresses.
 */
import type { Clock } from "../../util/index.js";
import { formatMac } from "../addresses.js";
import { macKey } from "./guests.js";
import { FIRST_GUEST, isGuestAddress, LAST_GUEST, NETWORK, sameAddress } from "./network.js";

export const LEASE_SECONDS = 86_400;
const OFFER_NS = 60e9;
/** How long an address that somebody else was found to use is left alone. */
const DECLINED_NS = 600e9;
/** One client's word takes no more addresses than these out of the pool. */
const DECLINED_PER_CLIENT = 4;

export type LeaseState = "offered" | "bound" | "free" | "declined";

export interface Lease {
  readonly address: Uint8Array;
  readonly mac: Uint8Array;
  state: LeaseState;
  untilNs: number;
  hostname: string;
}

export class Leases {
  /** By the last byte of the address. */
  readonly #byAddress = new Map<number, Lease>();
  readonly #byMac = new Map<number, Lease>();
  readonly #reserved = new Map<number, Uint8Array>();
  readonly #reservedFor = new Map<number, Uint8Array>();

  constructor(private readonly clock: Clock) {}

  list(): readonly Lease[] {
    return [...this.#byAddress.values()];
  }

  /** Gives `address` to `mac` for good; null, or a sentence why not: who has it by lease does not lose it. */
  reserve(mac: Uint8Array, address: Uint8Array): string | null {
    if (address.length !== 4 || !isGuestAddress(address)) {
      return `${address.join(".")} is no address for a guest: these are 10.0.2.4 to 10.0.2.254`;
    }
    const other = this.#reserved.get(address[3]!);
    if (other !== undefined && macKey(other, 0) !== macKey(mac, 0)) {
      return `${address.join(".")} is another interface's already`;
    }
    const held = this.#byAddress.get(address[3]!);
    if (held !== undefined && held.state === "bound" && this.#isLive(held) && !sameMac(held.mac, mac)) {
      return `${address.join(".")} was given to ${formatMac(held.mac)} by DHCP`;
    }
    this.unreserve(mac);
    this.#reserved.set(address[3]!, mac.slice());
    this.#reservedFor.set(macKey(mac, 0), address.slice());
    const lease = this.#byMac.get(macKey(mac, 0));
    if (lease !== undefined && !sameAddress(lease.address, address)) this.#delete(lease);
    return null;
  }

  unreserve(mac: Uint8Array): void {
    const address = this.#reservedFor.get(macKey(mac, 0));
    if (address === undefined) return;
    this.#reservedFor.delete(macKey(mac, 0));
    this.#reserved.delete(address[3]!);
  }

  /** Whose an address is now: reserved, leased or offered. */
  holder(address: Uint8Array): Uint8Array | null {
    if (address.length !== 4) return null;
    const reserved = this.#reserved.get(address[3]!);
    if (reserved !== undefined) return reserved;
    const lease = this.#byAddress.get(address[3]!);
    return lease !== undefined && this.#isLive(lease) && lease.state !== "declined" ? lease.mac : null;
  }

  holds(mac: Uint8Array): boolean {
    return this.#reservedFor.has(macKey(mac, 0)) || this.addressOf(mac) !== null;
  }

  /** The address that a MAC has been given, and has not lost. */
  addressOf(mac: Uint8Array): Uint8Array | null {
    const lease = this.#byMac.get(macKey(mac, 0));
    if (lease !== undefined && lease.state === "bound" && this.#isLive(lease)) return lease.address;
    return this.#reservedFor.get(macKey(mac, 0)) ?? null;
  }

  /** Whether a MAC may have one more address given or offered; `others` says whether a MAC is the same guest's. */
  mayTake(mac: Uint8Array, most: number, others: (mac: Uint8Array) => boolean): boolean {
    const own = this.of(mac);
    if (own !== null && this.#isLive(own)) return true;
    return this.list().filter((lease) => this.#isLive(lease) && others(lease.mac)).length < most;
  }

  /** The client's lease, over or not. */
  of(mac: Uint8Array): Lease | null {
    return this.#byMac.get(macKey(mac, 0)) ?? null;
  }

  /** An address for a client: its own, the one it wishes, or the next. Null when there are none left. */
  offer(mac: Uint8Array, wish: Uint8Array | null): Lease | null {
    const address = this.#choose(mac, wish);
    if (address === null) return null;
    const lease = this.#take(mac, address);
    if (lease.state !== "bound" || !this.#isLive(lease)) {
      lease.state = "offered";
      lease.untilNs = this.clock.now() + OFFER_NS;
    }
    return lease;
  }

  /** Binds `address` to the client; null when it cannot have it. */
  bind(mac: Uint8Array, address: Uint8Array, hostname: string): Lease | null {
    if (address.length !== 4 || !isGuestAddress(address) || !this.#isFor(address, mac)) return null;
    const lease = this.#take(mac, address);
    lease.state = "bound";
    lease.untilNs = this.clock.now() + LEASE_SECONDS * 1e9;
    lease.hostname = hostname;
    return lease;
  }

  /** Ends a lease; the address is still the first choice for its client. */
  release(mac: Uint8Array, address: Uint8Array): void {
    const lease = this.of(mac);
    if (lease !== null && sameAddress(lease.address, address)) lease.state = "free";
  }

  /** Somebody else uses the address: nobody gets it for a while. */
  decline(mac: Uint8Array, address: Uint8Array): void {
    const lease = this.of(mac);
    if (lease === null || lease.state === "free" || !sameAddress(lease.address, address)) return;
    const declined = this.list().filter((l) => l.state === "declined" && this.#isLive(l) && sameMac(l.mac, mac));
    this.#byMac.delete(macKey(mac, 0));
    if (declined.length >= DECLINED_PER_CLIENT) {
      this.#byAddress.delete(address[3]!);
      return;
    }
    lease.state = "declined";
    lease.untilNs = this.clock.now() + DECLINED_NS;
  }

  forget(mac: Uint8Array): void {
    const lease = this.of(mac);
    if (lease !== null) this.#delete(lease);
  }

  #choose(mac: Uint8Array, wish: Uint8Array | null): Uint8Array | null {
    const reserved = this.#reservedFor.get(macKey(mac, 0));
    if (reserved !== undefined) return reserved;
    const own = this.of(mac);
    if (own !== null && this.#isFor(own.address, mac)) return own.address;
    if (wish !== null && isGuestAddress(wish) && wish[3]! >= FIRST_GUEST && this.#isUnused(wish)) return wish;
    const all = Array.from({ length: LAST_GUEST - FIRST_GUEST + 1 }, (_, i) => addressWith(FIRST_GUEST + i));
    return all.find((a) => this.#isUnused(a)) ?? this.#longestOver(all.filter((a) => this.#isFor(a, mac)));
  }

  #longestOver(free: readonly Uint8Array[]): Uint8Array | null {
    const since = (address: Uint8Array): number => this.#byAddress.get(address[3]!)?.untilNs ?? 0;
    return [...free].sort((a, b) => since(a) - since(b))[0] ?? null;
  }

  /** Makes the entry that binds both; what stood at either goes. */
  #take(mac: Uint8Array, address: Uint8Array): Lease {
    const own = this.of(mac);
    if (own !== null && sameAddress(own.address, address)) return own;
    if (own !== null) this.#delete(own);
    const other = this.#byAddress.get(address[3]!);
    if (other !== undefined) this.#delete(other);
    const lease: Lease = { address: address.slice(), mac: mac.slice(), state: "offered", untilNs: 0, hostname: "" };
    this.#byAddress.set(address[3]!, lease);
    this.#byMac.set(macKey(mac, 0), lease);
    return lease;
  }

  #delete(lease: Lease): void {
    if (this.#byAddress.get(lease.address[3]!) === lease) this.#byAddress.delete(lease.address[3]!);
    if (this.#byMac.get(macKey(lease.mac, 0)) === lease) this.#byMac.delete(macKey(lease.mac, 0));
  }

  #isUnused(address: Uint8Array): boolean {
    return !this.#byAddress.has(address[3]!) && !this.#reserved.has(address[3]!);
  }

  /** Whether a client may have an address: nobody else has it now. */
  #isFor(address: Uint8Array, mac: Uint8Array): boolean {
    const reserved = this.#reserved.get(address[3]!);
    if (reserved !== undefined && !sameMac(reserved, mac)) return false;
    const own = this.#reservedFor.get(macKey(mac, 0));
    if (own !== undefined && !sameAddress(own, address)) return false;
    const lease = this.#byAddress.get(address[3]!);
    if (lease === undefined || !this.#isLive(lease)) return true;
    return lease.state !== "declined" && sameMac(lease.mac, mac);
  }

  #isLive(lease: Lease): boolean {
    return lease.state !== "free" && lease.untilNs > this.clock.now();
  }
}

const sameMac = (a: Uint8Array, b: Uint8Array): boolean => macKey(a, 0) === macKey(b, 0);

function addressWith(last: number): Uint8Array {
  const address = NETWORK.slice();
  address[3] = last;
  return address;
}
