// Packages from a Debian mirror that the user names: signed InRelease, then the hash of Packages.xz, then of each package.
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { decodeUtf8, decompress } from "../../formats/index.js";
import { err, ok } from "../../util/index.js";
import { fromException, type GuestResult } from "../errors.js";
import { checkValidUntil, findPackage, findReleaseFile } from "./index-file.js";
import type { PackageInfo, PackageSource } from "./source.js";

const SUITE = "bookworm";
const PACKAGES_PATH = "main/binary-amd64/Packages.xz";
const RELEASE_LIMIT_BYTES = 4 << 20;
const PACKAGES_LIMIT_BYTES = 256 << 20;

/** Returns the text that a clearsigned file's signature covers, or why it cannot be trusted. */
export type VerifyClearsigned = (signed: Uint8Array) => Promise<GuestResult<string>>;

/** A source that reads the mirror at `baseUrl` (http, https or file), trusting what `verify` accepts. */
export function mirrorSource(
  baseUrl: string,
  verify: VerifyClearsigned,
  signal: AbortSignal | undefined,
): PackageSource {
  const root = baseUrl.endsWith("/") ? baseUrl : `${baseUrl}/`;
  let index: Promise<GuestResult<string>> | undefined;

  async function loadIndex(): Promise<GuestResult<string>> {
    const signed = await fetchBytes(`${root}dists/${SUITE}/InRelease`, RELEASE_LIMIT_BYTES, signal);
    if (!signed.ok) return signed;
    const release = await verify(signed.value);
    if (!release.ok) return release;
    const fresh = checkValidUntil(release.value, Date.now());
    if (!fresh.ok) return fresh;
    const listed = findReleaseFile(release.value, PACKAGES_PATH);
    if (!listed.ok) return listed;
    const packed = await fetchBytes(`${root}dists/${SUITE}/${PACKAGES_PATH}`, listed.value.sizeBytes, signal);
    if (!packed.ok) return packed;
    if (createHash("sha256").update(packed.value).digest("hex") !== listed.value.sha256) {
      return err("unverified", "the mirror's package index does not have the hash that its release file signs");
    }
    const packages = decompress(packed.value, PACKAGES_LIMIT_BYTES);
    return packages.ok ? ok(decodeUtf8(packages.value)) : err("corrupt", packages.error.message);
  }

  return {
    name: `mirror ${root}`,
    async find(packageName: string): Promise<GuestResult<PackageInfo>> {
      index ??= loadIndex();
      const packages = await index;
      return packages.ok ? findPackage(packages.value, packageName) : packages;
    },
    download: (info, onBytes) => fetchBytes(root + info.filename, info.sizeBytes, signal, onBytes),
    close: async () => {},
  };
}

/** Fetches a file of at most `limitBytes`. */
async function fetchBytes(
  url: string,
  limitBytes: number,
  signal: AbortSignal | undefined,
  onBytes: (doneBytes: number) => void = () => {},
): Promise<GuestResult<Uint8Array>> {
  if (!URL.canParse(url)) return err("source", `"${url}" is not a URL`);
  if (url.startsWith("file:")) return readLocal(new URL(url), limitBytes);
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    const response = await fetch(url, signal ? { signal } : {});
    if (!response.ok || !response.body)
      return err("source", `${url} answers ${response.status} ${response.statusText}`);
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
      size += chunk.length;
      if (size > limitBytes) return err("unverified", `${url} is larger than its index says`);
      chunks.push(chunk);
      onBytes(size);
    }
  } catch (error) {
    if (signal?.aborted) return err("cancelled", "the download was cancelled");
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    return fromException("offline", `${url} cannot be reached`, cause);
  }
  return ok(new Uint8Array(Buffer.concat(chunks)));
}

async function readLocal(url: URL, limitBytes: number): Promise<GuestResult<Uint8Array>> {
  try {
    const bytes = new Uint8Array(await readFile(url));
    return bytes.length <= limitBytes ? ok(bytes) : err("unverified", `${url} is larger than its index says`);
  } catch (error) {
    return fromException("source", `${url} cannot be read`, error);
  }
}
