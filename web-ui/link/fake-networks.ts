/**
 * Networks of the simulated machine: every guest is on the user-mode network and reads a page now and then. Links come up at
 * once, but for those to a host whose name begins with "nobody".
 */
import type {
  CaptureTarget,
  DomId,
  JoinedLink,
  JoinOptions,
  LinkId,
  NetworkFlow,
  NetworkInfo,
  NetworkPort,
  VifChange,
  VifConfig,
  VifInfo,
} from "../../control-plane/api/index.js";

const GATEWAY = "10.0.2.2";
/** The header of a pcapng file without a frame: section header block, little-endian. */
const EMPTY_PCAPNG = [10, 13, 13, 10, 28, 0, 0, 0, 77, 60, 43, 26, 1, 0, 0, 0, ...Array(8).fill(255), 28, 0, 0, 0];

interface Vif {
  readonly domid: DomId;
  readonly devid: number;
  readonly config: VifConfig;
  linkUp: boolean;
  bytes: number;
}

export class FakeNetworks {
  private readonly vifs: Vif[] = [];
  private readonly links: { readonly network: string; readonly link: JoinedLink }[] = [];
  private lastLink = 0;

  attach(domid: DomId, config: VifConfig): number {
    const devid = config.devid ?? this.vifs.filter((vif) => vif.domid === domid).length;
    this.vifs.push({ domid, devid, config, linkUp: true, bytes: 0 });
    return devid;
  }

  detach(domid: DomId, devid?: number): void {
    for (let n = this.vifs.length - 1; n >= 0; n--) {
      const vif = this.vifs[n]!;
      if (vif.domid === domid && (devid === undefined || vif.devid === devid)) this.vifs.splice(n, 1);
    }
  }

  change(domid: DomId, devid: number, { linkUp }: VifChange): void {
    const vif = this.vifs.find((each) => each.domid === domid && each.devid === devid);
    if (vif !== undefined && linkUp !== undefined) vif.linkUp = linkUp;
  }

  of(domid: DomId): VifInfo[] {
    return this.vifs.filter((vif) => vif.domid === domid).map(describe);
  }

  networks(): NetworkInfo[] {
    const names = [...new Set([...this.vifs.map(networkOf), ...this.links.map(({ network }) => network)])];
    for (const vif of this.vifs) if (vif.linkUp) vif.bytes += 48_000;
    return names.map((name) => {
      const own = this.vifs.filter((vif) => networkOf(vif) === name);
      const links = this.links.filter(({ network }) => network === name).map(({ link }) => link);
      const outside: NetworkPort = { name: "nat", linkUp: true, counters: { rxBytes: sum(own), txBytes: 0, drops: 0 } };
      return {
        name,
        ports: [...own.map(portOf), ...links.map(linkPort), ...(name === "nat" ? [outside] : [])],
        links,
        counters: {},
        macs: [],
        flows: own.filter(({ linkUp }) => linkUp).map(flowOf),
        ...(name === "nat" ? { nat: natOf(own) } : {}),
      };
    });
  }

  join(network: string, { url }: JoinOptions): LinkId {
    const id = ++this.lastLink as LinkId;
    const isThere = !new URL(url).hostname.startsWith("nobody");
    const counters = { framesIn: 12, bytesIn: 4096, framesOut: 9, bytesOut: 1024, dropsIn: 0, dropsOut: 0 };
    const there = isThere
      ? ({ state: "up", peer: "a switch", error: null, connects: 1, counters } as const)
      : ({ state: "waiting", peer: null, error: "it cannot be reached", connects: 0, counters: {} } as const);
    this.links.push({ network, link: { kind: "joined", id, url, port: `link${id}`, ...there } });
    return id;
  }

  /** False when there is none. */
  leave(id: LinkId): boolean {
    const at = this.links.findIndex(({ link }) => link.id === id);
    if (at >= 0) this.links.splice(at, 1);
    return at >= 0;
  }

  /** A file without frames. */
  capture(_target: CaptureTarget, onData: (data: Uint8Array) => void): void {
    onData(Uint8Array.from(EMPTY_PCAPNG));
  }
}

const networkOf = ({ config }: Vif): string => config.bridge ?? "nat";
const nameOf = ({ domid, devid, config }: Vif): string => config.vifname ?? `vif${domid}.${devid}`;
const macOf = ({ domid, devid, config }: Vif): string =>
  config.mac ?? `00:16:3e:00:${domid.toString(16).padStart(2, "0")}:${devid.toString(16).padStart(2, "0")}`;
const addressOf = ({ domid }: Vif): string => `10.0.2.${14 + domid}`;
const sum = (vifs: readonly Vif[]): number => vifs.reduce((bytes, vif) => bytes + vif.bytes, 0);

function portOf(vif: Vif): NetworkPort {
  const { domid, devid, linkUp, bytes } = vif;
  return {
    name: nameOf(vif),
    domid,
    devid,
    mac: macOf(vif),
    linkUp,
    counters: { rxBytes: bytes, txBytes: 0, drops: 0 },
  };
}

const linkPort = ({ port, state, counters }: JoinedLink): NetworkPort => ({
  name: port,
  linkUp: state === "up",
  counters: { rxBytes: counters.bytesOut ?? 0, txBytes: counters.bytesIn ?? 0, drops: 0 },
});

function flowOf(vif: Vif): NetworkFlow {
  const direction = (bytes: number) => ({
    frames: Math.ceil(bytes / 1500),
    bytes,
    bytesPerSecond: bytes > 0 ? 24_000 : 0,
  });
  return {
    client: addressOf(vif),
    server: GATEWAY,
    protocol: "tcp",
    service: 80,
    vlan: 0,
    sent: direction(Math.round(vif.bytes / 40)),
    received: direction(vif.bytes),
    ageSeconds: 5,
    idleSeconds: 0,
  };
}

function natOf(vifs: readonly Vif[]): NonNullable<NetworkInfo["nat"]> {
  const leases = vifs.map((vif) => ({ mac: macOf(vif), address: addressOf(vif), hostname: "xenolith" }));
  return { limits: null, hostLoopback: true, leases, connections: [], counters: {} };
}

function describe(vif: Vif): VifInfo {
  const [mac, name] = [macOf(vif), nameOf(vif)];
  return {
    config: { ...vif.config, devid: vif.devid, mac },
    devid: vif.devid,
    mac,
    name,
    network: networkOf(vif),
    state: 4,
    linkUp: vif.linkUp,
    queues: [],
    counters: {},
    fromGuest: {},
    toGuest: {},
    addresses: [addressOf(vif)],
    forwards: [],
    backendPath: `/local/domain/0/backend/vif/${vif.domid}/${vif.devid}`,
  };
}
