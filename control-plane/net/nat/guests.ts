/**
 * Who is on the network: guests by their MACs, and the addresses that each was seen to use. An address that is leased
 * belongs to whom it is leased to; any other to who uses it, until it has been silent for a while.
 */
import type { Clock } from "../../util/index.js";
import { holds, u16 } from "./codec/numbers.js";
import type { NatLimits } from "./limits.js";

/** After this long another guest may take an address over. */
const SILENCE_NS = 60e9;

/** What one interface occupies of bounded things, with all the MACs that it speaks as; elsewhere what one MAC does. */
export class Share {
  guests = 0;
  flows = 0;
  pings = 0;
  lookups = 0;
  datagrams = 0;
  fragmentBytes = 0;

  /** @param key the interface's MAC as a number, or the guest's */
  constructor(readonly key: number) {}

  get isEmpty(): boolean {
    return this.guests + this.flows + this.pings + this.lookups + this.datagrams + this.fragmentBytes === 0;
  }
}

export class Guest {
  readonly addresses: GuestAddress[] = [];

  constructor(
    readonly mac: Uint8Array,
    readonly share: Share,
    public seenNs: number,
  ) {}
}

export class GuestAddress {
  /** The next with the same hash. */
  next: GuestAddress | null = null;

  constructor(
    /** Never used again for another. */
    readonly id: number,
    readonly bytes: Uint8Array,
    readonly guest: Guest,
    public seenNs: number,
  ) {}
}

export class Guests {
  readonly #byMac = new Map<number, Guest>();
  readonly #byAddress = new Map<number, GuestAddress>();
  readonly #shares = new Map<number, Share>();
  #ids = 0;

  constructor(
    private readonly clock: Clock,
    private readonly limits: NatLimits,
    /** The MAC that an address is leased to or reserved for. */
    private readonly holder: (address: Uint8Array) => Uint8Array | null,
    /** Whether a guest holds a lease or a reservation, and so is not forgotten to make room. */
    private readonly isKept: (mac: Uint8Array) => boolean,
  ) {}

  get size(): number {
    return this.#byMac.size;
  }

  list(): readonly Guest[] {
    return [...this.#byMac.values()];
  }

  /**
   * The guest with the MAC at `at`, known or new; null when there are too many.
   * @param payer MAC of the interface that a new one belongs to, when that is known
   */
  at(bytes: Uint8Array, at: number, payer: Uint8Array | null): Guest | null {
    const key = macKey(bytes, at);
    const now = this.clock.now();
    const known = this.#byMac.get(key);
    if (known !== undefined) {
      known.seenNs = now;
      return known;
    }
    if (this.#byMac.size >= this.limits.guests && !this.#makeRoom()) return null;
    const guest = new Guest(bytes.slice(at, at + 6), this.#shareOf(payer === null ? key : macKey(payer, 0)), now);
    guest.share.guests++;
    this.#byMac.set(key, guest);
    return guest;
  }

  #shareOf(key: number): Share {
    let share = this.#shares.get(key);
    if (share !== undefined) return share;
    // What a forgotten guest has begun is counted until it is over: the empty ones go when there are many.
    if (this.#shares.size >= 2 * this.limits.guests)
      for (const old of this.#shares.values()) if (old.isEmpty) this.#shares.delete(old.key);
    share = new Share(key);
    this.#shares.set(key, share);
    return share;
  }

  withMac(mac: Uint8Array): Guest | null {
    return this.#byMac.get(macKey(mac, 0)) ?? null;
  }

  find(address: Uint8Array): GuestAddress | null {
    let entry = this.#byAddress.get(hash(address)) ?? null;
    while (entry !== null && !(entry.bytes.length === address.length && holds(entry.bytes, 0, address)))
      entry = entry.next;
    return entry;
  }

  /** Notes that `guest` uses an address, which is copied; null when the address is another's. */
  learn(guest: Guest, address: Uint8Array): GuestAddress | null {
    const now = this.clock.now();
    const known = this.find(address);
    if (known?.guest === guest) {
      known.seenNs = now;
      return known;
    }
    const holder = this.holder(address);
    const isHolder = holder !== null && holds(holder, 0, guest.mac);
    if (holder !== null && !isHolder) return null;
    if (known !== null) {
      if (!isHolder && now - known.seenNs < SILENCE_NS) return null;
      this.#remove(known);
    }
    if (guest.addresses.length >= this.limits.addressesPerGuest) this.#remove(oldest(guest.addresses)!);
    const entry = new GuestAddress(++this.#ids, address.slice(), guest, now);
    const key = hash(address);
    entry.next = this.#byAddress.get(key) ?? null;
    this.#byAddress.set(key, entry);
    guest.addresses.push(entry);
    return entry;
  }

  forget(guest: Guest): void {
    for (const entry of [...guest.addresses]) this.#remove(entry);
    if (this.#byMac.delete(macKey(guest.mac, 0))) guest.share.guests--;
  }

  /** At the cost of who has the most. */
  #makeRoom(): boolean {
    const candidates = [...this.#byMac.values()].filter((guest) => !this.isKept(guest.mac));
    const most = candidates.reduce((most, { share }) => Math.max(most, share.guests), 0);
    const last = oldest(candidates.filter(({ share }) => share.guests === most));
    if (last === undefined) return false;
    this.forget(last);
    return true;
  }

  #remove(entry: GuestAddress): void {
    entry.guest.addresses.splice(entry.guest.addresses.indexOf(entry), 1);
    const key = hash(entry.bytes);
    const first = this.#byAddress.get(key)!;
    if (first === entry) {
      if (entry.next === null) this.#byAddress.delete(key);
      else this.#byAddress.set(key, entry.next);
      return;
    }
    let before = first;
    while (before.next !== entry) before = before.next!;
    before.next = entry.next;
  }
}

function oldest<T extends { readonly seenNs: number }>(of: readonly T[]): T | undefined {
  let best = of[0];
  for (const one of of) if (one.seenNs < best!.seenNs) best = one;
  return best;
}

/** A MAC as a number. */
export function macKey(bytes: Uint8Array, at: number): number {
  return u16(bytes, at) * 0x1_0000_0000 + u16(bytes, at + 2) * 0x10000 + u16(bytes, at + 4);
}

/** Good enough: a guest has few addresses, and their number is bounded. */
function hash(address: Uint8Array): number {
  let value = address.length;
  for (let i = 0; i < address.length; i++) value = (Math.imul(value, 0x01000193) ^ address[i]!) | 0;
  return value;
}
