/** A fixed image as a disk: its data from the file's first byte on, the footer behind. [VHD] "Fixed Hard Disk Image" */
import { SECTOR_BYTES } from "../disk.js";
import type { ImageFile } from "../image-file.js";
import { PlainDisk } from "../plain-disk.js";
import type { Footer } from "./footer.js";

export class FixedDisk extends PlainDisk {
  #footer: Footer;
  #footerAt: number;

  constructor(file: ImageFile, footer: Footer, footerAt: number) {
    super(file);
    this.#footer = footer;
    this.#footerAt = footerAt;
  }

  get description(): string {
    return `vhd ${this.file.name}`;
  }

  get sectors(): number {
    return Number(this.#footer.currentSize) / SECTOR_BYTES;
  }

  get footer(): Footer {
    return this.#footer;
  }

  /** Where the footer is, in bytes: other programs may leave room between it and the data. */
  get footerAt(): number {
    return this.#footerAt;
  }

  /** Becomes another image in name: the file's footer has been changed already. */
  adoptIdentity({ uniqueId, timeStamp }: Footer): void {
    this.#footer = { ...this.#footer, uniqueId, timeStamp };
  }

  /** The footer has been changed in the file by others than this. */
  reload(footer: Footer, footerAt: number): void {
    this.#footer = footer;
    this.#footerAt = footerAt;
  }
}
