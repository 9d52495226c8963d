/**
 * Failures as the page tells them: what happened, then the next step. Domain0's codes are stable (control-plane/api
 * HostErrorShape); everything else is given as it came, with the step that always helps.
 */
import { HostError, type HostErrorShape } from "../../control-plane/api/index.js";

export interface Explanation {
  readonly title: string;
  readonly detail: string;
  readonly nextStep: string;
}

type Code = HostErrorShape["code"];

const HOST_ERRORS: Readonly<Record<Code, { title: string; nextStep: string }>> = {
  "no-such-domain": { title: "That domain is gone", nextStep: "It was destroyed meanwhile. Pick another in the list." },
  "name-taken": { title: "That name is taken", nextStep: "Give the domain another name and start it again." },
  "bad-kernel": {
    title: "This kernel cannot be booted",
    nextStep: "Use a Linux bzImage or an ELF image with a Xen PVH note (CONFIG_PVH=y).",
  },
  "bad-config": { title: "The configuration was refused", nextStep: "Correct the value named above and try again." },
  "out-of-memory": {
    title: "The machine has no memory left for this",
    nextStep: "Give the domain less memory, or destroy one that is no longer needed.",
  },
  "bad-state": {
    title: "Not possible in this state",
    nextStep: "Wait until the domain’s state changes, then try again.",
  },
  "not-found": { title: "Not found", nextStep: "Check the name or path and try again." },
  denied: { title: "Permission denied", nextStep: "The guest or another client owns this. Choose something else." },
  unsupported: { title: "Not supported here", nextStep: "This build of Xenolith cannot do that." },
  internal: {
    title: "Xenolith failed",
    nextStep: "Reload the page. If it happens again, report it with the hypervisor log.",
  },
};

/** A failure on the page's own side (a download, a file), which already knows its next step. */
export class PageError extends Error {
  constructor(
    readonly title: string,
    message: string,
    readonly nextStep: string,
  ) {
    super(message);
    this.name = "PageError";
  }
}

/** Whatever was thrown, as something to show. */
export function explain(error: unknown): Explanation {
  if (error instanceof PageError) return { title: error.title, detail: error.message, nextStep: error.nextStep };
  const { detail, next } = partsOf(error);
  const known = HOST_ERRORS[codeOf(error) as Code];
  if (known) return { title: known.title, detail, nextStep: next === null ? known.nextStep : sentence(next) };
  return { title: "Something went wrong", detail, nextStep: "Try again; reload the page if it stays." };
}

/** What went wrong and, where the host says it, what to do next. */
export function partsOf(error: unknown): { readonly detail: string; readonly next: string | null } {
  if (error instanceof HostError && error.next !== undefined) return { detail: error.problem, next: error.next };
  return { detail: messageOf(error), next: null };
}

/** A clause as a sentence. */
export function sentence(text: string): string {
  const first = text.slice(0, 1).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(first) ? first : `${first}.`;
}

function codeOf(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === "string" && Object.hasOwn(HOST_ERRORS, code) ? code : "";
}

function messageOf(error: unknown): string {
  const message = (error as { message?: unknown } | null)?.message;
  return typeof message === "string" ? message : String(error);
}
