/** A server of the test's own on this computer, at a free port. */
import type { Server } from "node:http";
import { listen } from "../../web-ui/server/index.js";

const LOOPBACK = "127.0.0.1";

export interface LoopbackSite {
  readonly url: string;
  /** Ends connections that are open, too. */
  close(): void;
}

export async function startLoopback(server: Server): Promise<LoopbackSite> {
  const port = await listen(server, LOOPBACK, 0, true);
  return {
    url: `http://${LOOPBACK}:${port}/`,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
