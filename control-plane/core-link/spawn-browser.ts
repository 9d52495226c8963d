/** pCPU workers as dedicated workers of the page. */
import type { CoreWorker } from "./workers.js";

export function spawnBrowserWorker(): CoreWorker {
  const worker = new Worker(new URL("../../wasm-core/worker/pcpu.browser.ts", import.meta.url), { type: "module" });
  return {
    start: (message, ports = []) => worker.postMessage(message, [...ports]),
    onReport: (listener) => worker.addEventListener("message", (event) => listener(event.data)),
    onFailure: (listener) => worker.addEventListener("error", (event) => listener(event.message)),
    terminate: async () => worker.terminate(),
  };
}
