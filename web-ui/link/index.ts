/**
 * The page's road to Domain0, and the only folder that sees a Worker. Everything else gets a HostApi and does not ask
 * where it runs.
 */
import type { HostApi } from "../../control-plane/api/types.js";
import { proxyCallbacks } from "./host-link.js";

export { probeBrowser } from "./probe.js";

declare const __FAKE_HOST__: boolean;

export interface LinkOptions {
  /** Take the simulated host; only development and test builds have it. */
  readonly fake: boolean;
}

type ConnectModule = { connectBrowser(options: Record<string, never>): Promise<HostApi> };
const connectModules = import.meta.glob<ConnectModule>("../../control-plane/api/connect-browser.ts");

/** Starts the machine: Domain0's worker and its processors. */
export async function connectHost(options: LinkOptions): Promise<HostApi> {
  if (__FAKE_HOST__ && options.fake) {
    const { FakeHost } = await import("./fake-host.js");
    return new FakeHost();
  }
  const load = connectModules["../../control-plane/api/connect-browser.ts"];
  if (!load) throw new Error("This build has no hypervisor in it.");
  const { connectBrowser } = await load();
  return proxyCallbacks(await connectBrowser({}));
}
