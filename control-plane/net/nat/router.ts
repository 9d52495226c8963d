/** Router advertisements: in answer to solicitations at once, to all every few minutes. [RFC 4861] 6.2 */
import type { Clock, Random } from "../../util/index.js";
import { ROUTER_LIFETIME_SECONDS, routerAdvertisement } from "./codec/ndp.js";
import { ALL_NODES, DNS6, PREFIX6, PREFIX6_BITS, ROUTER_MAC, ROUTER6 } from "./network.js";
import type { Output } from "./output.js";

/** The first few come faster. */
const INITIAL_ADVERTISEMENTS = 3;
const INITIAL_INTERVAL_MS = 16_000;
const LEAST_INTERVAL_MS = 200_000;
const MOST_INTERVAL_MS = 600_000;
/** Between two advertisements to all, whoever asks: MIN_DELAY_BETWEEN_RAS. [RFC 4861] 6.2.6, 10 */
const LEAST_DELAY_MS = 3000;
const ALL_NODES_MAC = Uint8Array.of(0x33, 0x33, 0, 0, 0, 1);

export interface RouterParts {
  readonly clock: Clock;
  readonly random: Random;
  timer(ms: number, work: () => void): () => void;
  readonly output: Output;
  readonly searchDomains: readonly string[];
}

export class Router {
  #cancel: () => void;
  #sent = 0;
  /** When all were told last. */
  #lastNs = Number.NEGATIVE_INFINITY;

  constructor(private readonly parts: RouterParts) {
    this.#cancel = parts.timer(0, () => this.#periodic());
  }

  /** Answers a solicitation to its sender, who gave `source` and `mac`. */
  answer(source: Uint8Array, mac: Uint8Array): void {
    this.#send(source, mac, ROUTER_LIFETIME_SECONDS);
  }

  /** Answers a solicitation of somebody without an address: to all, and no more often than may be. */
  answerAll(): void {
    const waitMs = LEAST_DELAY_MS - (this.parts.clock.now() - this.#lastNs) / 1e6;
    this.#cancel();
    if (waitMs <= 0) this.#periodic();
    else this.#cancel = this.parts.timer(Math.ceil(waitMs), () => this.#periodic());
  }

  /** Tells guests that there is no router any longer. */
  close(): void {
    this.#cancel();
    this.#send(ALL_NODES, ALL_NODES_MAC, 0);
  }

  #periodic(): void {
    this.#send(ALL_NODES, ALL_NODES_MAC, ROUTER_LIFETIME_SECONDS);
    this.#sent++;
    this.#lastNs = this.parts.clock.now();
    const spread = LEAST_INTERVAL_MS + (this.parts.random.u32() % (MOST_INTERVAL_MS - LEAST_INTERVAL_MS));
    const ms = this.#sent < INITIAL_ADVERTISEMENTS ? INITIAL_INTERVAL_MS : spread;
    this.#cancel = this.parts.timer(ms, () => this.#periodic());
  }

  #send(destination: Uint8Array, mac: Uint8Array, lifetimeSeconds: number): void {
    const { output, searchDomains } = this.parts;
    const message = routerAdvertisement({
      mac: ROUTER_MAC,
      mtu: output.mtu,
      prefix: PREFIX6,
      prefixBits: PREFIX6_BITS,
      dns: DNS6,
      searchDomains,
      lifetimeSeconds,
    });
    output.icmp({ mac, source: ROUTER6, destination }, message, 255);
  }
}
