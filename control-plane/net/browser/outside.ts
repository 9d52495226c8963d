/** The world outside as a page reaches it: HTTP by fetch, and all else through a relay when there is one. */
import type {
  DatagramEvents,
  Listener,
  Outside,
  OutsideDatagrams,
  OutsideStream,
  Resolution,
  StreamEvents,
} from "../outside/index.js";
import type { WispClient } from "../relay/index.js";
import { type HttpParts, HttpStream } from "./http-stream.js";
import { InventedAddresses } from "./names.js";

const HTTP_PORT = 80;
const TTL_SECONDS = 60;
/** Hosts that one socket of a guest talks to at a time. */
const MOST_PEERS = 64;

const WITHOUT_RELAY =
  "without a relay a page reaches HTTP on port 80 of servers that allow it (CORS), and nothing else: start one with xl relay";
const NO_LISTENING = "a page cannot listen: forward ports where Xenolith runs in Node";

export interface BrowserOutsideParts extends HttpParts {
  readonly relay: WispClient | null;
}

export class BrowserOutside implements Outside {
  readonly #names = new InventedAddresses();

  constructor(private readonly parts: BrowserOutsideParts) {}

  get limits(): string | null {
    return this.parts.relay === null ? WITHOUT_RELAY : null;
  }

  openStream(address: string, port: number, events: StreamEvents): OutsideStream {
    const { relay } = this.parts;
    const host = this.#hostOf(address);
    if (relay !== null) return relay.openStream(host, port, events);
    if (port === HTTP_PORT) return new HttpStream(host, this.parts, events);
    queueMicrotask(() => events.closed("refused"));
    return NOTHING;
  }

  openDatagrams(_family: 4 | 6, events: DatagramEvents): OutsideDatagrams | null {
    const { relay } = this.parts;
    return relay === null ? null : new RelayDatagrams(relay, (address) => this.#hostOf(address), events);
  }

  async resolve(name: string, family: 4 | 6): Promise<Resolution> {
    const address = this.#names.addressOf(name);
    if (address === null) return { kind: "no-such-name" };
    return family === 6 ? { kind: "none" } : { kind: "addresses", addresses: [address], ttlSeconds: TTL_SECONDS };
  }

  async reverse(address: string): Promise<string | null> {
    return this.#names.nameOf(address);
  }

  async ping(): Promise<null> {
    return null;
  }

  async listen(): Promise<Listener> {
    throw new Error(NO_LISTENING);
  }

  async listenDatagrams(): Promise<Listener & OutsideDatagrams> {
    throw new Error(NO_LISTENING);
  }

  close(): void {
    this.parts.relay?.close();
  }

  #hostOf(address: string): string {
    return this.#names.nameOf(address) ?? address;
  }
}

const NOTHING: OutsideStream = {
  write: () => true,
  end: () => {},
  abort: () => {},
  pauseReading: () => {},
  resumeReading: () => {},
};

/** One socket of a guest: a relay's streams of datagrams lead to one host each. */
class RelayDatagrams implements OutsideDatagrams {
  /** The one that was used longest ago comes first. */
  readonly #peers = new Map<string, OutsideDatagrams>();

  constructor(
    private readonly relay: WispClient,
    private readonly hostOf: (address: string) => string,
    private readonly events: DatagramEvents,
  ) {}

  send(address: string, port: number, bytes: Uint8Array): void {
    const key = `${address} ${port}`;
    const peer = this.#peers.get(key) ?? this.#open(key, address, port);
    this.#peers.delete(key);
    this.#peers.set(key, peer);
    peer.send(address, port, bytes);
  }

  close(): void {
    for (const peer of this.#peers.values()) peer.close();
    this.#peers.clear();
  }

  #open(key: string, address: string, port: number): OutsideDatagrams {
    if (this.#peers.size >= MOST_PEERS) {
      const [oldest, peer] = this.#peers.entries().next().value!;
      peer.close();
      this.#peers.delete(oldest);
    }
    const events: DatagramEvents = {
      data: (_host, _port, bytes) => this.events.data(address, port, bytes),
      failed: (_host, _port, error) => this.events.failed(address, port, error),
    };
    return this.relay.openDatagrams(this.hostOf(address), port, events, () => this.#peers.delete(key));
  }
}
