/**
 * Who talks to whom: for people, not for forwarding. A flow is a pair of addresses (IP where there is IP, else MAC) and
 * the service that they talk about. Bounded: a new flow takes the place of the one that was quiet longest. A frame of a
 * known flow costs a comparison and allocates nothing.
 *
 * The service's port is the lower of the two, the same for both directions. It is wrong for two high ports, where it
 * does no harm but to the words that people read.
 */
import type { Random } from "../../util/index.js";
import { formatIp, formatMac } from "../addresses.js";
import { EtherType, type Headers, IpProtocol } from "../offload/index.js";
import type { Packet } from "../packet.js";

export interface FlowDirection {
  readonly frames: number;
  readonly bytes: number;
  /** Mean of the last three whole seconds. */
  readonly bytesPerSecond: number;
}

export interface Flow {
  readonly vlan: number;
  /** Who asks: the end that does not have the service's port; without ports, who spoke first. */
  readonly client: string;
  readonly server: string;
  /** "tcp", "udp", "icmp", "icmpv6", "ip-47", "ip" when it cannot be told, "arp", "ethernet". */
  readonly protocol: string;
  /** The service's port of TCP and UDP, the type of a frame of something else than IP; null where it cannot be told. */
  readonly service: number | null;
  /** From the client to the server. */
  readonly sent: FlowDirection;
  /** From the server to the client. */
  readonly received: FlowDirection;
  /** Of the switch's clock. */
  readonly firstSeenNs: number;
  readonly lastSeenNs: number;
}

const Kind = { MAC: 0, IPV4: 4, IPV6: 6 } as const;
/** Words of a key: two addresses of four, the service, the VLAN. */
const KEY = 10;
const SERVICE = 8;
const VLAN = 9;
/** Numbers of a flow: frames, bytes, each way; first and last seen. */
const NUMBERS = 6;
const FRAMES = 0;
const BYTES = 2;
const FIRST = 4;
const LAST = 5;
/** Buckets of a second each, per direction: three whole ones and the present. */
const BUCKETS = 4;
const SECOND_NS = 1e9;
const NONE = -1;

export class FlowTable {
  /** Flows that others took the place of. */
  forgotten = 0;
  #count = 0;
  readonly #keys: Uint32Array;
  readonly #numbers: Float64Array;
  readonly #buckets: Float64Array;
  readonly #second: Float64Array;
  /** Direction in which the client speaks. */
  readonly #client: Uint8Array;
  readonly #heads: Int32Array;
  readonly #next: Int32Array;
  readonly #older: Int32Array;
  readonly #newer: Int32Array;
  #newest = NONE;
  #oldest = NONE;
  readonly #seed: number;
  /** The key of the frame at hand, its direction, and the client's. */
  readonly #key = new Uint32Array(KEY);
  #direction = 0;
  #clientDirection = 0;

  constructor(
    random: Random,
    private readonly capacity: number,
  ) {
    this.#keys = new Uint32Array(capacity * KEY);
    this.#numbers = new Float64Array(capacity * NUMBERS);
    this.#buckets = new Float64Array(capacity * BUCKETS * 2);
    this.#second = new Float64Array(capacity);
    this.#client = new Uint8Array(capacity);
    this.#heads = new Int32Array(2 ** Math.ceil(Math.log2(capacity + 1))).fill(NONE);
    this.#next = new Int32Array(capacity);
    this.#older = new Int32Array(capacity);
    this.#newer = new Int32Array(capacity);
    this.#seed = random.u32() | 0;
  }

  get size(): number {
    return this.#count;
  }

