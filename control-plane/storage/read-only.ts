/** What all have in common that are only read: disks, and files. */

import type { Asker } from "./asker.js";
import { type Disk, type Pending, SECTOR_BYTES } from "./disk.js";
import { StorageError } from "./errors.js";
import type { ImageFile } from "./image-file.js";
import type { Segments } from "./segments.js";

export abstract class ReadOnlyDisk implements Disk {
  readonly sectorSize = SECTOR_BYTES;
  readonly readOnly = true;
  readonly supportsDiscard = false;
  abstract readonly description: string;
  abstract readonly sectors: number;

  abstract read(sector: number, into: Segments, asker?: Asker): Pending;
  abstract close(): Pending;

  write(): Pending {
    throw new StorageError("read-only", "the disk may only be read", { file: this.description });
  }

  flush(): Pending {}

  discard(): Pending {
    this.write();
  }
}

export abstract class ReadOnlyFile implements ImageFile {
  readonly mode = "read";
  abstract readonly name: string;
  abstract readonly size: number;
  abstract readonly modifiedMs: number;

  abstract read(at: number, into: Segments, asker?: Asker): Pending;
  abstract close(): Pending;

  write(): void {
    throw new StorageError("read-only", "the file may only be read", { file: this.name });
  }

  truncate(): void {
    this.write();
  }

  setModified(): void {
    this.write();
  }

  sync(): void {}

  downgrade(): void {}

  async upgrade(): Promise<void> {
    this.write();
  }
}
