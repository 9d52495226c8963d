/** The little that we look at in a frame: which flow it belongs to, and where its blank checksum is. [RFC 791], [RFC 8200] */
import type { Packet } from "../../net/index.js";

const ETHERNET_BYTES = 14;
const ETHERTYPE_AT = 12;
const VLAN_BYTES = 4;
const ETHERTYPE_VLAN = 0x8100;
const ETHERTYPE_IPV4 = 0x0800;
const ETHERTYPE_IPV6 = 0x86dd;
const IPV6_BYTES = 40;
const TCP = 6;
const UDP = 17;
const TCP_CHECKSUM_AT = 16;
const UDP_CHECKSUM_AT = 6;
/** Extension headers that say their length in units of 8 bytes: hop-by-hop, routing, destination options. */
const IPV6_EXTENSIONS = new Set([0, 43, 60]);
const FNV_PRIME = 0x01000193;
const FNV_BASIS = 0x811c9dc5;

/** What `look` finds out; of TCP and UDP only. */
export class Headers {
  /** Where the TCP or UDP header begins; 0 when there is none. */
  transport = 0;
  /** Where in that its checksum is. */
  checksum = 0;
  /** The same for all packets of a flow. */
  hash = 0;

  look(packet: Packet): void {
    const { headerView: view, headerLength: end } = packet;
    this.transport = 0;
    this.hash = 0;
    let at = ETHERNET_BYTES;
    if (end < at) return;
    let type = view.getUint16(ETHERTYPE_AT);
    if (type === ETHERTYPE_VLAN && end >= at + VLAN_BYTES) {
      type = view.getUint16(ETHERTYPE_AT + VLAN_BYTES);
      at += VLAN_BYTES;
    }
    if (type === ETHERTYPE_IPV4 && end >= at + 20) this.#ipv4(view, at, end);
    else if (type === ETHERTYPE_IPV6 && end >= at + IPV6_BYTES) this.#ipv6(view, at, end);
  }

  #ipv4(view: DataView, at: number, end: number): void {
    this.#mix(view, at + 12, 8);
    // A fragment but the first has no ports, and the first is to go with the others.
    if ((view.getUint16(at + 6) & 0x3fff) !== 0) return;
    this.#transport(view, at + (view.getUint8(at) & 15) * 4, view.getUint8(at + 9), end);
  }

  #ipv6(view: DataView, at: number, end: number): void {
    this.#mix(view, at + 8, 32);
    let next = view.getUint8(at + 6);
    let place = at + IPV6_BYTES;
    while (IPV6_EXTENSIONS.has(next) && place + 8 <= end) {
      next = view.getUint8(place);
      place += (view.getUint8(place + 1) + 1) * 8;
    }
    this.#transport(view, place, next, end);
  }

  #transport(view: DataView, at: number, protocol: number, end: number): void {
    if (protocol !== TCP && protocol !== UDP) return;
    const checksum = protocol === TCP ? TCP_CHECKSUM_AT : UDP_CHECKSUM_AT;
    if (at + checksum + 2 > end) return;
    this.transport = at;
    this.checksum = checksum;
    this.#mix(view, at, 4);
  }

  #mix(view: DataView, at: number, bytes: number): void {
    let hash = this.hash === 0 ? FNV_BASIS : this.hash;
    for (let i = 0; i < bytes; i += 2) hash = Math.imul(hash ^ view.getUint16(at + i), FNV_PRIME);
    this.hash = (hash ^ (hash >>> 15)) >>> 0;
  }
}
