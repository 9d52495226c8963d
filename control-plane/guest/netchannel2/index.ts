// Builds the netchannel2 front end, a Linux module, for a guest's kernel: against Debian's headers of just that kernel, with
// the machine's own gcc and make. It stays in the cache under what it was made of.
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

/** Beside this file, or where it is seen from dist/. */
const HERE = import.meta.url.endsWith(".ts") ? "./module/" : "../control-plane/guest/netchannel2/module/";
/** Our front end's sources. */
export const NETCHANNEL2_SOURCES = fileURLToPath(new URL(HERE, import.meta.url));
/** The name by which a guest's list of modules asks for it. */
export const NETCHANNEL2 = "netchannel2";
/** Of what the compiler says, its end is told. */
const MESSAGE_LENGTH = 1000;
const UNPACK_LIMIT_BYTES = 1 << 30;
/** Packages that the headers stand on; what else they depend on any system with gcc has. */
const NEEDED = /^linux-(headers|kbuild)-/;
/** Where the packages' own files say that they are. */
const INSTALLED_AT = "/usr/src/";

export interface ModuleOptions extends Omit<ObtainOptions, "flavour" | "cacheDir"> {
  /** The guest's kernel, as its manifest gives it. */
  readonly release: string;
  readonly cacheDir?: string;
  /** Folders of sources; a file of a later one takes the place of an earlier one's. Ours when absent. */
  readonly sources?: readonly string[];
  /** What is built of them. */
  readonly name?: string;
}

type Build = ModuleOptions & Required<Pick<ModuleOptions, "cacheDir" | "sources" | "name">>;

/** A module of ours for a kernel, built when the cache has none. */
export async function buildModule(options: ModuleOptions): Promise<GuestResult<Uint8Array>> {
  const { cacheDir = defaultCacheDir(), sources = [NETCHANNEL2_SOURCES], name = NETCHANNEL2 } = options;
  const whole: Build = { ...options, cacheDir, sources, name };
  try {
    const hash = createHash("sha256").update(`${name} ${options.release} `);
    for (const folder of sources) hash.update(await hashSources(folder));
    const place = join(cacheDir, "modules", hash.digest("hex").slice(0, 16));
    const cached = await readIfThere(`${place}.ko`);
    if (cached) return ok(cached);
    return await withLock<Uint8Array>(join(cacheDir, "modules.lock"), options.signal, async () => {
      const headers = await obtainHeaders(whole);
      if (!headers.ok) return headers;
      const module = await build(place, headers.value, whole);
      if (module.ok) await writeFileAtomic(`${place}.ko`, module.value);
      return module;
    });
  } catch (error) {
    return fromException("io", `the files of the module ${name} cannot be handled`, error);
  }
}

/** What changes with the sources. */
export async function hashSources(folder: string = NETCHANNEL2_SOURCES): Promise<string> {
  const hash = createHash("sha256");
  for (const name of (await readdir(folder)).sort()) hash.update(name).update(await readFile(join(folder, name)));
  return hash.digest("hex");
}

async function readIfThere(path: string): Promise<Uint8Array | undefined> {
  return readFile(path).then(
    (bytes) => new Uint8Array(bytes),
    () => undefined,
  );
}

/** The folder to build against: unpacked once for each kernel. */
async function obtainHeaders(options: Build): Promise<GuestResult<string>> {
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
  options: Build,
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
  { sources, name, signal }: Build,
): Promise<GuestResult<Uint8Array>> {
  try {
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { recursive: true });
    for (const from of sources) await cp(from, folder, { recursive: true });
    // Debian's headers name the compiler by its version, as one of several may be installed.
    const made = await runProgram("make", ["-C", headers, `M=${folder}`, "CC=gcc", "modules"], { signal });
    if (!made.ok) return err("tool", "make is not here: building a kernel module takes make and gcc");
    const path = join(folder, `${name}.ko`);
    const why = made.value.stderr.trim();
    if (made.value.status !== 0)
      return err("tool", `the module ${name} cannot be built: ${why.slice(-MESSAGE_LENGTH)}`);
    await runProgram("strip", ["--strip-debug", path], { signal });
    return ok(new Uint8Array(await readFile(path)));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
