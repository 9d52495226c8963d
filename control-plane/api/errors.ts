/** The one error class of the API; its `code` survives the way between workers. */
import type { HostErrorShape } from "./types.js";

export class HostError extends Error implements HostErrorShape {
  readonly next?: string;

  /** `problem` is what went wrong, `next` what to do about it, as one clause; the message says both. */
  constructor(
    readonly code: HostErrorShape["code"],
    readonly problem: string,
    next?: string,
  ) {
    super(next === undefined ? problem : `${problem}${BEFORE_NEXT}${next}`);
    this.name = "HostError";
    if (next !== undefined) this.next = next;
  }
}

const BEFORE_NEXT = "; ";

const CODES: ReadonlySet<string> = new Set<HostErrorShape["code"]>([
  "no-such-domain",
  "name-taken",
  "bad-kernel",
  "bad-config",
  "out-of-memory",
  "bad-state",
  "not-found",
  "denied",
  "unsupported",
  "internal",
]);

/** Any thrown value as a HostError. */
export function toHostError(error: unknown): HostError {
  if (error instanceof HostError) return error;
  const { code, next } = (error ?? {}) as { code?: unknown; next?: unknown };
  const message = error instanceof Error ? error.message : String(error);
  if (typeof code !== "string" || !CODES.has(code)) return new HostError("internal", message);
  return hostErrorOf(code as HostErrorShape["code"], message, typeof next === "string" ? next : undefined);
}

/** An error that came from another worker or process, which sent its whole message. */
export function hostErrorOf(code: HostErrorShape["code"], message: string, next: string | undefined): HostError {
  const ending = `${BEFORE_NEXT}${next}`;
  if (next === undefined || !message.endsWith(ending)) return new HostError(code, message);
  return new HostError(code, message.slice(0, -ending.length), next);
}
