/**
 * Domain0 as the page calls it. Functions that a call hands over must be marked for comlink, and functions that come
 * back from the worker answer with promises; both are settled here, so that the rest of the page sees plain HostApi.
 */
import { proxy } from "comlink";
import type { HostApi } from "../../control-plane/api/types.js";

/** A HostApi whose callbacks are proxied on their way out. */
export function proxyCallbacks(remote: HostApi): HostApi {
  return new Proxy(remote, {
    get(target, name: keyof HostApi) {
      const method = target[name] as unknown as (...values: unknown[]) => unknown;
      if (typeof method !== "function") return method;
      // Reflect.apply, since "method.apply" on a remote would ask the far side for a property of that name.
      return (...values: unknown[]) =>
        Reflect.apply(
          method,
          target,
          values.map((value) => (typeof value === "function" ? proxy(value) : value)),
        );
    },
  });
}
