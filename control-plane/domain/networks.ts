/**
 * The networks of a machine, by name: a switch each, made when the first interface or link is plugged in and dropped when
 * nothing is plugged in any more. The one that is called "nat" leads out, and stays: what it has open outlives a guest's reboot.
 */
import { USER_NETWORK } from "../api/limits.js";
import type { NetworkInfo, NetworkPort } from "../api/types.js";
import { Bypasses } from "../backends/vif2/index.js";
import {
  type Capture,
  type CaptureListener,
  type CaptureOptions,
  type Port,
  type PortOptions,
  type Station,
  Switch,
  type Timer,
} from "../net/index.js";
import type { Clock, LogRing, Random } from "../util/index.js";
import { type LinkHost, Links } from "./links.js";
import type { UserNetwork } from "./user-network.js";

/** Plugs the way out into the switch that is to lead there. */
export type MakeUserNetwork = (network: Switch) => UserNetwork;

export interface NetworkParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly timer: Timer;
  readonly log: LogRing;
  readonly makeUserNetwork: MakeUserNetwork;
  /** Whether guests reach the host's loopback at the gateway's address. */
  readonly hostLoopback: boolean;
  /** What the host's clock said, in milliseconds since 1970, when the machine's said 0. */
  readonly epochMs: number;
  /** Absent: no links to networks elsewhere. */
  readonly links?: LinkHost;
}

/** Whose interface is behind a port. */
export interface PortOwner {
  readonly domid: number;
  readonly devid: number;
}

export class Networks {
  readonly #networks = new Map<string, Network>();
  readonly links: Links;

  constructor(private readonly parts: NetworkParts) {
    this.links = new Links(parts, parts.links ?? null);
  }

  /** Whether guests of a network reach the host's loopback. */
  leadsToLoopback(name: string): boolean {
    return name === USER_NETWORK && this.parts.hostLoopback;
  }

  /** The network of that name, which lives until as many `release` it as have held it. */
  hold(name: string): Network {
    let network = this.#networks.get(name);
    if (network === undefined) {
      network = new Network(name, this.parts, () => this.#networks.delete(name));
      this.#networks.set(name, network);
    }
    network.held++;
    return network;
  }

  list(): NetworkInfo[] {
    return [...this.#networks.values()].map((network) => ({ ...network.info(), links: this.links.of(network) }));
  }

  async close(): Promise<void> {
    await this.links.close();
    for (const network of this.#networks.values()) network.close();
    this.#networks.clear();
  }
}

export class Network {
  held = 0;
  readonly nat: UserNetwork | null;
  readonly #switch: Switch;
  readonly #owners = new Map<Port, PortOwner>();
  /** By VLAN. */
  readonly #bypasses = new Map<number, Bypasses>();
  #restraints = 0;
  #id: string | null = null;

  constructor(
    readonly name: string,
    private readonly parts: NetworkParts,
    private readonly dropped: () => void,
  ) {
    const { clock, random, timer, makeUserNetwork } = parts;
    this.#switch = new Switch({ name, clock, random, timer });
    this.nat = name === USER_NETWORK ? makeUserNetwork(this.#switch) : null;
  }

  release(): void {
    if (--this.held > 0 || this.nat !== null) return;
    this.dropped();
  }

  /** Plugs a guest's interface in; `unplug` takes it out. */
  plug(station: Station, options: PortOptions, owner: PortOwner): Port {
    const port = this.#switch.plug(station, options);
    this.#owners.set(port, owner);
    return port;
  }

  /** The name of the interface with that MAC address, or null. */
  portOf(mac: string): string | null {
    for (const port of this.#owners.keys()) if (port.info().mac === mac) return port.name;
    return null;
  }

  unplug(port: Port): void {
    port.unplug();
    this.#owners.delete(port);
  }

  /** Plugs a link to a network elsewhere in. */
  plugLink(station: Station, options: PortOptions): Port {
    return this.#switch.plug(station, options);
  }

  /** What links call this network: a word that no other has. */
  get id(): string {
    const word = () => this.parts.random.u32().toString(16).padStart(8, "0");
    this.#id ??= Array.from({ length: 4 }, word).join("");
    return this.#id;
  }

  /** Records all of it, and no bypass is allowed until the recording is over. */
  tap(listener: CaptureListener, options: CaptureOptions): Capture {
    return this.#switch.tap(listener, { ...options, epochMs: this.parts.epochMs, ended: this.restrain() });
  }

  /** Who introduces guests of a VLAN to each other. */
  bypasses(vlan: number): Bypasses {
    let bypasses = this.#bypasses.get(vlan);
    if (bypasses === undefined) {
      bypasses = new Bypasses({ log: this.parts.log });
      bypasses.allowed = this.#restraints === 0;
      this.#bypasses.set(vlan, bypasses);
    }
    return bypasses;
  }

  /** For an interface whose frames the switch must see, as it drops those from another's address. */
  noBypasses(): Bypasses {
    const none = new Bypasses({ log: this.parts.log });
    none.allowed = false;
    return none;
  }

  /** Until the answer is called all frames go through the switch: somebody wants to see, shape or forbid them. */
  restrain(): () => void {
    this.#restraints++;
    this.#allowBypasses();
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      this.#restraints--;
      this.#allowBypasses();
    };
  }

  #allowBypasses(): void {
    for (const bypasses of this.#bypasses.values()) bypasses.allowed = this.#restraints === 0;
  }

  info(): Omit<NetworkInfo, "links"> {
    const { clock, hostLoopback } = this.parts;
    const now = clock.now();
    const seconds = (ns: number): number => (now - ns) / 1e9;
    const nat = this.nat === null ? {} : { nat: { ...this.nat.info(), hostLoopback } };
    return {
      name: this.name,
      ports: this.#switch.ports.map((port) => this.#port(port)),
      counters: { ...this.#switch.stats() },
      macs: this.#switch.macs().map(({ mac, vlan, port, ageSeconds }) => ({ mac, vlan, port, ageSeconds })),
      flows: this.#switch.flows().map(({ firstSeenNs, lastSeenNs, ...flow }) => ({
        ...flow,
        ageSeconds: seconds(firstSeenNs),
        idleSeconds: seconds(lastSeenNs),
      })),
      ...nat,
    };
  }

  close(): void {
    this.nat?.close();
    for (const port of this.#switch.ports) port.unplug();
    this.#owners.clear();
  }

  #port(port: Port): NetworkPort {
    const { name, up, mac, vlan } = port.info();
    return {
      name,
      ...this.#owners.get(port),
      ...(mac === null ? {} : { mac }),
      ...(vlan === 0 ? {} : { vlan }),
      linkUp: up,
      counters: portCounters(port),
    };
  }
}

/** A port's counters as its station sees them: tx is what it sent. Drops are all of them, and each by its reason. */
export function portCounters(port: Port): Record<string, number> {
  const { framesIn, bytesIn, framesOut, bytesOut, refused, dropsIn, dropsOut } = port.counters();
  const counters: Record<string, number> = {
    txFrames: framesIn,
    txBytes: bytesIn,
    rxFrames: framesOut,
    rxBytes: bytesOut,
    refused,
    drops: 0,
  };
  for (const [way, drops] of Object.entries({ txDrop: dropsIn, rxDrop: dropsOut })) {
    for (const [reason, count] of Object.entries(drops)) {
      counters[`${way}-${reason}`] = count;
      counters.drops! += count;
    }
  }
  return counters;
}
