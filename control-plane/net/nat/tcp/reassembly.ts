/** Segments that came before what goes before them. What came first stays: nothing is replaced by what comes later. */
import { distance, isBefore, plus } from "./sequence.js";

interface Piece {
  seq: number;
  bytes: Uint8Array;
}

/** Pieces that are kept: more, and smaller ones, are a peer that wants to keep us busy. */
const MOST_PIECES = 256;

export class Reassembly {
  /** In order, and none overlaps another. */
  #pieces: Piece[] = [];
  #bytes = 0;
  /** Where the latest piece begins: it is told first. */
  #latest = 0;

  get bytes(): number {
    return this.#bytes;
  }

  get isEmpty(): boolean {
    return this.#pieces.length === 0;
  }

  /** Keeps what is new of a segment. */
  add(seq: number, bytes: Uint8Array): void {
    this.#latest = seq;
    let from = seq;
    let rest = bytes;
    for (let n = 0; n <= this.#pieces.length && rest.length > 0; n++) {
      const next = this.#pieces[n];
      const room = next === undefined ? rest.length : distance(next.seq, from);
      if (room > 0 && this.#pieces.length < MOST_PIECES) {
        const part = rest.subarray(0, Math.min(room, rest.length));
        this.#pieces.splice(n, 0, { seq: from, bytes: part });
        this.#bytes += part.length;
        rest = rest.subarray(part.length);
        from = plus(from, part.length);
        continue;
      }
      if (next === undefined) return;
      const covered = distance(plus(next.seq, next.bytes.length), from);
      if (covered <= 0) continue;
      rest = rest.subarray(Math.min(covered, rest.length));
      from = plus(from, covered);
    }
  }

  /** The piece that goes on at `seq`, taken out; null when there is none. */
  take(seq: number): Uint8Array | null {
    for (let first = this.#pieces[0]; first !== undefined && !isBefore(seq, first.seq); first = this.#pieces[0]) {
      this.#pieces.shift();
      this.#bytes -= first.bytes.length;
      const known = distance(seq, first.seq);
      if (known < first.bytes.length) return first.bytes.subarray(known);
    }
    return null;
  }

  /** What is there, as SACK tells it: the range of the latest piece first. [RFC 2018] 4 */
  ranges(): [number, number][] {
    const ranges: [number, number][] = [];
    for (const { seq, bytes } of this.#pieces) {
      const last = ranges.at(-1);
      if (last !== undefined && last[1] === seq) last[1] = plus(seq, bytes.length);
      else ranges.push([seq, plus(seq, bytes.length)]);
    }
    const holds = ([from, to]: [number, number]) => !isBefore(this.#latest, from) && isBefore(this.#latest, to);
    return ranges.sort((a, b) => Number(holds(b)) - Number(holds(a)));
  }

  clear(): void {
    this.#pieces = [];
    this.#bytes = 0;
  }
}
