/** Entry of Domain0 in a browser: a dedicated worker that is started by one message. */
import type { Domain0Start } from "../api/machine-options.js";
import { spawnBrowserWorker } from "../core-link/spawn-browser.js";
import { startDomain0 } from "./domain0.js";

async function readCore(url: string): Promise<Uint8Array<ArrayBuffer>> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: ${response.status} ${response.statusText}`);
  return new Uint8Array(await response.arrayBuffer());
}

globalThis.addEventListener(
  "message",
  (event) => {
    const start = (event as MessageEvent<Domain0Start>).data;
    startDomain0(start, { spawn: spawnBrowserWorker, readCore, coreSink: null }).catch((error: unknown) => {
      // Thrown outside the promise it reaches the page as the worker's error event.
      setTimeout(() => {
        throw error;
      });
    });
  },
  { once: true },
);
