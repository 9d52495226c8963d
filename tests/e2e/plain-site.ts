/** A site in front of another that passes its pages on without the headers of isolation, as most servers would send them. */
import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

const DROPPED = new Set(["cross-origin-opener-policy", "cross-origin-embedder-policy", "cross-origin-resource-policy"]);

export interface PlainSite {
  readonly url: string;
  close(): void;
}

/** @param origin URL of the site behind it */
export async function startPlainSite(origin: string): Promise<PlainSite> {
  const forward = ({ method, url, headers }: IncomingMessage, response: ServerResponse) => {
    const asked = request(new URL(url ?? "/", origin), { method, headers }, (answer) => {
      const kept = Object.entries(answer.headers).filter(([name]) => !DROPPED.has(name));
      response.writeHead(answer.statusCode ?? 502, Object.fromEntries(kept));
      answer.pipe(response);
    });
    asked.once("error", () => response.destroy());
    asked.end();
  };
  const server = createServer(forward);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