  /** The flow of a frame: its number times two, and its direction. `hint` is an answer that may be right again, or -1. */
  find(packet: Packet, headers: Headers, vlan: number, hint: number, now: number): number {
    this.#readKey(packet, headers, vlan);
    let i = hint >> 1;
    if (hint < 0 || !this.#isKey(i)) {
      const bucket = this.#bucket(this.#key, 0);
      i = this.#heads[bucket]!;
      while (i !== NONE && !this.#isKey(i)) i = this.#next[i]!;
      if (i === NONE) i = this.#insert(bucket, now);
    }
    if (this.#newest !== i) {
      this.#unlink(i);
      this.#link(i);
    }
    return (i << 1) | this.#direction;
  }

  /** Counts a frame. */
  add(flow: number, bytes: number, now: number): void {
    const i = flow >> 1;
    const direction = flow & 1;
    const at = i * NUMBERS;
    this.#numbers[at + FRAMES + direction]! += 1;
    this.#numbers[at + BYTES + direction]! += bytes;
    this.#numbers[at + LAST] = now;
    const second = Math.floor(now / SECOND_NS);
    if (this.#second[i] !== second) this.#roll(i, second);
    this.#buckets[(i * 2 + direction) * BUCKETS + (second % BUCKETS)]! += bytes;
  }

  /** All flows, the latest first. */
  list(now: number): Flow[] {
    const flows: Flow[] = [];
    for (let i = this.#newest; i !== NONE; i = this.#older[i]!) {
      this.#roll(i, Math.floor(now / SECOND_NS));
      flows.push(this.#plain(i));
    }
    return flows;
  }

  #plain(i: number): Flow {
    const key = this.#keys.subarray(i * KEY, (i + 1) * KEY);
    const service = key[SERVICE]!;
    const kind = service >>> 24;
    const protocol = (service >>> 16) & 0xff;
    const ends = [address(kind, key.subarray(0, 4)), address(kind, key.subarray(4, 8))];
    const client = this.#client[i]!;
    return {
      vlan: key[VLAN]!,
      client: ends[client]!,
      server: ends[1 - client]!,
      protocol: protocolName(kind, protocol, service & 0xffff),
      service: service & 0xffff || null,
      sent: this.#directionOf(i, client),
      received: this.#directionOf(i, 1 - client),
      firstSeenNs: this.#numbers[i * NUMBERS + FIRST]!,
      lastSeenNs: this.#numbers[i * NUMBERS + LAST]!,
    };
  }

  #directionOf(i: number, direction: number): FlowDirection {
    const at = (i * 2 + direction) * BUCKETS;
    let recent = 0;
    for (let back = 1; back < BUCKETS; back++) recent += this.#buckets[at + ((this.#second[i]! + back) % BUCKETS)]!;
    return {
      frames: this.#numbers[i * NUMBERS + FRAMES + direction]!,
      bytes: this.#numbers[i * NUMBERS + BYTES + direction]!,
      bytesPerSecond: recent / (BUCKETS - 1),
    };
  }

  /** Empties the buckets of the seconds that have begun since the last time. */
  #roll(i: number, second: number): void {
    const passed = Math.min(second - this.#second[i]!, BUCKETS);
    for (let back = 0; back < passed; back++) {
      const bucket = (second - back) % BUCKETS;
      this.#buckets[i * 2 * BUCKETS + bucket] = 0;
      this.#buckets[(i * 2 + 1) * BUCKETS + bucket] = 0;
    }
    if (passed > 0) this.#second[i] = second;
  }

  #readKey(packet: Packet, headers: Headers, vlan: number): void {
    const key = this.#key;
    const view = packet.headerView;
    const { family, source, sourcePort, destinationPort } = headers;
    key[VLAN] = vlan;
    if (family === 0) {
      this.#readMacs(view, headers.etherType);
      return;
    }
    // Of an IPv6 packet whose protocol is too far behind, it is 255.
    const protocol = headers.protocol & 0xff;
    if (family === 4) {
      key[0] = view.getUint32(source);
      key[4] = view.getUint32(headers.destination);
      key[1] = key[2] = key[3] = key[5] = key[6] = key[7] = 0;
    } else {
      for (let word = 0; word < 8; word++) key[word] = view.getUint32(source + 4 * word);
    }
    key[SERVICE] = (family << 24) | (protocol << 16) | Math.min(sourcePort, destinationPort);
    this.#order(sourcePort < destinationPort);
  }

