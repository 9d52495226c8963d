/** A raw image: the file's bytes are the disk's. A last part that fills no sector is left out. */
import { type Disk, type Pending, SECTOR_BYTES } from "./disk.js";
import { StorageError } from "./errors.js";
import type { ImageFile } from "./image-file.js";
import { checkRange, checkRequest, checkWritable, type Segments } from "./segments.js";

export class RawDisk implements Disk {
  readonly sectorSize = SECTOR_BYTES;
  readonly supportsDiscard = false;
  readonly description: string;
  #sectors: number;
  #closed = false;

  /** Takes the file over: it is closed with the disk. */
  constructor(readonly file: ImageFile) {
    this.description = `raw ${file.name}`;
    this.#sectors = Math.floor(file.size / SECTOR_BYTES);
  }

  get sectors(): number {
    return this.#sectors;
  }

  get readOnly(): boolean {
    return this.file.mode === "read";
  }

  read(sector: number, into: Segments): Pending {
    this.#check();
    if (checkRequest(this, sector, into) > 0) return this.file.read(sector * SECTOR_BYTES, into);
  }

  write(sector: number, from: Segments): Pending {
    this.#check();
    checkWritable(this);
    if (checkRequest(this, sector, from) > 0) return this.file.write(sector * SECTOR_BYTES, from);
  }

  flush(): Pending {
    this.#check();
    if (!this.readOnly) return this.file.sync();
  }

  discard(sector: number, count: number): Pending {
    this.#check();
    checkWritable(this);
    checkRange(this, sector, count);
  }

  /** Extends the disk with zeros. */
  async grow(sectors: number): Promise<void> {
    this.#check();
    checkWritable(this);
    await this.file.truncate(sectors * SECTOR_BYTES);
    await this.file.sync();
    this.#sectors = sectors;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    if (!this.readOnly) await this.file.sync();
    await this.file.close();
  }

  #check(): void {
    if (this.#closed) throw new StorageError("closed", "the disk is closed", { file: this.description });
  }
}
