/**
 * Which address is behind which port, by VLAN. Bounded: a port that shows more addresses than its share stops being
 * learned from, and a full table gives up the oldest entry of the port that has most. Static entries stay. A search
 * allocates nothing; the hash is seeded, so that nobody can aim for one chain.
 */
import type { Random } from "../../util/index.js";

/** What the table keeps in a port: its dynamic entries, oldest first. */
export interface MacOwner {
  macs: number;
  oldestMac: number;
  newestMac: number;
}

export interface MacEntry<Owner> {
  readonly owner: Owner;
  readonly vlan: number;
  readonly bytes: Uint8Array;
  readonly isStatic: boolean;
  /** When it was last seen, to the second. */
  readonly seen: number;
}

export interface MacLimits {
  readonly entries: number;
  readonly entriesPerPort: number;
  readonly ageNs: number;
}

export const MAC_LIMITS: MacLimits = { entries: 4096, entriesPerPort: 1024, ageNs: 300e9 };
const SECOND_NS = 1e9;
const NONE = -1;

/** The VLAN and the first two bytes of an address in one word. */
export const macHigh = (vlan: number, first16: number): number => ((vlan << 16) | first16) >>> 0;

export class MacTable<Owner extends MacOwner> {
  /** Addresses that were not learned because the port or the table is full, or because the address is another's for good. */
  refused = 0;
  /** Entries given up for another port's. */
  evicted = 0;
  #count = 0;
  readonly #heads: Int32Array;
  readonly #next: Int32Array;
  readonly #high: Uint32Array;
  readonly #low: Uint32Array;
  readonly #seen: Float64Array;
  readonly #static: Uint8Array;
  readonly #owners: (Owner | null)[];
  /** Neighbours in the owner's list; of a free entry, the next free one. */
  readonly #older: Int32Array;
  readonly #newer: Int32Array;
  #free = 0;
  readonly #seed: number;

  constructor(
    random: Random,
    private readonly owners: () => readonly Owner[],
    private readonly limits: MacLimits = MAC_LIMITS,
  ) {
    const { entries } = limits;
    this.#heads = new Int32Array(2 ** Math.ceil(Math.log2(entries + 1))).fill(NONE);
    this.#next = new Int32Array(entries);
    this.#high = new Uint32Array(entries);
    this.#low = new Uint32Array(entries);
    this.#seen = new Float64Array(entries);
    this.#static = new Uint8Array(entries);
    this.#owners = new Array<Owner | null>(entries).fill(null);
    this.#older = new Int32Array(entries);
    this.#newer = Int32Array.from({ length: entries }, (_, i) => (i + 1 < entries ? i + 1 : NONE));
    if (entries === 0) this.#free = NONE;
    this.#seed = random.u32() | 0;
  }

  get size(): number {
    return this.#count;
  }

  /** The port behind which an address is, or null. */
  lookup(high: number, low: number, now: number): Owner | null {
    const i = this.#find(high, low);
    if (i === NONE) return null;
    if (this.#static[i] === 0 && now - this.#seen[i]! > this.limits.ageNs) {
      this.#remove(i);
      return null;
    }
    return this.#owners[i]!;
  }

