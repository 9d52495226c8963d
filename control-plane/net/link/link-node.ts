/** Links in Node: the server's end, and WebSockets for the client's, both of `ws`. */
import { timingSafeEqual } from "node:crypto";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { type RawData, WebSocket, WebSocketServer } from "ws";
import type { Timer } from "../capture/index.js";
import type { Station, Wire } from "../station.js";
import { CloseCode, LinkConnection, type LinkCounters, newCounters } from "./connection.js";
import { type Hello, MOST_MESSAGE_BYTES } from "./protocol.js";
import { type LinkSocket, type OpenLinkSocket, UNREACHABLE } from "./socket.js";

export interface LinkServerOptions {
  /** What the others call us. */
  readonly name: string;
  readonly host: string;
  /** 0 takes any that is free. */
  readonly port: number;
  /** Others must know it. */
  readonly token?: string;
  /**
   * Pages of these origins may connect. Without a list, any page that knows the token may; and none where there is no
   * token, or every page that somebody has open could get into the network. Programs send no origin.
   */
  readonly origins?: readonly string[];
  readonly connections?: number;
  /** Takes no large segments when false. */
  readonly large?: boolean;
  readonly log?: (line: string) => void;
}

export interface LinkServerParts {
  readonly timer: Timer;
  /** Plugs the station of somebody who has come. It is unplugged when they go. */
  readonly plug: (station: Station) => Wire;
}

export interface LinkPeer {
  readonly name: string;
  readonly address: string;
  readonly counters: Readonly<LinkCounters>;
}

export interface LinkServer {
  readonly port: number;
  readonly url: string;
  peers(): LinkPeer[];
  close(): Promise<void>;
}

const MOST_CONNECTIONS = 64;
/** How long a socket has to end politely. */
const CLOSE_MS = 1000;

/** Listens for links; rejects with words for people when it cannot. */
export async function serveLink(options: LinkServerOptions, parts: LinkServerParts): Promise<LinkServer> {
  const { host, port, connections = MOST_CONNECTIONS, log = () => {} } = options;
  const http = createServer((_, response) => {
    response.writeHead(426, { "Content-Type": "text/plain", Upgrade: "websocket" });
    response.end("This is a switch for guests elsewhere: connect a link to it.\n");
  });
  const sockets = new WebSocketServer({ noServer: true, maxPayload: MOST_MESSAGE_BYTES, perMessageDeflate: false });
  const room = new Room(options, parts, log);
  http.on("upgrade", (request, socket, head) => {
    // One that fails is closed next.
    socket.on("error", () => {});
    const status = sockets.clients.size >= connections ? "503 Service Unavailable" : refusal(request, options);
    if (status === null) {
      sockets.handleUpgrade(request, socket, head, (ws) => room.enter(ws, request.socket.remoteAddress ?? "?"));
      return;
    }
    log(`refused ${request.socket.remoteAddress ?? "somebody"}: ${status}`);
    socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\n\r\n`);
  });
  await listen(http, host, port);
  const taken = (http.address() as AddressInfo).port;
  return {
    port: taken,
    url: `ws://${host.includes(":") ? `[${host}]` : host}:${taken}/`,
    peers: () => room.peers(),
    close: async () => {
      room.close();
      for (const client of sockets.clients) client.terminate();
      await new Promise((resolve) => http.close(resolve));
    },
  };
}

async function listen(http: Server, host: string, port: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    http.once("error", (error) => reject(new Error(`cannot listen at ${host}, port ${port}: ${error.message}`)));
    http.listen(port, host, resolve);
  });
}

/** The HTTP status with which a page is turned away, or null. */
function refusal(request: IncomingMessage, { token, origins }: LinkServerOptions): string | null {
  const { origin } = request.headers;
  if (origin === undefined) return null;
  const isWelcome = origins === undefined ? token !== undefined : origins.includes(origin);
  return isWelcome ? null : "403 Forbidden";
}

function same(a: string, b: string): boolean {
  const [x, y] = [Buffer.from(a), Buffer.from(b)];
  return x.length === y.length && timingSafeEqual(x, y);
}

/** Everybody who is connected. */
class Room {
  readonly #connections = new Map<LinkConnection, { readonly address: string; readonly counters: LinkCounters }>();

  constructor(
    private readonly options: LinkServerOptions,
    private readonly parts: LinkServerParts,
    private readonly log: (line: string) => void,
  ) {}

  enter(ws: WebSocket, address: string): void {
    const counters = newCounters();
    const { name, large = true } = this.options;
    let wire: Wire | null = null;
    const connection = new LinkConnection(linkSocket(ws), {
      timer: this.parts.timer,
      counters,
      role: "server",
      hello: { name, id: "", large, token: null },
      refuse: (peer) => this.#refuse(peer),
      ready: (peer, ready) => {
        this.#replace(peer, ready);
        this.log(`${peer.name} (${address}) is connected`);
        wire = this.parts.plug(ready);
        return wire;
      },
      over: (reason) => {
        this.#connections.delete(connection);
        this.log(`${connection.peer?.name ?? "somebody"} (${address}) is gone: ${reason}`);
        wire?.unplug();
      },
    });
    this.#connections.set(connection, { address, counters });
    listenTo(ws, connection);
  }

  peers(): LinkPeer[] {
    return [...this.#connections]
      .filter(([{ peer }]) => peer !== null)
      .map(([{ peer }, { address, counters }]) => ({ name: peer!.name, address, counters: { ...counters } }));
  }

  close(): void {
    for (const connection of this.#connections.keys()) connection.end(CloseCode.DONE, "the other side has ended");
  }

  #refuse({ token }: Hello): string | null {
    const wanted = this.options.token;
    return wanted === undefined || (token !== null && same(token, wanted)) ? null : "the token is not the right one";
  }

  /** Somebody who comes back is there once, even if we have not noticed yet that they were gone. */
  #replace({ id }: Hello, by: LinkConnection): void {
    for (const connection of this.#connections.keys())
      if (connection !== by && connection.peer?.id === id) connection.end(CloseCode.DONE, "it has connected anew");
  }
}

/** Opens a WebSocket from Node. */
export const openNodeSocket: OpenLinkSocket = (url, events) => {
  const ws = new WebSocket(url, { maxPayload: MOST_MESSAGE_BYTES, perMessageDeflate: false });
  ws.on("open", () => events.opened());
  listenTo(ws, events);
  return linkSocket(ws);
};

function listenTo(ws: WebSocket, events: Pick<LinkConnection, "message" | "closed">): void {
  ws.on("message", (data: RawData, isBinary) => {
    const bytes = data as Buffer;
    events.message(isBinary ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length) : bytes.toString("utf8"));
  });
  let failure = "";
  ws.on("error", (error) => {
    failure = error.message || UNREACHABLE;
  });
  ws.once("close", (code, reason) => events.closed(reason.toString() || failure || `closed (${code})`));
}

function linkSocket(ws: WebSocket): LinkSocket {
  return {
    // `ws` keeps what it is given.
    send: (message) => {
      if (ws.readyState === ws.OPEN) ws.send(typeof message === "string" ? message : message.slice());
    },
    get bufferedAmount() {
      return ws.bufferedAmount;
    },
    pause: () => ws.pause(),
    resume: () => ws.resume(),
    close: (code, reason) => {
      ws.close(code, reason);
      const timer = setTimeout(() => ws.terminate(), CLOSE_MS);
      timer.unref();
      ws.once("close", () => clearTimeout(timer));
    },
  };
}
