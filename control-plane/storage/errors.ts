/**
 * What a disk, an image or a folder of images can refuse. Unlike guests, which are answered, an operation on files fails
 * by throwing a StorageError: success on the data path is nothing at all, and costs nothing.
 */

/**
 * - `not-found`: no image of that name
 * - `exists`: the name is taken
 * - `locked`: another disk or process uses the image in a way that excludes this
 * - `read-only`: written to what may only be read
 * - `out-of-range`: sectors beyond the end of the disk
 * - `bad-name`: a name that leaves the folder, or that no file can have
 * - `bad-request`: what was asked for makes no sense, and the message says why
 * - `truncated`: the file ends before what it says it holds
 * - `corrupt`: a field breaks the format or its checksum
 * - `unsupported`: valid, but not ours; the message names the feature
 * - `limit`: larger than this program handles
 * - `parent-missing`, `parent-changed`, `parent-loop`: the chain of a differencing image is broken
 * - `in-use`: the operation would change the data of other images or of a running disk
 * - `not-quiesced`: the guest that uses the disk was not at rest
 * - `full`: no room on the host
 * - `io`: the host failed
 * - `denied`: the host forbids it to this user
 * - `network`: a server failed, or answered with what cannot be used
 * - `source-changed`: a server's file is no longer the one that was opened
 * - `closed`: used after close
 * - `cancelled`: stopped by the caller
 */
export type StorageErrorCode =
  | "not-found"
  | "exists"
  | "locked"
  | "read-only"
  | "out-of-range"
  | "bad-name"
  | "bad-request"
  | "truncated"
  | "corrupt"
  | "unsupported"
  | "limit"
  | "parent-missing"
  | "parent-changed"
  | "parent-loop"
  | "in-use"
  | "not-quiesced"
  | "full"
  | "io"
  | "denied"
  | "network"
  | "source-changed"
  | "closed"
  | "cancelled";

/** Where it went wrong, as far as that is known. */
export interface FaultDetails {
  /** The image or file. */
  readonly file?: string;
  /** The field or table of the format, in the words of its specification. */
  readonly field?: string;
  readonly found?: string;
  readonly expected?: string;
  /** What to do about it, as one clause. */
  readonly next?: string;
}

export class StorageError extends Error implements FaultDetails {
  readonly file?: string;
  readonly field?: string;
  readonly found?: string;
  readonly expected?: string;
  readonly next?: string;
  /** The message without the next step. */
  readonly problem: string;

  /** `what` is one clause without the file's name; details follow it in the message. */
  constructor(
    readonly code: StorageErrorCode,
    readonly what: string,
    details: FaultDetails = {},
  ) {
    super(sentence(what, details));
    const { next: _, ...facts } = details;
    this.problem = sentence(what, facts);
    this.name = "StorageError";
    Object.assign(this, details);
  }
}

/** One sentence for a person: file, what, field, found and expected, next step. */
export function sentence(what: string, { file, field, found, expected, next }: FaultDetails): string {
  const head = file === undefined ? what : `${file}: ${what}`;
  const facts = [
    field === undefined ? "" : `field ${field}`,
    found === undefined ? "" : `found ${found}`,
    expected === undefined ? "" : `expected ${expected}`,
  ].filter((fact) => fact !== "");
  const body = facts.length === 0 ? head : `${head} (${facts.join(", ")})`;
  return next === undefined ? body : `${body}; ${next}`;
}

/** Any thrown value of a host's file interface as a StorageError of that file. */
export function toStorageError(error: unknown, file: string): StorageError {
  if (error instanceof StorageError) return error;
  const { code, name, message } = error as { code?: unknown; name?: unknown; message?: unknown };
  const known = HOST_CODES[String(code)] ?? HOST_CODES[String(name)];
  const text = typeof message === "string" ? message : String(error);
  if (known !== undefined) return new StorageError(known[0], known[1], { file, ...(known[2] && { next: known[2] }) });
  return new StorageError("io", `the host says: ${text}`, { file });
}

/** Codes of Node's errors and names of DOMExceptions. */
const HOST_CODES: Readonly<Record<string, readonly [StorageErrorCode, string, string?]>> = {
  ENOENT: ["not-found", "there is no such file"],
  NotFoundError: ["not-found", "there is no such file"],
  EEXIST: ["exists", "a file of that name exists"],
  ENOSPC: ["full", "no space is left on the device", "free some and try again"],
  QuotaExceededError: ["full", "the browser's quota for this site is used up", "remove images or allow more storage"],
  EACCES: ["denied", "permission denied", "check the file's owner and mode"],
  EPERM: ["denied", "permission denied", "check the file's owner and mode"],
  EROFS: ["read-only", "the file system is read-only"],
  EISDIR: ["bad-name", "this is a folder"],
  NoModificationAllowedError: ["locked", "another page or worker has the file open"],
};
