/**
 * What goes over the control socket: JSON-RPC 2.0 requests named like the calls of HostApi. Calls with a callback name a
 * stream of the client's choice; the host sends notifications "stream" with its number, the client "write", "resize" and
 * "end". A recording is ended by the request "stopCapture", so that its last piece comes before the answer. The first
 * request is "hello".
 */
import type { HostErrorShape } from "../../api/index.js";

export const PROTOCOL_VERSION = 2;

export interface Request {
  readonly jsonrpc: "2.0";
  readonly id: number;
  readonly method: string;
  readonly params: readonly unknown[];
}

export interface Notification {
  readonly jsonrpc: "2.0";
  readonly method: string;
  readonly params: readonly unknown[];
}

export interface Response {
  readonly jsonrpc: "2.0";
  readonly id: number;
  readonly result?: unknown;
  readonly error?: RpcError;
}

export interface RpcError {
  readonly code: number;
  readonly message: string;
  /** What makes it a HostError. */
  readonly data?: { readonly code: HostErrorShape["code"]; readonly next?: string };
}

/** Answer to "hello". */
export interface Hello {
  readonly protocol: number;
  readonly pid: number;
}

/** Codes of JSON-RPC 2.0. */
export const RpcCode = {
  INVALID_REQUEST: -32600,
  METHOD_NOT_FOUND: -32601,
  INVALID_PARAMS: -32602,
  /** An error of HostApi's: `data` says which. */
  HOST_ERROR: -32000,
} as const;

/** What a parameter must be; `?` allows its absence. */
type ParamKind = "domid" | "text" | "number" | "number?" | "flag?" | "text?" | "object" | "object?" | "list" | "stream";

/** Every call and its parameters. Those with a "stream" have a callback or a session behind it. */
export const METHODS: Readonly<Record<string, readonly ParamKind[]>> = {
  hello: ["number"],
  stopHost: [],
  info: [],
  dmesg: ["flag?"],
  regions: [],
  regionExits: ["flag?"],
  regionText: ["number", "flag?"],
  list: [],
  domain: ["domid"],
  resolve: ["text"],
  create: ["object", "object?"],
  pause: ["domid"],
  unpause: ["domid"],
  shutdown: ["domid", "text"],
  waitShutdown: ["domid"],
  destroy: ["domid"],
  rename: ["domid", "text"],
  setMemory: ["domid", "number"],
  setVcpus: ["domid", "number"],
  pinVcpu: ["domid", "number?", "object"],
  setScheduling: ["domid", "object"],
  disks: ["domid"],
  attachDisk: ["domid", "object"],
  detachDisk: ["domid", "text", "flag?"],
  changeMedium: ["domid", "text", "text?", "text?"],
  vifs: ["domid"],
  attachVif: ["domid", "object"],
  detachVif: ["domid", "number", "flag?"],
  setVif: ["domid", "number", "object"],
  networks: [],
  joinNetwork: ["text", "object"],
  serveNetwork: ["text", "object"],
  leaveNetwork: ["number"],
  image: ["text", "list"],
  trigger: ["domid", "text", "text?"],
  consoleScrollback: ["domid", "text"],
  xenstoreRead: ["text"],
  xenstoreList: ["text"],
  xenstoreWrite: ["text", "text"],
  xenstoreRemove: ["text"],
  imageJob: ["stream", "text", "list"],
  dumpCore: ["stream", "domid"],
  attachConsole: ["stream", "domid", "text"],
  capture: ["stream", "object", "object?"],
  stopCapture: ["stream"],
  xenstoreWatch: ["stream", "text"],
  subscribe: ["stream"],
};

/** Whether `params` are what `method` takes. */
export function paramsFit(method: string, params: unknown): params is readonly unknown[] {
  const kinds = Object.hasOwn(METHODS, method) ? METHODS[method] : undefined;
  return (
    Array.isArray(params) &&
    kinds !== undefined &&
    params.length <= kinds.length &&
    kinds.every((kind, index) => fits(kind, params[index]))
  );
}

function fits(kind: ParamKind, value: unknown): boolean {
  if (kind.endsWith("?") && (value === undefined || value === null)) return true;
  switch (kind) {
    case "domid":
    case "stream":
      return typeof value === "number" && Number.isInteger(value) && value >= 0;
    case "number":
    case "number?":
      return typeof value === "number";
    case "text":
    case "text?":
      return typeof value === "string";
    case "list":
      return Array.isArray(value);
    case "flag?":
      return typeof value === "boolean";
    default:
      return typeof value === "object" && value !== null && !Array.isArray(value);
  }
}
