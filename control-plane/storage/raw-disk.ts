/** A raw image: the file's bytes are the disk's. A last part that fills no sector is left out. */
import { SECTOR_BYTES } from "./disk.js";
import type { ImageFile } from "./image-file.js";
import { PlainDisk } from "./plain-disk.js";
import { checkWritable } from "./segments.js";

export class RawDisk extends PlainDisk {
  #sectors: number;

  constructor(file: ImageFile) {
    super(file);
    this.#sectors = Math.floor(file.size / SECTOR_BYTES);
  }

  get description(): string {
    return `raw ${this.file.name}`;
  }

  get sectors(): number {
    return this.#sectors;
  }

  /** Extends the disk with zeros. */
  async grow(sectors: number): Promise<void> {
    this.checkOpen();
    checkWritable(this);
    if (sectors === this.#sectors) return;
    // A last part that filled no sector was never the disk's.
    this.file.truncate(this.#sectors * SECTOR_BYTES);
    this.file.truncate(sectors * SECTOR_BYTES);
    await this.file.sync();
    this.#sectors = sectors;
  }
}
