// The closed set of reasons why a guest cannot be prepared.
import { err, type Failure, type Result } from "../util/index.js";

/**
 * - `offline`: nothing in the cache and no package source can be reached: boot the embedded guest instead
 * - `source`: a package source answered, but not with what is needed
 * - `unverified`: a signature or hash is missing or wrong; nothing unverified is ever used
 * - `corrupt`: a verified package does not contain what it should
 * - `module`: a kernel module that was asked for does not exist
 * - `tool`: a program that is needed is not on this machine, or failed
 * - `cancelled`: the caller's signal fired
 * - `io`: the cache folder cannot be used
 */
export type GuestErrorCode = "offline" | "source" | "unverified" | "corrupt" | "module" | "tool" | "cancelled" | "io";

export type GuestResult<T> = Result<T, GuestErrorCode>;

/** What an exception from the file system or a child process says, as a failure. */
export function fromException(
  code: GuestErrorCode,
  what: string,
  error: unknown,
): { readonly ok: false; readonly error: Failure<GuestErrorCode> } {
  return err(code, `${what}: ${error instanceof Error ? error.message : String(error)}`);
}
