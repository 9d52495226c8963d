// Front door of the byte formats.
export { type ArMember, readAr } from "./ar.js";
export * from "./archive.js";
export { crc32 } from "./checksum/crc32.js";
export { sha256 } from "./checksum/sha256.js";
export { readCpio, writeCpio } from "./cpio.js";
export { readControlFields, readDebControl, readDebData } from "./deb.js";
export {
  type Compression,
  type DecompressOptions,
  decompress,
  decompressAsync,
  detectCompression,
} from "./decompress.js";
export type { FormatErrorCode } from "./errors.js";
export { compressGzip, decompressGzip } from "./gzip.js";
export { decompressLz4Legacy } from "./lz4-legacy.js";
export { readTar } from "./tar.js";
export { decodeUtf8, encodeUtf8, readAscii, readCString } from "./text.js";
export { decompressXz } from "./xz/index.js";
export { decompressZstd } from "./zstd/index.js";
