// Obtains the Debian packages that a guest is made of: from the cache when they were fetched before, else from a source.
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import { err, ok } from "../util/index.js";
import { checkSignal, readJson, writeFileAtomic } from "./cache.js";
import { fromException, type GuestResult } from "./errors.js";
import { verifyRelease } from "./openpgp/index.js";
import type { OnProgress } from "./progress.js";
import { aptSource, hasApt } from "./sources/apt.js";
import { imagePackageOf } from "./sources/index-file.js";
import { mirrorSource } from "./sources/mirror.js";
import type { PackageInfo, PackageSource } from "./sources/source.js";

/** Environment variable that names a mirror. */
export const MIRROR_VARIABLE = "XENOLITH_MIRROR";

const META_PACKAGES = { cloud: "linux-image-cloud-amd64", full: "linux-image-amd64" } as const;
const BUSYBOX_PACKAGE = "busybox-static";

export const Package = v.object({ name: v.string(), version: v.string(), sizeBytes: v.number(), sha256: v.string() });
/** What was resolved last, so that another guest can be built of the same packages without a network. */
const Resolution = v.object({ source: v.string(), kernel: Package, busybox: Package });

/** A package that is here and has the hash that its signed index gives. */
export interface FetchedPackage {
  readonly name: string;
  readonly version: string;
  readonly sha256: string;
  readonly bytes: Uint8Array;
}

export interface GuestPackages {
  readonly source: string;
  readonly kernel: FetchedPackage;
  readonly busybox: FetchedPackage;
}

export interface ObtainOptions {
  readonly flavour: keyof typeof META_PACKAGES;
  readonly cacheDir: string;
  readonly mirror?: string;
  readonly keyring?: string;
  readonly offline?: boolean;
  readonly refresh?: boolean;
  readonly onProgress?: OnProgress;
  readonly signal?: AbortSignal;
}

const NOTHING_CACHED = "No prepared guest is in the cache";

/** Obtains the kernel and busybox packages of a flavour. */
export async function obtainPackages(options: ObtainOptions): Promise<GuestResult<GuestPackages>> {
  const cached = options.refresh && !options.offline ? undefined : await readCachedPackages(options);
  if (cached) return ok(cached);
  if (options.offline) return err("offline", `${NOTHING_CACHED}: connect to a network once and run npm run guest.`);
  const source = await chooseSource(options);
  if (!source.ok) return source;
  try {
    const fetched = await fetchPackages(source.value, options);
    if (fetched.ok || fetched.error.code !== "offline") return fetched;
    const next = `Connect to a network, or name a Debian mirror near you in the variable ${MIRROR_VARIABLE}.`;
    return err("offline", `No package source can be reached (${fetched.error.message}). ${next}`);
  } finally {
    await source.value.close();
  }
}

export async function chooseSource(options: Omit<ObtainOptions, "flavour">): Promise<GuestResult<PackageSource>> {
  const mirror = options.mirror ?? process.env[MIRROR_VARIABLE];
  if (mirror) {
    return ok(mirrorSource(mirror, (signed) => verifyRelease(signed, options.keyring, options.signal), options.signal));
  }
  if (await hasApt()) return ok(aptSource(join(options.cacheDir, "apt"), options.signal));
  const next = `Name a Debian mirror in the variable ${MIRROR_VARIABLE}, as https://MIRROR/debian`;
  return err("offline", `${NOTHING_CACHED}, and this machine has no apt to make one with. ${next}.`);
}

async function fetchPackages(source: PackageSource, options: ObtainOptions): Promise<GuestResult<GuestPackages>> {
  options.onProgress?.({ phase: "index", done: 0, total: 0 });
  const meta = await source.find(META_PACKAGES[options.flavour]);
  if (!meta.ok) return meta;
  const imageName = imagePackageOf(meta.value);
  if (!imageName.ok) return imageName;
  const kernelInfo = await source.find(imageName.value);
  if (!kernelInfo.ok) return kernelInfo;
  const busyboxInfo = await source.find(BUSYBOX_PACKAGE);
  if (!busyboxInfo.ok) return busyboxInfo;
  const total = kernelInfo.value.sizeBytes + busyboxInfo.value.sizeBytes;
  const kernel = await fetchPackage(source, kernelInfo.value, 0, total, options);
  if (!kernel.ok) return kernel;
  const busybox = await fetchPackage(source, busyboxInfo.value, kernelInfo.value.sizeBytes, total, options);
  if (!busybox.ok) return busybox;
  const resolution = { source: source.name, kernel: kernelInfo.value, busybox: busyboxInfo.value };
  try {
    await writeFileAtomic(resolutionPath(options), `${JSON.stringify(resolution, null, 2)}\n`);
  } catch (error) {
    return fromException("io", "the cache folder cannot be written", error);
  }
  return ok({ source: source.name, kernel: kernel.value, busybox: busybox.value });
}

export async function fetchPackage(
  source: PackageSource,
  info: PackageInfo,
  doneBefore: number,
  total: number,
  options: ObtainOptions,
): Promise<GuestResult<FetchedPackage>> {
  const cached = await readCachedPackage(options.cacheDir, info);
  if (cached) return ok(cached);
  const go = checkSignal(options.signal);
  if (!go.ok) return go;
  const report = (bytes: number) => options.onProgress?.({ phase: "download", done: doneBefore + bytes, total });
  const bytes = await source.download(info, report);
  if (!bytes.ok) return bytes;
  report(info.sizeBytes);
  if (sha256Hex(bytes.value) !== info.sha256) {
    return err("unverified", `the package ${info.name} from ${source.name} does not have the hash of the signed index`);
  }
  try {
    await writeFileAtomic(packagePath(options.cacheDir, info), bytes.value);
  } catch (error) {
    return fromException("io", "the cache folder cannot be written", error);
  }
  return ok({ name: info.name, version: info.version, sha256: info.sha256, bytes: bytes.value });
}

async function readCachedPackages(options: ObtainOptions): Promise<GuestPackages | undefined> {
  const resolution = v.safeParse(Resolution, await readJson(resolutionPath(options)));
  if (!resolution.success) return undefined;
  const kernel = await readCachedPackage(options.cacheDir, resolution.output.kernel);
  const busybox = await readCachedPackage(options.cacheDir, resolution.output.busybox);
  return kernel && busybox ? { source: resolution.output.source, kernel, busybox } : undefined;
}

export async function readCachedPackage(
  cacheDir: string,
  info: v.InferOutput<typeof Package>,
): Promise<FetchedPackage | undefined> {
  try {
    const bytes = new Uint8Array(await readFile(packagePath(cacheDir, info)));
    if (sha256Hex(bytes) !== info.sha256) return undefined;
    return { name: info.name, version: info.version, sha256: info.sha256, bytes };
  } catch {
    return undefined;
  }
}

/** Packages are stored under their hash, so a name from outside never becomes a path. */
function packagePath(cacheDir: string, info: { sha256: string }): string {
  return join(cacheDir, "packages", `${info.sha256}.deb`);
}

function resolutionPath(options: ObtainOptions): string {
  return join(options.cacheDir, "packages", `${options.flavour}.json`);
}

export function sha256Hex(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
