// Builds the netchannel2 front end, a Linux module, for a guest's kernel: against Debian's headers of just that kernel, with
// the machine's own gcc and make. Kept in the cache for as long as neither the sources nor the kernel change.
import { createHash } from "node:crypto";
import { cp, mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readDebData } from "../../formats/index.js";
import { err, ok } from "../../util/index.js";
import { defaultCacheDir, withLock, writeFileAtomic } from "../cache.js";
import { fromException, type GuestResult } from "../errors.js";
import { layOut } from "../lay-out.js";
import { chooseSource, fetchPackage, type ObtainOptions } from "../packages.js";
import { runProgram } from "../run-program.js";
import type { PackageInfo, PackageSource } from "../sources/source.js";

const SOURCES = fileURLToPath(new URL("./module/", import.meta.url));
const MODULE_FILE = "netchannel2.ko";
const UNPACK_LIMIT_BYTES = 1 << 30;
/** Packages that the headers stand on; what else they depend on any system with gcc has. */
const NEEDED = /^linux-(headers|kbuild)-/;
/** Where the packages' own files say that they are. */
const INSTALLED_AT = "/usr/src/";

export interface Netchannel2Options extends Omit<ObtainOptions, "flavour"> {
  /** The guest's kernel, as its manifest gives it. */
  readonly release: string;
}

/** The module for a kernel, built when the cache has none. */
export async function buildNetchannel2(
  options: Omit<Netchannel2Options, "cacheDir"> & { readonly cacheDir?: string },
): Promise<GuestResult<Uint8Array>> {
  const cacheDir = options.cacheDir ?? defaultCacheDir();
  const { release, signal } = options;
  try {
    const hash = await hashSources(release);
    const built = join(cacheDir, "netchannel2", `${hash}.ko`);
    const cached = await readIfThere(built);
    if (cached) return ok(cached);
    return await withLock<Uint8Array>(join(cacheDir, "netchannel2.lock"), signal, async () => {
      const headers = await obtainHeaders({ ...options, cacheDir });
      if (!headers.ok) return headers;
      const module = await build(join(cacheDir, "netchannel2", hash), headers.value, signal);
      if (module.ok) await writeFileAtomic(built, module.value);
      return module;
    });
  } catch (error) {
    return fromException("io", "the module's files cannot be handled", error);
  }
}

async function hashSources(release: string): Promise<string> {
  const hash = createHash("sha256").update(release);
  for (const name of (await readdir(SOURCES)).sort()) hash.update(name).update(await readFile(join(SOURCES, name)));
  return hash.digest("hex").slice(0, 16);
}

async function readIfThere(path: string): Promise<Uint8Array | undefined> {
  return readFile(path).then(
    (bytes) => new Uint8Array(bytes),
    () => undefined,
  );
}

/** The folder to build against: unpacked once for each kernel. */
async function obtainHeaders(options: Netchannel2Options): Promise<GuestResult<string>> {
  const name = `linux-headers-${options.release}`;
  const root = join(options.cacheDir, "headers", options.release);
  const folder = join(root, "usr", "src", name);
  if (await stat(folder).catch(() => undefined)) return ok(folder);
  const source = await chooseSource(options);
  if (!source.ok) return source;
  const staging = `${root}.staging`;
  try {
    await rm(staging, { recursive: true, force: true });
    const unpacked = await unpackWithNeeded(source.value, name, staging, options);
    if (!unpacked.ok) return unpacked;
    const makefile = join(staging, "usr", "src", name, "Makefile");
    const text = await readFile(makefile, "utf8");
    await writeFile(makefile, text.replaceAll(INSTALLED_AT, `${join(root, INSTALLED_AT)}`));
    await rename(staging, root);
    return ok(folder);
  } finally {
    await rm(staging, { recursive: true, force: true });
    await source.value.close();
  }
}

async function unpackWithNeeded(
  source: PackageSource,
  first: string,
  staging: string,
  options: Netchannel2Options,
): Promise<GuestResult<void>> {
  const names = [first];
  for (let name = names.shift(); name !== undefined; name = names.shift()) {
    const info = await source.find(name);
    if (!info.ok) return info;
    const fetched = await fetchPackage(source, info.value, 0, info.value.sizeBytes, { ...options, flavour: "cloud" });
    if (!fetched.ok) return fetched;
    const entries = await readDebData(fetched.value.bytes, UNPACK_LIMIT_BYTES);
    if (!entries.ok) return err("corrupt", `${name} cannot be unpacked: ${entries.error.message}`);
    await layOut(entries.value, staging);
    names.push(...neededBy(info.value));
  }
  return ok(undefined);
}

const neededBy = ({ depends }: PackageInfo): string[] =>
  depends
    .split(",")
    .flatMap((clause) => clause.trim().split(/[\s(|]/)[0] ?? [])
    .filter((name) => NEEDED.test(name));

async function build(
  folder: string,
  headers: string,
  signal: AbortSignal | undefined,
): Promise<GuestResult<Uint8Array>> {
  try {
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { recursive: true });
    await cp(SOURCES, folder, { recursive: true });
    // Debian's headers name the compiler by its version, as one of several may be installed.
    const made = await runProgram("make", ["-C", headers, `M=${folder}`, "CC=gcc", "modules"], { signal });
    if (!made.ok) return err("tool", "make is not here: building a kernel module takes make and gcc");
    const path = join(folder, MODULE_FILE);
    const why = made.value.stderr.trim();
    if (made.value.status !== 0) return err("tool", `${MODULE_FILE} cannot be built: ${why.slice(-1000)}`);
    await runProgram("strip", ["--strip-debug", path], { signal });
    return ok(new Uint8Array(await readFile(path)));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
