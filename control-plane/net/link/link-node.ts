/** Links in Node: the server's end, and WebSockets for the client's, both of `ws`. */
import { createServer, type IncomingMessage } from "node:http";
import { type RawData, WebSocket, WebSocketServer } from "ws";
import { addressOf, isListed, isSame, listen, stopListening, turnAway } from "../listener-node.js";
import { CloseCode, LinkConnection, type LinkCounters, newCounters } from "./connection.js";
import { type Hello, MOST_MESSAGE_BYTES, printable } from "./protocol.js";
import {
  LESS_OPEN,
  type LinkNetwork,
  type LinkPeer,
  type LinkServerOptions,
  type LinkServerParts,
  type NamedWire,
  type ServeLink,
  whyTooOpen,
} from "./server.js";
import { type LinkSocket, type OpenLinkSocket, UNREACHABLE } from "./socket.js";

const MOST_CONNECTIONS = 64;
/** How long a socket has to end politely. */
const CLOSE_MS = 1000;

export const serveLink: ServeLink = async (options, parts) => {
  const { host, port, connections = MOST_CONNECTIONS, log = () => {} } = options;
  const problem = whyTooOpen(options);
  if (problem !== null) throw new Error(`${problem}; ${LESS_OPEN}`);
  const http = createServer((_, response) => {
    response.writeHead(426, { "Content-Type": "text/plain", Upgrade: "websocket" });
    response.end("This is a switch for guests elsewhere: connect a link to it.\n");
  });
  const sockets = new WebSocketServer({ noServer: true, maxPayload: MOST_MESSAGE_BYTES, perMessageDeflate: false });
  const room = new Room(options, parts, log);
  http.on("upgrade", (request, socket, head) => {
    // One that fails is closed next.
    socket.on("error", () => {});
    const { remoteAddress = "?" } = request.socket;
    const status = sockets.clients.size >= connections ? "503 Service Unavailable" : refusal(request, options);
    if (status === null) {
      sockets.handleUpgrade(request, socket, head, (ws) => room.enter(ws, remoteAddress, pathOf(request)));
      return;
    }
    const { origin } = request.headers;
    log(`refused ${remoteAddress}${origin === undefined ? "" : `, a page of ${printable(origin)}`}: ${status}`);
    turnAway(socket, status);
  });
  const taken = await listen(http, host, port);
  return {
    port: taken,
    url: addressOf(host, taken),
    peers: () => room.peers(),
    close: async () => {
      room.close();
      for (const client of sockets.clients) client.terminate();
      await stopListening(http);
    },
  };
};

const pathOf = ({ url = "/" }: IncomingMessage): string => url.replace(/[?#].*$/s, "");

/** The HTTP status with which a page is turned away, or null. */
function refusal(request: IncomingMessage, { token, origins }: LinkServerOptions): string | null {
  const { origin } = request.headers;
  if (origin === undefined) return null;
  const isWelcome = isListed(origin, origins) || (origins === undefined && token !== undefined);
  return isWelcome ? null : "403 Forbidden";
}

/** Somebody who is connected, or about to be. */
interface Guest {
  readonly address: string;
  readonly counters: LinkCounters;
  /** Or why there is none. */
  readonly network: LinkNetwork | string;
  wire: NamedWire | null;
}

/** Everybody who is connected. */
class Room {
  readonly #guests = new Map<LinkConnection, Guest>();

  constructor(
    private readonly options: LinkServerOptions,
    private readonly parts: LinkServerParts,
    private readonly log: (line: string) => void,
  ) {}

  enter(ws: WebSocket, address: string, path: string): void {
    const guest: Guest = { address, counters: newCounters(), network: this.parts.networkAt(path), wire: null };
    const { name, large = true } = this.options;
    const network = typeof guest.network === "string" ? "" : guest.network.id;
    const where = typeof guest.network === "string" ? "" : `${guest.network.name}: `;
    const connection = new LinkConnection(linkSocket(ws), {
      timer: this.parts.timer,
      counters: guest.counters,
      role: "server",
      hello: { name, id: "", network, large, token: null },
      refuse: (peer) => this.#refuse(peer, guest),
      ready: (peer, ready) => {
        this.#replace(peer, ready);
        this.log(`${where}${peer.name} (${address}) is connected`);
        // One without a network was refused.
        guest.wire = (guest.network as LinkNetwork).plug(ready);
        return guest.wire;
      },
      over: (reason) => {
        this.#guests.delete(connection);
        this.log(`${where}${connection.peer?.name ?? "somebody"} (${address}) is gone: ${reason}`);
        guest.wire?.unplug();
      },
    });
    this.#guests.set(connection, guest);
    listenTo(ws, connection);
  }

  peers(): LinkPeer[] {
    return [...this.#guests].flatMap(([{ peer }, { address, counters, wire }]) =>
      peer === null || wire === null
        ? []
        : [{ name: peer.name, address, port: wire.name, network: peer.network, counters: { ...counters } }],
    );
  }

  close(): void {
    for (const connection of this.#guests.keys()) connection.end(CloseCode.DONE, "the other side has ended");
  }

  #refuse(peer: Hello, { network }: Guest): string | null {
    const { token } = this.options;
    if (token !== undefined && (peer.token === null || !isSame(peer.token, token)))
      return "the token is not the right one";
    if (typeof network === "string") return network;
    if (peer.network === network.id) return "a network cannot join itself";
    const others = [...this.#guests].filter(([other, { wire }]) => wire !== null && other.peer?.id !== peer.id);
    const isThere = others.some(
      ([other, guest]) => other.peer?.network === peer.network && (guest.network as LinkNetwork).id === network.id,
    );
    if (isThere) return "these two networks are joined already";
    return network.refuse(peer);
  }

  /** Somebody who comes back is there once, even if we have not noticed yet that they were gone. */
  #replace({ id }: Hello, by: LinkConnection): void {
    for (const connection of this.#guests.keys())
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
