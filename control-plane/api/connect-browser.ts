/**
 * Starts a machine in this page: Domain0 and the pCPUs in dedicated workers, or, in a page that is not cross-origin
 * isolated and so has no shared memory, all of it in one.
 */
import { connectClient } from "./client.js";
import { HostError } from "./errors.js";
import type { Domain0Start, MachineOptions } from "./machine-options.js";
import type { HostApi } from "./types.js";

export interface ConnectBrowserOptions extends MachineOptions {
  /** Where core.wasm is served; core-single.wasm when `singleThread` holds. */
  readonly coreUrl?: string;
}

/** Literals, so that bundlers find both files. */
const coreUrlFor = (singleThread: boolean): string =>
  singleThread
    ? new URL("../../dist/core-single.wasm", import.meta.url).href
    : new URL("../../dist/core.wasm", import.meta.url).href;

export async function connectBrowser(options: ConnectBrowserOptions = {}): Promise<HostApi> {
  const { crossOriginIsolated } = globalThis;
  const singleThread = options.singleThread ?? !crossOriginIsolated;
  const { coreUrl = coreUrlFor(singleThread), ...asked } = options;
  const machine = { ...asked, singleThread };
  if (!singleThread && !crossOriginIsolated) {
    throw new HostError("unsupported", "shared memory needs a cross-origin isolated page (COOP and COEP headers)");
  }
  const { port1, port2 } = new MessageChannel();
  const worker = new Worker(new URL("../worker/domain0.browser.ts", import.meta.url), { type: "module" });
  const failure = new Promise<never>((_, reject) => {
    worker.addEventListener("error", (event) => {
      reject(new HostError("internal", `Domain0 failed: ${event.message || "its worker could not be loaded"}`));
    });
  });
  const start: Domain0Start = { port: port2, options: machine, coreUrl };
  worker.postMessage(start, [port2]);
  const host = connectClient({ port: port1, failure, terminate: async () => worker.terminate() });
  await host.info();
  return host;
}
