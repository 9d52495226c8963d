/**
 * A block's sector bitmap: one bit a sector, the most significant bit of a byte first. Set means that the block holds the
 * sector; clear means that it reads as zeros, or as the parent's in a differencing disk. [VHD] "Data Blocks"
 */

const ONES = Uint8Array.from({ length: 256 }, (_, byte) => {
  let ones = 0;
  for (let rest = byte; rest !== 0; rest &= rest - 1) ones++;
  return ones;
});

export class SectorBitmap {
  #set = 0;

  /** Takes the bytes over; those beyond the block's sectors do not count. */
  constructor(
    readonly bytes: Uint8Array,
    private readonly sectors: number,
  ) {
    const whole = sectors >> 3;
    for (let i = 0; i < whole; i++) this.#set += ONES[bytes[i]!]!;
    for (let sector = whole * 8; sector < sectors; sector++) if (this.has(sector)) this.#set++;
  }

  get isFull(): boolean {
    return this.#set === this.sectors;
  }

  get isEmpty(): boolean {
    return this.#set === 0;
  }

  has(sector: number): boolean {
    return (this.bytes[sector >> 3]! & (0x80 >> (sector & 7))) !== 0;
  }

  /** Sets a run of bits; whether any changed. */
  setRun(sector: number, count: number): boolean {
    if (this.isFull) return false;
    const before = this.#set;
    for (let s = sector; s < sector + count; s++) {
      const mask = 0x80 >> (s & 7);
      if ((this.bytes[s >> 3]! & mask) !== 0) continue;
      this.bytes[s >> 3]! |= mask;
      this.#set++;
    }
    return this.#set !== before;
  }

  /** How many of the `limit` sectors from `sector` on are all set, or all clear, as the first one is. */
  runLength(sector: number, limit: number): number {
    if (this.isFull) return limit;
    const value = this.has(sector);
    const solid = value ? 0xff : 0;
    let count = 1;
    while (count < limit) {
      const next = sector + count;
      if ((next & 7) === 0 && limit - count >= 8 && this.bytes[next >> 3] === solid) count += 8;
      else if (this.has(next) === value) count++;
      else break;
    }
    return count;
  }
}
