/**
 * Links of this machine's networks to networks elsewhere: those that we joined, and places where others may join us. Each
 * keeps its network in use. Two links between the same two networks would be a loop, in which a frame for all runs for
 * ever: they are refused, whichever side asks.
 */
import type { JoinOptions, LinkId, NetworkLink, ServedNetwork, ServeOptions } from "../api/types.js";
import {
  type Hello,
  LinkStation,
  type OpenLinkSocket,
  type Port,
  type PortOptions,
  type ServeLink,
  type Station,
  type Timer,
} from "../net/index.js";
import type { Clock, LogRing, Random } from "../util/index.js";

/** What the host can do for links. */
export interface LinkHost {
  /** Its name, for those at other ends. */
  readonly name: string;
  readonly open: OpenLinkSocket;
  /** Null where nothing can be listened at. */
  readonly serve: ServeLink | null;
}

export interface LinksParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly timer: Timer;
  readonly log: LogRing;
}

/** A network as a link uses it. */
export interface LinkedNetwork {
  readonly name: string;
  readonly id: string;
  plugLink(station: Station, options: PortOptions): Port;
  release(): void;
}

interface Link {
  readonly network: LinkedNetwork;
  /** As in hellos: the network, and the VLAN of it that is joined. */
  readonly end: string;
  info(): NetworkLink;
  /** The address of what we joined, or null. */
  readonly joins: string | null;
  /** The ends, as in hellos, that it leads to now. */
  leadsTo(): readonly string[];
  close(): Promise<void>;
}

const ALREADY = "these two networks are joined already";

export class Links {
  readonly #links = new Map<LinkId, Link>();
  #last = 0;
  #isClosed = false;

  constructor(
    private readonly parts: LinksParts,
    readonly host: LinkHost | null,
  ) {}

  of(network: LinkedNetwork): NetworkLink[] {
    return [...this.#links.values()].filter((link) => link.network === network).map((link) => link.info());
  }

  /** Whether a network has joined that address, with this VLAN. */
  hasJoined(network: LinkedNetwork, url: string, vlan: number | undefined): boolean {
    const end = endOf(network, vlan);
    return [...this.#links.values()].some((link) => link.end === end && link.joins === url);
  }

  /** Begins to join; the link has the network from now on. */
  join(host: LinkHost, network: LinkedNetwork, { url, token, name = host.name, vlan }: JoinOptions): LinkId {
    const id = this.#nextId();
    const end = endOf(network, vlan);
    const port = `link${id}`;
    const options = { url, name, network: end, ...(token === undefined ? {} : { token }) };
    const station = new LinkStation(options, {
      ...this.parts,
      open: host.open,
      plug: (self) => network.plugLink(self, { name: port, ...onVlan(vlan) }),
      refuse: (peer) => this.#refuse(end, peer, id),
    });
    this.#add(id, {
      network,
      end,
      joins: url,
      leadsTo: () => [station.status().network ?? []].flat(),
      info: () => {
        const { state, network: _, ...status } = station.status();
        // One that is closed is no longer listed.
        return {
          kind: "joined",
          id,
          url,
          port,
          state: state === "closed" ? "waiting" : state,
          ...status,
          ...onVlan(vlan),
        };
      },
      close: async () => station.close(),
    });
    return id;
  }

  /** Listens; rejects with words for people when it cannot. The link has the network once it does. */
  async serve(serve: ServeLink, network: LinkedNetwork, name: string, options: ServeOptions): Promise<ServedNetwork> {
    const { address: host = "127.0.0.1", port, token, origins, vlan } = options;
    const id = this.#nextId();
    const end = endOf(network, vlan);
    let plugged = 0;
    const joined = {
      name: network.name,
      id: end,
      refuse: (peer: Hello) => this.#refuse(end, peer, id),
      plug: (station: Station) => network.plugLink(station, { name: `link${id}.${plugged++}`, ...onVlan(vlan) }),
    };
    const asked = {
      host,
      port,
      name,
      log: (line: string) => this.parts.log.writeLimited("link", line),
    };
    const secret = { ...(token === undefined ? {} : { token }), ...(origins === undefined ? {} : { origins }) };
    const server = await serve({ ...asked, ...secret }, { timer: this.parts.timer, networkAt: () => joined });
    if (this.#isClosed) {
      await server.close();
      throw new Error("the machine has ended");
    }
    this.#add(id, {
      network,
      end,
      joins: null,
      leadsTo: () => server.peers().map((peer) => peer.network),
      info: () => {
        const peers = server.peers().map(({ network: _, ...peer }) => ({ ...peer, counters: { ...peer.counters } }));
        return { kind: "served", id, url: server.url, peers, ...onVlan(vlan) };
      },
      close: () => server.close(),
    });
    return { id, port: server.port, url: server.url };
  }

  /** False when there is no such link. */
  async leave(id: LinkId): Promise<boolean> {
    const link = this.#links.get(id);
    if (link === undefined) return false;
    this.#links.delete(id);
    await link.close();
    link.network.release();
    return true;
  }

  ids(): LinkId[] {
    return [...this.#links.keys()];
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all(this.ids().map((id) => this.leave(id)));
  }

  #nextId(): LinkId {
    return ++this.#last as LinkId;
  }

  #add(id: LinkId, link: Link): void {
    this.#links.set(id, link);
  }

  /** A link other than `asking` leads there from here. */
  #refuse(end: string, peer: Hello, asking: LinkId): string | null {
    for (const [id, link] of this.#links)
      if (id !== asking && link.end === end && link.leadsTo().includes(peer.network)) return ALREADY;
    return null;
  }
}

const onVlan = (vlan: number | undefined): { readonly vlan?: number } => (vlan === undefined ? {} : { vlan });

/** VLANs of a network do not hear each other, and are networks of their own here. */
const endOf = ({ id }: LinkedNetwork, vlan: number | undefined): string => (vlan === undefined ? id : `${id}.${vlan}`);
