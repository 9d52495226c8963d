/**
 * The world outside through Node's sockets and resolver, without any privilege. Nothing here blocks, and nothing that
 * fails throws: failures reach their owner as an `OutsideError`, never within the call that caused them.
 *
 * There is no ICMP without privilege in Node, so that `ping` answers null except for the host's own loopback.
 */
import * as dgram from "node:dgram";
import * as net from "node:net";
import { NodeNames } from "./node-names.js";
import type {
  DatagramEvents,
  Listener,
  Outside,
  OutsideDatagrams,
  OutsideError,
  OutsideStream,
  Resolution,
  StreamEvents,
} from "./outside.js";

/** What guests may reach. */
export interface NodePolicy {
  /** False denies 127.0.0.0/8 and ::1 of the host. */
  readonly hostLoopback?: boolean;
  /** False denies private networks: RFC 1918, 100.64.0.0/10, link-local and fc00::/7. */
  readonly privateNetworks?: boolean;
  /** Says no to single destinations. */
  allows?(protocol: "tcp" | "udp", address: string, port: number): boolean;
}

const CONNECT_TIMEOUT_MS = 75_000;
/** Bytes that a datagram socket may hold before more is dropped, as a full queue of an interface does. */
const MOST_QUEUED_BYTES = 1 << 20;

function blockList(subnets: readonly [address: string, bits: number, family: "ipv4" | "ipv6"][]): net.BlockList {
  const list = new net.BlockList();
  for (const [address, bits, family] of subnets) list.addSubnet(address, bits, family);
  return list;
}

const LOOPBACK = blockList([
  ["127.0.0.0", 8, "ipv4"],
  ["0.0.0.0", 32, "ipv4"],
  ["::", 127, "ipv6"],
]);
const PRIVATE = blockList([
  ["10.0.0.0", 8, "ipv4"],
  ["172.16.0.0", 12, "ipv4"],
  ["192.168.0.0", 16, "ipv4"],
  ["100.64.0.0", 10, "ipv4"],
  ["169.254.0.0", 16, "ipv4"],
  ["fc00::", 7, "ipv6"],
  ["fe80::", 10, "ipv6"],
  ["fec0::", 10, "ipv6"],
]);

/** IPv4 in IPv6's clothes is found too: a `BlockList` looks inside. */
const isIn = (list: net.BlockList, address: string): boolean =>
  list.check(address, net.isIPv6(address) ? "ipv6" : "ipv4");

const ERRORS: Readonly<Record<string, OutsideError>> = {
  ECONNREFUSED: "refused",
  ECONNRESET: "reset",
  EPIPE: "reset",
  ECONNABORTED: "reset",
  ETIMEDOUT: "timed-out",
  EACCES: "denied",
  EPERM: "denied",
  ENOTFOUND: "not-found",
};

const toError = (error: NodeJS.ErrnoException): OutsideError => ERRORS[error.code ?? ""] ?? "unreachable";

/** A stream that came to nothing; its owner hears so after the call. */
const CLOSED: OutsideStream = {
  write: () => true,
  end: () => undefined,
  abort: () => undefined,
  pauseReading: () => undefined,
  resumeReading: () => undefined,
};

class NodeStream implements OutsideStream {
  #events: StreamEvents | null = null;
  #error: OutsideError | null = null;

  constructor(
    private readonly socket: net.Socket,
    private readonly forget: (stream: NodeStream) => void,
  ) {}

