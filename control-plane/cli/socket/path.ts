/**
 * Where the host's control socket is: in a folder that belongs to the user alone, because who reaches the socket owns
 * every guest behind it. XENOLITH_SOCKET names another one, for several hosts beside each other.
 */
import { lstatSync, mkdirSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { dirname, join } from "node:path";
import { CliError, Exit } from "../errors.js";

const OTHERS_MASK = 0o077;
/** How long a socket's path may be, in bytes: sun_path without its terminator. Longer ones may be cut in silence. */
const LONGEST_PATH_BYTES: Partial<Record<NodeJS.Platform, number>> = { linux: 107, darwin: 103 };
const PIPES = "\\\\.\\pipe\\";

/** The address of the socket: a path, or the name of a pipe on Windows. */
export function socketAddress(
  env: Readonly<Record<string, string | undefined>> = process.env,
  platform: NodeJS.Platform = process.platform,
): string {
  if (platform === "win32") return pipeName(env.XENOLITH_SOCKET || `xenolith-${userInfo().username}`);
  const path = env.XENOLITH_SOCKET || defaultPath(env);
  const longest = LONGEST_PATH_BYTES[platform];
  if (longest !== undefined && Buffer.byteLength(path) > longest) {
    throw new CliError(
      Exit.HOST,
      `the control socket's path is longer than the ${longest} bytes that this system allows: set XENOLITH_SOCKET to a shorter one\n${path}`,
    );
  }
  return path;
}

function defaultPath(env: Readonly<Record<string, string | undefined>>): string {
  if (env.XDG_RUNTIME_DIR) return join(env.XDG_RUNTIME_DIR, "xenolith", "host.sock");
  return join(tmpdir(), `xenolith-${process.getuid?.() ?? userInfo().username}`, "host.sock");
}

/** Windows has pipes in the place of sockets, and no folders among them: any other name becomes one of theirs. */
function pipeName(name: string): string {
  return isPipeName(name) ? name : PIPES + name.replace(/[\\/:]/g, "-");
}

export function isPipeName(address: string): boolean {
  return /^\\\\[.?]\\pipe\\/i.test(address);
}

/** Makes the socket's folder where it is missing. */
export function makeSocketFolder(address: string): void {
  if (isPipeName(address)) return;
  try {
    mkdirSync(dirname(address), { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new CliError(Exit.HOST, `the folder "${dirname(address)}" cannot be made: ${(error as Error).message}`);
  }
  checkSocketFolder(address);
}

/** Refuses a folder that somebody else could have put there, or could put a socket of theirs into. */
export function checkSocketFolder(address: string): void {
  if (isPipeName(address) || process.platform === "win32") return;
  const folder = dirname(address);
  const info = lstatSync(folder, { throwIfNoEntry: false });
  if (!info) return;
  const refuse = (why: string) =>
    new CliError(
      Exit.HOST,
      `the socket's folder "${folder}" ${why}: remove it, or set XENOLITH_SOCKET to a path elsewhere`,
    );
  if (!info.isDirectory()) throw refuse("is not a directory");
  if (info.uid !== process.getuid?.()) throw refuse("belongs to another user");
  if ((info.mode & OTHERS_MASK) !== 0) throw refuse("is open to others (its mode must be 0700)");
}
