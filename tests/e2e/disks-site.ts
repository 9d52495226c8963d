/** An isolated site whose one page does nothing, with the worker that disks.e2e.ts and firefox.e2e.ts give work to. */
import { createServer } from "node:http";
import { join } from "node:path";
import { build } from "esbuild";
import { type LoopbackSite, startLoopback } from "./loopback.js";

export async function startDisksSite(): Promise<LoopbackSite> {
  const bundle = await build({
    entryPoints: [join(import.meta.dirname, "disks-worker.ts")],
    bundle: true,
    format: "esm",
    target: "es2022",
    write: false,
  });
  const script = bundle.outputFiles[0]!.text;
  const server = createServer((request, response) => {
    const isScript = request.url === "/worker.js";
    response.writeHead(200, {
      "content-type": isScript ? "text/javascript" : "text/html",
      "cross-origin-opener-policy": "same-origin",
      "cross-origin-embedder-policy": "require-corp",
    });
    response.end(isScript ? script : "<title>disks</title>");
  });
  return startLoopback(server);
}

/** In the page: has a new worker do something, and gives what came of it. */
export function askWorker(deed: string): Promise<never> {
  return new Promise<never>((resolve, reject) => {
    const worker = new Worker("/worker.js", { type: "module" });
    worker.onerror = (event) => reject(new Error(event.message));
    worker.onmessage = ({ data }) => {
      worker.terminate();
      if ("failed" in data) reject(new Error(data.failed));
      else resolve(data.done as never);
    };
    worker.postMessage(deed);
  });
}
