// The packages of a guest's disk: what is asked for and all that it depends on, from the cache or a source.
import { join } from "node:path";
import * as v from "valibot";
import { err, ok } from "../../util/index.js";
import { readJson, writeFileAtomic } from "../cache.js";
import { fromException, type GuestResult } from "../errors.js";
import {
  chooseSource,
  type FetchedPackage,
  fetchPackage,
  type ObtainOptions,
  Package,
  readCachedPackage,
} from "../packages.js";
import type { PackageInfo, PackageSource } from "../sources/source.js";

/** A system to work in: shell, tools, file systems, packages' own tools; init is busybox's. */
export const DISK_PACKAGES = (
  "base-files base-passwd bash busybox-static coreutils dash debianutils diffutils dpkg e2fsprogs findutils grep gzip " +
  "hostname kmod libc-bin login mawk mount ncurses-base passwd procps sed tar util-linux xz-utils"
).split(" ");

/** Depended on by scripts of installation only, which nobody runs here. */
const NOT_NEEDED: ReadonlySet<string> = new Set(["debconf", "init-system-helpers", "libpam-runtime", "lsb-base"]);

/** Names that several packages provide, and the one that is here. */
const PROVIDED_BY: ReadonlyMap<string, string> = new Map([["awk", "mawk"]]);

const Resolution = v.object({ asked: v.string(), packages: v.array(Package) });

type DiskPackagesOptions = Omit<ObtainOptions, "flavour">;

/** Obtains the packages with all that they depend on. */
export async function obtainDiskPackages(
  names: readonly string[],
  options: DiskPackagesOptions,
): Promise<GuestResult<FetchedPackage[]>> {
  const cached = options.refresh && !options.offline ? undefined : await readCached(names, options);
  if (cached) return ok(cached);
  if (options.offline) return err("offline", "The packages of a disk are not in the cache: connect to a network once.");
  const source = await chooseSource(options);
  if (!source.ok) return source;
  try {
    const infos = await closure(source.value, names);
    if (!infos.ok) return infos;
    const total = infos.value.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    const fetched: FetchedPackage[] = [];
    let done = 0;
    for (const info of infos.value) {
      const one = await fetchPackage(source.value, info, done, total, { ...options, flavour: "cloud" });
      if (!one.ok) return one;
      fetched.push(one.value);
      done += info.sizeBytes;
    }
    const packages = infos.value.map(({ name, version, sizeBytes, sha256 }) => ({ name, version, sizeBytes, sha256 }));
    await writeFileAtomic(resolutionPath(options), `${JSON.stringify({ asked: names.join(), packages }, null, 2)}\n`);
    return ok(fetched);
  } catch (error) {
    return fromException("io", "the cache folder cannot be written", error);
  } finally {
    await source.value.close();
  }
}

/** Everything that is needed, each once. Of alternatives the first that there is. */
export async function closure(
  source: Pick<PackageSource, "find">,
  names: readonly string[],
): Promise<GuestResult<PackageInfo[]>> {
  const found = new Map<string, PackageInfo>();
  const waiting: (readonly string[])[] = names.map((name) => [name]);
  for (let choices = waiting.shift(); choices; choices = waiting.shift()) {
    if (choices.some((name) => found.has(PROVIDED_BY.get(name) ?? name) || NOT_NEEDED.has(name))) continue;
    const info = await firstOf(source, choices);
    if (!info.ok) return info;
    found.set(info.value.name, info.value);
    waiting.push(...dependencies(info.value.depends));
  }
  return ok([...found.values()]);
}

async function firstOf(
  source: Pick<PackageSource, "find">,
  choices: readonly string[],
): Promise<GuestResult<PackageInfo>> {
  let result: GuestResult<PackageInfo> = err("source", "a package depends on nothing at all");
  for (const name of choices) {
    result = await source.find(PROVIDED_BY.get(name) ?? name);
    if (result.ok) return result;
  }
  return result;
}

/** "a (>= 1), b | c" as lists of names to choose from. */
export function dependencies(field: string): string[][] {
  return field
    .split(",")
    .map((clause) => clause.split("|").flatMap((choice) => /^\s*([a-z0-9][a-z0-9.+-]*)/.exec(choice)?.[1] ?? []))
    .filter((choices) => choices.length > 0);
}

async function readCached(
  names: readonly string[],
  options: DiskPackagesOptions,
): Promise<FetchedPackage[] | undefined> {
  const resolution = v.safeParse(Resolution, await readJson(resolutionPath(options)));
  if (!resolution.success || resolution.output.asked !== names.join()) return undefined;
  const packages: FetchedPackage[] = [];
  for (const info of resolution.output.packages) {
    const cached = await readCachedPackage(options.cacheDir, info);
    if (!cached) return undefined;
    packages.push(cached);
  }
  return packages;
}

const resolutionPath = ({ cacheDir }: DiskPackagesOptions): string => join(cacheDir, "packages", "disk.json");
