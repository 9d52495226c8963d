/** A disk that lives in memory: for tests, and for what nobody wants to keep. */
import { type Disk, type Pending, SECTOR_BYTES } from "./disk.js";
import { checkRange, checkRequest, checkWritable, clearSegments, gather, type Segments, scatter } from "./segments.js";

/** Memory is taken in pieces of this size, when they are written to first. */
const PIECE_BYTES = 64 * 1024;

export interface MemoryDiskOptions {
  readonly readOnly?: boolean;
  readonly description?: string;
}

export class MemoryDisk implements Disk {
  readonly sectorSize = SECTOR_BYTES;
  readonly supportsDiscard = true;
  readonly description: string;
  readonly readOnly: boolean;
  readonly #pieces = new Map<number, Uint8Array>();
  readonly #part: Uint8Array[] = [];

  constructor(
    readonly sectors: number,
    options: MemoryDiskOptions = {},
  ) {
    this.description = options.description ?? "memory";
    this.readOnly = options.readOnly ?? false;
  }

  /** A disk that holds these bytes, with zeros up to a whole sector. */
  static of(bytes: Uint8Array, options: MemoryDiskOptions = {}): MemoryDisk {
    const disk = new MemoryDisk(Math.ceil(bytes.length / SECTOR_BYTES), options);
    disk.#transfer(0, [bytes], true);
    return disk;
  }

  read(sector: number, into: Segments): Pending {
    checkRequest(this, sector, into);
    this.#transfer(sector * SECTOR_BYTES, into, false);
  }

  write(sector: number, from: Segments): Pending {
    checkWritable(this);
    checkRequest(this, sector, from);
    this.#transfer(sector * SECTOR_BYTES, from, true);
  }

  flush(): Pending {}

  /** Sectors read as zeros afterwards. */
  discard(sector: number, count: number): Pending {
    checkWritable(this);
    checkRange(this, sector, count);
    const end = (sector + count) * SECTOR_BYTES;
    for (let at = sector * SECTOR_BYTES; at < end; ) {
      const next = Math.min(end, (Math.floor(at / PIECE_BYTES) + 1) * PIECE_BYTES);
      const index = Math.floor(at / PIECE_BYTES);
      if (next - at === PIECE_BYTES) this.#pieces.delete(index);
      else this.#pieces.get(index)?.fill(0, at % PIECE_BYTES, (at % PIECE_BYTES) + next - at);
      at = next;
    }
  }

  close(): Pending {}

  #transfer(start: number, segments: Segments, write: boolean): void {
    let at = start;
    for (const segment of segments) {
      for (let done = 0; done < segment.length; ) {
        const offset = at % PIECE_BYTES;
        const count = Math.min(segment.length - done, PIECE_BYTES - offset);
        const view = count === segment.length ? segment : segment.subarray(done, done + count);
        this.#transferPiece(Math.floor(at / PIECE_BYTES), offset, view, write);
        done += count;
        at += count;
      }
    }
  }

  #transferPiece(index: number, offset: number, view: Uint8Array, write: boolean): void {
    let piece = this.#pieces.get(index);
    this.#part[0] = view;
    if (write) {
      if (piece === undefined) {
        piece = new Uint8Array(PIECE_BYTES);
        this.#pieces.set(index, piece);
      }
      gather(this.#part, piece, offset);
    } else if (piece === undefined) clearSegments(this.#part);
    else scatter(piece, offset, this.#part);
  }
}
