/** Entry of Domain0 in a browser: a dedicated worker that is started by one message. */
import type { Domain0Start, MachineOptions } from "../api/machine-options.js";
import { spawnBrowserWorker } from "../core-link/spawn-browser.js";
import { openWebSocket } from "../net/index.js";
import { type ImageSources, ImageStore, OpfsFolder, oneStore, openHttp, StorageError } from "../storage/index.js";
import { startDomain0 } from "./domain0.js";
import { browserOutside } from "./outside.browser.js";

/** Where this site's images are in the browser's own file system. */
const IMAGE_FOLDER = "images";

async function readCore(url: string): Promise<Uint8Array<ArrayBuffer>> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: ${response.status} ${response.statusText}`);
  return new Uint8Array(await response.arrayBuffer());
}

/** A message to oneself is not delayed as timers are. */
function makeSoon(): (work: () => void) => void {
  const { port1, port2 } = new MessageChannel();
  const waiting: (() => void)[] = [];
  port2.onmessage = () => waiting.shift()?.();
  return (work) => {
    waiting.push(work);
    port1.postMessage(0);
  };
}

/** Opened when the first image is asked for: until then other pages may use the folder. */
const images = (sources: ImageSources) =>
  oneStore(async () => {
    if (!OpfsFolder.isAvailable()) {
      const next = "use a newer browser, and no private window";
      throw new StorageError("unsupported", "this browser keeps no files for sites", { next });
    }
    const folder = await OpfsFolder.open(IMAGE_FOLDER);
    return ImageStore.open({ folder, sources, openRemote: openHttp({ cache: { folder, sources } }) });
  });

/** Nothing can be listened at here. */
const links = { name: "a page", open: openWebSocket, serve: null };

const outside = ({ relayUrl }: MachineOptions) => browserOutside(relayUrl);

globalThis.addEventListener(
  "message",
  (event) => {
    const start = (event as MessageEvent<Domain0Start>).data;
    const host = { spawn: spawnBrowserWorker, soon: makeSoon(), readCore, coreSink: null, images, outside, links };
    startDomain0(start, host).catch((error: unknown) => {
      // Thrown outside the promise it reaches the page as the worker's error event.
      setTimeout(() => {
        throw error;
      });
    });
  },
  { once: true },
);
