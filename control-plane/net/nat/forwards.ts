/** Ports of the host that lead to a guest. Connections and datagrams come to it from 10.0.2.2. */
import type { Clock, Random } from "../../util/index.js";
import type { Listener, Outside, OutsideDatagrams, OutsideStream, StreamEvents } from "../outside/index.js";
import { MOST_UDP_PAYLOAD } from "./codec/numbers.js";
import type { NatLimits } from "./limits.js";
import { GATEWAY, sameAddress } from "./network.js";
import type { TcpEngine } from "./tcp-engine.js";

const PEER_IDLE_NS = 240e9;
const FIRST_DYNAMIC_PORT = 49_152;
const DYNAMIC_PORTS = 16_384;
const LOOPBACK = "127.0.0.1";

export interface ForwardSpec {
  readonly protocol: "tcp" | "udp";
  /** 127.0.0.1 when absent. */
  readonly hostAddress?: string;
  /** 0: any that is free. */
  readonly hostPort: number;
  readonly guestPort: number;
}

/** The guest's address as it is now, or null while it has none. */
export type GuestOf = () => Uint8Array | null;

export interface ForwardParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly outside: Outside;
  readonly limits: NatLimits;
  readonly tcp: TcpEngine;
  /** A datagram for a guest from the gateway's `sourcePort`. */
  deliver(guest: Uint8Array, sourcePort: number, port: number, bytes: Uint8Array): void;
}

interface Peer {
  readonly address: string;
  readonly port: number;
  usedNs: number;
}

interface UdpForward {
  readonly guestPort: number;
  readonly guest: GuestOf;
  /** Senders outside, by the port of the gateway that stands for each, and the other way round. */
  readonly peers: Map<number, Peer>;
  readonly ports: Map<string, number>;
  socket: OutsideDatagrams | null;
}

const NOBODY: StreamEvents = {
  opened: () => undefined,
  data: () => undefined,
  drained: () => undefined,
  ended: () => undefined,
  closed: () => undefined,
};

export class Forwards {
  readonly #udp = new Set<UdpForward>();
  readonly #open = new Set<() => void>();
  /** Ports of the gateway that forwarded connections come from. */
  readonly #tcpPorts = new Set<number>();
  #isClosed = false;

  constructor(private readonly parts: ForwardParts) {}