  /** A frame from this address came in at `owner`. */
  learn(owner: Owner, high: number, low: number, now: number): void {
    const i = this.#find(high, low);
    if (i === NONE) {
      this.#insert(owner, high, low, now, false);
    } else if (this.#static[i] !== 0) {
      if (this.#owners[i] !== owner) this.refused++;
    } else if (this.#owners[i] !== owner) {
      this.#move(i, owner, now);
    } else if (now - this.#seen[i]! >= SECOND_NS) {
      this.#seen[i] = now;
      this.#unlink(i);
      this.#link(i, owner);
    }
  }

  /** An entry that neither ages nor moves. The first one for an address counts. */
  addStatic(owner: Owner, high: number, low: number, now: number): void {
    const i = this.#find(high, low);
    if (i !== NONE) {
      if (this.#static[i] !== 0) {
        this.refused++;
        return;
      }
      this.#remove(i);
    }
    this.#insert(owner, high, low, now, true);
  }

  /** Forgets what was learned of a port. */
  flush(owner: Owner): void {
    while (owner.oldestMac !== NONE) this.#remove(owner.oldestMac);
  }

  /** Forgets a port altogether. */
  forget(owner: Owner): void {
    this.flush(owner);
    this.#owners.forEach((other, i) => {
      if (other === owner) this.#remove(i);
    });
  }

  list(now: number): MacEntry<Owner>[] {
    const entries: MacEntry<Owner>[] = [];
    this.#owners.forEach((owner, i) => {
      const isStatic = this.#static[i] !== 0;
      if (owner === null || (!isStatic && now - this.#seen[i]! > this.limits.ageNs)) return;
      const high = this.#high[i]!;
      const low = this.#low[i]!;
      const bytes = Uint8Array.of(high >>> 8, high, low >>> 24, low >>> 16, low >>> 8, low);
      entries.push({ owner, vlan: high >>> 16, bytes, isStatic, seen: this.#seen[i]! });
    });
    return entries;
  }

  #bucket(high: number, low: number): number {
    let hash = Math.imul(low ^ this.#seed, 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 15) ^ high, 0xc2b2ae35);
    return (hash ^ (hash >>> 14)) & (this.#heads.length - 1);
  }

  #find(high: number, low: number): number {
    let i = this.#heads[this.#bucket(high, low)]!;
    while (i !== NONE && (this.#low[i] !== low || this.#high[i] !== high)) i = this.#next[i]!;
    return i;
  }

  #move(i: number, owner: Owner, now: number): void {
    if (owner.macs >= this.limits.entriesPerPort && !this.#dropAged(owner, now)) {
      this.refused++;
      return;
    }
    this.#unlink(i);
    this.#seen[i] = now;
    this.#owners[i] = owner;
    this.#link(i, owner);
  }

  #insert(owner: Owner, high: number, low: number, now: number, isStatic: boolean): void {
    if (!isStatic && owner.macs >= this.limits.entriesPerPort && !this.#dropAged(owner, now)) {
      this.refused++;
      return;
    }
    if (this.#free === NONE && !this.#makeRoom(owner, isStatic)) {
      this.refused++;
      return;
    }
    const i = this.#free;
    this.#free = this.#newer[i]!;
    const bucket = this.#bucket(high, low);
    this.#high[i] = high;
    this.#low[i] = low;
    this.#seen[i] = now;
    this.#static[i] = isStatic ? 1 : 0;
    this.#owners[i] = owner;
    this.#next[i] = this.#heads[bucket]!;
    this.#heads[bucket] = i;
    this.#count++;
    if (!isStatic) this.#link(i, owner);
  }

  /** Drops the oldest entry of a port if it is too old anyway. */
  #dropAged(owner: Owner, now: number): boolean {
    const oldest = owner.oldestMac;
    if (oldest === NONE || now - this.#seen[oldest]! <= this.limits.ageNs) return false;
    this.#remove(oldest);
    return true;
  }

  /** Takes an entry from the port that has most, unless that would be unfair to it. */
  #makeRoom(owner: Owner, isStatic: boolean): boolean {
    let most: Owner | null = null;
    for (const other of this.owners()) if (other.macs > (most?.macs ?? 0)) most = other;
    if (most === null || (!isStatic && most.macs <= owner.macs + 1)) return false;
    this.#remove(most.oldestMac);
    this.evicted++;
    return true;
  }

  #remove(i: number): void {
    const bucket = this.#bucket(this.#high[i]!, this.#low[i]!);
    if (this.#heads[bucket] === i) {
      this.#heads[bucket] = this.#next[i]!;
    } else {
      let before = this.#heads[bucket]!;
      while (this.#next[before] !== i) before = this.#next[before]!;
      this.#next[before] = this.#next[i]!;
    }
    if (this.#static[i] === 0) this.#unlink(i);
    this.#owners[i] = null;
    this.#newer[i] = this.#free;
    this.#free = i;
    this.#count--;
  }

  /** Appends an entry to its owner's list. */
  #link(i: number, owner: Owner): void {
    this.#older[i] = owner.newestMac;
    this.#newer[i] = NONE;
    if (owner.newestMac === NONE) owner.oldestMac = i;
    else this.#newer[owner.newestMac] = i;
    owner.newestMac = i;
    owner.macs++;
  }

  #unlink(i: number): void {
    const owner = this.#owners[i]!;
    const older = this.#older[i]!;
    const newer = this.#newer[i]!;
    if (older === NONE) owner.oldestMac = newer;
    else this.#newer[older] = newer;
    if (newer === NONE) owner.newestMac = older;
    else this.#older[newer] = older;
    owner.macs--;
  }
}
