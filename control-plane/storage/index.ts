// Front door of disks and images. Node's folder is in folders/folder-node.ts: this door is for the browser too.
export { type Disk, type Pending, SECTOR_BYTES } from "./disk.js";
export { type FaultDetails, StorageError, type StorageErrorCode, toStorageError } from "./errors.js";
export { MemoryFolder } from "./folders/memory.js";
export type { FileInfo, Folder, ImageFile, OpenMode } from "./image-file.js";
export { MemoryDisk, type MemoryDiskOptions } from "./memory-disk.js";
export { RawDisk } from "./raw-disk.js";
export type { Segments } from "./segments.js";
