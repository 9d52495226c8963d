/**
 * How `xl` fails: an exit status and one message that ends with what to do next. The statuses follow issue and
 * documentation (docs/xl.md): scripts and CI depend on them.
 */
import { type HostErrorShape, toHostError } from "../api/index.js";

/** Exit statuses of every verb. */
export const Exit = {
  OK: 0,
  /** Bad usage or configuration, or a request that the host refuses. */
  USAGE: 1,
  /** The host failed or cannot be reached. */
  HOST: 2,
  /** A guest crashed or panicked. */
  CRASHED: 3,
  TIMEOUT: 124,
  /** Ended by SIGINT or SIGTERM, as shells count it. */
  INTERRUPTED: 130,
  TERMINATED: 143,
} as const;

/** A failure that is ready to be shown. */
export class CliError extends Error {
  constructor(
    readonly exitStatus: number,
    message: string,
  ) {
    super(message);
    this.name = "CliError";
  }
}

/** Bad usage of a verb. */
export function usageError(message: string): CliError {
  return new CliError(Exit.USAGE, message);
}

interface CodeAdvice {
  readonly exitStatus: number;
  /** What to do next; empty where the message says it already. */
  readonly next: string;
}

const ADVICE: Readonly<Record<HostErrorShape["code"], CodeAdvice>> = {
  "no-such-domain": { exitStatus: Exit.USAGE, next: '"xl list" shows the domains there are' },
  "name-taken": { exitStatus: Exit.USAGE, next: "give another name, as in name=other, or rename that domain" },
  "bad-kernel": {
    exitStatus: Exit.USAGE,
    next: "a bzImage or an ELF file with a PVH note is needed (Linux: CONFIG_PVH)",
  },
  "bad-config": { exitStatus: Exit.USAGE, next: "" },
  "bad-state": { exitStatus: Exit.USAGE, next: '"xl list" shows the state of each domain' },
  "not-found": { exitStatus: Exit.USAGE, next: "" },
  denied: { exitStatus: Exit.USAGE, next: "" },
  unsupported: { exitStatus: Exit.USAGE, next: "" },
  "out-of-memory": {
    exitStatus: Exit.HOST,
    next: '"xl info" shows what is free; destroy a domain or lower its memory with "xl mem-set"',
  },
  internal: { exitStatus: Exit.HOST, next: '"xl dmesg" may say more' },
};

/** Any thrown value as a failure to show. */
export function toCliError(error: unknown): CliError {
  if (error instanceof CliError) return error;
  const hostError = toHostError(error);
  const { exitStatus, next } = ADVICE[hostError.code];
  const isSaid = next === "" || hostError.next !== undefined;
  return new CliError(exitStatus, isSaid ? hostError.message : `${hostError.message}: ${next}`);
}

/** Reading or writing a file of the user's failed. */
export function fileError(what: string, path: string, error: unknown): CliError {
  const code = (error as NodeJS.ErrnoException | null)?.code;
  const reasons: Record<string, string> = {
    ENOENT: "there is no such file",
    EACCES: "permission denied",
    EISDIR: "it is a directory",
    ENOSPC: "no space is left on the device",
  };
  const reason = (code && reasons[code]) || (error instanceof Error ? error.message : String(error));
  return new CliError(Exit.USAGE, `${what} "${path}": ${reason}`);
}
