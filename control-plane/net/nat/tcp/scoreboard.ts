/** What the peer says it has of what was not acknowledged: ranges in order, apart from each other. [RFC 6675] */
import { DUPLICATES } from "./limits.js";
import { distance, isBefore, later } from "./sequence.js";

/** Ranges that are kept: what more would say is sent again. */
const MOST_RANGES = 64;

export class Scoreboard {
  readonly #from: number[] = [];
  readonly #to: number[] = [];
  #bytes = 0;
  /** The hole that `findHole` found. */
  holeFrom = 0;
  holeTo = 0;

  get ranges(): number {
    return this.#from.length;
  }

  /** Bytes that the peer has. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Adds a range; how many bytes of it are news. */
  add(from: number, to: number): number {
    let at = 0;
    while (at < this.#from.length && isBefore(this.#to[at]!, from)) at++;
    let end = at;
    let start = from;
    let stop = to;
    let known = 0;
    for (; end < this.#from.length && !isBefore(to, this.#from[end]!); end++) {
      known += distance(this.#to[end]!, this.#from[end]!);
      if (isBefore(this.#from[end]!, start)) start = this.#from[end]!;
      stop = later(stop, this.#to[end]!);
    }
    if (end === at && this.#from.length === MOST_RANGES) return 0;
    this.#from.splice(at, end - at, start);
    this.#to.splice(at, end - at, stop);
    const news = distance(stop, start) - known;
    this.#bytes += news;
    return news;
  }

  /** All before `una` is acknowledged. */
  advance(una: number): void {
    while (this.#from.length > 0 && isBefore(this.#from[0]!, una)) {
      const to = this.#to[0]!;
      const gone = isBefore(una, to) ? una : to;
      this.#bytes -= distance(gone, this.#from[0]!);
      if (gone === to) {
        this.#from.shift();
        this.#to.shift();
      } else this.#from[0] = gone;
    }
  }

  clear(): void {
    this.#from.length = 0;
    this.#to.length = 0;
    this.#bytes = 0;
  }

  /** Bytes before `seq` that the peer has. */
  bytesBefore(seq: number): number {
    let bytes = 0;
    for (let n = 0; n < this.#from.length && isBefore(this.#from[n]!, seq); n++)
      bytes += distance(isBefore(seq, this.#to[n]!) ? seq : this.#to[n]!, this.#from[n]!);
    return bytes;
  }

  /** `seq`, or the end of the range that it is in. */
  skip(seq: number): number {
    for (let n = 0; n < this.#from.length && !isBefore(seq, this.#from[n]!); n++)
      if (isBefore(seq, this.#to[n]!)) return this.#to[n]!;
    return seq;
  }

  /** How many bytes from `seq` on the peer has not; `most` when there are no ranges behind. */
  gap(seq: number, most: number): number {
    for (let n = 0; n < this.#from.length; n++)
      if (isBefore(seq, this.#from[n]!)) return Math.min(most, distance(this.#from[n]!, seq));
    return most;
  }

  /**
   * Whether what is before the range `n` is lost: enough that was sent later has arrived. The first hole is, once
   * `isFirstLost`: that is what brought us here. [RFC 6675] 4 IsLost
   */
  #isLost(n: number, before: number, mss: number, isFirstLost: boolean): boolean {
    if (n === 0 && isFirstLost) return true;
    return this.#from.length - n >= DUPLICATES || this.#bytes - before > (DUPLICATES - 1) * mss;
  }

  /** Whether the oldest is lost. */
  isLost(mss: number): boolean {
    return this.#from.length > 0 && this.#isLost(0, 0, mss, false);
  }

  /** Bytes between `una` and `next` that are on their way. `sent`: up to there holes were sent again. [RFC 6675] 4 SetPipe */
  pipe(una: number, next: number, sent: number, mss: number): number {
    let total = 0;
    let before = 0;
    let at = una;
    for (let n = 0; n < this.#from.length; n++) {
      const from = this.#from[n]!;
      if (!this.#isLost(n, before, mss, true)) total += distance(from, at);
      if (isBefore(at, sent)) total += distance(isBefore(sent, from) ? sent : from, at);
      before += distance(this.#to[n]!, from);
      at = this.#to[n]!;
    }
    return total + Math.max(0, distance(next, at));
  }

  /** Finds the first lost bytes from `seq` on, which is not before `una`. */
  findHole(una: number, seq: number, mss: number): boolean {
    let before = 0;
    let at = una;
    for (let n = 0; n < this.#from.length; n++) {
      const from = this.#from[n]!;
      const start = later(at, seq);
      if (isBefore(start, from)) {
        if (!this.#isLost(n, before, mss, true)) return false;
        this.holeFrom = start;
        this.holeTo = from;
        return true;
      }
      before += distance(this.#to[n]!, from);
      at = this.#to[n]!;
    }
    return false;
  }
}
