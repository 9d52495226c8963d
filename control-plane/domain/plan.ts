/**
 * From a request to the atoms that fulfil it. Pure; the order is the point. Building opens channels before xenstore
 * names them, and the vCPU starts last; taking down stops the guest first and frees its memory last.
 */
import type { LifecycleAction } from "../api/types.js";
import type { Atom } from "./atoms.js";

export type Request =
  | { readonly kind: "create"; readonly paused: boolean }
  | { readonly kind: "destroy" }
  | { readonly kind: "dump-and-destroy" }
  | { readonly kind: "pause" }
  | { readonly kind: "unpause" };

const BUILD: readonly Atom[] = [
  "open-disks",
  "open-vifs",
  "plan-memory",
  "create-in-core",
  "set-platform",
  "load-kernel",
  "load-ramdisk",
  "write-tables",
  "open-channels",
  "set-hvm-params",
  "write-xenstore",
  "connect-backends",
  "show-disks",
  "show-vifs",
  "start-vcpu",
];

const TAKE_DOWN: readonly Atom[] = [
  "pause",
  "quiesce",
  "disconnect-backends",
  "close-vifs",
  "close-disks",
  "remove-xenstore",
  "destroy-in-core",
];

export function planRequest(request: Request): readonly Atom[] {
  switch (request.kind) {
    case "create":
      return request.paused ? BUILD : [...BUILD, "unpause"];
    case "destroy":
      return TAKE_DOWN;
    case "dump-and-destroy":
      return ["pause", "quiesce", "dump-core", ...TAKE_DOWN];
    case "pause":
      // Who asked may rely on it: no instruction is run from here on.
      return ["pause", "quiesce"];
    case "unpause":
      return ["unpause"];
  }
}

/** What follows when a domain has shut down: what becomes of it, and whether another takes its place. */
export interface Aftermath {
  readonly request: Request | null;
  readonly restart: boolean;
  /** The old domain stays under another name. */
  readonly rename: boolean;
}

export function planAftermath(action: LifecycleAction): Aftermath {
  switch (action) {
    case "destroy":
      return { request: { kind: "destroy" }, restart: false, rename: false };
    case "restart":
      return { request: { kind: "destroy" }, restart: true, rename: false };
    case "rename-restart":
      return { request: null, restart: true, rename: true };
    case "preserve":
      return { request: null, restart: false, rename: false };
    case "coredump-destroy":
      return { request: { kind: "dump-and-destroy" }, restart: false, rename: false };
    case "coredump-restart":
      return { request: { kind: "dump-and-destroy" }, restart: true, rename: false };
  }
}