  get peers(): number {
    let count = 0;
    for (const forward of this.#udp) count += forward.peers.size;
    return count;
  }

  /** Rejects with a message for people. */
  async add(spec: ForwardSpec, guest: GuestOf): Promise<Listener> {
    const listener = spec.protocol === "tcp" ? await this.#addTcp(spec, guest) : await this.#addUdp(spec, guest);
    const close = (): void => {
      if (this.#open.delete(close)) listener.close();
    };
    this.#open.add(close);
    if (this.#isClosed) close();
    return { port: listener.port, close };
  }

  /** Whether a guest's datagram to a port of the gateway answers a forward's peer, to whom it is sent then. */
  reply(guest: Uint8Array, port: number, gatewayPort: number, bytes: Uint8Array): boolean {
    for (const forward of this.#udp) {
      if (forward.guestPort !== port) continue;
      const peer = forward.peers.get(gatewayPort);
      const address = forward.guest();
      if (peer === undefined || address === null || !sameAddress(address, guest)) continue;
      peer.usedNs = this.parts.clock.now();
      forward.socket?.send(peer.address, peer.port, bytes);
      return true;
    }
    return false;
  }

  expire(): void {
    const now = this.parts.clock.now();
    for (const forward of this.#udp) {
      for (const [port, peer] of forward.peers) if (now - peer.usedNs >= PEER_IDLE_NS) dropPeer(forward, port);
    }
  }

  close(): void {
    this.#isClosed = true;
    for (const close of [...this.#open]) close();
  }

  #addTcp(spec: ForwardSpec, guest: GuestOf): Promise<Listener> {
    const { outside } = this.parts;
    return outside.listen(spec.hostAddress ?? LOOPBACK, spec.hostPort, (stream, from) => {
      const address = guest();
      const port = this.#freePort(from.port, (p) => this.#tcpPorts.has(p));
      if (address !== null && port !== null) return this.#connect(stream, port, { address, port: spec.guestPort });
      stream.abort();
      return NOBODY;
    });
  }

  /** Keeps the gateway's port for the connection until it is over: another may come from the same port elsewhere. */
  #connect(stream: OutsideStream, port: number, guest: { address: Uint8Array; port: number }): StreamEvents {
    this.#tcpPorts.add(port);
    const events = this.parts.tcp.openToGuest({ address: GATEWAY, port }, guest, stream);
    return {
      opened: () => events.opened(),
      data: (bytes) => events.data(bytes),
      drained: () => events.drained(),
      ended: () => events.ended(),
      closed: (error) => {
        this.#tcpPorts.delete(port);
        events.closed(error);
      },
    };
  }

  async #addUdp(spec: ForwardSpec, guest: GuestOf): Promise<Listener> {
    const forward: UdpForward = { guestPort: spec.guestPort, guest, peers: new Map(), ports: new Map(), socket: null };
    const listener = await this.parts.outside.listenDatagrams(spec.hostAddress ?? LOOPBACK, spec.hostPort, {
      data: (address, port, bytes) => this.#data(forward, address, port, bytes),
      failed: () => undefined,
    });
    forward.socket = listener;
    this.#udp.add(forward);
    const close = (): void => {
      this.#udp.delete(forward);
      listener.close();
    };
    return { port: listener.port, close };
  }

  #data(forward: UdpForward, address: string, port: number, bytes: Uint8Array): void {
    const guest = forward.guest();
    if (guest === null || bytes.length > MOST_UDP_PAYLOAD) return;
    const key = `${address} ${port}`;
    const gatewayPort = forward.ports.get(key) ?? this.#addPeer(forward, key, address, port);
    if (gatewayPort === null) return;
    forward.peers.get(gatewayPort)!.usedNs = this.parts.clock.now();
    this.parts.deliver(guest, gatewayPort, forward.guestPort, bytes);
  }

  #addPeer(forward: UdpForward, key: string, address: string, port: number): number | null {
    if (forward.peers.size >= this.parts.limits.forwardPeers) dropPeer(forward, oldestPeer(forward));
    const isTaken = (p: number): boolean =>
      [...this.#udp].some((f) => f.guestPort === forward.guestPort && f.peers.has(p));
    const gatewayPort = this.#freePort(port, isTaken);
    if (gatewayPort === null) return null;
    forward.peers.set(gatewayPort, { address, port, usedNs: this.parts.clock.now() });
    forward.ports.set(key, gatewayPort);
    return gatewayPort;
  }

  /** The port that is wished for, or another one; null when a few tries find none. */
  #freePort(wish: number, isTaken: (port: number) => boolean): number | null {
    let port = wish;
    for (let tries = 0; tries < 64; tries++) {
      if (port > 0 && !isTaken(port)) return port;
      port = FIRST_DYNAMIC_PORT + (this.parts.random.u32() % DYNAMIC_PORTS);
    }
    return null;
  }
}

function oldestPeer(forward: UdpForward): number {
  let oldest = -1;
  let usedNs = Number.POSITIVE_INFINITY;
  for (const [port, peer] of forward.peers) {
    if (peer.usedNs >= usedNs) continue;
    usedNs = peer.usedNs;
    oldest = port;
  }
  return oldest;
}

function dropPeer(forward: UdpForward, gatewayPort: number): void {
  const peer = forward.peers.get(gatewayPort);
  if (peer === undefined) return;
  forward.peers.delete(gatewayPort);
  forward.ports.delete(`${peer.address} ${peer.port}`);
}
