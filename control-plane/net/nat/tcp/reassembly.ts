/** What came before what goes before it. What came first stays: nothing is replaced by what comes later. */
import type { Packet } from "../../packet.js";
import { distance, isBefore, later, plus } from "./sequence.js";

/** Pieces that are kept: more, and smaller ones, are a peer that wants to keep us busy. */
const MOST_PIECES = 1024;
/** What a piece takes besides its bytes, about. */
const PIECE_BYTES = 256;
const MOST_RANGES = 4;

export class Reassembly {
  /** In order, and none overlaps another. */
  #seqs: number[] = [];
  #pieces: Uint8Array[] = [];
  #held = 0;
  /** Where the latest pieces begin, the last first: their ranges are told in this order. */
  readonly #latest = new Int32Array(MOST_RANGES);
  #latestCount = 0;
  /** What `findRanges` found. */
  ranges = 0;
  readonly rangeFrom = new Int32Array(MOST_RANGES);
  readonly rangeTo = new Int32Array(MOST_RANGES);

  /** Bytes of memory, about. */
  get held(): number {
    return this.#held;
  }

  get isEmpty(): boolean {
    return this.#pieces.length === 0;
  }

  /** Where the last piece ends; there is one. */
  get end(): number {
    return this.#end(this.#pieces.length - 1);
  }

  /** Keeps what is new of `[from, from + count)` of the packet, which begins at `seq`, as long as `room` allows. */
  add(seq: number, packet: Packet, from: number, count: number, room: number): void {
    let at = this.#pieces.length;
    while (at > 0 && isBefore(seq, this.#end(at - 1))) at--;
    let left = room;
    for (let done = 0; done < count; ) {
      const here = plus(seq, done);
      const next = at < this.#pieces.length ? distance(this.#seqs[at]!, here) : count;
      if (next > 0) {
        const length = Math.min(next, count - done);
        left -= length + PIECE_BYTES;
        if (this.#pieces.length === MOST_PIECES || left < 0) break;
        const bytes = new Uint8Array(length);
        packet.copyTo(bytes, 0, from + done, length);
        this.#insert(at++, here, bytes);
        done += length;
      } else {
        done = Math.max(done, distance(this.#end(at), seq));
        at++;
      }
    }
    this.#remember(seq);
  }

  /** The piece that goes on at `seq`, taken out; null when there is none. */
  take(seq: number): Uint8Array | null {
    let gone = 0;
    let found: Uint8Array | null = null;
    while (found === null && gone < this.#pieces.length && !isBefore(seq, this.#seqs[gone]!)) {
      const piece = this.#pieces[gone]!;
      const known = distance(seq, this.#seqs[gone++]!);
      this.#held -= piece.length + PIECE_BYTES;
      if (known < piece.length) found = known === 0 ? piece : piece.subarray(known);
    }
    if (gone > 0) {
      this.#pieces.splice(0, gone);
      this.#seqs.splice(0, gone);
    }
    return found;
  }

  /** Finds what SACK tells: the range of the latest piece first, then those told before. [RFC 2018] 4 */
  findRanges(): void {
    this.ranges = 0;
    for (let n = 0; n < this.#latestCount; n++) this.#tell(this.#latest[n]!);
  }

  clear(): void {
    this.#seqs = [];
    this.#pieces = [];
    this.#held = 0;
    this.#latestCount = 0;
  }

  #end(n: number): number {
    return plus(this.#seqs[n]!, this.#pieces[n]!.length);
  }

  #insert(at: number, seq: number, bytes: Uint8Array): void {
    if (at === this.#pieces.length) {
      this.#pieces.push(bytes);
      this.#seqs.push(seq);
    } else {
      this.#pieces.splice(at, 0, bytes);
      this.#seqs.splice(at, 0, seq);
    }
    this.#held += bytes.length + PIECE_BYTES;
  }

  #remember(seq: number): void {
    this.#latestCount = Math.min(this.#latestCount + 1, MOST_RANGES);
    for (let n = this.#latestCount - 1; n > 0; n--) this.#latest[n] = this.#latest[n - 1]!;
    this.#latest[0] = seq;
  }

  /** Adds the range that holds `seq`, unless it is there or gone. */
  #tell(seq: number): void {
    for (let n = 0; n < this.ranges; n++)
      if (!isBefore(seq, this.rangeFrom[n]!) && isBefore(seq, this.rangeTo[n]!)) return;
    let at = this.#seqs.length - 1;
    while (at >= 0 && isBefore(seq, this.#seqs[at]!)) at--;
    if (at < 0 || !isBefore(seq, this.#end(at))) return;
    let first = at;
    while (first > 0 && this.#end(first - 1) === this.#seqs[first]!) first--;
    while (at + 1 < this.#seqs.length && this.#end(at) === this.#seqs[at + 1]!) at++;
    this.rangeFrom[this.ranges] = this.#seqs[first]!;
    this.rangeTo[this.ranges++] = later(this.#end(at), this.#seqs[first]!);
  }
}
