/**
 * Which IP addresses a port's station may send from: xl's `ip=`. What is no IP passes, except more VLAN tags than anyone
 * looks behind, where an address could hide. A family of which no address is listed is dropped altogether.
 */
import { EtherType, type Headers, IpProtocol } from "../offload/index.js";
import type { Packet } from "../packet.js";

const ARP_BYTES = 28;
const DHCP_CLIENT_TO_SERVER = ((68 << 16) | 67) >>> 0;
/** fe80::/10 */
const LINK_LOCAL_MASK = 0xffc00000;
const LINK_LOCAL = 0xfe800000;

export class SourceFilter {
  readonly #ipv4: Uint32Array;
  /** Four words each. */
  readonly #ipv6: Uint32Array;

  /** Addresses of 4 or of 16 bytes. */
  constructor(addresses: readonly Uint8Array[]) {
    this.#ipv4 = words(addresses.filter((a) => a.length === 4));
    this.#ipv6 = words(addresses.filter((a) => a.length === 16));
  }

  allows(packet: Packet, headers: Headers): boolean {
    const { etherType, l3, family } = headers;
    const view = packet.headerView;
    switch (etherType) {
      case EtherType.ARP:
        return packet.headerLength >= l3 + ARP_BYTES && this.#allowsArp(view, l3);
      case EtherType.IPV4:
        return family === 4 && this.#allowsIpv4(view, headers);
      case EtherType.IPV6:
        return family === 6 && this.#allowsIpv6(view, headers);
      default:
        return etherType !== EtherType.VLAN && etherType !== EtherType.QINQ;
    }
  }

  /** The sender's hardware address is the frame's, its IP address is listed or none (a probe). [RFC 826] [RFC 5227] */
  #allowsArp(view: DataView, at: number): boolean {
    if (view.getUint16(at + 2) !== EtherType.IPV4 || view.getUint16(at + 4) !== 0x0604) return false;
    if (view.getUint32(at + 8) !== view.getUint32(6) || view.getUint16(at + 12) !== view.getUint16(10)) return false;
    const sender = view.getUint32(at + 14);
    return this.#ipv4.includes(sender) || (sender === 0 && this.#ipv4.length > 0);
  }

  /** A listed source, or none and a question to a DHCP server. */
  #allowsIpv4(view: DataView, headers: Headers): boolean {
    const source = view.getUint32(headers.source);
    if (this.#ipv4.includes(source)) return true;
    if (source !== 0 || headers.protocol !== IpProtocol.UDP || headers.l4 === 0) return false;
    return this.#ipv4.length > 0 && view.getUint32(headers.l4) === DHCP_CLIENT_TO_SERVER;
  }

  /** A listed source; for ICMPv6, without which there are no neighbours, also a link-local one or none. */
  #allowsIpv6(view: DataView, { source, protocol }: Headers): boolean {
    const a = view.getUint32(source);
    const b = view.getUint32(source + 4);
    const c = view.getUint32(source + 8);
    const d = view.getUint32(source + 12);
    const list = this.#ipv6;
    for (let i = 0; i < list.length; i += 4)
      if (list[i] === a && list[i + 1] === b && list[i + 2] === c && list[i + 3] === d) return true;
    if (list.length === 0 || protocol !== IpProtocol.ICMPV6) return false;
    const isNone = (a | b | c | d) === 0;
    return isNone || (a & LINK_LOCAL_MASK) >>> 0 === LINK_LOCAL;
  }
}

/** Addresses as words in network order. */
function words(addresses: readonly Uint8Array[]): Uint32Array {
  return Uint32Array.from(
    addresses.flatMap((address) => {
      const view = new DataView(address.buffer, address.byteOffset, address.length);
      return Array.from({ length: address.length / 4 }, (_, i) => view.getUint32(4 * i));
    }),
  );
}
