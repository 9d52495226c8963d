/** A fixed image as a disk: its data from the file's first byte on, the footer behind. [VHD] "Fixed Hard Disk Image" */
import { type Disk, type Pending, SECTOR_BYTES } from "../disk.js";
import { StorageError } from "../errors.js";
import type { ImageFile } from "../image-file.js";
import { checkRange, checkRequest, checkWritable, type Segments } from "../segments.js";
import type { Footer } from "./footer.js";

export class FixedDisk implements Disk {
  readonly sectorSize = SECTOR_BYTES;
  readonly supportsDiscard = false;
  #footer: Footer;
  #closed = false;

  /** Takes the file over: it is closed with the disk. */
  constructor(
    readonly file: ImageFile,
    footer: Footer,
  ) {
    this.#footer = footer;
  }

  get description(): string {
    return `vhd ${this.file.name}`;
  }

  get sectors(): number {
    return Number(this.#footer.currentSize) / SECTOR_BYTES;
  }

  get readOnly(): boolean {
    return this.file.mode === "read";
  }

  get footer(): Footer {
    return this.#footer;
  }

  /** Becomes another image in name: the file's footer has been changed already. */
  adoptIdentity({ uniqueId, timeStamp }: Footer): void {
    this.#footer = { ...this.#footer, uniqueId, timeStamp };
  }

  /** The footer has been changed in the file by others than this. */
  reload(footer: Footer): void {
    this.#footer = footer;
  }

  read(sector: number, into: Segments): Pending {
    this.#check();
    if (checkRequest(this, sector, into) > 0) return this.file.read(sector * SECTOR_BYTES, into);
  }

  write(sector: number, from: Segments): Pending {
    this.#check();
    checkWritable(this);
    if (checkRequest(this, sector, from) > 0) this.file.write(sector * SECTOR_BYTES, from);
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

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    try {
      if (!this.readOnly) await this.file.sync();
    } finally {
      await this.file.close();
    }
  }

  #check(): void {
    if (this.#closed) throw new StorageError("closed", "the disk is closed", { file: this.description });
  }
}
