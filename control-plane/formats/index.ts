// Front door of the byte formats.
export { type Compression, type DecompressOptions, decompress, detectCompression } from "./decompress.js";
export type { FormatErrorCode } from "./errors.js";
export { compressGzip, decompressGzip } from "./gzip.js";
export { decompressLz4Legacy } from "./lz4-legacy.js";
export { decompressXz } from "./xz/index.js";
export { decompressZstd } from "./zstd.js";
