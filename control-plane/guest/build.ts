// Builds a guest from its packages: the kernel file as Debian made it, and our initramfs around busybox and modules.
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { type ArchiveEntry, readDebData } from "../formats/index.js";
import { err, ok } from "../util/index.js";
import { checkSignal, writeFileAtomic } from "./cache.js";
import { fromException, type GuestResult } from "./errors.js";
import { type GuestManifest, MANIFEST_FILE, type StoredGuest } from "./manifest.js";
import { canonicalModuleName, type ModuleTree, moduleIndexFiles, readModuleTree, resolveModules } from "./modules.js";
import { buildModule, type ModuleOptions, NETCHANNEL2 } from "./netchannel2/index.js";
import { type FetchedPackage, type GuestPackages, sha256Hex } from "./packages.js";
import type { OnProgress } from "./progress.js";
import { buildInitramfs } from "./rootfs/index.js";

/** More than any Debian kernel package unpacks to; a hostile one stops here. */
const UNPACK_LIMIT_BYTES = 1 << 30;

/**
 * Modules that every guest carries where its kernel has them as modules: the PV disk and network frontends, which /init
 * loads when there is a device, what file systems on such disks need, and the interfaces of Xen's own tools.
 */
const DEFAULT_MODULES = ["xen-blkfront", "xen-netfront", "ext4", "isofs", "overlay", "xenfs", "xen-privcmd"];

interface BuildOptions extends Omit<ModuleOptions, "release"> {
  readonly onProgress?: OnProgress;
}

/** Builds the guest into its folder and returns its manifest. */
export async function buildGuest(
  stored: StoredGuest,
  flavour: GuestManifest["flavour"],
  modules: readonly string[],
  packages: GuestPackages,
  options: BuildOptions,
): Promise<GuestResult<GuestManifest>> {
  const parts = await unpackPackages(packages, options);
  if (!parts.ok) return parts;
  const debian = readModuleTree(parts.value.kernelFiles);
  if (!debian.ok) return debian;
  const tree = modules.includes(NETCHANNEL2) ? await withOurs(debian.value, options) : debian;
  if (!tree.ok) return tree;
  const resolved = resolveModules(tree.value, modules, DEFAULT_MODULES);
  if (!resolved.ok) return resolved;
  options.onProgress?.({ phase: "build", done: 0, total: 0 });
  const initramfs = buildInitramfs({
    busybox: parts.value.busybox,
    moduleFiles: [...moduleIndexFiles(tree.value, resolved.value), ...resolved.value.map(({ file }) => file)],
    loadAtBoot: modules.map(canonicalModuleName).filter((name) => !tree.value.builtIn.has(name)),
  });
  const { release } = tree.value;
  const kernel = { name: `vmlinuz-${release}`, bytes: parts.value.vmlinuz };
  const manifest: GuestManifest = {
    recipe: stored.recipe,
    flavour,
    release,
    source: packages.source,
    createdAt: new Date().toISOString(),
    kernel: describeFile(kernel.name, kernel.bytes),
    initramfs: describeFile(`initramfs-${sha256Hex(initramfs).slice(0, 12)}.cpio`, initramfs),
    modules: resolved.value.map(({ name }) => name),
    packages: [packages.kernel, packages.busybox].map(({ name, version, sha256 }) => ({ name, version, sha256 })),
  };
  return storeGuest(stored.folder, manifest, kernel.bytes, initramfs);
}

/** The modules of a kernel, and ours among them. */
async function withOurs(tree: ModuleTree, options: BuildOptions): Promise<GuestResult<ModuleTree>> {
  const built = await buildModule({ ...options, release: tree.release });
  if (!built.ok) return built;
  const file = { path: `${tree.folder}extra/${NETCHANNEL2}.ko`, mode: 0o100644, data: built.value };
  return ok({ ...tree, files: new Map([...tree.files, [NETCHANNEL2, file]]) });
}

function describeFile(file: string, bytes: Uint8Array): GuestManifest["kernel"] {
  return { file, sizeBytes: bytes.length, sha256: sha256Hex(bytes) };
}

interface UnpackedParts {
  readonly kernelFiles: readonly ArchiveEntry[];
  readonly vmlinuz: Uint8Array;
  readonly busybox: Uint8Array;
}

async function unpackPackages(packages: GuestPackages, options: BuildOptions): Promise<GuestResult<UnpackedParts>> {
  const kernelFiles = await unpack(packages.kernel, options);
  if (!kernelFiles.ok) return kernelFiles;
  const busyboxFiles = await unpack(packages.busybox, {});
  if (!busyboxFiles.ok) return busyboxFiles;
  const go = checkSignal(options.signal);
  if (!go.ok) return go;
  const vmlinuz = kernelFiles.value.find(({ path }) => /^boot\/vmlinuz-[^/]+$/.test(path));
  if (!vmlinuz) return err("corrupt", `${packages.kernel.name} has no boot/vmlinuz`);
  const busybox = busyboxFiles.value.find(({ path }) => /^(usr\/)?bin\/busybox$/.test(path));
  if (!busybox) return err("corrupt", `${packages.busybox.name} has no bin/busybox`);
  return ok({ kernelFiles: kernelFiles.value, vmlinuz: vmlinuz.data, busybox: busybox.data });
}

async function unpack(fetched: FetchedPackage, options: BuildOptions): Promise<GuestResult<ArchiveEntry[]>> {
  const total = fetched.bytes.length;
  const report = (done: number) => options.onProgress?.({ phase: "unpack", done, total });
  report(0);
  const entries = await readDebData(fetched.bytes, UNPACK_LIMIT_BYTES, report);
  report(total);
  return entries.ok ? entries : err("corrupt", `${fetched.name} cannot be unpacked: ${entries.error.message}`);
}

/** Writes the files, then the manifest, then drops files of an older build. */
async function storeGuest(
  folder: string,
  manifest: GuestManifest,
  kernel: Uint8Array,
  initramfs: Uint8Array,
): Promise<GuestResult<GuestManifest>> {
  try {
    await writeFileAtomic(join(folder, manifest.kernel.file), kernel);
    await writeFileAtomic(join(folder, manifest.initramfs.file), initramfs);
    await writeFileAtomic(join(folder, MANIFEST_FILE), `${JSON.stringify(manifest, null, 2)}\n`);
    const current = new Set([manifest.kernel.file, manifest.initramfs.file, MANIFEST_FILE]);
    for (const name of await readdir(folder)) {
      if (!current.has(name)) await rm(join(folder, name), { force: true });
    }
    return ok(manifest);
  } catch (error) {
    return fromException("io", "the guest cannot be stored in the cache", error);
  }
}
