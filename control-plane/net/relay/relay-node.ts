/** A relay in Node: an HTTP server whose WebSockets speak Wisp, each with its own streams to the world outside. */
import { createServer, type IncomingMessage } from "node:http";
import { type WebSocket, WebSocketServer } from "ws";
import { addressOf, isListed, isSame, listen, stopListening, turnAway } from "../listener-node.js";
import type { Outside } from "../outside/index.js";
import type { MessageSocket } from "./message-socket.js";
import { WISP_LIMITS, type WispLimits, WispServer } from "./wisp-server.js";

export interface RelayOptions {
  readonly host: string;
  /** 0 takes any that is free. */
  readonly port: number;
  /** Clients must ask for /<token>/ when there is one. */
  readonly token?: string;
  /**
   * Pages of these origins may use it, "*" is all. Without a list those of this computer may: any page of the world can
   * reach a port of the loopback, and must not get into a network by it. Programs send no origin and always may.
   */
  readonly origins?: readonly string[];
  readonly clients?: number;
  readonly limits?: WispLimits;
  readonly log?: (line: string) => void;
}

export interface Relay {
  readonly port: number;
  /** WebSocket address for clients. */
  readonly url: string;
  clients(): number;
  close(): Promise<void>;
}

const MOST_CLIENTS = 256;
/** A packet holds what one read of a socket gave. */
const MOST_MESSAGE_BYTES = 1 << 20;
/** A client that answers no ping for so long is gone. */
const PING_MS = 30_000;

/** Listens; rejects with words for people when it cannot. */
export async function serveRelay(options: RelayOptions, outside: () => Outside): Promise<Relay> {
  const { host, port, token, clients = MOST_CLIENTS, limits = WISP_LIMITS, log = () => {} } = options;
  const http = createServer((_, response) => {
    response.writeHead(426, { "Content-Type": "text/plain", Upgrade: "websocket" });
    response.end("This is a relay for guests in pages: it speaks Wisp over WebSocket.\n");
  });
  const sockets = new WebSocketServer({ noServer: true, maxPayload: MOST_MESSAGE_BYTES, perMessageDeflate: false });
  http.on("upgrade", (request, socket, head) => {
    // One that fails is closed next.
    socket.on("error", () => {});
    const status = refusal(request, options, sockets.clients.size >= clients);
    if (status === null) {
      sockets.handleUpgrade(request, socket, head, (ws) => serve(ws, outside(), limits));
      return;
    }
    log(`refused ${request.socket.remoteAddress ?? "a client"}: ${status}`);
    turnAway(socket, status);
  });
  const taken = await listen(http, host, port);
  return {
    port: taken,
    url: `${addressOf(host, taken)}${token === undefined ? "" : `${token}/`}`,
    clients: () => sockets.clients.size,
    close: async () => {
      for (const client of sockets.clients) client.terminate();
      await stopListening(http);
    },
  };
}

/** The HTTP status with which a client is turned away, or null. */
function refusal(request: IncomingMessage, { token, origins }: RelayOptions, isFull: boolean): string | null {
  if (isFull) return "503 Service Unavailable";
  const { origin } = request.headers;
  if (origin !== undefined && !isListed(origin, origins)) return "403 Forbidden";
  if (token !== undefined && !isSame(request.url ?? "", `/${token}/`)) return "401 Unauthorized";
  return null;
}

function serve(ws: WebSocket, outside: Outside, limits: WispLimits): void {
  const server = new WispServer(messageSocket(ws), outside, limits);
  let answered = true;
  const pings = setInterval(() => {
    if (!answered) ws.terminate();
    answered = false;
    ws.ping();
  }, PING_MS);
  ws.on("pong", () => {
    answered = true;
  });
  ws.on("message", (data, isBinary) => {
    if (isBinary) server.message(data as Buffer);
    else ws.close();
  });
  // A socket that fails is closed next.
  ws.on("error", () => {});
  ws.once("close", () => {
    clearInterval(pings);
    server.closed();
    outside.close();
  });
}

/** A socket of `ws` as the relay uses it. */
export function messageSocket(ws: WebSocket): MessageSocket {
  return {
    send: (message, sent) => ws.send(message, { binary: true }, () => sent?.()),
    close: () => ws.close(),
  };
}
