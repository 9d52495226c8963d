/** The user-mode network behind the switch "nat", as interfaces of domains use it. */
import type { NatConnection, NatInfo, PortForward } from "../api/types.js";
import {
  formatIp,
  formatMac,
  Nat,
  type Outside,
  parseIp,
  parseMac,
  ROUTER_MAC,
  type Switch,
  Tcp,
  type TcpConnectionInfo,
  type Timer,
} from "../net/index.js";
import type { Clock, Random } from "../util/index.js";
import type { MakeUserNetwork } from "./networks.js";
import type { OpenForward, UserNetwork } from "./user-network.js";

export interface NatNetworkParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly timer: Timer;
  readonly outside: Outside;
  readonly hostLoopback: boolean;
}

export function natNetwork(parts: NatNetworkParts): MakeUserNetwork {
  return (network) => new NatNetwork(parts, network);
}

class NatNetwork implements UserNetwork {
  readonly #nat: Nat;
  #tcp: Tcp | null = null;

  constructor(
    private readonly parts: NatNetworkParts,
    network: Switch,
  ) {
    const { clock, random, timer, outside, hostLoopback } = parts;
    this.#nat = new Nat(
      {
        clock,
        random,
        timer,
        outside,
        plug: (station) => network.plug(station, { mac: formatMac(ROUTER_MAC) }),
        tcp: (tcpParts) => {
          this.#tcp = new Tcp(tcpParts);
          return this.#tcp;
        },
      },
      { hostLoopback },
    );
  }

  reserve(mac: string, address: string): string | null {
    return this.#nat.reserve(parseMac(mac)!, parseIp(address)!);
  }

  addressesOf(mac: string): readonly string[] {
    const guest = this.#nat.list().find((known) => known.mac === mac);
    if (guest === undefined) return [];
    return [...new Set([...(guest.lease === null ? [] : [guest.lease]), ...guest.addresses])];
  }

  async forward(mac: string, forward: PortForward): Promise<OpenForward> {
    const bytes = parseMac(mac)!;
    return this.#nat.forward(forward, () => this.#nat.addressOf(bytes));
  }

  forget(mac: string): void {
    this.#nat.forget(parseMac(mac)!);
  }

  info(): Omit<NatInfo, "hostLoopback"> {
    const leases = this.#nat
      .list()
      .filter(({ lease }) => lease !== null)
      .map(({ mac, lease, hostname }) => ({ mac, address: lease!, ...(hostname === "" ? {} : { hostname }) }));
    return {
      limits: this.parts.outside.limits,
      leases,
      connections: (this.#tcp?.list() ?? []).map(connection),
      counters: { ...this.#nat.stats(), ...this.#tcp?.stats() },
    };
  }

  close(): void {
    this.#nat.close();
  }
}

function connection({ direction, guest, remote, state, sentBytes, receivedBytes }: TcpConnectionInfo): NatConnection {
  return {
    protocol: "tcp",
    direction,
    guest: formatIp(guest.address),
    guestPort: guest.port,
    remote: formatIp(remote.address),
    remotePort: remote.port,
    state,
    sentBytes,
    receivedBytes,
  };
}
