/** The one error class of the API; its `code` survives the way between workers. */
import type { HostErrorShape } from "./types.js";

export class HostError extends Error implements HostErrorShape {
  constructor(
    readonly code: HostErrorShape["code"],
    message: string,
  ) {
    super(message);
    this.name = "HostError";
  }
}

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
  const code = (error as { code?: unknown } | null)?.code;
  const message = error instanceof Error ? error.message : String(error);
  if (typeof code === "string" && CODES.has(code)) return new HostError(code as HostErrorShape["code"], message);
  return new HostError("internal", message);
}
