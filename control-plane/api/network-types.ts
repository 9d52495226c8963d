/** Networks as Domain0's callers see them: interfaces of domains, switches, the way out, and who talks to whom. */

/** A network interface, as xl-network-configuration(5) describes it. */
export interface VifConfig {
  /** Number of the device in the guest; the next free one when absent. */
  readonly devid?: number;
  /** "00:16:3e:xx:xx:xx"; one of Xen's own is drawn when absent. */
  readonly mac?: string;
  /** The switch it is plugged into. Absent, or "nat", is the user-mode network, which leads out. */
  readonly bridge?: string;
  /** The guest's driver: netif as Linux has it, or netchannel2. */
  readonly type?: "vif" | "vif2";
  /** Most queues that the guest may use; as many as it has vCPUs when absent. */
  readonly queues?: number;
  readonly mtu?: number;
  /** Most bytes per second that the guest may send. */
  readonly rateBytesPerSecond?: number;
  /** Over which that is counted, microseconds; 50,000 when absent. */
  readonly rateWindowUs?: number;
  /** Frames travel through the switch with this tag, 1 to 4094, and the guest sees none. */
  readonly vlan?: number;
  /** The address that the user-mode network is to give it; any sender's address but this is dropped. */
  readonly ip?: string;
  /** Name in lists and captures; vif<domid>.<devid> when absent. */
  readonly vifname?: string;
  /** False: the guest is to trust nothing that comes from the back end, and copies all of it. */
  readonly trusted?: boolean;
  /** Ports of the host that lead to the guest, on the user-mode network. */
  readonly forwards?: readonly PortForward[];
}

export interface PortForward {
  readonly protocol: "tcp" | "udp";
  /** Where the host listens; 127.0.0.1 when absent. Port 0 is any that is free: `VifInfo` tells which. */
  readonly hostAddress?: string;
  readonly hostPort: number;
  readonly guestPort: number;
}

/** How a line is worse than a cable. Probabilities are from 0 to 1; what is absent is perfect. */
export interface LineImpairment {
  readonly delayMs?: number;
  /** The delay is up to this much longer or shorter; the order stays. */
  readonly jitterMs?: number;
  readonly loss?: number;
  readonly duplicate?: number;
  /** Of a frame not to be delayed, and so to overtake those that are. */
  readonly reorder?: number;
  /** Of one bit to be wrong. */
  readonly corrupt?: number;
  readonly rateBytesPerSecond?: number;
}

/** What changes of an interface; what is absent stays. */
export interface VifChange {
  /** The cable: without it frames both ways are dropped. The guest's driver has no way to see that. */
  readonly linkUp?: boolean;
  /** 0 is no limit. */
  readonly rateBytesPerSecond?: number;
  readonly rateWindowUs?: number;
  /** Of what the guest sends, and of what it gets; an empty object is a perfect line. */
  readonly fromGuest?: LineImpairment;
  readonly toGuest?: LineImpairment;
}

export type Counters = Readonly<Record<string, number>>;

/** An interface of a domain. */
export interface VifInfo {
  /** With number and MAC, whoever chose them. */
  readonly config: VifConfig & { readonly devid: number; readonly mac: string };
  readonly devid: number;
  readonly mac: string;
  readonly name: string;
  /** The switch's; "nat" of the user-mode network. */
  readonly network: string;
  /** Of the back end: [XEN] io/xenbus.h. */
  readonly state: number;
  readonly linkUp: boolean;
  /** Of each queue in use; none before the guest has connected. */
  readonly queues: readonly Counters[];
  /** Of the interface as a whole. */
  readonly counters: Counters;
  readonly fromGuest: LineImpairment;
  readonly toGuest: LineImpairment;
  /** As far as the user-mode network knows them. */
  readonly addresses: readonly string[];
  /** With the ports that were given where 0 was asked for. */
  readonly forwards: readonly PortForward[];
  readonly backendPath: string;
}

export interface NetworkPort {
  readonly name: string;
  /** Absent of a port that is no guest's. */
  readonly domid?: number;
  readonly devid?: number;
  readonly mac?: string;
  readonly vlan?: number;
  readonly linkUp: boolean;
  readonly counters: Counters;
}

/** Where frames to an address go, as the switch has learned it. */
export interface LearnedMac {
  readonly mac: string;
  readonly vlan: number;
  readonly port: string;
  readonly ageSeconds: number;
}

export interface FlowDirection {
  readonly frames: number;
  readonly bytes: number;
  /** Mean of the last seconds. */
  readonly bytesPerSecond: number;
}

