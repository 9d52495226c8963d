/**
 * Who holds how much. A guest may hold as many bytes as are free besides, and a connection a quarter of what its guest
 * may still have: one guest gets half of all at most, two a third each, and there is always something left for the next.
 */
import { LEAST_SHARE, type TcpLimits } from "./limits.js";

/** What one guest has. */
export class GuestShare<T> {
  connections = 0;
  /** Connections that are over for it, and their streams outside are not: they still hold a socket, and perhaps bytes. */
  lingering = 0;
  halfOpen = 0;
  bytes = 0;
  /** There was no room for a segment to it. */
  isBlocked = false;
  /** Those that wait for room. */
  readonly waiting = new Set<T>();

  constructor(readonly key: string) {}
}

export class Shares<T> {
  readonly #guests = new Map<string, GuestShare<T>>();
  bytes = 0;

  constructor(private readonly limits: TcpLimits) {}

  /** The guest's share; it is kept as long as it has anything. */
  of(key: string): GuestShare<T> {
    let guest = this.#guests.get(key);
    if (guest === undefined) {
      guest = new GuestShare(key);
      this.#guests.set(key, guest);
    }
    return guest;
  }

  all(): IterableIterator<GuestShare<T>> {
    return this.#guests.values();
  }

  hold(guest: GuestShare<T>, bytes: number): void {
    guest.bytes += bytes;
    this.bytes += bytes;
    if (guest.bytes === 0) this.release(guest);
  }

  /** The guest has one connection more. What made place for it may have been all that its share had. */
  enter(guest: GuestShare<T>): void {
    guest.connections++;
    this.#guests.set(guest.key, guest);
  }

  leave(guest: GuestShare<T>): void {
    guest.connections--;
    this.release(guest);
  }

  /** A connection is about to be over whose stream is not. */
  linger(guest: GuestShare<T>): void {
    guest.lingering++;
  }

  /** Its stream is over as well. */
  lingered(guest: GuestShare<T>): void {
    guest.lingering--;
    this.release(guest);
  }

  /** Lets go of a share that has nothing. One that was let go of before may have a successor, which is not touched. */
  release(guest: GuestShare<T>): void {
    if (guest.connections + guest.lingering > 0 || guest.bytes > 0 || this.#guests.get(guest.key) !== guest) return;
    this.#guests.delete(guest.key);
  }

  /** Bytes that one connection may hold in one direction, of the `most` that it may have at best. */
  allowed(guest: GuestShare<T>, most: number): number {
    const free = this.limits.totalBytes - this.bytes - guest.bytes;
    return Math.min(most, Math.max(LEAST_SHARE, free >> 2));
  }
}
