// The two bit readers of Zstandard [RFC 8878] 4.1: forward for table descriptions, backward for entropy streams.

/** Reads a little-endian bit string from its start; bits past the end are zero, and `overrun` then says so. */
export class ForwardBits {
  private bit: number;

  constructor(
    private readonly bytes: Uint8Array,
    start: number,
    private readonly end: number,
  ) {
    this.bit = start * 8;
  }

  peek(count: number): number {
    const at = this.bit >> 3;
    const b = this.bytes;
    const byte = (i: number) => (at + i < this.end ? b[at + i]! : 0);
    const word = byte(0) | (byte(1) << 8) | (byte(2) << 16) | (byte(3) << 24);
    return (word >>> (this.bit & 7)) & ((1 << count) - 1);
  }

  skip(count: number): void {
    this.bit += count;
  }

  read(count: number): number {
    const value = this.peek(count);
    this.bit += count;
    return value;
  }

  /** The first whole byte that is not read. */
  get bytePos(): number {
    return (this.bit + 7) >> 3;
  }

  get overrun(): boolean {
    return this.bytePos > this.end;
  }
}

/** Reads a bit string from its end, where the highest set bit of the last byte is a mark. Bits before the start are zero. */
export class BackwardBits {
  /** Bits left to read; negative once more were read than there are. */
  left: number;
  private readonly startBit: number;

  constructor(
    private readonly bytes: Uint8Array,
    start: number,
    end: number,
  ) {
    this.startBit = start * 8;
    const last = end > start ? bytes[end - 1]! : 0;
    this.left = last === 0 ? -1 : (end - start) * 8 - (Math.clz32(last) - 23);
  }

  /** The next `count` bits (at most 24) without reading them. */
  peek(count: number): number {
    const from = this.left - count;
    if (from < 0) return this.peekPastStart(count);
    const bit = this.startBit + from;
    const at = bit >> 3;
    const b = this.bytes;
    // A byte past the array's end reads as undefined, which the operators take as zero; it is masked off anyway.
    const word = b[at]! | (b[at + 1]! << 8) | (b[at + 2]! << 16) | (b[at + 3]! << 24);
    return (word >>> (bit & 7)) & ((1 << count) - 1);
  }

  private peekPastStart(count: number): number {
    const real = this.left;
    return real <= 0 ? 0 : this.peek(real) << (count - real);
  }

  read(count: number): number {
    if (count > 24) return this.read(count - 16) * 65536 + this.read(16);
    const value = this.peek(count);
    this.left -= count;
    return value;
  }
}
