/**
 * Puts fragments together. A datagram whose fragments overlap is given up, the rest of it included ([RFC 5722] 4, and
 * [RFC 1858] says why for IPv4); an exact repetition is only ignored. What is incomplete is forgotten after a while.
 */
import type { Clock } from "../../util/index.js";
import type { Guest, Share } from "./guests.js";
import type { NatLimits } from "./limits.js";

/** [RFC 1122] 3.3.2 wants 60 to 120 s, Linux takes 30: memory is held for a stranger. */
const LIFE_NS = 30e9;
const MOST_BYTES = 65_535;
/** Fragments of one datagram: the largest in pieces of the smallest size that IPv4 must carry. */
const MOST_FRAGMENTS = 128;

interface Fragment {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

interface Datagram {
  readonly key: string;
  readonly guest: Guest;
  readonly untilNs: number;
  readonly fragments: Fragment[];
  held: number;
  /** Payload bytes, once the last fragment is there; else -1. */
  total: number;
  /** It was given up; what still comes of it is dropped. */
  isBad: boolean;
}

export interface FragmentFields {
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
  readonly protocol: number;
  readonly identification: number;
  readonly fragmentOffset: number;
  readonly moreFragments: boolean;
}

export class Reassembly {
  /** In the order of their arrival, so that the first to expire is first. */
  readonly #datagrams = new Map<string, Datagram>();
  #bytes = 0;
  readonly counters = { reassembled: 0, givenUp: 0 };

  constructor(
    private readonly clock: Clock,
    private readonly limits: NatLimits,
  ) {}

  get datagrams(): number {
    return this.#datagrams.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Takes a fragment, whose bytes it copies. The whole payload when this was the last that was missing. */
  add(guest: Guest, fields: FragmentFields, payload: Uint8Array): Uint8Array | null {
    const isAligned = !fields.moreFragments || payload.length % 8 === 0;
    if (payload.length === 0 || !isAligned || fields.fragmentOffset + payload.length > MOST_BYTES) return null;
    this.expire();
    const { source, destination, protocol, identification } = fields;
    const key = `${source.join(".")},${destination.join(".")},${protocol},${identification}`;
    const datagram = this.#datagrams.get(key) ?? this.#start(key, guest);
    if (datagram.isBad || datagram.guest !== guest) return null;
    switch (place(datagram, fields, payload.length)) {
      case "repeated":
        return null;
      case "bad":
        this.#spoil(datagram);
        return null;
    }
    if (!this.#makeRoom(datagram, payload.length)) return null;
    datagram.fragments.push({ offset: fields.fragmentOffset, bytes: payload.slice() });
    this.#hold(datagram, payload.length);
    if (!fields.moreFragments) datagram.total = fields.fragmentOffset + payload.length;
    return datagram.held === datagram.total ? this.#finish(datagram) : null;
  }

  /** Forgets what has waited too long. */
  expire(): void {
    const now = this.clock.now();
    for (const datagram of this.#datagrams.values()) {
      if (datagram.untilNs > now) return;
      this.#forget(datagram);
    }
  }

  forget(guest: Guest): void {
    for (const datagram of [...this.#datagrams.values()]) if (datagram.guest === guest) this.#forget(datagram);
  }

  #start(key: string, guest: Guest): Datagram {
    if (guest.share.datagrams >= this.limits.datagramsPerGuest) this.#forgetOldest(guest.share);
    else if (this.#datagrams.size >= this.limits.datagrams) this.#forgetOldest(null);
    const untilNs = this.clock.now() + LIFE_NS;
    const datagram: Datagram = { key, guest, untilNs, fragments: [], held: 0, total: -1, isBad: false };
    this.#datagrams.set(key, datagram);
    guest.share.datagrams++;
    return datagram;
  }

  #finish(datagram: Datagram): Uint8Array {
    const whole = new Uint8Array(datagram.total);
    for (const { offset, bytes } of datagram.fragments) whole.set(bytes, offset);
    this.#forget(datagram);
    this.counters.reassembled++;
    return whole;
  }

  #spoil(datagram: Datagram): void {
    this.counters.givenUp++;
    this.#hold(datagram, -datagram.held);
    datagram.fragments.length = 0;
    datagram.isBad = true;
  }

  #forget(datagram: Datagram): void {
    this.#hold(datagram, -datagram.held);
    datagram.guest.share.datagrams--;
    this.#datagrams.delete(datagram.key);
  }

  #hold(datagram: Datagram, bytes: number): void {
    datagram.held += bytes;
    datagram.guest.share.fragmentBytes += bytes;
    this.#bytes += bytes;
  }

  /** Room for more bytes of `datagram` at the cost of older ones. False: it had to go itself. */
  #makeRoom(datagram: Datagram, bytes: number): boolean {
    const { share } = datagram.guest;
    const { fragmentBytes, fragmentBytesPerGuest } = this.limits;
    while (share.fragmentBytes + bytes > fragmentBytesPerGuest) if (!this.#forgetOldest(share)) return false;
    while (this.#bytes + bytes > fragmentBytes) if (!this.#forgetOldest(null)) return false;
    return this.#datagrams.get(datagram.key) === datagram;
  }

  /** The oldest of one share, or of all; false when there is none. */
  #forgetOldest(share: Share | null): boolean {
    for (const datagram of this.#datagrams.values()) {
      if (share === null || datagram.guest.share === share) {
        this.counters.givenUp++;
        this.#forget(datagram);
        return true;
      }
    }
    return false;
  }
}

/** Whether a fragment fits between those that are there. */
function place(datagram: Datagram, fields: FragmentFields, length: number): "fits" | "repeated" | "bad" {
  const start = fields.fragmentOffset;
  const end = start + length;
  for (const { offset, bytes } of datagram.fragments) {
    if (offset === start && bytes.length === length) return "repeated";
    if (start < offset + bytes.length && offset < end) return "bad";
    // A piece after the end, or a second end before one.
    if (!fields.moreFragments && offset >= end) return "bad";
  }
  if (datagram.total >= 0 && (end > datagram.total || !fields.moreFragments)) return "bad";
  return datagram.fragments.length >= MOST_FRAGMENTS ? "bad" : "fits";
}
