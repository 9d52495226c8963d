/**
 * Debian's packages for i686, by apt with lists of its own in the cache: nothing of the system changes and no root is needed.
 * apt verifies the index and the packages with the system's keys.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { readDebData } from "../../control-plane/formats/index.js";
import { unwrap } from "../../control-plane/util/index.js";

const META_PACKAGE = "linux-image-686";
const BUSYBOX_PACKAGE = "busybox-static";
/** More than a kernel package unpacks to. */
const UNPACK_LIMIT_BYTES = 1 << 30;

export interface I386Parts {
  /** The bzImage of Debian's kernel for i686 without PAE. */
  readonly kernel: Uint8Array;
  readonly busybox: Uint8Array;
}

function aptOptions(folder: string): string[] {
  const settings = [
    "APT::Architecture=i386",
    "APT::Architectures=i386",
    `Dir::State::Lists=${join(folder, "lists")}`,
    `Dir::Cache=${join(folder, "cache")}`,
    // apt gives up root for downloads, but may then not reach a private folder.
    ...(process.getuid?.() === 0 ? ["APT::Sandbox::User=root"] : []),
  ];
  return settings.flatMap((setting) => ["-o", setting]);
}

const packageFile = (folder: string, pattern: RegExp): string | undefined =>
  readdirSync(folder).find((name) => pattern.test(name));

const KERNEL_FILE = /^linux-image-[\d.]+-\d+-686_.*\.deb$/;
const BUSYBOX_FILE = /^busybox-static_.*\.deb$/;

function download(folder: string): void {
  for (const part of ["lists/partial", "cache/archives/partial"]) mkdirSync(join(folder, part), { recursive: true });
  const options = aptOptions(folder);
  const apt = (...args: string[]) =>
    execFileSync("apt-get", [...options, "-q", ...args], { cwd: folder, stdio: ["ignore", "ignore", "inherit"] });
  // A list that cannot be had (apt says which) matters only if the packages are then missing.
  spawnSync("apt-get", [...options, "-q", "update"], { stdio: "ignore" });
  const shown = execFileSync("apt-cache", [...options, "--no-all-versions", "show", META_PACKAGE], {
    encoding: "utf8",
  });
  const image = /^Depends: (linux-image-[\w.-]+-686) /m.exec(shown)?.[1];
  if (image === undefined) throw new Error(`${META_PACKAGE} names no kernel`);
  apt("download", image, BUSYBOX_PACKAGE);
}

async function fileOf(folder: string, name: RegExp, path: RegExp): Promise<Uint8Array> {
  const bytes = new Uint8Array(readFileSync(join(folder, packageFile(folder, name)!)));
  const found = unwrap(await readDebData(bytes, UNPACK_LIMIT_BYTES, () => undefined)).find((e) => path.test(e.path));
  if (!found) throw new Error(`a package has no ${path}`);
  return found.data;
}

/** From the cache, else fetched. Throws where there is no apt. */
export async function i386Parts(cacheDir: string): Promise<I386Parts> {
  const folder = join(cacheDir, "bench", "i386");
  mkdirSync(folder, { recursive: true });
  if (!packageFile(folder, KERNEL_FILE) || !packageFile(folder, BUSYBOX_FILE)) download(folder);
  return {
    kernel: await fileOf(folder, KERNEL_FILE, /^boot\/vmlinuz-[^/]+$/),
    busybox: await fileOf(folder, BUSYBOX_FILE, /^(usr\/)?bin\/busybox$/),
  };
}
