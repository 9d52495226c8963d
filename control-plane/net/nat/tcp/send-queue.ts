/** Bytes on their way to the guest: kept, in the pieces they came in, until they are acknowledged. */

/** The most that one segment carries: an IP packet's, less the headers. */
const MOST_SEGMENT = 65_535 - 40 - 60;

export class SendQueue {
  #pieces: Uint8Array[] = [];
  /** Bytes of the first piece that are acknowledged already. */
  #skipped = 0;
  #length = 0;

  /** Bytes that are not acknowledged, sent or not. */
  get length(): number {
    return this.#length;
  }

  push(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#pieces.push(bytes);
    this.#length += bytes.length;
  }

  /** Lets go of the first bytes: they have arrived. */
  acknowledge(count: number): void {
    let left = Math.min(count, this.#length);
    this.#length -= left;
    let whole = 0;
    while (left > 0) {
      const rest = this.#pieces[whole]!.length - this.#skipped;
      if (left < rest) {
        this.#skipped += left;
        break;
      }
      left -= rest;
      this.#skipped = 0;
      whole++;
    }
    if (whole > 0) this.#pieces.splice(0, whole);
  }

  /** Up to `most` bytes from `from` on: a view of a piece, or gathered in `buffer`. */
  read(from: number, most: number, buffer: Uint8Array): Uint8Array {
    const count = Math.min(most, this.#length - from, MOST_SEGMENT, buffer.length);
    let skip = from + this.#skipped;
    let n = 0;
    while (skip >= this.#pieces[n]!.length) skip -= this.#pieces[n++]!.length;
    const first = this.#pieces[n]!;
    if (first.length - skip >= count) return first.subarray(skip, skip + count);
    for (let done = 0; done < count; n++, skip = 0) {
      const piece = this.#pieces[n]!;
      const part = piece.subarray(skip, skip + Math.min(piece.length - skip, count - done));
      buffer.set(part, done);
      done += part.length;
    }
    return buffer.subarray(0, count);
  }

  clear(): void {
    this.#pieces = [];
    this.#skipped = 0;
    this.#length = 0;
  }
}
