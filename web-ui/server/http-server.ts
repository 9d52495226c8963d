/**
 * The playground's web server: the built page and the guests, with the headers that let the page share memory between
 * its workers. Only GET and HEAD; nothing a request says reaches the file system but plain names (static-path.ts).
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { join } from "node:path";
import { type GuestShelf, SHELF } from "./guest-shelf.js";
import { sendFile } from "./send-file.js";
import { resolveStatic, splitPath } from "./static-path.js";

/** Isolation, and a policy that allows what the page does and no more: its own code, wasm, any server's images. */
export const PAGE_HEADERS: Readonly<Record<string, string>> = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
  "Cross-Origin-Resource-Policy": "same-origin",
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "no-referrer",
  "Content-Security-Policy": [
    "default-src 'self'",
    "script-src 'self' 'wasm-unsafe-eval'",
    "worker-src 'self' blob:",
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data:",
    "connect-src *",
    "object-src 'none'",
    "base-uri 'none'",
  ].join("; "),
};

const HASHED = "public, max-age=31536000, immutable";
const REVALIDATE = "no-cache";

export function createPlaygroundServer(webRoot: string, shelf: GuestShelf): Server {
  return createServer((request, response) => {
    handle(request, response, webRoot, shelf).catch(() => {
      if (response.headersSent) response.destroy();
      else sendText(response, 500, "The playground failed to answer this request.\n");
    });
  });
}

async function handle(
  request: IncomingMessage,
  response: ServerResponse,
  webRoot: string,
  shelf: GuestShelf,
): Promise<void> {
  for (const [name, value] of Object.entries(PAGE_HEADERS)) response.setHeader(name, value);
  if (request.method !== "GET" && request.method !== "HEAD") {
    response.setHeader("Allow", "GET, HEAD");
    sendText(response, 405, "Only GET and HEAD.\n");
    return;
  }
  const path = (request.url ?? "/").split(/[?#]/, 1)[0]!;
  const segments = splitPath(path);
  if (!segments) sendText(response, 400, "Not a path this server understands.\n");
  else if (segments[0] === "guest") await sendGuest(request, response, segments, shelf);
  else await sendPage(request, response, webRoot, path);
}

async function sendPage(
  request: IncomingMessage,
  response: ServerResponse,
  webRoot: string,
  path: string,
): Promise<void> {
  const found = await resolveStatic(webRoot, path.endsWith("/") ? `${path}index.html` : path);
  const cacheControl = path.startsWith("/assets/") ? HASHED : REVALIDATE;
  if (found && (await sendFile(request, response, found, cacheControl))) return;
  sendText(response, 404, "There is nothing at this address.\n");
}

async function sendGuest(
  request: IncomingMessage,
  response: ServerResponse,
  [, name, file, ...rest]: readonly string[],
  shelf: GuestShelf,
): Promise<void> {
  const known = SHELF.find((entry) => entry === name);
  if (!known || !file || rest.length > 0) {
    sendText(response, 404, "There is no such guest.\n");
    return;
  }
  if (file === "manifest.json") {
    const body = Buffer.from(`${JSON.stringify(await shelf.manifest(known))}\n`);
    response.writeHead(200, {
      "Content-Type": "application/json; charset=utf-8",
      "Cache-Control": "no-store",
      "Content-Length": body.length,
    });
    response.end(request.method === "HEAD" ? undefined : body);
    return;
  }
  const path = shelf.file(known, file);
  if (path && (await sendFile(request, response, path, REVALIDATE))) return;
  sendText(response, 404, "This guest has no such file.\n");
}

function sendText(response: ServerResponse, status: number, text: string): void {
  response.removeHeader("Content-Length");
  response.writeHead(status, { "Content-Type": "text/plain; charset=utf-8", "Cache-Control": "no-store" });
  response.end(text);
}

/** How many ports are tried when the first is taken and the user did not insist on it. */
const PORTS_TRIED = 20;

/** Listens; with `insist` only on `port`, else on the next free one. Resolves with the port. */
export async function listen(server: Server, host: string, port: number, insist: boolean): Promise<number> {
  const last = insist || port === 0 ? port : Math.min(65535, port + PORTS_TRIED - 1);
  for (let candidate = port; ; candidate++) {
    try {
      return await listenOnce(server, host, candidate);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if ((code !== "EADDRINUSE" && code !== "EACCES") || candidate >= last) throw error;
    }
  }
}

function listenOnce(server: Server, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      server.removeListener("error", reject);
      const address = server.address();
      resolve(typeof address === "object" && address ? address.port : port);
    });
  });
}

/** Where the built page lies beside a bundled program. */
export function defaultWebRoot(programFolder: string): string {
  return join(programFolder, "web");
}
