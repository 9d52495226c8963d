// PackageSource: where Debian packages come from. A source hands out only what it has verified, or can be verified by the
// hash it vouches for.
import type { GuestResult } from "../errors.js";

/** What a package index says about one package. */
export interface PackageInfo {
  readonly name: string;
  readonly version: string;
  readonly sizeBytes: number;
  /** Lower-case hexadecimal, from a signed index. */
  readonly sha256: string;
  /** The index's Pre-Depends and Depends fields, or "". */
  readonly depends: string;
  /** Path of the file below the source's root. */
  readonly filename: string;
}

export interface PackageSource {
  /** For messages and the manifest, such as "apt". */
  readonly name: string;
  /** Looks a package up in the signed index. */
  find(packageName: string): Promise<GuestResult<PackageInfo>>;
  /** Fetches a package; the caller checks its hash. */
  download(info: PackageInfo, onBytes: (doneBytes: number) => void): Promise<GuestResult<Uint8Array>>;
  /** Releases what the source holds. */
  close(): Promise<void>;
}
