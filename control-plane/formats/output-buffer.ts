// OutputBuffer: what a decompressor writes into. It grows as data comes, and never past the caller's limit, so that a
// small hostile file cannot claim all memory.

const INITIAL_BYTES = 64 * 1024;

/** A growing byte buffer with a hard limit. */
export class OutputBuffer {
  /** The storage: bytes up to `length` are valid. Replaced when the buffer grows. */
  bytes: Uint8Array;
  length = 0;

  constructor(
    private readonly limitBytes: number,
    expectedBytes = INITIAL_BYTES,
  ) {
    this.bytes = new Uint8Array(Math.max(0, Math.min(limitBytes, expectedBytes)));
  }

  /** Makes room for `count` more bytes; false when that would pass the limit. */
  reserve(count: number): boolean {
    const needed = this.length + count;
    if (needed > this.limitBytes) return false;
    if (needed <= this.bytes.length) return true;
    const grown = new Uint8Array(Math.min(this.limitBytes, Math.max(needed, this.bytes.length * 2)));
    grown.set(this.bytes.subarray(0, this.length));
    this.bytes = grown;
    return true;
  }

  /** Appends `chunk`; false when that would pass the limit. */
  append(chunk: Uint8Array): boolean {
    if (!this.reserve(chunk.length)) return false;
    this.bytes.set(chunk, this.length);
    this.length += chunk.length;
    return true;
  }

  /** The valid bytes, without a copy. */
  finish(): Uint8Array {
    return this.bytes.subarray(0, this.length);
  }
}
