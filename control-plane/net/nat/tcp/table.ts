/** Finds a connection by its ends: open addressing over numbers, with a hash that nobody outside can foresee. */
import type { Random } from "../../../util/index.js";
import type { Ends } from "./types.js";

const FIRST_SLOTS = 64;

function same(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let n = 0; n < a.length; n++) if (a[n] !== b[n]) return false;
  return true;
}

/** What the table keeps. `hash` is the table's. */
export interface Entry {
  readonly ends: Ends;
  hash: number;
}

export class Table<T extends Entry> {
  #slots: (T | null)[] = new Array<T | null>(FIRST_SLOTS).fill(null);
  /** The same places' hashes: most that do not match are seen to be none here. */
  #hashes = new Int32Array(FIRST_SLOTS);
  #count = 0;
  readonly #seed: number;
  readonly #factor: number;

  constructor(random: Random) {
    this.#seed = random.u32() | 0;
    this.#factor = random.u32() | 1;
  }

  get count(): number {
    return this.#count;
  }

  find(guest: Uint8Array, guestPort: number, remote: Uint8Array, remotePort: number): T | null {
    const hash = this.#hash(guest, guestPort, remote, remotePort);
    const mask = this.#slots.length - 1;
    for (let at = hash & mask; ; at = (at + 1) & mask) {
      const entry = this.#slots[at]!;
      if (entry === null) return null;
      if (this.#hashes[at] !== hash) continue;
      const { ends } = entry;
      if (ends.guest.port !== guestPort || ends.remote.port !== remotePort) continue;
      if (same(ends.guest.address, guest) && same(ends.remote.address, remote)) return entry;
    }
  }

  /** Adds what is not there. */
  add(entry: T): void {
    if (2 * (this.#count + 1) > this.#slots.length) this.#grow();
    const { guest, remote } = entry.ends;
    entry.hash = this.#hash(guest.address, guest.port, remote.address, remote.port);
    this.#place(entry);
    this.#count++;
  }

  /** Takes out what is there, and moves up those behind that would not be found any more. */
  remove(entry: T): void {
    const mask = this.#slots.length - 1;
    let hole = entry.hash & mask;
    while (this.#slots[hole] !== entry) hole = (hole + 1) & mask;
    for (let at = (hole + 1) & mask; this.#slots[at] !== null; at = (at + 1) & mask) {
      const home = this.#hashes[at]! & mask;
      if (((at - home) & mask) < ((at - hole) & mask)) continue;
      this.#slots[hole] = this.#slots[at]!;
      this.#hashes[hole] = this.#hashes[at]!;
      hole = at;
    }
    this.#slots[hole] = null;
    this.#count--;
  }

  all(): T[] {
    return this.#slots.filter((entry) => entry !== null);
  }

  #place(entry: T): void {
    const mask = this.#slots.length - 1;
    let at = entry.hash & mask;
    while (this.#slots[at] !== null) at = (at + 1) & mask;
    this.#slots[at] = entry;
    this.#hashes[at] = entry.hash;
  }

  #grow(): void {
    const entries = this.all();
    const size = this.#slots.length * 2;
    this.#slots = new Array<T | null>(size).fill(null);
    this.#hashes = new Int32Array(size);
    for (const entry of entries) this.#place(entry);
  }

  #hash(guest: Uint8Array, guestPort: number, remote: Uint8Array, remotePort: number): number {
    let hash = this.#mix(this.#seed, (guestPort << 16) | remotePort);
    for (let n = 0; n < guest.length; n += 4) hash = this.#mix(hash, word(guest, n));
    for (let n = 0; n < remote.length; n += 4) hash = this.#mix(hash, word(remote, n));
    return hash;
  }

  #mix(hash: number, value: number): number {
    const mixed = Math.imul(hash ^ value, this.#factor);
    return Math.imul(mixed ^ (mixed >>> 15), 0x2c1b3c6d) ^ (mixed >>> 12);
  }
}

const word = (bytes: Uint8Array, at: number): number =>
  (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
