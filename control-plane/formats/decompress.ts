// decompress: names the compression of some bytes by their magic and undoes it.
import type { Result } from "../util/index.js";
import { type FormatErrorCode, unsupported } from "./errors.js";
import { decompressGzip, hasGzipMagic } from "./gzip.js";
import { decompressLz4Legacy, hasLz4LegacyMagic } from "./lz4-legacy.js";
import { decompressXz, decompressXzSteps, hasXzMagic } from "./xz/index.js";
import { decompressZstd, hasZstdMagic } from "./zstd/index.js";

/** The compressions that {@link decompress} knows. */
export type Compression = "gzip" | "xz" | "lz4-legacy" | "zstd";

/** Options of {@link decompress}. */
export interface DecompressOptions {
  /**
   * Accept what follows the compressed data, as in the payload of a bzImage, where Linux appends the unpacked size to
   * all but gzip.
   */
  readonly ignoreTrailing?: boolean;
}

/** Which compression `bytes` starts with, if one that we know. */
export function detectCompression(bytes: Uint8Array): Compression | undefined {
  if (hasGzipMagic(bytes)) return "gzip";
  if (hasXzMagic(bytes)) return "xz";
  if (hasLz4LegacyMagic(bytes)) return "lz4-legacy";
  if (hasZstdMagic(bytes)) return "zstd";
  return undefined;
}

/** Decompresses gzip, xz (with the x86 branch filter), legacy lz4 or zstd data; refuses to unpack more than `limitBytes`. */
export function decompress(
  bytes: Uint8Array,
  limitBytes: number,
  options: DecompressOptions = {},
): Result<Uint8Array, FormatErrorCode> {
  switch (detectCompression(bytes)) {
    case "gzip":
      return decompressGzip(bytes, limitBytes);
    case "xz":
      return decompressXz(bytes, limitBytes, options);
    case "lz4-legacy":
      return decompressLz4Legacy(bytes, limitBytes, options);
    case "zstd":
      return decompressZstd(bytes, limitBytes, options);
    default:
      return unsupported("this compression (known are gzip, xz, lz4 legacy and zstd)");
  }
}

/**
 * Like {@link decompress}, but large xz data leaves the event loop free now and then, and reports how much is read.
 * @param sliceMs how long it works before it lets others run
 */
export async function decompressAsync(
  bytes: Uint8Array,
  limitBytes: number,
  onProgress: (readBytes: number) => void = () => {},
  sliceMs = 25,
): Promise<Result<Uint8Array, FormatErrorCode>> {
  if (detectCompression(bytes) !== "xz") return decompress(bytes, limitBytes);
  const steps = decompressXzSteps(bytes, limitBytes);
  for (let sliceStart = performance.now(); ; ) {
    const step = steps.next();
    if (step.done) return step.value;
    if (performance.now() - sliceStart < sliceMs) continue;
    onProgress(step.value);
    await new Promise((resolve) => setTimeout(resolve, 0));
    sliceStart = performance.now();
  }
}