/** Who talks to whom. */
export interface NetworkFlow {
  /** Who asks and who answers: IP addresses where there are some, MAC addresses elsewhere. */
  readonly client: string;
  readonly server: string;
  /** "tcp", "udp", "icmp", "icmpv6", "ip-47", "arp", "ethernet". */
  readonly protocol: string;
  /** The service's port of TCP and UDP, the type of a frame of something else than IP; null where there is none. */
  readonly service: number | null;
  readonly vlan: number;
  /** From the client to the server, and back. */
  readonly sent: FlowDirection;
  readonly received: FlowDirection;
  /** Since the first and the last frame. */
  readonly ageSeconds: number;
  readonly idleSeconds: number;
}

export interface NatLease {
  readonly mac: string;
  readonly address: string;
  /** As the guest calls itself. */
  readonly hostname?: string;
}

/** A connection or association from a guest to the world, or from the host to a guest. */
export interface NatConnection {
  readonly protocol: "tcp" | "udp" | "icmp";
  readonly direction: "out" | "in";
  readonly guest: string;
  readonly guestPort: number;
  readonly remote: string;
  readonly remotePort: number;
  /** Of TCP: as RFC 9293 names it. */
  readonly state?: string;
  readonly sentBytes: number;
  readonly receivedBytes: number;
}

/** The user-mode network, behind its switch. */
export interface NatInfo {
  /** What cannot be reached from here, as a sentence, or null. */
  readonly limits: string | null;
  /** Whether guests reach servers of the host's loopback at the gateway's address. */
  readonly hostLoopback: boolean;
  readonly leases: readonly NatLease[];
  readonly connections: readonly NatConnection[];
  readonly counters: Counters;
}

/** Names a link as long as it is there. */
export type LinkId = number & { readonly __brand: "LinkId" };

/** How a network here joins one elsewhere. */
export interface JoinOptions {
  /** "ws://host:port/" or "wss://..."; behind `xl switch` the path names the network there. */
  readonly url: string;
  /** The secret that the other side wants, if it wants one. */
  readonly token?: string;
  /** What the other side calls us; the host's own name when absent. */
  readonly name?: string;
  /** The VLAN here that is joined, 1 to 4094; what is in none when absent. */
  readonly vlan?: number;
}

/** How networks elsewhere may join one here. */
export interface ServeOptions {
  /** Where to listen; 127.0.0.1 when absent. Another than of the loopback needs a token. */
  readonly address?: string;
  /** 0 is any that is free. */
  readonly port: number;
  /** Others must know it. */
  readonly token?: string;
  /**
   * Pages of these origins may join, "*" is all. When absent, any page that knows the token, or those of this computer where
   * there is none.
   */
  readonly origins?: readonly string[];
  /** What the others call us; the host's own name when absent. */
  readonly name?: string;
  /** The VLAN here that they join, 1 to 4094; what is in none when absent. */
  readonly vlan?: number;
}

export interface ServedNetwork {
  readonly id: LinkId;
  /** The one that was given when 0 was asked for. */
  readonly port: number;
  readonly url: string;
}

/** A network elsewhere that this one has joined. */
export interface JoinedLink {
  readonly kind: "joined";
  readonly id: LinkId;
  readonly url: string;
  readonly vlan?: number;
  /** Of the network's ports, the one that leads there. */
  readonly port: string;
  /** Waiting: it cannot be reached, and is tried again in a while. */
  readonly state: "connecting" | "up" | "waiting";
  /** The other side's name for itself, while it is there. */
  readonly peer: string | null;
  /** Why it was last disconnected, or could not be reached; null while it is up. */
  readonly error: string | null;
  /** How often it has come up. */
  readonly connects: number;
  /** In is from there. */
  readonly counters: Counters;
}

/** Where networks elsewhere may join this one. */
export interface ServedLink {
  readonly kind: "served";
  readonly id: LinkId;
  readonly url: string;
  readonly vlan?: number;
  readonly peers: readonly LinkPeer[];
}

/** Somebody who has joined. */
export interface LinkPeer {
  readonly name: string;
  readonly address: string;
  /** Of the network's ports, the one that leads there. */
  readonly port: string;
  /** In is from there. */
  readonly counters: Counters;
}

export type NetworkLink = JoinedLink | ServedLink;

export interface NetworkInfo {
  readonly name: string;
  readonly ports: readonly NetworkPort[];
  /** To networks elsewhere. */
  readonly links: readonly NetworkLink[];
  readonly counters: Counters;
  readonly macs: readonly LearnedMac[];
  /** The latest first. */
  readonly flows: readonly NetworkFlow[];
  /** Of the user-mode network. */
  readonly nat?: NatInfo;
}

/** What is recorded: all of a network, or one interface. */
export type CaptureTarget = { readonly network: string } | { readonly domid: number; readonly devid: number };

export interface CaptureOptions {
  /** Bytes of each frame that are kept; all when absent. */
  readonly snaplen?: number;
}

export interface CaptureStats {
  readonly frames: number;
  /** Not recorded, because whoever takes the recording was too slow. */
  readonly drops: number;
  readonly bytes: number;
}
