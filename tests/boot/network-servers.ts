/** Servers of the test's own process, for guests to talk to: bytes by HTTP, and the hash of whatever is sent. */
import { createHash, randomBytes } from "node:crypto";
import { createServer as createHttp } from "node:http";
import { createServer, type Server } from "node:net";

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

/** Ports below those that guests dial from: of two, the lower one is taken for the service's. */
const [FIRST_PORT, PORTS] = [20_000, 10_000];
const TRIES = 50;

async function listen(server: Server, host: string): Promise<number> {
  for (let left = TRIES; ; left--) {
    const port = FIRST_PORT + Math.floor(Math.random() * PORTS);
    const problem = await new Promise<Error | null>((resolve) => {
      server.once("error", resolve);
      server.listen(port, host, () => resolve(null));
    });
    if (problem === null) return port;
    if ((problem as NodeJS.ErrnoException).code !== "EADDRINUSE" || left === 0) throw problem;
  }
}

export interface TestServers {
  /** Random bytes at /big, the files at their paths, a word at any other. */
  readonly http: number;
  readonly http6: number;
  readonly bigSha256: string;
  /** Answers the hash of all bytes when the sender has ended. */
  readonly hash: number;
  close(): void;
}

export async function testServers(
  bigBytes: number,
  files: Readonly<Record<string, Uint8Array>> = {},
): Promise<TestServers> {
  const big = randomBytes(bigBytes);
  const answer = () =>
    createHttp((request, response) => {
      const path = request.url ?? "";
      response.end(path === "/big" ? big : (files[path] ?? `hello from ${path}\n`));
    });
  const hash = createServer({ allowHalfOpen: true }, (socket) => {
    const sum = createHash("sha256");
    socket.on("data", (data) => sum.update(data));
    socket.on("end", () => socket.end(`${sum.digest("hex")}\n`));
    // A guest that is taken away in the middle is no failure of ours.
    socket.on("error", () => socket.destroy());
  });
  const servers = [answer(), answer(), hash];
  const [http, http6, hashPort] = await Promise.all([
    listen(servers[0]!, "127.0.0.1"),
    listen(servers[1]!, "::1"),
    listen(hash, "127.0.0.1"),
  ]);
  return {
    http,
    http6,
    hash: hashPort,
    bigSha256: sha256(big),
    close: () => {
      for (const server of servers) server.close();
    },
  };
}
