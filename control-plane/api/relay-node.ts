/** A relay for guests of pages, in Node: it opens the sockets that a page cannot. */
import { NodeOutside } from "../net/outside/node.js";
import { type Relay, type RelayOptions, serveRelay } from "../net/relay/relay-node.js";

export interface StartRelayOptions extends RelayOptions {
  /** Whether clients reach servers of this computer's loopback. */
  readonly hostLoopback: boolean;
  /** Whether they reach private networks. */
  readonly privateNetworks: boolean;
}

/** Listens; rejects with words for people when it cannot. */
export function startRelay({ hostLoopback, privateNetworks, ...options }: StartRelayOptions): Promise<Relay> {
  return serveRelay(options, () => new NodeOutside({ hostLoopback, privateNetworks }));
}
