/**
 * The page's road to Domain0, and the only folder that sees a Worker. Everything else gets a HostApi and does not ask
 * where it runs.
 */
import { connectBrowser } from "../../control-plane/api/connect-browser.js";
import type { HostApi } from "../../control-plane/api/index.js";

export { probeBrowser } from "./probe.js";

declare const __FAKE_HOST__: boolean;

export interface LinkOptions {
  /** Take the simulated host; only development and test builds have it. */
  readonly fake: boolean;
  /** Workers that run guest code. */
  readonly pcpus: number;
  /** The page has no shared memory: one thread for everything. */
  readonly singleThread: boolean;
  /** WebSocket address of a relay for guests. */
  readonly relayUrl: string | null;
}

/** Starts the machine: Domain0's worker and its processors. */
export async function connectHost(options: LinkOptions): Promise<HostApi> {
  if (__FAKE_HOST__ && options.fake) {
    const { FakeHost } = await import("./fake-host.js");
    return new FakeHost({ singleThread: options.singleThread });
  }
  const { pcpus, singleThread, relayUrl } = options;
  return connectBrowser({ pcpus, singleThread, ...(relayUrl === null ? {} : { relayUrl }) });
}
