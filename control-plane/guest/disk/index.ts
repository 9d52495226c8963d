// A Debian root file system on a disk image, for the default guest's kernel: packages unpacked into ext4, in a dynamic VHD.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ArchiveEntry, readDebData, S_IFDIR, S_IFMT } from "../../formats/index.js";
import { nodeFinder } from "../../storage/folders/finder-node.js";
import { ImageLibrary, StorageError } from "../../storage/index.js";
import { err, ok } from "../../util/index.js";
import { defaultCacheDir } from "../cache.js";
import { fromException, type GuestResult } from "../errors.js";
import type { FetchedPackage, ObtainOptions } from "../packages.js";
import { mergedPath, ownEntries } from "./files.js";
import { makeExt4 } from "./filesystem.js";
import { DISK_PACKAGES, obtainDiskPackages } from "./packages.js";

const UNPACK_LIMIT_BYTES = 1 << 30;
const DEFAULT_BYTES = 1 << 30;
/** What nobody reads there. */
const LEFT_OUT = /^usr\/share\/(doc|man|info|locale|lintian|bug)\//;

export interface MakeDiskOptions extends Partial<Omit<ObtainOptions, "flavour">> {
  /** Of the disk; 1 GiB unless told. */
  readonly sizeBytes?: number;
  /** Packages beside the base system's. */
  readonly packages?: readonly string[];
}

/** Makes an image with a Debian root file system on the whole disk: boot it with `root=/dev/xvda`. */
export async function makeDisk(image: string, options: MakeDiskOptions = {}): Promise<GuestResult<void>> {
  const cacheDir = options.cacheDir ?? defaultCacheDir();
  const names = [...new Set([...DISK_PACKAGES, ...(options.packages ?? [])])];
  const packages = await obtainDiskPackages(names, { ...options, cacheDir });
  if (!packages.ok) return packages;
  options.onProgress?.({ phase: "build", done: 0, total: 0 });
  const entries = await rootEntries(packages.value);
  if (!entries.ok) return entries;
  const folder = await mkdtemp(join(tmpdir(), "xenolith-disk-"));
  try {
    const raw = join(folder, "root.img");
    const made = await makeExt4(entries.value, raw, options.sizeBytes ?? DEFAULT_BYTES, join(folder, "root"));
    if (!made.ok) return made;
    const random = { u32: () => crypto.getRandomValues(new Uint32Array(1))[0]! };
    const images = new ImageLibrary(nodeFinder({ sources: { random, now: () => Date.now() } }));
    await images.convert(raw, image, { kind: "dynamic" });
    return ok(undefined);
  } catch (error) {
    if (error instanceof StorageError) return err("io", error.message);
    return fromException("io", "the disk cannot be made", error);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** All files of the packages in their places, ours over them; folders first. */
async function rootEntries(packages: readonly FetchedPackage[]): Promise<GuestResult<ArchiveEntry[]>> {
  const entries = new Map<string, ArchiveEntry>();
  for (const fetched of packages) {
    const unpacked = await readDebData(fetched.bytes, UNPACK_LIMIT_BYTES);
    if (!unpacked.ok) return err("corrupt", `${fetched.name} cannot be unpacked: ${unpacked.error.message}`);
    for (const entry of unpacked.value) {
      const path = mergedPath(entry.path);
      if (path === "" || LEFT_OUT.test(path) || entries.get(path) !== undefined) continue;
      const to = entry.hardLinkTo;
      entries.set(path, { ...entry, path, ...(to === undefined ? {} : { hardLinkTo: mergedPath(to) }) });
    }
  }
  for (const path of ["bin", "sbin", "lib", "lib64"]) entries.delete(path);
  for (const entry of ownEntries()) entries.set(entry.path, entry);
  const isFolder = ({ mode }: ArchiveEntry): boolean => (mode & S_IFMT) === S_IFDIR;
  const all = [...entries.values()];
  return ok([...all.filter(isFolder), ...all.filter((entry) => !isFolder(entry))]);
}
