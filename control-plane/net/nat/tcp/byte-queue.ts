/**
 * Bytes that wait, in the pieces they came in. Small pieces are gathered into blocks, so that a byte that waits takes
 * about the memory of a byte.
 */

const SMALL_BYTES = 1024;
const BLOCK_BYTES = 4096;

export class ByteQueue {
  #pieces: Uint8Array[] = [];
  /** The first piece that is still there. */
  #head = 0;
  /** Bytes of it that are gone. */
  #skipped = 0;
  #length = 0;
  /** The last piece is a view of a block of ours, which has room behind it. */
  #block: Uint8Array | null = null;
  #used = 0;
  /** Where the last `read` ended, as the next begins there: a piece, and the first byte of it counted from the queue's. */
  #hintPiece = 0;
  #hintOffset = 0;

  get length(): number {
    return this.#length;
  }

  push(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#length += bytes.length;
    if (bytes.length >= SMALL_BYTES) {
      this.#block = null;
      this.#pieces.push(bytes);
      return;
    }
    const block = this.#block;
    if (block !== null && this.#used + bytes.length <= BLOCK_BYTES) {
      block.set(bytes, this.#used);
      const last = this.#pieces[this.#pieces.length - 1]!;
      this.#used += bytes.length;
      const start = last.byteOffset;
      this.#pieces[this.#pieces.length - 1] = block.subarray(start, this.#used);
      return;
    }
    this.#block = new Uint8Array(BLOCK_BYTES);
    this.#block.set(bytes);
    this.#used = bytes.length;
    this.#pieces.push(this.#block.subarray(0, bytes.length));
  }

  /** Lets go of the first bytes. */
  drop(count: number): void {
    let left = Math.min(count, this.#length);
    this.#length -= left;
    while (left > 0) {
      const rest = this.#pieces[this.#head]!.length - this.#skipped;
      if (left < rest) {
        this.#skipped += left;
        break;
      }
      left -= rest;
      this.#next();
    }
    this.#hintPiece = this.#head;
    this.#hintOffset = -this.#skipped;
    this.#tidy();
  }

  /** The first piece, taken out. */
  shift(): Uint8Array {
    const piece = this.#pieces[this.#head]!;
    const bytes = this.#skipped === 0 ? piece : piece.subarray(this.#skipped);
    this.#length -= bytes.length;
    this.#next();
    this.#hintPiece = this.#head;
    this.#hintOffset = 0;
    this.#tidy();
    return bytes;
  }

  /** `count` bytes from `from` on, which are there: a view of a piece, or gathered in `buffer`. */
  read(from: number, count: number, buffer: Uint8Array): Uint8Array {
    let n = this.#hintPiece;
    let offset = this.#hintOffset;
    if (offset > from) {
      n = this.#head;
      offset = -this.#skipped;
    }
    while (offset + this.#pieces[n]!.length <= from) offset += this.#pieces[n++]!.length;
    this.#hintPiece = n;
    this.#hintOffset = offset;
    let skip = from - offset;
    const first = this.#pieces[n]!;
    if (skip === 0 && first.length === count) return first;
    if (first.length - skip >= count) return first.subarray(skip, skip + count);
    for (let done = 0; done < count; n++, skip = 0) {
      const piece = this.#pieces[n]!;
      const take = Math.min(piece.length - skip, count - done);
      buffer.set(skip === 0 && take === piece.length ? piece : piece.subarray(skip, skip + take), done);
      done += take;
    }
    return buffer.subarray(0, count);
  }

  clear(): void {
    this.#pieces = [];
    this.#head = 0;
    this.#skipped = 0;
    this.#length = 0;
    this.#block = null;
    this.#hintPiece = 0;
    this.#hintOffset = 0;
  }

  #next(): void {
    // What is done with is let go of now, not when the list is made shorter.
    this.#pieces[this.#head++] = GONE;
    this.#skipped = 0;
    if (this.#head === this.#pieces.length) this.#block = null;
  }

  #tidy(): void {
    if (this.#head < 64 || this.#head * 2 < this.#pieces.length) return;
    this.#pieces.splice(0, this.#head);
    this.#hintPiece -= this.#head;
    this.#head = 0;
  }
}

const GONE = new Uint8Array(0);
