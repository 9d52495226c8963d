/** A site in front of another that passes its pages on without the headers of isolation, as most servers would send them. */
import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import { type LoopbackSite, startLoopback } from "./loopback.js";

const DROPPED = new Set(["cross-origin-opener-policy", "cross-origin-embedder-policy", "cross-origin-resource-policy"]);

/** @param origin URL of the site behind it */
export async function startPlainSite(origin: string): Promise<LoopbackSite> {
  const forward = ({ method, url, headers }: IncomingMessage, response: ServerResponse) => {
    const asked = request(new URL(url ?? "/", origin), { method, headers }, (answer) => {
      const kept = Object.entries(answer.headers).filter(([name]) => !DROPPED.has(name));
      response.writeHead(answer.statusCode ?? 502, Object.fromEntries(kept));
      answer.pipe(response);
    });
    asked.once("error", () => response.destroy());
    asked.end();
  };
  return startLoopback(createServer(forward));
}
