/**
 * A port of a switch that leads to a switch elsewhere: the client's end of a link. It connects, and connects again,
 * each time a little later, for as long as it is not closed; frames meanwhile are dropped.
 */
import type { Clock, Random } from "../../util/index.js";
import type { Timer } from "../capture/index.js";
import type { Packet } from "../packet.js";
import type { Station, Wire } from "../station.js";
import { CloseCode, LinkConnection, type LinkCounters, newCounters } from "./connection.js";
import type { Hello } from "./protocol.js";
import type { LinkSocket, OpenLinkSocket } from "./socket.js";

export interface LinkOptions {
  /** What the other side calls us. */
  readonly name: string;
  /** "ws://host:port/" or "wss://...". */
  readonly url: string;
  /** What we lead to, as in hellos. */
  readonly network: string;
  readonly token?: string;
  /** Takes no large segments when false. */
  readonly large?: boolean;
}

/** A wire that can say that there is nobody at its end. */
export type LinkWire = Wire & { setUp?(up: boolean): void };

export interface LinkParts {
  readonly clock: Clock;
  readonly timer: Timer;
  readonly random: Random;
  readonly plug: (station: Station) => LinkWire;
  readonly open: OpenLinkSocket;
  /** A sentence that says why the other side is not wanted, or null. */
  readonly refuse?: (peer: Hello) => string | null;
  /** The status has changed. */
  readonly changed?: () => void;
}

export interface LinkStatus {
  readonly state: "connecting" | "up" | "waiting" | "closed";
  /** The other side's name for itself, while it is there. */
  readonly peer: string | null;
  /** What it leads to, as in its hello, while it is there. */
  readonly network: string | null;
  /** Why it was last disconnected, or could not be reached. */
  readonly error: string | null;
  /** How often it has come up. */
  readonly connects: number;
  readonly counters: Readonly<LinkCounters>;
}

const LEAST_DELAY_MS = 500;
const MOST_DELAY_MS = 30_000;
/** A connection that lasts so long counts: the next delay is the least again. */
const STABLE_NS = 10e9;

export class LinkStation implements Station {
  readonly name: string;
  readonly #counters = newCounters();
  readonly #hello: Hello;
  readonly #wire: LinkWire;
  #connection: LinkConnection | null = null;
  #state: LinkStatus["state"] = "connecting";
  #error: string | null = null;
  #connects = 0;
  #attempts = 0;
  #upSince = 0;
  #cancelRetry: (() => void) | null = null;

  /** Throws a RangeError when the address is none of a WebSocket. */
  constructor(
    private readonly options: LinkOptions,
    private readonly parts: LinkParts,
  ) {
    const { name, url, network, large = true, token = null } = options;
    if (!/^wss?:\/\/[^/]/.test(url) || !URL.canParse(url))
      throw new RangeError(`${url} is not the address of a WebSocket`);
    this.name = `link-${new URL(url).host}`;
    const words = Array.from({ length: 4 }, () => parts.random.u32().toString(16).padStart(8, "0"));
    this.#hello = { name, id: words.join(""), network, large, token };
    this.#wire = parts.plug(this);
    this.#wire.setUp?.(false);
    this.#connect();
  }

  status(): LinkStatus {
    const peer = this.#state === "up" ? (this.#connection?.peer ?? null) : null;
    return {
      state: this.#state,
      peer: peer?.name ?? null,
      network: peer?.network ?? null,
      error: this.#error,
      connects: this.#connects,
      counters: { ...this.#counters },
    };
  }

  close(): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#cancelRetry?.();
    this.#cancelRetry = null;
    this.#connection?.end(CloseCode.DONE, "closed by the other side");
    this.#connection = null;
    this.#wire.unplug();
    this.parts.changed?.();
  }

  receive(packet: Packet): boolean {
    if (this.#connection !== null) return this.#connection.receive(packet);
    this.#counters.dropsOut++;
    return true;
  }

  settle(): void {
    this.#connection?.settle();
  }

  resume(): void {
    this.#connection?.resume();
  }

  #connect(): void {
    this.#state = "connecting";
    this.parts.changed?.();
    let connection: LinkConnection | null = null;
    let socket: LinkSocket;
    try {
      socket = this.parts.open(this.options.url, {
        opened: () => connection?.opened(),
        message: (data) => connection?.message(data),
        closed: (reason) => connection?.closed(reason),
      });
    } catch (error) {
      this.#retry(error instanceof Error ? error.message : String(error));
      return;
    }
    connection = new LinkConnection(socket, {
      timer: this.parts.timer,
      counters: this.#counters,
      role: "client",
      hello: this.#hello,
      refuse: (peer) => this.#refuse(peer),
      ready: () => this.#up(),
      over: (reason) => this.#down(reason),
    });
    this.#connection = connection;
  }

  #refuse(peer: Hello): string | null {
    if (peer.network === this.options.network) return "a network cannot join itself";
    return this.parts.refuse?.(peer) ?? null;
  }

  #up(): Wire {
    this.#state = "up";
    this.#error = null;
    this.#connects++;
    this.#upSince = this.parts.clock.now();
    this.#wire.setUp?.(true);
    this.parts.changed?.();
    return this.#wire;
  }

  #down(reason: string): void {
    if (this.#state === "closed") return;
    const wasUp = this.#state === "up";
    this.#connection = null;
    if (wasUp && this.parts.clock.now() - this.#upSince >= STABLE_NS) this.#attempts = 0;
    this.#retry(reason);
    if (!wasUp) return;
    this.#wire.setUp?.(false);
    // Whoever waits for room in a connection that is gone shall go on.
    this.#wire.room();
  }

  #retry(reason: string): void {
    this.#state = "waiting";
    this.#error = reason;
    const delay = Math.min(MOST_DELAY_MS, LEAST_DELAY_MS * 2 ** this.#attempts++);
    // Between three and five quarters of it, so that not all come at once.
    const ms = delay * (0.75 + this.parts.random.u32() / 2 ** 33);
    this.#cancelRetry = this.parts.timer(Math.ceil(ms), () => {
      this.#cancelRetry = null;
      this.#connect();
    });
    this.parts.changed?.();
  }
}
