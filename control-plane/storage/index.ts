// Front door of disks and images. Node's folder is in folders/folder-node.ts: this door is for the browser too.
export { Asker, unlessGone } from "./asker.js";
export { type Disk, type Pending, SECTOR_BYTES } from "./disk.js";
export { type FaultDetails, StorageError, type StorageErrorCode, toStorageError } from "./errors.js";
export { MemoryFolder } from "./folders/memory.js";
export { OpfsFolder } from "./folders/opfs.js";
export { detectFormat, formatOfName, type ImageFormat } from "./format.js";
export type { CacheOptions } from "./http/cache.js";
export { HttpFile, type HttpFileOptions } from "./http/file.js";
export { cloneRemote, openHttp } from "./http/remote.js";
export type { FileInfo, Folder, ImageFile, OpenMode } from "./image-file.js";
export { Images, type ImagesOptions, type OpenRemote, SharedDisk } from "./images.js";
export {
  type CopyOptions,
  type FileSource,
  IMAGE_CALLS,
  IMAGE_JOBS,
  type ImageApi,
  type ImageFinder,
  type ImageJobCall,
  ImageLibrary,
  type ImageNode,
  type ImagePlace,
  type NewImage,
  oneStore,
} from "./library.js";
export type { Quiesce, SnapshotOptions, SnapshotResult } from "./live/at-rest.js";
export { coalesce, type LongOptions, type Progress } from "./live/coalesce.js";
export { LiveDisk } from "./live/live-disk.js";
export { grow } from "./live/resize.js";
export { takeSnapshot } from "./live/snapshot.js";
export { MemoryDisk, type MemoryDiskOptions } from "./memory-disk.js";
export { recoverFolder } from "./notes.js";
export { checkImage, repairImage } from "./operations/check.js";
export { type ConvertOptions, convertImage, exportFile, importFile } from "./operations/copy.js";
export { type CreateOptions, cloneImage, createImage } from "./operations/create.js";
export { renameImage, setParent } from "./operations/rename.js";
export { removeImage, revertImage } from "./operations/revert.js";
export { shrinkImage } from "./operations/shrink.js";
export { RawDisk } from "./raw-disk.js";
export type { Segments } from "./segments.js";
export { ImageStore, type OpenOptions } from "./store.js";
export {
  childrenOf,
  type ImageInfo,
  type ImageKind,
  imageInfo,
  imageTree,
  type ParentInfo,
  type TreeNode,
} from "./tree.js";
export type { Finding, FindingKind } from "./vhd/check.js";
export type { ImageSources } from "./vhd/create.js";
export type { FieldFault } from "./vhd/fault.js";
export type { RepairOptions } from "./vhd/repair.js";