  #readMacs(view: DataView, type: number): void {
    const key = this.#key;
    key[0] = view.getUint16(6);
    key[1] = view.getUint32(8);
    key[4] = view.getUint16(0);
    key[5] = view.getUint32(2);
    key[2] = key[3] = key[6] = key[7] = 0;
    // Below 1536 it is a length.
    key[SERVICE] = (Kind.MAC << 24) | (type < 1536 ? 0 : type);
    this.#order(false);
  }

  /** Puts the smaller address first, so that both directions have one key. */
  #order(isFromService: boolean): void {
    const key = this.#key;
    let word = 0;
    while (word < 3 && key[word] === key[4 + word]) word++;
    this.#direction = key[word]! > key[4 + word]! ? 1 : 0;
    this.#clientDirection = isFromService ? 1 - this.#direction : this.#direction;
    if (this.#direction === 0) return;
    for (word = 0; word < 4; word++) {
      const source = key[word]!;
      key[word] = key[4 + word]!;
      key[4 + word] = source;
    }
  }

  #isKey(i: number): boolean {
    const key = this.#key;
    const keys = this.#keys;
    const at = i * KEY;
    for (let word = 0; word < KEY; word++) if (keys[at + word] !== key[word]) return false;
    return true;
  }

  #bucket(keys: Uint32Array, at: number): number {
    let hash = this.#seed;
    for (let word = 0; word < KEY; word++) {
      hash = Math.imul(hash ^ keys[at + word]!, 0x9e3779b1);
      hash ^= hash >>> 15;
    }
    return hash & (this.#heads.length - 1);
  }

  #insert(bucket: number, now: number): number {
    let i = this.#count;
    if (i < this.capacity) {
      this.#count++;
    } else {
      i = this.#oldest;
      this.#unlink(i);
      this.#unchain(i);
      this.forgotten++;
    }
    this.#keys.set(this.#key, i * KEY);
    this.#numbers.fill(0, i * NUMBERS, (i + 1) * NUMBERS);
    this.#numbers[i * NUMBERS + FIRST] = now;
    this.#buckets.fill(0, i * 2 * BUCKETS, (i + 1) * 2 * BUCKETS);
    this.#second[i] = Math.floor(now / SECOND_NS);
    this.#client[i] = this.#clientDirection;
    this.#next[i] = this.#heads[bucket]!;
    this.#heads[bucket] = i;
    this.#link(i);
    return i;
  }

  #unchain(i: number): void {
    const bucket = this.#bucket(this.#keys, i * KEY);
    if (this.#heads[bucket] === i) {
      this.#heads[bucket] = this.#next[i]!;
      return;
    }
    let before = this.#heads[bucket]!;
    while (this.#next[before] !== i) before = this.#next[before]!;
    this.#next[before] = this.#next[i]!;
  }

  #link(i: number): void {
    this.#older[i] = this.#newest;
    this.#newer[i] = NONE;
    if (this.#newest === NONE) this.#oldest = i;
    else this.#newer[this.#newest] = i;
    this.#newest = i;
  }

  #unlink(i: number): void {
    const older = this.#older[i]!;
    const newer = this.#newer[i]!;
    if (older === NONE) this.#oldest = newer;
    else this.#newer[older] = newer;
    if (newer === NONE) this.#newest = older;
    else this.#older[newer] = older;
  }
}

function address(kind: number, words: Uint32Array): string {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  words.forEach((word, i) => {
    view.setUint32(4 * i, word);
  });
  if (kind === Kind.MAC) return formatMac(bytes.subarray(2, 8));
  return formatIp(kind === Kind.IPV4 ? bytes.subarray(0, 4) : bytes);
}

function protocolName(kind: number, protocol: number, type: number): string {
  if (kind === Kind.MAC) return type === EtherType.ARP ? "arp" : "ethernet";
  switch (protocol) {
    case IpProtocol.TCP:
      return "tcp";
    case IpProtocol.UDP:
      return "udp";
    case IpProtocol.ICMP:
      return "icmp";
    case IpProtocol.ICMPV6:
      return "icmpv6";
    case 255:
      return "ip";
    default:
      return `ip-${protocol}`;
  }
}
