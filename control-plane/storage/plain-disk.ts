/** A disk whose data are a file's bytes from the first one on: raw images, and fixed VHDs, which have a footer behind. */

import type { Asker } from "./asker.js";
import { type Disk, type Pending, SECTOR_BYTES } from "./disk.js";
import { StorageError } from "./errors.js";
import type { ImageFile } from "./image-file.js";
import { checkRange, checkRequest, checkWritable, type Segments } from "./segments.js";

export abstract class PlainDisk implements Disk {
  readonly sectorSize = SECTOR_BYTES;
  readonly supportsDiscard = false;
  #closed = false;

  /** Takes the file over: it is closed with the disk. */
  constructor(readonly file: ImageFile) {}

  abstract get description(): string;
  abstract get sectors(): number;

  get readOnly(): boolean {
    return this.file.mode === "read";
  }

  read(sector: number, into: Segments, asker?: Asker): Pending {
    this.checkOpen();
    if (checkRequest(this, sector, into) > 0) return this.file.read(sector * SECTOR_BYTES, into, asker);
  }

  write(sector: number, from: Segments): Pending {
    this.checkOpen();
    checkWritable(this);
    if (checkRequest(this, sector, from) > 0) this.file.write(sector * SECTOR_BYTES, from);
  }

  flush(): Pending {
    this.checkOpen();
    if (!this.readOnly) return this.file.sync();
  }

  discard(sector: number, count: number): Pending {
    this.checkOpen();
    checkWritable(this);
    checkRange(this, sector, count);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    try {
      if (!this.readOnly) await this.file.sync();
    } finally {
      await this.file.close();
    }
  }

  protected checkOpen(): void {
    if (this.#closed) throw new StorageError("closed", "the disk is closed", { file: this.description });
  }
}
