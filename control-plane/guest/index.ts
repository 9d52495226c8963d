// The default guest: Debian's own kernel and busybox, as a kernel file and an initramfs in the user's cache.
//
// prepareGuest answers from the cache when it can, without touching the network; otherwise it fetches Debian's packages,
// verifies them against the signed index, and builds the initramfs here: no root, no external unpacking tools.
import { createHash } from "node:crypto";
import { join } from "node:path";
import { ok } from "../util/index.js";
import { buildGuest } from "./build.js";
import { defaultCacheDir, withLock } from "./cache.js";
import type { GuestResult } from "./errors.js";
import { type GuestManifest, readManifest, type StoredGuest } from "./manifest.js";
import { hashSources, NETCHANNEL2 } from "./netchannel2/index.js";
import { obtainPackages } from "./packages.js";
import type { OnProgress } from "./progress.js";

export { defaultCacheDir } from "./cache.js";
export { type MakeDiskOptions, makeDisk } from "./disk/index.js";
export type { GuestErrorCode, GuestResult } from "./errors.js";
export type { GuestManifest } from "./manifest.js";
export { buildModule, type ModuleOptions, NETCHANNEL2, NETCHANNEL2_SOURCES } from "./netchannel2/index.js";
export { type OnProgress, type Progress, progressBar } from "./progress.js";
export { EXEC_STATUS_PREFIX } from "./rootfs/index.js";

/** Raise when the recipe makes something else of the same packages: cached guests are then built anew. */
const RECIPE_VERSION = 10;

/**
 * The kernel command line of the default guest. mitigations=off: no secrets of others share this processor, and page-table
 * isolation is dear when emulated. cryptomgr.notests: the self-tests cost a second and test the kernel, not us.
 */
export const DEFAULT_CMDLINE = "console=hvc0 earlyprintk=xen mitigations=off cryptomgr.notests";

/** Which of Debian's kernels: the small one for cloud guests, or the one with every driver. */
export type GuestFlavour = "cloud" | "full";

export interface PrepareGuestOptions {
  readonly flavour: GuestFlavour;
  /** Kernel modules to add, and to load at boot; "netchannel2" is ours, and built for the guest's kernel. */
  readonly modules?: readonly string[];
  /** A Debian mirror, where there is no apt; the default is the environment's XENOLITH_MIRROR. */
  readonly mirror?: string;
  /** OpenPGP keys that must have signed the mirror's index; the default is Debian's. */
  readonly keyring?: string;
  readonly cacheDir?: string;
  readonly onProgress?: OnProgress;
  /** Use only what the cache holds. */
  readonly offline?: boolean;
  /** Look for newer packages even when the cache holds a guest. */
  readonly refresh?: boolean;
  readonly signal?: AbortSignal;
}

/** A guest that is ready to boot. */
export interface GuestImage {
  readonly name: string;
  /** Path of the bzImage. */
  readonly kernel: string;
  /** Path of the initramfs: a newc archive. */
  readonly initramfs: string;
  readonly cmdline: string;
  readonly manifest: GuestManifest;
}

/** Finds the default guest in the cache, or fetches, verifies and builds it. */
export async function prepareGuest(options: PrepareGuestOptions): Promise<GuestResult<GuestImage>> {
  const cacheDir = options.cacheDir ?? defaultCacheDir();
  const modules = [...new Set(options.modules ?? [])].sort();
  const own = modules.includes(NETCHANNEL2) ? [await hashSources()] : [];
  const folder = guestFolder(cacheDir, options.flavour, [...modules, ...own]);
  const stored: StoredGuest = { folder, recipe: RECIPE_VERSION };
  const cached = options.refresh ? undefined : await readManifest(stored);
  if (cached) return ok(toImage(stored, cached));
  return withLock<GuestImage>(`${stored.folder}.lock`, options.signal, async () => {
    // Another process may have built it while we waited.
    const built = options.refresh ? undefined : await readManifest(stored);
    if (built) return ok(toImage(stored, built));
    const packages = await obtainPackages({ ...options, cacheDir });
    if (!packages.ok) return packages;
    const manifest = await buildGuest(stored, options.flavour, modules, packages.value, { ...options, cacheDir });
    return manifest.ok ? ok(toImage(stored, manifest.value)) : manifest;
  });
}

/** The plain guest of a flavour has a plain name; what is added gives a short hash. */
function guestFolder(cacheDir: string, flavour: GuestFlavour, modules: readonly string[]): string {
  const suffix =
    modules.length === 0 ? "" : `-${createHash("sha256").update(modules.join()).digest("hex").slice(0, 8)}`;
  return join(cacheDir, "guests", flavour + suffix);
}

function toImage(stored: StoredGuest, manifest: GuestManifest): GuestImage {
  return {
    name: `debian-${manifest.flavour}`,
    kernel: join(stored.folder, manifest.kernel.file),
    initramfs: join(stored.folder, manifest.initramfs.file),
    cmdline: DEFAULT_CMDLINE,
    manifest,
  };
}
