// The per-user cache: where it is, writes that are whole or absent, and a lock that keeps two preparations apart.
import { randomBytes } from "node:crypto";
import { mkdir, open, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { err, ok } from "../util/index.js";
import { fromException, type GuestResult } from "./errors.js";

const LOCK_POLL_MS = 150;
/** A lock older than this belongs to nobody, even when its process id is in use again. */
const LOCK_STALE_MS = 30 * 60 * 1000;

/** The cache folder of this user on this system. */
export function defaultCacheDir(
  env: Readonly<Record<string, string | undefined>> = process.env,
  platform: NodeJS.Platform = process.platform,
  home: string = homedir(),
): string {
  if (env.XDG_CACHE_HOME) return join(env.XDG_CACHE_HOME, "xenolith");
  if (platform === "win32") return join(env.LOCALAPPDATA ?? join(home, "AppData", "Local"), "xenolith");
  if (platform === "darwin") return join(home, "Library", "Caches", "xenolith");
  return join(home, ".cache", "xenolith");
}

/** Writes a file so that readers see the old content or the new, never a part. */
export async function writeFileAtomic(path: string, data: Uint8Array | string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const temporary = `${path}.${process.pid}.${randomBytes(4).toString("hex")}.tmp`;
  try {
    await writeFile(temporary, data);
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** The parsed JSON file, or undefined when it is absent or not JSON. */
export async function readJson(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, "utf8"));
  } catch {
    return undefined;
  }
}

/** The size of a file, or undefined when there is none. */
export async function fileSize(path: string): Promise<number | undefined> {
  return stat(path).then(
    (info) => (info.isFile() ? info.size : undefined),
    () => undefined,
  );
}

/** Runs `work` while holding the lock file `path`; waits for another process that holds it. */
export async function withLock<T>(
  path: string,
  signal: AbortSignal | undefined,
  work: () => Promise<GuestResult<T>>,
): Promise<GuestResult<T>> {
  try {
    await mkdir(dirname(path), { recursive: true });
    while (!(await takeLock(path))) {
      if (signal?.aborted) return err("cancelled", "cancelled while another process prepares the guest");
      if (await isStale(path)) await rm(path, { force: true });
      else await sleep(LOCK_POLL_MS);
    }
  } catch (error) {
    return fromException("io", "the cache folder cannot be used", error);
  }
  try {
    return await work();
  } finally {
    await rm(path, { force: true });
  }
}

async function takeLock(path: string): Promise<boolean> {
  try {
    const handle = await open(path, "wx");
    await handle.writeFile(String(process.pid));
    await handle.close();
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

async function isStale(path: string): Promise<boolean> {
  try {
    const age = Date.now() - (await stat(path)).mtimeMs;
    const owner = Number(await readFile(path, "utf8"));
    if (age > LOCK_STALE_MS) return true;
    // The file is empty for a moment after it is made.
    return owner > 0 ? !isAlive(owner) : age > 5000;
  } catch {
    return false;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** A check that folds into a chain of results: fails when the caller's signal has fired. */
export function checkSignal(signal: AbortSignal | undefined): GuestResult<void> {
  return signal?.aborted ? err("cancelled", "preparing the guest was cancelled") : ok(undefined);
}
