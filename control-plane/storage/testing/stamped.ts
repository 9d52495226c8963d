/** A disk's contents as a test knows them: every sector carries a stamp, and the test remembers which it may carry. */
import { type Disk, SECTOR_BYTES } from "../disk.js";

/** Fills a sector with its stamp. */
function stampSector(bytes: Uint8Array, stamp: number): void {
  new Uint32Array(bytes.buffer, bytes.byteOffset, SECTOR_BYTES / 4).fill(stamp);
}

/** What each sector may hold: what the last flush found there, and whatever was written since. */
export class StampedDisk {
  readonly #candidates = new Map<number, number[]>();
  /** Sectors that were discarded last, and not written since. */
  readonly #discarded = new Set<number>();
  #last = 0;

  /** Writes new stamps to some sectors. They count as written even when the write fails. */
  async write(disk: Disk, sector: number, count: number): Promise<void> {
    const bytes = new Uint8Array(count * SECTOR_BYTES);
    for (let i = 0; i < count; i++) {
      const stamp = ++this.#last;
      stampSector(bytes.subarray(i * SECTOR_BYTES, (i + 1) * SECTOR_BYTES), stamp);
      const candidates = this.#candidates.get(sector + i) ?? [0];
      candidates.push(stamp);
      this.#candidates.set(sector + i, candidates);
      this.#discarded.delete(sector + i);
    }
    await disk.write(sector, [bytes]);
  }

  /** Discards some sectors: they may hold what they held, or nothing. */
  async discard(disk: Disk, sector: number, count: number): Promise<void> {
    for (let s = sector; s < sector + count; s++) {
      this.#candidates.set(s, [...(this.#candidates.get(s) ?? []), 0]);
      this.#discarded.add(s);
    }
    await disk.discard(sector, count);
  }

  /** Flushes; what was written before that began is then certain. */
  async flush(disk: Disk): Promise<void> {
    const certain = [...this.#candidates].filter(([sector]) => !this.#discarded.has(sector));
    const before = new Map(certain.map(([sector, stamps]) => [sector, stamps.length - 1]));
    await disk.flush();
    for (const [sector, index] of before) {
      this.#candidates.set(sector, this.#candidates.get(sector)!.slice(index));
    }
  }

  /** What was written last is durable: a snapshot, when it has been taken. */
  nowCertain(): void {
    for (const [sector, stamps] of this.#candidates) {
      if (!this.#discarded.has(sector)) this.#candidates.set(sector, [stamps.at(-1)!]);
    }
  }

  /** Sectors that hold what they may not. */
  async wrong(disk: Disk): Promise<string[]> {
    const bytes = new Uint8Array(disk.sectors * SECTOR_BYTES);
    await disk.read(0, [bytes]);
    const words = new Uint32Array(bytes.buffer);
    const wrong: string[] = [];
    for (let sector = 0; sector < disk.sectors; sector++) {
      const stamp = words[(sector * SECTOR_BYTES) / 4]!;
      const isWhole = words
        .subarray((sector * SECTOR_BYTES) / 4, ((sector + 1) * SECTOR_BYTES) / 4)
        .every((w) => w === stamp);
      const candidates = this.#candidates.get(sector) ?? [0];
      if (!isWhole || !candidates.includes(stamp))
        wrong.push(`sector ${sector}: ${stamp}, not ${candidates.join("|")}`);
    }
    return wrong;
  }

  /** As it is now, for what goes its own way from here. */
  copy(): StampedDisk {
    const copy = new StampedDisk();
    for (const [sector, stamps] of this.#candidates) copy.#candidates.set(sector, [...stamps]);
    for (const sector of this.#discarded) copy.#discarded.add(sector);
    copy.#last = this.#last;
    return copy;
  }
}