  /** From now on `events` hears what happens. */
  listen(events: StreamEvents): this {
    const { socket } = this;
    this.#events = events;
    socket.setNoDelay(true);
    socket.on("connect", () => {
      socket.setTimeout(0);
      events.opened();
    });
    socket.on("data", (bytes: Uint8Array) => events.data(bytes));
    socket.on("drain", () => events.drained());
    socket.on("end", () => events.ended());
    socket.on("error", (error) => {
      this.#error ??= toError(error);
    });
    socket.on("close", () => this.#closed());
    return this;
  }

  /** Gives up when there is no connection in time. */
  limitConnecting(ms: number): this {
    this.socket.setTimeout(ms, () => {
      this.#error = "timed-out";
      this.socket.destroy();
    });
    return this;
  }

  write(bytes: Uint8Array): boolean {
    return this.socket.writable ? this.socket.write(bytes) : true;
  }

  end(): void {
    this.socket.end();
  }

  abort(): void {
    if (!this.socket.connecting && !this.socket.destroyed) this.socket.resetAndDestroy();
    else this.socket.destroy();
  }

  pauseReading(): void {
    this.socket.pause();
  }

  resumeReading(): void {
    this.socket.resume();
  }

  #closed(): void {
    this.forget(this);
    this.#events?.closed(this.#error);
    this.#events = null;
  }
}

class NodeDatagrams implements OutsideDatagrams {
  #isOpen = true;

