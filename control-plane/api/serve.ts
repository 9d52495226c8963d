/**
 * HostApi across a message port, by comlink. Functions that callers hand in arrive as proxies already; what we hand out
 * (a console session, the end of a subscription) is made one here. Errors keep their code.
 */
import { type Endpoint, expose, proxy, type TransferHandler, transferHandlers } from "comlink";
import { toHostError } from "./errors.js";
import type { HostApi } from "./types.js";

/** Answers calls that come over `port` with `host`. */
export function serveHost(host: HostApi, port: MessagePort): void {
  keepErrorCodes();
  const served: HostApi = {
    ...boundMethods(host),
    attachConsole: async (...args) => proxy(await host.attachConsole(...args)),
    capture: async (...args) => proxy(await host.capture(...args)),
    xenstoreWatch: async (...args) => proxy(await host.xenstoreWatch(...args)),
    subscribe: async (...args) => proxy(await host.subscribe(...args)),
  };
  expose(served, port as unknown as Endpoint);
}

/** Methods live on a class; comlink wants own properties that do not lose `this`. */
function boundMethods(host: HostApi): HostApi {
  const names = Object.getOwnPropertyNames(Object.getPrototypeOf(host)).filter((name) => name !== "constructor");
  const entries = names.map((name) => {
    const method = (host as unknown as Record<string, unknown>)[name];
    return [name, typeof method === "function" ? method.bind(host) : method];
  });
  return Object.fromEntries(entries) as HostApi;
}

interface Thrown {
  readonly value: unknown;
}

/** Comlink sends only name, message and stack of an error; its receiver copies whatever else is there. */
function keepErrorCodes(): void {
  const base = transferHandlers.get("throw") as TransferHandler<Thrown, { value: { code?: string; next?: string } }>;
  transferHandlers.set("throw", {
    ...base,
    serialize: (thrown: Thrown) => {
      const error = toHostError(thrown.value);
      const [wire, transfers] = base.serialize({ ...thrown, value: error });
      wire.value.code = error.code;
      if (error.next !== undefined) wire.value.next = error.next;
      return [wire, transfers];
    },
  } as TransferHandler<unknown, unknown>);
}
