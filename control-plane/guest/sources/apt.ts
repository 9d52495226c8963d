// Packages through apt: it verifies the signed index and every download with the system's own configuration and keys.
//
// Nothing of the system changes and no root is needed: where the system's package lists are empty, lists of our own are
// fetched into the cache with the same configuration.
import { mkdir, mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { err, ok } from "../../util/index.js";
import { fromException, type GuestErrorCode, type GuestResult } from "../errors.js";
import { runProgram } from "../run-program.js";
import { findPackage } from "./index-file.js";
import type { PackageInfo, PackageSource } from "./source.js";

const SIZE_POLL_MS = 100;
/** The guest is an amd64 machine, whatever this one is. */
const AMD64 = ["-o", "APT::Architecture=amd64"];
/** How apt says that a host cannot be reached. */
const NETWORK_TROUBLE =
  /could not resolve|temporary failure|unable to connect|connection (failed|timed out|refused)|cannot initiate|network is unreachable|no route to host/i;

/** True when this machine has apt. */
export async function hasApt(): Promise<boolean> {
  const probe = await runProgram("apt-get", ["--version"]);
  return probe.ok && probe.value.status === 0;
}

/** A source that asks apt; `listsDir` is where lists of our own go when the system has none. */
export function aptSource(listsDir: string, signal: AbortSignal | undefined): PackageSource {
  let options: readonly string[] = AMD64;
  let folder: string | undefined;

  async function find(packageName: string): Promise<GuestResult<PackageInfo>> {
    const found = await show(packageName, options, signal);
    if (found.ok || options !== AMD64 || found.error.code !== "source") return found;
    options = privateOptions(listsDir);
    const updated = await updateLists(listsDir, options, signal);
    return updated.ok ? show(packageName, options, signal) : updated;
  }

  async function download(info: PackageInfo, onBytes: (doneBytes: number) => void): Promise<GuestResult<Uint8Array>> {
    try {
      folder ??= await mkdtemp(join(tmpdir(), "xenolith-apt-"));
      const target = join(folder, info.name);
      await mkdir(target, { recursive: true });
      return await downloadInto(target, info, options, onBytes, signal);
    } catch (error) {
      return fromException("io", "the temporary folder cannot be used", error);
    }
  }

  async function close(): Promise<void> {
    if (folder) await rm(folder, { recursive: true, force: true });
  }

  return { name: "apt", find, download, close };
}

/** apt options that also keep lists and caches in a folder of ours. */
function privateOptions(listsDir: string): string[] {
  const settings = [`Dir::State::Lists=${join(listsDir, "lists")}`, `Dir::Cache=${join(listsDir, "cache")}`];
  return [...AMD64, ...settings.flatMap((setting) => ["-o", setting])];
}

/** apt gives up root for downloads, but may then not reach a private folder. */
function sandboxOptions(): string[] {
  return process.getuid?.() === 0 ? ["-o", "APT::Sandbox::User=root"] : [];
}

async function updateLists(
  listsDir: string,
  options: readonly string[],
  signal: AbortSignal | undefined,
): Promise<GuestResult<void>> {
  try {
    await mkdir(join(listsDir, "lists", "partial"), { recursive: true });
    await mkdir(join(listsDir, "cache", "archives", "partial"), { recursive: true });
  } catch (error) {
    return fromException("io", "the cache folder cannot be used", error);
  }
  const update = await runProgram("apt-get", [...options, ...sandboxOptions(), "-q", "update"], { signal });
  if (!update.ok) return update;
  // apt-get update exits 0 when it could not reach a mirror, and says so on standard error.
  if (update.value.status === 0 && !NETWORK_TROUBLE.test(update.value.stderr)) return ok(undefined);
  return aptFailure("apt-get update", update.value.stderr);
}

async function show(
  packageName: string,
  options: readonly string[],
  signal: AbortSignal | undefined,
): Promise<GuestResult<PackageInfo>> {
  const shown = await runProgram("apt-cache", [...options, "--no-all-versions", "show", packageName], { signal });
  if (!shown.ok) return shown;
  if (shown.value.status === 0 && shown.value.stdout !== "") return findPackage(shown.value.stdout, packageName);
  return err(
    "source",
    `apt knows no package ${packageName}. On Debian, run: sudo apt-get update. Elsewhere, name a Debian mirror in the variable XENOLITH_MIRROR`,
  );
}

async function downloadInto(
  folder: string,
  info: PackageInfo,
  options: readonly string[],
  onBytes: (doneBytes: number) => void,
  signal: AbortSignal | undefined,
): Promise<GuestResult<Uint8Array>> {
  const poll = setInterval(() => void folderSize(folder).then(onBytes), SIZE_POLL_MS);
  const args = [...options, ...sandboxOptions(), "-q", "download", `${info.name}=${info.version}`];
  const run = await runProgram("apt-get", args, { cwd: folder, signal });
  clearInterval(poll);
  if (!run.ok) return run;
  const file = (await readdir(folder)).find((name) => name.endsWith(".deb"));
  if (run.value.status !== 0 || file === undefined) return aptFailure("apt-get download", run.value.stderr);
  return ok(new Uint8Array(await readFile(join(folder, file))));
}

async function folderSize(folder: string): Promise<number> {
  const names = await readdir(folder).catch(() => []);
  const sizes = await Promise.all(
    names.map((name) =>
      stat(join(folder, name)).then(
        ({ size }) => size,
        () => 0,
      ),
    ),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}

function aptFailure(what: string, stderr: string): GuestResult<never> {
  const code: GuestErrorCode = NETWORK_TROUBLE.test(stderr)
    ? "offline"
    : /authenticated|not signed|NO_PUBKEY|Hash Sum mismatch/i.test(stderr)
      ? "unverified"
      : "source";
  const reason = stderr.split("\n").find((line) => /^[EW]:/.test(line)) ?? "no reason given";
  const advice = /404/.test(reason) ? " (its package lists are out of date; run: sudo apt-get update)" : "";
  return err(code, `${what} failed: ${reason}${advice}`);
}