  constructor(
    private readonly socket: dgram.Socket,
    private readonly events: DatagramEvents,
    private readonly mayReach: (address: string, port: number) => boolean,
    private readonly forget: (datagrams: NodeDatagrams) => void,
  ) {
    socket.on("message", (bytes, from) => {
      // A link-local sender comes with the interface's name.
      if (this.#isOpen) this.events.data(from.address.replace(/%.*$/, ""), from.port, bytes);
    });
    // After a failure of the socket itself there is nothing more to expect of it; sends say for themselves.
    socket.on("error", () => undefined);
  }

  get port(): number {
    return this.socket.address().port;
  }

  send(address: string, port: number, bytes: Uint8Array): void {
    if (!this.#isOpen || port === 0) return;
    if (!this.mayReach(address, port)) {
      queueMicrotask(() => this.#failed(address, port, "denied"));
      return;
    }
    if (this.#queuedBytes() > MOST_QUEUED_BYTES) return;
    this.socket.send(bytes, port, address, (error) => {
      if (error !== null) this.#failed(address, port, toError(error));
    });
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.forget(this);
    this.socket.close();
  }

  #queuedBytes(): number {
    return this.socket.getSendQueueSize();
  }

  #failed(address: string, port: number, error: OutsideError): void {
    if (this.#isOpen) this.events.failed(address, port, error);
  }
}

export class NodeOutside implements Outside {
  readonly limits = "Hosts outside cannot be pinged: that takes a privilege which this program does not ask for.";
  readonly #names = new NodeNames();
  readonly #streams = new Set<NodeStream>();
  readonly #datagrams = new Set<NodeDatagrams>();
  readonly #servers = new Set<net.Server>();

  constructor(private readonly policy: NodePolicy = {}) {}

  /** Streams that are open or being opened. */
  get streams(): number {
    return this.#streams.size;
  }

  openStream(address: string, port: number, events: StreamEvents): OutsideStream {
    const isPossible = net.isIP(address) !== 0 && port > 0 && port < 65_536;
    if (!isPossible || !this.#mayReach("tcp", address, port)) {
      queueMicrotask(() => events.closed(isPossible ? "denied" : "refused"));
      return CLOSED;
    }
    const socket = net.connect({ host: address, port, allowHalfOpen: true });
    return this.#adopt(socket).limitConnecting(CONNECT_TIMEOUT_MS).listen(events);
  }

  openDatagrams(family: 4 | 6, events: DatagramEvents): OutsideDatagrams {
    const socket = dgram.createSocket({ type: family === 4 ? "udp4" : "udp6", ipv6Only: family === 6 });
    // At once, so that answers are heard; without an address, so that it may talk to the loopback and to the world.
    socket.bind(0);
    return this.#adoptDatagrams(socket, events, (address, port) => this.#mayReach("udp", address, port));
  }

  resolve(name: string, family: 4 | 6): Promise<Resolution> {
    return this.#names.resolve(name, family);
  }

  reverse(address: string): Promise<string | null> {
    return this.#names.reverse(address);
  }

  ping(address: string): Promise<boolean | null> {
    return Promise.resolve(net.isIP(address) !== 0 && isIn(LOOPBACK, address) ? true : null);
  }

  listen(
    address: string,
    port: number,
    accepted: (stream: OutsideStream, from: { readonly address: string; readonly port: number }) => StreamEvents,
  ): Promise<Listener> {
    return new Promise((resolve, reject) => {
      const server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
        const from = { address: socket.remoteAddress ?? "", port: socket.remotePort ?? 0 };
        const stream = this.#adopt(socket);
        stream.listen(accepted(stream, from));
        socket.resume();
      });
      server.once("error", (error) => reject(new Error(listenProblem("tcp", address, port, error))));
      server.listen({ host: address, port, exclusive: true }, () => {
        server.removeAllListeners("error");
        server.on("error", () => undefined);
        this.#servers.add(server);
        const close = (): void => {
          this.#servers.delete(server);
          server.close();
        };
        resolve({ port: (server.address() as net.AddressInfo).port, close });
      });
    });
  }

  listenDatagrams(address: string, port: number, events: DatagramEvents): Promise<Listener & OutsideDatagrams> {
    return new Promise((resolve, reject) => {
      const isIpv6 = net.isIPv6(address);
      const socket = dgram.createSocket({ type: isIpv6 ? "udp6" : "udp4", ipv6Only: isIpv6 });
      socket.once("error", (error) => {
        socket.close();
        reject(new Error(listenProblem("udp", address, port, error)));
      });
      socket.bind({ address, port, exclusive: true }, () => {
        socket.removeAllListeners("error");
        // Who sent to the forward may be answered, wherever that is.
        resolve(this.#adoptDatagrams(socket, events, () => true));
      });
    });
  }

  close(): void {
    for (const server of this.#servers) server.close();
    this.#servers.clear();
    for (const stream of [...this.#streams]) stream.abort();
    for (const datagrams of [...this.#datagrams]) datagrams.close();
    this.#names.close();
  }

  #adopt(socket: net.Socket): NodeStream {
    const stream = new NodeStream(socket, (gone) => this.#streams.delete(gone));
    this.#streams.add(stream);
    return stream;
  }

  #adoptDatagrams(
    socket: dgram.Socket,
    events: DatagramEvents,
    mayReach: (address: string, port: number) => boolean,
  ): NodeDatagrams {
    const datagrams = new NodeDatagrams(socket, events, mayReach, (gone) => this.#datagrams.delete(gone));
    this.#datagrams.add(datagrams);
    return datagrams;
  }

  #mayReach(protocol: "tcp" | "udp", address: string, port: number): boolean {
    const { policy } = this;
    if (net.isIP(address) === 0) return false;
    if (policy.hostLoopback === false && isIn(LOOPBACK, address)) return false;
    if (policy.privateNetworks === false && isIn(PRIVATE, address)) return false;
    return policy.allows?.(protocol, address, port) ?? true;
  }
}

/** Why listening failed, and what to do about it. */
function listenProblem(protocol: "tcp" | "udp", address: string, port: number, error: NodeJS.ErrnoException): string {
  const what = `${protocol.toUpperCase()} port ${port} of ${address}`;
  switch (error.code) {
    case "EADDRINUSE":
      return `${what} is in use by another program: ${finder(protocol, port)} shows which`;
    case "EACCES":
      return `${what} may not be used: ports below 1024 want a privilege; take one above`;
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
      return `${what} cannot be used: this host has no such address`;
    default:
      return `${what} cannot be used: ${error.message}`;
  }
}

function finder(protocol: "tcp" | "udp", port: number): string {
  switch (process.platform) {
    case "win32":
      return `"netstat -ano -p ${protocol} | findstr :${port}"`;
    case "darwin":
      return `"lsof -nP -i${protocol.toUpperCase()}:${port}"`;
    default:
      return `"ss -lnp${protocol === "tcp" ? "t" : "u"} sport = :${port}"`;
  }
}
